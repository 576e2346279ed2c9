"""The folder of a run: what is written while it goes on, whole at every moment.

- `run.json`: what was run, where, how it ended.
- `metrics.jsonl`: one line an epoch.
- `model.json`, `weights.safetensors`: the model, best by validation loss or last; `Model.load`.
- `checkpoints/last/`: `state.json` and `state.safetensors`, from which the run goes on.
- `config.toml`, `analysis.json`, `analysis.safetensors`, `report.html`: written by others.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import neurona
from neurona.core.errors import CheckpointError
from neurona.core.op import Array
from neurona.data.files import replacing
from neurona.train import checkpoint
from neurona.train.environment import command, environment
from neurona.train.pair import Pair, check_format, read_json, unwritable
from neurona.train.run_lock import LOCK, RunLock

RUN = "run.json"
METRICS = "metrics.jsonl"
CONFIG = "config.toml"
LAST = Path("checkpoints") / "last"
FORMAT = "neurona-run"
FORMAT_VERSION = 1
STATE = Pair(
    "state.json",
    "state.safetensors",
    "neurona-checkpoint",
    1,
    "a checkpoint of Neurona",
    sealed=True,
)


class RunFolder:
    """A run folder that this process writes; close it at the end.

    Make one with `create` or `open`. about: what run.json holds.
    """

    def __init__(self, path: Path, lock: RunLock, about: dict[str, Any]) -> None:
        self.path = path
        self.about = about
        self._lock = lock
        self._began = time.monotonic()
        self._seconds_before = float(about.get("seconds", 0.0))

    @classmethod
    def create(cls, path: Path, *, seed: int, samples: int) -> RunFolder:
        """Make the folder of a new run; a `config.toml` may lie there already.

        Raises `CheckpointError` for a folder that holds anything else, an earlier run above all,
        and for one that cannot be written.
        """
        _require_free(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(path, error) from None
        lock = RunLock(path)
        about = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "neurona": neurona.__version__,
            "name": path.resolve().name,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "status": "running",
            "command": command(),
            "environment": environment(),
            "seed": seed,
            "samples": samples,
            "parameters": {},
            "best": None,
            "seconds": 0.0,
        }
        folder = cls(path, lock, about)
        try:
            _require_free(path)
            folder.write_about()
            folder.cut_metrics(0)
        except BaseException:
            lock.release()
            raise
        return folder

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Go on in the folder of an earlier run.

        Raises `CheckpointError` when there is none, for one that is damaged, of a newer format or
        in use, and for one that cannot be written.
        """
        about = read_about(path)
        lock = RunLock(path)
        folder = cls(path, lock, about)
        for place in (path, path / LAST):
            for part in place.glob(".*.part"):  # of a write that was cut off
                with suppress(OSError):
                    part.unlink()
        return folder

    # --- what is written ---

    def write_about(self, **changes: Any) -> None:
        """Write run.json anew. Raises `CheckpointError` when it cannot be written."""
        self.about |= changes
        self.about["seconds"] = self._seconds_before + time.monotonic() - self._began
        path = self.path / RUN
        text = json.dumps(plain(self.about), indent=2, ensure_ascii=False, allow_nan=False)
        try:
            with replacing(path) as file:
                file.write(text.encode() + b"\n")
        except OSError as error:
            raise unwritable(path, error) from None

    def note(self, **changes: Any) -> None:
        """Like `write_about`, where another error is to be told: failing is passed over."""
        with suppress(CheckpointError):
            self.write_about(**changes)

    def add_metrics(self, line: Mapping[str, Any]) -> None:
        """Add the line of an epoch to metrics.jsonl; it is on the disk with the next checkpoint."""
        text = json.dumps(plain(line), ensure_ascii=False, allow_nan=False) + "\n"
        path = self.path / METRICS
        try:
            with path.open("ab") as file:
                file.write(text.encode())
        except OSError as error:
            raise unwritable(path, error) from None

    def cut_metrics(self, size: int) -> None:
        """Shorten metrics.jsonl to what it was at a checkpoint."""
        path = self.path / METRICS
        try:
            with path.open("ab") as file:
                if size > file.tell():
                    raise CheckpointError(
                        f"{path}: has {file.tell()} bytes, at the checkpoint it had {size}; it was "
                        "changed since"
                    )
                file.truncate(size)
        except OSError as error:
            raise unwritable(path, error) from None

    def write_model(self, description: Mapping[str, Any], weights: Mapping[str, Array]) -> None:
        """Write the model that `Model.load` reads."""
        checkpoint.write(self.path, description, weights)

    def write_state(self, description: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        """Write the state from which the run goes on, and how long metrics.jsonl is now."""
        path = self.path / METRICS
        try:
            with path.open("ab") as file:
                os.fsync(file.fileno())
                size = file.tell()
        except OSError as error:
            raise unwritable(path, error) from None
        STATE.write(self.path / LAST, {**description, "metrics_bytes": size}, arrays)

    def read_state(self) -> tuple[dict[str, Any], dict[str, Array]] | None:
        """What `write_state` wrote; None if the run ended before it did."""
        if not (self.path / LAST / STATE.document).exists():
            return None
        return STATE.read(self.path / LAST)

    def close(self) -> None:
        """Let others have the folder."""
        self._lock.release()


def read_about(path: Path) -> dict[str, Any]:
    """What run.json holds. Raises `CheckpointError` when there is none, or a newer one."""
    about = read_json(path / RUN, "a run of Neurona")
    check_format(path / RUN, about, FORMAT, FORMAT_VERSION, "a run of Neurona")
    for name, kind in (("status", str), ("seconds", int | float)):
        if not isinstance(about.get(name), kind):
            raise CheckpointError(f"{path / RUN}: damaged: {name!r} is missing or of another type")
    return about


def _require_free(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise CheckpointError(f"{path}: is a file; choose a folder for the run")
    if (path / RUN).exists():
        raise CheckpointError(
            f"{path}: holds a run already; go on with it by resume=True, or choose another folder"
        )
    others = [one.name for one in path.iterdir()] if path.is_dir() else []
    # A run that was killed while its first file was written leaves part of it.
    foreign = sorted(n for n in others if n not in (CONFIG, LOCK) and not n.endswith(".part"))
    if foreign:
        raise CheckpointError(
            f"{path}: holds other files ({', '.join(foreign[:3])}); choose an empty folder"
        )


def plain(value: Any) -> Any:
    """The same fit for strict JSON: numbers that are not finite become None.

    >>> plain({"loss": float("nan"), "rates": (1.0, 2.0)})
    {'loss': None, 'rates': [1.0, 2.0]}
    """
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
