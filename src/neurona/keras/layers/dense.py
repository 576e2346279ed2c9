"""Layers with a kernel: fully connected, and vectors for whole numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neurona import nn
from neurona.core.dtypes import int64, is_float
from neurona.core.errors import ArgumentError, ShapeError
from neurona.core.tensor import Tensor
from neurona.keras import activations, initializers, regularizers
from neurona.keras.layer import Layer, Weight, filled
from neurona.keras.symbolic import Shape
from neurona.nn.linear import extent
from neurona.ops.operand import cast, operand


class Dense(Layer):
    """activation(x·kernel + bias).

    x: (batch, …, inputs). Result: (batch, …, units).
    kernel: (inputs, units), from `kernel_initializer`; bias: (units,), from `bias_initializer`.
    activation: a name or a function of a tensor. The regularisers' penalties are added to the loss.
    Source: Keras's `Dense`; the weights are those of an `nn.Linear`.

    >>> import numpy as np
    >>> from neurona.keras import layers
    >>> layer = layers.Dense(2, activation="relu", input_dim=3)
    >>> layer(np.ones((5, 3), np.float32)).shape, [weight.shape for weight in layer.get_weights()]
    ((5, 2), [(3, 2), (2,)])
    """

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.units = extent(self.title, "units", units)
        self.activation = activations.name_of(activation)
        self._activate = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)

    def build(self, shape: Shape) -> None:
        inputs = shape[-1]
        if len(shape) < 2 or inputs is None:
            raise ShapeError(f"{self.title}: the input must be (batch, …, inputs), not {shape}")
        self.linear = nn.Linear(inputs, self.units, bias=self.use_bias)
        self.linear.weight.assign(filled(self.kernel_initializer, (inputs, self.units)).T.copy())
        if self.linear.bias is not None:
            self.linear.bias.assign(filled(self.bias_initializer, (self.units,)))

    def forward(self, x: Any) -> Tensor:
        return self._activate(self.linear(x))

    def own_weights(self) -> Sequence[Weight]:
        if not self.built:
            return ()
        kernel = Weight("kernel", self.linear.weight, axes=(1, 0))
        if self.linear.bias is None:
            return (kernel,)
        return kernel, Weight("bias", self.linear.bias)

    def penalties(self) -> Sequence[Tensor]:
        terms = [(self.kernel_regularizer, self.linear.weight)]
        if self.linear.bias is not None:
            terms.append((self.bias_regularizer, self.linear.bias))
        return [penalty(weight) for penalty, weight in terms if penalty is not None]


class Embedding(Layer):
    """A learnt vector for every whole number in x.

    x: whole numbers in 0…input_dim−1 of any shape; of floats the whole part counts, as in Keras.
    Result: (*x.shape, output_dim). embeddings: (input_dim, output_dim).
    Raises `IndexOutOfRangeError` naming the position of a number out of range.

    >>> import numpy as np
    >>> from neurona.keras import layers
    >>> layers.Embedding(10, 3)(np.array([[1, 2], [4, 5]])).shape
    (2, 2, 3)
    """

    INPUT_DTYPE = "int64"

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        *,
        mask_zero: bool = False,
        input_length: int | None = None,
        **common: Any,
    ) -> None:
        if mask_zero:
            raise ArgumentError(
                "Embedding: mask_zero is not there, since layers hand on no masks; the recurrent "
                "layers of neurona.nn take lengths="
            )
        if input_length is not None:
            common.setdefault("input_shape", (input_length,))
        super().__init__(**common)
        self.input_dim = extent(self.title, "input_dim", input_dim)
        self.output_dim = extent(self.title, "output_dim", output_dim)
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.mask_zero = mask_zero
        self.input_length = input_length

    def build(self, shape: Shape) -> None:
        self.embedding = nn.Embedding(self.input_dim, self.output_dim)
        size = (self.input_dim, self.output_dim)
        self.embedding.weight.assign(filled(self.embeddings_initializer, size))

    def forward(self, x: Any) -> Tensor:
        numbers = operand(np.asarray(x) if isinstance(x, list) else x)
        vectors: Tensor = self.embedding(
            cast(numbers, int64) if is_float(numbers.dtype) else numbers
        )
        return vectors

    def own_weights(self) -> Sequence[Weight]:
        return (Weight("embeddings", self.embedding.weight),) if self.built else ()

    def penalties(self) -> Sequence[Tensor]:
        penalty = self.embeddings_regularizer
        return [] if penalty is None else [penalty(self.embedding.weight)]
