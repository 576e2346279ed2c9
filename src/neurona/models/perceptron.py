"""Rosenblatt's perceptron: correct only what was wrong."""

from __future__ import annotations

from typing import Any

import neurona as ne
from neurona.core.tensor import Tensor
from neurona.models.discriminant import Incremental
from neurona.train.architecture import register


@register
class Perceptron(Incremental):
    """y = sign(Wx + b), learnt by Rosenblatt's rule of error correction.

        if t_k φ_k(x) ≤ 0:   w_k ← w_k + ρ t_k x,   b_k ← b_k + ρ t_k        (t = ±1)

    Rosenblatt, "The perceptron: a probabilistic model for information storage and organization in
    the brain" (1958). If some hyperplane separates the samples with margin γ, one at a time they
    cause at most (R/γ)² corrections, R being the longest (x, 1) (Novikoff, "On convergence proofs
    on perceptrons", 1962); if none does, the rule never comes to rest.

    - x: (batch, in_features). Result: (batch, out_features), −1 or 1; 1 on the boundary.
    - `learning_rate`: ρ; from zero weights it only scales them.

    `fit` returns the corrections of each epoch and stops after one without.

    >>> unit = Perceptron(2)
    >>> x, either = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [[-1], [1], [1], [1]]
    >>> unit.fit(x, either)[-1]
    0.0
    >>> unit(x).tolist()
    [[-1.0], [1.0], [1.0], [1.0]]
    """

    def forward(self, x: Any) -> Tensor:
        φ = self.potential(x)
        return ne.where(φ >= 0, ne.ones_like(φ), -1.0)

    def learn(self, x: Any, t: Any) -> Tensor:
        """Correct the outputs that are wrong; returns how many were."""
        target = self.numbers(t)
        wrong = ne.astype(target * self.potential(x) <= 0, target.dtype)
        self.add(self.learning_rate * (wrong * target), x)
        return ne.sum(wrong)
