"""Normalisation of parts of a sample: groups of channels and single maps."""

from __future__ import annotations

import math
from typing import Any

from neurona.core.errors import ArgumentError, ShapeError
from neurona.core.tensor import Tensor
from neurona.core.trace import set_grad_enabled
from neurona.core.variable import Variable
from neurona.nn.functional.checks import float_input, same_dtype, statistics_dtype
from neurona.nn.functional.normalization import follow, per_channel
from neurona.nn.running import who
from neurona.ops.arithmetic import sqrt
from neurona.ops.broadcast import reshape, sum
from neurona.ops.operand import cast, operand


def group_norm(
    x: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Tensor:
    """y = (x − μ)/√(σ² + ε)·γ + β, with μ and σ² over a group of channels of a sample.

    Wu and He, "Group normalization" (2018).
    x: (batch, channels, …). num_groups: divides the channels into as many runs of equal length.
    weight (γ), bias (β): (channels,) or None.

    >>> from neurona.nn import functional as F
    >>> F.group_norm([[1.0, 3.0, 10.0, 30.0]], 2, eps=0.0)
    Tensor([[-1.,  1., -1.,  1.]], dtype=float32)
    """
    z = float_input("group_norm", x)
    if z.ndim < 2:
        raise ShapeError(f"{who('group_norm')}: x {z.shape} must be (batch, channels, …)")
    channels = z.shape[1]
    if num_groups < 1 or channels % num_groups:
        raise ShapeError(
            f"{who('group_norm')}: the {channels} channels (axis 1) of x {z.shape} cannot be "
            f"divided into {num_groups} groups"
        )
    wide = statistics_dtype(z)
    grouped = (z.shape[0], num_groups, channels // num_groups, *z.shape[2:])
    normal = _standardised(reshape(wide, grouped), tuple(range(2, z.ndim + 1)), eps)
    return _affine("group_norm", z, reshape(normal, z.shape), weight, bias)


def instance_norm(
    x: Any,
    running_mean: Variable | None = None,
    running_var: Variable | None = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """y = (x − μ)/√(σ² + ε)·γ + β, with μ and σ² over each map of each sample.

    Ulyanov, Vedaldi and Lempitsky, "Instance normalization" (2016).
    x: (batch, channels, *spatial). weight (γ), bias (β), running_mean, running_var: (channels,) or
    None. use_input_stats: whether μ and σ² are those of the map; the running ones, if given, then
    move to their mean over the batch by running ← (1 − momentum)·running + momentum·mean. Else the
    running ones are used.
    """
    z = float_input("instance_norm", x)
    if z.ndim < 3:
        raise ShapeError(f"{who('instance_norm')}: x {z.shape} must be (batch, channels, *spatial)")
    wide = statistics_dtype(z)
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise ArgumentError(
                f"{who('instance_norm')}: without use_input_stats running_mean and running_var "
                "are needed"
            )
        mean = per_channel(wide, cast(operand(running_mean), wide.dtype))
        variance = per_channel(wide, cast(operand(running_var), wide.dtype))
        return _affine("instance_norm", z, (wide - mean) / sqrt(variance + eps), weight, bias)
    count = math.prod(z.shape[2:])
    if count < 2:
        raise ShapeError(
            f"{who('instance_norm')}: a map of x {z.shape} has {count} value; its variance needs "
            "more: use larger maps, or running statistics and eval()"
        )
    axes = tuple(range(2, z.ndim))
    if running_mean is not None and running_var is not None:
        with set_grad_enabled(False):
            means = sum(wide, axis=axes, keepdims=True) / count
            variances = sum((wide - means) ** 2, axis=axes) / (count - 1)
            batch = z.shape[0]
            follow(running_mean, sum(reshape(means, z.shape[:2]), axis=0) / batch, momentum)
            follow(running_var, sum(variances, axis=0) / batch, momentum)
    return _affine("instance_norm", z, _standardised(wide, axes, eps), weight, bias)


def _standardised(x: Tensor, axes: tuple[int, ...], eps: float) -> Tensor:
    """x with mean 0 and variance 1 over `axes`."""
    count = math.prod(x.shape[axis] for axis in axes)
    centred = x - sum(x, axis=axes, keepdims=True) / count
    variance = sum(centred * centred, axis=axes, keepdims=True) / count
    return centred * (1 / sqrt(variance + eps))


def _affine(function: str, z: Tensor, normal: Tensor, weight: Any, bias: Any) -> Tensor:
    """The values times γ plus β of their channels (axis 1), in z's dtype."""
    for name, given in (("weight", weight), ("bias", bias)):
        if given is None:
            continue
        parameter = operand(given)
        if parameter.shape != z.shape[1:2]:
            raise ShapeError(
                f"{who(function)}: x {z.shape} has {z.shape[1]} channels (axis 1), but {name} has "
                f"shape {parameter.shape}"
            )
        same_dtype(function, z, parameter, name)
        spread = per_channel(z, cast(parameter, normal.dtype))
        normal = normal * spread if name == "weight" else normal + spread
    return cast(normal, z.dtype)
