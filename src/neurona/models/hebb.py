"""Hebb's rule: what fires together is wired together."""

from __future__ import annotations

from typing import Any

import neurona as ne
from neurona.core.tensor import Tensor
from neurona.models.discriminant import Incremental
from neurona.train.architecture import register


@register
class Hebb(Incremental):
    """A linear associator that learns by Hebb's rule.

        Δw_kj = ρ t_k x_j

    Hebb, "The organization of behavior" (1949); as an associative memory: Kohonen, "Correlation
    matrix memories" (1972).

    With t = the wanted output it stores pairs: recall of orthonormal inputs is exact, else each
    recalls the others too, in proportion to x·x′. The rule corrects nothing, so a second pass only
    doubles the weights.

    - x: (batch, in_features). Result: (batch, out_features), W x.
    - `learning_rate`: ρ.

    >>> memory = Hebb(2, 1, learning_rate=1.0)
    >>> recorded = memory.fit([[1.0, 0.0], [0.0, 1.0]], [[3.0], [-2.0]], epochs=1)
    >>> memory([[1.0, 0.0], [0.0, 1.0]]).tolist()
    [[3.0], [-2.0]]
    """

    def forward(self, x: Any) -> Tensor:
        return self.potential(x) - self.bias  # the rule has no threshold

    def learn(self, x: Any, t: Any) -> Tensor:
        """W ← W + ρ Σ_n t_n x_nᵀ; returns Σ|Δw| of the batch."""
        change = self.learning_rate * (self.numbers(t).T @ self.numbers(x))
        self.weight.assign(self.weight + change)
        return ne.sum(ne.abs(change))
