"""Real files of every kind in a folder of pictures: read alike, or refused with the file's name."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from neurona import data, nn, random, train
from neurona.core.errors import DataError
from neurona.data import augmentation as aug


def pixels() -> NDArray[np.uint8]:
    """(20, 24, 3), smooth, so that JPEG keeps it; brighter to the right, redder to the bottom."""
    y, x = np.mgrid[:20, :24]
    return np.stack([y * 10 + 20, x * 8 + 30, 255 - x * 8], axis=-1).astype(np.uint8)


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    content = io.BytesIO()
    image.save(content, form, **options)
    return content.getvalue()


def put(folder: Path, name: str, content: bytes) -> Path:
    path = folder / "kind" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


COLOUR = Image.fromarray(pixels())
GREY = COLOUR.convert("L")
TURNED = Image.Exif()
TURNED[0x0112] = 8  # the sensor's right side is up

# Name → the file, and what it shows: the picture in colour, or its grey levels.
READ: dict[str, tuple[bytes, Image.Image]] = {
    "rgb.png": (encoded(COLOUR, "PNG"), COLOUR),
    "grey.png": (encoded(GREY, "PNG"), GREY),
    "sixteen_bits.png": (
        encoded(Image.fromarray(np.asarray(GREY).astype(np.uint16) * 257), "PNG"),
        GREY,
    ),
    "opaque.png": (encoded(COLOUR.convert("RGBA"), "PNG"), COLOUR),
    "grey_alpha.png": (encoded(GREY.convert("LA"), "PNG"), GREY),
    "palette.png": (encoded(COLOUR.quantize(256), "PNG"), COLOUR.quantize(256).convert("RGB")),
    "two_levels.png": (encoded(COLOUR.convert("1"), "PNG"), COLOUR.convert("1").convert("L")),
    "animated.png": (
        encoded(COLOUR, "PNG", save_all=True, append_images=[COLOUR.transpose(0)]),
        COLOUR,
    ),
    "rgb.jpg": (encoded(COLOUR, "JPEG", quality=98, subsampling=0), COLOUR),
    "grey.jpg": (encoded(GREY, "JPEG", quality=98), GREY),
    "cmyk.jpg": (encoded(COLOUR.convert("CMYK"), "JPEG", quality=98, subsampling=0), COLOUR),
    "ycbcr.jpg": (encoded(COLOUR.convert("YCbCr"), "JPEG", quality=98, subsampling=0), COLOUR),
    "progressive.jpg": (
        encoded(COLOUR, "JPEG", quality=98, progressive=True, subsampling=0),
        COLOUR,
    ),
    "jpeg_by_another_name.png": (encoded(COLOUR, "JPEG", quality=98, subsampling=0), COLOUR),
    "turned.jpg": (
        encoded(COLOUR.transpose(Image.Transpose.ROTATE_270), "JPEG", quality=98, exif=TURNED),
        COLOUR,
    ),
}


@pytest.mark.parametrize("name", READ)
def test_what_is_read(tmp_path: Path, name: str) -> None:
    content, shown = READ[name]
    put(tmp_path, name, content)
    for grey in (False, True):
        source = data.ImageFolder(tmp_path, grey=grey)
        found, _ = source.read_batch(np.array([0]))
        expected = np.asarray(shown.convert("RGB").convert("L" if grey else "RGB")).astype(int)
        assert found.dtype == np.uint8
        assert found.shape == (1, *expected.shape) == (1, *source.shape)
        apart = np.abs(found[0] - expected)
        assert apart.max() <= (0 if name.endswith(".png") and "jpeg" not in name else 12)
        assert apart.mean() < 3


JPEG = encoded(COLOUR.resize((200, 180)), "JPEG")
REFUSED: dict[str, tuple[bytes, str]] = {
    "empty.png": (b"", "not a PNG or JPEG picture but an empty file"),
    "text.png": (b"I am a picture, honestly.", "not a PNG or JPEG picture; convert it to one"),
    "animated_gif.png": (
        encoded(COLOUR, "GIF", save_all=True, append_images=[COLOUR.transpose(0)]),
        "not a PNG or JPEG picture but GIF; convert it to one",
    ),
    "webp.jpg": (encoded(COLOUR, "WEBP"), "not a PNG or JPEG picture but WebP; convert it to one"),
    "tiff.jpg": (encoded(COLOUR, "TIFF"), "not a PNG or JPEG picture but TIFF; convert it to one"),
    "bmp.png": (encoded(COLOUR, "BMP"), "not a PNG or JPEG picture but BMP; convert it to one"),
    "half.jpg": (JPEG[: len(JPEG) // 2], "damaged or truncated picture: image file is truncated"),
    "half.png": (encoded(COLOUR, "PNG")[:70], "damaged or truncated picture"),
    "header_only.jpg": (JPEG[:20], "not a PNG or JPEG picture"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(tmp_path: Path, name: str) -> None:
    content, message = REFUSED[name]
    put(tmp_path, "0.png", READ["rgb.png"][0])
    path = put(tmp_path, name, content)
    source = data.augment(data.ImageFolder(tmp_path, 16), [aug.Mirror()])
    with (
        data.StreamLoader(source, batch_size=1, shuffle=False) as loader,
        pytest.raises(DataError, match=f"^{re.escape(str(path))}: {re.escape(message)}"),
    ):
        list(loader.epoch(0))
    with pytest.raises(DataError, match=re.escape(str(path))):
        data.ImageFolder(tmp_path, 16).load()


def test_pictures_of_mixed_size(tmp_path: Path) -> None:
    """Brought to one size where one is given, else named."""
    put(tmp_path, "0.png", READ["rgb.png"][0])
    path = put(tmp_path, "1.jpg", JPEG)
    x, _ = data.ImageFolder(tmp_path, (10, 12)).read_batch(np.arange(2))
    assert np.abs(x[0].astype(int) - x[1]).mean() < 6  # the same picture, larger
    message = f"{path}: has 180 rows and 200 columns, kind/0.png has 20 and 24; give a size"
    with pytest.raises(DataError, match=re.escape(message)):
        data.ImageFolder(tmp_path).read_batch(np.arange(2))


def test_a_damaged_picture_ends_the_training_with_its_name(tmp_path: Path) -> None:
    """What was learnt before stays as it was."""
    for number in range(6):
        put(tmp_path, f"{number}.png", READ["rgb.png"][0])
    path = put(tmp_path, "7.jpg", JPEG[: len(JPEG) // 2])
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "0.png").write_bytes(READ["grey.png"][0])
    random.seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(8 * 8 * 3, 2))
    model = train.Model(network, preprocessing=train.Division(255))
    model.compile("SGD")
    source = data.ImageFolder(tmp_path, 8)
    with (
        data.StreamLoader(source, batch_size=2, shuffle=False) as loader,
        pytest.raises(DataError, match=re.escape(str(path))),
    ):
        model.fit(loader, verbose=False)
    assert np.isfinite(model.predict(np.zeros((1, 8, 8, 3), np.uint8))).all()
