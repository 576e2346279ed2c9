"""Cutting the rate on a plateau: PyTorch's rule on numbers and within a run."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from neurona import nn, optim, train
from neurona.core.errors import ArgumentError

# What the value to be watched does: it falls, stays, wobbles, falls again, and stays.
VALUES = [1.0, 0.8, 0.7, 0.7, 0.71, 0.6995, 0.705, 0.7, 0.7, 0.5, 0.5, 0.6, 0.4, 0.4]
VALUES += [0.41, 0.4, 0.42, 0.4, 0.4, 0.43, 0.3, 0.3, 0.3, 0.3, 0.3]


def compiled(metrics: Any = ()) -> tuple[train.Model, Any]:
    layers = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    groups = [
        {"parameters": list(layers[0].parameters()), "learning_rate": 0.25},
        {"parameters": list(layers[1].parameters())},
    ]
    model = train.Model(layers)
    model.compile(optim.SGD(groups, 1.0), "mean_squared_error", metrics)
    return model, model.optimizer


def watch(callback: Any, values: list[float], model: train.Model, key: str) -> list[float]:
    """The learning rate after each epoch."""
    found = []
    for epoch, value in enumerate(values):
        callback.on_epoch_end(epoch, {"loss": 0.0, key: value})
        found.append(float(model.optimizer.learning_rate.numpy()))  # type: ignore[union-attr]
    return found


def begin(callback: train.ReduceOnPlateau, model: train.Model) -> train.ReduceOnPlateau:
    callback.model = model
    callback.on_train_begin()
    return callback


@pytest.mark.parametrize("cooldown", [0, 1, 3])
@pytest.mark.parametrize("patience", [1, 2, 4])
@pytest.mark.parametrize("monitor", ["validation_loss", "r2"])
def test_the_rule_is_that_of_pytorch(monitor: str, patience: int, cooldown: int) -> None:
    torch = pytest.importorskip("torch")
    other = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        other,
        "max" if monitor == "r2" else "min",
        0.5,
        patience - 1,  # it cuts when more epochs than that were bad
        threshold=0.01,
        threshold_mode="abs",
        cooldown=cooldown,
        min_lr=0.1,
        eps=0,
    )
    values = [-v for v in VALUES] if monitor == "r2" else VALUES
    expected = []
    for value in values:
        scheduler.step(value)
        expected.append(other.param_groups[0]["lr"])
    model, _ = compiled(["r2"])
    options = {"minimum_delta": 0.01, "minimum_rate": 0.1, "cooldown": cooldown}
    callback = begin(train.ReduceOnPlateau(monitor, 0.5, patience=patience, **options), model)
    assert watch(callback, values, model, monitor) == expected


def test_all_groups_are_cut_and_stay_above_the_minimum() -> None:
    model, optimizer = compiled()
    callback = begin(train.ReduceOnPlateau("loss", 0.1, patience=1, minimum_rate=0.05), model)
    watch(callback, [1.0, 1.0], model, "loss")
    rates = [float(group.learning_rate.numpy()) for group in optimizer.groups]
    assert rates == [0.05, 0.1]
    watch(callback, [1.0], model, "loss")
    assert [float(rate.numpy()) for rate in optimizer.rates] == [0.05, 0.05]
    optimizer.learning_rate = 0.01  # below the minimum already: not raised
    watch(callback, [1.0], model, "loss")
    assert optimizer.learning_rate.item() == 0.01


def test_not_a_number_is_no_improvement() -> None:
    model, _ = compiled()
    callback = begin(train.ReduceOnPlateau("loss", 0.5, patience=2), model)
    assert watch(callback, [np.nan, np.nan, 1.0, np.nan, np.nan], model, "loss")[-1] == 0.25


def test_a_run_taken_up_again_goes_on_waiting() -> None:
    whole, _ = compiled()
    options: dict[str, Any] = {"patience": 3, "cooldown": 2}
    callback = begin(train.ReduceOnPlateau("loss", 0.5, **options), whole)
    expected = watch(callback, VALUES, whole, "loss")
    for cut in range(len(VALUES)):
        model, _ = compiled()
        first = begin(train.ReduceOnPlateau("loss", 0.5, **options), model)
        begun = watch(first, VALUES[:cut], model, "loss")
        second = begin(train.ReduceOnPlateau("loss", 0.5, **options), model)
        second.load_state(json.loads(json.dumps(first.state())))
        assert begun + watch(second, VALUES[cut:], model, "loss") == expected


def test_within_fit() -> None:
    model, optimizer = compiled()
    x, y = np.zeros((8, 2), np.float32), np.zeros((8, 1), np.float32)
    optimizer.learning_rate = 0.0
    optimizer.groups[0].learning_rate.assign(np.float64(0.0))
    model.fit(x, y, epochs=1, verbose=False)
    optimizer.learning_rate = 1e-6
    plateau = train.ReduceOnPlateau(factor=0.5, patience=2)
    model.fit(x, y, epochs=5, validation_data=(x, y), callbacks=[plateau], verbose=False)
    assert optimizer.learning_rate.item() == 0.25e-6


def test_mistakes_are_named() -> None:
    model, _ = compiled(["r2"])
    with pytest.raises(ArgumentError, match=r"no value 'validation_r3' to watch; did you mean 'v"):
        begin(train.ReduceOnPlateau("validation_r3"), model)
    scheduled, _ = compiled(["r2"])
    scheduled.compile("SGD", "mean_squared_error", schedule={"name": "step", "every": 2})
    with pytest.raises(ArgumentError, match=r"already follow StepDecay\(.*would undo every cut"):
        begin(train.ReduceOnPlateau("loss"), scheduled)
    callback = begin(train.ReduceOnPlateau("validation_r2"), model)
    with pytest.raises(ArgumentError, match="no value 'validation_r2', only loss; give fit"):
        callback.on_epoch_end(0, {"loss": 1.0})
    for options, message in (
        ({"factor": 1.0}, "factor must be between 0 and 1, not 1.0"),
        ({"patience": 0}, "patience must be at least 1"),
        ({"minimum_delta": -1}, "minimum_delta must not be negative"),
        ({"minimum_rate": -1}, "minimum_rate must not be negative"),
        ({"cooldown": -1}, "cooldown must not be negative"),
    ):
        with pytest.raises(ArgumentError, match=message):
            train.ReduceOnPlateau(**options)  # type: ignore[arg-type]
