"""The command line: `python -m benchmarks train …`, `ops …`, `infer …`, `generate`, `fit …`, …"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks import call_report, fitting, generation, loading, machine, report
from benchmarks.call_harness import CallOutcome, Workers, run_operation
from benchmarks.case import case_module, case_names, load_case, nearest_name
from benchmarks.client import choose_cpus, count_cpus
from benchmarks.harness import Outcome, run_case
from benchmarks.operation import (
    Network,
    choose_operations,
    group_names,
    load_source,
    network_names,
)
from benchmarks.peers import CALL_PEERS, NEURONA, PEERS, Peer, parse_peers
from benchmarks.rounds import Settings
from neurona.core import config

BUSY_LOAD = 0.5
REPORT_WIDTH = 120  # where there is no terminal to ask
TRAIN_PEERS, INFER_PEERS = ",".join(PEERS), ",".join(CALL_PEERS)
OPS_PEERS = "torch,onnxruntime"

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

Peers = Annotated[str, typer.Option(help="Comma-separated frameworks to compare with.")]
Rounds = Annotated[int, typer.Option(min=1, help="Interleaved rounds.")]
Threads = Annotated[
    int | None, typer.Option(min=1, help="Threads of every framework; default: all.")
]
RoundSeconds = Annotated[
    float, typer.Option(min=0.001, help="How long a round of one framework lasts.")
]
JsonFile = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write the figures there.")
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of weights and data.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", help="Print the tracebacks of frameworks that failed.")
]


@app.callback()
def benchmarks() -> None:
    """Speed of Neurona beside PyTorch, JAX and ONNX Runtime, each in its own process."""


@app.command(no_args_is_help=True)
def train(
    cases: Annotated[
        list[str], typer.Argument(metavar="CASE", help=f"Any of: {', '.join(case_names())}.")
    ],
    peers: Peers = TRAIN_PEERS,
    rounds: Rounds = 10,
    threads: Threads = None,
    round_seconds: RoundSeconds = 0.3,
    json_file: JsonFile = None,
    seed: Seed = 0,
    peak_gflops: Annotated[
        float | None, typer.Option(min=1e-3, help="Peak for the floor; default: measured.")
    ] = None,
    warm_cache: Annotated[
        bool, typer.Option("--warm-cache", help="Use the frameworks' usual caches, not empty ones.")
    ] = False,
    max_autotune: Annotated[
        bool, typer.Option("--max-autotune", help="Also time torch.compile's max-autotune mode.")
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Time training steps; every framework's losses and weights are checked first.

    Exit code 1 if a framework failed or did not match, 2 for bad arguments.
    """
    _check_names("case", cases, case_names())
    chosen = _chosen_peers(peers, PEERS, max_autotune=max_autotune)
    settings = Settings(
        threads=_chosen_threads(threads),
        rounds=rounds,
        round_seconds=round_seconds,
        seed=seed,
        warm_cache=warm_cache,
        peak_flops=None if peak_gflops is None else 1e9 * peak_gflops,
    )
    console, write = _begin(settings, json_file)
    outcomes: list[Outcome] = []
    for name in dict.fromkeys(cases):
        module = case_module(name)
        with console.status("") as status:
            try:
                outcome = run_case(
                    load_case(module), chosen, settings, module=module, note=status.update
                )
            except LookupError as error:
                console.print(f"[bold red]Error:[/] {error}", highlight=False)
                raise typer.Exit(2) from None
        report.print_outcome(console, outcome, rounds, verbose=verbose)
        outcomes.append(outcome)
        write({"cases": [report.outcome_record(outcome) for outcome in outcomes]})
    raise typer.Exit(1 if any(outcome.failed for outcome in outcomes) else 0)


@app.command()
def ops(
    groups: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[GROUP…]",
            help=f"Any of: {', '.join(group_names())}; operations as GROUP/NAME,"
            f" * and ? standing for letters. Default: all.",
        ),
    ] = None,
    peers: Peers = OPS_PEERS,
    rounds: Rounds = 10,
    threads: Threads = None,
    round_seconds: RoundSeconds = 0.1,
    json_file: JsonFile = None,
    seed: Seed = 0,
    verbose: Verbose = False,
) -> None:
    """Time single operations; every framework's results are checked first.

    Exit code 1 if a framework failed or did not match, 2 for bad arguments.
    """
    try:
        wanted = choose_operations(groups or [])
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="GROUP") from None
    chosen = _chosen_peers(peers, CALL_PEERS)
    settings = Settings(
        threads=_chosen_threads(threads), rounds=rounds, round_seconds=round_seconds, seed=seed
    )
    console, write = _begin(settings, json_file)
    outcomes: list[CallOutcome] = []
    means: dict[str, Any] = {}
    for group in wanted:
        of_group: list[CallOutcome] = []
        with Workers(settings) as workers, console.status("") as status:
            for operation in group.operations:
                outcome = run_operation(
                    operation,
                    chosen,
                    settings,
                    workers,
                    module=f"benchmarks.operations.{group.name}",
                    title=f"{group.name}/{operation.name}",
                    note=status.update,
                )
                of_group.append(outcome)
                outcomes.append(outcome)
                means[group.name] = call_report.geometric_means(of_group)
                records = [call_report.call_record(outcome) for outcome in outcomes]
                write({"cases": records, "ratios": means})
        console.print(call_report.operations_table(group.name, group.description, of_group, chosen))
        _finish(console, of_group, verbose=verbose)
    raise typer.Exit(1 if any(outcome.failed for outcome in outcomes) else 0)


@app.command(no_args_is_help=True)
def infer(
    networks: Annotated[
        list[str], typer.Argument(metavar="NETWORK", help=f"Any of: {', '.join(network_names())}.")
    ],
    batch: Annotated[
        str | None,
        typer.Option(help="Comma-separated batch sizes; default: the network's own."),
    ] = None,
    peers: Peers = INFER_PEERS,
    rounds: Rounds = 10,
    threads: Threads = None,
    round_seconds: RoundSeconds = 0.3,
    json_file: JsonFile = None,
    seed: Seed = 0,
    verbose: Verbose = False,
) -> None:
    """Time a network's answers, from a NumPy array to a NumPy array; all are checked first.

    Exit code 1 if a framework failed or did not match, 2 for bad arguments.
    """
    _check_names("network", networks, network_names())
    sizes = None if batch is None else _batch_sizes(batch)
    chosen = _chosen_peers(peers, CALL_PEERS)
    settings = Settings(
        threads=_chosen_threads(threads), rounds=rounds, round_seconds=round_seconds, seed=seed
    )
    console, write = _begin(settings, json_file)
    outcomes: list[CallOutcome] = []
    for name in dict.fromkeys(networks):
        module = f"benchmarks.inference.{name}"
        network = load_source(module)
        if not isinstance(network, Network):
            raise TypeError(f"{module}.SOURCE must be a Network")
        of_network: list[CallOutcome] = []
        with Workers(settings) as workers, console.status("") as status:
            for size in sizes or network.batches:
                outcome = run_operation(
                    network.at_batch(size),
                    chosen,
                    settings,
                    workers,
                    module=module,
                    title=name,
                    latencies=True,
                    note=status.update,
                )
                of_network.append(outcome)
                outcomes.append(outcome)
                write({"cases": [call_report.call_record(outcome) for outcome in outcomes]})
        console.print(call_report.latency_table(name, network.description, of_network, rounds))
        _finish(console, of_network, verbose=verbose)
    raise typer.Exit(1 if any(outcome.failed for outcome in outcomes) else 0)


@app.command()
def generate(
    peers: Peers = "torch",
    rounds: Rounds = 10,
    threads: Threads = None,
    round_seconds: RoundSeconds = 0.3,
    json_file: JsonFile = None,
    seed: Seed = 0,
    verbose: Verbose = False,
) -> None:
    """Time how a GPT goes on with a prompt, symbol by symbol; the symbols are checked first.

    Exit code 1 if a framework failed or did not match, 2 for bad arguments.
    """
    chosen = _chosen_peers(peers, CALL_PEERS)
    settings = Settings(
        threads=_chosen_threads(threads), rounds=rounds, round_seconds=round_seconds, seed=seed
    )
    console, write = _begin(settings, json_file)
    source, outcomes = generation.SOURCE, []
    with Workers(settings) as workers, console.status("") as status:
        for operation in source.operations:
            outcome = run_operation(
                operation,
                chosen,
                settings,
                workers,
                module="benchmarks.generation",
                title=f"{source.name}/{operation.name}",
                note=status.update,
            )
            outcomes.append(outcome)
            write({"cases": [call_report.call_record(outcome) for outcome in outcomes]})
    console.print(call_report.generation_table(outcomes, rounds))
    _finish(console, outcomes, verbose=verbose)
    raise typer.Exit(1 if any(outcome.failed for outcome in outcomes) else 0)


@app.command()
def loader(
    rounds: Rounds = 3,
    batch: Annotated[int, typer.Option(min=1, help="Samples in a batch.")] = 32,
    samples: Annotated[int, typer.Option(min=8, help="Length of the arrays.")] = 60_000,
    images: Annotated[int, typer.Option(min=8, help="Pictures in the folder.")] = 256,
    side: Annotated[int, typer.Option(min=8, help="Rows and columns of a picture.")] = 256,
    augment: Annotated[bool, typer.Option(help="Turn, crop and recolour the pictures.")] = False,
    json_file: JsonFile = None,
) -> None:
    """Time loaders: arrays beside bare loops, and a folder of pictures read by workers."""
    console, write = _begin(Settings(threads=1, rounds=rounds), json_file)
    of_arrays = loading.arrays(samples, batch, rounds)
    console.print(loading.array_table(of_arrays, batch))
    write({"arrays": of_arrays})
    workers = [("threads", 0), ("threads", 1), ("threads", 2), ("processes", 1), ("processes", 2)]
    of_pictures = loading.pictures(images, side, batch, workers, rounds, augmented=augment)
    console.print(loading.picture_table(of_pictures, side))
    write({"arrays": of_arrays, "pictures": of_pictures})


@app.command(no_args_is_help=True)
def fit(
    networks: Annotated[
        list[str], typer.Argument(metavar="NETWORK", help=f"Any of: {', '.join(fitting.NETWORKS)}.")
    ],
    rounds: Rounds = 10,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs in a round.")] = 2,
    json_file: JsonFile = None,
    seed: Seed = 0,
) -> None:
    """Time Model.fit beside a loop over the bare compiled step, on the same batches."""
    _check_names("network", networks, list(fitting.NETWORKS))
    console, write = _begin(Settings(threads=config.threads(), rounds=rounds), json_file)
    found: dict[str, Any] = {}
    for name in dict.fromkeys(networks):
        network = fitting.NETWORKS[name]
        found[name] = fitting.fitting(network, rounds=rounds, epochs=epochs, seed=seed)
        console.print(fitting.fitting_table(name, network, found[name]))
        write({"fit": found})


def _check_names(kind: str, names: list[str], known: list[str]) -> None:
    for name in names:
        if name not in known:
            raise typer.BadParameter(nearest_name(kind, name, known), param_hint=kind.upper())


def _chosen_peers(
    text: str, known: Mapping[str, Peer], *, max_autotune: bool = False
) -> list[Peer]:
    try:
        return [NEURONA, *parse_peers(text, known=known, max_autotune=max_autotune)]
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--peers") from None


def _chosen_threads(threads: int | None) -> int:
    threads = count_cpus() if threads is None else threads
    try:
        choose_cpus(threads)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--threads") from None
    return threads


def _batch_sizes(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise typer.BadParameter(
            f"{text!r} must be whole numbers above 0, as in 1,128.", param_hint="--batch"
        )
    return list(dict.fromkeys(int(part) for part in parts))


def _begin(
    settings: Settings, json_file: Path | None
) -> tuple[Console, Callable[[dict[str, Any]], None]]:
    """The console, and what writes the JSON file if one is asked for."""
    if json_file and not (json_file.parent.is_dir() and os.access(json_file.parent, os.W_OK)):
        raise typer.BadParameter(
            f"the folder {str(json_file.parent)!r} is missing or not writable.", param_hint="--json"
        )
    console = Console(width=None if sys.stdout.isatty() else REPORT_WIDTH)
    here = {**machine.describe_machine(), "threads": settings.threads}
    if (here["load_before"] or 0) > BUSY_LOAD:
        console.print(f"The machine is busy (load {here['load_before']}): expect disturbed times.")

    def write(record: dict[str, Any]) -> None:
        if json_file:
            now = {**here, "load_after": machine.load()}
            report.write_json(json_file, {"machine": now, **record})

    return console, write


def _finish(console: Console, outcomes: list[CallOutcome], *, verbose: bool) -> None:
    if verbose:
        for outcome in outcomes:
            report.print_details(console, outcome.failed)
    console.print()
