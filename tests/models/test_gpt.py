"""GPT: reading token by token is the whole forward pass, and its refusals."""

from __future__ import annotations

import numpy as np
import pytest

import neurona as ne
from neurona.core.errors import IndexOutOfRangeError, ShapeError
from neurona.models import GPT

TOKENS = np.random.default_rng(0).integers(0, 11, (2, 7))


@pytest.fixture(scope="module")
def network() -> GPT:
    ne.random.seed(0)
    return GPT(vocabulary_size=11, context=8, layers=2, heads=2, features=8).eval()


def test_reading_is_the_forward_pass(network: GPT) -> None:
    expected = network(TOKENS).numpy()
    read = ne.compile(network.read)
    scores, state = network.read(TOKENS[:, :4], network.begin(2))
    found = [scores.numpy()]
    for i in range(4, 7):
        scores, state = read(TOKENS[:, i : i + 1], state)
        found.append(scores.numpy())
    np.testing.assert_allclose(np.concatenate(found, 1), expected, atol=1e-6)
    assert state["position"].tolist() == [7, 7]


def test_sequences_that_cannot_be_read(network: GPT) -> None:
    with pytest.raises(ShapeError, match=r"9 steps \(of \(2, 9, 8\)\) are more .* context 8"):
        network(np.zeros((2, 9), np.int64))
    with pytest.raises(ShapeError, match=r"at least one step, not \(2, 0\)"):
        network(np.zeros((2, 0), np.int64))
    with pytest.raises(
        IndexOutOfRangeError, match=r"GPT: tokens\[1, 2\] is 11; the tokens are 0…10"
    ):
        network(np.array([[1, 2, 3], [4, 5, 11]]))
    _, state = network.read(TOKENS, network.begin(2))
    with pytest.raises(ShapeError):
        network.read(TOKENS[:, :0], state)
    with pytest.raises(
        IndexOutOfRangeError, match=r"positions\[0, 1\] is 8; the positions are 0…7"
    ):
        network.read(TOKENS[:, :2], state)
