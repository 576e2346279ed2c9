"""Batch, layer and root-mean-square normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neurona.core.errors import ShapeError
from neurona.core.op import Shape
from neurona.core.tensor import Tensor
from neurona.core.trace import set_grad_enabled
from neurona.core.variable import Variable
from neurona.nn.functional.checks import float_input, same_dtype, statistics_dtype
from neurona.nn.running import who
from neurona.ops.arithmetic import sqrt
from neurona.ops.broadcast import reshape, sum
from neurona.ops.operand import cast, operand


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
    spread: Shape = (channels, *[1] * (z.ndim - 2))
    wide = statistics_dtype(z)
    if training or running_mean is None or running_var is None:
        axes = (0, *range(2, z.ndim))
        count = z.size // channels if channels else 0
        if training and count <= max(correction, running_correction):
            raise ShapeError(
                f"{who('batch_norm')}: x {z.shape} has {count} value a channel; the variance of a "
                "batch needs more: use a larger batch, or eval()"
            )
        mean = sum(wide, axis=axes) / count
        centred = wide - reshape(mean, spread)
        squares = sum(centred * centred, axis=axes)
        variance = squares / (count - correction)
        if training and running_mean is not None and running_var is not None:
            with set_grad_enabled(False):
                _follow(running_mean, mean, momentum)
                _follow(running_var, squares / (count - running_correction), momentum)
    else:
        mean = cast(operand(running_mean), wide.dtype)
        variance = cast(operand(running_var), wide.dtype)
        centred = wide - reshape(mean, spread)
    scale = 1 / sqrt(variance + eps)
    if weight is not None:
        scale = scale * cast(operand(weight), wide.dtype)
    result = centred * reshape(scale, spread)
    if bias is not None:
        result = result + reshape(cast(operand(bias), wide.dtype), spread)
    return cast(result, z.dtype)


def _follow(running: Variable, batch: Tensor, momentum: Any) -> None:
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
