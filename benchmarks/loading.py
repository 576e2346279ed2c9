"""What loaders cost: batches of arrays beside bare NumPy loops, and folders of pictures."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from neurona.data import ImageFolder, Loader, Source, StreamLoader, augment, augmentation

CLASSES = 4
_epochs = count(step=2)
"""Numbers that do not follow each other: no epoch is begun during the one before."""
Record = dict[str, Any]


def arrays(samples: int, batch_size: int, rounds: int) -> list[Record]:
    """Microseconds a batch of inputs and targets, whole epochs, the best of the rounds."""
    x, y = np.zeros((samples, 784), dtype=np.float32), np.zeros(samples, dtype=np.int64)
    in_order = Loader(x, y, batch_size=batch_size, shuffle=False)
    shuffled = Loader(x, y, batch_size=batch_size)
    order = shuffled.order(0)
    starts = range(0, samples, batch_size)

    def slices() -> None:
        for start in starts:
            (x[start : start + batch_size], y[start : start + batch_size])

    def takes() -> None:
        for start in starts:
            chosen = order[start : start + batch_size]
            (x.take(chosen, 0), y.take(chosen, 0))

    works: dict[str, Callable[[], Any]] = {
        "slices": slices,
        "Loader in order": lambda: _drain(in_order.epoch(0)),
        "takes": takes,
        "Loader shuffled": lambda: _drain(shuffled.epoch(0)),
        "  its order alone": lambda: shuffled.order(0),
    }
    seconds = dict.fromkeys(works, float("inf"))
    for _ in range(rounds):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            seconds[name] = min(seconds[name], time.perf_counter() - start)
    return [
        {"name": name, "us_per_batch": 1e6 * spent / len(starts)} for name, spent in seconds.items()
    ]


STEPS = (
    augmentation.Rotate(10),
    augmentation.Stretch(0.1),
    augmentation.Mirror(),
    augmentation.Brightness(),
    augmentation.Contrast(),
    augmentation.Saturation(),
)
"""What is done to pictures that are augmented, beside a crop."""


def pictures(
    number: int,
    side: int,
    batch_size: int,
    workers: list[tuple[str, int]],
    rounds: int,
    *,
    augmented: bool = False,
) -> list[Record]:
    """Samples a second from a folder of JPEGs, and what a busy consumer waits for.

    The consumer works on one core and as long for a batch as it takes to read one without
    workers: with perfect overlap it is served at once, and never waits.
    """
    with _folder(number, side) as folder:
        source: Source = ImageFolder(folder, side * 7 // 8)
        if augmented:
            source = augment(source, [*STEPS, augmentation.Crop(side * 3 // 4)])
        loaders = [
            StreamLoader(source, batch_size=batch_size, workers=many, kind=kind)
            for kind, many in workers
        ]
        try:
            alone = min(_seconds(loaders[0])[0] for _ in range(2))
            step = alone / len(loaders[0])
            records = [
                {"kind": loader.kind, "workers": loader.workers, "samples_per_second": 0.0}
                for loader in loaders
            ]
            for turn in range(rounds):
                for loader, record in zip(loaders, records, strict=True):
                    if turn == 0:
                        _drain(loader.epoch(0))  # starts the workers
                    seconds, _ = _seconds(loader)
                    busy, waited = _seconds(loader, step)
                    best = {"samples_per_second": number / seconds, "waiting": waited / busy}
                    best |= {"busy_samples_per_second": number / busy, "step_ms": 1e3 * step}
                    if best["samples_per_second"] > record["samples_per_second"]:
                        record |= best
        finally:
            for loader in loaders:
                loader.close()
    return records


def array_table(records: list[Record], batch_size: int) -> Table:
    """The figures of `arrays` for people."""
    table = Table(title=f"Arrays in memory, (batch, 784) and (batch,), batch {batch_size}")
    table.add_column("", no_wrap=True)
    table.add_column("µs a batch", justify="right")
    for record in records:
        table.add_row(record["name"], f"{record['us_per_batch']:.2f}")
    return table


def picture_table(records: list[Record], side: int) -> Table:
    """The figures of `pictures` for people."""
    step = records[0]["step_ms"]
    table = Table(title=f"A folder of JPEGs, {side}×{side}, cut to {side * 7 // 8}×{side * 7 // 8}")
    for name in ("workers", "samples/s", f"with a step of {step:.0f} ms", "waiting"):
        table.add_column(name, justify="left" if name == "workers" else "right")
    for record in records:
        number = record["workers"]
        table.add_row(
            f"{number} {record['kind']}" if number else "none",
            f"{record['samples_per_second']:.0f}",
            f"{record['busy_samples_per_second']:.0f}",
            f"{100 * record['waiting']:.0f} %",
        )
    return table


def _drain(batches: Iterator[Any]) -> None:
    for _ in batches:
        pass


def _seconds(loader: StreamLoader, step: float = 0.0) -> tuple[float, float]:
    """Seconds of an epoch with `step` seconds of work a batch, and those of them spent waiting."""
    values = np.linspace(0, 1, 10_000, dtype=np.float32)
    start = time.perf_counter()
    for _ in loader.epoch(next(_epochs)):
        end = time.thread_time() + step
        while time.thread_time() < end:
            np.tanh(values)
    return time.perf_counter() - start, loader.waited


@contextmanager
def _folder(pictures: int, side: int) -> Iterator[Path]:
    """Smooth random pictures, which compress as photographs do."""
    from PIL import Image

    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(pictures):
            path = Path(folder, f"class{number % CLASSES}", f"{number:05}.jpg")
            path.parent.mkdir(exist_ok=True)
            coarse = rng.integers(0, 256, (side // 8, side // 8, 3), dtype=np.uint8)
            image = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
            image.save(path, quality=90)
        yield Path(folder)
