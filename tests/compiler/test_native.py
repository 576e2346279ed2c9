"""Loading machine code."""

from __future__ import annotations

import ctypes

import llvmlite.binding as llvm
import numpy as np
import pytest

import neurona as ne
from neurona.compiler.machine import native
from tests.ops.closeness import assert_identical

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


@pytest.mark.parametrize(("cpu", "lanes"), [("haswell", 8), ("x86-64", 4)])
def test_smaller_vectors_come_to_the_same_bits(
    cpu: str, lanes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if native.host().lanes < 2 * lanes:
        pytest.skip("this CPU has no larger vectors to compare with")
    x = np.concatenate([np.linspace(-5, 5, 1237), [np.nan, np.inf, -np.inf, -0.0]])
    x = x.astype(np.float32)
    functions = [ne.exp, ne.erf, lambda x: ne.exp(x[0]) + ne.erf(x[0]), lambda x: ne.max(x[:-4])]
    expected = [ne.compile(function)(x).numpy() for function in functions]
    smaller = native.Target(cpu, "", lanes)
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=cpu, opt=3, reloc="pic", codemodel="small"
    )
    monkeypatch.setattr(native, "host", lambda: smaller)
    monkeypatch.setattr(native, "_machine", lambda: machine)
    for function, values in zip(functions, expected, strict=True):
        assert_identical(ne.compile(function)(x).numpy(), values)
