"""Callbacks that watch a value and end the run or change the learning rate."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

from neurona.core.errors import ArgumentError, nearest
from neurona.keras.callbacks.base import Callback, Logs

MODES = ("auto", "min", "max")


class Monitor(Callback):
    """The base of callbacks that watch a value.

    monitor: its name, as in the history. mode: "min" or "max", whichever is better; "auto" asks the
    metric. min_delta: what is better by no more does not count.
    """

    def __init__(self, monitor: str, mode: str, min_delta: float) -> None:
        if mode not in MODES:
            raise ArgumentError(f"{type(self).__name__}: mode is one of {MODES}, not {mode!r}")
        self.monitor = monitor
        self.mode = mode
        self.min_delta = abs(min_delta)
        self.best: float | None = None

    def larger(self) -> bool:
        """Whether larger is better. Raises `ArgumentError` when only the user can know."""
        if self.mode != "auto":
            return self.mode == "max"
        name = self.monitor.removeprefix("val_")
        known = {"loss": False} | {m.name: m.larger_is_better for m in self.model.metrics}
        if known.get(name) is None:
            raise ArgumentError(
                f"{type(self).__name__}: is {self.monitor!r} better when it is larger? Say "
                f"mode='max' or mode='min'{nearest(name, known)}"
            )
        return bool(known[name])

    def better(self, value: float, than: float | None) -> bool:
        """Whether a value is better by more than `min_delta`; NaN never is."""
        if than is None:
            return not math.isnan(value)
        gain = value - than if self.larger() else than - value
        return gain > self.min_delta

    def value(self, logs: Logs | None) -> float:
        """The value watched. Raises `ArgumentError` when the epoch has none of the name."""
        values = logs or {}
        if self.monitor not in values:
            raise ArgumentError(
                f"{type(self).__name__}: the epoch has no {self.monitor!r}, only "
                f"{', '.join(values)}; give fit validation_data, or watch another"
            )
        return values[self.monitor]


class EarlyStopping(Monitor):
    """Ends training when a value has not improved for `patience` epochs.

    - `baseline`: what has to be beaten as well.
    - `restore_best_weights`: whether the model gets back the weights of its best epoch at the end.
    - `start_from_epoch`: epochs before it do not count.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self.on_train_begin()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.best = None
        self.best_epoch = self.stopped_epoch = self.wait = 0
        self.best_weights: list[Any] | None = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        value = self.value(logs)
        if epoch < self.start_from_epoch:
            return
        self.wait += 1
        if self.better(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self.better(value, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.stopped_epoch and self.verbose:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.best_weights is not None:
            self.model.set_weights(self.best_weights)


class ReduceLROnPlateau(Monitor):
    """Multiplies the learning rate by `factor` when a value has not improved for `patience` epochs.

    cooldown: epochs after that which do not count. min_lr: what the rate does not fall below.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        if not 0 < factor < 1:
            raise ArgumentError(f"ReduceLROnPlateau: factor is between 0 and 1, not {factor}")
        self.factor = factor
        self.patience = patience
        self.verbose = verbose
        self.cooldown = cooldown
        self.min_lr = min_lr
        self.on_train_begin()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.best = None
        self.wait = self.resting = 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        optimizer = self.model.rated()
        if logs is not None:
            logs["learning_rate"] = optimizer.learning_rate
        value = self.value(logs)
        if self.resting:
            self.resting -= 1
            self.wait = 0
        if self.better(value, self.best):
            self.best, self.wait = value, 0
        elif not self.resting:
            self.wait += 1
            rate = optimizer.learning_rate
            if self.wait >= self.patience and rate > self.min_lr:
                optimizer.learning_rate = max(rate * self.factor, self.min_lr)
                self.resting, self.wait = self.cooldown, 0
                if self.verbose:
                    print(f"Epoch {epoch + 1}: learning rate {optimizer.learning_rate}")


class LearningRateScheduler(Callback):
    """Sets the learning rate of each epoch: schedule(epoch) or schedule(epoch, rate) → rate."""

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        self.schedule = schedule
        self.verbose = verbose
        wanted = [
            one
            for one in inspect.signature(schedule).parameters.values()
            if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD, one.VAR_POSITIONAL)
        ]
        self._takes_rate = len(wanted) > 1 or any(one.kind is one.VAR_POSITIONAL for one in wanted)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        optimizer = self.model.rated()
        given = (epoch, optimizer.learning_rate) if self._takes_rate else (epoch,)
        optimizer.learning_rate = float(self.schedule(*given))
        if self.verbose:
            print(f"Epoch {epoch + 1}: learning rate {optimizer.learning_rate}")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            logs["learning_rate"] = self.model.rated().learning_rate
