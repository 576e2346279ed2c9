"""Reading and writing IDX, the array format of MNIST.

An IDX file is two zero bytes, one byte for the element type, one for the number of axes, then the
length of each axis as a big-endian 32-bit number, then the elements in row order, big-endian.
Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits".
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from neurona.core.errors import DataError, DTypeError, ShapeError
from neurona.data.files import check_digest, reading, replacing

ELEMENT_TYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(">u1"),
    0x09: np.dtype(">i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
_CHUNK = 1 << 20


def read_idx(path: str | os.PathLike[str], *, sha256: str | None = None) -> NDArray[Any]:
    """Return the array of an IDX file, in the machine's byte order.

    A gzip container is recognised by its content, not by its name. `sha256` is the expected hex
    digest of the uncompressed file, which does not depend on how the container was made.

    Raises DataError, naming file, expected and found, when the file is missing, is not IDX, is
    shorter or longer than its header says, or has another checksum.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_idx(f"{folder}/a.idx.gz", np.arange(6, dtype=np.int16).reshape(2, 3))
    ...     read_idx(f"{folder}/a.idx.gz")
    array([[0, 1, 2],
           [3, 4, 5]], dtype=int16)
    """
    path = Path(path)
    with reading(path) as stream:
        return _read_stream(stream, path, sha256)


def write_idx(path: str | os.PathLike[str], array: NDArray[Any]) -> None:
    """Write `array` as IDX, gzip-compressed when the name ends in `.gz`.

    The same array gives the same bytes, and a file that exists is replaced only when the new one
    is complete. Raises DTypeError for a type that IDX does not have, ShapeError for more than 255
    axes or an axis of 2**32 or more.
    """
    path = Path(path)
    array = np.asarray(array)
    codes = {stored.newbyteorder("="): code for code, stored in ELEMENT_TYPES.items()}
    code = codes.get(array.dtype.newbyteorder("="))
    if code is None:
        known = ", ".join(str(dtype) for dtype in codes)
        raise DTypeError(
            f"write_idx: dtype {array.dtype} is not one of IDX's ({known}); cast first"
        )
    if array.ndim > 255 or any(length >= 1 << 32 for length in array.shape):
        raise ShapeError(f"write_idx: shape {array.shape} does not fit the header of IDX")
    header = bytes([0, 0, code, array.ndim]) + np.array(array.shape, dtype=">u4").tobytes()
    content = header + array.astype(ELEMENT_TYPES[code]).tobytes()
    if path.suffix == ".gz":
        import gzip

        content = gzip.compress(content, mtime=0)
    with replacing(path) as file:
        file.write(content)


def read_idx_header(stream: IO[bytes], path: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and stored dtype of the IDX file `path`; leave `stream` at the first element.

    Raises DataError, naming the file, when it is not IDX or ends in its header.
    """
    start = _read_up_to(stream, 4)
    code = start[2] if len(start) == 4 else None
    if start[:2] != b"\0\0" or code not in ELEMENT_TYPES:
        raise DataError(
            f"{path}: not an IDX file: expected two zero bytes and an element type of "
            f"{', '.join(f'0x{known:02x}' for known in ELEMENT_TYPES)}, found {start.hex(' ')!r}"
        )
    lengths = _read_up_to(stream, 4 * start[3])
    if len(lengths) < 4 * start[3]:
        raise DataError(
            f"{path}: truncated: expected {start[3]} axis lengths, found {len(lengths) // 4}"
        )
    return tuple(np.frombuffer(lengths, dtype=">u4").tolist()), ELEMENT_TYPES[code]


def _read_stream(stream: IO[bytes], path: Path, sha256: str | None) -> NDArray[Any]:
    shape, dtype = read_idx_header(stream, path)
    header_length = stream.tell()
    expected = math.prod(shape) * dtype.itemsize
    # One byte more than expected shows a file that is too long without reading all of it.
    elements = _read_up_to(stream, expected + 1)
    if len(elements) != expected:
        kind = "truncated" if len(elements) < expected else "too long"
        found = f"{len(elements)}" if len(elements) < expected else "more"
        raise DataError(
            f"{path}: {kind}: its header {shape} of {dtype.newbyteorder('=')} asks for {expected} "
            f"bytes of elements, found {found}"
        )
    if sha256 is not None:
        import hashlib

        stream.seek(0)
        digest = hashlib.sha256(stream.read(header_length))
        digest.update(elements)
        check_digest(path, sha256, digest.hexdigest())
    array: NDArray[Any] = np.frombuffer(elements, dtype=dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)


def _read_up_to(stream: IO[bytes], size: int) -> bytearray:
    """Read `size` bytes or to the end; a lying header costs no memory beyond what is there."""
    content = bytearray()
    while len(content) < size:
        chunk = stream.read(min(_CHUNK, size - len(content)))
        if not chunk:
            break
        content += chunk
    return content
