"""The compiler: recorded graphs to machine code.

`function` records and remembers, `family` finds one program for many sizes, `program` is what runs.
Below them, each using only those before it: `ir` (loops and expressions), `machine` (LLVM IR and
machine code), `run` (the native runner and its threads), `lower` (from a graph to tasks).
"""

from neurona.compiler.function import Compiled, compile
from neurona.compiler.session import Session

__all__ = ["Compiled", "Session", "compile"]
