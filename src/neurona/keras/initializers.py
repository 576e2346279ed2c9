"""Initial values by Keras's names: functions of a shape in Keras's layout, (inputs, outputs)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from neurona import random
from neurona.core.errors import ArgumentError, ShapeError
from neurona.core.op import Array, Shape
from neurona.core.variable import Variable
from neurona.keras.named import Configured, find
from neurona.nn import init
from neurona.ops.generator import Generator

Initializer = Callable[..., Any]

TRUNCATED = 0.87962566103423978
"""The standard deviation of N(0, 1) within ±2, by which Keras makes up for the truncation."""


class RandomInitializer(Configured):
    """The base of all initialisers that draw. seed: None draws from the default generator."""

    seed: int | None

    @property
    def generator(self) -> Generator | None:
        """The same numbers at every call with a seed."""
        return None if self.seed is None else Generator(self.seed)


class Zeros(Configured):
    """All 0."""

    def __call__(self, shape: Shape) -> Array:
        return np.zeros(shape, np.float32)


class Ones(Configured):
    """All 1."""

    def __call__(self, shape: Shape) -> Array:
        return np.ones(shape, np.float32)


class Constant(Configured):
    """All `value`."""

    def __init__(self, value: float = 0.0) -> None:
        self.value = value

    def __call__(self, shape: Shape) -> Array:
        return np.full(shape, self.value, np.float32)


class Identity(Configured):
    """`gain` on the diagonal, else 0. shape: (rows, columns)."""

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Shape) -> Array:
        if len(shape) != 2:
            raise ShapeError(f"Identity: the shape must be (rows, columns), not {shape}")
        return self.gain * np.eye(*shape, dtype=np.float32)


class RandomUniform(RandomInitializer):
    """Evenly from [minval, maxval)."""

    def __init__(
        self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None
    ) -> None:
        self.minval = minval
        self.maxval = maxval
        self.seed = seed

    def __call__(self, shape: Shape) -> Array:
        low, high = self.minval, self.maxval
        return random.uniform(shape, low, high, generator=self.generator).numpy()


class RandomNormal(RandomInitializer):
    """Normally distributed."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        self.mean = mean
        self.stddev = stddev
        self.seed = seed

    def __call__(self, shape: Shape) -> Array:
        return random.normal(shape, self.mean, self.stddev, generator=self.generator).numpy()


class TruncatedNormal(RandomNormal):
    """Normally distributed, given that it lies within two standard deviations."""

    def __call__(self, shape: Shape) -> Array:
        drawn = random.truncated_normal(shape, self.mean, self.stddev, generator=self.generator)
        return drawn.numpy()


class VarianceScaling(RandomInitializer):
    """Of variance scale/n, with n the units that go in, out, or the mean of both.

    mode: "fan_in", "fan_out" or "fan_avg". distribution: "truncated_normal",
    "untruncated_normal" or "uniform".

    >>> from neurona.keras import initializers
    >>> weights = initializers.VarianceScaling(2.0, "fan_in", "uniform", seed=1)((600, 400))
    >>> weights.shape, round(float(weights.var() * 600), 1)
    ((600, 400), 2.0)
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
    ) -> None:
        modes = ("fan_in", "fan_out", "fan_avg")
        kinds = ("truncated_normal", "untruncated_normal", "uniform")
        if not scale > 0 or mode not in modes or distribution not in kinds:
            raise ArgumentError(
                f"VarianceScaling: scale {scale} must be positive, mode {mode!r} one of {modes}, "
                f"distribution {distribution!r} one of {kinds}"
            )
        self.scale = scale
        self.mode = mode
        self.distribution = distribution
        self.seed = seed

    def __call__(self, shape: Shape) -> Array:
        ins, outs = fans(shape)
        units = {"fan_in": ins, "fan_out": outs, "fan_avg": (ins + outs) / 2}[self.mode]
        deviation = math.sqrt(self.scale / max(1.0, units))
        source = self.generator
        if self.distribution == "uniform":
            bound = math.sqrt(3) * deviation
            return random.uniform(shape, -bound, bound, generator=source).numpy()
        if self.distribution == "untruncated_normal":
            return random.normal(shape, 0.0, deviation, generator=source).numpy()
        return random.truncated_normal(shape, 0.0, deviation / TRUNCATED, generator=source).numpy()


def fans(shape: Shape) -> tuple[int, int]:
    """The units that go into and out of a weight of Keras's layout, (*kernel, in, out)."""
    if len(shape) < 2:
        units = shape[0] if shape else 1
        return units, units
    kernel = math.prod(shape[:-2])
    return kernel * shape[-2], kernel * shape[-1]


class _Scaled(VarianceScaling):
    """A `VarianceScaling` that has a name of its own."""

    OPTIONS: tuple[float, str, str] = (1.0, "fan_in", "truncated_normal")

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(*self.OPTIONS, seed)


class GlorotUniform(_Scaled):
    """Evenly from ±√(6/(inputs + outputs)): what layers start from unless told otherwise."""

    OPTIONS = (1.0, "fan_avg", "uniform")


class GlorotNormal(_Scaled):
    """Normally distributed, truncated, of variance 2/(inputs + outputs)."""

    OPTIONS = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_Scaled):
    """Evenly from ±√(6/inputs): for ReLU."""

    OPTIONS = (2.0, "fan_in", "uniform")


class HeNormal(_Scaled):
    """Normally distributed, truncated, of variance 2/inputs: for ReLU."""

    OPTIONS = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_Scaled):
    """Evenly from ±√(3/inputs)."""

    OPTIONS = (1.0, "fan_in", "uniform")


class LecunNormal(_Scaled):
    """Normally distributed, truncated, of variance 1/inputs: for SELU."""

    OPTIONS = (1.0, "fan_in", "truncated_normal")


class Orthogonal(RandomInitializer):
    """`gain` times a random matrix with orthonormal rows or columns."""

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        self.gain = gain
        self.seed = seed

    def __call__(self, shape: Shape) -> Array:
        filled = Variable(np.zeros(shape, np.float32))
        return init.orthogonal(filled, self.gain, generator=self.generator).numpy()


INITIALIZERS: dict[str, Any] = {
    "zeros": Zeros,
    "ones": Ones,
    "constant": Constant,
    "identity": Identity,
    "random_uniform": RandomUniform,
    "uniform": RandomUniform,
    "random_normal": RandomNormal,
    "normal": RandomNormal,
    "truncated_normal": TruncatedNormal,
    "variance_scaling": VarianceScaling,
    "glorot_uniform": GlorotUniform,
    "glorot_normal": GlorotNormal,
    "he_uniform": HeUniform,
    "he_normal": HeNormal,
    "lecun_uniform": LecunUniform,
    "lecun_normal": LecunNormal,
    "orthogonal": Orthogonal,
}


def get(identifier: Any) -> Initializer:
    """The initialiser of a name or a configuration; a function `shape → array` is its own.

    Raises `ArgumentError` with the nearest name.

    >>> from neurona.keras import initializers
    >>> initializers.get("he_normal")
    HeNormal(seed=None)
    """
    classes = {cls.__name__: cls for cls in INITIALIZERS.values()}
    found: Initializer = find("initializer", identifier, INITIALIZERS | classes, Configured)
    return found
