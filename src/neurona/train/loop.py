"""The loop over epochs and batches behind `Model.fit`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from neurona.core.errors import DataError, NonFiniteError
from neurona.core.tensor import Tensor
from neurona.train.callbacks import Callback, check_watched, watches_steps
from neurona.train.carried import begin, going_on
from neurona.train.history import History
from neurona.train.interrupt import Interrupt, deferred_interrupt
from neurona.train.parts import Batch, Part
from neurona.train.progress import Progress, progress
from neurona.train.rates import Rates
from neurona.train.selection import training_mode
from neurona.train.steps import Steps

if TYPE_CHECKING:
    from neurona.train.model import Model
    from neurona.train.recorder import Recorder


class Training:
    """One call of `fit`: where it is, and how it goes on.

    first, epochs: the first epoch of the run, and how many it has.
    batch: how many batches of the epoch at work are done.
    seconds, waited: of the epoch at work, its time so far and that spent waiting for data.
    recorder: what writes the run's folder, if it has one.
    carry, carried: whether the network carries a state from batch to batch, and where it is.
    """

    def __init__(
        self,
        model: Model,
        steps: Steps,
        rates: Rates,
        training: Part,
        validation: Part | None,
        *,
        epochs: int,
        callbacks: Sequence[Callback],
        verbose: bool,
        carry: bool = False,
    ) -> None:
        self.model = model
        self.steps = steps
        self.rates = rates
        self.training = training
        self.validation = validation
        self.first = model.epochs_done
        self.epochs = epochs
        self.callbacks = callbacks
        self.callback_states: list[dict[str, Any]] = []
        self.verbose = verbose
        self.recorder: Recorder | None = None
        self.history = History()
        self.batch = 0
        self.carry = carry
        self.carried: Any = None
        self.seconds = self.waited = 0.0
        self._watchers = [callback for callback in callbacks if watches_steps(callback)]
        self._steps_per_epoch = -(-len(training) // steps.update.accumulate)
        self._clock = time.perf_counter()

    @property
    def last(self) -> int:
        """The number of epochs after which the model is done."""
        return self.first + self.epochs

    def add(self, callback: Callback) -> None:
        """One more callback, after the others."""
        self.callbacks = (*self.callbacks, callback)
        if watches_steps(callback):
            self._watchers.append(callback)

    def run(self) -> History:
        """Train up to the last epoch; see `Model.fit`."""
        self._clock = time.perf_counter()
        self.model.stop_training = False
        for callback in self.callbacks:
            callback.model = self.model
            callback.on_train_begin()
        if self.validation is None:
            check_watched(self.callbacks)
        for callback, state in zip(self.callbacks, self.callback_states, strict=False):
            callback.load_state(state)
        if self.recorder is not None:
            self.recorder.begin()
        if self.batch:
            self.steps.prepare(self.training, self.carried)
        try:
            with self._shown() as shown, deferred_interrupt() as interrupt:
                with training_mode(self.model.network, self.model.frozen):
                    self._epochs(shown, interrupt)
                if interrupt.requested:
                    self.history.interrupted = True
                    shown.note("interrupted: what was learnt so far is kept")
        finally:
            self.count_time()
        if self.recorder is not None:
            self.recorder.write()
        for callback in self.callbacks:
            callback.on_train_end()
        return self.history

    @contextmanager
    def _shown(self) -> Iterator[Progress]:
        samples, epochs = self.training.samples, self.model.epochs_done - self.first
        done = epochs * samples + self.batch * self.training.batch_size
        with progress(self.verbose, self.first, self.epochs, samples, done) as shown:
            yield shown

    def count_time(self) -> None:
        """Bring the history's time up to now."""
        now = time.perf_counter()
        self.history.seconds += now - self._clock
        self._clock = now

    # --- epochs ---

    def _epochs(self, shown: Progress, interrupt: Interrupt) -> None:
        # A run that was killed after a callback stopped it comes back stopped.
        while self.model.epochs_done < self.last and not self.history.stopped:
            self._epoch(shown, interrupt)
            if interrupt.requested:
                return

    def _epoch(self, shown: Progress, interrupt: Interrupt) -> None:
        """An epoch, or the rest of it."""
        epoch = self.model.epochs_done
        if self.batch == 0:
            self.seconds = self.waited = 0.0
            self.steps.training.reset()
            self.steps.forget()
            if self.carry:
                self.carried = begin(self.model.network, self.training.batch_size)
            for callback in self.callbacks:
                callback.on_epoch_begin(epoch)
        try:
            if not self._batches(epoch, shown, interrupt):
                return
            values = self.steps.training.values()
            if self.validation is not None:
                measured = self.model.measure(self.validation, carry=self.carry)
                values |= {f"validation_{name}": value for name, value in measured.items()}
        except Exception as error:
            # Between two batches everything is sound.
            if self.recorder is not None:
                self.recorder.save_before(error)
            raise
        self._end_epoch(epoch, values, shown)

    def _end_epoch(self, epoch: int, values: dict[str, float], shown: Progress) -> None:
        rate = self.steps.training.samples / max(self.seconds, 1e-9)
        waiting = self.waited / max(self.seconds, 1e-9)
        self.batch = 0
        self.model.epochs_done += 1
        self.history.add(
            epoch,
            values,
            samples_per_second=rate,
            waiting=waiting,
            learning_rate=self.rates.now(),
        )
        if self.recorder is not None:
            self.recorder.after_epoch(epoch, values)
        shown.end_epoch(epoch, values, rate, waiting)
        for callback in self.callbacks:
            callback.on_epoch_end(epoch, values)
        self.history.stopped = self.model.stop_training
        if self.recorder is not None:
            self.recorder.end_epoch()

    # --- batches ---

    def _batches(self, epoch: int, shown: Progress, interrupt: Interrupt) -> bool:
        """The batches of an epoch that are not done yet; whether all are done now."""
        model, totals = self.model, self.steps.training
        seconds, waited = self.seconds, self.waited
        asked = model.stop_training  # in on_epoch_begin: to end after this epoch
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
                    for callback in self._watchers:
                        callback.on_step_end(model.steps_done - 1, loss)
                shown.advance(epoch, totals.samples, look)
                if self.recorder is not None:
                    self.recorder.after_step(look)
                if interrupt.requested:
                    return False
                if model.stop_training and not asked:
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
        if self.steps.collected_samples:
            raise DataError(
                f"fit: the loader served {self.batch} batches of {len(self.training)}, so "
                "gradients of the last ones are left over; len(loader) must be right"
            )
        return True

    def _step(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor], bool]:
        """A batch: its loss, what is gathered from it, and whether it ended in an update."""
        group = self.steps.update.accumulate
        number = self.batch + 1
        updates = group == 1 or number % group == 0 or number == len(self.training)
        if updates:
            self.rates.set(self.model.steps_done, self._steps_per_epoch)
        if group == 1:
            loss, gathered, self.carried = self.steps.train(*batch, **going_on(self.carried))
        else:
            loss, gathered, self.carried = self.steps.accumulate(batch, updates, self.carried)
        return loss, gathered, updates
