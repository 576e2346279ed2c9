"""Arrays in memory and in files larger than it, read row by row."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurona.core.errors import ArgumentError, DataError, ShapeError
from neurona.data.files import read_at, require_uncompressed
from neurona.data.idx import read_idx_header
from neurona.data.source import Sample, Source

_NPY_MAGIC = b"\x93NUMPY"


class ArraySource(Source):
    """Samples from arrays of one length, each in memory or in a file of its own.

    `parts`: arrays `(sample, …)`, or paths of NPY files (C order) and IDX files, neither of them
    compressed. Files stay on the disk: a batch reads its rows, neighbouring ones at once. They are
    not mapped into memory, so a file that is cut short while it is read is an error that names it
    and not the end of the process.

    Raises ShapeError for different lengths, DataError, naming the file, when one is missing,
    damaged, of an unknown kind, or not as long as it was.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/x.npy", np.arange(12.0).reshape(6, 2))
    ...     source = ArraySource(f"{folder}/x.npy", np.arange(6))
    ...     source.read_batch(np.array([4, 0]))
    (array([[8., 9.],
           [0., 1.]]), array([4, 0]))
    """

    def __init__(self, *parts: NDArray[Any] | str | os.PathLike[str]) -> None:
        self._parts = [
            ArrayFile(part) if isinstance(part, str | os.PathLike) else _in_memory(part)
            for part in parts
        ]
        if len({part.shape[:1] for part in self._parts}) != 1 or not self._parts[0].shape:
            raise ShapeError(
                "ArraySource: needs arrays of one length on their first axis, found shapes "
                f"{[part.shape for part in self._parts]}"
            )

    def __len__(self) -> int:
        return int(self._parts[0].shape[0])

    def read(self, index: int, generator: np.random.Generator) -> Sample:
        return tuple(part[0] for part in self.read_batch(np.array([index])))

    def read_batch(
        self, indices: NDArray[np.int64], generators: Iterable[np.random.Generator] | None = None
    ) -> tuple[NDArray[Any], ...]:
        """Return the rows at `indices` of every part; there is nothing random in them."""
        return tuple(
            part.rows(indices) if isinstance(part, ArrayFile) else part.take(indices, 0)
            for part in self._parts
        )

    def __repr__(self) -> str:
        files = ", ".join(str(p.path) for p in self._parts if isinstance(p, ArrayFile))
        return f"ArraySource{files and ' of '}{files}: {len(self)} samples"


class ArrayFile:
    """Rows of an array in an NPY or IDX file, read by position.

    `shape`, `dtype`: of the array, as its header says; the file's length is compared with them
    whenever it is opened, which is once a call, so that nothing is left open.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        try:
            require_uncompressed(self.path)
            with self.path.open("rb") as file:
                start = file.read(len(_NPY_MAGIC))
                file.seek(0)
                if start == _NPY_MAGIC:
                    self.shape, self.dtype = _npy_header(file, self.path)
                else:
                    self.shape, self.dtype = read_idx_header(file, self.path)
                self._offset = file.tell()
                self._check_length(file.fileno())
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read: {error.strerror}") from None
        if not self.shape:
            raise ShapeError(f"{self.path}: needs a sample axis, found shape ()")

    def rows(self, indices: NDArray[np.int64]) -> NDArray[Any]:
        """Return the rows at `indices`, `(batch, …)`, in the machine's byte order."""
        result = np.empty((len(indices), *self.shape[1:]), self.dtype)
        if result.size:
            try:
                with self.path.open("rb", buffering=0) as file:
                    self._check_length(file.fileno())
                    self._read(file.fileno(), indices, result)
            except OSError as error:
                raise DataError(f"{self.path}: cannot be read: {error.strerror}") from None
        return result.astype(self.dtype.newbyteorder("="), copy=False)

    def _read(self, descriptor: int, indices: NDArray[np.int64], result: NDArray[Any]) -> None:
        width = math.prod(self.shape[1:]) * self.dtype.itemsize
        into = result.reshape(-1).view(np.uint8)
        begins = [0, *(np.flatnonzero(np.diff(indices) != 1) + 1).tolist(), len(indices)]
        for begin, end in pairwise(begins):  # rows that follow each other
            size = (end - begin) * width
            found = read_at(descriptor, size, self._offset + int(indices[begin]) * width)
            if len(found) < size:
                raise self._changed(os.fstat(descriptor).st_size)
            into[begin * width : end * width] = np.frombuffer(found, np.uint8)

    def _check_length(self, descriptor: int) -> None:
        found = os.fstat(descriptor).st_size
        if found != self._expected:
            raise self._changed(found)

    @property
    def _expected(self) -> int:
        return self._offset + math.prod(self.shape) * self.dtype.itemsize

    def _changed(self, found: int) -> DataError:
        return DataError(
            f"{self.path}: its header asks for {self.shape} of {self.dtype.newbyteorder('=')}, "
            f"{self._expected} bytes in all, found {found}; the file is incomplete or is being "
            "written while it is read"
        )


def _in_memory(part: NDArray[Any]) -> NDArray[Any]:
    if isinstance(part, np.memmap):
        raise ArgumentError(
            "ArraySource: a memory-mapped array ends the process when its file shrinks; give the "
            f"path instead{f', {part.filename}' if part.filename else ''}"
        )
    array = np.ascontiguousarray(part) if np.ndim(part) else np.asarray(part)
    if array.dtype.kind == "O":
        raise ArgumentError("ArraySource: arrays of Python objects cannot be served; use numbers")
    return array


def _npy_header(file: Any, path: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    from numpy.lib import format as npy

    try:
        version = npy.read_magic(file)
        read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
        if read is None:
            raise ValueError(f"version {version} of the format is unknown")
        shape, fortran_order, dtype = read(file)
    except (ValueError, EOFError) as error:
        raise DataError(f"{path}: damaged NPY file: {error}") from None
    if dtype.hasobject:
        raise DataError(f"{path}: holds Python objects, which are not read; save numbers")
    if fortran_order and len(shape) > 1:
        raise DataError(
            f"{path}: is stored column by column (Fortran order), so a sample is scattered; save "
            "numpy.ascontiguousarray(array)"
        )
    return shape, dtype
