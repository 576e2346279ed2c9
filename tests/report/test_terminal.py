"""Digits in characters."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from neurona import data
from neurona.report.predictions import save_predictions
from neurona.report.terminal import PLAIN_SHADES, SHADES, draw, draw_row, shades_for


def test_a_digit_of_eight_rows() -> None:
    lines = draw(data.digits().inputs[0])
    assert lines[0] == "    ░░▓▓▒▒      "
    assert [len(line) for line in lines] == [16] * 8


def test_larger_pictures_are_halved() -> None:
    picture = np.zeros((28, 28))
    picture[4:24, 12:16] = 255
    lines = draw(picture)
    assert len(lines) == 14
    assert set(lines[6]) == {" ", "█"}
    assert lines[6] == " " * 12 + "█" * 4 + " " * 12
    assert set("".join(draw(np.zeros((17, 17))))) == {" "}


def test_characters_that_the_stream_has() -> None:
    assert shades_for(io.TextIOWrapper(io.BytesIO(), encoding="utf-8")) == SHADES
    assert shades_for(io.TextIOWrapper(io.BytesIO(), encoding="latin-1")) == PLAIN_SHADES
    assert shades_for(io.StringIO()) == PLAIN_SHADES
    text = draw_row([np.eye(2)], [["one"]], io.StringIO())
    assert text == "##\n  ##\none"


def test_captions_of_different_length() -> None:
    text = draw_row([np.eye(2), np.eye(2)], [["left"], ["right", "below"]], io.StringIO())
    assert text.splitlines() == [
        "##     ##",
        "  ##     ##",
        "left   right",
        "       below",
    ]


def test_a_picture_of_predictions(tmp_path: Path) -> None:
    from PIL import Image

    digits = data.digits().take(range(6))
    shares = np.full((6, 10), 0.05)
    shares[np.arange(6), [0, 1, 2, 3, 4, 9]] = 0.55
    path = tmp_path / "p.png"
    labels = [int(label) for label in digits.targets]
    save_predictions(path, digits.inputs, shares, labels, digits.classes, title="six")
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    assert len(pixels) > 200_000
    colours = {tuple(map(int, colour)) for colour in np.unique(pixels, axis=0)}
    assert {(0x1B, 0x78, 0x37), (0xB2, 0x18, 0x2B)} <= colours  # right ones and a wrong one
    assert [file.name for file in tmp_path.iterdir()] == ["p.png"]


def test_a_picture_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        save_predictions(
            tmp_path / "none" / "p.png", np.zeros((1, 2, 2)), np.ones((1, 1)), [0], ["a"]
        )
