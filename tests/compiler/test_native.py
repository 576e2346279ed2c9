"""Loading machine code."""

from __future__ import annotations

import ctypes

from neurona.compiler import native

TWO_FUNCTIONS = """
define i64 @one() #0 { ret i64 1 }
define i64 @two() #0 { ret i64 2 }
"""


def test_each_function_of_a_module_has_its_own_address() -> None:
    found = [native.load(TWO_FUNCTIONS, symbol) for symbol in ("one", "two", "one")]
    function = ctypes.CFUNCTYPE(ctypes.c_int64)
    assert [function(address)() for address in found] == [1, 2, 1]
    assert found[0] == found[2]
