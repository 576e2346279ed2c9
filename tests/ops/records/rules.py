"""Records of the ops without inputs, and of those that leave a value as it is."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from neurona.core import dtypes
from neurona.core.dtypes import UNSIGNED, DType
from neurona.core.errors import ArgumentError, DTypeError, ShapeError
from neurona.ops import create
from tests.ops.elementwise import anything, inf, nan
from tests.ops.record import ALL, FLOATS, NUMBERS, Array, Failure, OpRecord, Sample, Special
from tests.ops.records.shape import moves
from tests.ops.samples import Rng

# --- from a rule ---


def _named(sample: Sample) -> DType:
    return dtypes.as_dtype(sample.attrs["dtype"])


def _fulls(rng: Rng, dtype: DType) -> list[Sample]:
    values = [True, False] if dtype == dtypes.bool_ else [0, 1, 100]
    values += [0.1, -2.5] if dtypes.is_float(dtype) else []
    return [
        Sample((), {"shape": shape, "value": value, "dtype": dtype.name})
        for shape in ((), (1,), (0,), (3, 4), (2, 0, 3))
        for value in values
    ]


FULL = OpRecord(
    "full",
    ALL,
    _fulls,
    lambda *, shape, value, dtype: np.array([value] * int(np.prod(shape))).reshape(shape),
    result=_named,
    torch=lambda torch, *, shape, value, dtype: torch.full(
        shape, value, dtype=getattr(torch, dtype)
    ),
    specials=tuple(
        Special((), [value] * 2, (dtype,), {"shape": (2,), "value": value, "dtype": dtype.name})
        for dtype in FLOATS
        for value in (nan, inf, -inf, -0.0)
    ),
    failures=(
        Failure(lambda: create.full((-1, 2), 0), ShapeError, "full: shape (-1, 2) has a negative"),
        Failure(lambda: create.full((2,), 300, dtype="uint8"), OverflowError, "300"),
        Failure(lambda: create.full((2,), "a"), DTypeError, "full: a number is needed, not str"),
        Failure(lambda: create.zeros((2,), dtype="complex64"), DTypeError, "complex64"),
        Failure(lambda: create.zeros((2,), device="gpu"), ArgumentError, "only the device 'cpu'"),
    ),
)


def _iotas(rng: Rng, dtype: DType) -> list[Sample]:
    cases: list[tuple[int, Any, Any]] = [(0, 0, 1), (1, 5, 3), (40, 0, 1), (9, 3, 2)]
    if dtype in UNSIGNED:
        cases += [(5, 20, -4)]
    else:
        cases += [(6, 2, -3), (5, -9, 4)]
    if dtypes.is_float(dtype):
        cases += [(7, 0.5, 0.25), (33, -1.1, 0.1)]
    return [
        Sample((), {"size": size, "start": start, "step": step, "dtype": dtype.name})
        for size, start, step in cases
    ]


def _iota(*, size: int, start: Any, step: Any, dtype: str) -> Array:
    numbers = [Fraction(start) + i * Fraction(step) for i in range(size)]
    if dtypes.is_float(dtypes.as_dtype(dtype)):
        return np.array([float(number) for number in numbers])
    return np.array([int(number) for number in numbers], dtype)


IOTA = OpRecord(
    "iota",
    NUMBERS,
    _iotas,
    _iota,
    # i·step and the sum are each rounded once in float64, then to the dtype.
    ulps=1,
    scale=lambda *, size, start, step, dtype: np.abs(start) + np.abs(np.arange(size) * step),
    result=_named,
    specials=(
        *(
            Special(
                (),
                [np.iinfo(d).max - 1, np.iinfo(d).max],
                (d,),
                {"size": 2, "start": np.iinfo(d).max - 1, "step": 1, "dtype": d.name},
            )
            for d in (*dtypes.SIGNED, *UNSIGNED)
        ),
    ),
    failures=(
        Failure(lambda: create.arange(0, 5, 0), ArgumentError, "arange: step must not be 0"),
        Failure(lambda: create.arange(300, dtype="uint8"), OverflowError, "299 does not fit uint8"),
        Failure(
            lambda: create.linspace(0, 1, -1), ArgumentError, "linspace: num must not be negative"
        ),
    ),
)

# --- the same value ---

SHAPES = (((3, 4), {}), ((), {}), ((0, 2), {}))
IDENTITY = OpRecord("identity", ALL, moves(*SHAPES), np.array, gradient=2)
STOP_GRADIENT = OpRecord("stop_gradient", ALL, moves(*SHAPES), np.array)


def _pairs(rng: Rng, dtype: DType) -> list[Sample]:
    return [
        Sample((anything(rng, shape, dtype), anything(rng, (), dtypes.float32)))
        for shape in ((3, 4), (), (0, 2))
    ]


BARRIER = OpRecord(
    "barrier", ALL, _pairs, lambda x, after: np.array(x), gradient=2, differentiable=(0,)
)
