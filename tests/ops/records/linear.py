"""Records of sums and products of many terms."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from neurona.core import dtypes
from neurona.core.errors import DTypeError, ShapeError
from neurona.ops import broadcast, matmul
from tests.ops.elementwise import inf, nan
from tests.ops.record import NUMBERS, Array, Failure, OpRecord, Sample, Special
from tests.ops.records.shape import moves
from tests.ops.samples import Rng, exact, ordinary, strided

Shape = tuple[int, ...]

REDUCTIONS: tuple[tuple[Shape, dict[str, Any]], ...] = (
    ((5, 70), {"axis": (1,), "keepdims": False}),
    ((70, 5), {"axis": (0,), "keepdims": False}),
    ((3, 4, 5), {"axis": (0, 2), "keepdims": True}),
    ((3, 4, 5), {"axis": (0, 1, 2), "keepdims": False}),
    ((3, 1, 2), {"axis": (1,), "keepdims": False}),
    ((2, 0, 3), {"axis": (2,), "keepdims": False}),
)
EMPTY: tuple[tuple[Shape, dict[str, Any]], ...] = (
    ((2, 0, 3), {"axis": (1,), "keepdims": False}),
    ((0,), {"axis": (0,), "keepdims": True}),
)
"""Reductions of no elements, for those that have a neutral one."""


def reduced(
    function: Callable[[list[Any]], Any], x: Array, *, axis: tuple[int, ...], keepdims: bool
) -> Array:
    """`function` of the list of the elements (Python numbers) that fall together."""
    values = exact(x)
    kept = [i for i in range(x.ndim) if i not in axis]
    groups: dict[Shape, list[Any]] = {
        index: [] for index in np.ndindex(*[x.shape[i] for i in kept])
    }
    for index in np.ndindex(*x.shape):
        groups[tuple(index[i] for i in kept)].append(values[index])
    shape = tuple(1 if i in axis else n for i, n in enumerate(x.shape) if keepdims or i not in axis)
    results = [function(group) for group in groups.values()]
    return as_array(results, x.dtype).reshape(shape)


def as_array(results: list[Any], dtype: dtypes.DType) -> Array:
    """Exact results for operands of `dtype`: float64, or integers modulo 2^bits."""
    if dtypes.is_float(dtype):
        return np.array([float(r) for r in results], np.float64)
    if all(isinstance(r, bool) for r in results):
        return np.array(results, np.bool_)
    bits = 8 * dtype.itemsize
    low = int(np.iinfo(dtype).min)
    return np.array([(r - low) % (1 << bits) + low for r in results], dtype)


def _sum(values: list[Any]) -> Any:
    return math.fsum(values) if any(isinstance(v, float) for v in values) else sum(values)


def _size(values: list[Any]) -> float:
    return math.fsum(abs(v) for v in values)


SUM = OpRecord(
    "sum",
    NUMBERS,
    moves(*REDUCTIONS, *EMPTY),
    lambda x, **attrs: reduced(_sum, x, **attrs),
    # Pairwise sums of up to 70 terms: log₂ 70 + 1 roundings at most, in practice far fewer.
    ulps=4,
    scale=lambda x, **attrs: reduced(_size, x.astype(np.float64), **attrs),
    gradient=2,
    torch=lambda torch, x, *, axis, keepdims: torch.sum(x, axis, keepdims),
    specials=(
        Special(([1.0, inf, -inf],), nan, attrs={"axis": (0,), "keepdims": False}),
        Special(([1.0, inf, inf],), inf, attrs={"axis": (0,), "keepdims": False}),
        Special(([1.0, nan, inf],), nan, attrs={"axis": (0,), "keepdims": False}),
        # Half precision adds up in float32.
        Special(([2048.0, 1.0, 1.0],), 2050, (dtypes.float16,), {"axis": (0,), "keepdims": False}),
        Special(([256.0, 1.0, 1.0],), 258, (dtypes.bfloat16,), {"axis": (0,), "keepdims": False}),
    ),
    failures=(
        Failure(
            lambda: broadcast.sum(np.zeros((2, 3)), axis=2),
            ShapeError,
            "sum: axis 2 is out of range for 2 axes (-2…1)",
        ),
        Failure(
            lambda: broadcast.sum(np.zeros((2, 3)), axis=(0, -2)), ShapeError, "names an axis twice"
        ),
    ),
)


# --- matmul ---


def _product(a: Array, b: Array, times: Callable[[Any, Any], Any], total: Any) -> list[Any]:
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    x = np.broadcast_to(exact(a), (*batch, *a.shape[-2:]))
    y = np.broadcast_to(exact(b), (*batch, *b.shape[-2:]))
    return [
        total([times(x[(*at, i, k)], y[(*at, k, j)]) for k in range(a.shape[-1])])
        for at in np.ndindex(*batch)
        for i in range(a.shape[-2])
        for j in range(b.shape[-1])
    ]


def _matmul_shape(a: Array, b: Array) -> Shape:
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return (*batch, a.shape[-2], b.shape[-1])


def _matmul(a: Array, b: Array) -> Array:
    if dtypes.is_float(a.dtype):
        results = _product(a, b, lambda x, y: Fraction(x) * Fraction(y), sum)
    else:
        results = _product(a, b, lambda x, y: x * y, sum)
    return as_array(results, a.dtype).reshape(_matmul_shape(a, b))


def _matmul_scale(a: Array, b: Array) -> Array:
    sizes = _product(a, b, lambda x, y: abs(float(x) * float(y)), math.fsum)
    return np.array(sizes, np.float64).reshape(_matmul_shape(a, b))


MATRICES: tuple[tuple[Shape, Shape], ...] = (
    ((3, 4), (4, 5)),
    ((17, 33), (33, 9)),
    ((1, 1), (1, 1)),
    ((2, 3, 4), (4, 2)),
    ((3, 4), (2, 4, 2)),
    ((2, 1, 2, 3), (3, 3, 2)),
    ((0, 3), (3, 2)),
    ((2, 0), (0, 3)),
    ((2, 3), (3, 0)),
    ((0, 2, 3), (3, 2)),
)


def _matrices(rng: Rng, dtype: dtypes.DType) -> list[Sample]:
    samples = [Sample((ordinary(rng, a, dtype), ordinary(rng, b, dtype))) for a, b in MATRICES]
    a, b = samples[1].inputs
    samples += [
        Sample((strided(a), strided(b))),
        Sample((np.ascontiguousarray(a.T).T, np.ascontiguousarray(b.T).T)),
    ]
    return samples


def _small_matrices(rng: Rng) -> list[Sample]:
    shapes = [((2, 3), (3, 2)), ((2, 1, 3), (3, 2)), ((1, 2), (2, 2, 1)), ((2, 0), (0, 1))]
    return [
        Sample((ordinary(rng, a, dtypes.float64), ordinary(rng, b, dtypes.float64)))
        for a, b in shapes
    ]


MATMUL = OpRecord(
    "matmul",
    NUMBERS,
    _matrices,
    _matmul,
    ulps=4,
    scale=_matmul_scale,
    gradient=2,
    gradient_samples=_small_matrices,
    torch=lambda torch, a, b: torch.matmul(a, b),
    specials=(
        Special(([[1.0, nan]], [[2.0], [0.0]]), [[nan]]),
        Special(([[inf, 1.0]], [[1.0], [2.0]]), [[inf]]),
        Special(([[inf, 1.0]], [[0.0], [2.0]]), [[nan]]),
        Special(([[2048.0, 1.0, 1.0]], [[1.0], [1.0], [1.0]]), [[2050]], (dtypes.float16,)),
    ),
    failures=(
        Failure(
            lambda: matmul.matmul(np.zeros((2, 3)), np.zeros((4, 2))),
            ShapeError,
            "matmul: shapes (2, 3) and (4, 2): the last axis of the first has 3 elements, the "
            "last but one of the second 4",
        ),
        Failure(
            lambda: matmul.matmul(np.zeros((2, 3)), np.float64(2)),
            ShapeError,
            "0-d operands; use multiply",
        ),
        Failure(
            lambda: matmul.matmul(np.zeros((2, 2, 3)), np.zeros((3, 3, 2))),
            ShapeError,
            "matmul: shapes (2,) and (3,) do not broadcast",
        ),
        Failure(
            lambda: matmul.matmul(np.zeros((2, 3), np.uint64), np.zeros((3, 2), np.int64)),
            DTypeError,
            "no common integer type",
        ),
    ),
)
