"""What comparisons call by call leave behind: tables for people, records for JSON."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Group as Lines
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from benchmarks.call_harness import REFERENCE, CallOutcome, CallRun
from benchmarks.peers import Peer
from benchmarks.report import MEGABYTE, milliseconds

FEW = 8  # operations, up to which the times of all variants are told


def call_record(outcome: CallOutcome) -> dict[str, Any]:
    """One entry of "cases" in the JSON file."""
    operation, copies = outcome.operation, outcome.copy_ms()
    record = {
        "case": outcome.title,
        "description": operation.description,
        "batch": operation.batch,
        "tokens": operation.tokens,
        "flops": operation.flops,
        "traffic_bytes": operation.traffic,
        "peak_gflops": None if outcome.peak_flops is None else outcome.peak_flops / 1e9,
        "copy_ms": None if copies is None else statistics.median(copies),
        "copy_gbs": {
            stores: statistics.median(rates) / 1e9 for stores, rates in outcome.copy_all.items()
        },
        "reference": REFERENCE,
        "checked_steps": operation.checked_calls,
        "results": [_run_record(outcome, run) for run in outcome.runs],
        "failed": [{"name": f.name, "reason": f.reason} for f in outcome.failed],
        "skipped": [{"name": f.name, "reason": f.reason} for f in outcome.skipped],
    }
    return record


def _run_record(outcome: CallOutcome, run: CallRun) -> dict[str, Any]:
    flops, traffic = outcome.operation.flops, outcome.operation.traffic
    siblings = [r for r in outcome.variants if r.peer.name == run.peer.name]
    record = {
        "name": run.peer.name,
        "ms": run.ms,
        "ms_all": run.ms_all,
        "ratio": outcome.ratio(run),
        "gflops": None if flops is None else flops / run.ms / 1e6,
        "fraction_of_peak": outcome.fraction_of_peak(run),
        "gbs": traffic / run.ms / 1e6,
        "fraction_of_copy": outcome.fraction_of_copy(run),
        "warmup_s": run.built["build_s"] + run.first_step_s,
        "import_s": run.built["import_s"],
        "peak_mb": run.memory["process"] / MEGABYTE,
        "steps_per_round": run.steps,
        "error": run.error,
        "version": run.built["version"],
        "variant": run.variant.name,
        "variants": {r.variant.name: r.ms for r in siblings},
    }
    if run.p95_all:
        record |= {"p95_ms": statistics.median(run.p95_all), "p95_ms_all": run.p95_all}
    return record


def geometric_means(outcomes: Sequence[CallOutcome]) -> dict[str, dict[str, Any]]:
    """For each peer the geometric mean of its ratios, how many they are, and the lowest."""
    ratios: dict[str, dict[str, float]] = {}
    for outcome in outcomes:
        for run in outcome.runs:
            ratio = outcome.ratio(run)
            if ratio is not None and run.peer.name != "neurona":
                ratios.setdefault(run.peer.name, {})[outcome.title] = ratio
    return {
        name: {
            "geometric_mean": math.exp(statistics.fmean(map(math.log, of.values()))),
            "cases": len(of),
            "lowest": min(of.values()),
            "lowest_case": min(of, key=lambda title: of[title]),
        }
        for name, of in ratios.items()
    }


def operations_table(
    name: str, description: str, outcomes: Sequence[CallOutcome], peers: Sequence[Peer]
) -> Lines:
    """One row an operation, time and ratio of every peer, the geometric means under it."""
    table = Table(title=f"{name}: {description}", title_justify="left")
    table.add_column("case", no_wrap=True)
    rate = "GFLOP/s" if all(outcome.operation.flops for outcome in outcomes) else "GB/s"
    beside_copy = any(outcome.copy_all for outcome in outcomes)
    of_peak = rate == "GFLOP/s"
    headings = ["neurona ms", rate, *["of peak"] * of_peak, *["of copy"] * beside_copy]
    others = [peer.name for peer in peers if peer.name != "neurona"]
    for heading in [*headings, *(h for other in others for h in (f"{other} ms", "ratio"))]:
        table.add_column(heading, justify="right", no_wrap=True)
    for outcome in outcomes:
        table.add_row(
            escape(outcome.title.partition("/")[2]),
            *_cells(outcome, others, of_peak=of_peak, beside_copy=beside_copy),
        )
    means = geometric_means(outcomes)
    notes = [
        Text(
            f"{other}: geometric mean of {entry['cases']} ratios {entry['geometric_mean']:.2f},"
            f" lowest {entry['lowest']:.2f} ({entry['lowest_case']})",
            style="bold",
        )
        for other, entry in means.items()
    ]
    notes += [Text(line, style="dim") for line in _remarks(outcomes)]
    return Lines(table, *notes, *_complaints(outcomes))


def _cells(
    outcome: CallOutcome, others: Sequence[str], *, of_peak: bool, beside_copy: bool
) -> list[str]:
    runs = {run.peer.name: run for run in outcome.runs}
    cells = ["–", "–", *["–"] * of_peak, *["–"] * beside_copy]
    if ours := runs.get("neurona"):
        flops, traffic = outcome.operation.flops, outcome.operation.traffic
        cells[:2] = [milliseconds(ours.ms), f"{(flops or traffic) / ours.ms / 1e6:.1f}"]
        if of_peak and (fraction := outcome.fraction_of_peak(ours)) is not None:
            cells[2] = f"{fraction:.2f}"
        if (fraction := outcome.fraction_of_copy(ours)) is not None:
            cells[-1] = f"{fraction:.2f}"
    for other in others:
        run = runs.get(other)
        ratio = None if run is None else outcome.ratio(run)
        cells.append("–" if run is None else milliseconds(run.ms))
        cells.append("–" if ratio is None else f"{ratio:.2f}")
    return cells


def _remarks(outcomes: Sequence[CallOutcome]) -> list[str]:
    """Times of peers that have several variants, and how the table is to be read."""
    remarks = []
    fastest: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        for best in outcome.runs:
            runs = [run for run in outcome.variants if run.peer.name == best.peer.name]
            if len(runs) == 1:
                continue
            fastest.setdefault(best.peer.name, Counter())[best.variant.name] += 1
            if len(outcomes) <= FEW:
                times = ", ".join(f"{run.variant.name} {milliseconds(run.ms)} ms" for run in runs)
                remarks.append(f"{outcome.title}: {best.peer.name} {times}; the fastest counts")
    if len(outcomes) > FEW:
        for name, counts in fastest.items():
            times = ", ".join(f"{variant} {count}" for variant, count in counts.most_common())
            remarks.append(f"{name}: the fastest variant counts; how often it was which: {times}")
    if any(outcome.peak_flops for outcome in outcomes):
        best = max(outcome.peak_flops or 0 for outcome in outcomes)
        remarks.append(f"of peak = GFLOP/s ÷ {best / 1e9:.0f}, the machine's")
    if any(outcome.copy_all for outcome in outcomes):
        remarks.append("of copy = time to copy as many bytes ÷ Neurona's")
    remarks.append(f"ratio = time ÷ Neurona's; all results checked against {REFERENCE}")
    return remarks


def latency_table(
    name: str, description: str, outcomes: Sequence[CallOutcome], rounds: int
) -> Lines:
    """One row a framework and batch size."""
    table = Table(title=f"{name}: inference, {description}", title_justify="left")
    table.add_column("batch", justify="right")
    table.add_column("framework", no_wrap=True)
    headings = ("median ms", "p95 ms", "range of medians", "ratio", "GFLOP/s", "of peak")
    for heading in (*headings, "warm-up s"):
        table.add_column(heading, justify="right", no_wrap=True)
    for outcome in outcomes:
        for run in outcome.runs:
            record = _run_record(outcome, run)
            ratio = record["ratio"]
            table.add_row(
                str(outcome.operation.batch),
                run.peer.label(run.variant),
                milliseconds(run.ms),
                milliseconds(record["p95_ms"]),
                f"{milliseconds(min(run.ms_all))} … {milliseconds(max(run.ms_all))}",
                "–" if ratio is None else f"{ratio:.2f}",
                f"{record['gflops']:.1f}",
                f"{record['fraction_of_peak'] or 0:.2f}",
                f"{record['warmup_s']:.2f}",
            )
        table.add_section()
    notes = [
        f"NumPy array in, NumPy array out, every call timed; medians over {rounds}"
        f" round{'s' if rounds > 1 else ''}; ratio = median time ÷ Neurona's",
        f"all results checked against {REFERENCE}",
    ]
    return Lines(table, *(Text(line, style="dim") for line in notes), *_complaints(outcomes))


def generation_table(outcomes: Sequence[CallOutcome], rounds: int) -> Lines:
    """One row a framework: tokens a second, and how long one takes."""
    table = Table(title="generation", title_justify="left")
    table.add_column("framework", no_wrap=True)
    headings = ("tokens/s", "µs a token", "range", "ratio", "GB/s", "warm-up s")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    lines = []
    for outcome in outcomes:
        tokens = outcome.operation.tokens or 1
        for run in outcome.runs:
            record = _run_record(outcome, run)
            of_token = [1e3 * ms / tokens for ms in (run.ms, min(run.ms_all), max(run.ms_all))]
            median, least, most = map(milliseconds, of_token)
            ratio = record["ratio"]
            table.add_row(
                run.peer.label(run.variant),
                f"{1e3 * tokens / run.ms:.0f}",
                median,
                f"{least} … {most}",
                "–" if ratio is None else f"{ratio:.2f}",
                f"{record['gbs']:.1f}",
                f"{record['warmup_s']:.2f}",
            )
        table.add_section()
        lines.append(f"{outcome.title}: {outcome.operation.description}")
    lines += [
        f"from the call until all symbols are there, medians over {rounds}"
        f" round{'s' if rounds > 1 else ''}; ratio = time ÷ Neurona's; GB/s: the weights, once a"
        " token",
        f"the symbols checked against {REFERENCE}",
    ]
    return Lines(table, *(Text(line, style="dim") for line in lines), *_complaints(outcomes))


def _complaints(outcomes: Sequence[CallOutcome]) -> list[Text]:
    """What was skipped, once for all operations that share the reason, and what failed."""
    skipped: dict[tuple[str, str], list[str]] = {}
    for outcome in outcomes:
        for skip in outcome.skipped:
            skipped.setdefault((skip.name, skip.reason), []).append(outcome.title)
    lines = []
    for (name, reason), titles in skipped.items():
        where = "" if len(titles) == len(outcomes) else f" ({', '.join(titles)})"
        lines.append(Text(f"{name}: skipped, {reason}{where}", style="yellow"))
    lines += [
        Text(f"{outcome.title}: {failure.name}: not timed, {failure.reason}", style="bold red")
        for outcome in outcomes
        for failure in outcome.failed
    ]
    return lines
