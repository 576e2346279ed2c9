"""Derivatives by finite differences, for tests only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# Central differences of order 8 (Fornberg 1988, table 1): the error is h⁸f⁽⁹⁾/630.
WEIGHTS = (4 / 5, -1 / 5, 4 / 105, -1 / 280)
STEP = 1 / 256
REACH = len(WEIGHTS) * STEP
"""How far from the point the function is evaluated; kinks must lie beyond."""


def directional(function: Callable[..., Array], at: Sequence[Array], along: Sequence[Array]) -> Any:
    """The derivative of `function` at the float64 arrays `at` in direction `along`.

    function: arrays → array, of any shape. The result has its shape.
    """
    total: Any = 0.0
    for i, weight in enumerate(WEIGHTS, 1):
        moves = [np.asarray(i * STEP * v) for v in along]
        ahead = function(*[np.asarray(x + d) for x, d in zip(at, moves, strict=True)])
        back = function(*[np.asarray(x - d) for x, d in zip(at, moves, strict=True)])
        total = total + weight * (ahead - back)
    return total / STEP


def gradient(function: Callable[..., float], at: Sequence[Array], which: int) -> Array:
    """The partial derivatives of a scalar function by every element of argument `which`."""
    result = np.zeros(at[which].shape)
    for index in np.ndindex(*at[which].shape):
        along = [np.zeros(x.shape) for x in at]
        along[which][index] = 1.0
        result[index] = directional(function, at, along)
    return result
