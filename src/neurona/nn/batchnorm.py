"""Batch normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurona.core.dtypes import float64
from neurona.core.errors import ShapeError
from neurona.core.tensor import Tensor
from neurona.core.variable import Variable
from neurona.nn import functional
from neurona.nn.linear import empty, extent, float_dtype
from neurona.nn.module import Module
from neurona.nn.running import title_of
from neurona.ops.operand import cast, operand


class BatchNorm(Module):
    """What the batch norms of one, two and three dimensions share; see `BatchNorm1d`."""

    RANKS: tuple[int, ...] = ()
    AXES = ""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        correction: int = 0,
        dtype: Any = None,
    ) -> None:
        self.num_features = extent(type(self).__name__, "num_features", num_features)
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        self.correction = correction
        shape = (num_features,)
        kind = float_dtype(type(self).__name__, dtype)
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
        if z.ndim not in self.RANKS or z.shape[1] != self.num_features:
            raise ShapeError(
                f"{title_of(self)}: x {z.shape} must be {self.AXES} "
                f"with {self.num_features} channels (axis 1)"
            )
        momentum: Any = self.momentum
        batches = None
        if self.training and self.num_batches_tracked is not None:
            batches = self.num_batches_tracked + 1
            if momentum is None:
                momentum = 1 / cast(batches, float64)
        result = functional.batch_norm(
            z,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training,
            momentum,
            self.eps,
            correction=self.correction,
        )
        if batches is not None and self.num_batches_tracked is not None:
            self.num_batches_tracked.assign(batches)
        return result

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(BatchNorm):
    """y = (x − μ)/√(σ² + ε)·γ + β for each channel.

    Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing internal
    covariate shift" (2015).
    x: (batch, features) or (batch, channels, length).
    In training μ and σ² are those of the batch and the running ones follow,
    running ← (1 − momentum)·running + momentum·batch; in evaluation the running ones are used.
    eps: ε. momentum: None for the plain average over all batches. affine: whether weight (γ, from
    1) and bias (β, from 0) are learnt. track_running_stats: false to use the batch in evaluation
    too. correction: the σ² that normalises divides by n − correction (0 in the paper; 1 in some
    textbooks); the running one always by n − 1.

    >>> import neurona as ne
    >>> from neurona import nn
    >>> nn.BatchNorm1d(1, eps=0)(ne.asarray([[1.0], [3.0]]))
    Tensor([[-1.],
            [ 1.]], dtype=float32)
    """

    RANKS = (2, 3)
    AXES = "(batch, channels) or (batch, channels, length)"


class BatchNorm2d(BatchNorm):
    """y = (x − μ)/√(σ² + ε)·γ + β for each channel of x (batch, channels, height, width).

    μ and σ² are over the batch and all places of a map. See `BatchNorm1d` for the arguments.

    >>> import neurona as ne
    >>> from neurona import nn
    >>> nn.BatchNorm2d(1, eps=0)(ne.asarray([[[[1.0], [3.0]]]]))
    Tensor([[[[-1.],
              [ 1.]]]], dtype=float32)
    """

    RANKS = (4,)
    AXES = "(batch, channels, height, width)"


class BatchNorm3d(BatchNorm):
    """Batch norm of x (batch, channels, depth, height, width); see `BatchNorm1d`."""

    RANKS = (5,)
    AXES = "(batch, channels, depth, height, width)"
