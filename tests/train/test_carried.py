"""Truncated backpropagation through time: windows, the state between them, resuming."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import data, nn, optim, train
from neurona.core.errors import ArgumentError, DTypeError, ShapeError
from neurona.nn import functional as F
from neurona.train.architecture import register

IDS = np.random.default_rng(0).integers(0, 5, 47)


@register
class Reader(nn.Module):
    """tokens (batch, time) to scores (batch, time, 5)."""

    def __init__(self, dropout: float = 0.2) -> None:
        self.embed = nn.Embedding(5, 3)
        self.recurrent = nn.GRU(3, 4, batch_first=True)
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(4, 5)

    def forward(self, tokens: Any) -> Any:
        return self.read(tokens, self.begin(len(tokens)))[0]

    def begin(self, batch: int) -> Any:
        return {"h": ne.zeros((batch, 4))}

    def read(self, tokens: Any, state: Any) -> Any:
        y, h = self.recurrent(self.embed(tokens), ne.expand_dims(state["h"], axis=0))
        return self.head(self.drop(y)), {"h": h[0]}


def windows(length: int = 4, **options: Any) -> Any:
    return data.windows(IDS, batch_size=3, length=length, **options)


def test_every_token_is_a_target_once_and_rows_go_on() -> None:
    loader = windows()
    assert (len(loader), loader.samples) == (4, 12)
    x, y = [np.concatenate(part, axis=1) for part in zip(*loader.epoch(0), strict=True)]
    assert y[y != -100].tolist() == IDS[1:].tolist()
    assert x[y != -100].tolist() == IDS[:-1].tolist()
    (later,) = loader.epoch(5, start_batch=3)
    np.testing.assert_array_equal(later[0], x[:, 12:])
    full = windows(drop_last=True)
    x, y = [np.concatenate(part, axis=1) for part in zip(*full.epoch(0), strict=True)]
    assert (len(full), y.min() >= 0) == (3, True)
    np.testing.assert_array_equal(x[1], IDS[15:27])
    np.testing.assert_array_equal(x[:, 1:], y[:, :-1])


def test_windows_of_what_is_no_text() -> None:
    with pytest.raises(ShapeError, match=r"ids must be \(token,\), found \(2, 3\)"):
        data.windows(np.zeros((2, 3), int), batch_size=1, length=1)
    with pytest.raises(DTypeError, match="ids must be integers, found float64"):
        data.windows(np.zeros(9), batch_size=1, length=1)
    with pytest.raises(ShapeError, match="3 tokens is too short for 4 streams, which need 5"):
        data.windows(np.arange(3), batch_size=4, length=1)
    with pytest.raises(ShapeError, match="for 2 streams of windows of 5, which need 11"):
        data.windows(np.arange(9), batch_size=2, length=5, drop_last=True)
    with pytest.raises(ArgumentError, match="length must be a whole number of at least 1, found 0"):
        data.windows(np.arange(9), batch_size=2, length=0)


def made(dropout: float = 0.2, **options: Any) -> train.Model:
    ne.random.seed(0)
    model = train.Model(Reader(dropout))
    optimizer = optim.SGD(model.network.parameters(), 0.5)
    model.compile(optimizer, loss="token_cross_entropy", metrics=["perplexity"], **options)
    return model


def fit(model: train.Model, epochs: int = 2, **options: Any) -> train.History:
    given = {"validation_data": windows(5), "carry_state": True, "verbose": False, **options}
    return model.fit(windows(), epochs=epochs, **given)


def test_fit_is_the_loop_that_carries_the_state() -> None:
    model, peer = made(dropout=0.0), Reader(dropout=0.0)
    peer.load_state_dict(model.network.state_dict())
    fit(model)
    optimizer = optim.SGD(peer.parameters(), 0.5)
    for _ in range(2):
        state = peer.begin(3)
        for x, y in windows().epoch(0):
            scores, state = peer.read(x, state)
            loss = F.token_cross_entropy(scores, y)
            loss.backward()
            optimizer.step()
            state = {"h": state["h"].detach()}
    for name, array in peer.state_dict().items():
        found = model.network.state_dict()[name]
        np.testing.assert_allclose(found, array, rtol=1e-5, atol=1e-6, err_msg=name)

    # Validation carries a state of its own: the whole streams at once give the same.
    whole = data.windows(IDS, batch_size=3, length=16)
    expected = model.evaluate(whole)
    found = model.evaluate(windows(5), carry_state=True)
    assert found["perplexity"] == pytest.approx(expected["perplexity"], rel=1e-5)
    assert math.log(expected["perplexity"]) == pytest.approx(expected["loss"], rel=1e-5)
    assert model.evaluate(windows(5))["perplexity"] != pytest.approx(expected["perplexity"])


class CutOffError(BaseException):
    """Stands for kill -9."""


class Cut(train.Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, step: int, loss: ne.Tensor) -> None:
        if step == self.step:
            raise CutOffError


@pytest.mark.parametrize("accumulate", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_resumed_run_is_the_undisturbed_one(accumulate: int, tmp_path: Path) -> None:
    given = {"report": False, "checkpoint_every": "1 steps", "validation_data": None}
    undisturbed = made(accumulate=accumulate)
    fit(undisturbed, run=tmp_path / "undisturbed", callbacks=[Cut(-1)], **given)
    for cut in (0, 2):
        with pytest.raises(CutOffError):
            fit(made(accumulate=accumulate), run=tmp_path / "run", resume=cut > 0,
                callbacks=[Cut(cut)], **given)  # fmt: skip
    resumed = made(accumulate=accumulate)
    fit(resumed, run=tmp_path / "run", resume=True, callbacks=[Cut(-1)], **given)
    for name, array in undisturbed.network.state_dict().items():
        np.testing.assert_array_equal(resumed.network.state_dict()[name], array, err_msg=name)


def test_what_cannot_carry_a_state() -> None:
    with pytest.raises(ArgumentError, match="the training data must be windows that go on"):
        made().fit(data.TokenWindows(IDS, 4).read_batch(np.arange(3))[0], np.zeros((3, 4), int),
                   carry_state=True)  # fmt: skip
    with pytest.raises(ArgumentError, match="the validation data must be windows that go on"):
        fit(made(), validation_data=(np.zeros((3, 4), int), np.zeros((3, 4), int)))
    plain = train.Model(nn.Sequential(nn.Embedding(5, 5)))
    plain.compile("SGD", loss="token_cross_entropy")
    with pytest.raises(ArgumentError, match=r"Sequential has no begin\(\)"):
        plain.fit(windows(), carry_state=True)


def test_perplexity_counts_every_token_alike() -> None:
    scores = np.log(np.array([[0.5, 0.5], [0.25, 0.75], [1.0, 1.0]], np.float32))
    found = train.measure(train.Perplexity(), scores, np.array([0, 0, -100]))
    assert found == pytest.approx(math.exp((math.log(2) + math.log(4)) / 2))
    assert math.isnan(train.measure(train.Perplexity(), scores, np.full(3, -100)))
