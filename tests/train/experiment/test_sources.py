"""Where the samples of configurations come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from neurona import data
from neurona.core.errors import ArgumentError, DataError
from neurona.data.dataset import Dataset
from neurona.data.source import Source
from neurona.train.experiment import Config, load_parts, make_model, parse_config, run
from neurona.train.model import Model

LINEAR = {"layers": [{"layer": "Flatten"}, {"layer": "Linear"}]}


def config_of(training: dict[str, Any] | None = None, **table: Any) -> Config:
    return parse_config(
        {"data": table, "network": LINEAR, "training": {"epochs": 2, **(training or {})}}
    )


@pytest.fixture
def people(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    lines = ["id;day;age;job;pay"]
    for number in range(60):
        age, job = rng.integers(20, 60), rng.choice(["cook", "baker", "n/a"])
        pay = "low" if age < 40 else "high"
        lines.append(f"{number // 3};{number};{age};{job};{pay}")
    path = tmp_path / "people.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def table_config(path: Path, **more: Any) -> Config:
    options = {"file": path.name, "delimiter": ";", "missing": ["n/a"], "target": "pay"}
    return config_of(**{**options, **more})


def test_numbers_are_no_classes(people: Path) -> None:
    options = {"target": "age", "ignore": ["id", "day"]}
    config = table_config(people, **options, training={"loss": "cross_entropy"})
    message = r'training\.loss: .cross_entropy. is for classes.*kinds = { "age" = "categorical" }'
    with pytest.raises(ArgumentError, match=message):
        make_model(config, load_parts(config, base=people.parent))


def test_a_table(people: Path, tmp_path: Path) -> None:
    config = table_config(people, ignore=["id", "day"], split=[0.8, 0, 0.2])
    parts = load_parts(config, base=people.parent)
    assert isinstance(parts.training, Dataset)
    assert parts.training.axes["feature"] == ("age", "job=baker", "job=cook", "job missing")
    assert parts.training.classes == ("high", "low")
    assert np.abs(parts.training.inputs[:, 0].mean()) < 1e-6
    model = make_model(config, parts)
    run(model, config, parts, verbose=False)
    model.save(tmp_path / "run")
    reader = Model.load(tmp_path / "run").reader
    assert isinstance(reader, data.TableReader)
    names, inputs = reader.read([people])
    assert names[0] == f"{people}:2"
    assert inputs.shape == (60, 4)


def test_columns_group_and_time(people: Path) -> None:
    parts = load_parts(table_config(people, features=["age"], group="id"), base=people.parent)
    assert isinstance(parts.training, Dataset)
    assert parts.training.axes["feature"] == ("age",)
    assert len(parts.training) % 3 == 0
    parts = load_parts(table_config(people, features=["day"], time="day"), base=people.parent)
    assert isinstance(parts.training, Dataset)
    assert isinstance(parts.test, Dataset)
    assert parts.training.inputs.max() < parts.test.inputs.min()
    regression = load_parts(table_config(people, target="age", ignore=["id"]), base=people.parent)
    assert regression.training.classes == ()


def test_rows_without_an_answer_are_left_out(people: Path) -> None:
    text = people.read_text(encoding="utf-8")
    people.write_text(text.replace("low", "n/a", 3), encoding="utf-8")
    parts = load_parts(table_config(people), base=people.parent)
    assert parts.left_out == 3
    assert sum(map(len, parts.named.values())) == 57
    people.write_text(text.replace("low", "n/a").replace("high", "n/a"), encoding="utf-8")
    with pytest.raises(DataError, match="no row has a value in the target column 'pay'"):
        load_parts(table_config(people), base=people.parent)


def test_adult(data_folder: Path) -> None:
    config = config_of(name="adult", split=[0.01, 0.99], ignore=["native-country"])
    parts = load_parts(config, data_dir=data_folder)
    assert parts.training.classes == ("<=50K", ">50K")
    assert (len(parts.training), len(parts.test or ())) == (326, 16281)
    assert isinstance(parts.training, Dataset)
    assert not any("native" in name for name in parts.training.axes["feature"] or ())


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    digits = data.digits()
    for number in range(60):
        place = tmp_path / "pictures" / str(digits.targets[number] % 3)
        place.mkdir(parents=True, exist_ok=True)
        picture = (digits.inputs[number] * 15).astype(np.uint8)
        Image.fromarray(picture).resize((20, 16)).save(place / f"{number}.png")
    return tmp_path / "pictures"


def test_pictures_from_memory_and_from_disk_are_the_same_run(
    pictures: Path, tmp_path: Path
) -> None:
    weights = []
    for workers in (0, 2):
        options = {"images": "pictures", "size": 12, "grey": True, "divide_by": 255}
        config = config_of(**options, workers=workers)
        parts = load_parts(config, base=pictures.parent)
        assert isinstance(parts.training, Source if workers else Dataset)
        sizes = [len(part) for part in parts.named.values()]
        assert sizes == [48, 6, 6]
        model = make_model(config, parts)
        outcome = run(model, config, parts, verbose=False)
        assert set(outcome.scores) == {"loss", "accuracy"}
        weights.append(next(iter(model.network.parameters())).numpy())
    np.testing.assert_array_equal(*weights)
    model.save(tmp_path / "run")
    reader = Model.load(tmp_path / "run").reader
    assert isinstance(reader, data.ImageReader)
    _, inputs = reader.read(sorted(pictures.rglob("*.png"))[:2])
    assert inputs.shape == (2, 12, 12)


def test_streams_with_other_codes_and_weights(pictures: Path) -> None:
    config = config_of(
        {"loss": "mean_squared_error", "class_weight": "balanced"},
        images=str(pictures),
        workers=1,
        divide_by=255,
    )
    parts = load_parts(config)
    model = make_model(config, parts)
    assert run(model, config, parts, verbose=False).scores["accuracy"] >= 0


def test_streams_are_standardised_as_arrays_are(pictures: Path) -> None:
    found = []
    for workers in (0, 2):
        config = config_of(images=str(pictures), workers=workers, standardize=True)
        standardizer = make_model(config, load_parts(config)).preprocessing
        assert isinstance(standardizer, data.Standardizer)
        found.append([standardizer.mean.item(), standardizer.scale.item()])
    np.testing.assert_allclose(*found, rtol=1e-12)


def test_files_of_arrays(tmp_path: Path) -> None:
    digits = data.digits().take(range(100))
    data.write_idx(tmp_path / "images.gz", digits.inputs)
    data.write_idx(tmp_path / "labels.gz", digits.targets.astype(np.uint8))
    np.savez(tmp_path / "both.npz", x=digits.inputs, y=digits.targets)
    for origin in (
        {"idx": ["images.gz", "labels.gz"]},
        {"npz": "both.npz", "inputs": "x", "targets": "y"},
    ):
        config = config_of(**origin, divide_by=16)
        parts = load_parts(config, base=tmp_path)
        assert parts.training.classes == digits.classes
        assert [len(part) for part in parts.named.values()] == [80, 10, 10]
        assert isinstance(parts.training, Dataset)
        assert set(map(bytes, parts.training.inputs)) < set(map(bytes, digits.inputs))


def test_paths_are_looked_for(
    people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    config = table_config(people)
    load_parts(config, base=people.parent)
    load_parts(config, data_dir=people.parent)
    monkeypatch.chdir(people.parent)
    load_parts(config)
    with pytest.raises(ArgumentError) as caught:
        load_parts(table_config(tmp_path / "none.csv"), base=tmp_path / "elsewhere")
    assert str(caught.value).startswith("data.file: 'none.csv' is not there; looked for ")
    assert str(tmp_path / "elsewhere" / "none.csv") in str(caught.value)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "data: one of name, file, images, idx, npz, text is needed, found none"),
        (
            {"name": "digits", "npz": "a"},
            "data: one of name, file, images, idx, npz, text is needed, fou",
        ),
        ({"name": "digits", "size": 3}, "data.size: belongs to images, not to name"),
        ({"images": "a", "group": "b"}, "data.group: belongs to name and file, not to images"),
        ({"file": "a.csv"}, "data.file: needs 'target', the column that is to be predicted"),
        ({"idx": ["a"]}, "data.idx: two files are needed"),
        ({"name": "adult", "group": "a", "time": "b"}, "data.time: give group or time, not both"),
        ({"images": "a", "workers": -1}, "data.workers: must be at least 0, found -1"),
        (
            {"images": "a", "resize": "crob"},
            "data.resize: invalid enum value 'crob'; did you mean 'crop'?",
        ),
    ],
)
def test_tables_of_data_that_are_wrong(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        config_of(**table)
    assert str(caught.value).startswith(message)


def test_data_that_do_not_fit(people: Path, pictures: Path) -> None:
    with pytest.raises(ArgumentError, match="no column 'pya'; did you mean 'pay'"):
        load_parts(table_config(people, target="pya"), base=people.parent)
    with pytest.raises(ArgumentError, match="no column 'ag'; did you mean 'age'"):
        load_parts(table_config(people, ignore=["ag"]), base=people.parent)
    with pytest.raises(ArgumentError, match=r"data.standardize: columns of tables are stand"):
        load_parts(table_config(people, standardize=True), base=people.parent)
    with pytest.raises(ArgumentError, match=r"data.features: 'digits' has no columns"):
        load_parts(config_of(name="digits", features=["a"]))
    config = config_of(images=str(pictures), workers=1)
    parts = load_parts(config)
    with pytest.raises(ArgumentError, match=r"data: the inputs are whole numbers of up to 255; ch"):
        make_model(config, parts)
    (pictures / "0" / "bad.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"bad\.png"):
        load_parts(config_of(images=str(pictures), divide_by=255))


TRAINING = [
    ({"schedule": "cosin"}, "training.schedule: unknown name 'cosin'; did you mean 'cosine'?"),
    ({"schedule": {"name": "step", "evry": 3}}, "training.schedule: step has no option 'evry'"),
    ({"loss": {"name": "huber", "dleta": 1}}, "training.loss: huber has no option 'dleta'; did"),
    ({"loss": "hubber"}, "training.loss: unknown name 'hubber'; did you mean 'huber'?"),
    ({"callbacks": {"early_stoping": {}}}, "training.callbacks: unknown name 'early_stoping'; did"),
    (
        {"callbacks": {"early_stopping": {"patients": 3}}},
        "training.callbacks.early_stopping: no option 'patients'; did you mean 'patience'?",
    ),
    (
        {"callbacks": {"early_stopping": {"patience": 0}}},
        "training.callbacks.early_stopping: EarlyStopping: patience is 1 epoch or more",
    ),
    (
        {"callbacks": {"early_stopping": 3}},
        "training.callbacks: expected table, found whole number",
    ),
    ({"metrics": [{"name": "f1", "averag": 1}]}, "training.metrics: f1 has no option 'averag'"),
    ({"class_weight": "balance"}, "training.class_weight: "),
]


@pytest.mark.parametrize(("training", "message"), TRAINING)
def test_training_that_is_wrong(training: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        config_of(training, name="digits")
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"frozen": ["7"]}, "training.frozen: the network has no layer '7'"),
        ({"learning_rates": {"x": 1}}, "training.learning_rates: the network has no layer 'x'"),
        ({"clip_norm": -1}, "training.clip_norm: must be positive, not -1.0"),
        ({"accumulate": 0}, "training.accumulate: is a number of batches"),
        ({"class_weight": {"ten": 2}}, "training.class_weight: there is no class 'ten'"),
    ],
)
def test_training_that_does_not_fit(training: dict[str, Any], message: str) -> None:
    config = config_of(training, name="digits", divide_by=16, split=[0.1, 0.9])
    parts = load_parts(config)
    with pytest.raises(ArgumentError) as caught:
        run(make_model(config, parts), config, parts, verbose=False)
    assert str(caught.value).startswith(message), str(caught.value)


def test_all_of_training_together() -> None:
    config = config_of(
        {
            "epochs": 9,
            "loss": {"name": "cross_entropy", "label_smoothing": 0.1},
            "optimizer": {"name": "SGD", "learning_rate": 0.1, "momentum": 0.9},
            "schedule": {"name": "cosine", "epochs": 9, "warm_up": 10},
            "callbacks": {
                "early_stopping": {"monitor": "loss", "patience": 2, "minimum_delta": 0.1}
            },
            "metrics": ["accuracy", {"name": "f1", "average": "macro"}],
            "class_weight": "balanced",
            "learning_rates": {"1": 0.0},
            "accumulate": 2,
            "clip_norm": 1.0,
            "l2": 1e-3,
        },
        name="digits",
        divide_by=16,
        split=[0.2, 0.8],
    )
    parts = load_parts(config)
    model = make_model(config, parts)
    outcome = run(model, config, parts, verbose=False)
    assert len(outcome.history.epochs) == 3  # nothing is learnt at a rate of 0, so it stops
    assert {"loss", "accuracy", "macro_f1", "validation_macro_f1"} <= set(outcome.history.values)
