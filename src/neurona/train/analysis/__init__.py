"""What a trained network does and why: measured once, after a run, for its report."""

from neurona.train.analysis.look import analyse, analyse_part

__all__ = ["analyse", "analyse_part"]
