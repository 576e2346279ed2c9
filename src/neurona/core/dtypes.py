"""Data types and promotion.

A dtype is a `numpy.dtype`; `bfloat16` comes from ml_dtypes. Promotion follows the array API
standard 2024.12 ("Type promotion rules") where that defines a result. Beyond it, an integer or
boolean meets a float in that float, and float16 meets bfloat16 in float32. Python scalars are weak:
they take the dtype of the tensor they meet.
"""

import functools
from collections.abc import Iterable
from typing import Any

import ml_dtypes
import numpy as np

from neurona.core.errors import DTypeError

DType = np.dtype[Any]

bool_: DType = np.dtype(np.bool_)
int8: DType = np.dtype(np.int8)
int16: DType = np.dtype(np.int16)
int32: DType = np.dtype(np.int32)
int64: DType = np.dtype(np.int64)
uint8: DType = np.dtype(np.uint8)
uint16: DType = np.dtype(np.uint16)
uint32: DType = np.dtype(np.uint32)
uint64: DType = np.dtype(np.uint64)
float16: DType = np.dtype(np.float16)
bfloat16: DType = np.dtype(ml_dtypes.bfloat16)
float32: DType = np.dtype(np.float32)
float64: DType = np.dtype(np.float64)

SIGNED = (int8, int16, int32, int64)
UNSIGNED = (uint8, uint16, uint32, uint64)
FLOATS = (float16, bfloat16, float32, float64)
ALL = (bool_, *SIGNED, *UNSIGNED, *FLOATS)

DEFAULT_FLOAT = float32
DEFAULT_INT = int64

_PYTHON: dict[type, DType] = {bool: bool_, int: DEFAULT_INT, float: DEFAULT_FLOAT}
_BY_NAME = {dtype.name: dtype for dtype in ALL}
_CATEGORY = {dtype: 0 if dtype == bool_ else 2 if dtype in FLOATS else 1 for dtype in ALL}


def as_dtype(dtype: Any) -> DType:
    """The dtype that `dtype` names: a numpy dtype, its name, a Python or NumPy scalar type.

    Raises `DTypeError` for what Neurona does not have (complex numbers, strings, objects).

    >>> as_dtype("bfloat16"), as_dtype(float)
    (dtype(bfloat16), dtype('float32'))
    """
    if isinstance(dtype, np.dtype) and dtype in _CATEGORY:
        return dtype
    found = _PYTHON.get(dtype) if isinstance(dtype, type) else None
    if found is None and isinstance(dtype, str):
        found = _BY_NAME.get(dtype)
    if found is None:
        try:
            found = np.dtype(dtype)
        except TypeError:
            found = None
        if found is not None and not found.isnative:
            found = found.newbyteorder("=")
    if found not in _CATEGORY:
        known = ", ".join(_BY_NAME)
        raise DTypeError(f"dtype {dtype!r} is not one of Neurona's: {known}")
    return found


def is_float(dtype: DType) -> bool:
    return _CATEGORY.get(dtype) == 2


def is_integer(dtype: DType) -> bool:
    return _CATEGORY.get(dtype) == 1


def is_numeric(dtype: DType) -> bool:
    return dtype != bool_


def category(dtype: DType) -> int:
    """0 for bool, 1 for integers, 2 for floats: the order in which weak scalars are taken up."""
    return _CATEGORY[dtype]


@functools.cache
def promote_pair(a: DType, b: DType) -> DType:
    """The dtype in which `a` and `b` meet. Raises `DTypeError` for uint64 with signed."""
    if a == b:
        return a
    rank_a, rank_b = category(a), category(b)
    if rank_a != rank_b:
        if 0 in (rank_a, rank_b):
            return b if rank_a == 0 else a
        return a if rank_a == 2 else b
    if rank_a == 2:
        if a.itemsize == b.itemsize:
            return float32
        return a if a.itemsize > b.itemsize else b
    if (a in SIGNED) == (b in SIGNED):
        return a if a.itemsize > b.itemsize else b
    signed, unsigned = (a, b) if a in SIGNED else (b, a)
    if signed.itemsize > unsigned.itemsize:
        return signed
    if unsigned == uint64:
        raise DTypeError(
            f"{a} and {b} have no common integer type; cast one of them with `astype` first"
        )
    return SIGNED[UNSIGNED.index(unsigned) + 1]


def promote(dtypes: Iterable[DType]) -> DType:
    """The common dtype of several, pair by pair."""
    return functools.reduce(promote_pair, dtypes)


def convert(array: np.ndarray[Any, DType], dtype: DType) -> np.ndarray[Any, DType]:
    """The values in another dtype, in memory of their own.

    Floats become integers by dropping the fraction; what does not fit, infinities too, becomes the
    least or greatest number of the dtype, NaN 0. Integers keep their last bits.

    >>> convert(np.array([2.9, -1e9, np.inf, np.nan]), uint8)
    array([  2,   0, 255,   0], dtype=uint8)
    """
    if not (is_float(array.dtype) and is_integer(dtype)):
        return array.astype(dtype)
    info = np.iinfo(dtype)
    wide = array.astype(float32) if array.dtype.itemsize == 2 else array
    with np.errstate(invalid="ignore"):
        found = wide.astype(dtype)
    # The greatest number of 64 bits is no float, the one after it is.
    found[wide >= 2.0 ** int(info.max).bit_length()] = info.max
    found[wide <= float(info.min)] = info.min
    found[np.isnan(wide)] = 0
    return found


def number_dtype(value: bool | int | float) -> DType:
    """The dtype of a Python number that meets nothing."""
    found = _PYTHON.get(type(value))
    return found or (DEFAULT_INT if isinstance(value, int) else DEFAULT_FLOAT)


@functools.cache
def weak_dtype(own: DType, other: DType) -> DType:
    """The dtype that something of the weak dtype `own` takes beside `other`."""
    return own if category(other) < category(own) else other
