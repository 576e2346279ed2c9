"""Compare frameworks call by call: results are checked against float64, then rounds are timed."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import numpy as np

from benchmarks.check import MismatchError, compare_values
from benchmarks.client import Worker, WorkerError, choose_cpus
from benchmarks.operation import Expected, Operation
from benchmarks.peers import Peer
from benchmarks.rounds import Comparison, Failure, Note, Run, Settings, time_once, time_rounds

COPY_SECONDS = 0.02  # at least, for each kind of store
REFERENCE = "NumPy in float64"


@dataclass
class CallRun(Run):
    """A framework that calls an operation.

    `error` is the largest error of its results, in units of what rounding may lead to; `p95_all`
    is there where every call is timed by itself.
    """

    error: float = 0.0
    p95_all: list[float] = field(default_factory=list)


@dataclass(kw_only=True)
class CallOutcome(Comparison[CallRun]):
    """All that came out of one operation; `copy_all` has bytes per second, by kind of store.

    `peak_flops` is the most that the machine can do per second, where the operation has FLOPs.
    """

    title: str
    operation: Operation
    peak_flops: float | None = None
    copy_all: dict[str, list[float]] = field(default_factory=dict)

    def copy_ms(self) -> list[float] | None:
        """What copying as many bytes took in each round, by the stores that are faster."""
        if not self.copy_all:
            return None
        best = max(self.copy_all.values(), key=statistics.median)
        return [1e3 * self.operation.traffic / rate for rate in best]

    def fraction_of_peak(self, run: CallRun) -> float | None:
        """FLOPs per second ÷ the machine's peak."""
        if self.peak_flops is None or self.operation.flops is None:
            return None
        return self.operation.flops / (1e-3 * run.ms) / self.peak_flops

    def fraction_of_copy(self, run: CallRun) -> float | None:
        """Median over the rounds of the copy's time ÷ this run's."""
        copies = self.copy_ms()
        if copies is None:
            return None
        pairs = zip(copies, run.ms_all, strict=True)
        return statistics.median(copy / mine for copy, mine in pairs)


class Workers:
    """The processes of a comparison, each started when it is first wanted and kept."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._cpus = choose_cpus(settings.threads)
        self._stack = ExitStack()
        self._workers: dict[str, Worker] = {}
        self._peak: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def get(self, name: str) -> Worker:
        """The worker of this name, a new one if the last has died."""
        worker = self._workers.get(name)
        if worker is None or not worker.alive:
            worker = self._stack.enter_context(
                Worker(
                    name,
                    threads=self._settings.threads,
                    cpus=self._cpus,
                    warm_cache=self._settings.warm_cache,
                    kind="calls",
                )
            )
            self._workers[name] = worker
        return worker

    def peak_flops(self) -> float:
        """What the machine can do per second, measured when it is first wanted."""
        if self._peak is None:
            reply = self.get("probe").ask("peak", threads=self._settings.threads)
            self._peak = float(reply["flops"])
        return self._peak


def run_operation(
    operation: Operation,
    peers: Sequence[Peer],
    settings: Settings,
    workers: Workers,
    *,
    module: str,
    title: str,
    latencies: bool = False,
    note: Note = lambda text: None,
) -> CallOutcome:
    """Compare `peers` on an operation, which workers import from `module`.

    With `latencies` every call is timed by itself, else a round's calls together.
    """
    outcome = CallOutcome(title=title, operation=operation)
    if operation.flops:
        note(f"{title}: measuring what the machine can do")
        outcome.peak_flops = workers.peak_flops()
    note(f"{title}: computing what is expected")
    expected = operation.expect(operation.inputs(settings.seed))
    runs = []
    for peer in peers:
        if missing := peer.missing():
            outcome.skipped.append(Failure(peer.name, f"{missing} is not installed"))
            continue
        if peer.build not in operation.builds:
            outcome.skipped.append(Failure(peer.name, "the case is not written for it"))
            continue
        variants = operation.variants.get(peer.name, peer.variants)
        peer = dataclasses.replace(peer, variants=variants)
        for variant in variants:
            name = peer.label(variant)
            note(f"{title}: checking {name}")
            run = CallRun(peer, variant, workers.get(f"{peer.name} {variant.name}"))
            try:
                _build_and_check(run, operation, expected, settings, module)
            except WorkerError as error:
                outcome.fail(name, error)
            except MismatchError as error:
                outcome.failed.append(Failure(name, f"does not match {REFERENCE}: {error}"))
            else:
                runs.append(run)
    expected.clear()
    _time(outcome, runs, settings, workers, latencies, lambda text: note(f"{title}: {text}"))
    return outcome


def _build_and_check(
    run: CallRun,
    operation: Operation,
    expected: Sequence[Expected],
    settings: Settings,
    module: str,
) -> None:
    run.built = run.worker.ask(
        "build",
        module=module,
        name=operation.name,
        build=run.peer.build,
        package=run.peer.package,
        options={**run.variant.options, "threads": settings.threads},
        seed=settings.seed,
    )
    file = run.worker.folder / "results.npz"
    reply = run.worker.ask("results", calls=operation.checked_calls, file=str(file))
    run.first_step_s = reply["first_call_s"]
    try:
        with np.load(file) as arrays:
            run.error = compare_values([arrays[name] for name in arrays.files], expected)
    finally:
        file.unlink()


def _time(
    outcome: CallOutcome,
    runs: list[CallRun],
    settings: Settings,
    workers: Workers,
    latencies: bool,
    note: Note,
) -> None:
    def copy() -> None:
        if not outcome.operation.beside_copy:
            return
        rates = workers.get("copy").ask(
            "copy",
            threads=settings.threads,
            traffic=outcome.operation.traffic,
            seconds=max(settings.round_seconds, 2 * COPY_SECONDS),
        )["rates"]
        for stores, rate in rates.items():
            outcome.copy_all.setdefault(stores, []).append(rate)

    def measure(run: CallRun) -> None:
        if not latencies:
            time_once(run)
            return
        reply = run.worker.ask("latencies", steps=run.steps)
        run.ms_all.append(1e3 * reply["median"])
        run.p95_all.append(1e3 * reply["p95"])

    time_rounds(outcome, runs, settings, note, measure=measure, before_round=copy)
