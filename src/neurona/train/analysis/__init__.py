"""What a trained network does and why: measured once, after a run, for its report."""

from neurona.train.analysis.parts import analyse

__all__ = ["analyse"]
