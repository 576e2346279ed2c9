"""NPZ files: what is written is read, Keras's names, every kind of damage."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurona.core.errors import ArgumentError, DataError, DTypeError, ShapeError
from neurona.data import Dataset, read_npz, write_npz

X, Y = np.arange(24, dtype=np.uint8).reshape(6, 2, 2), np.array([0, 1, 2, 0, 1, 2], np.uint8)


def test_keras_names(tmp_path: Path) -> None:
    path = tmp_path / "mnist.npz"
    np.savez(path, x_train=X, y_train=Y, x_test=X[:2], y_test=Y[:2])
    train, test = read_npz(path).values()
    assert list(read_npz(path)) == ["train", "test"]
    assert (train.name, train.classes, test.classes) == ("mnist-train", *[("0", "1", "2")] * 2)
    np.testing.assert_array_equal(train.inputs, X)
    np.testing.assert_array_equal(test.targets, Y[:2])


def test_one_part(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    np.savez_compressed(path, inputs=X, targets=Y / 2, other=Y)
    data = read_npz(path)["all"]
    assert (data.name, data.classes, data.targets.dtype) == ("mine", (), np.float64)
    np.savez(path, images=X, labels=Y)
    data = read_npz(path, inputs="images", targets="labels", classes=["a", "b", "c"])["all"]
    assert data.classes == ("a", "b", "c")


@pytest.mark.parametrize(
    ("targets", "classes", "expected"),
    [
        (Y, None, ("0", "1", "2")),
        (Y[:, None], None, ("0", "1", "2")),
        (Y, (), ()),
        (Y * 2, None, ()),  # 1 and 3 do not occur
        (Y + 1, None, ()),
        (Y.astype(np.float32), None, ()),
        (Y * 0, None, ()),
        (np.zeros((6, 2), int), None, ()),
        (Y[:, None] * 2, ("a", "b", "c", "d", "e"), ("a", "b", "c", "d", "e")),
    ],
)
def test_classes(tmp_path: Path, targets: Any, classes: Any, expected: tuple[str, ...]) -> None:
    np.savez(tmp_path / "a.npz", inputs=X, targets=targets)
    data = read_npz(tmp_path / "a.npz", classes=classes)["all"]
    assert data.classes == expected
    assert data.targets.shape == ((6,) if expected else targets.shape)


def test_round_trip(tmp_path: Path) -> None:
    whole = Dataset(inputs=X, targets=Y, classes=("ä", "b", "c,d"))
    for parts in ({"all": whole}, {"train": whole, "later": whole.take([1])}):
        for name in ("a.npz", "b.npz"):
            write_npz(tmp_path / name, parts)
        assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
        back = read_npz(tmp_path / "a.npz")
        assert list(back) == list(parts)
        for name, part in parts.items():
            assert back[name].classes == part.classes
            assert back[name].inputs.dtype == part.inputs.dtype
            np.testing.assert_array_equal(back[name].inputs, part.inputs)
            np.testing.assert_array_equal(back[name].targets, part.targets)
    numbers = Dataset(inputs=X, targets=Y)
    write_npz(tmp_path / "a.npz", numbers)
    assert read_npz(tmp_path / "a.npz")["all"].classes == ()
    for wrong in ({}, {"train": whole, "test": numbers}):
        with pytest.raises(ArgumentError, match="parts with the same classes"):
            write_npz(tmp_path / "c.npz", wrong)
    assert not (tmp_path / "c.npz").exists()


def test_every_damage_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, inputs=np.arange(300.0), targets=np.arange(300))
    good = path.read_bytes()
    for cut in range(0, len(good), 11):
        path.write_bytes(good[:cut])
        with pytest.raises(DataError, match=r"a\.npz: "):
            read_npz(path)
    messages, harmless = [], 0
    for place in range(0, len(good), 5):
        path.write_bytes(good[:place] + bytes([good[place] ^ 0x55]) + good[place + 1 :])
        try:
            data = read_npz(path)["all"]
        except DataError as error:
            messages.append(str(error))
            continue
        harmless += 1  # a date, a version; never the content
        np.testing.assert_array_equal(data.inputs, np.arange(300.0))
        np.testing.assert_array_equal(data.targets, np.arange(300))
    assert all(f"{path}: " in message for message in messages)
    assert harmless < len(messages) / 3


def archive(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return path


def header(shape: tuple[int, ...]) -> bytes:
    file = io.BytesIO()
    description = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, description)
    return file.getvalue()


def test_what_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with pytest.raises(DataError, match=r"a\.npz: no such file"):
        read_npz(path)
    np.savez(path, inputs=X, targets=np.array([1, "a", None, 2, 3, 4], dtype=object))
    with pytest.raises(DataError, match=r"a\.npz: array 'targets' holds Python objects.*run code"):
        read_npz(path)
    np.savez(path, images=X, labels=Y)
    with pytest.raises(DataError, match=r"neither inputs and .*\(arrays: images, labels\)"):
        read_npz(path)
    with pytest.raises(DataError, match=r"no array 'label'; did you mean 'labels'\?"):
        read_npz(path, inputs="images", targets="label")
    with pytest.raises(ArgumentError, match="both inputs and targets, or neither"):
        read_npz(path, inputs="images")
    np.savez(path, x_train=X, x_test=X, y_test=Y)
    with pytest.raises(DataError, match=r"no array 'y_train'.*\(arrays: x_train, x_test, y_test\)"):
        read_npz(path)
    np.savez(path, inputs=X, targets=Y[:5])
    with pytest.raises(ShapeError, match=r"'a': inputs \(6, 2, 2\) and targets \(5,\)"):
        read_npz(path)
    np.savez(path, inputs=X, targets=np.array(list("abcabc")))
    with pytest.raises(DTypeError, match="'a': targets must hold numbers"):
        read_npz(path)
    np.save(tmp_path / "b.npy", X)
    with pytest.raises(DataError, match=r"b\.npy: not an NPZ file"):
        read_npz(tmp_path / "b.npy")
    for content, message in (
        (b"hello", "array 'inputs' is truncated or damaged"),
        (header((10**13,)), "array 'inputs' is truncated or damaged"),
        (header((2,)) + bytes(24), "goes on after its last element"),
    ):
        with pytest.raises(DataError, match=message):
            read_npz(archive(path, inputs=content, targets=header((0,))))
    empty = archive(path)
    with pytest.raises(DataError, match=r"\(arrays: none\)"):
        read_npz(empty)
