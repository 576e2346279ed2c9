"""Ending a run that no longer gets better, with the weights of its best epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from neurona.core.errors import ArgumentError
from neurona.core.op import Array
from neurona.train.callbacks import Callback
from neurona.train.metrics import larger_is_better

_WEIGHTS = "weights."

Mode = Literal["minimum", "maximum"]


class EarlyStopping(Callback):
    """Ends training when a value has not improved for `patience` epochs.

    - `monitor`: the name of the value, as it enters the history.
    - `patience`: so many epochs in a row without a better value end the run.
    - `minimum_delta`: what is better by no more than this does not count as better.
    - `mode`: "minimum" or "maximum", whichever is better; by default what the metric says.
    - `restore_best`: at the end the network gets back the weights of the best epoch, also when the
      run ends for another reason.

    best, best_epoch: the best value so far and its epoch. NaN is never better.
    Prechelt, "Early stopping, but when?" (1998).

    >>> from neurona import nn, optim, train
    >>> model = train.Model(nn.Linear(1, 1))
    >>> nothing = optim.SGD(model.network.parameters(), learning_rate=0.0)
    >>> model.compile(nothing, "mean_squared_error")
    >>> stop = train.EarlyStopping("loss", patience=3)
    >>> history = model.fit([[1.0]], [[2.0]], epochs=99, callbacks=[stop], verbose=False)
    >>> len(history.epochs), stop.best_epoch, stop.stopped_epoch
    (4, 0, 3)
    """

    def __init__(
        self,
        monitor: str = "validation_loss",
        *,
        patience: int = 10,
        minimum_delta: float = 0.0,
        mode: Mode | None = None,
        restore_best: bool = True,
    ) -> None:
        if isinstance(patience, bool) or not isinstance(patience, int) or patience < 1:
            raise ArgumentError(f"EarlyStopping: patience is 1 epoch or more, not {patience!r}")
        if not (minimum_delta >= 0 and math.isfinite(minimum_delta)):
            raise ArgumentError(
                f"EarlyStopping: minimum_delta must be finite and not negative, not {minimum_delta}"
            )
        if mode not in (None, "minimum", "maximum"):
            raise ArgumentError(f'EarlyStopping: mode is "minimum" or "maximum", not {mode!r}')
        self.monitor = monitor
        self.patience = patience
        self.minimum_delta = minimum_delta
        self.mode = mode
        self.restore_best = restore_best
        self._start()

    def _start(self) -> None:
        self.best: float | None = None
        self.best_epoch: int | None = None
        self.stopped_epoch: int | None = None
        self._waited = 0
        self._weights: dict[str, Array] = {}

    def on_train_begin(self) -> None:
        """Start anew. Raises `ArgumentError`, with the nearest name, for an unknown value."""
        self._start()
        try:
            larger = larger_is_better(self.monitor, self.model.metrics)
        except ArgumentError as error:
            raise ArgumentError(f"EarlyStopping: {error}") from None
        self._sign = 1 if (self.mode == "maximum" if self.mode else larger) else -1

    def on_epoch_end(self, epoch: int, values: Mapping[str, float]) -> None:
        """Look at the value, and end the run if patience is over."""
        value = monitored("EarlyStopping", self.monitor, values)
        first = self.best is None and not math.isnan(value)
        if first or (self.best is not None and self._gain(value) > self.minimum_delta):
            self.best, self.best_epoch, self._waited = value, epoch, 0
            if self.restore_best:
                self._weights = self.model.network.state_dict()
            return
        self._waited += 1
        if self._waited >= self.patience:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def _gain(self, value: float) -> float:
        return self._sign * (value - (self.best or 0.0))

    def on_train_end(self) -> None:
        """Give the network back its best weights."""
        if self._weights:
            self.model.network.load_state_dict(self._weights)

    def state(self) -> dict[str, Any]:
        """Return the best value, its epoch and weights, and how long ago it was."""
        return {
            "best": self.best,
            "best_epoch": self.best_epoch,
            "stopped_epoch": self.stopped_epoch,
            "waited": self._waited,
            **{f"{_WEIGHTS}{name}": array for name, array in self._weights.items()},
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        self.stopped_epoch = state.get("stopped_epoch")
        self._waited = state["waited"]
        self._weights = {
            name.removeprefix(_WEIGHTS): array
            for name, array in state.items()
            if name.startswith(_WEIGHTS)
        }


def monitored(who: str, name: str, values: Mapping[str, float]) -> float:
    """The value of that name. Raises `ArgumentError` when there is none."""
    if name not in values:
        raise ArgumentError(
            f"{who}: the epoch has no value {name!r}, only {', '.join(values)}; give fit "
            "validation_data or validation_split, or watch another"
        )
    return values[name]
