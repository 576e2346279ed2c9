"""Whether a run folder is at work, known by a lock that ends with its process."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from neurona.core.errors import CheckpointError
from neurona.train.pair import unwritable

try:
    import fcntl
except ImportError:  # not on Windows, where folders are not guarded against a second process
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
_mine: set[Path] = set()
"""Folders that this process holds; its own second lock would be granted."""


class RunLock:
    """The lock of a run folder, held until `release` or the end of the process, kill -9 included.

    It is a record lock of POSIX, which processes that are forked meanwhile do not keep alive.
    Raises `CheckpointError` when another run holds it, or when it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        path = folder / LOCK
        if self.folder in _mine:
            raise CheckpointError(f"{folder}: another run of this process is at work there")
        try:
            self.file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise unwritable(path, error) from None
        try:
            if fcntl is not None:
                fcntl.lockf(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self.file, 20).decode(errors="replace").strip()
            os.close(self.file)
            raise CheckpointError(
                f"{folder}: another process is at work there"
                f"{f' (process {holder})' if holder else ''}; wait for it, or end it first"
            ) from None
        with suppress(OSError):  # on a full disk nobody is told who holds it, which does no harm
            os.ftruncate(self.file, 0)
            os.pwrite(self.file, str(os.getpid()).encode(), 0)
        _mine.add(self.folder)

    def release(self) -> None:
        """Let others have the folder."""
        if self.folder in _mine:
            _mine.discard(self.folder)
            os.close(self.file)


def is_at_work(folder: Path) -> bool:
    """Whether some process is training in a run folder now."""
    if folder.resolve() in _mine:
        return True
    if fcntl is None or not (folder / LOCK).is_file():
        return False
    try:
        file = os.open(folder / LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(file)
    return False
