"""Maxout: the largest of several linear maps."""

from __future__ import annotations

import math
from typing import Any

from neurona.core.tensor import Tensor
from neurona.nn import functional, init
from neurona.nn.linear import empty, extent
from neurona.nn.module import Module


class Maxout(Module):
    """yₖ = max over i of (wᵢₖ·x + bᵢₖ); with two pieces, w₁ = 0 and b₁ = 0 it is ReLU(w₂x + b₂).

    Goodfellow, Warde-Farley, Mirza, Courville and Bengio, "Maxout networks" (2013).
    x: (…, in_features). Result: (…, out_features). The gradient goes to the largest piece and is
    shared evenly at a tie.
    weight: (out_features·pieces, in_features), bias: (out_features·pieces,): the pieces of a unit
    are neighbours. Both are drawn from ±1/√in_features.

    >>> import neurona as ne
    >>> from neurona import nn
    >>> nn.Maxout(8, 3, pieces=2)(ne.zeros((5, 8))).shape
    (5, 3)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        pieces: int = 2,
        bias: bool = True,
        dtype: Any = None,
    ) -> None:
        self.in_features = extent("Maxout", "in_features", in_features)
        self.out_features = extent("Maxout", "out_features", out_features)
        self.pieces = extent("Maxout", "pieces", pieces)
        self.weight = empty((out_features * pieces, in_features), dtype)
        self.bias = empty((out_features * pieces,), dtype) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        bound = 1 / math.sqrt(self.in_features)
        for parameter in self.parameters():
            init.uniform(parameter, -bound, bound)

    def forward(self, x: Any) -> Tensor:
        pieces = functional.linear(x, self.weight, self.bias)
        return functional.maxout(pieces, self.pieces)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"pieces={self.pieces}, bias={self.bias is not None}"
        )
