"""Folders of pictures: classes and order, sizes, parts, and what is wrong with a folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from neurona.core.errors import ArgumentError, DataError
from neurona.data import ImageFolder, digits, read_image, resize_image

NAMES = ("b/2.png", "b/10.PNG", "b/deep/0.jpeg", "a/x.jpg", "a/.hidden.png", "a/notes.txt")


def picture(path: Path, level: int = 128, size: tuple[int, int] = (12, 8)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (level, 0, 255 - level)).save(path)


def tree(folder: Path, *names: str, **options: Any) -> Path:
    for name in names:
        if name.lower().endswith(("png", "jpg", "jpeg")):
            picture(folder / name, **options)
        else:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("?")
    return folder


def test_classes_and_files_in_order(tmp_path: Path) -> None:
    source = ImageFolder(tree(tmp_path, *NAMES, ".git/x.png", "readme.txt"))
    assert source.classes == ("a", "b")
    assert source.files == ["a/x.jpg", "b/10.PNG", "b/2.png", "b/deep/0.jpeg"]
    assert (source.targets.tolist(), source.targets.dtype) == ([0, 1, 1, 1], np.int64)
    assert (len(source), source.name(3), source.shape) == (4, "b/deep/0.jpeg", (8, 12, 3))
    assert repr(source) == f"ImageFolder {str(tmp_path)!r}: 4 pictures, 2 classes"
    x, y = source.read_batch(np.arange(4))
    assert (x.shape, x.dtype, y.tolist()) == ((4, 8, 12, 3), np.uint8, [0, 1, 1, 1])
    np.testing.assert_array_equal(x[2], read_image(tmp_path / "b" / "2.png"))
    part = source.take([3, 0])
    assert part.targets is not None
    assert (part.targets.tolist(), part.classes) == ([1, 0], ("a", "b"))


def test_real_digits_survive_the_folder(tmp_path: Path) -> None:
    known = digits().take(np.arange(40))
    for k, (pixels, label) in enumerate(zip(known.inputs, known.targets, strict=True)):
        path = tmp_path / known.classes[label] / f"{k:02}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray((pixels * 15).astype(np.uint8)).save(path)
    dataset = ImageFolder(tmp_path, grey=True).load()
    assert repr(dataset).endswith("inputs (40, 8, 8) uint8, targets (40,) int64, 10 classes")
    names = dataset.axes["sample"]
    assert names is not None
    order = [int(Path(name).stem) for name in names]
    np.testing.assert_array_equal(dataset.inputs, known.inputs[order] * 15)
    np.testing.assert_array_equal(dataset.targets, known.targets[order])
    assert list(dataset.axes) == ["sample", "row", "column"]


def test_sizes(tmp_path: Path) -> None:
    picture(tmp_path / "a/wide.png", size=(30, 10))
    picture(tmp_path / "a/high.png", size=(10, 30))
    mixed = ImageFolder(tmp_path)
    with pytest.raises(DataError, match=r"wide.png: has 10 rows and 30 columns, a/high.png has 30"):
        mixed.read_batch(np.arange(2))
    with pytest.raises(DataError, match="give a size"):
        mixed.load()
    assert ImageFolder(tmp_path, 8).load().inputs.shape == (2, 8, 8, 3)
    grey = ImageFolder(tmp_path, (6, 9), grey=True, resize="stretch")
    assert grey.shape == grey.load().inputs.shape[1:] == (6, 9)
    assert list(ImageFolder(tmp_path, 8).load().axes) == ["sample", "row", "column", "channel"]


def test_crop_and_stretch() -> None:
    columns = np.arange(40, dtype=np.uint8)[None, :].repeat(20, axis=0)
    np.testing.assert_array_equal(resize_image(columns, (20, 20)), columns[:, 10:30])
    halves = resize_image(columns, (10, 10))
    assert np.abs(halves[:, 1:-1] - np.arange(12.5, 27)[None, ::2][:, :8]).max() <= 0.5
    stretched = resize_image(columns, (20, 80), resize="stretch")
    assert (np.diff(stretched.astype(int), axis=1) >= 0).all()
    assert (stretched[0, 0], stretched[0, -1]) == (0, 39)
    colours = np.random.default_rng(0).integers(0, 256, (9, 14, 3), dtype=np.uint8)
    assert resize_image(colours, (9, 14)) is colours
    for size in ((3, 50), (50, 3), (1, 1), (7, 7)):
        for resize in ("crop", "stretch"):
            assert resize_image(colours, size, resize=resize).shape == (*size, 3)
    with pytest.raises(ArgumentError, match="unknown resize 'strech'; did you mean 'stretch'"):
        resize_image(colours, (3, 3), resize="strech")
    with pytest.raises(ArgumentError, match="at least 1 × 1"):
        resize_image(colours, (0, 3))


def test_parts(tmp_path: Path) -> None:
    tree(tmp_path, "train/cat/1.png", "train/dog/1.png", "val/dog/2.png", "test/cat/3.png")
    parts = ImageFolder.parts(tmp_path, size=4, grey=True)
    assert list(parts) == ["train", "validation", "test"]
    assert [part.files for part in parts.values()] == [
        ["cat/1.png", "dog/1.png"],
        ["dog/2.png"],
        ["cat/3.png"],
    ]
    assert [part.targets.tolist() for part in parts.values()] == [[0, 1], [1], [0]]
    assert {part.classes for part in parts.values()} == {("cat", "dog")}
    assert {part.shape for part in parts.values()} == {(4, 4)}
    assert list(ImageFolder.parts(tmp_path / "train")) == ["all"]
    with pytest.raises(DataError, match=r"holds parts of a data set \(test, train, val\)"):
        ImageFolder(tmp_path)
    picture(tmp_path / "valid/cat/1.png")
    with pytest.raises(DataError, match="has two validation parts: test, train, val, valid"):
        ImageFolder.parts(tmp_path)
    (tmp_path / "valid").rename(tmp_path / "bird")
    assert ImageFolder.parts(tmp_path)["all"].classes == ("bird", "test", "train", "val")


def test_a_class_that_training_does_not_have(tmp_path: Path) -> None:
    tree(tmp_path, "train/cat/1.png", "train/dog/1.png", "test/dgo/2.png")
    with pytest.raises(DataError, match="'dgo' is not one of the 2 classes; did you mean 'dog'"):
        ImageFolder.parts(tmp_path)


def test_folders_that_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: no such folder"):
        ImageFolder(tmp_path / "nowhere")
    picture(tmp_path / "flat/1.png")
    with pytest.raises(DataError, match="flat: has no subfolders; expected one for each class"):
        ImageFolder(tmp_path / "flat")
    with pytest.raises(DataError, match=r"1.png: cannot be read as a folder: Not a directory"):
        ImageFolder(tmp_path / "flat" / "1.png")
    tree(tmp_path, "some/cat/1.png", "some/dog/1.webp", "some/dog/2.webp")
    with pytest.raises(DataError, match=r"dog: no PNG or JPEG .* \(found 2 .webp; convert them"):
        ImageFolder(tmp_path / "some")
    (tmp_path / "some/ape").mkdir()
    with pytest.raises(DataError, match="ape: no PNG or JPEG pictures in this class; delete"):
        ImageFolder(tmp_path / "some")
    (tmp_path / "flat" / "back").symlink_to(tmp_path)
    with pytest.raises(DataError, match="a link leads back"):
        ImageFolder(tmp_path)
    for size in (0, (3,), (3, 0), "28", 28.0):
        with pytest.raises(ArgumentError, match=re.escape(f"found {size!r}")):
            ImageFolder(tmp_path / "some", size)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="unknown resize 'corp'; did you mean 'crop'"):
        ImageFolder(tmp_path / "some", resize="corp")
    with pytest.raises(ArgumentError, match="classes names one twice: ape, ape"):
        ImageFolder(tmp_path / "some", classes=["ape", "ape"])


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    tree(tmp_path, "a/1.png", "a/2.png")
    source = ImageFolder(tmp_path)
    whole = (tmp_path / "a/2.png").read_bytes()
    for content, text in ((whole[:50], "damaged or truncated"), (b"", "not a PNG or JPEG")):
        (tmp_path / "a/2.png").write_bytes(content)
        with pytest.raises(DataError, match=f"a/2.png: {text}"):
            source.load()
    (tmp_path / "a/2.png").unlink()
    with pytest.raises(DataError, match=r"a/2.png: no such file"):
        source.read_batch(np.arange(2))


def test_a_large_photograph_is_decoded_smaller(tmp_path: Path) -> None:
    coarse = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    photograph = Image.fromarray(coarse).resize((800, 600), Image.Resampling.BICUBIC)
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera was held upright
    for name, options in (("a.jpg", {}), ("b.jpg", {"exif": turned}), ("c.png", {})):
        path = tmp_path / name
        photograph.save(path, **options)
        whole = read_image(path)
        for size, resize in (((37, 37), "crop"), ((30, 70), "stretch"), ((500, 500), "crop")):
            small = read_image(path, size=size, resize=resize)
            expected = resize_image(whole, size, resize=resize)
            assert small.shape == expected.shape == (*size, 3)
            difference = np.abs(small.astype(int) - expected)
            assert difference.max() <= (8 if max(size) < 300 and name != "c.png" else 0)
