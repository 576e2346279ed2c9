"""Pictures: every mode of PNG and JPEG, damage, and drawings made fit for the digit networks."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from neurona.core.errors import ArgumentError, DataError, DTypeError, ShapeError
from neurona.data import digits, mnist, prepare_digit, read_image

RED, GREEN = (255, 0, 0), (0, 255, 0)


def png(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, "PNG", **options)
    return path


def test_rgb_and_grey(tmp_path: Path, rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    path = png(tmp_path / "a.png", Image.fromarray(pixels))
    np.testing.assert_array_equal(read_image(path), pixels)
    grey = read_image(path, grey=True)
    assert (grey.shape, grey.dtype) == ((5, 7), np.uint8)
    assert np.abs(grey - pixels @ [0.299, 0.587, 0.114]).max() < 1
    path = png(tmp_path / "b.png", Image.fromarray(grey))
    np.testing.assert_array_equal(read_image(path, grey=True), grey)
    np.testing.assert_array_equal(read_image(path), np.dstack([grey] * 3))


def test_black_and_white(tmp_path: Path) -> None:
    image = Image.new("1", (2, 1))
    image.putpixel((1, 0), 255)
    assert read_image(png(tmp_path / "a.png", image), grey=True).tolist() == [[0, 255]]


def test_palette_with_and_without_transparency(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, *GREEN])
    image.putpixel((1, 0), 1)
    path = png(tmp_path / "a.png", image)
    assert read_image(path).tolist() == [[[255, 0, 0], [0, 255, 0]]]
    path = png(tmp_path / "b.png", image, transparency=1)
    assert read_image(path, background=9).tolist() == [[[255, 0, 0], [9, 9, 9]]]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_pixels_show_the_background(tmp_path: Path, mode: str) -> None:
    image = Image.new(mode, (3, 1))
    grey = (40,) if mode == "LA" else (40, 40, 40)
    for x, alpha in enumerate((255, 0, 51)):
        image.putpixel((x, 0), (*grey, alpha))
    path = png(tmp_path / "a.png", image)
    assert read_image(path, grey=True, background=100).tolist() == [[40, 100, 88]]
    assert read_image(path, background=0).tolist() == [[[40] * 3, [0] * 3, [8] * 3]]
    assert read_image(path, grey=True)[0, 1] == 255  # dark on white
    bright = Image.new("LA", (2, 1), (250, 255))
    bright.putpixel((0, 0), (250, 0))
    assert read_image(png(tmp_path / "b.png", bright), grey=True).tolist() == [[0, 250]]
    empty = Image.new("LA", (2, 1), (0, 0))
    assert read_image(png(tmp_path / "c.png", empty), grey=True).tolist() == [[255, 255]]


def test_a_colour_declared_transparent(tmp_path: Path) -> None:
    image = Image.new("RGB", (2, 1), RED)
    image.putpixel((1, 0), GREEN)
    path = png(tmp_path / "a.png", image, transparency=RED)
    assert read_image(path, background=7).tolist() == [[[7, 7, 7], [0, 255, 0]]]


def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    levels = np.array([[0, 128, 129, 256, 257 * 100, 40000, 65535]], dtype=np.uint16)
    path = png(tmp_path / "a.png", Image.fromarray(levels))
    expected = [[0, 0, 1, 1, 100, 156, 255]]
    assert read_image(path, grey=True).tolist() == expected
    assert read_image(path)[..., 2].tolist() == expected
    colour = png_of_bytes(
        2, 1, bits=16, kind=2, rows=[struct.pack(">6H", 65535, 0, 32768, 0, 0, 0)]
    )
    (tmp_path / "b.png").write_bytes(colour)
    assert read_image(tmp_path / "b.png").tolist() == [[[255, 0, 128], [0, 0, 0]]]


def png_of_bytes(width: int, height: int, *, bits: int, kind: int, rows: list[bytes]) -> bytes:
    """A PNG written by hand, for what Pillow reads but does not write."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    content = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", content), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGB", (16, 8), (200, 30, 60)).convert(mode)
    image.save(tmp_path / "a.jpg", quality=95)
    found = read_image(tmp_path / "a.jpg")
    assert found.shape == (8, 16, 3)
    if mode != "L":
        assert np.abs(found.astype(int) - [200, 30, 60]).max() < 12


def test_a_photo_is_turned_as_the_camera_was_held(tmp_path: Path) -> None:
    pixels = np.zeros((8, 16), dtype=np.uint8)
    pixels[:, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # the sensor's left side is up
    Image.fromarray(pixels).save(tmp_path / "a.jpg", exif=exif, quality=95)
    found = read_image(tmp_path / "a.jpg", grey=True)
    assert found.shape == (16, 8)
    assert found[:8].min() > 200
    assert found[8:].max() < 50


def test_what_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.png: no such file"):
        read_image(tmp_path / "none.png")
    (tmp_path / "a.png").write_text("hello")
    with pytest.raises(DataError, match=r"a\.png: not a PNG or JPEG"):
        read_image(tmp_path / "a.png")
    Image.new("L", (2, 2)).save(tmp_path / "a.gif")
    with pytest.raises(DataError, match=r"a\.gif: not a PNG or JPEG"):
        read_image(tmp_path / "a.gif")
    with pytest.raises(DataError, match=r": is a folder; name the pictures in it"):
        read_image(tmp_path)
    with pytest.raises(ArgumentError, match=r"background must be in 0…255, found 256"):
        read_image(tmp_path / "a.png", background=256)


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_damage_gives_one_error(tmp_path: Path, rng: np.random.Generator, form: str) -> None:
    """A flipped byte may leave a picture that can still be read; nothing else may come out."""
    content = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)).save(content, form)
    good = content.getvalue()
    path = tmp_path / "a"
    for cut in range(0, len(good) - 32, 7):  # a PNG's last chunks hold no pixels
        path.write_bytes(good[:cut])
        with pytest.raises(DataError, match=f"{path}: "):
            read_image(path)
    refused = 0
    for place in range(len(good)):
        path.write_bytes(good[:place] + bytes([good[place] ^ 0xFF]) + good[place + 1 :])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's about damaged metadata
            try:
                read_image(path)
            except DataError:
                refused += 1
    assert refused > 20


def test_a_picture_that_would_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    for side in (10_000, 60_000):
        path.write_bytes(png_of_bytes(side, side, bits=8, kind=0, rows=[b"\0"]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(DataError, match=r"bomb\.png: the picture is too large"):
                read_image(path)
        with pytest.raises(DataError, match=r"bomb\.png: the picture is too large"):
            read_image(path)


def photograph(digit: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A digit enlarged, in dark ink somewhere on a bright, slightly noisy sheet."""
    side = 140
    ink = np.asarray(Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC))
    sheet = np.full((220, 200), 230.0)
    top, left = rng.integers(0, 80), rng.integers(0, 60)
    sheet[top : top + side, left : left + side] -= ink / ink.max() * 190
    return np.clip(sheet + rng.normal(0, 3, sheet.shape), 0, 255).astype(np.uint8)


def nearest_neighbour(
    known: NDArray[np.uint8], labels: NDArray[np.int64], asked: NDArray[np.uint8]
) -> NDArray[np.int64]:
    a, b = (x.reshape(len(x), -1).astype(np.float32) for x in (known, asked))
    distance = (a**2).sum(axis=1) - 2 * b @ a.T
    return labels[distance.argmin(axis=1)]


def test_photographed_mnist_digits_are_recognised(
    data_folder: Path, rng: np.random.Generator
) -> None:
    """As well as the originals, by one nearest neighbour among 5,000 training digits."""
    train, test = mnist(data_folder)
    known = train.inputs[:5000], train.targets[:5000]
    originals, labels = test.inputs[:300], test.targets[:300]
    again = np.array([prepare_digit(one, "mnist") for one in originals])
    assert np.abs(again.astype(int) - originals).mean() < 0.5  # its own pictures stay as they are
    photos = np.array([prepare_digit(photograph(one, rng), "mnist") for one in originals])
    assert np.abs(photos.astype(int) - originals).mean() < 10  # the mean level is 33
    plain = (nearest_neighbour(*known, originals) == labels).mean()
    found = (nearest_neighbour(*known, photos) == labels).mean()
    assert plain > 0.9
    assert found > plain - 0.02


def test_photographed_uci_digits_are_recognised(rng: np.random.Generator) -> None:
    data = digits()
    known, asked = data.take(np.arange(1200)), data.take(np.arange(1200, 1400))
    photos = np.array([prepare_digit(photograph(one, rng), "digits") for one in asked.inputs])
    assert photos.shape == asked.inputs.shape
    assert photos.max() <= 16
    found = nearest_neighbour(known.inputs, known.targets, photos) == asked.targets
    assert found.mean() > 0.9
    small = prepare_digit(asked.inputs[0] * np.uint8(15), "digits")  # at its own size: unchanged
    peak = asked.inputs[0].max()
    assert np.abs(small - asked.inputs[0] * (16 / peak)).max() <= 0.5


@pytest.mark.parametrize("layout", ["mnist", "digits"])
def test_what_does_not_change_a_drawing(layout: str, rng: np.random.Generator) -> None:
    photo = photograph(digits().inputs[12], rng)
    plain = prepare_digit(photo, layout)
    np.testing.assert_array_equal(prepare_digit(255 - photo, layout), plain)  # chalk on a board
    wide = np.pad(photo, ((30, 5), (9, 60)), mode="edge")
    moved = prepare_digit(wide, layout)
    assert np.abs(moved.astype(int) - plain).mean() < 0.02 * plain.max()


def test_centre_of_mass_is_the_centre() -> None:
    picture = np.full((50, 50), 255, dtype=np.uint8)
    picture[5:25, 5:8] = 0  # an L, heavy at its left and bottom
    picture[22:25, 5:18] = 0
    digit = prepare_digit(picture, "mnist").astype(float)
    for axis in (0, 1):
        centre = digit.sum(axis=1 - axis) @ np.arange(28) / digit.sum()
        assert abs(centre - 14) <= 0.5
    rows, columns = digit.nonzero()
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20


@pytest.mark.parametrize("layout", ["mnist", "digits"])
@pytest.mark.parametrize("box", [(slice(3, 4), slice(0, 9)), (slice(0, 9), slice(3, 4)), (5, 5)])
def test_lines_and_dots(layout: str, box: Any) -> None:
    picture = np.zeros((9, 9), dtype=np.uint8)
    picture[box] = 255
    digit = prepare_digit(picture, layout)
    assert digit.max() == 255 if layout == "mnist" else digit.max() >= 8
    assert digit[4:, 3:-3].any()


def test_blank_and_wrong_pictures() -> None:
    for level in (0, 255, 128):
        with pytest.raises(DataError, match="looks blank: its ink is 0 grey levels"):
            prepare_digit(np.full((9, 9), level, dtype=np.uint8), "mnist")
    with pytest.raises(DTypeError, match="must be uint8, found float64"):
        prepare_digit(np.zeros((9, 9)), "mnist")
    for shape in ((9, 9, 3), (9,), (0, 9)):
        with pytest.raises(ShapeError, match="grey=True"):
            prepare_digit(np.zeros(shape, dtype=np.uint8), "mnist")
    with pytest.raises(ArgumentError, match=r"'minst'; did you mean 'mnist'\?"):
        prepare_digit(np.zeros((9, 9), dtype=np.uint8), "minst")
