"""Attention whose scores are made by a small network."""

from __future__ import annotations

import math
from typing import Any

from neurona.core import dtypes
from neurona.core.errors import DTypeError, ShapeError
from neurona.core.op import Shape
from neurona.core.tensor import Tensor
from neurona.nn import functional, init
from neurona.nn.functional.attention import masked_softmax
from neurona.nn.functional.checks import float_input
from neurona.nn.linear import empty, extent
from neurona.nn.module import Module
from neurona.nn.running import title_of
from neurona.ops.broadcast import sum
from neurona.ops.matmul import matmul
from neurona.ops.operand import operand
from neurona.ops.shape import expand_dims
from neurona.ops.transcendental import tanh


class AdditiveAttention(Module):
    """Each query takes the mean of the values, weighted by a network of one layer over the keys.

    a_j = softmax_j(vᵀ tanh(W s + U h_j)), the result Σ_j a_j value_j, for a query s and keys h.
    Bahdanau, Cho and Bengio, "Neural machine translation by jointly learning to align and
    translate" (2015), section A.1.2. Queries and keys may differ in their features.

    query: (…, queries, query_features). key: (…, keys, key_features). value: (…, keys, features),
        the keys by default. The axes before broadcast.
    key_padding_mask: (…, keys) of bools, True *leaves out*, as in `MultiheadAttention`. A query
        that sees nothing takes 0.
    need_weights: give the weights too.
    Result: (output, weights): (…, queries, features); (…, queries, keys) or None.

    `keys(key)` computes U h once for all queries of a source, `weights(query, keys)` goes on from
    there: what a decoder keeps from step to step.

    query_weight (W): (units, query_features), key_weight (U): (units, key_features), score_weight
    (v): (units,), each drawn from ±1/√features as those of `Linear` (the paper: W and U normal with
    the deviation 0.001, v 0).
    Raises `ShapeError` and `DTypeError` for inputs and masks that do not fit, stating the shapes.

    >>> import neurona as ne
    >>> from neurona import nn
    >>> attention = nn.AdditiveAttention(query_features=8, key_features=6, units=10)
    >>> output, weights = attention(ne.ones((3, 2, 8)), ne.ones((3, 5, 6)))
    >>> output.shape, weights.shape
    ((3, 2, 6), (3, 2, 5))
    """

    def __init__(
        self, query_features: int, key_features: int, units: int, *, dtype: Any = None
    ) -> None:
        self.query_features = extent("AdditiveAttention", "query_features", query_features)
        self.key_features = extent("AdditiveAttention", "key_features", key_features)
        self.units = extent("AdditiveAttention", "units", units)
        self.query_weight = empty((units, query_features), dtype)
        self.key_weight = empty((units, key_features), dtype)
        self.score_weight = empty((units,), dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        for parameter in self.parameters():
            bound = 1 / math.sqrt(parameter.shape[-1])
            init.uniform(parameter, -bound, bound)

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any = None,
        key_padding_mask: Any = None,
        need_weights: bool = True,
    ) -> tuple[Tensor, Tensor | None]:
        values = operand(key if value is None else value)
        weights = self.weights(query, self.keys(key), key_padding_mask)
        if values.ndim < 2 or values.shape[-2] != weights.shape[-1]:
            raise ShapeError(
                f"{title_of(self)}: value {values.shape} must be (…, keys, features) with "
                f"{weights.shape[-1]} keys as in key"
            )
        return matmul(weights, values), weights if need_weights else None

    def keys(self, key: Any) -> Tensor:
        """U h: (…, keys, key_features) to (…, keys, units)."""
        return functional.linear(self._input("key", key, self.key_features), self.key_weight)

    def weights(self, query: Any, keys: Tensor, key_padding_mask: Any = None) -> Tensor:
        """How much each query takes of each value, (…, queries, keys); the sum of a row is 1.

        keys: what the method `keys` gives, (…, keys, units). Other arguments as in a call.
        """
        asked = self._input("query", query, self.query_features)
        q = functional.linear(asked, self.query_weight)
        inside = expand_dims(q, axis=-2) + expand_dims(keys, axis=-3)
        scores = sum(self.score_weight * tanh(inside), axis=-1)  # (…, queries, keys)
        seen = None
        if key_padding_mask is not None:
            seen = ~expand_dims(self._mask(key_padding_mask, scores.shape), axis=-2)
        return masked_softmax(scores, seen, self)

    def _input(self, name: str, given: Any, features: int) -> Tensor:
        x = float_input(title_of(self), given)
        if x.ndim < 2 or x.shape[-1] != features:
            axis = "queries" if name == "query" else "keys"
            raise ShapeError(f"{title_of(self)}: {name} {x.shape} must be (…, {axis}, {features})")
        return x

    def _mask(self, given: Any, scores: Shape) -> Tensor:
        mask = operand(given)
        if mask.dtype != dtypes.bool_:
            raise DTypeError(
                f"{title_of(self)}: key_padding_mask is {mask.dtype}; it must be bool (True "
                "leaves out)"
            )
        wanted = (*scores[:-2], scores[-1])
        if mask.shape != wanted:
            raise ShapeError(
                f"{title_of(self)}: key_padding_mask has shape {mask.shape}; it must be (…, keys) "
                f"{wanted}"
            )
        return mask

    def extra_repr(self) -> str:
        return (
            f"query_features={self.query_features}, key_features={self.key_features}, "
            f"units={self.units}"
        )
