"""The delta equations of backpropagation, written out, against differentiation."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn

RNG = np.random.default_rng(6)
X = RNG.normal(size=(9, 4))
LABELS = RNG.integers(0, 3, 9)
T = np.eye(3)[LABELS]


@pytest.mark.parametrize("widths", [(4, 3), (4, 5, 3), (4, 6, 5, 3)])
def test_deltas_of_softmax_with_cross_entropy(widths: tuple[int, ...]) -> None:
    """δᴸ = s − t;  δˡ = (Wˡ⁺¹ᵀ δˡ⁺¹) ∘ σ'(zˡ);  ∂E/∂Wˡ = δˡ aˡ⁻¹ᵀ, ∂E/∂bˡ = δˡ, mean over samples.

    The notes write δ = t − s, since they add the step; we subtract the gradient.
    """
    weights = [ne.Variable(RNG.normal(size=(n, m))) for m, n in pairwise(widths)]
    biases = [ne.Variable(RNG.normal(size=n)) for n in widths[1:]]
    activations: list[Any] = [X]
    z: Any = X
    for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
        z = activations[-1] @ w.numpy().T + b.numpy()
        if k < len(weights) - 1:
            activations.append(1 / (1 + np.exp(-z)))
    e = np.exp(z - z.max(axis=1, keepdims=True))
    delta = e / e.sum(axis=1, keepdims=True) - T
    expected: list[Any] = []
    for w, a in zip(reversed(weights), reversed(activations), strict=True):
        expected[:0] = [delta.T @ a / len(X), delta.mean(axis=0)]
        delta = (delta @ w.numpy()) * a * (1 - a)

    output: Any = ne.asarray(X)
    for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
        output = nn.functional.linear(output, w, b)
        if k < len(weights) - 1:
            output = nn.functional.sigmoid(output)
    nn.functional.cross_entropy(output, ne.asarray(LABELS)).backward()
    found = [v.grad for pair in zip(weights, biases, strict=True) for v in pair]
    for mine, theirs in zip(found, expected, strict=True):
        assert mine is not None
        np.testing.assert_allclose(mine.numpy(), theirs, rtol=1e-12, atol=1e-15)
