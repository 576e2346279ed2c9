"""Where a command may save, found out before the work is done."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

from neurona.core.errors import CheckpointError
from neurona.train.checkpoint import MODEL


def check_folder(folder: Path) -> Path:
    """The folder, if a model can be saved there: new, empty, or holding an earlier model.

    Nothing is made. Raises `CheckpointError` if not.
    """
    if folder.is_dir():
        if any(folder.iterdir()) and not (folder / MODEL).is_file():
            raise CheckpointError(
                f"{folder}: holds other files and no model; choose an empty folder with --out"
            )
    elif folder.exists():
        raise CheckpointError(f"{folder}: is a file; choose a folder with --out")
    there = next(
        parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists()
    )
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        raise CheckpointError(f"{there}: cannot be written to; choose another folder with --out")
    return folder


def next_run(name: str) -> Path:
    """`runs/name`, or the first of `runs/name-2`, `runs/name-3`, … that does not exist."""
    first = Path("runs") / name
    if not first.exists():
        return first
    return next(path for n in count(2) if not (path := first.with_name(f"{name}-{n}")).exists())
