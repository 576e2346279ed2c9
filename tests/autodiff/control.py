"""Eager and compiled results side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import neurona as ne


def both(function: Callable[..., Any], *arguments: Any) -> tuple[Any, Any]:
    """The result of a function of tensors in eager mode and compiled, as arrays."""
    eager = function(*arguments)
    return np.asarray(eager), np.asarray(ne.compile(function)(*arguments))


def agree(function: Callable[..., Any], expected: Any, *arguments: Any) -> None:
    for found in both(function, *arguments):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
