"""Recurrent language models: reading on is the whole forward pass, and their refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neurona import random
from neurona.core.errors import ArgumentError, IndexOutOfRangeError, ShapeError
from neurona.core.tree import flatten
from neurona.models import RecurrentLanguageModel
from neurona.train import build, describe

TOKENS = np.random.default_rng(0).integers(0, 11, (2, 7))
OPTIONS: list[dict[str, Any]] = [
    {"cell": "LSTM", "layers": 2, "dropout": 0.5},
    {"cell": "GRU", "embedding": 3},
    {"cell": "RNN", "embedding": 0},
    {"cell": "LSTM", "tied": True},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_reading_is_the_forward_pass(options: dict[str, Any]) -> None:
    network = RecurrentLanguageModel(vocabulary_size=11, features=4, **options).eval()
    expected = network(TOKENS).numpy()
    assert expected.shape == (2, 7, 11)
    state = network.begin(2)
    found = []
    for part in (TOKENS[:, :4], TOKENS[:, 4:5], TOKENS[:, 5:]):
        assert {leaf.shape[0] for leaf in flatten(state)[0]} == {2}
        scores, state = network.read(part, state)
        found.append(scores.numpy())
    np.testing.assert_allclose(np.concatenate(found, 1), expected, atol=1e-6)
    again = build(describe(network))
    again.load_state_dict(network.state_dict())
    np.testing.assert_array_equal(again.eval()(TOKENS).numpy(), expected)
    assert network.context is None


def test_the_scores_are_those_of_the_layers() -> None:
    """One-hot vectors into Elman's cell, written out."""
    random.seed(1)
    network = RecurrentLanguageModel(vocabulary_size=5, cell="RNN", features=3, embedding=0)
    w = {name: value.astype(np.float64) for name, value in network.state_dict().items()}
    h = np.zeros(3)
    bias = w["recurrent.bias_ih_l0"] + w["recurrent.bias_hh_l0"]
    for token, scores in zip([4, 0, 2], network([[4, 0, 2]]).numpy()[0], strict=True):
        h = np.tanh(w["recurrent.weight_ih_l0"][:, token] + w["recurrent.weight_hh_l0"] @ h + bias)
        np.testing.assert_allclose(scores, w["head.weight"] @ h + w["head.bias"], atol=1e-6)


def test_mistakes() -> None:
    with pytest.raises(ArgumentError, match=r"not 'LTSM'; did you mean 'LSTM'"):
        RecurrentLanguageModel(vocabulary_size=5, cell="LTSM")
    with pytest.raises(ArgumentError, match=r"tied needs embedding 3 = features 4"):
        RecurrentLanguageModel(vocabulary_size=5, features=4, embedding=3, tied=True)
    network = RecurrentLanguageModel(vocabulary_size=5, features=4)
    with pytest.raises(ShapeError, match=r"at least one step, not \(2, 0\)"):
        network(np.zeros((2, 0), np.int64))
    other = RecurrentLanguageModel(vocabulary_size=5, features=4, layers=2)
    with pytest.raises(ShapeError, match=r"state h has shape \(2, 1, 4\).*must be \(1, 1, 4\)"):
        network.read([[1]], other.begin(1))
    for state in (None, network.begin(1)[:1]):
        with pytest.raises(ArgumentError, match="the state is a tuple of 2"):
            network.read([[1]], state)
    for cell in (None, ["LSTM"]):
        with pytest.raises(ArgumentError, match="cell is one of 'LSTM', 'GRU', 'RNN'"):
            RecurrentLanguageModel(vocabulary_size=5, cell=cell)  # type: ignore[arg-type]
    with pytest.raises(IndexOutOfRangeError, match=r"\[1, 2\]|\[2, 1\]"):
        network([[0, 1, 2], [3, 4, 5]])
