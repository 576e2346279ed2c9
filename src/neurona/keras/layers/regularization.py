"""Layers that disturb training and pass everything on afterwards."""

from __future__ import annotations

from typing import Any

from neurona import random
from neurona.core.errors import ArgumentError
from neurona.core.tensor import Tensor
from neurona.keras.layer import Layer
from neurona.nn import functional
from neurona.nn.functional.dropout import check_probability
from neurona.ops.generator import Generator
from neurona.ops.operand import operand


class Dropout(Layer):
    """In training each element is 0 with probability `rate`, else x/(1 − rate).

    seed: of a stream of random numbers of its own; None draws from the default generator.
    """

    def __init__(self, rate: float, *, seed: int | None = None, **common: Any) -> None:
        super().__init__(**common)
        self.rate = rate
        self.seed = seed
        check_probability(self.title, rate)
        self._generator = None if seed is None else Generator(seed)

    def forward(self, x: Any) -> Tensor:
        return functional.dropout(x, self.rate, self.training, generator=self._generator)


class GaussianNoise(Layer):
    """In training x + noise of N(0, stddev²), else x.

    seed: of a stream of random numbers of its own; None draws from the default generator.
    """

    def __init__(self, stddev: float, seed: int | None = None, **common: Any) -> None:
        super().__init__(**common)
        if not stddev >= 0:
            raise ArgumentError(f"{self.title}: stddev must not be negative, {stddev} is")
        self.stddev = stddev
        self.seed = seed
        self._generator = None if seed is None else Generator(seed)

    def forward(self, x: Any) -> Tensor:
        z = operand(x)
        if not self.training or not self.stddev:
            return z
        return z + random.normal(
            z.shape, 0.0, self.stddev, dtype=z.dtype, generator=self._generator
        )
