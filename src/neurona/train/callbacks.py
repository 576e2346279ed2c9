"""What `fit` tells others while it runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from neurona.core.errors import ArgumentError

if TYPE_CHECKING:
    from neurona.core.tensor import Tensor
    from neurona.train.model import Model


class Callback:
    """The base of all callbacks; override what is wanted.

    model: the one that is trained; set `self.model.stop_training = True` to end after the epoch, or
    after the step if it is set in `on_step_end`.

    A callback that remembers something over epochs hands it out in `state`, so that a resumed run
    goes on as if it had never stopped.

    >>> from neurona import train
    >>> class StopWhenGood(train.Callback):
    ...     def on_epoch_end(self, epoch, values):
    ...         if values["loss"] < 0.01:
    ...             self.model.stop_training = True
    """

    model: Model

    def on_train_begin(self) -> None:
        """Called once before the first epoch, and again when a run is resumed."""

    def on_epoch_begin(self, epoch: int) -> None:
        """Called before an epoch; the first is 0."""

    def on_step_end(self, step: int, loss: Tensor) -> None:
        """Called after an update, if overridden.

        step: its number in the whole run; the first is 0. loss: of its last batch, 0-d; asking for
        its value costs a little, so do it only when it is needed.
        """

    def on_epoch_end(self, epoch: int, values: Mapping[str, float]) -> None:
        """Called after an epoch with its values, as they enter the history."""

    def on_train_end(self) -> None:
        """Called once after the last epoch, also when it was interrupted."""

    def state(self) -> Mapping[str, Any]:
        """What `load_state` needs to go on: by name plain values fit for JSON, or arrays."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave. Called after `on_train_begin` when a run is resumed."""


def checked_callbacks(callbacks: Iterable[Callback]) -> tuple[Callback, ...]:
    """The callbacks of a run. Raises `ArgumentError` for what is none."""
    if isinstance(callbacks, Callback | type):
        raise ArgumentError("fit: callbacks is a list, as in callbacks=[train.EarlyStopping()]")
    found = tuple(callbacks)
    for callback in found:
        if not isinstance(callback, Callback):
            raise ArgumentError(
                f"fit: callbacks are objects made of subclasses of train.Callback, not {callback!r}"
            )
    return found


def check_watched(callbacks: Iterable[Callback]) -> None:
    """For a run that validates nothing: raise `ArgumentError` for a callback that watches that.

    It would otherwise say so after the first epoch.
    """
    for callback in callbacks:
        monitor = getattr(callback, "monitor", None)
        if isinstance(monitor, str) and monitor.startswith("validation_"):
            raise ArgumentError(
                f"fit: {type(callback).__name__} watches {monitor!r}, but nothing is validated; "
                "give fit validation_data or validation_split, or watch another value"
            )


def watches_steps(callback: Callback) -> bool:
    """Whether a callback wants to be told of every step."""
    return type(callback).on_step_end is not Callback.on_step_end
