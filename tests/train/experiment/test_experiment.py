"""Configured runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurona import data, nn, optim, random
from neurona.core.errors import ArgumentError, DataError
from neurona.data.standardize import Standardizer
from neurona.train.experiment import (
    Config,
    Parts,
    load_parts,
    make_model,
    parse_config,
    read_config,
    run,
)
from neurona.train.experiment.parts import code_of, encoded
from neurona.train.model import Model
from neurona.train.preprocessing import ChannelsFirst, Division

from .test_reading import TEXT

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def config_of(**sections: dict[str, Any]) -> Config:
    raw: dict[str, dict[str, Any]] = {
        "data": {"name": "digits", "divide_by": 16},
        "network": {"layers": [{"layer": "Flatten"}, {"layer": "Linear"}]},
        "training": {"epochs": 1},
    }
    return parse_config({name: {**table, **sections.get(name, {})} for name, table in raw.items()})


def test_a_run_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(TEXT, encoding="utf-8")
    config = read_config(path).config
    parts = load_parts(config)
    assert parts.validation is None
    assert parts.test is not None
    assert (len(parts.training), len(parts.test)) == (1438, 359)
    model = make_model(config, parts)
    assert isinstance(model.optimizer, optim.SGD)
    assert "momentum=0.9" in repr(model.optimizer)
    assert isinstance(model.network, nn.Sequential)
    weight, bias = (p.numpy() for p in list(model.network.parameters())[:2])
    assert 0.09 < weight.std() < 0.11
    assert (bias == 0.25).all()
    outcome = run(model, config, parts, verbose=False)
    assert outcome.scores["accuracy"] > 0.9
    assert len(outcome.history.epochs) == 12
    assert outcome.model.classes == tuple("0123456789")
    assert isinstance(outcome.model.reader, data.DigitReader)
    assert outcome.model.reader.layout == "digits"


def test_the_seed_decides_the_initial_weights() -> None:
    config = config_of()
    parts = load_parts(config)
    one = make_model(config, parts)
    state = random.DEFAULT.state
    two = make_model(config, parts)
    assert random.DEFAULT.state == state
    for a, b in zip(one.network.parameters(), two.network.parameters(), strict=True):
        assert (a.numpy() == b.numpy()).all()


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_the_examples_are_short_and_right(path: Path) -> None:
    read_config(path)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) < 30


def test_defaults() -> None:
    config = config_of()
    parts = load_parts(config)
    sizes = [len(part) for part in (parts.training, parts.validation, parts.test) if part]
    assert sizes == [1437, 180, 180]
    model = make_model(config, parts)
    assert model.loss_name == "cross_entropy"
    assert isinstance(model.optimizer, optim.Adam)
    assert [metric.name for metric in model.metrics] == ["accuracy"]


def test_splits() -> None:
    parts = load_parts(config_of(data={"split": [0.5, 0.5]}))
    assert parts.validation is not None
    assert (len(parts.training), len(parts.validation), parts.test) == (899, 898, None)
    assert (
        np.abs(np.bincount(parts.training.targets) - np.bincount(parts.validation.targets)).max()
        <= 2
    )
    parts = load_parts(config_of(data={"split": [1]}))
    assert (len(parts.training), parts.validation, parts.test) == (1797, None, None)
    parts = load_parts(config_of(data={"split": [0.5, 0.5], "stratify": False}))
    assert parts.validation is not None
    assert (np.bincount(parts.training.targets) != np.bincount(parts.validation.targets)).any()


def test_a_set_with_a_test_part(data_folder: Path) -> None:
    parts = load_parts(config_of(data={"name": "mnist", "split": [0.9, 0.1]}), data_dir=data_folder)
    assert [len(part) for part in (parts.training, parts.validation, parts.test) if part] == [
        54000,
        6000,
        10000,
    ]
    with pytest.raises(
        ArgumentError, match=r"data.split: the data have a test part of their own, so"
    ):
        load_parts(
            config_of(data={"name": "mnist", "split": [0.8, 0.1, 0.1]}), data_dir=data_folder
        )


def test_unknown_and_missing_data(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="did you mean 'digits'"):
        load_parts(config_of(data={"name": "digit"}))
    with pytest.raises(DataError, match="--data-dir"):
        load_parts(config_of(data={"name": "mnist"}), data_dir=tmp_path)


@pytest.mark.parametrize(
    ("training", "code", "shape"),
    [
        ({"loss": "quadratic_cost"}, None, (10,)),
        ({"loss": "binary_cross_entropy_with_logits"}, None, (10,)),
        ({"loss": "negative_log_likelihood"}, None, ()),
        ({"loss": "mean_squared_error"}, "tanh", (10,)),
    ],
)
def test_targets_follow_the_loss(
    training: dict[str, Any], code: str | None, shape: tuple[int, ...]
) -> None:
    config = config_of(data={"target_code": code} if code else {})
    parts = load_parts(config)
    chosen = code_of(config.data, parts.training, training["loss"])
    _, targets = encoded(parts.training, chosen)
    assert targets.shape[1:] == shape
    if code:
        assert targets.min() < 0


def test_two_classes_and_one_output() -> None:
    digits = load_parts(config_of()).training
    two = data.Dataset(
        inputs=digits.inputs, targets=digits.targets % 2, classes=("even", "odd"), name="parity"
    )
    config = config_of(
        network={"layers": [{"layer": "Flatten"}, {"layer": "MLP", "hidden": [32]}]},
        training={
            "loss": "binary_cross_entropy_with_logits",
            "optimizer": {"name": "Adam", "learning_rate": 0.01},
            "epochs": 10,
        },
    )
    parts = Parts(two, None, two)
    model = make_model(config, parts)
    outcome = run(model, config, parts, verbose=False)
    assert outcome.scores["binary_accuracy"] > 0.97
    assert model.predict(two.inputs[:3], probabilities=True).shape == (3, 1)


@pytest.mark.parametrize("outputs", [9, 11])
def test_other_outputs_than_classes_are_refused(outputs: int) -> None:
    layers = [{"layer": "Flatten"}, {"layer": "Linear", "out_features": outputs}]
    config = config_of(network={"layers": layers})
    message = rf"network\.layers: the last layer gives {outputs} outputs, 10 classes need 10"
    with pytest.raises(ArgumentError, match=message):
        make_model(config, load_parts(config))


def test_one_class_is_refused() -> None:
    whole = load_parts(config_of()).training
    one = data.Dataset(inputs=whole.inputs, targets=whole.targets * 0, classes=("a",), name="one")
    with pytest.raises(ArgumentError, match=r"data: there is only one class, 'a'; at least 2"):
        make_model(config_of(), Parts(one, None, one))


def test_a_regression(data_folder: Path) -> None:
    config = config_of(
        data={"name": "birth_life_2010", "divide_by": None, "standardize": True},
        network={"layers": [{"layer": "Linear"}]},
        training={"optimizer": {"name": "Adam", "learning_rate": 0.5}, "epochs": 100},
    )
    parts = load_parts(config, data_dir=data_folder)
    model = make_model(config, parts)
    assert isinstance(model.preprocessing, Standardizer)
    outcome = run(model, config, parts, verbose=False)
    assert outcome.scores["root_mean_squared_error"] < 7  # the line itself leaves 5.5 on all rows
    wrong = config_of(data={"name": "birth_life_2010", "target_code": "one_hot"})
    with pytest.raises(ArgumentError, match=r"data.target_code: 'one_hot' needs classes"):
        make_model(wrong, parts)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"data": {"divide_by": None}}, "data: the inputs are whole numbers of up to 16; choose"),
        (
            {"data": {"target_code": "binary"}},
            "data.target_code: 'binary' needs 2 classes, found 10",
        ),
        (
            {"training": {"optimizer": {"name": "SGD", "momentum": -1}}},
            "training.optimizer: SGD: momentum must not be negative",
        ),
        (
            {"network": {"biases": {"init": "constant", "value": "a"}}},
            "network.biases: ",
        ),
    ],
)
def test_values_that_are_refused(sections: dict[str, dict[str, Any]], message: str) -> None:
    config = config_of(**sections)
    with pytest.raises(ArgumentError) as caught:
        make_model(config, load_parts(config))
    assert str(caught.value).startswith(message)


CONVOLUTION = [
    {"layer": "Conv2d", "out_channels": 4, "kernel_size": 3},
    {"layer": "ReLU"},
    {"layer": "Flatten"},
    {"layer": "Linear"},
]


def test_pictures_for_convolutions_have_their_channels_in_front(tmp_path: Path) -> None:
    config = config_of(network={"layers": CONVOLUTION}, training={"epochs": 3})
    parts = load_parts(config)
    model = make_model(config, parts)
    assert model.preprocessing == ChannelsFirst(Division(16))
    outcome = run(model, config, parts, verbose=False)
    assert outcome.scores["accuracy"] > 0.8
    outcome.model.save(tmp_path / "run")
    again = Model.load(tmp_path / "run")
    x = data.digits().inputs[:9]
    np.testing.assert_array_equal(again.predict(x), outcome.model.predict(x))


def test_channels_by_hand() -> None:
    flat = config_of(data={"channels_first": True})
    assert make_model(flat, load_parts(flat)).preprocessing == ChannelsFirst(Division(16))
    config = config_of(data={"channels_first": False}, network={"layers": CONVOLUTION})
    with pytest.raises(ArgumentError, match=r"network.layers\[0\]: Conv2d"):
        make_model(config, load_parts(config))
    both = {"kind": "LeNet5", "layers": CONVOLUTION}
    with pytest.raises(ArgumentError, match=r"network.kind: give the name of a network or its"):
        config_of(network=both)
