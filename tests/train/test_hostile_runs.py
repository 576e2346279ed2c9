"""Runs whose files were changed, whose disk is full, that others read while they are written."""

from __future__ import annotations

import json
import resource
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn, optim, random, train
from neurona.core.errors import CheckpointError
from neurona.data.safetensors import from_safetensors
from neurona.train import checkpoint, pair
from neurona.train.pair import Pair
from neurona.train.run_lock import RunLock

X = np.linspace(-1, 1, 12, dtype=np.float32)[:, None]


class Flat(optim.schedules.Schedule):
    def factor(self, step: int, steps_per_epoch: int) -> float:
        return 1.0


class Sum(train.Metric):
    name = "sum"

    def sums(self, output: ne.Tensor, target: ne.Tensor) -> tuple[ne.Tensor, ...]:
        return (ne.sum(output),)

    def value(self, parts: Any) -> float:
        return float(parts[0])


def fit(folder: Path, **options: Any) -> train.History:
    random.seed(0)
    line = nn.Linear(1, 1)
    model = train.Model(line)
    model.compile(optim.SGD(line.parameters(), 0.1), "mean_squared_error", [Sum()], schedule=Flat())
    given = {"epochs": 2, "batch_size": 6, "verbose": False, "report": False, **options}
    return model.fit(X, 2 * X, run=folder, **given)


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("runs") / "run"
    fit(folder)
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture
def run(content: dict[str, bytes], tmp_path: Path) -> Path:
    for name, text in content.items():
        path = tmp_path / "run" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    return tmp_path / "run"


def changed(path: Path, name: str, value: Any) -> None:
    found = json.loads(path.read_text(encoding="utf-8"))
    found.pop(name) if value is ... else found.update({name: value})
    path.write_text(json.dumps(found), encoding="utf-8")


def test_metrics_and_schedules_of_ones_own_do_not_stand_in_the_way(run: Path) -> None:
    assert fit(run, epochs=3, resume=True).epochs == [0, 1, 2]


STATE = ("settings", "first", "epochs_done", "steps_done", "batch", "random", "history")


@pytest.mark.parametrize("value", [..., "x", -5, None, [1], 10**6], ids=str)
def test_a_state_that_was_changed_is_refused(run: Path, value: Any) -> None:
    path = run / "checkpoints/last/state.json"
    before = path.read_bytes()
    for name in STATE:
        path.write_bytes(before)
        changed(path, name, value)
        with pytest.raises(CheckpointError, match=r"state\.json: damaged: it is not as it was"):
            fit(run, epochs=3, resume=True)
    path.write_bytes(before)
    assert fit(run, epochs=3, resume=True).epochs == [0, 1, 2]


@pytest.mark.parametrize("name", ["status", "seconds"])
@pytest.mark.parametrize("value", [..., None, [1]], ids=str)
def test_a_damaged_run_json(run: Path, name: str, value: Any) -> None:
    changed(run / "run.json", name, value)
    with pytest.raises(CheckpointError, match=rf"run\.json: damaged: '{name}' is missing or of"):
        fit(run, epochs=3, resume=True)


def test_reading_while_another_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = Pair("a.json", "a.safetensors", "test", 1, "a test")
    files.write(tmp_path, {"number": 1}, {"a": np.array([1])})
    whole = pair.read_json

    def overtaken(path: Path, what: str) -> dict[str, Any]:
        """Read the document; before the arrays are read, others take their place."""
        found = whole(path, what)
        if found["number"] < 4:
            monkeypatch.setattr(pair, "read_json", whole)
            number = found["number"] + 1
            files.write(tmp_path, {"number": number}, {"a": np.array([number])})
            monkeypatch.setattr(pair, "read_json", overtaken)
        return found

    monkeypatch.setattr(pair, "read_json", overtaken)
    description, arrays = files.read(tmp_path)
    assert (description["number"], arrays["a"].tolist()) == (4, [4])
    assert from_safetensors((tmp_path / "a.safetensors").read_bytes(), tmp_path)["a"][0] == 4


def test_a_lock_on_a_full_disk(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        lock = RunLock(tmp_path)
        with pytest.raises(CheckpointError, match="cannot be written: File too large"):
            fit(tmp_path / "run")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    lock.release()
    RunLock(tmp_path).release()
    fit(tmp_path / "other")
    assert checkpoint.read(tmp_path / "other")[0]["epochs"] == 2
