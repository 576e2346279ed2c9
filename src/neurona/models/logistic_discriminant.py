"""Logistic discriminant functions: linear ones whose outputs are probabilities."""

from __future__ import annotations

from typing import Any

from neurona.core.tensor import Tensor
from neurona.models.discriminant import Incremental
from neurona.nn import functional
from neurona.train.architecture import register


@register
class LogisticDiscriminant(Incremental):
    """y = σ(Wx + b) for one output, softmax(Wx + b) for several: P(class | x).

        w_k ← w_k + ρ/N Σ_n (t_nk − y_nk) x_n,   b_k ← b_k + ρ/N Σ_n (t_nk − y_nk)

    The rule is descent of the cross-entropy, whose derivative by the potential is y − t for σ and
    softmax alike. Bishop, "Pattern recognition and machine learning" (2006), sections 4.3.2 and
    4.3.4. The cross-entropy is convex, so the order of the samples does not matter in the end.

    - x: (batch, in_features). Result: (batch, out_features), in (0, 1).
    - t: 0 or 1, or one-hot for several outputs. `learning_rate`: ρ.

    `fit` returns the summed cross-entropy of each epoch, measured before each correction.

    >>> unit = LogisticDiscriminant(1, learning_rate=2.0)
    >>> x, t = [[-2.0], [-1.0], [1.0], [2.0]], [[0], [0], [1], [1]]
    >>> record = unit.fit(x, t, epochs=100, batch_size=4)
    >>> [round(p, 2) for (p,) in unit(x).tolist()]
    [0.0, 0.01, 0.99, 1.0]
    """

    def __init__(
        self,
        in_features: int,
        out_features: int = 1,
        *,
        learning_rate: float = 0.1,
        dtype: Any = None,
    ) -> None:
        super().__init__(in_features, out_features, learning_rate=learning_rate, dtype=dtype)

    def forward(self, x: Any) -> Tensor:
        φ = self.potential(x)
        return functional.sigmoid(φ) if self.out_features == 1 else functional.softmax(φ, dim=1)

    def learn(self, x: Any, t: Any) -> Tensor:
        """Correct in proportion to the mean error; returns the summed cross-entropy."""
        φ, target = self.potential(x), self.numbers(t)
        if self.out_features == 1:
            y = functional.sigmoid(φ)
            loss = functional.binary_cross_entropy_with_logits(φ, target, reduction="sum")
        else:
            y = functional.softmax(φ, dim=1)
            loss = functional.cross_entropy(φ, target, reduction="sum")
        self.add(self.learning_rate / φ.shape[0] * (target - y), x)
        return loss
