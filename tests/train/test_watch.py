"""Layers watched over the epochs."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn, optim, random, train
from neurona.core.errors import ArgumentError, CheckpointError


def model_and_data() -> tuple[train.Model, Any, Any]:
    random.seed(0)
    network = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2))
    model = train.Model(network)
    model.compile(optim.SGD(network.parameters(), learning_rate=0.1), "cross_entropy")
    rng = np.random.default_rng(0)
    return model, rng.normal(size=(40, 3)).astype(np.float32), rng.integers(0, 2, 40)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_what_is_recorded(tmp_path: Path) -> None:
    model, x, y = model_and_data()
    path = tmp_path / "layers.jsonl"
    states = [model.network.state_dict()]

    class Keep(train.Callback):
        def on_step_end(self, step: int, loss: ne.Tensor) -> None:
            states.append(self.model.network.state_dict())

    watch = train.WatchLayers(path, x, y, most=1)
    model.fit(x, y, epochs=3, batch_size=20, callbacks=[watch, Keep()], verbose=False)
    found = lines(path)
    assert [line["epoch"] for line in found] == [0, 1, 2]
    last, before, after = states[-1], states[4], states[5]
    for name in ("0.weight", "3.weight"):
        assert found[2]["weights"][name] == pytest.approx(np.linalg.norm(last[name]), rel=1e-5)
        moved = np.linalg.norm(after[name] - before[name]) / np.linalg.norm(before[name])
        assert found[2]["updates"][name] == pytest.approx(moved, rel=1e-4)
    network = model.network.eval()
    loss = nn.functional.cross_entropy(network(x), y)
    slope = ne.gradients(loss, [network[0].weight])[0].numpy()
    assert found[2]["gradients"]["0.weight"] == pytest.approx(np.linalg.norm(slope), rel=1e-5)
    dead = (network[1](network[0](x)).numpy() == 0).all(axis=0).mean()
    assert found[2]["dead"] == {"1": dead}


def test_it_changes_nothing(tmp_path: Path) -> None:
    states, programs = [], []
    for watched in (False, True):
        model, x, y = model_and_data()
        watch = [train.WatchLayers(tmp_path / "layers.jsonl", x, y, most=1)] if watched else []
        model.fit(x, y, epochs=2, batch_size=20, callbacks=watch, verbose=False)
        states.append(model.network.state_dict())
        programs.append([len(entries) for entries in model.steps.train.entries.values()])
    assert programs[0] == programs[1]
    assert all((states[0][name] == states[1][name]).all() for name in states[0])


def test_lines_of_epochs_that_are_done_again_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "layers.jsonl"
    path.write_text('{"epoch": 0}\n{"epoch": 1}\n{"epoch": 7}\n{"epo')
    model, x, y = model_and_data()
    model.epochs_done = 1
    watch = train.WatchLayers(path, most=1)
    model.fit(x, y, epochs=1, callbacks=[watch], verbose=False)
    assert [line["epoch"] for line in lines(path)] == [0, 1]
    assert sorted(lines(path)[1]) == ["epoch", "updates", "weights"]


def test_it_takes_only_its_share_of_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [0.0]
    clock = SimpleNamespace(perf_counter=lambda: seconds[0])
    monkeypatch.setattr("neurona.train.watch.time", clock)
    model, x, y = model_and_data()
    watch = train.WatchLayers(tmp_path / "layers.jsonl", x, y, most=0.01)
    measured = watch._measured

    def slow() -> dict[str, Any]:
        seconds[0] += 0.5
        return measured()

    monkeypatch.setattr(watch, "_measured", slow)
    watch.model = model
    watch.on_train_begin()
    for epoch in range(300):
        watch.on_epoch_begin(epoch)
        seconds[0] += 1
        watch.on_epoch_end(epoch, {})
    recorded = [line["epoch"] for line in lines(tmp_path / "layers.jsonl")]
    assert recorded[0] == 0  # before the cost is known it is taken for small
    assert len(recorded) == 6
    assert watch._spent <= 0.01 * seconds[0]


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="most is a share"):
        train.WatchLayers(tmp_path / "layers.jsonl", most=0)
    model, x, y = model_and_data()
    (tmp_path / "file").write_text("")
    watch = train.WatchLayers(tmp_path / "file" / "layers.jsonl", x, y, most=1)
    with pytest.raises(CheckpointError, match="cannot be written"):
        model.fit(x, y, callbacks=[watch], verbose=False)


def test_a_network_without_parameters(tmp_path: Path) -> None:
    watch = train.WatchLayers(tmp_path / "layers.jsonl", most=1)
    watch.model = train.Model(nn.ReLU())
    watch.on_train_begin()
    watch.on_epoch_begin(0)
    watch.on_epoch_end(0, {})
    assert not (tmp_path / "layers.jsonl").exists()


def test_frozen_layers_are_not_watched(tmp_path: Path) -> None:
    model, x, y = model_and_data()
    model.compile("SGD", "cross_entropy", frozen="0")
    watch = train.WatchLayers(tmp_path / "layers.jsonl", x, y, most=1)
    model.fit(x, y, callbacks=[watch], verbose=False)
    assert watch.trouble is None
    (line,) = lines(watch.path)
    assert list(line["weights"]) == list(line["gradients"]) == ["3.weight"]
