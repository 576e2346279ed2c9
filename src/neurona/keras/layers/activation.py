"""Activations as layers, with Keras's defaults and the last axis where one is needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neurona.core.errors import ArgumentError
from neurona.core.tensor import Tensor
from neurona.core.variable import Variable
from neurona.keras import activations, initializers, regularizers
from neurona.keras.layer import Layer, Weight, filled
from neurona.keras.symbolic import Shape, lengths_of
from neurona.nn import functional
from neurona.ops.arithmetic import minimum
from neurona.ops.compare import where
from neurona.ops.operand import operand


class Activation(Layer):
    """A function of every element, or softmax over the last axis, by name or as a function.

    >>> import neurona as ne
    >>> from neurona.keras import layers
    >>> layers.Activation("relu")(ne.asarray([[-1.0, 2.0]]))
    Tensor([[0., 2.]], dtype=float32)
    """

    def __init__(self, activation: Any, **common: Any) -> None:
        super().__init__(**common)
        self.activation = activations.name_of(activation)
        self._activate = activations.get(activation)

    def forward(self, x: Any) -> Tensor:
        return self._activate(x)


class ReLU(Layer):
    """max_value where x ≥ max_value; x above threshold; else negative_slope·(x − threshold)."""

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        if (max_value is not None and max_value < 0) or negative_slope < 0 or threshold < 0:
            raise ArgumentError(f"{self.title}: its arguments must not be negative")
        self.max_value = max_value
        self.negative_slope = negative_slope
        self.threshold = threshold

    def forward(self, x: Any) -> Tensor:
        z = operand(x)
        if self.threshold:
            y = where(z > self.threshold, z, self.negative_slope * (z - self.threshold))
        elif self.negative_slope:
            y = functional.leaky_relu(z, self.negative_slope)
        else:
            y = functional.relu(z)
        return y if self.max_value is None else minimum(y, self.max_value)


class LeakyReLU(Layer):
    """x where x > 0, else negative_slope·x; Keras's slope is 0.3."""

    def __init__(self, negative_slope: float = 0.3, **common: Any) -> None:
        negative_slope = common.pop("alpha", negative_slope)  # its name before Keras 3
        super().__init__(**common)
        self.negative_slope = negative_slope

    def forward(self, x: Any) -> Tensor:
        return functional.leaky_relu(x, self.negative_slope)


class ELU(Layer):
    """x where x > 0, else alpha·(e^x − 1)."""

    def __init__(self, alpha: float = 1.0, **common: Any) -> None:
        super().__init__(**common)
        self.alpha = alpha

    def forward(self, x: Any) -> Tensor:
        return functional.elu(x, self.alpha)


class PReLU(Layer):
    """x where x > 0, else alpha·x, with a learnt alpha for each element of a sample, from 0."""

    def __init__(
        self, alpha_initializer: Any = "Zeros", alpha_regularizer: Any = None, **common: Any
    ) -> None:
        super().__init__(**common)
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)

    def build(self, shape: Shape) -> None:
        self.alpha = Variable(filled(self.alpha_initializer, lengths_of(shape)))

    def forward(self, x: Any) -> Tensor:
        z = operand(x)
        return where(z > 0, z, self.alpha * z)

    def own_weights(self) -> Sequence[Weight]:
        return (Weight("alpha", self.alpha),) if self.built else ()

    def penalties(self) -> Sequence[Tensor]:
        penalty = self.alpha_regularizer
        return [] if penalty is None else [penalty(self.alpha)]


class Softmax(Layer):
    """e^xᵢ / Σⱼ e^xⱼ along `axis`."""

    def __init__(self, axis: int = -1, **common: Any) -> None:
        super().__init__(**common)
        self.axis = axis

    def forward(self, x: Any) -> Tensor:
        return functional.softmax(x, self.axis)
