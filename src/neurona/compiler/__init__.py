"""The compiler: recorded graphs to machine code."""

from neurona.compiler.function import Compiled, compile
from neurona.compiler.session import Session

__all__ = ["Compiled", "Session", "compile"]
