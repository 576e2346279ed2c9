"""A smaller learning rate when nothing improves any more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neurona.core.errors import ArgumentError
from neurona.train.callbacks import Callback
from neurona.train.early_stopping import monitored
from neurona.train.metrics import larger_is_better


class ReduceOnPlateau(Callback):
    """Multiplies all learning rates by `factor` when a value has not improved for some epochs.

    - `monitor`: a value of the epoch, "validation_loss" or "accuracy".
    - `patience`: epochs without improvement after which the rates are cut.
    - `minimum_delta`: what counts as an improvement must be larger than this.
    - `minimum_rate`: no rate is brought below.
    - `cooldown`: epochs after a cut that do not count.

    What is better, smaller or larger, the metric knows. Names and defaults are those of Keras's
    `ReduceLROnPlateau`, the rule is PyTorch's (in Keras the last epoch of the cooldown counts).

    >>> from neurona import nn, train
    >>> model = train.Model(nn.Linear(2, 1))
    >>> model.compile("SGD", "mean_squared_error")
    >>> halve = train.ReduceOnPlateau("loss", factor=0.5, patience=3)
    >>> x = [[0.0, 1.0], [1.0, 0.0]]
    >>> history = model.fit(x, [[0.0], [1.0]], epochs=2, callbacks=[halve], verbose=False)
    """

    def __init__(
        self,
        monitor: str = "validation_loss",
        factor: float = 0.1,
        *,
        patience: int = 10,
        minimum_delta: float = 1e-4,
        minimum_rate: float = 0.0,
        cooldown: int = 0,
    ) -> None:
        for good, text in (
            (0 < factor < 1, f"factor must be between 0 and 1, not {factor}"),
            (patience >= 1, f"patience must be at least 1, not {patience}"),
            (minimum_delta >= 0, f"minimum_delta must not be negative, not {minimum_delta}"),
            (minimum_rate >= 0, f"minimum_rate must not be negative, not {minimum_rate}"),
            (cooldown >= 0, f"cooldown must not be negative, not {cooldown}"),
        ):
            if not good:
                raise ArgumentError(f"ReduceOnPlateau: {text}")
        self.monitor = monitor
        self.factor = factor
        self.patience = patience
        self.minimum_delta = minimum_delta
        self.minimum_rate = minimum_rate
        self.cooldown = cooldown
        self._forget()

    def _forget(self) -> None:
        self.best: float | None = None
        self.waited = 0
        self.resting = 0

    def on_train_begin(self) -> None:
        """Start anew. Raises `ArgumentError` for an unknown value, and beside a schedule."""
        self._forget()
        if self.model.schedule is not None:
            raise ArgumentError(
                f"ReduceOnPlateau: the rates already follow {self.model.schedule!r}, which would "
                "undo every cut; use one of both"
            )
        try:
            self._larger = larger_is_better(self.monitor, self.model.metrics)
        except ArgumentError as error:
            raise ArgumentError(f"ReduceOnPlateau: {error}") from None

    def on_epoch_end(self, epoch: int, values: Mapping[str, float]) -> None:
        value = monitored("ReduceOnPlateau", self.monitor, values)
        if self._improved(value):
            self.best, self.waited = value, 0
        else:
            self.waited += 1
        if self.resting:
            self.resting -= 1
            self.waited = 0
        elif self.waited >= self.patience:
            self._cut()
            self.waited, self.resting = 0, self.cooldown

    def _improved(self, value: float) -> bool:
        if self.best is None:
            return value == value  # not NaN
        gain = value - self.best if self._larger else self.best - value
        return gain > self.minimum_delta

    def _cut(self) -> None:
        optimizer = self.model.optimizer
        for rate in optimizer.rates if optimizer else ():
            old = float(rate.numpy())
            rate.assign(np.float64(min(old, max(old * self.factor, self.minimum_rate))))

    def state(self) -> dict[str, Any]:
        """What a run that is taken up again needs."""
        return {"best": self.best, "waited": self.waited, "resting": self.resting}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.best, self.waited = state["best"], state["waited"]
        self.resting = state["resting"]
