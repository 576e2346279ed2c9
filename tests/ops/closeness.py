"""How near a result must come to its reference: units in the last place of the terms."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from neurona.core import dtypes
from neurona.core.dtypes import DType

Array = np.ndarray[Any, Any]


def finfo(dtype: DType) -> Any:
    return ml_dtypes.finfo(dtype)


def ulp(x: Array, dtype: DType) -> Array:
    """The distance of neighbouring numbers of `dtype` at |x|, in float64."""
    info = finfo(dtype)
    mantissa, exponent = np.frexp(np.asarray(x).astype(np.float64))
    bits = info.nmant + 1
    lowest = int(info.minexp) + 1  # frexp counts from 0.5
    return np.ldexp(1.0, np.where(mantissa == 0, lowest, np.maximum(exponent, lowest)) - bits)


def rounded(x: Array, dtype: DType) -> Array:
    """float64 `x` as numbers of the float `dtype`, to nearest, ties to even, in one rounding."""
    if dtype == dtypes.float64:
        return x.astype(np.float64)
    finite = np.isfinite(x)
    unit = ulp(np.where(finite, x, 0), dtype)
    nearest = np.where(finite, np.rint(np.where(finite, x, 0) / unit) * unit, x)
    largest = float(finfo(dtype).max)
    with np.errstate(over="ignore"):
        spilt = np.where(np.abs(nearest) > largest, np.copysign(np.inf, nearest), nearest)
    return np.copysign(spilt, x).astype(dtype)


def as_result(reference: Any, dtype: DType) -> Array:
    """The reference's exact integers or float64 numbers in the dtype of the result."""
    array = np.asarray(reference)
    if dtypes.is_float(dtype):
        return array if array.dtype == dtype else rounded(array.astype(np.float64), dtype)
    return array.astype(dtype)


def distance(actual: Array, expected: Array, scale: Any = None) -> Array:
    """|actual − expected| in ulps of `scale` (of `expected` by default); ∞ at a mismatch of kind.

    NaN meets NaN only, an infinity the same infinity.
    """
    dtype = actual.dtype
    if not dtypes.is_float(dtype):
        return np.where(actual == expected, 0.0, np.inf)
    a, e = actual.astype(np.float64), expected.astype(np.float64)
    same = (a == e) | (np.isnan(a) & np.isnan(e))
    finite = np.isfinite(a) & np.isfinite(e)
    unit = ulp(e if scale is None else np.maximum(np.abs(scale), np.abs(e)), dtype)
    with np.errstate(all="ignore"):
        return np.where(same, 0.0, np.where(finite, np.abs(a - e) / unit, np.inf))


def assert_close(
    actual: Array, expected: Array, ulps: float, scale: Any = None, what: str = ""
) -> None:
    """Fail unless shape and dtype are equal and every element lies within `ulps`."""
    assert actual.shape == expected.shape, f"{what}: {actual.shape}, expected {expected.shape}"
    assert actual.dtype == expected.dtype, f"{what}: {actual.dtype}, expected {expected.dtype}"
    far = distance(actual, expected, scale)
    if not (far <= ulps).all():
        worst = np.unravel_index(np.argmax(far), far.shape)
        raise AssertionError(
            f"{what}: at {tuple(map(int, worst))} {actual[worst]!r}, expected {expected[worst]!r}: "
            f"{far[worst]:.3g} ulp, allowed {ulps}"
        )


def assert_identical(actual: Array, expected: Array, what: str = "") -> None:
    """Fail unless the values are equal, NaN to NaN, and zeros have the same sign."""
    assert_close(actual, expected, 0, what=what)
    if dtypes.is_float(actual.dtype):
        signs = np.signbit(actual) == np.signbit(expected)
        assert (signs | np.isnan(actual)).all(), f"{what}: {actual}, expected {expected}: signs"
