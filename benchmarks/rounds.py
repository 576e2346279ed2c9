"""Interleaved rounds: what is timed, how, and what is kept of it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from benchmarks.client import Worker, WorkerError
from benchmarks.peers import Peer, Variant

# Threads of a framework that has just finished may wait in a loop for more work: 10 ms in PyTorch,
# 40 ms in ONNX Runtime. The next framework is not timed beside them.
SETTLE_SECONDS = 0.06

Note = Callable[[str], None]


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


R = TypeVar("R", bound=Run)


@dataclass
class Comparison(Generic[R]):
    """What came out of the rounds; `runs` holds each peer's fastest variant."""

    runs: list[R] = field(default_factory=list)
    variants: list[R] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    skipped: list[Failure] = field(default_factory=list)

    def ratio(self, run: R, base: str = "neurona") -> float | None:
        """Median over the rounds of this run's time ÷ the time of `base` in the same round."""
        ours = next((r for r in self.runs if r.peer.name == base), None)
        if ours is None:
            return None
        pairs = zip(run.ms_all, ours.ms_all, strict=True)
        return statistics.median(theirs / mine for theirs, mine in pairs)

    def fail(self, label: str, error: WorkerError) -> None:
        """Note that a worker answered with an error, or died."""
        self.failed.append(Failure(label, str(error), error.details))


def time_once(run: Run) -> None:
    """One round of one framework."""
    seconds = run.worker.ask("time", steps=run.steps)["seconds"]
    run.ms_all.append(1e3 * seconds / run.steps)


def time_rounds(
    comparison: Comparison[R],
    runs: list[R],
    settings: Settings,
    note: Note,
    *,
    measure: Callable[[R], None] = time_once,
    before_round: Callable[[], None] = lambda: None,
) -> None:
    """Rounds A B A B …: every framework once a round, so that slow drifts meet all alike.

    `measure(run)` times one round and appends to `run.ms_all`.
    """

    def each(action: Callable[[R], None]) -> None:
        for run in list(runs):
            time.sleep(SETTLE_SECONDS)
            try:
                action(run)
            except WorkerError as error:
                comparison.fail(run.worker.label, error)
                runs.remove(run)

    def calibrate(run: R) -> None:
        run.steps = run.worker.ask("calibrate", seconds=settings.round_seconds)["steps"]

    def measure_memory(run: R) -> None:
        run.memory = run.worker.ask("memory")

    note("choosing the length of the rounds")
    each(calibrate)
    for number in range(settings.rounds):
        note(f"round {number + 1} of {settings.rounds}")
        time.sleep(SETTLE_SECONDS)
        before_round()
        each(measure)
    each(measure_memory)
    comparison.variants = runs
    for name in dict.fromkeys(run.peer.name for run in runs):
        comparison.runs.append(min((r for r in runs if r.peer.name == name), key=lambda r: r.ms))
