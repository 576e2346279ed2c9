"""Initial values of parameters. Each function fills a Variable and returns it.

Weights have PyTorch's layout: (out, in, *kernel). fan_in is in·kernel, fan_out is out·kernel, the
number of inputs and outputs of a unit. Random numbers come from `generator`, by default the
generator that `neurona.random.seed` sets.

>>> from neurona import nn
>>> layer = nn.Linear(256, 100)
>>> nn.init.kaiming_normal(layer.weight, nonlinearity="relu").shape
(100, 256)
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from neurona import random
from neurona.core.dtypes import float64
from neurona.core.errors import ArgumentError, ShapeError, nearest
from neurona.core.trace import eagerly, set_grad_enabled
from neurona.core.variable import Variable
from neurona.ops.generator import Generator
from neurona.ops.operand import cast

GAINS: dict[str, Callable[[float], float]] = {
    "linear": lambda slope: 1.0,
    "sigmoid": lambda slope: 1.0,
    "tanh": lambda slope: 5 / 3,
    "relu": lambda slope: math.sqrt(2),
    "leaky_relu": lambda slope: math.sqrt(2 / (1 + slope**2)),
    "selu": lambda slope: 3 / 4,
}


def gain(nonlinearity: str, slope: float = 0.01) -> float:
    """The factor that makes up for what an activation takes from the standard deviation.

    slope: the negative slope of "leaky_relu".

    >>> from neurona import nn
    >>> round(nn.init.gain("relu"), 6)
    1.414214
    """
    if nonlinearity not in GAINS:
        raise ArgumentError(
            f"gain: nonlinearity is one of {', '.join(GAINS)}, not {nonlinearity!r}"
            f"{nearest(str(nonlinearity), GAINS)}"
        )
    return GAINS[nonlinearity](slope)


def fans(variable: Variable) -> tuple[int, int]:
    """(fan_in, fan_out). Raises `ShapeError` for fewer than two axes."""
    shape = variable.shape
    if len(shape) < 2:
        raise ShapeError(
            f"fans: shape {shape} must be (out, in, *kernel); fill biases with zeros or constant"
        )
    kernel = math.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel


@contextmanager
def filling() -> Iterator[None]:
    # A layer made inside a function that is being compiled gets its values at once.
    with eagerly(), set_grad_enabled(False):
        yield


class _Skipped(threading.local):
    on = False


_SKIPPED = _Skipped()


@contextmanager
def skip() -> Iterator[None]:
    """Draw nothing inside: parameters stay 0, and random state as it is.

    For a network whose weights are loaded next; to draw 138 million numbers takes seconds.

    >>> from neurona import nn
    >>> with nn.init.skip():
    ...     layer = nn.Linear(3, 2)
    >>> layer.weight.tolist()
    [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    before, _SKIPPED.on = _SKIPPED.on, True
    try:
        yield
    finally:
        _SKIPPED.on = before


def _fill(variable: Variable, draw: Callable[..., Any], **options: Any) -> Variable:
    if _SKIPPED.on:
        return variable
    with filling():
        variable.assign(cast(draw(variable.shape, dtype=variable.dtype, **options), variable.dtype))
    return variable


# --- constant ---


def constant(variable: Variable, value: float) -> Variable:
    """All elements the same."""
    with filling():
        variable.assign(np.full(variable.shape, value, variable.dtype))
    return variable


def zeros(variable: Variable) -> Variable:
    """All 0: for biases. With zero weights the units of a layer stay equal for ever."""
    return constant(variable, 0)


def ones(variable: Variable) -> Variable:
    """All 1: for the scale of a normalisation."""
    return constant(variable, 1)


# --- random, of given width ---


def uniform(
    variable: Variable, low: float = 0.0, high: float = 1.0, *, generator: Generator | None = None
) -> Variable:
    """Evenly from [low, high)."""
    return _fill(variable, random.uniform, low=low, high=high, generator=generator)


def normal(
    variable: Variable,
    mean: float = 0.0,
    std: float = 0.01,
    *,
    generator: Generator | None = None,
) -> Variable:
    """Normally distributed; by default small, N(0, 0.01²)."""
    return _fill(variable, random.normal, mean=mean, std=std, generator=generator)


def truncated_normal(
    variable: Variable,
    mean: float = 0.0,
    std: float = 1.0,
    low: float = -2.0,
    high: float = 2.0,
    *,
    generator: Generator | None = None,
) -> Variable:
    """Normally distributed, given that it lies within `low` and `high` standard deviations."""
    return _fill(
        variable,
        random.truncated_normal,
        mean=mean,
        std=std,
        low=low,
        high=high,
        generator=generator,
    )


# --- random, of a width that keeps variances ---


def xavier_uniform(
    variable: Variable, gain: float = 1.0, *, generator: Generator | None = None
) -> Variable:
    """Evenly from ±gain·√(6/(fan_in + fan_out)).

    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks"
    (2010), equation 16.
    """
    bound = gain * math.sqrt(6 / sum(fans(variable)))
    return uniform(variable, -bound, bound, generator=generator)


def xavier_normal(
    variable: Variable, gain: float = 1.0, *, generator: Generator | None = None
) -> Variable:
    """Normally distributed with σ = gain·√(2/(fan_in + fan_out)); see `xavier_uniform`."""
    return normal(variable, 0.0, gain * math.sqrt(2 / sum(fans(variable))), generator=generator)


def _kaiming(variable: Variable, slope: float, mode: str, nonlinearity: str) -> float:
    modes = ("fan_in", "fan_out")
    if mode not in modes:
        raise ArgumentError(f"kaiming: mode is one of {modes}, not {mode!r}{nearest(mode, modes)}")
    return gain(nonlinearity, slope) / math.sqrt(fans(variable)[modes.index(mode)])


def kaiming_uniform(
    variable: Variable,
    slope: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    generator: Generator | None = None,
) -> Variable:
    """Evenly from ±gain·√(3/fan).

    mode: "fan_in" keeps variances going forward, "fan_out" going back. slope: of "leaky_relu".
    He, Zhang, Ren and Sun, "Delving deep into rectifiers" (2015), equations 10 and 14.
    """
    bound = math.sqrt(3) * _kaiming(variable, slope, mode, nonlinearity)
    return uniform(variable, -bound, bound, generator=generator)


def kaiming_normal(
    variable: Variable,
    slope: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    generator: Generator | None = None,
) -> Variable:
    """Normally distributed with σ = gain/√fan, √(2/fan) for ReLU; see `kaiming_uniform`."""
    return normal(variable, 0.0, _kaiming(variable, slope, mode, nonlinearity), generator=generator)


def lecun_uniform(variable: Variable, *, generator: Generator | None = None) -> Variable:
    """Evenly from ±√(3/fan_in); see `lecun_normal`."""
    bound = math.sqrt(3 / fans(variable)[0])
    return uniform(variable, -bound, bound, generator=generator)


def lecun_normal(variable: Variable, *, generator: Generator | None = None) -> Variable:
    """Normally distributed with σ = √(1/fan_in); the start that SELU needs.

    LeCun, Bottou, Orr and Müller, "Efficient backprop" (1998), section 4.6.
    """
    return normal(variable, 0.0, math.sqrt(1 / fans(variable)[0]), generator=generator)


def orthogonal(
    variable: Variable, gain: float = 1.0, *, generator: Generator | None = None
) -> Variable:
    """gain times a random matrix whose rows (or columns, if there are fewer) are orthonormal.

    Axes after the first are taken as one. Saxe, McClelland and Ganguli, "Exact solutions to the
    nonlinear dynamics of learning in deep linear neural networks" (2014).
    """
    fans(variable)
    if _SKIPPED.on:
        return variable
    rows, columns = variable.shape[0], math.prod(variable.shape[1:])
    with filling():
        tall = (max(rows, columns), min(rows, columns))
        q, r = np.linalg.qr(random.normal(tall, dtype=float64, generator=generator).numpy())
        # The signs make the distribution uniform over orthogonal matrices (Mezzadri, 2007).
        q = q * np.sign(np.diagonal(r))
        q = q.T if rows < columns else q
        variable.assign((gain * q).reshape(variable.shape).astype(variable.dtype))
    return variable
