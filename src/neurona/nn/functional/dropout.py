"""Dropout."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from neurona.core.errors import ArgumentError, ShapeError
from neurona.core.op import Shape
from neurona.core.tensor import Tensor
from neurona.nn.functional.checks import float_input
from neurona.nn.functional.pooling import spatial_lead
from neurona.nn.running import who
from neurona.ops.compare import where
from neurona.ops.generator import Generator
from neurona.random import bernoulli


def dropout(
    x: Any, p: float = 0.5, training: bool = True, *, generator: Generator | None = None
) -> Tensor:
    """Each element is 0 with probability p, else x/(1 − p); x itself unless `training`.

    Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout" (2014), scaled in
    training so that inference need not be.
    generator: what the mask is drawn from; the default generator if None.
    Raises `ArgumentError` unless 0 ≤ p ≤ 1.

    >>> from neurona.nn import functional as F
    >>> F.dropout([1.0, 2.0], p=0.5, training=False)
    Tensor([1., 2.], dtype=float32)
    """
    check_probability("dropout", p)
    z = float_input("dropout", x)
    return _dropped(z, p, z.shape, generator) if training and p else z


def dropout1d(
    x: Any, p: float = 0.5, training: bool = True, *, generator: Generator | None = None
) -> Tensor:
    """Whole channels of x (batch, channels, length) or (channels, length) are dropped."""
    return _channels_dropped("dropout1d", 1, x, p, training, generator)


def dropout2d(
    x: Any, p: float = 0.5, training: bool = True, *, generator: Generator | None = None
) -> Tensor:
    """Each map of x is 0 with probability p, else x/(1 − p); x itself unless `training`.

    Tompson, Goroshin, Jain, LeCun and Bregler, "Efficient object localization using convolutional
    networks" (2015). x: (batch, channels, height, width) or (channels, height, width).
    Raises `ArgumentError` unless 0 ≤ p ≤ 1, `ShapeError` for other shapes.
    """
    return _channels_dropped("dropout2d", 2, x, p, training, generator)


def dropout3d(
    x: Any, p: float = 0.5, training: bool = True, *, generator: Generator | None = None
) -> Tensor:
    """Whole channels of x ([batch,] channels, depth, height, width) are dropped."""
    return _channels_dropped("dropout3d", 3, x, p, training, generator)


def alpha_dropout(
    x: Any, p: float = 0.5, training: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Dropout that keeps mean 0 and variance 1, for networks of `selu`.

    Klambauer, Unterthiner, Mayr and Hochreiter, "Self-normalizing neural networks" (2017): what is
    dropped becomes −λα, SELU's limit; then all is scaled and shifted.

    >>> from neurona.nn import functional as F
    >>> F.alpha_dropout([1.0, 2.0], p=0.5, training=False)
    Tensor([1., 2.], dtype=float32)
    """
    check_probability("alpha_dropout", p)
    z = float_input("alpha_dropout", x)
    return _saturated(z, p, z.shape, generator) if training and p else z


def feature_alpha_dropout(
    x: Any, p: float = 0.5, training: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """`alpha_dropout` of whole channels of x (batch, channels, …)."""
    check_probability("feature_alpha_dropout", p)
    z = float_input("feature_alpha_dropout", x)
    if z.ndim < 2:
        raise ShapeError(
            f"{who('feature_alpha_dropout')}: x {z.shape} must be (batch, channels, …)"
        )
    mask = (*z.shape[:2], *[1] * (z.ndim - 2))
    return _saturated(z, p, mask, generator) if training and p else z


def _dropped(z: Tensor, p: float, mask: Shape, generator: Generator | None) -> Tensor:
    kept = bernoulli(1 - p, mask, generator=generator)
    return where(kept, z * (1 / (1 - p) if p < 1 else 0.0), 0)


def _channels_dropped(
    function: str, rank: int, x: Any, p: float, training: bool, generator: Generator | None
) -> Tensor:
    check_probability(function, p)
    z = float_input(function, x)
    lead = spatial_lead(function, rank, z)
    return _dropped(z, p, (*z.shape[:lead], *[1] * rank), generator) if training and p else z


LIMIT = 1.0507009873554805 * 1.6732632423543772
"""−selu(−∞) = λα."""


def _saturated(z: Tensor, p: float, mask: Shape, generator: Generator | None) -> Tensor:
    if p == 1:
        return z * 0.0
    scale = 1 / math.sqrt((LIMIT * LIMIT * p + 1) * (1 - p))
    shift = scale * LIMIT * p
    kept = bernoulli(1 - p, mask, generator=generator)
    return where(kept, z * scale + shift, shift - scale * LIMIT)


def check_probability(function: str, p: float) -> None:
    """Raise `ArgumentError` unless 0 ≤ p ≤ 1."""
    if not isinstance(p, (int, float, np.number)) or not 0 <= p <= 1:
        raise ArgumentError(f"{who(function)}: p is a probability in [0, 1], not {p!r}")
