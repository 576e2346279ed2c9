"""Configurations: what is right is read, what is wrong is named with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from neurona.core.errors import ArgumentError
from neurona.train.experiment import parse_config, read_config

TEXT = """\
seed = 3

[data]
name = "digits"
divide_by = 16
split = [0.8, 0, 0.2]           # epochs = 7

[network]
weights = { init = "normal", std = 0.1 }
biases = { init = "constant", value = 0.25 }
layers = [
    { layer = "Flatten" },
    { layer = "Linear", out_features = 16 },
    { layer = "ReLU" },
    { layer = "Linear", in_features = 16 },
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


WRONG = [
    ('name = "digits"', 'nmae = "digits"', ":4: data: unknown key 'nmae'; did you mean 'name'?"),
    ("[data]", "[dta]", ":3: the top: unknown key 'dta'; did you mean 'data'?"),
    ("seed = 3", "sede = 3", ":1: the top: unknown key 'sede'; did you mean 'seed'?"),
    (
        "seed = 3",
        "zzz = 3",
        ":1: the top: unknown key 'zzz' (known: data, network, training, seed)",
    ),
    ("batch_size", "batchsize", ":22: training: unknown key 'batchsize'; did you mean 'batch_siz"),
    ('"ReLU"', '"RELU"', ":14: network.layers[2]: unknown layer 'RELU'; did you mean 'ReLU'?"),
    ("in_features = 16", "in_feature = 16", ":15: network.layers[3]: Linear has no argument 'in_"),
    (", out_features = 16", "", ":13: network.layers[1]: Linear needs out_features"),
    ('{ layer = "ReLU" }', "{ }", ":14: network.layers[2]: 'layer' with the name of a layer is m"),
    ('{ layer = "ReLU" }', "3", ":14: network.layers[2]: expected table, found whole number"),
    ('"normal"', '"nromal"', ":9: network.weights: unknown init 'nromal'; did you mean 'normal'?"),
    ("std", "sdt", ":9: network.weights: normal has no option 'sdt'; did you mean 'std'?"),
    ('"cross_entropy"', '"crossentropy"', ":19: training.loss: unknown name 'crossentropy'; did"),
    ('"SGD"', '"SDG"', ":20: training.optimizer: unknown name 'SDG'; did you mean 'SGD'?"),
    ("momentum", "momentun", ":20: training.optimizer: SGD has no option 'momentun'; did you me"),
    ('name = "SGD", ', "", ":20: training.optimizer: 'name' is missing"),
    ("epochs = 12", 'epochs = "12"', ":21: training.epochs: expected whole number, found string"),
    ("epochs = 12", "epochs = 0", ":21: training.epochs: must be at least 1, found 0"),
    ("epochs = 12\n", "", ":18: training: the key 'epochs' is missing"),
    ("batch_size = 64", "metrics = ['acuracy']", ":22: training.metrics: unknown name 'acuracy'"),
    ("0.8, 0, 0.2", "0.8, 0.1, 0.2", ":6: data.split: the shares must add up to 1"),
    ("0.8, 0, 0.2", "1.2, -0.2, 0", ":6: data.split: shares of the training, validation and test"),
    ("0.8, 0, 0.2", "0, 0.5, 0.5", ":6: data.split: the shares must add up to 1, the first above"),
    ("divide_by = 16", "divide_by = 0", ":5: data.divide_by: must be finite and not 0, found 0.0"),
    ("divide_by = 16", "divide_by = 1\nstandardize = true", ":6: data.standardize: give divide_by"),
    (
        "divide_by = 16",
        'target_code = "onehot"',
        ":5: data.target_code: invalid enum value 'onehot'",
    ),
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
        read_config(path)
    text = str(caught.value)
    assert text.startswith(f"{path}{message}"), text
    assert "\n" not in text


def test_a_mark_of_windows_editors_is_left_out(path: Path) -> None:
    path.write_text("\ufeff" + TEXT.replace("\n", "\r\n"), encoding="utf-8", newline="")
    assert read_config(path).config.training.epochs == 12


CHANGES = [
    ("training.epochs=many", "training.epochs: expected whole number, found string"),
    ("trainng.epochs=3", "the top: unknown key 'trainng'; did you mean 'training'?"),
    ("training.optimizer.momentun=0", "training.optimizer: SGD has no option 'momentun'"),
    ("network.layers[2].layer=RLU", "network.layers[2]: unknown layer 'RLU'; did you mean 'ReLU'?"),
    ("training.metrics=[1]", "training.metrics[0]: expected string or table, found whole number"),
    ("data.delimiter=;", "';' is no TOML value; a text needs quotes, as in --set 'data.del"),
    ("data.split=0.5", "data.split: expected list, found number"),
]


@pytest.mark.parametrize(("written", "message"), CHANGES)
def test_mistakes_of_changes_name_the_change(path: Path, written: str, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        read_config(path, [written])
    assert str(caught.value).startswith(f"--set {written}: {message}")


def test_the_text_of_a_configuration(path: Path, tmp_path: Path) -> None:
    assert read_config(path).to_toml() == TEXT
    changed = read_config(path, ["training.epochs=3", "data.divide_by=8"])
    assert (changed.config.training.epochs, changed.config.data.divide_by) == (3, 8.0)
    again = tmp_path / "again.toml"
    again.write_text(changed.to_toml(), encoding="utf-8")
    assert read_config(again).config == changed.config
    assert '    { layer = "ReLU" },\n' in changed.to_toml()


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="no such file"):
        read_config(tmp_path / "none.toml")
    with pytest.raises(ArgumentError, match="cannot be read"):
        read_config(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ArgumentError, match="cannot be read"):
        read_config(tmp_path / "binary.toml")
    empty = {"data": {"name": "digits"}, "network": {"layers": []}, "training": {"epochs": 1}}
    with pytest.raises(ArgumentError, match=r"network.layers: there are none"):
        parse_config(empty)
    with pytest.raises(ArgumentError, match="data: expected table, found whole number"):
        parse_config({**empty, "data": 3})
