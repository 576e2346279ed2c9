"""The command line: `python -m benchmarks train CASE…`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import machine, report
from benchmarks.case import case_names, load_case, nearest_name
from benchmarks.client import choose_cpus, count_cpus
from benchmarks.harness import Outcome, Settings, run_case
from benchmarks.peers import NEURONA, PEERS, parse_peers

BUSY_LOAD = 0.5
REPORT_WIDTH = 120  # where there is no terminal to ask

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def benchmarks() -> None:
    """Speed of Neurona beside PyTorch, torch.compile and JAX, each in its own process."""


@app.command(no_args_is_help=True)
def train(
    cases: Annotated[
        list[str], typer.Argument(metavar="CASE", help=f"Any of: {', '.join(case_names())}.")
    ],
    peers: Annotated[
        str, typer.Option(help="Comma-separated frameworks to compare with.")
    ] = ",".join(PEERS),
    rounds: Annotated[int, typer.Option(min=1, help="Interleaved rounds.")] = 10,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of every framework; default: all.")
    ] = None,
    round_seconds: Annotated[
        float, typer.Option(min=0.001, help="How long a round of one framework lasts.")
    ] = 0.3,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the figures there.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights and data.")] = 0,
    peak_gflops: Annotated[
        float | None, typer.Option(min=1e-3, help="Peak for the floor; default: measured.")
    ] = None,
    warm_cache: Annotated[
        bool, typer.Option("--warm-cache", help="Use the frameworks' usual caches, not empty ones.")
    ] = False,
    max_autotune: Annotated[
        bool, typer.Option("--max-autotune", help="Also time torch.compile's max-autotune mode.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Print the tracebacks of frameworks that failed.")
    ] = False,
) -> None:
    """Time training steps; every framework's losses and weights are checked first.

    Exit code 1 if a framework failed or did not match, 2 for bad arguments.
    """
    known = case_names()
    for name in cases:
        if name not in known:
            raise typer.BadParameter(nearest_name("case", name, known), param_hint="CASE")
    try:
        chosen = parse_peers(peers, max_autotune=max_autotune)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--peers") from None
    if threads is None:
        threads = count_cpus()
    try:
        choose_cpus(threads)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--threads") from None
    if json_file and not (json_file.parent.is_dir() and os.access(json_file.parent, os.W_OK)):
        raise typer.BadParameter(
            f"the folder {str(json_file.parent)!r} is missing or not writable.", param_hint="--json"
        )

    console = Console(width=None if sys.stdout.isatty() else REPORT_WIDTH)
    here = {**machine.describe_machine(), "threads": threads}
    if (here["load_before"] or 0) > BUSY_LOAD:
        console.print(f"The machine is busy (load {here['load_before']}): expect disturbed times.")
    settings = Settings(
        threads=threads,
        rounds=rounds,
        round_seconds=round_seconds,
        seed=seed,
        warm_cache=warm_cache,
        peak_flops=None if peak_gflops is None else 1e9 * peak_gflops,
    )
    outcomes: list[Outcome] = []
    for name in dict.fromkeys(cases):
        module = f"benchmarks.cases.{name}"
        with console.status("") as status:
            try:
                outcome = run_case(
                    load_case(module),
                    [NEURONA, *chosen],
                    settings,
                    module=module,
                    note=status.update,
                )
            except LookupError as error:
                console.print(f"[bold red]Error:[/] {error}", highlight=False)
                raise typer.Exit(2) from None
        report.print_outcome(console, outcome, rounds, verbose=verbose)
        outcomes.append(outcome)
        if json_file:
            report.write_json(json_file, {**here, "load_after": machine.load()}, outcomes)
    raise typer.Exit(1 if any(outcome.failed for outcome in outcomes) else 0)
