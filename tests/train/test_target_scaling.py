"""Targets that are numbers: learnt standardised, shown in the data's own units."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from neurona import data, nn, optim, random, train
from neurona.core.errors import ArgumentError, CheckpointError, ShapeError
from neurona.data.standardize import Standardizer
from neurona.train.experiment import load_parts, make_model, parse_config, read_config, run
from neurona.train.target_scaling import in_units, standardized

from ..houses import HOUSES, write_houses

EXACT = Standardizer(mean=np.array([2.0**18]), scale=np.array([2.0**16]))
"""With these, scaling of the targets rounds nothing."""


def assert_close(one: train.Model, other: train.Model) -> None:
    """Weights the same but for the order of sums in programs that are not the same."""
    for name, array in one.network.state_dict().items():
        also = other.network.state_dict()[name]
        np.testing.assert_allclose(array, also, rtol=1e-5, atol=1e-6, err_msg=name)


def made(scaling: Standardizer | None, **options: Any) -> train.Model:
    random.seed(0)
    network = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 1))
    model = train.Model(network, target_scaling=scaling)
    adam = optim.Adam(network.parameters(), 1e-2)
    model.compile(adam, "mean_squared_error", ["r2", "mean_absolute_error"], **options)
    return model


@pytest.fixture(scope="module")
def numbers() -> tuple[NDArray[Any], NDArray[Any]]:
    """Inputs, and targets of the size 1 that `EXACT.inverse` makes large without rounding."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 3)).astype(np.float32)
    y = np.tanh(x[:, :1]) + x[:, 1:2] * x[:, 2:]
    return x, (np.round(y * 256) / 256).astype(np.float32)


@pytest.fixture(scope="module")
def learnt(numbers: tuple[NDArray[Any], NDArray[Any]]) -> train.Model:
    x, y = numbers
    model = made(EXACT)
    model.fit(x[:70], EXACT.inverse(y[:70]), epochs=6, validation_split=0.2, verbose=False)
    return model


def test_it_learns_as_from_standardised_targets(
    numbers: tuple[NDArray[Any], NDArray[Any]], learnt: train.Model
) -> None:
    x, y = numbers
    plain = made(None)
    history = plain.fit(x[:70], y[:70], epochs=6, validation_split=0.2, verbose=False)
    assert history.values["loss"][-1] < history.values["loss"][0]
    assert_close(plain, learnt)
    small = plain.evaluate(x[70:], y[70:])
    large = learnt.evaluate(x[70:], EXACT.inverse(y[70:]))
    assert large["loss"] == pytest.approx(small["loss"], rel=1e-5)
    error = 2**16 * small["mean_absolute_error"]
    assert large["mean_absolute_error"] == pytest.approx(error, rel=1e-5)
    assert large["r2"] == pytest.approx(small["r2"], rel=1e-5)


def test_another_loss_and_accumulated_weighted_batches(
    numbers: tuple[NDArray[Any], NDArray[Any]],
) -> None:
    x, y = numbers
    weights = np.linspace(0.5, 2, len(x))
    models = []
    for scaling, targets in ((None, y), (EXACT, EXACT.inverse(y))):
        model = made(scaling)
        model.compile(model.optimizer, {"name": "huber", "delta": 0.5}, accumulate=2)
        model.fit(x, targets, epochs=1, batch_size=16, sample_weight=weights, verbose=False)
        models.append(model)
    assert_close(*models)


def test_everything_seen_is_in_the_data_s_units(
    numbers: tuple[NDArray[Any], NDArray[Any]], learnt: train.Model, tmp_path: Path
) -> None:
    x, y = numbers[0], EXACT.inverse(numbers[1])
    outputs = learnt.network.eval()(x).numpy()
    predicted = learnt.predict(x)
    np.testing.assert_allclose(predicted, EXACT.inverse(outputs), rtol=1e-6)
    errors = np.abs(predicted.astype(np.float64) - y)
    assert learnt.evaluate(x, y)["mean_absolute_error"] == pytest.approx(errors.mean(), rel=1e-6)
    learnt.save(tmp_path)
    again = train.Model.load(tmp_path)
    np.testing.assert_array_equal(again.predict(x, probabilities=True), predicted)
    assert again.evaluate(x, y) == learnt.evaluate(x, y)
    assert again.description() == learnt.description()


def test_the_analysis(
    numbers: tuple[NDArray[Any], NDArray[Any]], learnt: train.Model, tmp_path: Path
) -> None:
    from neurona.train.analysis import analyse

    x, y = numbers[0], EXACT.inverse(numbers[1])
    analyse(learnt, x, y, tmp_path)
    found = json.loads((tmp_path / "analysis.json").read_text(encoding="utf-8"))
    measured = learnt.evaluate(x, y)
    assert found["answers"]["outputs"][0]["mae"] == pytest.approx(measured["mean_absolute_error"])
    assert found["answers"]["outputs"][0]["r2"] == pytest.approx(measured["r2"])
    assert found["baseline"]["loss"] == pytest.approx(numbers[1].var())
    assert found["mistakes"]["mean_loss"] == pytest.approx(measured["loss"])
    worst = found["mistakes"]["samples"][0]
    assert worst["true"] == [y[worst["index"], 0]]
    assert worst["said"] == pytest.approx([learnt.predict(x)[worst["index"], 0]])
    assert found["weights"]["gradients_of"]["loss"] == pytest.approx(measured["loss"])


def test_watched_gradients(numbers: tuple[NDArray[Any], NDArray[Any]], tmp_path: Path) -> None:
    x, y = numbers
    found: list[dict[str, float]] = []
    for scaling, targets in ((None, y), (EXACT, EXACT.inverse(y))):
        watch = train.WatchLayers(tmp_path / "layers.jsonl", x, targets, most=1)
        made(scaling).fit(x, targets, callbacks=[watch], verbose=False)
        found.append(json.loads((tmp_path / "layers.jsonl").read_text())["gradients"])
    assert found[0] == pytest.approx(found[1], rel=1e-4)


class StopAt(train.Callback):
    """Ends the run in the middle of an epoch."""

    def on_step_end(self, step: int, loss: Any) -> None:
        self.model.stop_training = step == 4


def test_a_run_that_is_resumed(numbers: tuple[NDArray[Any], NDArray[Any]], tmp_path: Path) -> None:
    x, y = numbers[0], EXACT.inverse(numbers[1]) * 1.1
    scaling = Standardizer.fit(y)
    options: dict[str, Any] = {"epochs": 3, "batch_size": 16, "report": False, "verbose": False}

    def fit(name: str, model: train.Model, **more: Any) -> train.Model:
        model.fit(x, y, run=tmp_path / name, **{**options, **more})
        return model

    whole = fit("whole", made(scaling), callbacks=[train.Callback()])
    fit("cut", made(scaling), callbacks=[StopAt()], checkpoint_every="1 steps")
    other = Standardizer(scaling.mean, scaling.scale * 2)
    with pytest.raises(CheckpointError, match=r"target_scaling.scale\[0\] was "):
        fit("cut", made(other), callbacks=[StopAt()], resume=True)
    resumed = fit("cut", made(scaling), callbacks=[StopAt()], resume=True)
    for name, array in whole.network.state_dict().items():
        np.testing.assert_array_equal(array, resumed.network.state_dict()[name], err_msg=name)
    np.testing.assert_array_equal(whole.predict(x), train.Model.load(tmp_path / "cut").predict(x))


def test_without_scaling_nothing_is_recorded() -> None:
    output, target = object(), object()
    assert in_units(None, output) is output  # type: ignore[arg-type]
    assert standardized(None, target, output) is target  # type: ignore[arg-type]


def test_a_step_stays_one_program(
    numbers: tuple[NDArray[Any], NDArray[Any]], learnt: train.Model
) -> None:
    x, y = numbers
    for step in (learnt.steps.train, learnt.steps.test):
        kernels = step.explain(x, EXACT.inverse(y)).kernels
        assert all(kernel.kind != "python" for kernel in kernels)


# --- what is refused ---


def test_mistakes(numbers: tuple[NDArray[Any], NDArray[Any]]) -> None:
    x, y = numbers
    with pytest.raises(ArgumentError, match=r"target_scaling is a data\.Standardizer fitted"):
        train.Model(nn.Linear(3, 1), target_scaling=80_000)  # type: ignore[arg-type]
    model = train.Model(nn.Linear(3, 1), target_scaling=EXACT)
    with pytest.raises(ArgumentError, match="the loss 'cross_entropy' is not for numbers"):
        model.compile("SGD", "cross_entropy")
    model.compile("SGD", lambda output, target: nn.functional.mse_loss(output[:, 0], target))
    with pytest.raises(ShapeError, match=r"targets \(90,\) must have the shape of .* \(90, 1\)"):
        model.fit(x, y[:, 0], verbose=False)
    wide = train.Model(nn.Linear(3, 1), target_scaling=Standardizer.fit(np.eye(4)))
    with pytest.raises(ShapeError, match=r"statistics of shape \(4,\) do not fit outputs"):
        wide.predict(x)


def test_model_files(learnt: train.Model, tmp_path: Path) -> None:
    learnt.save(tmp_path)
    path = tmp_path / "model.json"
    description = json.loads(path.read_text(encoding="utf-8"))
    assert description["target_scaling"] == {"mean": [2.0**18], "scale": [2.0**16]}

    def load_with(scaling: Any) -> train.Model:
        path.write_text(json.dumps({**description, "target_scaling": scaling}), encoding="utf-8")
        return train.Model.load(tmp_path)

    with pytest.raises(CheckpointError, match="'target_scaling' is missing or of the wrong type"):
        load_with([1.0])
    with pytest.raises(CheckpointError, match=r"model\.json: target_scaling: .* scale above 0"):
        load_with({"mean": [0.0], "scale": [0.0]})
    del description["target_scaling"]  # as written before there was such a thing
    path.write_text(json.dumps(description), encoding="utf-8")
    assert train.Model.load(tmp_path).target_scaling is None


# --- from a file ---


def test_prices_from_a_short_file(tmp_path: Path) -> None:
    write_houses(tmp_path)
    assert HOUSES.count("\n") < 20
    prices = data.read_csv(tmp_path / "houses.csv")["price"]
    assert 230_000 < prices.mean() < 270_000
    assert 60_000 < prices.std() < 100_000
    for seed in range(3):
        config = read_config(tmp_path / "houses.toml", [f"seed={seed}"]).config
        parts = load_parts(config, base=tmp_path)
        model = make_model(config, parts)
        assert isinstance(parts.training, data.Dataset)
        assert model.target_scaling is not None
        targets = parts.training.targets
        np.testing.assert_allclose(model.target_scaling.mean, targets.mean(axis=0))
        np.testing.assert_allclose(model.target_scaling.scale, targets.std(axis=0, ddof=1))
        scores = run(model, config, parts, verbose=False).scores
        assert scores["r2"] >= 0.8
        assert 10_000 < scores["mean_absolute_error"] < 40_000
    model.save(tmp_path / "run")
    again = train.Model.load(tmp_path / "run")
    assert again.reader is not None
    _, rows = again.reader.read([tmp_path / "houses.csv"])
    assert 230_000 < again.predict(rows).mean() < 270_000


@pytest.mark.parametrize(
    ("table", "last", "training", "scaled"),
    [
        ({}, "Linear", {}, True),
        ({"standardize_target": False}, "Linear", {}, False),
        ({}, "Sigmoid", {}, False),  # its outputs have bounds
        ({"standardize_target": True}, "Tanh", {}, True),
        ({}, "Linear", {"loss": "binary_cross_entropy_with_logits"}, False),
        ({"target": "town"}, "Linear", {}, False),
    ],
)
def test_when_targets_are_scaled(
    tmp_path: Path,
    table: dict[str, Any],
    last: str,
    training: dict[str, Any],
    scaled: bool,
) -> None:
    write_houses(tmp_path, 40)
    layers = [{"layer": "Linear"}, *([{"layer": last}] if last != "Linear" else [])]
    raw = {
        "data": {"file": "houses.csv", "target": "price", **table},
        "network": {"layers": layers},
        "training": {"epochs": 1, **training},
    }
    config = parse_config(raw)
    model = make_model(config, load_parts(config, base=tmp_path))
    assert (model.target_scaling is not None) == scaled


def test_arrays_are_scaled_when_asked(tmp_path: Path) -> None:
    inputs, targets = np.eye(4, dtype=np.float32), np.arange(4) * 1e5
    np.savez(tmp_path / "a.npz", x=inputs, y=targets)
    raw = {
        "data": {"npz": "a.npz", "inputs": "x", "targets": "y", "split": [1]},
        "network": {"layers": [{"layer": "Linear"}]},
        "training": {"epochs": 1},
    }
    parts = load_parts(parse_config(raw), base=tmp_path)
    assert make_model(parse_config(raw), parts).target_scaling is None
    raw["data"]["standardize_target"] = True
    scaling = make_model(parse_config(raw), parts).target_scaling
    assert scaling is not None
    assert scaling.mean.tolist() == [150_000]


@pytest.mark.parametrize(
    ("table", "training", "message"),
    [
        ({"target": "town"}, {}, "data.standardize_target: the targets are classes"),
        (
            {},
            {"loss": "hinge"},
            "data.standardize_target: needs a loss for numbers, one of huber, mean_absolute_error,",
        ),
        ({"standardize_target": 1}, {}, "data.standardize_target: expected true or false, found"),
        ({"standardise_target": True}, {}, "data: unknown key 'standardise_target'; did you mean"),
    ],
)
def test_configurations_that_are_refused(
    tmp_path: Path, table: dict[str, Any], training: dict[str, Any], message: str
) -> None:
    write_houses(tmp_path, 40)
    raw = {
        "data": {"file": "houses.csv", "target": "price", "standardize_target": True, **table},
        "network": {"layers": [{"layer": "Linear"}]},
        "training": {"epochs": 1, **training},
    }

    def make() -> train.Model:
        config = parse_config(raw)
        return make_model(config, load_parts(config, base=tmp_path))

    with pytest.raises(ArgumentError) as caught:
        make()
    assert str(caught.value).startswith(message)
