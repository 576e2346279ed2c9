"""What `fit` prints: a moving line on a terminal, a plain line an epoch elsewhere."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

LINES = 20
"""About how many lines a run prints; of longer runs only every nth epoch."""
PAUSE_S = 0.1
"""How often the moving line is drawn anew."""


class Progress:
    """Quiet: the base that prints nothing.

    epochs: how many are to come. samples: of each.
    """

    def __init__(self, first: int, epochs: int, samples: int) -> None:
        self.first = first
        self.epochs = epochs
        self.samples = samples

    def advance(self, epoch: int, done: int, loss: float) -> None:
        """Called after every step. done: samples of this epoch so far. loss: its mean so far."""

    def end_epoch(self, epoch: int, values: Mapping[str, float], rate: float) -> None:
        """Called after an epoch. rate: training samples a second."""

    def note(self, text: str) -> None:
        """Say something between."""


class Lines(Progress):
    """One plain line an epoch on `stream`; sparser for long runs."""

    def __init__(self, first: int, epochs: int, samples: int, stream: Any = None) -> None:
        super().__init__(first, epochs, samples)
        self.stream = stream
        self.every = max(1, math.ceil(epochs / LINES))

    def end_epoch(self, epoch: int, values: Mapping[str, float], rate: float) -> None:
        number = epoch - self.first + 1
        if number % self.every == 0 or number in (1, self.epochs):
            self.note(epoch_line(number, self.epochs, values, rate))

    def note(self, text: str) -> None:
        print(text, file=self.stream, flush=True)


class Bar(Lines):
    """A moving line with loss, rate and time left; finished epochs scroll away above it."""

    def __init__(self, first: int, epochs: int, samples: int) -> None:
        super().__init__(first, epochs, samples)
        from rich import progress  # slow to import, wanted only on a terminal

        self.bar = progress.Progress(
            progress.TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            progress.BarColumn(bar_width=24),
            progress.TextColumn("loss {task.fields[loss]}  {task.fields[rate]} samples/s"),
            progress.TimeRemainingColumn(compact=True),
            progress.TextColumn("left"),
            transient=True,
            refresh_per_second=1 / PAUSE_S,
        )
        self.task = self.bar.add_task(
            "fit", total=epochs * samples, epoch=1, epochs=epochs, loss="–", rate="–"
        )
        self.began = self.drawn = time.perf_counter()
        self.validating = 0.0

    def advance(self, epoch: int, done: int, loss: float) -> None:
        now = time.perf_counter()
        if now - self.drawn < PAUSE_S:
            return
        self.drawn = now
        number = epoch - self.first
        completed = number * self.samples + done
        rate = completed / max(now - self.began, 1e-9)
        self.bar.update(
            self.task,
            completed=completed,
            epoch=number + 1,
            loss=f"{loss:.4g}",
            rate=f"{rate:,.0f}",
        )

    def note(self, text: str) -> None:
        self.bar.console.print(text, highlight=False, markup=False)


def epoch_line(number: int, epochs: int, values: Mapping[str, float], rate: float) -> str:
    """The line of an epoch.

    >>> epoch_line(2, 30, {"loss": 0.25, "validation_accuracy": 0.975}, 51234.5)
    'epoch  2/30  loss 0.2500  validation accuracy 0.9750  51,234 samples/s'
    """
    width = len(str(epochs))
    told = "  ".join(f"{name.replace('_', ' ')} {value:#.4g}" for name, value in values.items())
    return f"epoch {number:{width}d}/{epochs}  {told}  {rate:,.0f} samples/s"


@contextmanager
def progress(verbose: bool, first: int, epochs: int, samples: int) -> Iterator[Progress]:
    """The progress that fits the place of output."""
    if not verbose:
        yield Progress(first, epochs, samples)
    elif sys.stdout is not None and sys.stdout.isatty():
        bar = Bar(first, epochs, samples)
        with bar.bar:
            yield bar
    else:
        yield Lines(first, epochs, samples)
