"""Models on disk: whole or not at all, and nothing else is taken for one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import data, nn, random, train
from neurona.core.errors import ArgumentError, CheckpointError
from neurona.data.safetensors import to_safetensors
from neurona.train import pair


def small(seed: int = 0) -> train.Model:
    random.seed(seed)
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))
    standardizer = data.Standardizer.fit(np.random.default_rng(1).normal(5, 2, (30, 3)))
    model = train.Model(network, preprocessing=standardizer, classes=["no", "yes"])
    model.compile("Adam", "cross_entropy", ["accuracy"])
    x = np.random.default_rng(2).normal(5, 2, (40, 3))
    model.fit(x, (x.sum(axis=1) > 15).astype(int), epochs=2, verbose=False)
    return model


@pytest.fixture(scope="module")
def model() -> train.Model:
    return small()


@pytest.fixture
def run(model: train.Model, tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    model.save(folder)
    return folder


def test_what_is_loaded_is_what_was_saved(model: train.Model, run: Path) -> None:
    random.seed(11)
    before = random.DEFAULT.state
    loaded = train.Model.load(run)
    assert random.DEFAULT.state == before
    x = np.random.default_rng(3).normal(5, 2, (20, 3))
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    y = np.zeros(20, int)
    assert loaded.evaluate(x, y) == model.evaluate(x, y)
    assert loaded.classes == ("no", "yes")
    assert loaded.epochs_done == 2
    with pytest.raises(ArgumentError, match="choose an optimizer first"):
        loaded.fit(x, y)
    loaded.compile("SGD")
    assert loaded.fit(x, y, verbose=False).epochs == [2]


def test_the_files(run: Path) -> None:
    assert sorted(path.name for path in run.iterdir()) == ["model.json", "weights.safetensors"]
    description = json.loads((run / "model.json").read_text(encoding="utf-8"))
    assert description["format"] == "neurona-model"
    assert description["loss"] == "cross_entropy"
    from safetensors.numpy import load_file

    arrays = load_file(run / "weights.safetensors")
    assert list(description["network"]["modules"][0].values()) == ["Linear", 3, 4]
    assert set(arrays) == set(train.Model.load(run).network.state_dict())


def test_pytorch_reads_the_weights(run: Path, model: train.Model) -> None:
    pytest.importorskip("torch")
    from safetensors.torch import load_file

    for name, tensor in load_file(run / "weights.safetensors").items():
        np.testing.assert_array_equal(tensor.numpy(), model.network.state_dict()[name])


def test_saving_again_replaces(model: train.Model, run: Path) -> None:
    other = small(seed=5)
    other.save(run)
    x = np.ones((2, 3))
    np.testing.assert_array_equal(train.Model.load(run).predict(x), other.predict(x))
    assert sorted(path.name for path in run.iterdir()) == ["model.json", "weights.safetensors"]


# --- every byte counts ---


def change_json(**changes: Any) -> Callable[[Path], None]:
    def damage(run: Path) -> None:
        path = run / "model.json"
        description = json.loads(path.read_text(encoding="utf-8"))
        for name, value in changes.items():
            description.pop(name) if value is ... else description.update({name: value})
        path.write_text(json.dumps(description), encoding="utf-8")

    return damage


def put(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda run: (run / name).write_bytes(content) and None


def shorten(name: str, by: int) -> Callable[[Path], None]:
    def damage(run: Path) -> None:
        content = (run / name).read_bytes()
        (run / name).write_bytes(content[:-by])

    return damage


def flip(run: Path) -> None:
    content = bytearray((run / "weights.safetensors").read_bytes())
    content[-3] ^= 4
    (run / "weights.safetensors").write_bytes(bytes(content))


def other_weights(run: Path) -> None:
    small(seed=9).save(run.parent / "other")
    other = (run.parent / "other" / "weights.safetensors").read_bytes()
    (run / "weights.safetensors").write_bytes(other)


def weights_of_another_network(run: Path) -> None:
    content = to_safetensors({"weight": np.zeros((2, 3), np.float32)})
    (run / "weights.safetensors").write_bytes(content)
    stated = {"file": "weights.safetensors", "sha256": pair._digest(content)}
    change_json(weights=stated)(run)


def foreign_safetensors(run: Path) -> None:
    content = b"not safetensors at all, but with the right digest"
    (run / "weights.safetensors").write_bytes(content)
    change_json(weights={"sha256": pair._digest(content)})(run)


LINEAR = {"layer": "Linear", "in_features": 3, "out_features": 2}
DAMAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no folder": (lambda run: run.rename(run.parent / "x"), "no such file and no such folder"),
    "no json": (lambda run: (run / "model.json").unlink(), "model.json: no such file"),
    "no weights": (lambda run: (run / "weights.safetensors").unlink(), "safetensors: no such file"),
    "short json": (shorten("model.json", 20), "damaged, not JSON"),
    "empty json": (put("model.json", b""), "damaged, not JSON"),
    "binary json": (put("model.json", b"\xff\xfe\x00"), "damaged, not JSON"),
    "deep json": (put("model.json", b"[" * 100_000), "damaged, not JSON"),
    "a list": (put("model.json", b"[]"), "not a model of Neurona"),
    "foreign json": (put("model.json", b'{"model": 1}'), "not a model of Neurona"),
    "newer": (change_json(format_version=2, neurona="9.1"), r"install the Neurona that.*9\.1"),
    "version": (change_json(format_version="x"), "written in format 'x'"),
    "no network": (change_json(network=...), "'network' is missing or of the wrong type"),
    "classes": (change_json(classes=[1]), "'classes' must hold names"),
    "digest": (change_json(weights={}), "does not name a digest"),
    "layer": (change_json(network={"layer": "Linaer"}), "did you mean 'Linear'"),
    "shape": (change_json(network=LINEAR), "the state does not fit"),
    "loss": (change_json(loss="cross"), "model.json: loss: unknown name 'cross'"),
    "metric": (change_json(metrics=["acc"]), "metrics: unknown name 'acc'"),
    "preprocessing": (change_json(preprocessing={"kind": "x"}), "unknown kind 'x'"),
    "short weights": (shorten("weights.safetensors", 1), "damaged, or not the weights"),
    "flipped bit": (flip, "damaged, or not the weights"),
    "other weights": (other_weights, "damaged, or not the weights"),
    "another network": (weights_of_another_network, "the state does not fit"),
    "foreign weights": (foreign_safetensors, "not a whole safetensors file"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_and_foreign_files(run: Path, name: str) -> None:
    damage, message = DAMAGES[name]
    damage(run)
    with pytest.raises(CheckpointError, match=message):
        train.Model.load(run)


# --- written whole or not at all ---


class CrashError(Exception):
    """Stands for the power going off."""


def save_until(model: train.Model, run: Path, moment: int) -> None:
    """Save, with a crash just before the nth renaming; renaming is what commits."""
    rename, count = Path.replace, iter(range(10))

    def replace(self: Path, target: Path) -> Path:
        if next(count) == moment:
            raise CrashError
        return rename(self, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        with pytest.raises(CrashError):
            model.save(run)


@pytest.mark.parametrize("second", range(4))
@pytest.mark.parametrize("first", range(3))
def test_crashes_at_any_moment_leave_a_model(
    model: train.Model, run: Path, first: int, second: int
) -> None:
    newer, last = small(seed=5), small(seed=6)
    x = np.ones((2, 3))
    save_until(newer, run, first)
    kept = newer if first == 2 else model
    np.testing.assert_array_equal(train.Model.load(run).predict(x), kept.predict(x))
    cut_off = first == 2  # then the next save begins with one more renaming
    if second < 3 or cut_off:
        save_until(last, run, second)
        kept = last if second == 2 + cut_off else kept
        np.testing.assert_array_equal(train.Model.load(run).predict(x), kept.predict(x))
    last.save(run)
    np.testing.assert_array_equal(train.Model.load(run).predict(x), last.predict(x))
    assert sorted(path.name for path in run.iterdir()) == ["model.json", "weights.safetensors"]


def test_a_full_disk_leaves_the_earlier_model(
    model: train.Model, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(CheckpointError, match="cannot be written: No space left on device"):
            small(seed=5).save(run)
    assert sorted(path.name for path in run.iterdir()) == ["model.json", "weights.safetensors"]
    x = np.ones((2, 3))
    np.testing.assert_array_equal(train.Model.load(run).predict(x), model.predict(x))


def test_folders_that_cannot_be(model: train.Model, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(CheckpointError, match="cannot be written"):
        model.save(tmp_path / "file")
    with pytest.raises(CheckpointError, match="cannot be written"):
        model.save(tmp_path / "file" / "run")
    assert (tmp_path / "file").read_text() == "mine"


def test_networks_that_cannot_be_described_leave_no_trace(tmp_path: Path) -> None:
    class Own(nn.Linear):
        pass

    with pytest.raises(ArgumentError, match="unknown layer 'Own'"):
        train.Model(Own(2, 3)).save(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_losses_and_metrics_of_ones_own_are_left_out(tmp_path: Path) -> None:
    class Own(train.Accuracy):
        name = "own"

    one = train.Model(nn.Linear(2, 3))
    one.compile(loss=lambda output, target: ne.sum(output), metrics=[Own(), "accuracy"])
    one.save(tmp_path)
    assert json.loads((tmp_path / "model.json").read_text())["metrics"] == ["accuracy"]
    assert train.Model.load(tmp_path).loss is None


@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}, {"weight": [0.1, 2.0, 3.0]}])
def test_a_loss_keeps_its_options(tmp_path: Path, options: dict[str, Any]) -> None:
    one = train.Model(nn.Linear(2, 3))
    one.compile(loss=nn.CrossEntropyLoss(**options))
    one.save(tmp_path)
    loaded = train.Model.load(tmp_path)
    x, y = np.ones((4, 2)), np.array([0, 1, 2, 0])
    assert loaded.evaluate(x, y) == one.evaluate(x, y)
    shares = loaded.predict(x, probabilities=True)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-6)
