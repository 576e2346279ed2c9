"""The op tests and random graphs with every access of the kernels checked."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from hypothesis import given

from neurona.compiler.ir.loops import Kernel, Nest, Param, Store
from neurona.compiler.ir.scalar import Builder
from neurona.compiler.machine import native
from neurona.core import dtypes
from neurona.core.dtypes import DType
from tests.compiler import test_compile_errors, test_random_graphs
from tests.compiler.checked import OUTSIDE, CheckedEmitter, checked
from tests.compiler.graphs import Graph, graphs
from tests.ops import test_op_compiled
from tests.ops.record import OpRecord

SOME = [case for case in test_op_compiled.CASES if case.values[1] in (dtypes.float32, dtypes.bool_)]
NAMES = {case.values[0].name for case in SOME}
SOME += [case for case in test_op_compiled.CASES
         if case.values[0].name not in NAMES and case.values[1] == dtypes.int64]  # fmt: skip


@pytest.mark.parametrize(("record", "dtype"), SOME)
def test_ops(record: OpRecord, dtype: DType, rng: np.random.Generator) -> None:
    with checked():
        test_op_compiled.test_values(record, dtype, rng)
        test_op_compiled.test_special_values(record, dtype)


@pytest.mark.parametrize("index", [4, -5, 2**62])
@pytest.mark.parametrize("name", test_compile_errors.INDEXED)
def test_indices_out_of_range(name: str, index: int) -> None:
    """They are an error, and lead nowhere before it is raised."""
    with checked():
        test_compile_errors.test_an_index_out_of_range(name, index)


@pytest.mark.timeout(0)
@test_random_graphs.some(20)
@given(graphs())
def test_random_graphs_with_checks(graph: Graph) -> None:
    with checked():
        test_random_graphs.check(graph)


@pytest.mark.timeout(0)
@test_random_graphs.some(10)
@given(graphs(differentiate=True))
def test_random_gradients_with_checks(graph: Graph) -> None:
    with checked():
        test_random_graphs.check(graph)


@pytest.mark.parametrize("count", [1, 5, 16, 21])
def test_what_a_check_finds(count: int) -> None:
    """One index of several is wrong, in a read or in a write, in any lane."""
    k = Builder()
    i = k.variable("c0")
    index = k.load("b1", i, dtypes.int64)
    spare = 8
    params = (
        Param("b0", dtypes.float32, count, "update"), Param("b1", dtypes.int64, count, "read"),
    )  # fmt: skip
    reads = Store("b0", i, k.load("b0", index, dtypes.float32))
    writes = Store("b0", index, k.constant(1.0, dtypes.float32))
    for store in (reads, writes):
        text = CheckedEmitter(
            Kernel("kernel", params, 1, (), (Nest((("c0", count),), (store,)),)),
            native.host().lanes,
        ).run()
        run = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(
            native.load(text, "kernel")
        )
        for wrong in (None, 0, count // 2, count - 1):
            memory = np.zeros(count + 2 * spare, np.float32)
            places = np.arange(count)
            if wrong is not None:
                places[wrong] = count + 3 if wrong % 2 else -2
            table = np.array([memory[spare:].ctypes.data, places.ctypes.data], np.int64)
            OUTSIDE[0] = 0
            run(table.ctypes.data, 0, 1)
            assert OUTSIDE[0] == (wrong is not None)
    OUTSIDE[0] = 0
