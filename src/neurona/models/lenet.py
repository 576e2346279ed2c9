"""LeNet-5, as it was in 1998 and as it is built today."""

from __future__ import annotations

from typing import Any

import numpy as np

import neurona as ne
from neurona import nn
from neurona.core.errors import ArgumentError, ShapeError, choices
from neurona.core.tensor import Tensor
from neurona.core.variable import Variable
from neurona.models.digit_codes import CODES
from neurona.models.mlp import activation_layer
from neurona.nn.module import Module
from neurona.nn.running import title_of
from neurona.train.architecture import register

POOLING = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}


@register
class LeNet5(Module):
    """LeNet-5 as it is built today: two convolutions with pooling, three fully connected layers.

    After LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document
    recognition" (1998); 61,706 parameters for ten classes.

    - x: (batch, in_channels, 28, 28). Result: (batch, num_classes), before the softmax.
    - `activation`: "relu", "tanh", "sigmoid" or another of `models.mlp.ACTIVATIONS`.
    - `pooling`: "max" or "average".

    >>> import neurona as ne
    >>> network = LeNet5()
    >>> network(ne.zeros((2, 1, 28, 28))).shape, sum(p.size for p in network.parameters())
    ((2, 10), 61706)
    """

    def __init__(
        self,
        *,
        num_classes: int = 10,
        in_channels: int = 1,
        activation: str = "relu",
        pooling: str = "max",
        dtype: Any = None,
    ) -> None:
        self.num_classes = num_classes
        self.in_channels = in_channels
        self.activation = activation
        self.pooling = pooling
        if pooling not in POOLING:
            raise ArgumentError(f"LeNet5: unknown pooling {pooling!r}{choices(pooling, POOLING)}")
        pool = POOLING[pooling]
        self.conv1 = nn.Conv2d(in_channels, 6, 5, padding=2, dtype=dtype)
        self.act1 = activation_layer(activation)
        self.pool1 = pool(2)
        self.conv2 = nn.Conv2d(6, 16, 5, dtype=dtype)
        self.act2 = activation_layer(activation)
        self.pool2 = pool(2)
        self.fc1 = nn.Linear(16 * 5 * 5, 120, dtype=dtype)
        self.act3 = activation_layer(activation)
        self.fc2 = nn.Linear(120, 84, dtype=dtype)
        self.act4 = activation_layer(activation)
        self.fc3 = nn.Linear(84, num_classes, dtype=dtype)

    def forward(self, x: Any) -> Tensor:
        x = self.pool1(self.act1(self.conv1(x)))  # (batch, 6, 28, 28) → (batch, 6, 14, 14)
        x = self.pool2(self.act2(self.conv2(x)))  # (batch, 16, 10, 10) → (batch, 16, 5, 5)
        x = ne.reshape(x, (x.shape[0], -1))  # (batch, 400)
        x = self.act3(self.fc1(x))  # (batch, 120)
        x = self.act4(self.fc2(x))  # (batch, 84)
        y: Tensor = self.fc3(x)  # (batch, num_classes)
        return y


# --- as in 1998 ---

CONNECTED = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
)  # fmt: skip
"""Which maps of S2 each of the 16 maps of C3 sees: three or four in a row, pairs apart, all."""


@register
class OriginalLeNet5(Module):
    """LeNet-5 of 1998: 60,000 learnt numbers, and pictures of the digits as the output's weights.

        F6 = squash(W·C5 + b) ∈ (−1.7159, 1.7159)⁸⁴,   y_k = −Σᵢ (F6ᵢ − codeₖᵢ)²

    LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition"
    (1998), section II.B. The codes are the ten digits drawn in 7 × 12 dots of ±1, fixed. The paper
    minimises the penalty −y of the true class, and pushes up that of the others (equation 9): that
    is the cross-entropy of y here, but for the constant of a "rubbish" class.

    - x: (batch, 1, 32, 32), or (batch, 1, 28, 28), which gets a border of zeros. In the paper
      background is −0.1 and ink 1.175. Result: (batch, 10), at most 0; the class is the largest.

    >>> import neurona as ne
    >>> network = OriginalLeNet5()
    >>> network(ne.zeros((2, 1, 32, 32))).shape, sum(p.size for p in network.parameters())
    ((2, 10), 60000)
    """

    def __init__(self, *, dtype: Any = None) -> None:
        self.c1 = nn.Conv2d(1, 6, 5, dtype=dtype)
        self.s2 = SubSampling(6, dtype=dtype)
        self.c3 = ConnectedConv2d(6, CONNECTED, 5, dtype=dtype)
        self.s4 = SubSampling(16, dtype=dtype)
        self.c5 = nn.Conv2d(16, 120, 5, dtype=dtype)
        self.f6 = nn.Linear(120, 84, dtype=dtype)
        self.output = RadialBasis(CODES, dtype=dtype)
        for layer, fan_in in ((self.c1, 25), (self.c5, 16 * 25), (self.f6, 120)):
            nn.init.uniform(layer.weight, -2.4 / fan_in, 2.4 / fan_in)

    def forward(self, x: Any) -> Tensor:
        x = ne.asarray(x)
        if x.shape[2:] == (28, 28):
            x = ne.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)))
        x = squash(self.c1(x))  # (batch, 6, 28, 28)
        x = squash(self.s2(x))  # (batch, 6, 14, 14)
        x = squash(self.c3(x))  # (batch, 16, 10, 10)
        x = squash(self.s4(x))  # (batch, 16, 5, 5)
        x = squash(self.c5(x))  # (batch, 120, 1, 1)
        x = squash(self.f6(ne.reshape(x, (x.shape[0], 120))))  # (batch, 84)
        y: Tensor = self.output(x)  # (batch, 10)
        return y


def squash(x: Tensor) -> Tensor:
    """1.7159·tanh(⅔x): ±1 at ±1, where its curvature is largest (appendix A of the paper)."""
    return 1.7159 * ne.tanh(x * (2 / 3))


@register
class SubSampling(Module):
    """w_c·(sum of each 2 × 2 square) + b_c: one weight and one bias a channel.

    x: (batch, channels, rows, columns). Result: (batch, channels, rows/2, columns/2).
    """

    def __init__(self, channels: int, *, dtype: Any = None) -> None:
        self.channels = channels
        self.weight = Variable(ne.zeros((channels, 1, 1), dtype=dtype))
        self.bias = Variable(ne.zeros((channels, 1, 1), dtype=dtype))
        nn.init.uniform(self.weight, -2.4 / 4, 2.4 / 4)

    def forward(self, x: Any) -> Tensor:
        return 4 * nn.functional.avg_pool2d(x, 2) * self.weight + self.bias


@register
class ConnectedConv2d(Module):
    """A convolution whose outputs see only some of the inputs; other kernels are not there.

    - x: (batch, in_channels, rows, columns). Result: (batch, len(connected), …), no padding.
    - `connected`: for each output channel the input channels it sees.
    - weight: (connections, kernel, kernel), in the order of `connected`. bias: (len(connected),).
    """

    def __init__(
        self,
        in_channels: int,
        connected: tuple[tuple[int, ...], ...],
        kernel_size: int,
        *,
        dtype: Any = None,
    ) -> None:
        self.in_channels = in_channels
        self.connected = tuple(map(tuple, connected))
        self.kernel_size = kernel_size
        count = sum(map(len, self.connected))
        self.weight = Variable(ne.zeros((count, kernel_size, kernel_size), dtype=dtype))
        self.bias = Variable(ne.zeros((len(self.connected),), dtype=dtype))
        fan_in = count / len(self.connected) * kernel_size**2
        nn.init.uniform(self.weight, -2.4 / fan_in, 2.4 / fan_in)
        self._places = np.full((len(self.connected), in_channels), count)  # the kernel of zeros
        first = 0
        for row, seen in zip(self._places, self.connected, strict=True):
            row[list(seen)] = range(first, first + len(seen))
            first += len(seen)

    def forward(self, x: Any) -> Tensor:
        nothing = ne.zeros((1, *self.weight.shape[1:]), dtype=self.weight.dtype)
        kernels = ne.concat([self.weight, nothing])
        shape = (*self._places.shape, *self.weight.shape[1:])
        weight = ne.reshape(ne.take(kernels, self._places.reshape(-1), axis=0), shape)
        return nn.functional.conv2d(x, weight, self.bias)


@register
class RadialBasis(Module):
    """y_k = −Σᵢ (xᵢ − codeₖᵢ)²: the nearer the input to a class's code, the larger its output.

    x: (batch, features). Result: (batch, classes). codes: (classes, features), not learnt.
    Raises `ShapeError` when x does not fit.
    """

    centres: Tensor

    def __init__(self, codes: tuple[tuple[float, ...], ...], *, dtype: Any = None) -> None:
        self.codes = tuple(map(tuple, codes))
        self.register_buffer("centres", ne.asarray(self.codes, dtype=dtype or ne.float32))

    def forward(self, x: Any) -> Tensor:
        if x.ndim != 2 or x.shape[1] != self.centres.shape[1]:
            raise ShapeError(
                f"{title_of(self)}: x {x.shape} must be (batch, {self.centres.shape[1]})"
            )
        y: Tensor = -ne.sum((x[:, None, :] - self.centres) ** 2, axis=2)
        return y
