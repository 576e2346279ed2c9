"""Where a command may save, found out before the work is done."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from neurona.cli.options import is_run
from neurona.core.errors import CheckpointError
from neurona.data.files import replacing
from neurona.train.checkpoint import MODEL, WEIGHTS
from neurona.train.run_folder import CONFIG, METRICS, RUN
from neurona.train.run_lock import LOCK

OWN = (
    LOCK,
    CONFIG,
    RUN,
    METRICS,
    MODEL,
    WEIGHTS,
    "layers.jsonl",
    "tokenizer.json",
    "analysis.json",
    "analysis.safetensors",
    "report.html",
    "checkpoints/last/state.json",
    "checkpoints/last/state.safetensors",
)
"""What the folder of a run holds."""


def check_folder(folder: Path) -> None:
    """Make sure that a run can be kept in a folder that is new or empty. Nothing is made.

    Raises `CheckpointError` if not.
    """
    if folder.is_dir():
        if is_run(folder):
            raise CheckpointError(
                f"{folder}: holds a run already; go on with it by neurona resume, or choose "
                "another folder with --out"
            )
        if any(path.name != LOCK for path in folder.iterdir()):
            raise CheckpointError(
                f"{folder}: holds other files and no run; choose an empty folder with --out"
            )
    elif folder.exists():
        raise CheckpointError(f"{folder}: is a file; choose a folder with --out")
    there = next(
        parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists()
    )
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        raise CheckpointError(f"{there}: cannot be written to; choose another folder with --out")


def clear(folder: Path, *others: str) -> None:
    """Take an earlier run out of a folder: the files of a run and these others, no more."""
    if is_run(folder):
        for name in (*OWN, *others):
            (folder / name).unlink(missing_ok=True)
        for name in ("checkpoints/last", "checkpoints"):
            with suppress(OSError):
                (folder / name).rmdir()


@contextmanager
def config_kept(folder: Path, text: str) -> Iterator[None]:
    """Lay the configuration into a new run's folder; take it away if no run comes of it."""
    new = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / CONFIG) as written:
        written.write(text.encode())
    try:
        yield
    finally:
        if not (folder / RUN).exists():
            for name in (CONFIG, LOCK):
                (folder / name).unlink(missing_ok=True)
            for one in new:
                with suppress(OSError):
                    one.rmdir()


def next_run(name: str) -> Path:
    """`runs/name`, or the first of `runs/name-2`, `runs/name-3`, … that does not exist."""
    first = Path("runs") / name
    if not first.exists():
        return first
    return next(path for n in count(2) if not (path := first.with_name(f"{name}-{n}")).exists())
