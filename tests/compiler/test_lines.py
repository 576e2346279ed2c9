"""Scans and sorts along an axis: native, right for all sizes, bits that no threads change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona.compiler.machine.scan import UNITS
from neurona.core import dtypes
from neurona.core.apply import apply
from neurona.ops.cumulative import CUMULATIVE_SUM, LINEAR_RECURRENCE
from neurona.ops.operand import operand
from tests.compiler.programs import program_of
from tests.ops.closeness import assert_close

Rng = np.random.Generator
NUMBERS = dtypes.SIGNED + dtypes.UNSIGNED + dtypes.FLOATS


def draw(rng: Rng, shape: tuple[int, ...], dtype: Any) -> Any:
    if dtypes.is_float(dtype):
        return rng.normal(size=shape).astype(dtype)
    return rng.integers(0, 50, shape).astype(dtype)


# --- scans ---

# Vectors of 16, 8 or 4: whole blocks, blocks begun, single lines left over.
SHAPES = [
    ((5, 3, 300), 1), ((3, 2, 16 * UNITS), 0), ((2, 7, 35), 1), ((7, 13), 1), ((3, 5, 1), 1),
    ((5000,), 0), ((1, 9), 0), ((4, 3, 2), 1), ((9, 4, 17), 0),
]  # fmt: skip


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("dtype", NUMBERS)
def test_running_sums(rng: Rng, dtype: Any, reverse: bool) -> None:
    inputs = [draw(rng, shape, dtype) for shape, _ in SHAPES]

    def run(inputs: list[Any]) -> list[Any]:
        pairs = zip(inputs, SHAPES, strict=True)
        return [apply(CUMULATIVE_SUM, x, axis=axis, reverse=reverse) for x, (_, axis) in pairs]

    found = ne.compile(run)([ne.asarray(x) for x in inputs])
    for (_, axis), x, result in zip(SHAPES, inputs, found, strict=True):
        way = (slice(None),) * axis + (slice(None, None, -1 if reverse else 1),)
        if not dtypes.is_float(dtype):
            expected = np.cumsum(x[way], axis, dtype)[way]
            np.testing.assert_array_equal(result.numpy(), expected)
            continue
        wide = x.astype(np.float64)[way]
        sizes = np.cumsum(np.abs(wide), axis)[way]
        expected = np.cumsum(wide, axis)[way].astype(dtype)
        terms = 1 if dtype.itemsize == 2 else x.shape[axis]
        assert_close(result.numpy(), expected, terms + 1, sizes, "cumulative_sum")


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_recurrences(rng: Rng, shape: Any, axis: int) -> None:
    a, b = rng.uniform(-1, 1, shape), rng.normal(size=shape)
    found = ne.compile(lambda a, b: apply(LINEAR_RECURRENCE, a, b, axis=axis, reverse=False))(a, b)
    state = np.zeros_like(np.take(a, 0, axis))
    for i in range(shape[axis]):
        state = np.take(a, i, axis) * state + np.take(b, i, axis)
        np.testing.assert_allclose(np.take(found.numpy(), i, axis), state, rtol=1e-9, atol=1e-12)


def test_sums_of_bools() -> None:
    x = np.array([[False, True, False], [True, True, False]])
    for ours, theirs in ((ne.cumulative_sum, np.cumsum), (ne.cumulative_prod, np.cumprod)):
        found = ne.compile(lambda x, ours=ours: ours(x, axis=1, dtype=ne.bool))(x)
        np.testing.assert_array_equal(found.numpy(), theirs(x, 1, dtype=bool))


def test_inputs_that_are_views(rng: Rng) -> None:
    x = rng.normal(size=(6, 40)).astype(np.float32)
    compiled = ne.compile(
        lambda x: [
            ne.cumulative_sum(x.T, axis=1),
            ne.cumulative_sum(x[2:], axis=0),  # contiguous, from an offset on
            ne.cumulative_sum(ne.broadcast_to(x[0], (5, 40)), axis=0),
            ne.cumulative_sum(ne.ones((3, 4)), axis=1),
            ne.argsort(x.T, axis=0),
            ne.argsort(x[2:], axis=1),
            ne.argsort(ne.flip(x, axis=1)),
        ]
    )
    expected = [
        np.cumsum(x.T, 1), np.cumsum(x[2:], 0), np.cumsum(np.broadcast_to(x[0], (5, 40)), 0),
        np.cumsum(np.ones((3, 4)), 1), np.argsort(x.T, 0), np.argsort(x[2:]),
        np.argsort(x[:, ::-1]),
    ]  # fmt: skip
    for ours, theirs in zip(compiled(x), expected, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-5, atol=1e-5)


def test_gradients_through_running_products_and_sums(rng: Rng) -> None:
    x = rng.normal(size=(4, 30))
    x[1, 3] = 0

    def slope(x: Any) -> Any:
        return ne.grad(
            lambda x: ne.sum(ne.cumulative_prod(x, axis=1) * ne.cumulative_sum(x, axis=0))
        )(x)

    compiled = ne.compile(slope)
    np.testing.assert_allclose(
        compiled(x).numpy(), slope(ne.asarray(x)).numpy(), rtol=1e-9, atol=1e-12
    )
    assert program_of(compiled, x).native


# --- sorts ---


def keys(rng: Rng, shape: tuple[int, ...], dtype: Any) -> Any:
    """Many equal ones, extremes, both zeros, infinities and NaN."""
    if dtype == dtypes.bool_:
        return rng.integers(0, 2, shape).astype(bool)
    if not dtypes.is_float(dtype):
        info = np.iinfo(dtype)
        x = rng.integers(info.min, info.max, shape, dtype, endpoint=True)
        return np.where(rng.random(shape) < 0.5, x // 100, x).astype(dtype)
    x = rng.normal(size=shape) * 10.0 ** rng.integers(-4, 5, shape)
    odd = rng.choice([np.inf, -np.inf, np.nan, -np.nan, 0.0, -0.0, 1.0], shape)
    return np.where(rng.random(shape) < 0.3, odd, x).astype(dtype)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("dtype", dtypes.ALL)
@pytest.mark.parametrize(
    ("shape", "axis"),
    [((3, 2), 1), ((7, 12), 0), ((3, 97), 1), ((200, 3), 0), ((2, 500, 3), 1), ((1, 1), 0)],
)
def test_orders(rng: Rng, shape: Any, axis: int, dtype: Any, descending: bool) -> None:
    x = keys(rng, shape, dtype)

    def function(x: Any) -> Any:
        return ne.argsort(x, axis=axis, descending=descending)

    compiled = ne.compile(function)
    expected = function(ne.asarray(x)).numpy()
    np.testing.assert_array_equal(compiled(x).numpy(), expected)
    if not descending:
        plain = x.astype(np.float32) if dtype == dtypes.bfloat16 else x
        np.testing.assert_array_equal(expected, np.argsort(plain, axis, kind="stable"))
    program = program_of(compiled, x)
    assert program.native


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize("count", [0, 1, 2, 3, 16, 17, 1000])
def test_places_among_sorted_numbers(rng: Rng, count: int, dtype: Any, side: str) -> None:
    edges, values = keys(rng, (count,), dtype), keys(rng, (300,), dtype)
    order = ne.argsort(edges).numpy()
    edges = edges[order]

    def function(edges: Any, values: Any) -> Any:
        return ne.searchsorted(edges, values, side=side)

    expected = function(ne.asarray(edges), ne.asarray(values)).numpy()
    np.testing.assert_array_equal(ne.compile(function)(edges, values).numpy(), expected)


# --- both ---

CASES: dict[str, Callable[[Any], Any]] = {
    "sum along rows": lambda x: ne.cumulative_sum(x, axis=1),
    "sum along columns": lambda x: ne.cumulative_sum(x, axis=0),
    "product": lambda x: ne.cumulative_prod(x, axis=0),
    "recurrence": lambda x: apply(LINEAR_RECURRENCE, x * 0.5, x, axis=1, reverse=True),
    "order of rows": lambda x: ne.argsort(x, axis=1),
    "order of columns": lambda x: ne.sort(x, axis=0),
    "largest": lambda x: ne.top_k(x, 5)[0],
    "slope": lambda x: ne.grad(lambda x: ne.sum(ne.sort(x, axis=1) * x))(x),
    "search": lambda x: ne.searchsorted(ne.sort(x[0]), x),
}


@pytest.mark.parametrize("case", CASES)
def test_same_bits_with_any_number_of_threads(rng: Rng, case: str, threads: Any) -> None:
    x = rng.normal(size=(300, 400)).astype(np.float32)
    compiled = ne.compile(CASES[case])
    found = []
    for count in (1, 2, 3):
        threads(count)
        found.append(compiled(x).numpy())
    assert len({one.tobytes() for one in found}) == 1
    program = program_of(compiled, x)
    assert program.native
    assert program.parallel
    eager = CASES[case](operand(x)).numpy()
    np.testing.assert_allclose(found[0], eager, rtol=1e-4, atol=1e-3)


def test_along_an_axis_without_elements() -> None:
    compiled = ne.compile(lambda x: (ne.cumulative_sum(x, axis=1), ne.argsort(x, axis=0)))
    for shape in ((0, 3), (3, 0)):
        for part in compiled(np.zeros(shape, np.float32)):
            assert part.shape == shape


def test_explain_shows_them(rng: Rng) -> None:
    x = rng.normal(size=(30, 40)).astype(np.float32)
    explained = ne.compile(lambda x: ne.cumulative_sum(ne.sort(x), axis=1)).explain(x)
    kinds = {kernel.name: kernel.kind for kernel in explained.kernels}
    assert kinds["argsort"] == "sort"
    assert kinds["cumulative_sum"] == "scan"
    assert "python" not in kinds.values()
    for i, kernel in enumerate(explained.kernels):
        assert kernel.seconds > 0
        assert "define" in explained.llvm(i)
        assert explained.loops(i)
