"""The loop over epochs and batches behind `Model.fit`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from neurona.core.errors import NonFiniteError
from neurona.core.tensor import Tensor
from neurona.train.callbacks import Callback, check_watched, watches_steps
from neurona.train.history import History
from neurona.train.interrupt import Interrupt, deferred_interrupt
from neurona.train.parts import Batch, Part
from neurona.train.progress import Progress, progress
from neurona.train.rates import Rates
from neurona.train.selection import training_mode
from neurona.train.steps import Steps

if TYPE_CHECKING:
    from neurona.train.model import Model


class Training:
    """One call of `fit`: where it is, and how it goes on.

    last: the number of epochs after which the model is done.
    first: the first epoch of the run. batch: how many batches of the epoch at work are done.
    seconds, waited: of the epoch at work, its time so far and that spent waiting for data.
    """

    def __init__(
        self,
        model: Model,
        steps: Steps,
        rates: Rates,
        training: Part,
        validation: Part | None,
        *,
        last: int,
        callbacks: Sequence[Callback],
        verbose: bool,
    ) -> None:
        self.model = model
        self.steps = steps
        self.rates = rates
        self.training = training
        self.validation = validation
        self.first = model.epochs_done
        self.last = last
        self.callbacks = callbacks
        self.verbose = verbose
        self.watchers = [callback for callback in callbacks if watches_steps(callback)]
        self.history = History()
        self.batch = 0
        self.seconds = self.waited = 0.0
        group = steps.update.accumulate
        self.steps_per_epoch = -(-len(training) // group)

    def run(self) -> History:
        """Train up to the last epoch; see `Model.fit`."""
        model, history, began = self.model, self.history, time.perf_counter()
        model.stop_training = False
        for callback in self.callbacks:
            callback.model = model
            callback.on_train_begin()
        if self.validation is None:
            check_watched(self.callbacks)
        samples = self.training.samples
        done = (model.epochs_done - self.first) * samples + self.batch * self.training.batch_size
        try:
            with (
                progress(self.verbose, self.first, self.last - self.first, samples, done) as shown,
                deferred_interrupt() as interrupt,
                training_mode(model.network, model.frozen),
            ):
                while model.epochs_done < self.last and not (
                    interrupt.requested or history.stopped
                ):
                    self._epoch(shown, interrupt)
                if interrupt.requested:
                    history.interrupted = True
                    shown.note("interrupted: what was learnt so far is kept")
        finally:
            history.seconds += time.perf_counter() - began
        for callback in self.callbacks:
            callback.on_train_end()
        return history

    def _epoch(self, shown: Progress, interrupt: Interrupt) -> None:
        """An epoch, or the rest of it."""
        model, epoch = self.model, self.model.epochs_done
        if self.batch == 0:
            self.seconds = self.waited = 0.0
            self.steps.training.reset()
            self.steps.forget()
            for callback in self.callbacks:
                callback.on_epoch_begin(epoch)
        if not self._batches(epoch, shown, interrupt):
            return
        values = self.steps.training.values()
        if self.validation is not None:
            measured = model.measure(self.validation)
            values |= {f"validation_{name}": value for name, value in measured.items()}
        rate = self.steps.training.samples / max(self.seconds, 1e-9)
        waiting = self.waited / max(self.seconds, 1e-9)
        self.batch = 0
        model.epochs_done += 1
        self.history.add(
            epoch,
            values,
            samples_per_second=rate,
            waiting=waiting,
            learning_rate=self.rates.now(),
        )
        shown.end_epoch(epoch, values, rate, waiting)
        for callback in self.callbacks:
            callback.on_epoch_end(epoch, values)
        self.history.stopped = model.stop_training

    def _step(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor], bool]:
        """A batch: its loss, what is gathered from it, and whether it ended in an update."""
        group = self.steps.update.accumulate
        number = self.batch + 1
        updates = group == 1 or number % group == 0 or number == len(self.training)
        if updates:
            self.rates.set(self.model.steps_done, self.steps_per_epoch)
        if group == 1:
            return *self.steps.train(*batch), updates
        return *self.steps.accumulate(batch, updates), updates

    def _batches(self, epoch: int, shown: Progress, interrupt: Interrupt) -> bool:
        """The batches of an epoch that are not done yet; whether all are done now."""
        model, totals = self.model, self.steps.training
        seconds, waited = self.seconds, self.waited
        began = time.perf_counter()

        def look() -> tuple[float, float]:
            self.seconds = seconds + time.perf_counter() - began
            self.waited = waited + self.training.waited
            return totals.loss, self.waited / max(self.seconds, 1e-9)

        try:
            for batch in self.training.epoch(epoch, self.batch):
                loss, gathered, updated = self._step(batch)
                totals.count(len(batch[0]), gathered)
                self.batch += 1
                if updated:
                    model.steps_done += 1
                    for callback in self.watchers:
                        callback.on_step_end(model.steps_done - 1, loss)
                shown.advance(epoch, totals.samples, look)
                if interrupt.requested:
                    return False
                if self.watchers and model.stop_training:
                    self.history.stopped = True
                    return False
        except NonFiniteError as error:
            start, size = totals.samples, self.training.batch_size
            raise NonFiniteError(
                f"fit: epoch {epoch}, batch {self.batch} (samples {start}…"
                f"{min(start + size, self.training.samples) - 1} of the epoch's order): {error}; a "
                "smaller learning rate or clipped gradients may help"
            ) from None
        finally:
            look()
        return True
