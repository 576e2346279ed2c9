"""The search for a learning rate: what it finds, and that it leaves nothing behind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import data, nn, optim, train
from neurona.core.errors import ArgumentError
from neurona.ops.generator import DEFAULT
from neurona.train.rate_search import smooth


def model_and_data(rng: np.random.Generator) -> tuple[train.Model, Any, Any]:
    ne.random.seed(3)
    network = nn.Sequential(
        nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3)
    )
    model = train.Model(network)
    model.compile(optim.Adam(network.parameters(), 0.01), metrics=["accuracy"])
    x = rng.standard_normal((96, 4)).astype(np.float32)
    return model, x, (x @ rng.standard_normal((4, 3))).argmax(axis=1)


def everything(model: train.Model) -> dict[str, Any]:
    optimizer = model.optimizer
    assert optimizer is not None
    slots = optimizer.state_dict()["slots"]
    rates = {f"rate {i}": rate.numpy() for i, rate in enumerate(optimizer.rates)}
    state = {"counter": np.array(DEFAULT.state["counter"])}
    return model.network.state_dict() | slots | rates | state


def test_all_is_as_before_to_the_bit(rng: np.random.Generator) -> None:
    model, x, y = model_and_data(rng)
    model.fit(x, y, epochs=2, verbose=False)
    before = everything(model)
    train.find_learning_rate(model, x, y, batch_size=24)
    after = everything(model)
    assert before.keys() == after.keys()
    for name, array in before.items():
        assert array.tobytes() == after[name].tobytes(), name


def test_a_run_after_it_is_the_run_without_it() -> None:
    histories = []
    for search in (False, True):
        model, x, y = model_and_data(np.random.default_rng(5))
        model.fit(x, y, epochs=1, verbose=False)
        if search:
            train.find_learning_rate(model, x, y)
        histories.append(model.fit(x, y, epochs=3, verbose=False).values)
    assert histories[0] == histories[1]


def test_it_ends_when_the_loss_explodes() -> None:
    line = nn.Linear(1, 1)
    model = train.Model(line)
    model.compile(optim.SGD(line.parameters(), 0.5), "mean_squared_error")
    x = np.linspace(-1, 1, 64)[:, None].astype(np.float32)
    found = train.find_learning_rate(model, x, 3 * x, highest=1e4, steps=60)
    assert len(found.rates) == len(found.losses) == len(found.smoothed) < 60
    assert found.rates[0] == pytest.approx(1e-6)
    np.testing.assert_allclose(found.rates[1:] / found.rates[:-1], 1e10 ** (1 / 59), rtol=1e-9)
    # Plain descent on this parabola of curvature 2 diverges from a rate of 1 on.
    assert 0.01 < found.suggestion < 0.5
    assert found.losses[0] == pytest.approx(found.smoothed[0])


def test_the_suggestion_learns_the_digits() -> None:
    ne.random.seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = optim.SGD(network.parameters(), momentum=0.9)
    model = train.Model(network, preprocessing=train.Division(16))
    model.compile(optimizer, metrics=["accuracy"])
    digits = data.digits()
    found = train.find_learning_rate(model, digits)
    optimizer.learning_rate = found.suggestion
    history = model.fit(digits, epochs=6, verbose=False)
    assert history.values["accuracy"][-1] > 0.95


def test_groups_keep_their_ratio() -> None:
    network = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
    groups = train.parameter_groups(network, {"0": 0.05})
    optimizer = optim.SGD(groups, 0.5)
    model = train.Model(network)
    model.compile(optimizer, "mean_squared_error")
    step, seen = model.steps.train, []

    def watched(*batch: Any) -> Any:
        seen.append([rate.item() for rate in optimizer.rates])
        return step(*batch)

    model.steps.train = watched
    found = train.find_learning_rate(model, np.ones((8, 1)), np.ones((8, 1)), highest=1.0)
    rates = np.array(seen)[: len(found.rates)]
    np.testing.assert_allclose(rates, found.rates[:, None] * [1.0, 0.1], rtol=1e-12)
    assert [rate.item() for rate in optimizer.rates] == [0.5, 0.05]


def test_loaders_serve_it_too(rng: np.random.Generator) -> None:
    model, x, y = model_and_data(rng)
    loader = data.Loader(x, y, batch_size=32)
    arrays = train.find_learning_rate(model, x, y, batch_size=32, steps=12)
    served = train.find_learning_rate(model, loader, steps=12)
    np.testing.assert_array_equal(arrays.losses, served.losses)


def test_smoothing_starts_at_the_first_loss() -> None:
    np.testing.assert_allclose(smooth([2.0, 2.0, 2.0]), 2.0)
    np.testing.assert_allclose(smooth([1.0, 2.0])[1], (0.09 * 1 + 0.1 * 2) / 0.19)


def test_mistakes_are_named(rng: np.random.Generator) -> None:
    model, x, y = model_and_data(rng)
    for options, message in (
        ({"lowest": 0}, "lowest must be positive and below highest, found 0 and 10.0"),
        ({"lowest": 20}, "below highest"),
        ({"steps": 3}, "steps must be a whole number of at least 10, not 3"),
    ):
        with pytest.raises(ArgumentError, match=message):
            train.find_learning_rate(model, x, y, **options)
    model.compile()
    with pytest.raises(ArgumentError, match="choose an optimizer first"):
        train.find_learning_rate(model, x, y)
    huge = train.Model(nn.Linear(4, 1))
    huge.compile("SGD", "mean_squared_error")
    with pytest.raises(ArgumentError, match="not finite at the first step"):
        train.find_learning_rate(huge, x * 1e30, np.ones((96, 1), np.float32))
