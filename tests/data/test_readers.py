"""Readers: files to samples, and the reader itself to JSON and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from neurona.core.errors import ArgumentError, CheckpointError, DataError
from neurona.data import DigitReader, prepare_digit, read_image
from neurona.data.readers import reader_from_json, reader_to_json


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    paths = []
    for i in range(2):
        levels = np.full((40, 60), 255, dtype=np.uint8)
        levels[10 - i : 30, 12 : 16 + 2 * i] = 0
        paths.append(tmp_path / f"{i}.png")
        Image.fromarray(levels).save(paths[-1])
    return paths


def test_pictures_become_digits(pictures: list[Path]) -> None:
    for layout, shape in (("mnist", (2, 28, 28)), ("digits", (2, 8, 8))):
        names, inputs = DigitReader(layout).read(pictures)
        assert names == [str(path) for path in pictures]
        assert inputs.shape == shape
        for path, digit in zip(pictures, inputs, strict=True):
            one = prepare_digit(read_image(path, grey=True), layout)
            np.testing.assert_array_equal(digit, one)


def test_there_and_back() -> None:
    assert reader_to_json(None) is None
    assert reader_from_json(None) is None
    again = reader_from_json(reader_to_json(DigitReader("digits")))
    assert isinstance(again, DigitReader)
    assert again.layout == "digits"


def test_what_is_refused(pictures: list[Path]) -> None:
    with pytest.raises(ArgumentError, match="did you mean 'mnist'"):
        DigitReader("mnits")
    with pytest.raises(ArgumentError, match="no files"):
        DigitReader("mnist").read([])
    pictures[1].write_text("not a picture")
    with pytest.raises(DataError, match=r"1\.png: not a PNG or JPEG"):
        DigitReader("mnist").read(pictures)

    class Own(DigitReader):
        pass

    with pytest.raises(ArgumentError, match="a reader Own cannot be kept"):
        reader_to_json(Own("mnist"))


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ("digit", "'kind' with its state"),
        ({"layout": "mnist"}, "'kind' with its state"),
        ({"kind": "digits", "layout": "mnist"}, "unknown kind 'digits'; did you mean 'digit'"),
        ({"kind": "digit"}, "must hold 'layout'"),
        ({"kind": "digit", "layout": "m"}, "unknown layout 'm'"),
        ({"kind": "digit", "layout": []}, "unknown layout"),
    ],
)
def test_a_damaged_description(description: Any, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        reader_from_json(description)
