"""What a run folder holds, read for a report: every file but `run.json` may be missing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from neurona.core.errors import CheckpointError
from neurona.data.safetensors import from_safetensors

Found = dict[str, Any]
Epochs = list[dict[str, float]]


@dataclass(frozen=True, slots=True)
class Record:
    """A run as its files tell it.

    - `run`: run.json. `epochs`: metrics.jsonl, a mapping an epoch. `layers`: layers.jsonl.
    - `config`: the text of config.toml. `model`: model.json.
    - `analysis`, `arrays`: analysis.json and analysis.safetensors.
    - `notes`: what could not be read, for the reader.
    """

    folder: Path
    run: Found
    epochs: Epochs
    layers: list[Found]
    config: str | None
    model: Found
    analysis: Found
    arrays: dict[str, NDArray[Any]]
    notes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The run's name, or that of its folder."""
        return str(self.run.get("name") or self.folder.resolve().name)

    def values(self, name: str) -> list[float]:
        """A number an epoch; NaN where an epoch has none."""
        return [epoch.get(name, float("nan")) for epoch in self.epochs]

    @property
    def metrics(self) -> list[str]:
        """The loss and the metrics, in their order, without "validation_"."""
        names = dict.fromkeys(
            name.removeprefix("validation_") for epoch in self.epochs for name in epoch
        )
        return [name for name in names if name not in ACCOUNTS]


ACCOUNTS = {"epoch", "step", "seconds", "samples_per_second", "waiting", "learning_rate"}
"""What metrics.jsonl holds beside the loss and the metrics."""


def read(folder: str | PathLike[str]) -> Record:
    """The record in a run folder.

    Raises `CheckpointError` where there is no run. What else is missing or damaged is left out
    and named in `notes`.
    """
    folder = Path(folder)
    notes: list[str] = []
    run = _json(folder / "run.json", notes)
    if not run:
        why = notes[0] if notes else f"{folder / 'run.json'}: no such file"
        raise CheckpointError(f"{why}; a report needs the folder of a run, as fit(…, run=…) makes")
    analysis = _json(folder / "analysis.json", notes)
    arrays = _arrays(folder, analysis, notes)
    return Record(
        folder,
        run,
        [_numbers(line) for line in _lines(folder / "metrics.jsonl", notes)],
        _lines(folder / "layers.jsonl", notes),
        _text(folder / "config.toml", notes),
        _json(folder / "model.json", notes),
        analysis,
        arrays,
        notes,
    )


def _text(path: Path, notes: list[str]) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        notes.append(f"{path.name}: cannot be read: {error}")
        return None


def _json(path: Path, notes: list[str]) -> Found:
    text = _text(path, notes)
    if text is None:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        notes.append(f"{path.name}: damaged, not JSON: {error}")
        return {}
    if not isinstance(found, dict):
        notes.append(f"{path.name}: damaged, not a JSON object")
        return {}
    return found


def _lines(path: Path, notes: list[str]) -> list[Found]:
    """The objects of a file of JSON lines. A last line cut off by a crash is passed over."""
    found = []
    lines = (_text(path, notes) or "").splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            entry = None
        if isinstance(entry, dict):
            found.append(entry)
        elif number < len(lines):
            notes.append(f"{path.name}: line {number} is damaged")
    return found


def _numbers(line: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a line; "nan" and "inf" are written as text, or null."""
    numbers = {}
    for name, value in line.items():
        if value is None:
            value = "nan"
        if isinstance(value, (int, float, str)):
            try:
                numbers[name] = float(value)
            except ValueError:
                continue
    return numbers


def _arrays(folder: Path, analysis: Found, notes: list[str]) -> dict[str, NDArray[Any]]:
    stated = analysis.get("arrays")
    if not isinstance(stated, dict):
        return {}
    path = folder / "analysis.safetensors"
    try:
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != stated.get("sha256"):
            notes.append(f"{path.name}: not the arrays that analysis.json was written with")
            return {}
        return from_safetensors(content, path)
    except (OSError, CheckpointError) as error:
        notes.append(f"{path.name}: cannot be read: {error}")
        return {}
