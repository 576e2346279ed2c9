"""The record of resampling along one axis."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from neurona.core import dtypes
from neurona.core.apply import apply
from neurona.core.errors import DTypeError, ShapeError
from neurona.ops.operand import operand
from neurona.ops.resample import RESAMPLE, transposed
from tests.ops.record import FLOATS, Array, Failure, OpRecord, Sample
from tests.ops.samples import Rng, ordinary, strided

CASES: tuple[tuple[tuple[int, ...], int, int, int], ...] = (
    # shape, axis, extent of the result, terms
    ((3, 5), 1, 7, 2),
    ((5, 2, 3), 0, 2, 4),
    ((2, 4, 3), 1, 4, 1),
    ((1,), 0, 3, 2),
    ((0, 3), 1, 2, 2),
)


def _tables(rng: Rng, extent: int, given: int, terms: int, dtype: Any) -> list[Array]:
    places = rng.integers(0, given, (extent, terms))
    kind = dtypes.float32 if dtype.itemsize == 2 else dtype
    weights = ordinary(rng, (extent, terms), kind)
    back, back_weights = transposed(places, weights, given)
    return [places, weights, back, back_weights.astype(kind)]


def _samples(rng: Rng, dtype: dtypes.DType) -> list[Sample]:
    samples = []
    for shape, axis, extent, terms in CASES:
        x = ordinary(rng, shape, dtype)
        tables = _tables(rng, extent, shape[axis], terms, dtype)
        samples.append(Sample((x, *tables), {"axis": axis}))
    x, *tables = samples[0].inputs
    return [*samples, Sample((strided(x), *tables), samples[0].attrs)]


def _sums(x: Array, places: Array, weights: Array, axis: int, size: bool) -> Array:
    lines = np.moveaxis(x.astype(np.float64), axis, -1)
    found = np.zeros((*lines.shape[:-1], len(places)))
    for *line, i in np.ndindex(*found.shape):
        products = [
            Fraction(float(lines[(*line, p)])) * Fraction(float(w))
            for p, w in zip(places[i], weights[i], strict=True)
        ]
        found[(*line, i)] = math.fsum(map(abs, products)) if size else float(sum(products))
    return np.moveaxis(found, -1, axis)


_x = np.zeros((2, 3), np.float32)
_places, _weights = np.zeros((4, 1), np.int64), np.ones((4, 1), np.float32)

RESAMPLED = OpRecord(
    "resample",
    FLOATS,
    _samples,
    lambda x, places, weights, *_, axis: _sums(x, places, weights, axis, False),
    ulps=4,
    scale=lambda x, places, weights, *_, axis: _sums(x, places, weights, axis, True),
    gradient=2,
    differentiable=(0,),
    failures=(
        Failure(
            lambda: apply(
                RESAMPLE, *map(operand, (_x, _places[0], _weights, _places, _weights)), axis=1
            ),
            ShapeError,
            "resample: places (1,) and weights (4, 1) must be (extent, terms)",
        ),
        Failure(
            lambda: apply(
                RESAMPLE, *map(operand, (_x, _places, _weights, _places, _weights)), axis=1
            ),
            ShapeError,
            "axis 1 of x (2, 3) has 3 elements, the way back gives 4",
        ),
        Failure(
            lambda: apply(
                RESAMPLE, *map(operand, (_x, _weights, _weights, _places, _weights)), axis=1
            ),
            DTypeError,
            "resample: places are integers, not float32",
        ),
    ),
)
