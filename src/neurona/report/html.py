"""The report of a run, or of several: one HTML file that needs no other and no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from neurona.core.errors import ArgumentError, CheckpointError
from neurona.data.files import replacing
from neurona.report import comparison, page
from neurona.report.record import Record, read

NAME = "report.html"


def write(folder: str | PathLike[str]) -> Path:
    """Write `report.html` into the folder of a run, from its files alone; return its path.

    It opens without a network in any browser: no script, no link to elsewhere. The same files give
    the same page, byte for byte. Raises `CheckpointError` where there is no run or the folder
    cannot be written; what else is missing, damaged or not understood is left out and named at the
    end of the page.
    """
    record = read(folder)
    return _written(record.folder / NAME, _page(record))


def _page(record: Record) -> str:
    """The page of a run; a file that is whole but says what cannot be shown is left out."""
    from jinja2 import TemplateError

    wrong = (TypeError, ValueError, LookupError, ArithmeticError, AttributeError, TemplateError)
    left_out: list[tuple[str, ...]] = [(), *((name,) for name in _PARTS), tuple(_PARTS)]
    reason = ""
    for names in left_out:
        fewer = {key: value for name in names for key, value in _PARTS[name].items()}
        notes = [f"{name}: left out, it cannot be shown: {reason}" for name in names]
        try:
            with np.errstate(all="ignore"):
                shown = replace(record, notes=[*record.notes, *notes], **fewer)
                return render("run.html", page.contents(shown))
        except wrong as error:
            reason = reason or str(error)
    raise CheckpointError(f"{record.folder}: run.json cannot be shown: {reason}")


_PARTS: dict[str, dict[str, Any]] = {
    "analysis.json": {"analysis": {}, "arrays": {}},
    "layers.jsonl": {"layers": []},
    "metrics.jsonl": {"epochs": []},
    "model.json": {"model": {}},
}
"""What a record is without the content of a file."""


def compare(folders: Sequence[str | PathLike[str]], path: str | PathLike[str]) -> Path:
    """Write a page like `write`'s on several runs beside each other; return its path.

    It shows their curves in common charts, what each reached, and which settings differ.
    Raises `CheckpointError` for a folder without a run, and `ArgumentError` for fewer than two.
    """
    if isinstance(folders, (str, PathLike)) or len(folders) < 2:
        raise ArgumentError(f"compare: the folders of two runs or more are needed, not {folders!r}")
    records = [read(folder) for folder in folders]
    return _written(Path(path), render("compare.html", comparison.contents(records)))


def _written(path: Path, text: str) -> Path:
    try:
        with replacing(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be written: {error.strerror or error}") from None
    return path


def render(template: str, values: dict[str, Any]) -> str:
    """A template of this folder with these values; all text is escaped."""
    text: str = _environment().get_template(template).render(values)
    return text


@cache
def _environment() -> Any:
    """The templates, which are made ready when they are first used."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": page.number,
        "percent": page.percent,
        "duration": page.duration,
        "words": page.words,
    }
    return environment
