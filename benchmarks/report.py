"""What a run leaves behind: a table for people, JSON for programs."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from benchmarks.harness import Outcome, TrainingRun
from benchmarks.rounds import Failure

MEGABYTE = 1e6
COLUMNS = (
    "ms/step",
    "range",
    "ratio",
    "GFLOP/s",
    "of floor",
    "warm-up s",
    "cached s",
    "step MB",
    "peak MB",
)


def outcome_record(outcome: Outcome) -> dict[str, Any]:
    """One entry of "cases" in the JSON file."""
    case = outcome.case
    return {
        "case": case.name,
        "description": case.description,
        "batch": case.batch,
        "flops": case.flops,
        "traffic_bytes": case.traffic,
        "floor_ms": outcome.floor_ms,
        "peak_gflops": outcome.peak_flops / 1e9,
        "bandwidth_gbs": outcome.bandwidth / 1e9,
        "reference": outcome.reference,
        "checked_steps": case.tolerance.steps,
        "results": [_run_record(outcome, run) for run in outcome.runs],
        "failed": [{"name": f.name, "reason": f.reason} for f in outcome.failed],
        "skipped": [{"name": f.name, "reason": f.reason} for f in outcome.skipped],
    }


def _run_record(outcome: Outcome, run: TrainingRun) -> dict[str, Any]:
    siblings = [r for r in outcome.variants if r.peer.name == run.peer.name]
    return {
        "name": run.peer.name,
        "ms": run.ms,
        "ms_all": run.ms_all,
        "ratio": outcome.ratio(run),
        "gflops": outcome.case.flops / run.ms / 1e6,
        "fraction_of_floor": outcome.floor_ms / run.ms,
        "warmup_s": run.built["build_s"] + run.first_step_s,
        "first_step_s": run.first_step_s,
        "cached_s": run.cached_s,
        "import_s": run.built["import_s"],
        "peak_mb": run.memory["process"] / MEGABYTE,
        "training_mb": run.memory["training"] / MEGABYTE,
        "step_mb": run.memory["step"] / MEGABYTE if "step" in run.memory else None,
        "steps_per_round": run.steps,
        "loss_deviation": run.deviation.loss if run.deviation else None,
        "change_deviation": run.deviation.change if run.deviation else None,
        "version": run.built["version"],
        "variant": run.variant.name,
        "variants": {r.variant.name: r.ms for r in siblings},
        "variants_step_mb": {
            r.variant.name: r.memory["step"] / MEGABYTE for r in siblings if "step" in r.memory
        },
    }


def outcome_table(outcome: Outcome, rounds: int) -> Group:
    """The table of one case, with what was skipped or refused under it."""
    case = outcome.case
    table = Table(title=f"{case.name}: {case.description}", title_justify="left")
    table.add_column("framework", no_wrap=True)
    for heading in COLUMNS:
        table.add_column(heading, justify="right", no_wrap=True)
    for run in outcome.runs:
        record = _run_record(outcome, run)
        name = run.peer.label(run.variant)
        ratio = "–" if record["ratio"] is None else f"{record['ratio']:.2f}"
        table.add_row(
            escape(name),
            milliseconds(run.ms),
            f"{milliseconds(min(run.ms_all))} … {milliseconds(max(run.ms_all))}",
            ratio,
            f"{record['gflops']:.1f}",
            f"{100 * record['fraction_of_floor']:.1f} %",
            f"{record['warmup_s']:.2f}",
            "–" if run.cached_s is None else f"{run.cached_s:.2f}",
            "–" if record["step_mb"] is None else f"{record['step_mb']:.3g}",
            f"{record['peak_mb']:.0f}",
        )
    lines = [
        f"floor {milliseconds(outcome.floor_ms)} ms ="
        f" {case.flops / 1e6:.3g} MFLOP at {outcome.peak_flops / 1e9:.0f} GFLOP/s"
        f" + {case.traffic / 1e6:.3g} MB at {outcome.bandwidth / 1e9:.0f} GB/s;"
        f" median over {rounds} round{'s' if rounds > 1 else ''}; ratio = time ÷ Neurona's",
        f"losses and weights of {case.tolerance.steps} steps checked against {outcome.reference}",
    ]
    notes = [Text(line, style="dim") for line in lines]
    notes += [Text(f"{f.name}: skipped, {f.reason}", style="yellow") for f in outcome.skipped]
    notes += [Text(f"{f.name}: not timed, {f.reason}", style="bold red") for f in outcome.failed]
    return Group(table, *notes)


def milliseconds(value: float) -> str:
    """Three digits."""
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def print_outcome(console: Console, outcome: Outcome, rounds: int, *, verbose: bool) -> None:
    """Print the table; with `verbose` the workers' tracebacks too."""
    console.print(outcome_table(outcome, rounds))
    if verbose:
        print_details(console, outcome.failed)
    console.print()


def print_details(console: Console, failed: Sequence[Failure]) -> None:
    """Print the workers' tracebacks."""
    for failure in failed:
        if failure.details:
            console.print(Text(f"\n{failure.name}:\n{failure.details}"))


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Write the record of a run; a reader never sees half of it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(record, file, indent=2, allow_nan=False)
            file.write("\n")
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
