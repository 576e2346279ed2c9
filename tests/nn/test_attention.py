"""Attention: PyTorch's values and gradients with every mask, and refusals that name the shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona.core.errors import ArgumentError, DTypeError, ShapeError
from neurona.nn import functional as F
from tests.nn.golden import pattern

Q, K, V = pattern((2, 3, 5, 4), 1), pattern((2, 3, 6, 4), 2), pattern((2, 3, 6, 7), 3)
SEEN = pattern((2, 1, 5, 6), 4) > -0.3
SEEN[0, 0, 2] = False  # a query that sees nothing
MASKS = {
    "none": {},
    "causal": {"is_causal": True},
    "bools": {"attn_mask": SEEN},
    "floats": {"attn_mask": pattern((5, 6), 5), "scale": 0.3},
}


@pytest.mark.parametrize("options", MASKS.values(), ids=MASKS)
def test_values_and_gradients_are_those_of_pytorch(options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    ours = [ne.asarray(a).requires_grad_() for a in (Q, K, V)]
    theirs = [torch.tensor(a, requires_grad=True) for a in (Q, K, V)]
    found = F.scaled_dot_product_attention(*ours, **options)
    mask = {k: torch.tensor(v) if k == "attn_mask" else v for k, v in options.items()}
    expected = torch.nn.functional.scaled_dot_product_attention(*theirs, **mask)
    np.testing.assert_allclose(found.numpy(), expected.detach().numpy(), rtol=1e-12, atol=1e-14)
    found.backward(ne.asarray(pattern(found.shape, 6)))
    expected.backward(torch.tensor(pattern(found.shape, 6)))
    for our, their in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(our.grad.numpy(), their.grad.numpy(), rtol=1e-10, atol=1e-13)


def test_dropout_of_the_weights() -> None:
    ne.random.seed(1)
    values = np.eye(200, dtype=np.float32)
    alike = np.zeros((200, 4), np.float32)
    weights = F.scaled_dot_product_attention(alike, alike, values, dropout_p=0.25).numpy()
    np.testing.assert_allclose(np.unique(weights), [0, 1 / 150], rtol=1e-6)
    assert abs((weights == 0).mean() - 0.25) < 0.01


def test_shapes_that_do_not_fit_are_named() -> None:
    with pytest.raises(ShapeError, match=r"query \(2, 3, 5, 4\) and key \(2, 3, 6, 7\)"):
        F.scaled_dot_product_attention(Q, V, V)
    with pytest.raises(ShapeError, match=r"value \(2, 3, 5, 4\) must be .* with S 6"):
        F.scaled_dot_product_attention(Q, K, Q)
    with pytest.raises(ShapeError, match=r"attn_mask \(6, 5\) does not broadcast to \(2, 3, 5, 6"):
        F.scaled_dot_product_attention(Q, K, V, np.ones((6, 5), bool))
    with pytest.raises(ShapeError, match=r"attn_mask \(4, 1, 1, 5, 6\) does not broadcast"):
        F.scaled_dot_product_attention(Q, K, V, np.ones((4, 1, 1, 5, 6), bool))
    with pytest.raises(DTypeError, match="attn_mask is int64; it must be bool"):
        F.scaled_dot_product_attention(Q, K, V, np.ones((5, 6), np.int64))
    with pytest.raises(ArgumentError, match="not both"):
        F.scaled_dot_product_attention(Q, K, V, SEEN, is_causal=True)
