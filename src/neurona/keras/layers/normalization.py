"""Normalisations with Keras's defaults; the channels are the last axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neurona import nn
from neurona.core.errors import ArgumentError, ShapeError
from neurona.core.tensor import Tensor
from neurona.core.variable import Variable
from neurona.keras import initializers
from neurona.keras.layer import Layer, Weight, filled
from neurona.keras.symbolic import Shape
from neurona.nn import functional
from neurona.ops.broadcast import reshape
from neurona.ops.operand import operand


class BatchNormalization(Layer):
    """gamma·(x − μ)/√(σ² + epsilon) + beta for each channel.

    x: (batch, …, channels). In training μ and σ² are those of the batch, the moving ones follow:
    moving ← momentum·moving + (1 − momentum)·batch, with the same σ², divided by n. So `momentum`
    is one minus that of `nn.BatchNorm1d`. With `trainable` false the moving ones are always used.
    center, scale: whether there are a beta and a gamma.
    """

    moving_mean: Variable
    moving_variance: Variable

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.axis = axis
        self.momentum = momentum
        self.epsilon = epsilon
        self.center = center
        self.scale = scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)

    def build(self, shape: Shape) -> None:
        channels = shape[-1]
        if len(shape) < 2 or channels is None:
            raise ShapeError(f"{self.title}: the input must be (batch, …, channels), not {shape}")
        if self.axis not in (-1, len(shape) - 1):
            raise ArgumentError(
                f"{self.title}: axis {self.axis} of {shape}: only the last axis can be that of the "
                "channels"
            )
        many = (channels,)
        self.gamma = Variable(filled(self.gamma_initializer, many)) if self.scale else None
        self.beta = Variable(filled(self.beta_initializer, many)) if self.center else None
        self.register_buffer("moving_mean", filled(self.moving_mean_initializer, many))
        self.register_buffer("moving_variance", filled(self.moving_variance_initializer, many))

    def forward(self, x: Any) -> Tensor:
        z = operand(x)
        y = functional.batch_norm(
            reshape(z, (-1, z.shape[-1])) if z.ndim > 2 else z,
            self.moving_mean,
            self.moving_variance,
            self.gamma,
            self.beta,
            self.training and self._trainable,
            1 - self.momentum,
            self.epsilon,
            running_correction=0,
        )
        return reshape(y, z.shape)

    def own_weights(self) -> Sequence[Weight]:
        if not self.built:
            return ()
        names = ("gamma", "beta", "moving_mean", "moving_variance")
        pairs = [(name, getattr(self, name)) for name in names]
        return [Weight(name, variable) for name, variable in pairs if variable is not None]


class LayerNormalization(Layer):
    """gamma·(x − μ)/√(σ² + epsilon) + beta, with μ and σ² over the last axis of each sample.

    x: (batch, …, channels). center, scale: whether there are a beta and a gamma.
    """

    def __init__(
        self,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.axis = axis
        self.epsilon = epsilon
        self.center = center
        self.scale = scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)

    def build(self, shape: Shape) -> None:
        channels = shape[-1]
        if len(shape) < 2 or channels is None or self.axis not in (-1, len(shape) - 1):
            raise ShapeError(
                f"{self.title}: axis {self.axis} of {shape}: only the last axis can be normalised"
            )
        self.norm = nn.LayerNorm(channels, eps=self.epsilon)
        for variable, initializer in (
            (self.norm.weight, self.gamma_initializer),
            (self.norm.bias, self.beta_initializer),
        ):
            if variable is not None:
                variable.assign(filled(initializer, (channels,)))
        if not self.scale:
            self.norm.weight = None
        if not self.center:
            self.norm.bias = None

    def forward(self, x: Any) -> Tensor:
        y: Tensor = self.norm(x)
        return y

    def own_weights(self) -> Sequence[Weight]:
        if not self.built:
            return ()
        pair = (("gamma", self.norm.weight), ("beta", self.norm.bias))
        return [Weight(name, variable) for name, variable in pair if variable is not None]
