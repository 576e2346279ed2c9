"""What `fit` prints: a moving line on a terminal, a plain line an epoch elsewhere."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

LINES = 20
"""About how many lines a run prints; of longer runs only every nth epoch."""
PAUSE_S = 0.1
"""How often the moving line is drawn anew."""
NOTICEABLE = 0.005
"""The share of time spent waiting for data from which on a line speaks of it."""

Look = Callable[[], tuple[float, float]]
"""Gives the mean loss of the epoch so far and the share of its time spent waiting for data."""


class Progress:
    """Quiet: the base that prints nothing.

    first, epochs: the first epoch of the run and how many it has. samples: of each. done: how many
    samples of all epochs were done when a resumed run went on.
    """

    def __init__(self, first: int, epochs: int, samples: int, done: int = 0) -> None:
        self.first = first
        self.epochs = epochs
        self.samples = samples
        self.done = done

    def advance(self, epoch: int, done: int, look: Look) -> None:
        """Called after every step. done: samples of this epoch so far."""

    def end_epoch(
        self, epoch: int, values: Mapping[str, float], rate: float, waiting: float = 0.0
    ) -> None:
        """Called after an epoch. rate: training samples a second. waiting: share of its time."""

    def note(self, text: str) -> None:
        """Say something between."""


class Lines(Progress):
    """One plain line an epoch on `stream`; sparser for long runs."""

    def __init__(
        self, first: int, epochs: int, samples: int, done: int = 0, stream: Any = None
    ) -> None:
        super().__init__(first, epochs, samples, done)
        self.stream = stream
        self.every = max(1, math.ceil(epochs / LINES))

    def end_epoch(
        self, epoch: int, values: Mapping[str, float], rate: float, waiting: float = 0.0
    ) -> None:
        number = epoch - self.first + 1
        if number % self.every == 0 or number in (1, self.epochs):
            self.note(epoch_line(number, self.epochs, values, rate, waiting))

    def note(self, text: str) -> None:
        print(text, file=self.stream, flush=True)


class Bar(Lines):
    """A moving line with loss, rate and time left; finished epochs scroll away above it."""

    def __init__(self, first: int, epochs: int, samples: int, done: int = 0) -> None:
        super().__init__(first, epochs, samples, done)
        from rich import progress  # slow to import, wanted only on a terminal

        self.bar = progress.Progress(
            progress.TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            progress.BarColumn(bar_width=24),
            progress.TextColumn(
                "loss {task.fields[loss]}  {task.fields[rate]} samples/s{task.fields[waiting]}"
            ),
            progress.TimeRemainingColumn(compact=True),
            progress.TextColumn("left"),
            transient=True,
            refresh_per_second=1 / PAUSE_S,
        )
        self.task = self.bar.add_task(
            "fit",
            total=epochs * samples,
            completed=done,
            epoch=1,
            epochs=epochs,
            loss="–",
            rate="–",
            waiting="",
        )
        self.began = self.drawn = time.perf_counter()

    def advance(self, epoch: int, done: int, look: Look) -> None:
        now = time.perf_counter()
        if now - self.drawn < PAUSE_S:
            return
        self.drawn = now
        number = epoch - self.first
        completed = number * self.samples + done
        rate = (completed - self.done) / max(now - self.began, 1e-9)
        loss, waiting = look()
        self.bar.update(
            self.task,
            completed=completed,
            epoch=number + 1,
            loss=f"{loss:.4g}",
            rate=f"{rate:,.0f}",
            waiting=waiting_text(waiting),
        )

    def note(self, text: str) -> None:
        self.bar.console.print(text, highlight=False, markup=False)


def number_text(value: float) -> str:
    """Four digits; large numbers whole, as prices are written.

    >>> number_text(0.25), number_text(23456.7), number_text(1e20)
    ('0.2500', '23,457', '1.000e+20')
    """
    return f"{value:,.0f}" if 1e3 <= abs(value) < 1e15 else f"{value:#.4g}"


def scores_text(values: Mapping[str, float]) -> str:
    """Names and numbers in a line.

    >>> scores_text({"loss": 0.25, "mean_absolute_error": 23456.7})
    'loss 0.2500  mean absolute error 23,457'
    """
    return "  ".join(f"{name.replace('_', ' ')} {number_text(v)}" for name, v in values.items())


def epoch_line(
    number: int, epochs: int, values: Mapping[str, float], rate: float, waiting: float = 0.0
) -> str:
    """The line of an epoch.

    >>> epoch_line(2, 30, {"loss": 0.25, "validation_accuracy": 0.975}, 51234.5)
    'epoch  2/30  loss 0.2500  validation accuracy 0.9750  51,234 samples/s'
    >>> epoch_line(1, 9, {"loss": 0.25}, 512.0, waiting=0.314)
    'epoch 1/9  loss 0.2500  512 samples/s  waiting for data 31 %'
    """
    width = len(str(epochs))
    told = scores_text(values)
    return f"epoch {number:{width}d}/{epochs}  {told}  {rate:,.0f} samples/s{waiting_text(waiting)}"


def waiting_text(share: float) -> str:
    """How much of the time went by waiting for data; nothing where that is next to nothing."""
    return f"  waiting for data {100 * share:.0f} %" if share >= NOTICEABLE else ""


@contextmanager
def progress(
    verbose: bool, first: int, epochs: int, samples: int, done: int = 0
) -> Iterator[Progress]:
    """The progress that fits the place of output."""
    if not verbose:
        yield Progress(first, epochs, samples, done)
    elif sys.stdout is not None and sys.stdout.isatty():
        bar = Bar(first, epochs, samples, done)
        with bar.bar:
            yield bar
    else:
        yield Lines(first, epochs, samples, done)
