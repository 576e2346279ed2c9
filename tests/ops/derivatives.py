"""Gradients of functions of tensors against finite differences, to any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from neurona.autodiff.reverse import gradients
from neurona.core.tensor import Tensor
from neurona.ops.broadcast import sum
from tests.ops.differences import directional
from tests.ops.record import Array, tensor


def check_gradients(function: Callable[..., Tensor], *arrays: Any, order: int = 2) -> None:
    """Compare the gradient of `function` at the float64 arrays with finite differences.

    The scalar that is differentiated is quadratic in the function's result, so that a linear
    function's second derivatives are not zero everywhere.
    """
    at = [np.asarray(x, np.float64) for x in arrays]
    rng = np.random.default_rng(7)
    shape = function(*[tensor(x) for x in at]).shape
    once, twice = rng.normal(size=shape), rng.normal(size=shape)

    def scalar(*xs: Tensor) -> Tensor:
        y = function(*xs)
        return sum(y * once + y * y * twice)

    _compare(scalar, at, order, rng)


def _compare(
    scalar: Callable[..., Tensor], at: Sequence[Array], order: int, rng: np.random.Generator
) -> None:
    leaves = [tensor(x, requires_grad=True) for x in at]
    found = gradients(scalar(*leaves), leaves)
    along = [rng.normal(size=x.shape) for x in at]
    expected = directional(lambda *xs: scalar(*map(_leaf, xs)).numpy(), at, along)
    actual = 0.0
    for x, g, v in zip(at, found, along, strict=True):
        assert g.shape == x.shape
        assert g.dtype == x.dtype
        actual += float((g.numpy() * v).sum())
    size = 1 + float(np.abs(expected))
    assert abs(actual - expected) <= 1e-9 * size, (
        f"order {order} from the top: {actual}, {expected}"
    )
    if order > 1:
        weights = [rng.normal(size=x.shape) for x in at]

        def contracted(*xs: Tensor) -> Tensor:
            total: Any = tensor(np.zeros(()))
            for g, w in zip(gradients(scalar(*xs), xs), weights, strict=True):
                total = total + sum(g * w)
            return total

        _compare(contracted, at, order - 1, rng)


def _leaf(x: Array) -> Tensor:
    return tensor(np.asarray(x), requires_grad=True)
