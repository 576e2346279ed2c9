"""Dropout."""

from __future__ import annotations

from typing import Any

from neurona.core.tensor import Tensor
from neurona.nn import functional
from neurona.nn.functional.dropout import check_probability
from neurona.nn.module import Module
from neurona.ops.generator import Generator


class Dropout(Module):
    """In training each element is 0 with probability p, else x/(1 − p); in evaluation x itself.

    Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout" (2014), scaled in
    training. x: any shape. generator: what the mask is drawn from; the default generator if None.

    >>> import neurona as ne
    >>> from neurona import nn
    >>> nn.Dropout(0.5).eval()(ne.asarray([1.0, 2.0]))
    Tensor([1., 2.], dtype=float32)
    """

    def __init__(self, p: float = 0.5, *, generator: Generator | None = None) -> None:
        check_probability("Dropout", p)
        self.p = p
        self.generator = generator

    def forward(self, x: Any) -> Tensor:
        return functional.dropout(x, self.p, self.training, generator=self.generator)

    def extra_repr(self) -> str:
        return f"p={self.p}"
