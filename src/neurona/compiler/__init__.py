"""The compiler: recorded graphs to machine code."""

from neurona.compiler.function import Compiled, compile

__all__ = ["Compiled", "compile"]
