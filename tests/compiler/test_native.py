"""Loading machine code."""

from __future__ import annotations

import ctypes

import pytest

from neurona.compiler import native

TWO_FUNCTIONS = """
define i64 @one() #0 { ret i64 1 }
define i64 @two() #0 { ret i64 2 }
"""


def test_what_cannot_be_linked_is_in_nobody_s_way() -> None:
    missing = (
        "declare i64 @nowhere()\ndefine i64 @one() #0 {\n%x = call i64 @nowhere()\nret i64 %x\n}"
    )
    with pytest.raises(RuntimeError):
        native.load(missing, "one")
    address = native.load(TWO_FUNCTIONS.replace("i64 1", "i64 3"), "one")
    assert ctypes.CFUNCTYPE(ctypes.c_int64)(address)() == 3


def test_each_function_of_a_module_has_its_own_address() -> None:
    found = [native.load(TWO_FUNCTIONS, symbol) for symbol in ("one", "two", "one")]
    function = ctypes.CFUNCTYPE(ctypes.c_int64)
    assert [function(address)() for address in found] == [1, 2, 1]
    assert found[0] == found[2]
