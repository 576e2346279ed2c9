"""What `fit` tells others while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neurona.train.model import Model


class Callback:
    """The base of all callbacks; override what is wanted.

    model: the one that is trained; set `self.model.stop_training = True` to end after the epoch.

    >>> from neurona import train
    >>> class StopWhenGood(train.Callback):
    ...     def on_epoch_end(self, epoch, values):
    ...         self.model.stop_training = values["loss"] < 0.01
    """

    model: Model

    def on_train_begin(self) -> None:
        """Called once before the first epoch."""

    def on_epoch_begin(self, epoch: int) -> None:
        """Called before an epoch; the first is 0."""

    def on_epoch_end(self, epoch: int, values: Mapping[str, float]) -> None:
        """Called after an epoch with its values, as they enter the history."""

    def on_train_end(self) -> None:
        """Called once after the last epoch, also when it was interrupted."""
