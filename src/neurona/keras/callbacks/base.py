"""What `fit` tells others while it runs, in Keras's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neurona.keras.models.model import Model

Logs = dict[str, float]


class Callback:
    """The base of all callbacks; override what is wanted.

    model: the one that is trained; set `self.model.stop_training = True` to end after the epoch.
    params: {"epochs", "steps", "verbose"}. logs: the values so far, by Keras's names ("val_loss").
    """

    model: Model
    params: Mapping[str, Any]

    def set_model(self, model: Model) -> None:
        """Told of the model first."""
        self.model = model

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Told of the run's parameters."""
        self.params = params

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Called once before the first epoch."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Called before an epoch; the first is `initial_epoch`."""

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after a step, if overridden; the first of an epoch is 0. logs: its loss."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Called after an epoch with its values; what it adds to them enters the history."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Called once after the last epoch."""


class History(Callback):
    """What `fit` returns. history: by name, one number an epoch. epoch: their numbers."""

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)


class LambdaCallback(Callback):
    """A callback made of functions, each with the arguments of the method of its name."""

    def __init__(
        self,
        on_epoch_begin: Any = None,
        on_epoch_end: Any = None,
        on_train_begin: Any = None,
        on_train_end: Any = None,
        *,
        on_train_batch_end: Any = None,
    ) -> None:
        given = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_end": on_train_batch_end,
        }
        for name, function in given.items():
            if function is not None:
                setattr(self, name, function)
