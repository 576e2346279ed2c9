"""Run one case: build every framework, check it against the reference, time it in rounds."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.case import Case
from benchmarks.check import Deviation, MismatchError, Trace, compare
from benchmarks.client import Worker, WorkerError, choose_cpus
from benchmarks.peers import REFERENCES, Peer, Variant


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a comparison is run."""

    threads: int
    rounds: int = 10
    round_seconds: float = 0.3
    seed: int = 0
    warm_cache: bool = False
    peak_flops: float | None = None  # measured where None


@dataclass
class Run:
    """A variant of a peer in its worker, and what has been measured of it so far."""

    peer: Peer
    variant: Variant
    worker: Worker
    built: dict[str, Any] = field(default_factory=dict)
    first_step_s: float = 0.0
    trace: Trace | None = None
    deviation: Deviation | None = None
    steps: int = 0
    ms_all: list[float] = field(default_factory=list)
    memory: dict[str, int] = field(default_factory=dict)

    @property
    def ms(self) -> float:
        """Milliseconds per step, median over the rounds."""
        return statistics.median(self.ms_all)


@dataclass
class Failure:
    """Why a framework (or a variant of it) has no figures."""

    name: str
    reason: str
    details: str = ""


@dataclass
class Outcome:
    """All that came out of one case; `runs` holds each peer's fastest variant."""

    case: Case
    floor_ms: float
    peak_flops: float
    bandwidth: float
    reference: str
    runs: list[Run] = field(default_factory=list)
    variants: list[Run] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    skipped: list[Failure] = field(default_factory=list)

    def ratio(self, run: Run, base: str = "neurona") -> float | None:
        """Median over the rounds of this run's time ÷ the time of `base` in the same round."""
        ours = next((r for r in self.runs if r.peer.name == base), None)
        if ours is None:
            return None
        pairs = zip(run.ms_all, ours.ms_all, strict=True)
        return statistics.median(theirs / mine for theirs, mine in pairs)


Note = Callable[[str], None]


def run_case(
    case: Case,
    peers: Sequence[Peer],
    settings: Settings,
    *,
    module: str,
    references: Sequence[Peer] = REFERENCES,
    note: Note = lambda text: None,
) -> Outcome:
    """Compare `peers` on `case`, which worker processes import from `module`.

    LookupError if none of `references` is installed or the reference cannot run the case.
    """
    reference = next((p for p in references if p.installed() and p.build in case.builds), None)
    if reference is None:
        names = " or ".join(p.name for p in references)
        raise LookupError(
            f"case {case.name!r} is checked against {names}, and none is installed:"
            " pip install 'neurona[peers]'."
        )
    with ExitStack() as stack:
        cpus = choose_cpus(settings.threads)

        def start(label: str) -> Worker:
            return stack.enter_context(
                Worker(label, threads=settings.threads, cpus=cpus, warm_cache=settings.warm_cache)
            )

        note(f"{case.name}: measuring what the machine can do")
        with start("probe") as probe:
            best = probe.ask("probe", working_set=case.traffic // 2, threads=settings.threads)
        peak = settings.peak_flops or best["flops"]
        outcome = Outcome(
            case=case,
            floor_ms=1e3 * (case.flops / peak + case.traffic / best["bandwidth"]),
            peak_flops=peak,
            bandwidth=best["bandwidth"],
            reference=reference.name,
        )
        runs = _build_all(outcome, peers, module, settings, start, note)
        expected = _reference_trace(case, reference, runs, module, settings, note, start)
        runs = _checked(outcome, runs, expected, settings)
        _time_rounds(outcome, runs, settings, note)
    return outcome


def _build_all(
    outcome: Outcome,
    peers: Sequence[Peer],
    module: str,
    settings: Settings,
    start: Callable[[str], Worker],
    note: Note,
) -> list[Run]:
    runs = []
    for peer in peers:
        if not peer.installed():
            outcome.skipped.append(Failure(peer.name, f"{peer.package} is not installed"))
            continue
        if peer.build not in outcome.case.builds:
            outcome.skipped.append(Failure(peer.name, "the case is not written for it"))
            continue
        for variant in peer.variants:
            note(f"{outcome.case.name}: building {_label(peer, variant)}")
            run = Run(peer, variant, start(_label(peer, variant)))
            try:
                _train_checked_steps(run, outcome.case, module, settings)
            except WorkerError as error:
                outcome.failed.append(Failure(run.worker.label, str(error), error.details))
                run.worker.close()
            else:
                runs.append(run)
    return runs


def _train_checked_steps(run: Run, case: Case, module: str, settings: Settings) -> None:
    run.built = run.worker.ask(
        "build",
        module=module,
        build=run.peer.build,
        package=run.peer.package,
        options=dict(run.variant.options),
        seed=settings.seed,
    )
    state_file = run.worker.folder / "state.npz"
    reply = run.worker.ask("losses", steps=case.tolerance.steps, state_file=str(state_file))
    run.first_step_s = reply["first_step_s"]
    with np.load(state_file) as arrays:
        run.trace = Trace(reply["losses"], dict(arrays))


def _reference_trace(
    case: Case,
    reference: Peer,
    runs: Sequence[Run],
    module: str,
    settings: Settings,
    note: Note,
    start: Callable[[str], Worker],
) -> Trace:
    """The curve to follow: the reference's first variant, run for this alone if it is no peer."""
    variant = reference.variants[0]
    for run in runs:
        if run.peer.name == reference.name and run.variant is variant and run.trace:
            return run.trace
    note(f"{case.name}: training the reference, {_label(reference, variant)}")
    with start(_label(reference, variant)) as worker:
        run = Run(reference, variant, worker)
        try:
            _train_checked_steps(run, case, module, settings)
        except WorkerError as error:
            raise LookupError(
                f"case {case.name!r} has no reference: {worker.label}: {error}\n{error.details}"
            ) from error
    if run.trace is None:
        raise LookupError(f"case {case.name!r} has no reference")
    return run.trace


def _checked(
    outcome: Outcome, runs: Sequence[Run], expected: Trace, settings: Settings
) -> list[Run]:
    case, right = outcome.case, []
    initial = case.problem(settings.seed).weights
    for run in runs:
        if run.trace is None:
            continue
        try:
            run.deviation = compare(
                run.trace,
                expected,
                initial=initial,
                tolerance=case.tolerance,
                undetermined=case.undetermined,
            )
        except MismatchError as error:
            reason = f"does not match {outcome.reference}: {error}"
            outcome.failed.append(Failure(run.worker.label, reason))
            run.worker.close()
        else:
            run.trace = None
            right.append(run)
    return right


def _time_rounds(outcome: Outcome, runs: list[Run], settings: Settings, note: Note) -> None:
    """Rounds A B A B …: every framework once a round, so that slow drifts meet all alike."""

    def each(action: Callable[[Run], None]) -> None:
        for run in list(runs):
            try:
                action(run)
            except WorkerError as error:
                outcome.failed.append(Failure(run.worker.label, str(error), error.details))
                runs.remove(run)

    def calibrate(run: Run) -> None:
        run.steps = run.worker.ask("calibrate", seconds=settings.round_seconds)["steps"]

    def time_round(run: Run) -> None:
        seconds = run.worker.ask("time", steps=run.steps)["seconds"]
        run.ms_all.append(1e3 * seconds / run.steps)

    def measure_memory(run: Run) -> None:
        run.memory = run.worker.ask("memory")

    note(f"{outcome.case.name}: choosing the number of steps per round")
    each(calibrate)
    for number in range(settings.rounds):
        note(f"{outcome.case.name}: round {number + 1} of {settings.rounds}")
        each(time_round)
    each(measure_memory)
    outcome.variants = runs
    for name in dict.fromkeys(run.peer.name for run in runs):
        outcome.runs.append(min((r for r in runs if r.peer.name == name), key=lambda r: r.ms))


def _label(peer: Peer, variant: Variant) -> str:
    return peer.name if len(peer.variants) == 1 else f"{peer.name} ({variant.name})"
