"""Normalisation of groups of channels and of single maps."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurona.core.errors import ArgumentError, ShapeError
from neurona.core.tensor import Tensor
from neurona.core.variable import Variable
from neurona.nn import functional
from neurona.nn.linear import empty, extent, float_dtype
from neurona.nn.module import Module
from neurona.nn.running import title_of
from neurona.ops.broadcast import reshape
from neurona.ops.operand import operand


class GroupNorm(Module):
    """y = (x − μ)/√(σ² + ε)·γ + β, with μ and σ² over a group of channels of a sample.

    Wu and He, "Group normalization" (2018).
    x: (batch, num_channels, …). num_groups: the channels are as many runs of equal length; 1 is
    layer norm over whole samples, num_channels instance norm.
    weight (γ, from 1), bias (β, from 0): (num_channels,), if `affine`.

    >>> import neurona as ne
    >>> from neurona import nn
    >>> nn.GroupNorm(2, 4, eps=0)(ne.asarray([[1.0, 3.0, 10.0, 30.0]]))
    Tensor([[-1.,  1., -1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        self.num_groups = extent("GroupNorm", "num_groups", num_groups)
        self.num_channels = extent("GroupNorm", "num_channels", num_channels)
        if num_channels % num_groups:
            raise ArgumentError(
                f"GroupNorm: num_channels {num_channels} cannot be divided into {num_groups} groups"
            )
        self.eps = eps
        self.affine = affine
        kind = float_dtype("GroupNorm", dtype)
        self.weight = empty((num_channels,), kind, 1.0) if affine else None
        self.bias = empty((num_channels,), kind) if affine else None

    def forward(self, x: Any) -> Tensor:
        z = operand(x)
        if z.ndim < 2 or z.shape[1] != self.num_channels:
            raise ShapeError(
                f"{title_of(self)}: x {z.shape} must be (batch, channels, …) with "
                f"{self.num_channels} channels (axis 1)"
            )
        return functional.group_norm(z, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"


class InstanceNorm(Module):
    """What the instance norms of one, two and three dimensions share; see `InstanceNorm2d`."""

    SPATIAL = 0
    AXES = ""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        dtype: Any = None,
    ) -> None:
        name = type(self).__name__
        self.num_features = extent(name, "num_features", num_features)
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        shape, kind = (num_features,), float_dtype(name, dtype)
        self.weight = empty(shape, kind, 1.0) if affine else None
        self.bias = empty(shape, kind) if affine else None
        self.running_mean: Variable | None = None
        self.running_var: Variable | None = None
        self.num_batches_tracked: Variable | None = None
        if track_running_stats:
            self.register_buffer("running_mean", np.zeros(shape, kind))
            self.register_buffer("running_var", np.ones(shape, kind))
            self.register_buffer("num_batches_tracked", np.zeros((), np.int64))

    def forward(self, x: Any) -> Tensor:
        z = operand(x)
        alone = z.ndim == self.SPATIAL + 1
        channels = z.shape[0 if alone else 1] if z.ndim > 1 else 0
        if z.ndim - self.SPATIAL not in (1, 2) or channels != self.num_features:
            raise ShapeError(
                f"{title_of(self)}: x {z.shape} must be (batch, channels, {self.AXES}) or "
                f"(channels, {self.AXES}) with {self.num_features} channels"
            )
        result = functional.instance_norm(
            reshape(z, (1, *z.shape)) if alone else z,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            self.momentum or 0.0,
            self.eps,
        )
        return reshape(result, z.shape) if alone else result

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, track_running_stats={self.track_running_stats}"
        )


class InstanceNorm1d(InstanceNorm):
    """Instance norm of x (batch, channels, length); see `InstanceNorm2d`."""

    SPATIAL = 1
    AXES = "length"


class InstanceNorm2d(InstanceNorm):
    """y = (x − μ)/√(σ² + ε)·γ + β, with μ and σ² over each map of each sample.

    Ulyanov, Vedaldi and Lempitsky, "Instance normalization" (2016).
    x: (batch, channels, height, width) or (channels, height, width).
    affine: whether weight (γ, from 1) and bias (β, from 0) are learnt. track_running_stats: whether
    running statistics follow those of the maps in training, by `momentum`, and are used in
    evaluation.

    >>> import neurona as ne
    >>> from neurona import nn
    >>> nn.InstanceNorm2d(1, eps=0)(ne.asarray([[[1.0, 3.0]]]))
    Tensor([[[-1.,  1.]]], dtype=float32)
    """

    SPATIAL = 2
    AXES = "height, width"


class InstanceNorm3d(InstanceNorm):
    """Instance norm of x (batch, channels, depth, height, width); see `InstanceNorm2d`."""

    SPATIAL = 3
    AXES = "depth, height, width"
