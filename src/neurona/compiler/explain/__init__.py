"""What a program is made of, printed."""

from neurona.compiler.explain.explanation import Explanation

__all__ = ["Explanation"]
