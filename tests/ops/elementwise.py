"""How the records of elementwise ops are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from neurona.core import dtypes
from neurona.core.dtypes import DType
from neurona.core.errors import DTypeError, ShapeError
from tests.ops.record import Array, Failure, OpRecord, Special
from tests.ops.samples import Draw, Rng, by_element, calls, gradient_calls

inf, nan = float("inf"), float("nan")


def in_torch(name: str) -> Callable[..., Any]:
    return lambda torch, *tensors: getattr(torch, name)(*tensors)


def rational(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function over exact fractions (floats) or Python integers: one rounding at the end."""

    def exact(*values: Any) -> Any:
        if any(isinstance(value, float) for value in values):
            return function(*[Fraction(value) for value in values])
        return function(*[int(value) for value in values])

    return exact


def near(*centres: float, spread: float) -> Draw:
    """Numbers within `spread` of one of the centres: apart from the kinks between them."""

    def draw(rng: Rng, shape: tuple[int, ...], dtype: DType) -> Array:
        middle = rng.choice(np.array(centres), shape)
        return np.asarray(middle + rng.uniform(-spread, spread, shape)).astype(dtype)

    return draw


def anything(rng: Rng, shape: tuple[int, ...], dtype: DType) -> Array:
    """Integers of the whole range, bools, floats of many sizes."""
    if dtype == dtypes.bool_:
        return np.asarray(rng.integers(0, 2, shape), dtype)
    if dtypes.is_integer(dtype):
        info = np.iinfo(dtype)
        return np.asarray(rng.integers(info.min, info.max, shape, dtype, endpoint=True))
    return np.asarray(rng.normal(0, 1, shape) * 2.0 ** rng.integers(-5, 5, shape)).astype(dtype)


def whole(low: int, high: int) -> Draw:
    """Whole numbers of any dtype, few enough that some are equal."""

    def draw(rng: Rng, shape: tuple[int, ...], dtype: DType) -> Array:
        least = 0 if dtype == dtypes.bool_ or dtype in dtypes.UNSIGNED else low
        return np.asarray(rng.integers(least, high, shape, endpoint=True)).astype(dtype)

    return draw


def smallest(dtype: DType) -> float:
    """The smallest positive subnormal number."""
    return float(np.nextafter(np.asarray(0, dtype), np.asarray(1, dtype)))


def normal_least(dtype: DType) -> float:
    """The smallest positive normal number."""
    return float(2.0 ** (-14 if dtype == dtypes.float16 else -126 if dtype.itemsize < 8 else -1022))


def largest(dtype: DType) -> float:
    import ml_dtypes

    return float(ml_dtypes.finfo(dtype).max)


def pairs(
    table: Sequence[tuple[float, float]], kinds: tuple[DType, ...] = dtypes.FLOATS
) -> Special:
    """(x, f(x)) of a unary function, as one special call."""
    xs, ys = zip(*table, strict=True)
    return Special((list(xs),), list(ys), kinds)


def triples(
    table: Sequence[tuple[float, float, float]], kinds: tuple[DType, ...] = dtypes.FLOATS
) -> Special:
    """(x, y, f(x, y)) of a binary function, as one special call."""
    xs, ys, results = zip(*table, strict=True)
    return Special((list(xs), list(ys)), list(results), kinds)


def refuses_bool(function: Callable[..., Any], inputs: int) -> Failure:
    return Failure(
        lambda: function(*[np.array([True, False])] * inputs), DTypeError, "numbers are needed"
    )


def binary_failures(function: Callable[..., Any], *more: Failure) -> tuple[Failure, ...]:
    """What every binary function refuses: shapes that do not broadcast, dtypes that do not meet."""
    name = function.__name__
    return (
        Failure(
            lambda: function(np.zeros((2, 3)), np.zeros((4,))),
            ShapeError,
            f"{name}: shapes (2, 3) and (4,) do not broadcast: axis -1 is 3 here and 4 there",
        ),
        *more,
    )


def no_common_integer(function: Callable[..., Any]) -> Failure:
    return Failure(
        lambda: function(np.zeros(2, np.uint64), np.zeros(2, np.int64)),
        DTypeError,
        "have no common integer type",
    )


def elementwise(
    name: str,
    function: Callable[..., Any],
    draws: Sequence[Draw],
    kinds: tuple[DType, ...] = dtypes.FLOATS,
    *,
    ulps: float = 0,
    scale: Callable[..., Any] | None = None,
    near_kinks: Sequence[Draw] | None = None,
    torch: str | Callable[..., Any] | None = "",
    **rest: Any,
) -> OpRecord:
    """The record of an elementwise op from a function of Python numbers.

    near_kinks: draws for gradients where `draws` come too close to kinks. torch: the name there,
    "" for the same.
    """
    return OpRecord(
        name,
        kinds,
        calls(draws),
        by_element(function),
        ulps=ulps,
        scale=by_element(scale) if scale else None,
        gradient_samples=gradient_calls(near_kinks or draws),
        torch=in_torch(torch or name) if isinstance(torch, str) else torch,
        **rest,
    )
