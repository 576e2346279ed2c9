"""Networks for sequences: padding does not count, what is wrong is named, they are kept whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import train
from neurona.core.errors import ArgumentError, IndexOutOfRangeError, ShapeError
from neurona.models import (
    Captioner,
    Forecaster,
    FrameLabeller,
    SequenceClassifier,
    SequenceLabeller,
)
from neurona.models.sequence_classifier import vectors_of

TOKENS = np.array([[3, 1, 4, 1, 5], [2, 0, 6, -1, -1]])
SMALL: dict[str, Any] = {"embedding_size": 3, "hidden_size": 4}


@pytest.mark.parametrize("pooling", ["max", "mean", "last"])
@pytest.mark.parametrize("cell", ["LSTM", "GRU", "RNN"])
def test_a_class_does_not_depend_on_padding(cell: str, pooling: str) -> None:
    network = SequenceClassifier(7, 3, cell=cell, pooling=pooling, **SMALL).eval()
    scores = network(TOKENS).numpy()
    assert scores.shape == (2, 3)
    np.testing.assert_allclose(network(TOKENS[1:, :3]).numpy(), scores[1:], rtol=1e-5, atol=1e-6)


def test_labels_depend_on_both_sides_but_not_on_padding() -> None:
    network = SequenceLabeller(7, 3, num_layers=2, **SMALL).eval()
    scores = network(TOKENS).numpy()
    assert scores.shape == (2, 5, 3)
    alone = network(TOKENS[1:, :3]).numpy()
    np.testing.assert_allclose(alone, scores[1:, :3], rtol=1e-5, atol=1e-6)
    for step in (0, 4):  # the first label sees the last token, and the last the first
        other = TOKENS.copy()
        other[0, 4 - step] = 6
        assert (network(other).numpy()[0, step] != scores[0, step]).any()


def test_tokens_that_do_not_fit() -> None:
    network = SequenceClassifier(7, 2, **SMALL)
    with pytest.raises(IndexOutOfRangeError, match=r"x\[0, 2\] is 7; the rows are 0…6"):
        network([[1, 2, 7]])
    with pytest.raises(IndexOutOfRangeError, match=r"x\[0, 1\] is -2"):
        network([[1, -2]])
    with pytest.raises(ArgumentError, match=r"lengths\[1\] is 0"):
        network([[1, 2], [-1, -1]])
    for row in ([-1, 3, 2], [1, -1, 2]):
        with pytest.raises(
            ArgumentError, match=r"tokens\[1, .\] is -1; padding, −1, stands behind"
        ):
            network([[1, 2, 3], row])
    with pytest.raises(ArgumentError, match="SequenceClassifier: p is a probability"):
        SequenceClassifier(7, 2, dropout=float("nan"))
    with pytest.raises(ShapeError, match=r"tokens \(3,\) must be \(batch, time\)"):
        network([1, 2, 3])
    with pytest.raises(ArgumentError, match="pooling is one of 'max', 'mean', 'last', not 'maxi'"):
        SequenceClassifier(7, 2, pooling="maxi")
    with pytest.raises(ArgumentError, match="cell is one of"):
        SequenceLabeller(7, 2, cell="lstm")


def test_learns_saves_and_loads(tmp_path: Path) -> None:
    """Which of two tokens comes first: no bag of words can tell."""
    x = np.array([[1, 2, -1], [2, 1, -1], [1, 0, 2], [2, 0, 1]])
    y = np.array([0, 1, 0, 1])
    network = SequenceClassifier(3, 2, cell="RNN", dropout=0.0, pooling="last", **SMALL)
    model = train.Model(network)
    model.compile(ne.optim.Adam(network.parameters(), 0.05), metrics=["accuracy"])
    model.fit(x, y, epochs=30, batch_size=4, verbose=False)
    assert model.evaluate(x, y)["accuracy"] == 1
    model.save(tmp_path)
    again = train.Model.load(tmp_path)
    np.testing.assert_allclose(again.predict(x), model.predict(x), rtol=1e-5)


@pytest.mark.parametrize("feedback", [True, False])
def test_a_caption_word_by_word(feedback: bool) -> None:
    network = Captioner(5, image_size=(8, 8), widths=(2, 3), hidden_size=4, feedback=feedback)
    network.eval()
    images = np.random.default_rng(0).random((2, 1, 8, 8), np.float32)
    words = np.array([[1, 4, 2], [1, 3, 0]])
    scores = network(images, words).numpy()
    assert scores.shape == (2, 3, 5)
    state = network.begin(images)
    for t in range(3):
        step, state = network.read(words[:, t : t + 1], state)
        np.testing.assert_allclose(step.numpy()[:, 0], scores[:, t], rtol=1e-5, atol=1e-6)
    other = network(images, words[:, ::-1]).numpy()
    assert (other != scores).any() == feedback  # without it the words said are not heard
    assert (network(images[::-1], words).numpy() != scores).any()
    assert train.describe(network).get("feedback", True) == feedback


def test_pictures_and_words_that_do_not_fit() -> None:
    with pytest.raises(ArgumentError, match=r"image_size \(8, 10\) must be multiples of 4"):
        Captioner(5, image_size=(8, 10), widths=(2, 3))
    network = Captioner(5, image_size=(8, 8), widths=(2,), hidden_size=4).eval()
    with pytest.raises(ShapeError, match=r"images \(1, 8, 8\) must be \(batch, 1, 8, 8\)"):
        network.begin(np.zeros((1, 8, 8), np.float32))
    for state in (None, {"h": 1}, network.begin(np.zeros((2, 1, 8, 8), np.float32))):
        with pytest.raises((ArgumentError, ShapeError), match="Captioner: the state"):
            network.read([[1]], state)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"image_size is \(rows, columns\), not 8"):
        Captioner(5, image_size=8)  # type: ignore[arg-type]
    with pytest.raises(IndexOutOfRangeError, match=r"words\[1, 0\] is 5"):
        network(np.zeros((1, 1, 8, 8), np.float32), [[1], [5]])


def test_forecasts_all_steps_at_once() -> None:
    network = Forecaster(2, 3, hidden_size=4, cell="GRU")
    x = np.random.default_rng(0).standard_normal((5, 6, 2)).astype(np.float32)
    assert network(x).shape == (5, 3)
    for value in (x[:, 1:], x[:, ::-1]):
        assert (network(value).numpy() != network(x).numpy()).any()


@pytest.mark.parametrize("kind", [SequenceClassifier, SequenceLabeller])
def test_several_tokens_a_step(kind: Any) -> None:
    """Their vectors are added: one token and none beside it is that token, padding is padding."""
    network = kind(7, 3, dropout=0.0, **SMALL).eval()
    alone = network(TOKENS).numpy()
    beside = np.stack([TOKENS, np.full_like(TOKENS, -1)], axis=2)
    np.testing.assert_allclose(network(beside).numpy(), alone, rtol=1e-5, atol=1e-6)
    both = np.array([[[3, 1], [4, -1]], [[-1, 2], [-1, -1]]])
    network.embedding.weight.assign(np.arange(21, dtype=np.float32).reshape(7, 3) / 20)
    x, lengths = vectors_of("x", network.embedding, both)
    rows = network.embedding.weight.numpy()
    np.testing.assert_allclose(x.numpy()[0], [rows[3] + rows[1], rows[4]])
    np.testing.assert_allclose(x.numpy()[1], [rows[2], np.zeros(3)])
    assert lengths.tolist() == [2, 1]


@pytest.mark.parametrize("bidirectional", [True, False])
def test_frames_hear_what_came_before_and_after(bidirectional: bool) -> None:
    network = FrameLabeller(2, 3, hidden_size=4, bidirectional=bidirectional)
    x = np.random.default_rng(0).standard_normal((1, 4, 2)).astype(np.float32)
    scores = network(x).numpy()
    assert scores.shape == (1, 4, 3)
    for changed, heard in ((0, 3), (3, 0)):
        other = x.copy()
        other[0, changed] += 1
        differs = (network(other).numpy()[0, heard] != scores[0, heard]).any()
        assert differs == (bidirectional or changed < heard)
