"""Ranges: what values a correct computation may give, element by element.

A `Range` holds for every element the least and the greatest value, in float64 for floats and in
their own dtype for integers and bools, and whether it may be or must be NaN. Ranges allow for
rounding once an operation, for products fused with sums, for sums in any order, and for half
precision kept in float32 between operations. They do not depend on how a value is computed, so the
eager and the compiled result must both lie within.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from neurona.core import dtypes
from neurona.core.dtypes import DType
from tests.ops.closeness import finfo, rounded, ulp

Array = np.ndarray[Any, Any]
INF = np.inf


@dataclass(frozen=True, eq=False)
class Range:
    """low ≤ value ≤ high, or NaN where `may` says so; `sure` where it is NaN for certain."""

    dtype: DType
    low: Array
    high: Array
    may: Array
    sure: Array

    @property
    def known(self) -> Array:
        """Where there is only one possible value (which value of zero aside)."""
        return np.where(self.may, self.sure, self.low == self.high)

    @property
    def float(self) -> bool:
        return dtypes.is_float(self.dtype)

    def array(self) -> Array:
        """The values where they are known, in the range's own dtype; anything elsewhere."""
        if not self.float:
            return self.low
        return np.where(self.sure, np.nan, self.low).astype(self.dtype)

    def parts(self) -> tuple[Array, Array, Array, Array]:
        return self.low, self.high, self.may, self.sure


def point(array: Array) -> Range:
    """The range of a value that is given."""
    dtype = array.dtype
    no = np.zeros(array.shape, bool)
    if not dtypes.is_float(dtype):
        return Range(dtype, array, array, no, no)
    wide = array.astype(np.float64)
    nan = np.isnan(wide)
    wide = np.where(nan, 0.0, wide)
    return Range(dtype, wide, wide, nan, nan)


def flags(low: Array, high: Array) -> Range:
    """The range of booleans."""
    no = np.zeros(np.shape(low), bool)
    return Range(dtypes.bool_, np.asarray(low, bool), np.asarray(high, bool), no, no)


def anything(dtype: DType, shape: tuple[int, ...], *, nan: bool = True) -> Range:
    """The range that says nothing."""
    no = np.zeros(shape, bool)
    if dtypes.is_float(dtype):
        return Range(dtype, np.full(shape, -INF), np.full(shape, INF), no | nan, no)
    if dtype == dtypes.bool_:
        return flags(no, ~no)
    info = np.iinfo(dtype)
    return Range(dtype, np.full(shape, info.min, dtype), np.full(shape, info.max, dtype), no, no)


def choose(condition: Array, a: Range, b: Range) -> Range:
    """`a` where the (certain) condition holds, else `b`."""
    parts = [np.where(condition, x, y) for x, y in zip(a.parts(), b.parts(), strict=True)]
    return Range(a.dtype, *parts)


def hull(a: Range, b: Range) -> Range:
    """The least range around both."""
    # The bounds of a certain NaN mean nothing.
    low = np.where(a.sure, b.low, np.where(b.sure, a.low, np.minimum(a.low, b.low)))
    high = np.where(a.sure, b.high, np.where(b.sure, a.high, np.maximum(a.high, b.high)))
    return Range(a.dtype, low, high, a.may | b.may, a.sure & b.sure)


def representable(x: Array, dtype: DType) -> Array:
    """Whether float64 numbers are numbers of the dtype."""
    if dtype == dtypes.float64:
        return np.ones(np.shape(x), bool)
    return rounded(x, dtype).astype(np.float64) == x


def handy(x: Array) -> Array:
    """Whether sums and products of a few such numbers are exact in float64."""
    return (np.abs(x) < 1 << 20) & (x * 64 == np.rint(x * 64))


def settle(
    dtype: DType,
    low: Array,
    high: Array,
    may: Array,
    sure: Array,
    *,
    exact: Array | bool = False,
    ulps: float = 1.0,
    slack: Array | float = 0.0,
) -> Range:
    """The range of a rounded result from the range of the true one.

    exact: where low and high are the true values, to the last bit. slack: an absolute error.
    """
    low, high, may, sure = np.broadcast_arrays(low, high, may, sure)
    rounds = ~(np.asarray(exact) & representable(low, dtype) & representable(high, dtype))
    rounds = rounds | (np.asarray(slack) > 0)

    def step(x: Array) -> Array:
        finite = np.where(np.isfinite(x), x, 0.0)
        return np.where(rounds, ulps * ulp(finite, dtype) + slack, 0.0)

    low = np.where(np.isfinite(low), low - step(low), low)
    high = np.where(np.isfinite(high), high + step(high), high)
    largest = float(finfo(dtype).max)
    # A result that overflows may be kept as it is (fused or half precision).
    low = np.where(low < -largest, -INF, low)
    high = np.where(high > largest, INF, high)
    return Range(dtype, np.where(sure, 0.0, low), np.where(sure, 0.0, high), may | sure, sure)


def violations(result: Array, allowed: Range) -> Array:
    """Where a computed value lies outside its range."""
    if not allowed.float:
        return (result < allowed.low) | (result > allowed.high)
    value = result.astype(np.float64)
    nan = np.isnan(value)
    low = rounded(allowed.low, allowed.dtype).astype(np.float64)
    high = rounded(allowed.high, allowed.dtype).astype(np.float64)
    inside = (value >= low) & (value <= high) & ~allowed.sure
    return ~np.where(nan, allowed.may, inside)


def informative(allowed: Range) -> Array:
    """Where the range says something: a certain NaN, or bounds that a wrong value would break."""
    if not allowed.float:
        return allowed.low == allowed.high
    with np.errstate(invalid="ignore"):
        width = allowed.high - allowed.low
    scale = np.maximum(np.abs(allowed.low), np.abs(allowed.high))
    tight = width <= 1e3 * float(finfo(allowed.dtype).eps) * scale
    return allowed.sure | (~allowed.may & ((allowed.low == allowed.high) | tight))
