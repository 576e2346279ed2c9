"""Machine code of single kernels: every element is written, and nothing else."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona.compiler.ir.loops import Fold, Kernel, Nest, Param, Store, check
from neurona.compiler.ir.scalar import INDEX, Builder
from neurona.compiler.machine import native
from neurona.compiler.machine.abreast import emit
from neurona.core import dtypes
from neurona.core.dtypes import DType
from tests.compiler.graphs import Array

SPARE = 128
MARK = 0xA5
COUNTS = (0, 1, 2, 3, 7, 8, 15, 16, 17, 18, 31, 33, 129)


class Buffer:
    """Elements with marked bytes behind them."""

    def __init__(self, size: int, dtype: DType) -> None:
        self.block = np.full(size * dtype.itemsize + SPARE, MARK, np.uint8)
        self.size = size
        self.dtype = dtype

    @property
    def array(self) -> Array:
        return self.block[: self.size * self.dtype.itemsize].view(self.dtype)

    def check(self) -> None:
        beyond = self.block[self.size * self.dtype.itemsize :]
        assert (beyond == MARK).all(), f"{int((beyond != MARK).sum())} bytes written beyond the end"


def run(kernel: Kernel, *buffers: Array, chunks: tuple[int, int] | None = None) -> None:
    address = native.load(emit(check(kernel), native.host().lanes), "kernel")
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(address)
    table = np.array([b.ctypes.data for b in buffers], np.int64)
    function(table.ctypes.data, *(chunks or (0, kernel.chunks)))


def copied(source: DType, target: DType, count: int, step: int) -> tuple[Kernel, int]:
    """target[step·i] = source[i]; and how many elements the target has."""
    k = Builder()
    i = k.variable("c0")
    size = max((count - 1) * step + 1, 1)
    params = (
        Param("b0", source, max(count, 1), "read"), Param("b1", target, size, "write"),
    )  # fmt: skip
    store = Store("b1", i * step, k.cast(k.load("b0", i, source), target))
    return Kernel("kernel", params, 1, (), (Nest((("c0", count),), (store,)),)), size


@pytest.mark.parametrize("target", dtypes.ALL, ids=lambda d: d.name)
@pytest.mark.parametrize("source", ["float32", "float64", "float16", "uint32", "int64", "bool"])
def test_a_loop_writes_its_elements_and_no_byte_more(source: str, target: DType) -> None:
    kind = dtypes.as_dtype(source)
    for count in COUNTS:
        for step in (1, 2) if count < 20 else (1,):
            kernel, size = copied(kind, target, count, step)
            given = (np.arange(max(count, 1)) % 2 + (kind != dtypes.bool_)).astype(kind)
            result = Buffer(size, target)
            run(kernel, given, result.block)
            result.check()
            written = result.array[::step][:count]
            np.testing.assert_array_equal(written, given[:count].astype(target))
            between = result.block[: size * target.itemsize].reshape(size, -1)
            assert (between[1::step] == MARK).all() or step == 1


def test_extents_known_only_at_run_time() -> None:
    """The last block of a long row is cut off where the data end."""
    k = Builder()
    row, column = k.variable("r0"), k.variable("c0")
    total, block = 1000, 64
    left = k.minimum(k.constant(total, INDEX) - row * block, block)
    place = row * block + column
    for source, target in (("float32", "bfloat16"), ("float32", "bool"), ("int32", "uint8")):
        a, b = dtypes.as_dtype(source), dtypes.as_dtype(target)
        params = (Param("b0", a, total, "read"), Param("b1", b, total, "write"))
        nest = Nest((("c0", left),), (Store("b1", place, k.cast(k.load("b0", place, a), b)),))
        kernel = Kernel("kernel", params, 4, (("r0", 16),), (nest,))
        given, result = np.arange(total).astype(a), Buffer(total, b)
        run(kernel, given, result.block)
        result.check()
        np.testing.assert_array_equal(result.array, given.astype(b))


def folding(count: int, combine: str, start: Any, dtype: DType) -> Kernel:
    k = Builder()
    i = k.variable("c0")
    fold = Fold("f0", combine, k.constant(start, dtype), k.load("b0", i, dtype))
    params = (Param("b0", dtype, max(count, 1), "read"), Param("b1", dtype, 1, "write"))
    store = Store("b1", k.constant(0, INDEX), k.variable("f0", dtype))
    return Kernel("kernel", params, 1, (), (Nest((("c0", count),), (), (fold,)), store))


FOLDS = {
    "add": (0, np.sum), "multiply": (1, np.prod), "minimum": (99, np.min), "maximum": (-99, np.max),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [dtypes.float32, dtypes.float64, dtypes.int32, dtypes.int8],
                         ids=lambda d: d.name)  # fmt: skip
@pytest.mark.parametrize("combine", FOLDS)
def test_folds_of_all_lengths(combine: str, dtype: DType) -> None:
    start, reference = FOLDS[combine]
    for count in (*COUNTS, 127, 128, 513):
        given = np.where(np.arange(count) % 9 == 4, -1, 1).astype(dtype)
        given[:1] = 3
        result = np.zeros(1, dtype)
        run(folding(count, combine, start, dtype), np.append(given, [77]).astype(dtype), result)
        expected = reference(given, initial=start, dtype=dtype) if combine in (
            "add", "multiply") else reference(np.append(given, start))  # fmt: skip
        assert result[0] == np.asarray(expected).astype(dtype), count


def test_reads_come_before_writes() -> None:
    """Two stores of a nest see the same old values, here in a swap."""
    k = Builder()
    i = k.variable("c0")
    a, b = (k.load(name, i, dtypes.float32) for name in ("b0", "b1"))
    params = tuple(Param(name, dtypes.float32, 21, "update", shared=True) for name in ("b0", "b1"))
    nest = Nest((("c0", 21),), (Store("b0", i, b), Store("b1", i, a)))
    x, y = np.arange(21, dtype=np.float32), np.arange(21, dtype=np.float32) + 100
    run(Kernel("kernel", params, 1, (), (nest,)), x, y)
    np.testing.assert_array_equal(x, np.arange(21) + 100)
    np.testing.assert_array_equal(y, np.arange(21))


@pytest.mark.parametrize("chunks", [1, 2, 3, 5])
def test_chunks_share_the_rows(chunks: int) -> None:
    k = Builder()
    row, column = k.variable("r0"), k.variable("c0")
    place = row * 3 + column
    value = k.cast(k.variable("chunk") + 1, dtypes.float32)
    nest = Nest((("c0", 3),), (Store("b0", place, value),))
    count = -(-5 // -(-5 // chunks))
    kernel = Kernel(
        "kernel", (Param("b0", dtypes.float32, 15, "write"),), count, (("r0", 5),), (nest,)
    )
    whole, parts = np.zeros(15, np.float32), np.zeros(15, np.float32)
    run(kernel, whole)
    for chunk in reversed(range(count)):
        run(kernel, parts, chunks=(chunk, chunk + 1))
    assert (whole > 0).all()
    np.testing.assert_array_equal(whole, parts)


@pytest.mark.parametrize("count", COUNTS[1:])
def test_double_precision_to_half_by_way_of_single(count: int) -> None:
    """LLVM knows no other way that needs no function of a C compiler's library."""
    x = np.linspace(0.1, 3, count)

    def half(x: Any) -> Any:
        return ne.astype(x, "float16")

    def function(x: Any) -> Any:
        product = half(x * x) + half(-(x * x) * x)
        return product, ne.astype(product, "float64") + 1, ne.erf(half(x))

    for one, other in zip(ne.compile(function)(x), function(ne.asarray(x)), strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=2e-3)


def test_gathers_and_scatters() -> None:
    k = Builder()
    i = k.variable("c0")
    index = k.load("b1", i, dtypes.int64)
    params = (
        Param("b0", dtypes.float32, 40, "read"), Param("b1", dtypes.int64, 19, "read"),
        Param("b2", dtypes.float32, 40, "write"),
    )  # fmt: skip
    order = np.random.default_rng(0).permutation(40)[:19]
    nest = Nest((("c0", 19),), (Store("b2", index, k.load("b0", index, dtypes.float32)),))
    x, result = np.arange(40, dtype=np.float32) + 1, np.zeros(40, np.float32)
    run(Kernel("kernel", params, 1, (), (nest,)), x, order, result)
    expected = np.zeros(40)
    expected[order] = x[order]
    np.testing.assert_array_equal(result, expected)
