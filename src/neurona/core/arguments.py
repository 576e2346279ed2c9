"""Arguments that are plain Python values: whole numbers, real numbers, rows of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurona.core.errors import ArgumentError, DTypeError


def whole(who: str, name: str, value: Any, least: int = 1) -> int:
    """`value` as an int. Raises `ArgumentError` unless it is a whole number of at least `least`.

    >>> whole("windows", "length", 3)
    3
    >>> whole("windows", "length", 2.5)
    Traceback (most recent call last):
        ...
    neurona.core.errors.ArgumentError: windows: length must be a whole number of at least 1, \
found 2.5
    """
    right = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not right or value < least:
        raise ArgumentError(
            f"{who}: {name} must be a whole number of at least {least}, found {value!r}"
        )
    return int(value)


def is_real(value: Any) -> bool:
    """Whether `value` is a real number: no bool, no text, no NaN.

    >>> is_real(0.5), is_real(True), is_real(float("nan"))
    (True, False, False)
    """
    number = isinstance(value, (int, float, np.integer, np.floating))
    return number and not isinstance(value, bool) and bool(value == value)


def array_of(who: str, name: str, given: Any) -> NDArray[Any]:
    """`given` as an array. Raises `DTypeError` for rows of different lengths.

    >>> array_of("windows", "ids", [1, 2])
    array([1, 2])
    """
    try:
        return np.asarray(given)
    except ValueError:  # NumPy's word for rows that differ
        raise DTypeError(
            f"{who}: {name} are no array, since their rows have different lengths"
        ) from None
