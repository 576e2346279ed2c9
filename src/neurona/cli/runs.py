"""`neurona runs`."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from neurona.cli.options import is_run
from neurona.cli.output import columns, print_json
from neurona.core.errors import ArgumentError
from neurona.train.progress import number_text
from neurona.train.run_folder import CONFIG, METRICS, RUN
from neurona.train.run_lock import is_at_work

HEADS = ["run", "made", "status", "epochs", "seconds", "best", "test"]
NONE = "–"
WIDE = 40
"""Characters of a value in a comparison."""


def runs(
    folder: Path, compared: tuple[Path, Path] | None, output: Path | None, as_json: bool
) -> None:
    """Print the runs in a folder, or what differs between two; the latter also as a page."""
    if compared is not None:
        _compare(*compared, output, as_json)
        return
    if output is not None:
        raise ArgumentError(f"--output {output}: goes with --compare RUN RUN")
    if not folder.is_dir():
        raise ArgumentError(f"{folder}: no such folder; runs are in runs/ unless --out says else")
    found = [_listed(path) for path in sorted(folder.iterdir()) if is_run(path)]
    if is_run(folder):
        found = [summary(folder)]
    found.sort(key=lambda one: str(one["created"] or ""))
    if as_json:
        print_json(found)
    elif not found:
        print(f"{folder}: no runs")
    else:
        print(*columns([HEADS, *[_row(one) for one in found]], right=(3, 4)), sep="\n")


def _listed(run: Path) -> dict[str, Any]:
    """The summary of a run; one that cannot be read does not hide the others."""
    try:
        return summary(run)
    except ArgumentError:
        names = ("created", "epochs", "seconds", "best", "last", "test")
        return {"run": str(run), "status": "damaged", **dict.fromkeys(names)}


def summary(run: Path) -> dict[str, Any]:
    """What a run's files tell of it, fit for JSON; None for what is not there."""
    about = _read(run / RUN)
    lines = _metrics(run / METRICS)
    status = about.get("status")
    if status == "running" and not is_at_work(run):
        status = "cut off"
    return {
        "run": str(run),
        "created": about.get("created"),
        "status": status,
        "epochs": len(lines) if lines else None,
        "seconds": about.get("seconds"),
        "best": about.get("best"),
        "last": lines[-1] if lines else None,
        "test": about.get("test"),
    }


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ArgumentError(f"{path}: damaged, not JSON: {error}") from None
    return found if isinstance(found, dict) else {}


def _metrics(path: Path) -> list[dict[str, Any]]:
    """The epochs; a last line that is only half there, as after a crash, is left out."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            found.append(json.loads(line))
        except ValueError:
            break
    return found


def _row(one: Mapping[str, Any]) -> list[str]:
    best, seconds = one["best"], one["seconds"]
    return [
        one["run"],
        (one["created"] or NONE)[:16].replace("T", " "),
        one["status"] or NONE,
        NONE if one["epochs"] is None else str(one["epochs"]),
        NONE if seconds is None else f"{seconds:.1f}",
        # A loss that was not a number is null in the files.
        NONE
        if best is None or best["value"] is None
        else f"{_words(best['name'])} {number_text(best['value'])}",
        NONE if one["test"] is None else _scores(one["test"]),
    ]


def _scores(values: Mapping[str, Any]) -> str:
    told = [
        f"{_words(name)} {number_text(value)}"
        for name, value in values.items()
        if value is not None
    ]
    return ", ".join(told)


def _words(name: str) -> str:
    return name.replace("_", " ")


# --- compare ---


def _compare(one: Path, two: Path, output: Path | None, as_json: bool) -> None:
    for path in (one, two):
        if not is_run(path):
            raise ArgumentError(f"--compare: {path} is no folder of a run")
    if output is not None:
        from neurona.report import html

        print(html.compare([one, two], output))
        return
    first, second = (dict(_flat(_everything(path))) for path in (one, two))
    keys = dict.fromkeys([*first, *second])
    differs = {key: (first.get(key), second.get(key)) for key in keys}
    differs = {key: pair for key, pair in differs.items() if pair[0] != pair[1]}
    if as_json:
        print_json({key: {str(one): a, str(two): b} for key, (a, b) in differs.items()})
    elif not differs:
        print("no difference in configuration and results")
    else:
        rows = [[key, _value(a), _value(b)] for key, (a, b) in differs.items()]
        print(*columns([["", str(one), str(two)], *rows]), sep="\n")


def _everything(run: Path) -> dict[str, Any]:
    """The configuration and the results."""
    config = run / CONFIG
    tables = tomllib.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
    told = summary(run)
    last = told["last"] or {}
    results = {
        "status": told["status"],
        "epochs": told["epochs"],
        "seconds": told["seconds"],
        "best": told["best"],
        "last": {k: v for k, v in last.items() if k not in ("epoch", "seconds")},
        "test": told["test"],
    }
    return {**tables, "results": results}


def _flat(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves by dotted place."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _flat(one, f"{place}.{key}" if place else key)
    elif isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
        for number, one in enumerate(value):
            yield from _flat(one, f"{place}[{number}]")
    else:
        yield place, value


def _value(value: Any) -> str:
    if value is None:
        return NONE
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= WIDE else text[: WIDE - 1] + "…"
