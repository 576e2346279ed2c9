"""Compiled matrix products of all sizes and layouts, within the bytes they may write."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neurona as ne
from neurona.compiler.ir.sizes import Size
from neurona.compiler.lower.task import Task
from neurona.compiler.machine import native
from neurona.compiler.machine.matmul import MAX_CHUNKS, Matmul
from neurona.compiler.machine.pack import Packing
from neurona.core import dtypes
from neurona.core.dtypes import DType
from tests.compiler.graphs import Array
from tests.compiler.guards import guarded
from tests.ops.closeness import assert_close, finfo

SIZES = st.sampled_from((0, 1, 2, 3, 5, 7, 13, 14, 15, 16, 17, 28, 31, 32, 33, 40, 65))


def exact_product(a: Array, b: Array) -> tuple[Array, Array]:
    """(product, sum of the sizes of its terms) in float64."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    return np.matmul(x, y), np.matmul(np.abs(x), np.abs(y))


def check(function: Any, a: Array, b: Array, expected: Array, total: Array) -> None:
    with guarded():
        actual = ne.compile(function)(ne.asarray(a), ne.asarray(b)).numpy()
    inner = a.shape[-1] if a.ndim else 1
    wide = dtypes.float32 if a.dtype.itemsize == 2 else a.dtype
    # |error| ≤ k·eps·Σ|terms| for any order of the sum, and one rounding to the dtype.
    bound = (inner + 2) * float(finfo(wide).eps) * total + float(finfo(a.dtype).eps) * abs(expected)
    assert actual.shape == expected.shape
    assert actual.dtype == a.dtype
    assert (np.abs(actual.astype(np.float64) - expected) <= bound).all()


@st.composite
def operands(draw: st.DrawFn) -> tuple[Any, Array, Array, str]:
    """A function of two arrays that multiplies them, maybe transposed, sliced or flipped first."""
    m, k, n = draw(SIZES), draw(SIZES), draw(SIZES)
    batch = draw(st.sampled_from(((), (), (), (1,), (3,), (2, 1), (2, 3))))
    other = draw(st.sampled_from(((), batch, tuple(1 for _ in batch))))
    dtype = draw(st.sampled_from((dtypes.float32,) * 4 + (dtypes.float64, *dtypes.FLOATS[:2])))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    views = [draw(st.sampled_from(("plain", "transposed", "strided", "flipped", "cut")))
             for _ in range(2)]  # fmt: skip
    shapes = [(*batch, m, k), (*other, k, n)]
    made = [laid_out(rng, shape, view, dtype) for shape, view in zip(shapes, views, strict=True)]
    result = draw(st.sampled_from(("plain", "transposed", "with bias", "twice")))

    def function(a: Any, b: Any) -> Any:
        product = show(a, views[0]) @ show(b, views[1])
        match result:
            case "transposed":
                return product.mT * 1
            case "with bias":
                return product * 2 - product
            case "twice":
                return product + show(a, views[0]) @ show(b, views[1]) * 0
        return product

    return function, *made, f"{shapes} {views} {dtype} {result}"


def laid_out(rng: np.random.Generator, shape: tuple[int, ...], view: str, dtype: DType) -> Array:
    """The array of which `show` with the same view has the shape."""
    *lead, rows, columns = shape
    if view == "transposed":
        rows, columns = columns, rows
    elif view == "strided":
        columns = max(2 * columns - 1, 0)
    elif view == "cut":
        rows, columns = rows + 2, columns + 3
    return np.asarray(rng.normal(size=(*lead, rows, columns))).astype(dtype)


def show(x: Any, view: str) -> Any:
    match view:
        case "transposed":
            return x.mT
        case "strided":
            return x[..., ::2]
        case "flipped":
            return x[..., ::-1, :]
        case "cut":
            return x[..., 1:-1, 3:]
    return x


@given(operands())
def test_products_of_any_shape_and_layout(case: tuple[Any, Array, Array, str]) -> None:
    function, a, b, _ = case
    left, right = (x.astype(np.float64) for x in (a, b))
    eager = function(ne.asarray(left), ne.asarray(right)).numpy()
    sizes = function(ne.asarray(np.abs(left)), ne.asarray(np.abs(right))).numpy()
    check(function, a, b, eager, 3 * np.abs(sizes))


@pytest.mark.parametrize("shape", [(64, 64, 64), (128, 784, 512), (257, 65, 129), (1, 300, 1000),
                                   (1000, 300, 1), (10, 512, 10), (700, 3, 700)])  # fmt: skip
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_larger_products_in_chunks(shape: tuple[int, int, int], dtype: str) -> None:
    m, k, n = shape
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(m, k)).astype(dtype), rng.normal(size=(k, n)).astype(dtype)
    check(lambda a, b: a @ b, a, b, *exact_product(a, b))


@pytest.mark.parametrize("depth", [64, 515])
def test_a_transposed_operand_is_packed_by_rows(depth: int) -> None:
    rng = np.random.default_rng(0)
    a, b = [rng.normal(size=(depth, n)).astype(np.float32) for n in (1024, 130)]
    check(lambda a, b: a.T @ b, a, b, *exact_product(a.T, b))


def test_vectors() -> None:
    rng = np.random.default_rng(0)
    for shapes in [((5,), (5,)), ((5,), (5, 7)), ((7, 5), (5,)), ((2, 7, 5), (5,)),
                   ((5,), (2, 5, 7)), ((1,), (1,)), ((0,), (0,)), ((0,), (0, 3))]:  # fmt: skip
        a, b = (rng.normal(size=shape).astype(np.float32) for shape in shapes)
        check(lambda a, b: a @ b, a, b, *exact_product(a, b))


def test_numbers_of_the_code_as_operands() -> None:
    """Constants that are only shown broadcast have memory all the same."""
    x = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    ones = np.ones((7, 3), np.float32)
    actual = ne.compile(lambda x: (x @ ne.ones((7, 3)), ne.full((3, 5), 0.5) @ x))(x)
    for result, (expected, total) in zip(
        actual, (exact_product(x, ones), exact_product(np.full((3, 5), 0.5), x)), strict=True
    ):
        assert_close(result.numpy(), expected.astype(np.float32), 9, total)


@pytest.mark.parametrize("shapes", [((1, 1), (1, 3)), ((4, 1), (1, 3)), ((1, 4), (4, 1)),
                                    ((2, 3), (3, 4))])  # fmt: skip
def test_gradients_of_a_mean_of_a_product(shapes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    rng = np.random.default_rng(0)
    a, b = (ne.Variable(rng.normal(size=shape), dtype="float32") for shape in shapes)

    def slopes() -> Any:
        return ne.gradients(ne.mean(a @ b), [a, b])

    for one, other in zip(ne.compile(slopes)(), slopes(), strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-5)


def test_nan_and_infinity_stay_in_their_row_and_column() -> None:
    a, b = np.ones((17, 20), np.float32), np.ones((20, 19), np.float32)
    a[3, 4], b[7, 5] = np.nan, np.inf
    actual = ne.compile(lambda a, b: a @ b)(a, b).numpy()
    np.testing.assert_array_equal(actual, a @ b)


def test_padding_meets_no_infinity() -> None:
    """What fills up a panel is multiplied by nothing: 0·∞ must not come in."""
    a = np.full((3, 5), np.inf, np.float32)
    actual = ne.compile(lambda a, b: a @ b)(a, np.ones((5, 2), np.float32)).numpy()
    assert (actual == np.inf).all()


@pytest.mark.parametrize("dtype", [*dtypes.SIGNED, *dtypes.UNSIGNED], ids=lambda d: d.name)
def test_integer_products_wrap(dtype: DType) -> None:
    info = np.iinfo(dtype)
    rng = np.random.default_rng(0)
    a, b = (rng.integers(info.min, info.max, s, dtype, endpoint=True) for s in ((5, 9), (9, 4)))
    np.testing.assert_array_equal(ne.compile(lambda a, b: a @ b)(a, b).numpy(), np.matmul(a, b))


@pytest.mark.parametrize("inner", [513, 4096])
def test_long_sums_are_as_exact_as_numpys(inner: int) -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=s).astype(np.float32) for s in ((64, inner), (inner, 96)))
    expected = exact_product(a, b)[0]
    ours, numpys = (
        np.sqrt(np.mean((result - expected) ** 2))
        for result in (ne.compile(lambda a, b: a @ b)(a, b).numpy(), a @ b)
    )
    assert ours < 2 * numpys


@pytest.mark.parametrize("shapes", [((40, 30), (30, 33)), ((3, 900), (900, 31)), ((9, 7), (7, 5)),
                                    ((3, 4, 6), (3, 6, 3)), ((3, 300), (300, 129))])  # fmt: skip
def test_nothing_is_read_behind_an_operand(shapes: tuple[Any, Any]) -> None:
    rng = np.random.default_rng(0)
    a, b = (at_end_of_memory(rng.normal(size=s).astype(np.float32)) for s in shapes)
    np.testing.assert_allclose(ne.compile(lambda a, b: a @ b)(a, b).numpy(), a @ b, atol=1e-4)
    left, right = (at_end_of_memory(np.swapaxes(x, -1, -2)) for x in (a, b))
    actual = ne.compile(lambda a, b: a.mT @ b.mT)(left, right).numpy()
    np.testing.assert_allclose(actual, a @ b, atol=1e-4)


def at_end_of_memory(x: Array) -> Array:
    """The array right before a page that nobody may touch."""
    mmap = pytest.importorskip("mmap")
    if not hasattr(mmap, "PROT_READ"):
        pytest.skip("needs mprotect")
    page = mmap.PAGESIZE
    size = -(-x.nbytes // page) * page
    block = np.frombuffer(mmap.mmap(-1, size + page), np.uint8)
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    protect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    assert protect(block.ctypes.data + size, page, 0) == 0
    end: Array = block[size - x.nbytes : size].view(x.dtype).reshape(x.shape)
    end[...] = x
    return end


def test_panels_that_one_thread_packs_alone_are_one_chunk() -> None:
    def packing(batch: int, columns: int) -> Packing:
        return Packing((batch,), (64 * columns,), 64, columns, 1, 64, 0, 32, dtypes.float32, 16)

    assert packing(1, 64).chunks == 1
    assert packing(1, 1000).chunks == 4
    many = packing(4096, 33)
    assert many.chunks == MAX_CHUNKS


@pytest.mark.parametrize("shape", [(64, 64, 64), (128, 128, 128), (129, 129, 129), (0, 4, 4),
                                   (128, 784, 512), (17, 2048, 2049), (999, 999, 999)])  # fmt: skip
def test_blocks_cover_all_tiles_about_evenly(shape: tuple[int, int, int]) -> None:
    m, k, n = shape
    product = Matmul((), m, k, n, (k, 1), (n, 1), 0, 0, dtypes.float32, 16)
    rows, columns = product.parts
    assert product.chunks == rows * columns <= MAX_CHUNKS
    assert rows <= max(1, product.tiles)
    assert columns <= product.panels
    if m == n == 64:
        assert product.chunks == 2


@pytest.mark.parametrize("shape", [(2, 784, 512), (10, 784, 30), (4, 64, 32), (17, 137, 35),
                                   (3, 24, 3), (5, 100, 1030), (2, 4001, 5)])  # fmt: skip
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_few_rows_by_transposed_weights(shape: tuple[int, int, int], dtype: str) -> None:
    """Dot products of rows and rows, also of some along a batch, from the very end of memory."""
    m, k, n = shape
    product = Matmul(
        (), m, k, n, (k, 1), (1, k), 0, 0, np.dtype(dtype), 64 // np.dtype(dtype).itemsize
    )
    assert product.dots
    rng = np.random.default_rng(0)
    a, w = (at_end_of_memory(rng.normal(size=s).astype(dtype)) for s in ((2, m, k), (2, n, k)))
    check(lambda a, w: a @ w.mT, a, w, *exact_product(a, w.swapaxes(1, 2)))
    expected, total = exact_product(a, w[0].T)
    check(lambda a, w: a @ w[0].mT * 1 + 0, a, w, expected, 2 * total)


@pytest.mark.parametrize("lanes", [4, 8])
def test_dot_products_in_shorter_vectors(monkeypatch: pytest.MonkeyPatch, lanes: int) -> None:
    """Those of AVX2 and SSE, which have 16 registers; SSE has two float64 in a vector."""
    if lanes > native.host().lanes:
        pytest.skip("needs vectors of that length")
    target = replace(native.host(), lanes=lanes)
    monkeypatch.setattr(native, "host", lambda: target)
    rng = np.random.default_rng(0)
    for dtype in (np.float32, np.float64):
        for m, k, n in [(3, 25, 7), (5, 41, 3), (7, 333, 9), (2, 16, 2)]:
            a, w = (rng.normal(size=s).astype(dtype) for s in ((m, k), (n, k)))
            check(lambda a, w: a @ w.mT, a, w, *exact_product(a, w.T))


def test_long_dot_products_are_as_exact_as_numpys() -> None:
    rng = np.random.default_rng(0)
    a, w = (rng.normal(size=(n, 8000)).astype(np.float32) for n in (12, 96))
    expected = exact_product(a, w.T)[0]
    ours, numpys = (
        np.sqrt(np.mean((result - expected) ** 2))
        for result in (ne.compile(lambda a, w: a @ w.mT)(a, w).numpy(), a @ w.T)
    )
    assert ours < 2 * numpys


def test_only_products_that_take_long_are_shared() -> None:
    def task(m: int, k: int, n: int) -> Task:
        product = Matmul((), m, k, n, (k, 1), (n, 1), 0, 0, dtypes.float32, 16)
        return Task((), (), (), 2, matmul=product, flops=product.flops)

    assert task(64, 64, 64).shared
    assert not task(10, 784, 30).shared
    assert task(Size(1), 784, 30).shared


def test_operands_are_packed_where_it_pays() -> None:
    def product(m: int, k: int, n: int, b_strides: tuple[int, int]) -> Matmul:
        return Matmul((), m, k, n, (k, 1), b_strides, 0, 0, dtypes.float32, 16)

    assert product(10, 784, 30, (30, 1)).right is None
    assert product(256, 256, 256, (256, 1)).right is None
    assert product(10, 784, 30, (1, 784)).right is None
    assert product(17, 2048, 2049, (2049, 1)).right is None
    assert product(128, 784, 512, (1, 784)).right is not None
    assert product(10, 30, 10, (1, 30)).right is not None
    assert product(1000, 1000, 1000, (1000, 1)).right is not None


def test_an_operand_of_several_products_is_packed_once() -> None:
    rng = np.random.default_rng(0)
    slopes, *xs = [rng.normal(size=(1024, n)).astype(np.float32) for n in (1024, 130, 200)]
    products = ne.compile(lambda g, x, y: (g.T @ x, g.T @ y))
    kinds = [kernel.kind for kernel in products.explain(slopes, *xs).kernels]
    assert kinds.count("pack") == 3
    for x, found in zip(xs, products(slopes, *xs), strict=True):
        exact, total = exact_product(slopes.T, x)
        assert_close(found.numpy(), exact.astype(np.float32), 1024, total)
