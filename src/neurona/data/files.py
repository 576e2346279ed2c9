"""Files that are read compressed or not, and files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import ENOENT
from pathlib import Path
from typing import IO

from neurona.core.errors import DataError

_GZIP_MAGIC = b"\x1f\x8b"


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, with or without a byte order mark, gzip or not.

    Raises DataError as `reading` does, and naming the line for what is not UTF-8.
    """
    with reading(path) as file:
        content = file.read()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}: line {place} is not UTF-8 text ({error.reason}); convert the file first, as "
            "with iconv -f latin1 -t utf-8"
        ) from None


@contextmanager
def reading(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading, uncompressed where it is a gzip container, whatever its name.

    Raises DataError, naming the file, when it is missing, no file, damaged, or changes its length
    while the block reads it.
    """
    import zlib

    try:
        with path.open("rb") as file:
            compressed = file.read(2) == _GZIP_MAGIC
            file.seek(0)
            length = os.fstat(file.fileno()).st_size
            if compressed:
                import gzip

                with gzip.GzipFile(fileobj=file) as stream:
                    yield stream  # type: ignore[misc]  # reads like any other
            else:
                yield file
            if os.fstat(file.fileno()).st_size != length:
                raise DataError(f"{path}: changed its length while it was read; read it again")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise DataError(f"{path}: is a folder; name a file in it") from None
    except EOFError:
        raise DataError(f"{path}: truncated gzip file: expected more data, found its end") from None
    except zlib.error as error:
        raise DataError(f"{path}: damaged gzip file: {error}") from None
    except OSError as error:  # gzip.BadGzipFile is one
        raise DataError(f"{path}: cannot be read: {error}") from None


def require_uncompressed(path: Path) -> None:
    """Raise DataError for a gzip container, of which no part can be read by its position."""
    with path.open("rb") as file:
        if file.read(2) == _GZIP_MAGIC:
            raise DataError(
                f"{path}: parts of a compressed file cannot be read by position; decompress it "
                "first (gunzip)"
            )


def read_at(descriptor: int, size: int, offset: int) -> bytes:
    """Return `size` bytes of a file from `offset` on; fewer only where the file ends."""
    found = os.pread(descriptor, size, offset)
    pieces = [found]
    while found and (size := size - len(found)):
        offset += len(found)
        found = os.pread(descriptor, size, offset)
        pieces.append(found)
    return b"".join(pieces) if len(pieces) > 1 else found


def check_digest(path: Path, sha256: str, found: str) -> None:
    """Raise DataError when the hex digest of a file's uncompressed content is not `sha256`."""
    if found != sha256:
        raise DataError(
            f"{path}: wrong checksum: expected sha256 {sha256}, found {found}; "
            "the content is damaged or another data set, fetch the file again"
        )


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file beside `path` that takes its place when the block ends well.

    After an error in the block the temporary file is gone and `path` is as it was. Nobody sees a
    half-written file, also after a crash: the content reaches the disk before the name does, and
    the name before the block is left.

    Raises OSError where nothing can be written, FileNotFoundError that says so for no such folder.
    """
    if not path.parent.exists():
        raise FileNotFoundError(
            ENOENT, f"there is no folder {path.parent}; make it first", f"{path}"
        )
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}.part")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system can."""
    with suppress(OSError):  # the file is there; not all systems let folders be opened
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
