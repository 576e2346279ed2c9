"""ADALINE: correct in proportion to the error, before the threshold."""

from __future__ import annotations

from typing import Any

import neurona as ne
from neurona.core.tensor import Tensor
from neurona.models.discriminant import Incremental
from neurona.train.architecture import register


@register
class Adaline(Incremental):
    """y = Wx + b, learnt by the rule of Widrow and Hoff (delta rule, least mean squares).

        w_k ← w_k + ρ (t_k − φ_k(x)) x,   b_k ← b_k + ρ (t_k − φ_k(x))

    Widrow and Hoff, "Adaptive switching circuits" (1960). It is stochastic descent of ½(t − φ)², so
    it comes to rest near the least squares solution, whether or not the samples can be separated;
    ρ must stay below 2/‖(x, 1)‖². A batch applies the rule to all its samples at once.

    - x: (batch, in_features). Result: (batch, out_features); the class is its sign.
    - `learning_rate`: ρ.

    `fit` returns Σ(t − φ)² of each epoch, measured before each correction.

    >>> unit = Adaline(1, learning_rate=0.2)
    >>> record = unit.fit([[0.0], [1.0], [2.0]], [[1.0], [3.0], [5.0]], epochs=200)
    >>> round(unit([[3.0]]).item(), 3)
    7.0
    """

    def __init__(
        self,
        in_features: int,
        out_features: int = 1,
        *,
        learning_rate: float = 0.01,
        dtype: Any = None,
    ) -> None:
        super().__init__(in_features, out_features, learning_rate=learning_rate, dtype=dtype)

    def learn(self, x: Any, t: Any) -> Tensor:
        """Correct in proportion to the error; returns Σ(t − φ)²."""
        error = self.numbers(t) - self.potential(x)
        self.add(self.learning_rate * error, x)
        return ne.sum(error * error)
