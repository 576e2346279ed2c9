"""Dropout."""

from __future__ import annotations

from typing import Any

from neurona.core.errors import ArgumentError
from neurona.core.tensor import Tensor
from neurona.nn.functional.checks import float_input
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
    if not training or p == 0:
        return z
    kept = bernoulli(1 - p, z.shape, generator=generator)
    return where(kept, z * (1 / (1 - p) if p < 1 else 0.0), 0)


def check_probability(function: str, p: float) -> None:
    """Raise `ArgumentError` unless 0 ≤ p ≤ 1."""
    if not 0 <= p <= 1:
        raise ArgumentError(f"{who(function)}: p is a probability in [0, 1], not {p}")
