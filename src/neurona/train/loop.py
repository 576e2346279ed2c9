"""The loop over epochs and batches behind `Model.fit`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from neurona.core.errors import NonFiniteError
from neurona.data.loader import Loader
from neurona.train.callbacks import Callback
from neurona.train.history import History
from neurona.train.interrupt import deferred_interrupt
from neurona.train.progress import Progress, progress
from neurona.train.totals import Totals

if TYPE_CHECKING:
    from neurona.train.model import Model


class Batches(NamedTuple):
    """A part of the data, ready to be served. samples: how many it has."""

    loader: Loader
    samples: int


def run(
    model: Model,
    training: Batches,
    validation: Batches | None,
    epochs: int,
    callbacks: Sequence[Callback],
    verbose: bool,
) -> History:
    """Train for `epochs` more epochs; see `Model.fit`."""
    history, began, first = History(), time.perf_counter(), model.epochs_done
    mode = model.network.training
    model.stop_training = False
    for callback in callbacks:
        callback.model = model
        callback.on_train_begin()
    try:
        with (
            progress(verbose, first, epochs, training.samples) as shown,
            deferred_interrupt() as interrupt,
        ):
            for epoch in range(first, first + epochs):
                for callback in callbacks:
                    callback.on_epoch_begin(epoch)
                model.network.train()
                start = time.perf_counter()
                values = _epoch(model, training, epoch, shown, lambda: interrupt.requested)
                rate = training.samples / (time.perf_counter() - start)
                if values is None:
                    history.interrupted = True
                    shown.note("interrupted: what was learnt so far is kept")
                    break
                model.epochs_done += 1
                if validation is not None:
                    measured = model.measure(validation)
                    values |= {f"validation_{name}": value for name, value in measured.items()}
                history.add(epoch, values, rate)
                shown.end_epoch(epoch, values, rate)
                for callback in callbacks:
                    callback.on_epoch_end(epoch, values)
                if model.stop_training:
                    break
    finally:
        model.network.train(mode)
        history.seconds = time.perf_counter() - began
    for callback in callbacks:
        callback.on_train_end()
    return history


def _epoch(
    model: Model, training: Batches, epoch: int, shown: Progress, interrupted: Callable[[], bool]
) -> dict[str, float] | None:
    """One pass over the training part; its values, or None if it was interrupted."""
    loader, samples = training
    totals = Totals(model.metrics)
    try:
        for x, y in loader.epoch(epoch):
            loss, sums = model.train_step(x, y)
            totals.add(loss, sums, len(x))
            shown.advance(epoch, totals.samples, totals.loss)
            if interrupted():
                return None
    except NonFiniteError as error:
        start, size = totals.samples, loader.batch_size
        raise NonFiniteError(
            f"fit: epoch {epoch}, batch {start // size} (samples {start}…"
            f"{min(start + size, samples) - 1} of the epoch's order): {error}; a smaller learning "
            "rate or clipped gradients may help"
        ) from None
    return totals.values()
