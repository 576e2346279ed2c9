"""Embedding: a learnt vector for every index."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurona.core.errors import ArgumentError
from neurona.core.tensor import Tensor
from neurona.nn import functional, init
from neurona.nn.linear import empty, extent
from neurona.nn.module import Module


class Embedding(Module):
    """Row x of the weight for every index in x.

    x: integers of any shape in 0…num_embeddings−1. Result: (*x.shape, embedding_dim).
    weight: (num_embeddings, embedding_dim), drawn from N(0, 1).
    padding_idx: an index whose row starts at 0 and is not learnt.
    Raises `IndexOutOfRangeError` naming the position of an index out of range.

    >>> import neurona as ne
    >>> from neurona import nn
    >>> nn.Embedding(10, 3)(ne.asarray([[1, 2], [4, 5]])).shape
    (2, 2, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        dtype: Any = None,
    ) -> None:
        self.num_embeddings = extent("Embedding", "num_embeddings", num_embeddings)
        self.embedding_dim = extent("Embedding", "embedding_dim", embedding_dim)
        if padding_idx is not None:
            whole = isinstance(padding_idx, (int, np.integer))
            if not whole or not -num_embeddings <= padding_idx < num_embeddings:
                raise ArgumentError(
                    f"Embedding: padding_idx {padding_idx!r} is out of range for {num_embeddings}"
                )
            padding_idx %= num_embeddings
        self.padding_idx = padding_idx
        self.weight = empty((num_embeddings, embedding_dim), dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the rows anew; that of padding_idx is 0."""
        init.normal(self.weight, std=1.0)
        if self.padding_idx is not None:
            with init.filling():
                rows = self.weight.numpy()
                rows[self.padding_idx] = 0
                self.weight.assign(rows)

    def forward(self, x: Any) -> Tensor:
        return functional.embedding(x, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"
