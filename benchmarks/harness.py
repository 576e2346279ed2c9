"""Run one case: build every framework, check it against the reference, time it in rounds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from benchmarks.case import Case
from benchmarks.check import Deviation, MismatchError, Trace, compare
from benchmarks.client import Worker, WorkerError, choose_cpus
from benchmarks.peers import REFERENCES, Peer
from benchmarks.rounds import Comparison, Failure, Note, Run, Settings, time_rounds


@dataclass
class TrainingRun(Run):
    """A framework training a case; `trace` is held until it is compared with the reference's.

    `cached_s` is what building and the first step take in a new process that finds the code of
    the first.
    """

    trace: Trace | None = None
    deviation: Deviation | None = None
    cached_s: float | None = None


@dataclass(kw_only=True)
class Outcome(Comparison[TrainingRun]):
    """All that came out of one case."""

    case: Case
    floor_ms: float
    peak_flops: float
    bandwidth: float
    reference: str


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
    reference = next((p for p in references if not p.missing() and p.build in case.builds), None)
    if reference is None:
        names = " or ".join(p.name for p in references)
        raise LookupError(
            f"case {case.name!r} is checked against {names}, and none is installed:"
            " pip install 'neurona[peers]'."
        )
    with ExitStack() as stack:
        cpus = choose_cpus(settings.threads)

        def start(name: str) -> Worker:
            return stack.enter_context(
                Worker(name, threads=settings.threads, cpus=cpus, warm_cache=settings.warm_cache)
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
        time_rounds(outcome, runs, settings, lambda text: note(f"{case.name}: {text}"))
        for run in outcome.runs:
            if run.peer.keeps_code and run.worker.cache:
                note(f"{case.name}: building {run.worker.label} from its cache")
                _build_from_cache(outcome, run, module, settings, cpus)
    return outcome


def _build_all(
    outcome: Outcome,
    peers: Sequence[Peer],
    module: str,
    settings: Settings,
    start: Callable[[str], Worker],
    note: Note,
) -> list[TrainingRun]:
    runs = []
    for peer in peers:
        if missing := peer.missing():
            outcome.skipped.append(Failure(peer.name, f"{missing} is not installed"))
            continue
        if peer.build not in outcome.case.builds:
            outcome.skipped.append(Failure(peer.name, "the case is not written for it"))
            continue
        variants = (*peer.variants, *outcome.case.variants.get(peer.name, ()))
        peer = dataclasses.replace(peer, variants=variants)
        for variant in variants:
            note(f"{outcome.case.name}: building {peer.label(variant)}")
            run = TrainingRun(peer, variant, start(peer.label(variant)))
            try:
                _train_checked_steps(run, outcome.case, module, settings)
            except WorkerError as error:
                outcome.fail(run.worker.label, error)
                run.worker.close()
            else:
                runs.append(run)
    return runs


def _train_checked_steps(
    run: TrainingRun, case: Case, module: str, settings: Settings, steps: int | None = None
) -> None:
    run.built = run.worker.ask(
        "build",
        module=module,
        build=run.peer.build,
        package=run.peer.package,
        options=dict(run.variant.options),
        seed=settings.seed,
    )
    state_file = run.worker.folder / "state.npz"
    steps = steps or case.tolerance.steps
    reply = run.worker.ask("losses", steps=steps, state_file=str(state_file))
    run.first_step_s = reply["first_step_s"]
    with np.load(state_file) as arrays:
        run.trace = Trace(reply["losses"], dict(arrays))


def _build_from_cache(
    outcome: Outcome,
    run: TrainingRun,
    module: str,
    settings: Settings,
    cpus: Sequence[int] | None,
) -> None:
    label = f"{run.worker.label} from its cache"
    with Worker(label, threads=settings.threads, cpus=cpus, cache=run.worker.cache) as worker:
        again = TrainingRun(run.peer, run.variant, worker)
        try:
            _train_checked_steps(again, outcome.case, module, settings, steps=1)
        except WorkerError as error:
            outcome.fail(label, error)
        else:
            run.cached_s = again.built["build_s"] + again.first_step_s


def _reference_trace(
    case: Case,
    reference: Peer,
    runs: Sequence[TrainingRun],
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
    note(f"{case.name}: training the reference, {reference.label(variant)}")
    with start(reference.label(variant)) as worker:
        run = TrainingRun(reference, variant, worker)
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
    outcome: Outcome, runs: Sequence[TrainingRun], expected: Trace, settings: Settings
) -> list[TrainingRun]:
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
