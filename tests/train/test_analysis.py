"""The analysis of a trained network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file

import neurona as ne
from neurona import data, nn, random, train
from neurona.core.errors import CheckpointError, ShapeError
from neurona.nn import functional
from neurona.train.analysis import analyse, maps
from neurona.train.analysis.health import alarms
from neurona.train.analysis.material import as_pictures, picture_layout, to_bytes
from neurona.train.analysis.samples import from_part, spread

Found = dict[str, Any]


def analysed(
    model: train.Model, inputs: Any, targets: Any, folder: Path, **options: Any
) -> tuple[Found, dict[str, NDArray[Any]]]:
    analyse(model, inputs, targets, folder, **options)
    found = json.loads((folder / "analysis.json").read_text())
    failed = [why for why in found["left_out"].values() if why.startswith("failed")]
    assert not failed
    return found, load_file(folder / "analysis.safetensors")


def made(network: nn.Module, loss: Any, **options: Any) -> train.Model:
    model = train.Model(network, **options)
    model.compile(loss=loss)
    return model


@pytest.fixture(scope="module")
def classifier(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[train.Model, data.Dataset, Found, dict[str, NDArray[Any]]]:
    random.seed(0)
    digits = data.digits().take(range(300))
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
    with ne.no_grad():
        network[1].bias.assign(network[1].bias - 100 * (ne.arange(16) < 5))  # five units are dead
    model = made(network, "cross_entropy", preprocessing=train.Division(16), classes=digits.classes)
    network.train()
    found = analysed(model, digits.inputs, digits.targets, tmp_path_factory.mktemp("run"))
    return model, digits, *found


def test_answers(
    classifier: tuple[train.Model, data.Dataset, Found, dict[str, NDArray[Any]]],
) -> None:
    model, digits, found, arrays = classifier
    outputs = model.predict(digits.inputs).astype(np.float64)
    said = outputs.argmax(axis=1)
    wanted = np.zeros((10, 10), np.int64)
    for t, s in zip(digits.targets, said, strict=True):
        wanted[t, s] += 1
    assert (arrays["confusion"] == wanted).all()
    assert found["answers"]["right"] == (said == digits.targets).sum()
    assert found["baseline"]["accuracy"] == np.bincount(digits.targets).max() / 300
    shares = np.bincount(digits.targets) / 300
    assert found["baseline"]["loss"] == pytest.approx(-(shares * np.log(shares)).sum())


def test_the_worst_mistakes_are_those_of_the_largest_loss(
    classifier: tuple[train.Model, data.Dataset, Found, dict[str, NDArray[Any]]],
) -> None:
    model, digits, found, arrays = classifier
    outputs = model.predict(digits.inputs).astype(np.float64)
    losses = np.log(np.exp(outputs).sum(axis=1)) - outputs[np.arange(300), digits.targets]
    wrong = outputs.argmax(axis=1) != digits.targets
    worst = max(np.flatnonzero(wrong), key=losses.__getitem__)
    first = found["mistakes"]["samples"][0]
    assert first["index"] == worst
    assert first["loss"] == pytest.approx(losses[worst], rel=1e-5)
    assert (first["true"], first["right"]) == (str(digits.targets[worst]), False)
    assert first["true"] in [label for label, _ in first["probabilities"]]
    assert (arrays["mistakes"][0] == (digits.inputs[worst] * 255.0 / 16).round()).all()
    assert found["mistakes"]["mean_loss"] == pytest.approx(losses.mean(), rel=1e-5)


def test_inside(
    classifier: tuple[train.Model, data.Dataset, Found, dict[str, NDArray[Any]]],
) -> None:
    model, digits, found, arrays = classifier
    flatten, hidden, relu, output = found["layers"]
    state = model.network.state_dict()
    before = digits.inputs.reshape(300, 64) / 16 @ state["1.weight"].T + state["1.bias"]
    dead = int((before <= 0).all(axis=0).sum())
    assert dead >= 5
    assert (relu["kind"], relu["dead"], relu["units"]) == ("ReLU", dead, 16)
    assert hidden["flops"] == 2 * 64 * 16 + 16
    assert hidden["parameters"] == 65 * 16
    assert all(layer["seconds"] > 0 for layer in found["layers"])
    assert flatten["activations"]["high"] == 1
    assert sum(output["activations"]["counts"]) == 300 * 10
    loss = functional.cross_entropy(
        model.network(digits.inputs[:256] / np.float32(16)), digits.targets[:256]
    )
    slopes = ne.gradients(loss, list(model.network.parameters()))
    for entry, slope in zip(found["weights"]["parameters"], slopes, strict=True):
        assert entry["gradient_norm"] == pytest.approx(np.linalg.norm(slope.numpy()), rel=1e-5)
    weight = state["1.weight"]
    first = found["weights"]["parameters"][0]
    assert first["norm"] == pytest.approx(np.linalg.norm(weight), rel=1e-6)
    assert first["weights"]["counts"] == np.histogram(weight.astype(np.float64), 40)[0].tolist()
    assert [alarm["kind"] for alarm in found["alarms"]] == []
    assert found["graph"]["svg"].startswith("<svg")
    units = found["first_layer"]["units"]
    assert (arrays["first_layer"] == weight[units].reshape(-1, 8, 8)).all()


def test_the_model_stays_as_it_was(
    classifier: tuple[train.Model, data.Dataset, Found, dict[str, NDArray[Any]]],
) -> None:
    model, *_ = classifier
    assert model.network.training
    assert all(parameter.grad is None for parameter in model.network.parameters())


def test_no_program_is_made_again(tmp_path: Path) -> None:
    model = made(nn.Linear(3, 2), "mean_squared_error")
    x = np.ones((4, 3), np.float32)
    before = model.predict(x)
    (entries,) = model.steps.predict.entries.values()
    analyse(model, x, np.zeros((4, 2)), tmp_path)
    assert (model.predict(x) == before).all()
    assert len(entries) == 1


def test_regression(tmp_path: Path, rng: np.random.Generator) -> None:
    network = nn.Linear(3, 2)
    x = rng.normal(size=(50, 3))
    y = rng.normal(size=(50, 2))
    found, arrays = analysed(made(network, "mean_squared_error"), x, y, tmp_path)
    residual = network(x.astype(np.float32)).numpy() - y
    assert found["task"] == "regression"
    assert found["answers"]["outputs"][1]["rmse"] == pytest.approx(
        np.sqrt((residual[:, 1] ** 2).mean()), rel=1e-5
    )
    assert found["baseline"]["loss"] == pytest.approx(y.var(axis=0).mean(), rel=1e-5)
    assert arrays["predicted"].shape == (50, 2)
    worst = int((residual**2).mean(axis=1).argmax())
    assert found["mistakes"]["samples"][0]["index"] == worst
    assert [name for name, _ in found["mistakes"]["samples"][0]["row"]] == [
        f"feature {i}" for i in range(3)
    ]
    features = found["first_layer"]["features"]
    effects = np.linalg.norm(network.weight.numpy(), axis=0) * x.std(axis=0)
    assert features[0][0] == f"feature {effects.argmax()}"
    assert features[0][2] == pytest.approx(effects.max(), rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "targets"),
    [("binary_cross_entropy_with_logits", (0.0, 1.0)), ("hinge", (-1.0, 1.0))],
)
def test_two_classes_by_one_output(
    loss: str, targets: tuple[float, float], tmp_path: Path, rng: np.random.Generator
) -> None:
    network = nn.Linear(2, 1)
    x = rng.normal(size=(40, 2)).astype(np.float32)
    y = np.where(x[:, :1] > 0, targets[1], targets[0])
    found, arrays = analysed(made(network, loss, classes=["no", "yes"]), x, y, tmp_path)
    said = network(x).numpy()[:, 0] > 0
    right = int((said == (x[:, 0] > 0)).sum())
    assert (found["task"], found["answers"]["right"]) == ("binary", right)
    assert found["answers"]["classes"] == ["no", "yes"]
    assert arrays["confusion"].sum() == 40


class Reader(nn.Module):
    """A class for every word."""

    def __init__(self) -> None:
        self.words = nn.Embedding(20, 6)
        self.output = nn.Linear(6, 4)

    def forward(self, x: Any) -> ne.Tensor:
        return ne.permute_dims(self.output(self.words(x)), (0, 2, 1))


def test_words_and_a_class_at_every_place(tmp_path: Path, rng: np.random.Generator) -> None:
    x = rng.integers(0, 20, (30, 7))
    found, arrays = analysed(made(Reader(), "cross_entropy"), x, x % 4, tmp_path)
    assert (found["task"], arrays["confusion"].sum()) == ("sequence", 210)
    assert found["mistakes"]["pictures"] is False
    assert "Embedding" in [layer["kind"] for layer in found["layers"]]
    assert "first_layer" in found["left_out"]


def test_what_does_not_apply_is_left_out_with_the_reason(tmp_path: Path) -> None:
    x = np.ones((5, 2), np.float32)
    found, arrays = analysed(train.Model(nn.ReLU()), x, np.zeros((5, 3, 3)), tmp_path)
    assert found["task"] == "other"
    assert found["left_out"]["weights"] == "the network has no parameters"
    assert found["left_out"]["mistakes"] == "the model has no loss"
    assert {"answers", "first_layer", "baseline"} <= set(found["left_out"])
    assert found["layers"][0]["dead"] == 0
    assert not arrays


def test_frozen_networks_have_no_gradients(tmp_path: Path) -> None:
    x = np.ones((5, 2), np.float32)
    network = nn.Linear(2, 1).freeze()
    found, _ = analysed(made(network, "mean_squared_error"), x, np.zeros((5, 1)), tmp_path)
    assert found["weights"]["gradients_of"] == {"left_out": "all parameters are frozen"}
    assert "gradients" not in found["weights"]["parameters"][0]


def test_saturation(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Tanh(), nn.Sigmoid(), nn.Identity())
    x = np.array([[0.0, 3.0], [-3.0, 0.1]], np.float32)
    found, _ = analysed(made(network, "mean_squared_error"), x, x, tmp_path)
    tanh, sigmoid, _ = found["layers"]
    assert (tanh["saturated"], sigmoid["saturated"]) == (0.5, 0)


def test_numbers_that_are_not_finite_do_not_stop_it(tmp_path: Path) -> None:
    network = nn.Linear(2, 2)
    network.weight.assign(np.full((2, 2), np.nan, np.float32))
    model = made(network, "cross_entropy")
    found, _ = analysed(model, np.ones((5, 2), np.float32), np.zeros(5, int), tmp_path)
    assert found["weights"]["parameters"][0]["weights"]["not_finite"] == 4
    assert [alarm["kind"] for alarm in found["alarms"]] == ["exploding"]


def parameter(name: str, gradient: float, norm: float = 1.0) -> Found:
    return {"name": name, "shape": [10, 10], "gradient_norm": gradient, "norm": norm}


def test_alarms() -> None:
    kinds = [a["kind"] for a in alarms([], [parameter("a", 1e-5), parameter("b", 1.0)])]
    assert kinds == ["vanishing"]
    assert not alarms([], [parameter("a", 2e-3), parameter("b", 1.0)])
    assert [a["kind"] for a in alarms([], [parameter("a", 11.0)])] == ["exploding"]
    assert [a["kind"] for a in alarms([], [parameter("a", 0.0)])] == ["vanishing"]
    relu = {"kind": "ReLU", "path": "1", "units": 10, "dead": 5}
    tanh = {"kind": "Tanh", "path": "2", "saturated": 0.9}
    assert [a["kind"] for a in alarms([relu, tanh, relu | {"dead": 4}], [])] == [
        "dead",
        "saturated",
    ]
    assert not alarms([tanh], [])  # an output that is sure of itself


def test_samples_are_spread_over_the_part(tmp_path: Path) -> None:
    assert spread(5000, 2000)[-1] == 4997
    x = np.ones((2100, 1), np.float32)
    found, _ = analysed(made(nn.Linear(1, 1), "mean_squared_error"), x, x, tmp_path)
    assert (found["samples"], found["of"]) == (2000, 2100)


def test_pictures() -> None:
    assert picture_layout((1, 28, 28)) == "CHW"
    assert as_pictures(np.zeros((2, 3, 8, 9)), "CHW").shape == (2, 8, 9, 3)
    assert as_pictures(np.zeros((2, 1, 8, 9)), "CHW").shape == (2, 8, 9)
    small = to_bytes(np.full((1, 200, 300), 0.5), 0, 1)
    assert small.shape == (1, 50, 75)
    assert small.max() == 128


def test_mistakes_of_the_caller(tmp_path: Path) -> None:
    model = made(nn.Linear(1, 1), "mean_squared_error")
    with pytest.raises(ShapeError, match="same number of samples"):
        analyse(model, np.ones((3, 1)), np.ones((2, 1)), tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot be written"):
        analyse(model, np.ones((3, 1)), np.ones((3, 1)), tmp_path / "file")


def test_a_table_is_shown_by_its_columns(tmp_path: Path) -> None:
    people = data.Table(
        {
            "age": [20.0, 30.0, 40.0, np.nan],
            "job": ["cook", "baker", None, "cook"],
            "rich": ["no", "no", "yes", "no"],
        },
        target="rich",
    )
    encoder = data.ColumnEncoder.fit(people)
    network = nn.Linear(len(encoder.feature_names), 2)
    model = made(network, "cross_entropy", preprocessing=encoder, classes=encoder.classes)
    found, _ = analysed(model, people, encoder.targets(people), tmp_path)
    rows = {sample["index"]: sample["row"] for sample in found["mistakes"]["samples"]}
    assert rows == {
        0: [["age", 20.0], ["job", "cook"]],
        1: [["age", 30.0], ["job", "baker"]],
        2: [["age", 40.0], ["job", "missing"]],
        3: [["age", "missing"], ["job", "cook"]],
    }
    assert {row[0] for row in found["first_layer"]["features"]} == set(encoder.feature_names)
    model = made(network, "cross_entropy", classes=encoder.classes)
    model.reader = data.TableReader(encoder)
    found, _ = analysed(model, encoder.transform(people), encoder.targets(people), tmp_path)
    assert {sample["index"]: sample["row"] for sample in found["mistakes"]["samples"]} == rows


class Own:
    """Somebody's own loader."""

    samples, batch_size, seed, waited = 10, 4, 0, 0.0

    def __len__(self) -> int:
        return 3

    def epoch(self, epoch: int, *, start_batch: int = 0) -> Any:
        for start in (0, 4, 8):
            x = np.arange(start, min(start + 4, 10), dtype=np.float64)[:, None]
            yield x, 2 * x

    def peek(self) -> Any:
        return next(self.epoch(0))

    def close(self) -> None: ...


def test_samples_of_parts() -> None:
    x = np.arange(10.0)[:, None]
    scale = data.Standardizer.fit(x)
    model = made(nn.Linear(1, 1), "mean_squared_error", preprocessing=scale)
    source = data.ArraySource(x, 2 * x)
    for given in ((x, 2 * x), Own(), data.StreamLoader(source, batch_size=4, workers=0)):
        samples = from_part(model, model.part(given, "test", batch_size=4, shuffle=False), 5)
        assert samples.indices.tolist() == [0, 2, 4, 6, 8]
        assert samples.inputs.dtype == np.float32
        assert samples.inputs == pytest.approx(scale.transform(x[::2]))
        assert samples.raw == pytest.approx(x[::2], abs=1e-6)
        assert samples.targets == pytest.approx(2 * x[::2])
        assert samples.of == 10
    assert samples.names[1] == "sample 2"


def test_activation_maps(tmp_path: Path) -> None:
    digits = data.digits().take(range(40))
    network = nn.Sequential(
        nn.Conv2d(1, 10, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(10, 2, 4),
        nn.Flatten(), nn.Linear(2, 10),
    )  # fmt: skip
    first = network[0]
    first.weight.assign(first.weight.numpy() * (np.arange(10) != 4).reshape(10, 1, 1, 1))
    preprocessing = train.ChannelsFirst(train.Division(16))
    model = made(network, "cross_entropy", preprocessing=preprocessing, classes=digits.classes)
    found, arrays = analysed(model, digits.inputs, digits.targets, tmp_path)
    # Of convolution and ReLU the latter; maps of a single place are none.
    layers = found["maps"]["layers"]
    assert [(one["path"], one["shape"]) for one in layers] == [
        ("1", [10, 8, 8]),
        ("2", [10, 4, 4]),
    ]
    assert 4 not in layers[0]["channels"]
    assert found["maps"]["samples"] == [0, 1, 2]
    assert (arrays["maps"] == (digits.inputs[:3] * 255.0 / 16).round()).all()
    wanted = network[:2].eval()(preprocessing.transform(digits.inputs[:3])).numpy()
    wanted = wanted[:, layers[0]["channels"]]
    shares = wanted / wanted.max(axis=(0, 2, 3), keepdims=True)
    np.testing.assert_allclose(arrays["maps.0"] / 127, shares, atol=0.5 / 127 + 1e-6)
    assert arrays["first_layer"].shape == (10, 3, 3)


def test_large_maps_are_made_smaller() -> None:
    values = np.arange(2 * 70 * 40, dtype=np.float64).reshape(1, 2, 70, 40)
    small = maps._smaller(values)
    assert small.shape == (1, 2, 23, 13)
    assert small[0, 0, 0, 0] == values[0, 0, :3, :3].mean()
    assert maps._smaller(values[:, :, :1]).shape == (1, 2, 1, 40)
