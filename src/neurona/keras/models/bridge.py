"""Keras's callbacks on `train.Model`: names and epoch numbers as Keras has them."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from neurona import train
from neurona.core.tensor import Tensor
from neurona.keras.callbacks.base import Callback, Logs

if TYPE_CHECKING:
    from neurona.keras.models.training import Trained


def renamed(values: Mapping[str, float]) -> Logs:
    """ "validation_loss" is "val_loss" in Keras."""
    return {
        f"val_{name.removeprefix('validation_')}" if name.startswith("validation_") else name: value
        for name, value in values.items()
    }


class Bridge(train.Callback):
    """Tells Keras's callbacks what happens.

    first: the number of the first epoch for Keras; `train.Model` counts its epochs on.
    """

    def __init__(self, model: Trained, callbacks: Sequence[Callback], first: int) -> None:
        self.told = model
        self.callbacks = tuple(callbacks)
        self.first = first
        self.offset: int | None = None

    def on_train_begin(self) -> None:
        for callback in self.callbacks:
            callback.on_train_begin({})

    def on_epoch_begin(self, epoch: int) -> None:
        if self.offset is None:
            self.offset = self.first - epoch
        for callback in self.callbacks:
            callback.on_epoch_begin(epoch + self.offset, {})

    def on_epoch_end(self, epoch: int, values: Mapping[str, float]) -> None:
        logs = renamed(values)
        for callback in self.callbacks:
            callback.on_epoch_end(epoch + (self.offset or 0), logs)
        self.model.stop_training = self.model.stop_training or self.told.stop_training

    def on_train_end(self) -> None:
        for callback in self.callbacks:
            callback.on_train_end({})


class StepBridge(Bridge):
    """Also tells of every step, which costs a look at its loss."""

    def on_epoch_begin(self, epoch: int) -> None:
        super().on_epoch_begin(epoch)
        self.batch = -1

    def on_step_end(self, step: int, loss: Tensor) -> None:
        self.batch += 1
        for callback in self.callbacks:
            callback.on_train_batch_end(self.batch, {"loss": loss.item()})
        self.model.stop_training = self.model.stop_training or self.told.stop_training


def bridged(model: Trained, callbacks: Sequence[Callback], first: int) -> Bridge:
    """The bridge that the callbacks need."""
    told = [getattr(callback.on_train_batch_end, "__func__", None) for callback in callbacks]
    wanted = any(function is not Callback.on_train_batch_end for function in told)
    return (StepBridge if wanted else Bridge)(model, callbacks, first)


class Lines(Callback):
    """`verbose=2`: a line an epoch."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self.began = time.perf_counter()
        print(f"Epoch {epoch + 1}/{self.params['epochs']}")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        seconds = time.perf_counter() - self.began
        steps = self.params["steps"]
        found = " - ".join(f"{name}: {number(value)}" for name, value in (logs or {}).items())
        print(f"{steps}/{steps} - {seconds:.0f}s - {1e3 * seconds / steps:.0f}ms/step - {found}")


def number(value: float) -> str:
    """Four places, or a power of ten for what is small."""
    small = value != 0 and abs(value) < 1e-3
    return f"{value:.4e}" if small and math.isfinite(value) else f"{value:.4f}"
