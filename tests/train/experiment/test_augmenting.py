"""Transformations of pictures in a configuration."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from neurona import data
from neurona.core.errors import ArgumentError
from neurona.train.experiment import load_parts, make_model, parse_config, read_config, run
from neurona.train.model import Model

from ...pages import blocks

NETWORK = {"layers": [{"layer": "Flatten"}, {"layer": "Linear"}]}


def config(augment: Any, **of_data: Any) -> Any:
    raw = {
        "data": {"name": "digits", "divide_by": 16, "augment": augment, **of_data},
        "network": NETWORK,
        "training": {"epochs": 1, "optimizer": {"name": "Adam", "learning_rate": 0.03}},
    }
    return parse_config(raw)


def folder_config(folder: Path, augment: Any, **of_data: Any) -> Any:
    return parse_config(
        {
            "data": {"images": str(folder), "divide_by": 255, "augment": augment, **of_data},
            "network": NETWORK,
            "training": {"epochs": 1, "batch_size": 4},
        }
    )


@pytest.fixture
def folder(tmp_path: Path, rng: np.random.Generator) -> Path:
    for number in range(20):
        path = tmp_path / "pictures" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (12, 14, 3), dtype=np.uint8)).save(path)
    return tmp_path / "pictures"


TEXT = """\
[data]
name = "digits"
divide_by = 16

[[data.augment]]
kind = "rotate"
degrees = 10

[[data.augment]]
kind = "noise"
std = 0.1

[network]
layers = [{ layer = "Flatten" }, { layer = "Linear" }]

[training]
epochs = 1
"""


def test_the_configurations_of_the_page() -> None:
    for text in blocks("augmentation.md", "toml"):
        raw = tomllib.loads(text)
        chosen = parse_config({**raw, "network": NETWORK, "training": {"epochs": 1}})
        assert len(chosen.data.augment) in (2, 3)


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        (
            '"rotate"',
            '"rotat"',
            ":5: data.augment[0]: unknown kind 'rotat'; did you mean 'rotate'?",
        ),
        ("std", "sdt", ":11: data.augment[1]: noise has no option 'sdt'; did you mean 'std'?"),
        ("std = 0.1", "std = -1", ":9: data.augment[1]: Noise: std must be at least 0"),
        ('kind = "noise"\n', "", ":9: data.augment[1]: 'kind' is missing"),
        ('"noise"\nstd = 0.1', '"normalise"', ":9: data.augment[1]: 'normalise' is done to all"),
        ("[[data.augment]]", "[data.augment]", ": not TOML"),
    ],
)
def test_mistakes_are_named_with_their_place(
    tmp_path: Path, right: str, wrong: str, message: str
) -> None:
    path = tmp_path / "run.toml"
    path.write_text(TEXT.replace(right, wrong, 1))
    with pytest.raises(ArgumentError) as caught:
        read_config(path)
    assert str(caught.value).startswith(f"{path}{message}"), caught.value


def test_only_what_is_learnt_from_is_transformed() -> None:
    plain, varied = load_parts(config([])), load_parts(config([{"kind": "noise", "std": 0.3}]))
    assert plain.augmented is None
    assert varied.augmented is not None
    for name, part in varied.named.items():
        np.testing.assert_array_equal(part.inputs, plain.named[name].inputs)  # type: ignore[union-attr]
    inputs, _ = varied.augmented.read_batch(np.arange(50))
    assert inputs.max() == 16
    assert (inputs != plain.training.inputs[:50]).mean() > 0.3  # type: ignore[union-attr]


def test_mixtures_are_learnt_from() -> None:
    chosen = config([{"kind": "translate"}, {"kind": "mixup"}])
    parts = load_parts(chosen)
    outcome = run(make_model(chosen, parts), chosen, parts, verbose=False)
    assert outcome.scores["accuracy"] > 0.6


def test_pictures_that_change_their_size(folder: Path, tmp_path: Path) -> None:
    """What is measured and predicted has the same size, from the middle."""
    steps = [{"kind": "crop", "size": [8, 9]}, {"kind": "colour_noise"}, {"kind": "mirror"}]
    middle = data.read_image(folder / "a" / "0.png")[2:10, 2:11]
    kept = load_parts(folder_config(folder, steps))
    assert kept.training.inputs.shape == (16, 8, 9, 3)  # type: ignore[union-attr]
    chosen = folder_config(folder, steps, workers=2)
    parts = load_parts(chosen)
    outcome = run(make_model(chosen, parts), chosen, parts, folder=tmp_path / "run", verbose=False)
    reader = Model.load(tmp_path / "run").reader
    assert reader is not None
    np.testing.assert_array_equal(reader.read([folder / "a" / "0.png"])[1][0], middle)
    assert reader.state()["then"] == [{"kind": "centre_crop", "size": [8, 9]}]
    assert outcome.model.predict(middle[None]).shape == (1, 2)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"augment": [{"kind": "crop", "size": 6}]}, r"gives pictures of \(6, 6\), the data have"),
        ({"augment": [{"kind": "crop", "size": 9}]}, r"data.augment: Crop: \(9, 9\) does not fit"),
        ({"augment": [{"kind": "colour_noise"}]}, "data.augment: ColourNoise: needs pictures in"),
        ({"augment": [{"kind": "mixup"}], "target_code": "tanh"}, "for data.target_code 'labels'"),
    ],
)
def test_what_does_not_fit(wrong: dict[str, Any], message: str) -> None:
    chosen = config(**wrong)
    with pytest.raises(ArgumentError, match=message):
        _run(chosen)


def _run(chosen: Any) -> None:
    parts = load_parts(chosen)
    run(make_model(chosen, parts), chosen, parts, verbose=False)


def test_tables_are_no_pictures(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x,y\n" + "1,a\n2,b\n" * 20)
    raw = {
        "data": {"file": str(path), "target": "y", "augment": [{"kind": "mirror"}]},
        "network": {"layers": [{"layer": "Linear"}]},
        "training": {"epochs": 1},
    }
    with pytest.raises(ArgumentError, match=r"data\.augment: transforms pictures"):
        load_parts(parse_config(raw))
