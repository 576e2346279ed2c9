"""Configurations: what is right is read, what is wrong is named with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from neurona import data, nn, optim, random
from neurona.core.errors import ArgumentError, DataError
from neurona.data.standardize import Standardizer
from neurona.train.config import Config, parse_config, read_config
from neurona.train.experiment import load_parts, prepare, prepare_file, run

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TEXT = """\
seed = 3

[data]
name = "digits"
divide_by = 16
test = 0.2            # epochs = 7

[network]
weights = { init = "normal", std = 0.1 }
biases = { init = "constant", value = 0.25 }
layers = [
    { layer = "Flatten" },
    { layer = "Linear", in_features = 64, out_features = 16 },
    { layer = "ReLU" },
    { layer = "Linear", in_features = 16, out_features = 10 },
]

[training]
loss = "cross_entropy"
optimizer = { name = "SGD", learning_rate = 0.5, momentum = 0.9 }
epochs = 12
batch_size = 64
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "run.toml"
    file.write_text(TEXT, encoding="utf-8")
    return file


def test_a_run_from_a_file(path: Path) -> None:
    config, model = prepare_file(path)
    assert isinstance(model.optimizer, optim.SGD)
    assert "momentum=0.9" in repr(model.optimizer)
    assert isinstance(model.network, nn.Sequential)
    weight, bias = (p.numpy() for p in list(model.network.parameters())[:2])
    assert 0.09 < weight.std() < 0.11
    assert (bias == 0.25).all()
    parts = load_parts(config)
    assert (len(parts.training), len(parts.test), parts.validation) == (1438, 359, None)
    outcome = run(model, config, parts, verbose=False)
    assert outcome.scores["accuracy"] > 0.9
    assert len(outcome.history.epochs) == 12
    assert outcome.model.classes == tuple("0123456789")
    assert isinstance(outcome.model.reader, data.DigitReader)
    assert outcome.model.reader.layout == "digits"


def test_changes_of_the_command_line(path: Path) -> None:
    config, one = prepare_file(path, epochs=2, seed=8)
    assert (config.training.epochs, config.seed) == (2, 8)
    state = random.DEFAULT.state
    _, two = prepare_file(path, epochs=2, seed=8)
    assert random.DEFAULT.state == state
    for a, b in zip(one.network.parameters(), two.network.parameters(), strict=True):
        assert (a.numpy() == b.numpy()).all()


@pytest.mark.parametrize("name", ["digits", "mnist-mlp", "nielsen"])
def test_the_examples_are_right(name: str) -> None:
    config, model = prepare_file(EXAMPLES / f"{name}.toml")
    side = 8 if name == "digits" else 28
    assert model.network.summary((2, side, side)).rows[-1].output == ((2, 10),)
    assert config.data.name == name.partition("-")[0].replace("nielsen", "mnist")


WRONG = [
    ('name = "digits"', 'nmae = "digits"', ":4: data: unknown key 'nmae'; did you mean 'name'?"),
    ("[data]", "[dta]", ":3: the top: unknown key 'dta'; did you mean 'data'?"),
    ("seed = 3", "sede = 3", ":1: the top: unknown key 'sede'; did you mean 'seed'?"),
    (
        "seed = 3",
        "zzz = 3",
        ":1: the top: unknown key 'zzz' (known: data, network, training, seed)",
    ),
    (
        "batch_size",
        "batchsize",
        ":22: training: unknown key 'batchsize'; did you mean 'batch_size'",
    ),
    ('"ReLU"', '"RELU"', ":14: network.layers[2]: unknown layer 'RELU'; did you mean 'ReLU'?"),
    ("in_features = 64", "in_feature = 64", ":13: network.layers[1]: Linear has no argument 'in_f"),
    ("out_features = 16", "out_features = 0", ": network.layers[1]: Linear: out_features must be"),
    ('{ layer = "ReLU" }', "{ }", ": network.layers[2]: 'layer' with the name of a layer is miss"),
    ('"normal"', '"nromal"', ":9: network.weights: unknown init 'nromal'; did you mean 'normal'?"),
    ("std", "sdt", ":9: network.weights: normal has no option 'sdt'; did you mean 'std'?"),
    ("value = 0.25", 'value = "a"', ": network.biases: "),
    ('"cross_entropy"', '"crossentropy"', ":19: training.loss: unknown name 'crossentropy'; did"),
    ('"SGD"', '"SDG"', ":20: training.optimizer: unknown name 'SDG'; did you mean 'SGD'?"),
    ("momentum", "momentun", ":20: training.optimizer: SGD has no option 'momentun'; did you me"),
    ("momentum = 0.9", "momentum = -1", ": training.optimizer: SGD: momentum must not be neg"),
    ('name = "SGD", ', "", ": training.optimizer: 'name' is missing"),
    ("epochs = 12", 'epochs = "12"', ":21: training.epochs: expected `int`, got `str`"),
    ("epochs = 12", "epochs = 0", ":21: training.epochs: must be at least 1, found 0"),
    ("epochs = 12\n", "", "training: object missing required field `epochs`"),
    ("batch_size = 64", "metrics = ['acuracy']", ":22: training.metrics: unknown name 'acuracy'"),
    ("test = 0.2", "test = 1.0", ":6: data.test: a share is in 0…1, below 1, found 1.0"),
    ("divide_by = 16", "divide_by = 0", ":5: data.divide_by: must not be 0"),
    ("divide_by = 16", "divide_by = 1\nstandardize = true", "give divide_by or standardize, not"),
    ("divide_by = 16", 'targets = "onehot"', "data.targets: invalid enum value 'onehot'"),
    ("seed = 3", "seed = -3", ":1: seed: must be at least 0, found -3"),
    ("[data]", "[data", ": not TOML: "),
]


@pytest.mark.parametrize(("right", "wrong", "message"), WRONG)
def test_mistakes_are_named_with_their_place(
    path: Path, right: str, wrong: str, message: str
) -> None:
    assert TEXT.count(right) >= 1
    path.write_text(TEXT.replace(right, wrong, 1), encoding="utf-8")
    with pytest.raises(ArgumentError) as caught:
        prepare_file(path)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert message in text, text
    assert "\n" not in text


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="no such file"):
        read_config(tmp_path / "none.toml")
    with pytest.raises(ArgumentError, match="cannot be read"):
        read_config(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ArgumentError, match="cannot be read"):
        read_config(tmp_path / "binary.toml")
    with pytest.raises(ArgumentError, match=r"network.layers: there are none"):
        read_config(
            _file(tmp_path, TEXT.partition("layers = [")[0] + "layers = []\n" + _training())
        )
    with pytest.raises(ArgumentError, match="data: expected `object`, got `int`"):
        parse_config({"data": 3, "network": {"layers": []}, "training": {}})


def _training() -> str:
    return "[training]" + TEXT.partition("[training]")[2]


def _file(folder: Path, text: str) -> Path:
    path = folder / "written.toml"
    path.write_text(text, encoding="utf-8")
    return path


def changed(**sections: dict[str, object]) -> Config:
    raw = {
        "data": {"name": "digits"},
        "network": {"layers": [{"layer": "Flatten"}]},
        "training": {"loss": "mean_squared_error", "optimizer": {"name": "Adam"}, "epochs": 1},
    }
    return parse_config({name: {**table, **sections.get(name, {})} for name, table in raw.items()})


def test_parts() -> None:
    parts = load_parts(changed(data={"test": 0.5, "validation": 0.1}))
    assert parts.validation is not None
    sizes = (len(parts.training), len(parts.validation), len(parts.test))
    assert sizes == (809, 90, 898)
    with pytest.raises(ArgumentError, match=r"data.test: 'digits' has no test part"):
        load_parts(changed(data={"test": 0.0}))
    with pytest.raises(ArgumentError, match="did you mean 'digits'"):
        load_parts(changed(data={"name": "digit"}))


def test_missing_data(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--data-dir"):
        load_parts(changed(data={"name": "mnist"}), data_dir=tmp_path)


def test_a_regression(data_folder: Path) -> None:
    config = changed(
        data={"name": "birth_life_2010", "standardize": True},
        network={"layers": [{"layer": "Linear", "in_features": 1, "out_features": 1}]},
        training={
            "optimizer": {"name": "Adam", "learning_rate": 0.5},
            "metrics": ["root_mean_squared_error"],
            "epochs": 100,
        },
    )
    model = prepare(config)
    outcome = run(model, config, load_parts(config, data_dir=data_folder), verbose=False)
    assert isinstance(model.preprocessing, Standardizer)
    assert outcome.scores["root_mean_squared_error"] < 7  # the line itself leaves 5.5 on all rows
    wrong = changed(data={"name": "birth_life_2010", "targets": "one_hot"})
    parts = load_parts(wrong, data_dir=data_folder)
    with pytest.raises(ArgumentError, match=r"data.targets: 'one_hot' needs classes"):
        run(model, wrong, parts, verbose=False)
