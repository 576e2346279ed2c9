"""Batch, layer and root-mean-square normalisation."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from neurona.autodiff.marks import stop_gradient, tie, token
from neurona.core.errors import ShapeError
from neurona.core.op import Op, Shape
from neurona.core.tensor import Tensor
from neurona.core.trace import set_grad_enabled
from neurona.core.variable import Variable
from neurona.nn.functional.checks import float_input, same_dtype, statistics_dtype
from neurona.nn.running import who
from neurona.ops.arithmetic import sqrt
from neurona.ops.broadcast import reshape, sum
from neurona.ops.compare import where
from neurona.ops.operand import cast, operand
from neurona.ops.shape import slice_axis


def batch_norm(
    x: Any,
    running_mean: Variable | None,
    running_var: Variable | None,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: Any = 0.1,
    eps: float = 1e-5,
    *,
    correction: int = 0,
    running_correction: int = 1,
) -> Tensor:
    """y = (x − μ)/√(σ² + ε)·γ + β, with μ and σ² over all axes but the second.

    Ioffe and Szegedy, "Batch normalization" (2015), algorithm 1.
    x: (batch, channels, …). weight (γ), bias (β), running_mean, running_var: (channels,) or None.
    training: μ and σ² are those of the batch, and the running ones move by
        running ← (1 − momentum)·running + momentum·batch; else, and if they are there, the running
        ones are used.
    momentum: a number or a 0-d tensor. correction: σ² of the batch divides by n − correction.
    running_correction: σ² that the running one follows divides by n − running_correction.
    Raises `ShapeError` for other shapes, and in training unless a channel has enough values to
    divide by.
    """
    z = float_input("batch_norm", x)
    if z.ndim < 2:
        raise ShapeError(f"{who('batch_norm')}: x {z.shape} must be (batch, channels, …)")
    channels = z.shape[1]
    for name, given in (
        ("weight", weight),
        ("bias", bias),
        ("running_mean", running_mean),
        ("running_var", running_var),
    ):
        if given is not None and operand(given).shape != (channels,):
            raise ShapeError(
                f"{who('batch_norm')}: x {z.shape} has {channels} channels (axis 1), "
                f"but {name} has shape {operand(given).shape}"
            )
    if weight is not None:
        same_dtype("batch_norm", z, operand(weight))
    wide = statistics_dtype(z)
    gamma = None if weight is None else cast(operand(weight), wide.dtype)
    beta = None if bias is None else cast(operand(bias), wide.dtype)
    if not training and running_mean is not None and running_var is not None:
        mean = cast(operand(running_mean), wide.dtype)
        rate = 1 / sqrt(cast(operand(running_var), wide.dtype) + eps)
        return cast(_affine(wide, mean, rate, gamma, beta), z.dtype)
    count = z.size // channels if channels else 0
    if training and count <= max(correction, running_correction):
        raise ShapeError(
            f"{who('batch_norm')}: x {z.shape} has {count} value a channel; the variance of a "
            "batch needs more: use a larger batch, or eval()"
        )
    mean, squares = _moments(wide, count)
    if training and running_mean is not None and running_var is not None:
        with set_grad_enabled(False):
            follow(running_mean, mean, momentum)
            follow(running_var, squares / (count - running_correction), momentum)
    rate = 1 / sqrt(squares / (count - correction) + eps)
    learnt = [parameter for parameter in (gamma, beta) if parameter is not None]
    with set_grad_enabled(False):
        result = _affine(wide, mean, rate, gamma, beta)
    rule = _gradient(correction, gamma is not None, beta is not None)
    return cast(tie([result], rule, wide, mean, rate, *learnt)[0], z.dtype)


def per_channel(x: Tensor, values: Tensor) -> Tensor:
    """One value a channel (axis 1), to be combined with x."""
    return reshape(values, (-1, *[1] * (x.ndim - 2)))


def _affine(
    x: Tensor, mean: Tensor, rate: Tensor, gamma: Tensor | None, beta: Tensor | None
) -> Tensor:
    """(x − mean)·rate·γ + β."""
    scale = rate if gamma is None else rate * gamma
    result = (x - per_channel(x, mean)) * per_channel(x, scale)
    return result if beta is None else result + per_channel(x, beta)


WIDE_ENOUGH = 64
"""Places of a map from which its mean tells where the values lie."""


def _moments(x: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Mean and Σ (x − mean)² of each channel (axis 1).

    Maps are read once: Σ (x − mean)² = Σ (x − a)² − n·(mean − a)², where a is the first sample's
    mean, near enough to the batch's that little is lost in the difference (Chan, Golub and LeVeque,
    "Algorithms for computing the sample variance", 1983).
    """
    axes = (0, *range(2, x.ndim))
    if not x.shape[0] or math.prod(x.shape[2:]) < WIDE_ENOUGH:
        mean = sum(x, axis=axes) / count
        centred = x - per_channel(x, mean)
        return mean, sum(centred * centred, axis=axes)
    first = slice_axis(x, 0, 0, 1)
    near = stop_gradient(sum(first, axis=axes) / math.prod(x.shape[2:]))
    apart = x - per_channel(x, near)
    rest = sum(apart, axis=axes) / count
    squares = sum(apart * apart, axis=axes) - count * (rest * rest)
    return near + rest, where(squares > 0, squares, 0)


@functools.cache
def _gradient(correction: int, with_gamma: bool, with_beta: bool) -> Op:
    """The derivative of batch norm in two readings of x and the cotangent.

    ∂L/∂x = γ·r·(g − Σg/n − (x − μ)·r²·Σg(x − μ)/(n − correction)), with r = 1/√(σ² + ε): equations
    of Ioffe and Szegedy (2015), section 3, put together.
    """

    def vjp(
        g: dict[int, Tensor], out: Tensor, x: Tensor, mean: Tensor, rate: Tensor, *learnt: Tensor
    ) -> tuple[Tensor | None, ...]:
        axes = (0, *range(2, x.ndim))
        count = x.size // x.shape[1]
        # Not x − μ, which a program would then keep from the forward pass, beside x.
        below = per_channel(x, mean) - x
        whole, slope = sum(g[0], axis=axes), -sum(g[0] * below, axis=axes)
        steep = rate * rate * slope / (count - correction)
        scale = rate * learnt[0] if with_gamma else rate
        even = g[0] - per_channel(x, whole / count) + below * per_channel(x, steep)
        found: list[Tensor | None] = [even * per_channel(x, scale), None, None]
        return (*found, *[slope * rate] * with_gamma, *[whole] * with_beta)

    return token("batch_norm.token", vjp)


def follow(running: Variable, batch: Tensor, momentum: Any) -> None:
    """running ← (1 − momentum)·running + momentum·batch."""
    old = cast(running, batch.dtype)
    if isinstance(momentum, Tensor):
        momentum = cast(momentum, batch.dtype)
    running.assign(cast(old + momentum * (batch - old), running.dtype))


def layer_norm(
    x: Any,
    normalized_shape: int | Sequence[int],
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    *,
    correction: int = 0,
) -> Tensor:
    """y = (x − μ)/√(σ² + ε)·γ + β, with μ and σ² over the last axes, for each sample by itself.

    Ba, Kiros and Hinton, "Layer normalization" (2016).
    x: (…, *normalized_shape). weight (γ), bias (β): normalized_shape or None.
    correction: σ² divides by n − correction.
    """
    z, axes, count = _normalized("layer_norm", x, normalized_shape, weight)
    wide = statistics_dtype(z)
    centred = wide - sum(wide, axis=axes, keepdims=True) / count
    variance = sum(centred * centred, axis=axes, keepdims=True) / (count - correction)
    result = centred * (1 / sqrt(variance + eps))
    if weight is not None:
        result = result * cast(operand(weight), wide.dtype)
    if bias is not None:
        result = result + cast(operand(bias), wide.dtype)
    return cast(result, z.dtype)


def rms_norm(
    x: Any, normalized_shape: int | Sequence[int], weight: Any = None, eps: float | None = None
) -> Tensor:
    """y = x/√(mean(x²) + ε)·γ over the last axes.

    Zhang and Sennrich, "Root mean square layer normalization" (2019).
    x: (…, *normalized_shape). weight (γ): normalized_shape or None.
    eps: by default the distance from 1 to the next number of x's dtype.
    """
    z, axes, count = _normalized("rms_norm", x, normalized_shape, weight)
    wide = statistics_dtype(z)
    epsilon = float(np.finfo(wide.dtype).eps) if eps is None else eps
    mean = sum(wide * wide, axis=axes, keepdims=True) / count
    result = wide * (1 / sqrt(mean + epsilon))
    if weight is not None:
        result = result * cast(operand(weight), wide.dtype)
    return cast(result, z.dtype)


def _normalized(
    function: str, x: Any, normalized_shape: int | Sequence[int], weight: Any
) -> tuple[Tensor, tuple[int, ...], int]:
    """The input, the axes that are normalised and how many elements they have."""
    z = float_input(function, x)
    shape = as_normalized_shape(normalized_shape)
    if z.shape[-len(shape) :] != shape:
        raise ShapeError(
            f"{who(function)}: the last axes of x {z.shape} must be normalized_shape {shape}"
        )
    if weight is not None:
        same_dtype(function, z, operand(weight))
    count = 1
    for extent in shape:
        count *= extent
    return z, tuple(range(z.ndim - len(shape), z.ndim)), count


def as_normalized_shape(given: int | Sequence[int]) -> Shape:
    """The shape from an int or a sequence. Raises `ShapeError` if it has no axis."""
    shape = (given,) if isinstance(given, int) else tuple(given)
    if not shape:
        raise ShapeError("normalized_shape must have at least one axis")
    return shape
