"""What the page on several runs shows."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from typing import Any

from neurona.report import charts, page
from neurona.report.charts import Line
from neurona.report.record import Record

Values = dict[str, Any]

LOWER = ("loss", "mean_absolute_error", "mean_squared_error", "root_mean_squared_error")
"""Of these less is better; of other metrics more."""
MOST_DRAWN = 8
"""There are so many colours that can be told apart."""


def contents(records: Sequence[Record]) -> Values:
    """All that the template needs."""
    names = list(dict.fromkeys(name for record in records for name in record.metrics))
    rows = [page.saved_epoch(record)[0] for record in records]
    columns: list[tuple[str, list[tuple[str, bool]]]] = []
    for name in names:
        prefix = "validation_" if any(f"validation_{name}" in row for row in rows) else ""
        values = [row.get(prefix + name, math.nan) for row in rows]
        part = "validation" if prefix else "training"
        columns.append((f"{part} {page.words(name)}", _cells(name, values)))
    epochs = [len(record.epochs) for record in records]
    columns.append(("epochs", [(page.number(n), False) for n in epochs]))
    times = [record.run.get("seconds") for record in records]
    columns.append(
        ("time", [("–" if t is None else page.duration(float(t)), False) for t in times])
    )
    sizes = [record.analysis.get("parameters") for record in records]
    columns.append(("parameters", [(page.number(size), False) for size in sizes]))
    runs = []
    for i, record in enumerate(records):
        first = page.verdict(record)[0]
        runs.append(
            {
                "name": record.name,
                "cells": [cells[i] for _, cells in columns],
                "verdict": first.title,
                "level": first.level,
            }
        )
    return {
        "runs": runs,
        "columns": [title for title, _ in columns],
        "curves": [chart for name in names if (chart := _chart(records, name)) is not None],
        "differences": differences(records),
    }


def _cells(name: str, values: Sequence[float]) -> list[tuple[str, bool]]:
    """Each value as text, and whether it is the best."""
    known = [v for v in values if math.isfinite(v)]
    best = (min if name in LOWER else max)(known, default=math.nan)
    alone = len(known) > 1
    return [(page.measured(name, v), alone and v == best) for v in values]


def _chart(records: Sequence[Record], name: str) -> Values | None:
    """The curves of one number: of validation where there is one, else of training."""
    lines, legend = [], []
    for i, record in enumerate(records[:MOST_DRAWN]):
        values = record.values(f"validation_{name}")
        dashed = not any(map(math.isfinite, values))
        values = record.values(name) if dashed else values
        if not any(map(math.isfinite, values)):
            continue
        x = [epoch.get("epoch", k) + 1 for k, epoch in enumerate(record.epochs)]
        lines.append(Line(x, values, i, dashed))
        legend.append((record.name, i, page.measured(name, values[-1])))
    if not lines:
        return None
    text = f"{page.words(name)} of {len(lines)} runs over their epochs"
    finite = [v for line in lines for v in line.y if math.isfinite(v)]
    log = name == "loss" and min(finite) > 0 and max(finite) > 50 * min(finite)
    svg = charts.curves(lines, label=text, log=log, share=name in page.SHARES)
    notes = ["logarithmic scale"] if log else []
    if any(line.dashed for line in lines):
        notes.append("dashed: training, nothing was validated")
    if len(records) > MOST_DRAWN:
        notes.append(f"the first {MOST_DRAWN} of {len(records)} runs")
    return {"title": page.words(name), "svg": svg, "legend": legend, "note": "; ".join(notes)}


def differences(records: Sequence[Record]) -> list[tuple[str, list[str]]]:
    """The settings that are not the same in all runs, with the value of each."""
    tables = [dict(_settings(record)) for record in records]
    places = dict.fromkeys(place for table in tables for place in table)
    rows = [(place, [table.get(place, "–") for table in tables]) for place in places]
    return [(place, values) for place, values in rows if len(set(values)) > 1]


def _settings(record: Record) -> list[tuple[str, str]]:
    """The configuration, what the run noted of its parameters, and where it took place."""
    config: Any = {}
    if record.config is not None:
        try:
            config = tomllib.loads(record.config)
        except tomllib.TOMLDecodeError:
            config = {"config.toml": record.config}
    run = record.run
    noted = [] if config else page.flatten(run.get("parameters", {}))
    seed = [("seed", str(run["seed"]))] if "seed" in run else []
    return [*page.flatten(config), *noted, *seed, *page.flatten(run.get("environment", {}))]
