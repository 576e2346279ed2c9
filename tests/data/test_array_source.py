"""Arrays in files: rows by position, files that shrink, grow or are none."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurona.core.errors import ArgumentError, DataError, ShapeError
from neurona.data import ArraySource, read_idx, write_idx
from neurona.data.idx import ELEMENT_TYPES

ROWS = st.lists(st.integers(0, 19), max_size=30).map(lambda rows: np.array(rows, dtype=np.int64))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("arrays")


@given(ROWS, st.sampled_from([d.newbyteorder("=") for d in ELEMENT_TYPES.values()]), st.booleans())
def test_rows_of_files(folder: Path, rows: Any, dtype: np.dtype[Any], idx: bool) -> None:
    array = (np.arange(20 * 6).reshape(20, 2, 3) * 7 - 300).astype(dtype)
    path = folder / f"{dtype}.{idx}"
    if not path.exists():
        if idx:
            write_idx(path, array)
        else:
            with path.open("wb") as file:
                np.save(file, array)
    source = ArraySource(path, array[:, 0, 0])
    x, y = source.read_batch(rows)
    assert (x.dtype, x.shape, len(source)) == (dtype, (len(rows), 2, 3), 20)
    np.testing.assert_array_equal(x, array[rows])
    np.testing.assert_array_equal(y, array[rows, 0, 0])


def test_one_sample_and_the_files_name(folder: Path) -> None:
    np.save(folder / "x.npy", np.arange(6.0).reshape(3, 2))
    source = ArraySource(folder / "x.npy")
    (x,) = source.read(2, np.random.default_rng())
    assert (x.tolist(), x.shape) == ([4, 5], (2,))
    assert repr(source) == f"ArraySource of {folder / 'x.npy'}: 3 samples"
    (empty,) = ArraySource(np.zeros((3, 0))).read_batch(np.array([1]))
    np.save(folder / "none.npy", np.zeros((3, 0)))
    (stored,) = ArraySource(folder / "none.npy").read_batch(np.array([1]))
    assert empty.shape == stored.shape == (1, 0)


def test_mnist(data_folder: Path, tmp_path: Path) -> None:
    pictures = read_idx(data_folder / "mnist" / "t10k-images-idx3-ubyte.gz")
    write_idx(tmp_path / "images", pictures)
    rows = np.array([9999, 0, 1, 2, 77])
    (read,) = ArraySource(tmp_path / "images").read_batch(rows)
    np.testing.assert_array_equal(read, pictures[rows])
    with pytest.raises(DataError, match=r"gz: parts of a compressed file .*gunzip"):
        ArraySource(data_folder / "mnist" / "t10k-images-idx3-ubyte.gz")


@pytest.mark.parametrize("name", ["x.npy", "x.idx"])
@pytest.mark.parametrize("change", [-1, -200, 5])
def test_a_file_that_changes_its_length(tmp_path: Path, name: str, change: int) -> None:
    array = np.arange(100, dtype=np.int32).reshape(50, 2)
    path = tmp_path / name
    if name == "x.npy":
        np.save(path, array)
    else:
        write_idx(path, array)
    source = ArraySource(path)
    before = path.stat().st_size
    os.truncate(path, before + change)
    where = f"{re.escape(str(path))}: .* {before} bytes in all, found {before + change}; "
    with pytest.raises(DataError, match=where):
        source.read_batch(np.array([0]))
    with pytest.raises(DataError, match=where):
        ArraySource(path)
    path.unlink()
    with pytest.raises(DataError, match=f"{re.escape(str(path))}: cannot be read: No such file"):
        source.read_batch(np.array([0]))


def test_a_file_that_shrinks_in_the_middle_of_a_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.arange(100.0))
    source = ArraySource(path)
    read = os.pread
    positions = []

    def shrinking(descriptor: int, count: int, offset: int) -> bytes:
        if len(positions) == 2:
            os.truncate(path, 300)
        positions.append(offset)
        return read(descriptor, count, offset)

    monkeypatch.setattr(os, "pread", shrinking)
    with pytest.raises(DataError, match=r"x.npy: .* \(100,\) of float64, 928 bytes .* found 300"):
        source.read_batch(np.array([90, 10, 60, 50]))
    assert len(positions) == 3


def test_reads_that_come_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "x.npy", np.arange(100.0))
    source = ArraySource(tmp_path / "x.npy")
    read = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, count, at: read(fd, min(count, 7), at))
    (x,) = source.read_batch(np.array([3, 4, 5, 99, 0]))
    assert x.tolist() == [3, 4, 5, 99, 0]


def test_files_that_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    for content, text in (
        (b"", "not an IDX file"),
        (b"hello, world", "not an IDX file"),
        (b"\x93NUMPY", "damaged NPY file"),
        (b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f8'", "damaged NPY file"),
        (b"\x93NUMPY\x09\x00\x76\x00", "damaged NPY file: version .9, 0. of the format is unknown"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=f"{re.escape(str(path))}: {text}"):
            ArraySource(path)
    for array, text in (
        (np.asfortranarray(np.zeros((3, 2))), "column by column"),
        (np.array([None, {}]), "Python objects"),
    ):
        with path.open("wb") as file:
            np.save(file, array, allow_pickle=True)
        with pytest.raises(DataError, match=text):
            ArraySource(path)
    with path.open("wb") as file:
        np.save(file, np.float64(3))
    with pytest.raises(ShapeError, match=r"needs a sample axis, found shape \(\)"):
        ArraySource(path)
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        ArraySource(tmp_path)
    np.save(tmp_path / "y.npy", np.zeros(4))
    with pytest.raises(ArgumentError, match=r"give the path instead, .*y\.npy"):
        ArraySource(np.load(tmp_path / "y.npy", mmap_mode="r"))
