"""IDX files: every element type, every kind of damage."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from neurona.core.errors import DataError, DTypeError, ShapeError
from neurona.data import read_idx, write_idx

DTYPES = ["uint8", "int8", "int16", "int32", "float32", "float64"]


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_round_trip(tmp_path: Path, dtype: str, ending: str) -> None:
    array = np.array([[[-100, 5], [6, 7]], [[0, 1], [2, 100]]]).astype(dtype)
    write_idx(tmp_path / f"a{ending}", array)
    back = read_idx(tmp_path / f"a{ending}")
    assert back.dtype == np.dtype(dtype)
    assert back.dtype.isnative
    np.testing.assert_array_equal(back, array)
    assert [path.name for path in tmp_path.iterdir()] == [f"a{ending}"]  # nothing left beside it


@given(
    arrays.arrays(st.sampled_from(DTYPES), arrays.array_shapes(min_dims=0, max_dims=4, min_side=0))
)
def test_round_trip_of_any_array(
    tmp_path_factory: pytest.TempPathFactory, array: NDArray[Any]
) -> None:
    path = tmp_path_factory.mktemp("idx") / "a"
    write_idx(path, array)
    back = read_idx(path)
    assert back.shape == array.shape
    np.testing.assert_array_equal(back, array)


def test_bytes_are_those_of_the_format(tmp_path: Path) -> None:
    write_idx(tmp_path / "a", np.array([[1, -2, 3]], dtype="<i2"))
    expected = bytes.fromhex("0000 0B02 00000001 00000003 0001 FFFE 0003")
    assert (tmp_path / "a").read_bytes() == expected


def test_non_contiguous_and_big_endian_arrays(tmp_path: Path) -> None:
    array = np.arange(24, dtype=">i4").reshape(4, 6)[::2, ::-3]
    write_idx(tmp_path / "a", array)
    np.testing.assert_array_equal(read_idx(tmp_path / "a"), array)


def test_the_same_array_gives_the_same_compressed_file(tmp_path: Path) -> None:
    for name in ("a.gz", "b.gz"):
        write_idx(tmp_path / name, np.arange(100, dtype=np.uint8))
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def test_gzip_is_seen_in_the_content_not_the_name(tmp_path: Path) -> None:
    write_idx(tmp_path / "a.gz", np.arange(5, dtype=np.uint8))
    (tmp_path / "b").write_bytes((tmp_path / "a.gz").read_bytes())
    (tmp_path / "c.gz").write_bytes(gzip.decompress((tmp_path / "a.gz").read_bytes()))
    for name in ("b", "c.gz"):
        assert read_idx(tmp_path / name).tolist() == [0, 1, 2, 3, 4]


def test_checksum_is_that_of_the_uncompressed_content(tmp_path: Path) -> None:
    write_idx(tmp_path / "a", np.arange(5, dtype=np.uint8))
    content = (tmp_path / "a").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    for level in (1, 9):
        (tmp_path / "a.gz").write_bytes(gzip.compress(content, level))
        assert read_idx(tmp_path / "a.gz", sha256=digest).tolist() == [0, 1, 2, 3, 4]
    other = "0" * 64
    with pytest.raises(DataError, match=rf"a: wrong checksum: expected sha256 {other}.*{digest}"):
        read_idx(tmp_path / "a", sha256=other)


GOOD = bytes.fromhex("0000 0802 00000002 00000003") + bytes(range(6))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file"),
        (b"\0\0\x08", "not an IDX file"),
        (b"\x89PNG\r\n\x1a\n", "not an IDX file.*found '89 50 4e 47'"),
        (b"\0\0\x0a\x01\0\0\0\0", "not an IDX file.*found '00 00 0a 01'"),
        (GOOD[:7], "truncated: expected 2 axis lengths, found 0"),
        (GOOD[:-1], r"truncated: its header \(2, 3\) of uint8 asks for 6 bytes.*found 5"),
        (GOOD + b"\0", r"too long: its header \(2, 3\) of uint8 asks for 6 bytes.*found more"),
        (b"\0\0\x0e\x04" + b"\xff" * 16, "truncated: its header"),  # 10**39 bytes are not reserved
    ],
)
@pytest.mark.parametrize("compress", [False, True])
def test_damage_is_named(tmp_path: Path, content: bytes, message: str, compress: bool) -> None:
    path = tmp_path / "broken-idx"
    path.write_bytes(gzip.compress(content) if compress else content)
    with pytest.raises(DataError, match=f"broken-idx: {message}"):
        read_idx(path)


def test_damaged_gzip(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    whole = gzip.compress(GOOD * 1000)
    for cut in (3, 12, len(whole) // 2, len(whole) - 4):
        path.write_bytes(whole[:cut])
        with pytest.raises(DataError, match=r"a\.gz: "):
            read_idx(path)
    good = gzip.compress(GOOD)
    for place in range(10, len(good)):
        path.write_bytes(good[:place] + bytes([good[place] ^ 0x55]) + good[place + 1 :])
        with pytest.raises(DataError, match=r"a\.gz: "):
            read_idx(path)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing: no such file"):
        read_idx(tmp_path / "nothing")
    with pytest.raises(DataError, match="is a folder"):
        read_idx(tmp_path)


def test_what_idx_cannot_hold(tmp_path: Path) -> None:
    for dtype in ("int64", "uint16", "bool", "complex64", "U3"):
        with pytest.raises(DTypeError, match="write_idx: dtype"):
            write_idx(tmp_path / "a", np.zeros(2, dtype=dtype))
    with pytest.raises(ShapeError, match="header of IDX"):
        write_idx(tmp_path / "a", np.broadcast_to(np.uint8(0), (1 << 32, 0)))
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    write_idx(path, np.arange(3, dtype=np.uint8))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_idx(path, np.arange(9, dtype=np.uint8))
    assert read_idx(path).tolist() == [0, 1, 2]
    assert [one.name for one in tmp_path.iterdir()] == ["a"]
