"""Callbacks that write files."""

from __future__ import annotations

import csv
from os import PathLike
from pathlib import Path
from typing import Any

from neurona.core.errors import ArgumentError, DataError
from neurona.keras.callbacks.base import Callback, Logs
from neurona.keras.callbacks.monitoring import Monitor


class ModelCheckpoint(Monitor):
    """Saves the model after epochs, in the forms of `model.save` and `model.save_weights`.

    - `filepath`: a folder, or with `save_weights_only` a file `….safetensors`; {epoch:02d} (from 1)
      and values of the epoch, {val_loss:.2f}, may stand in it.
    - `save_best_only`: only when the value watched is better than ever; `initial_value_threshold`
      is what it has to beat first.
    """

    def __init__(
        self,
        filepath: str | PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode, 0.0)
        if save_freq != "epoch":
            raise ArgumentError(f"ModelCheckpoint: save_freq is 'epoch' here, not {save_freq!r}")
        self.filepath = str(filepath)
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.best = initial_value_threshold

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.save_best_only:
            value = self.value(logs)
            if not self.better(value, self.best):
                return
            self.best = value
        try:
            path = self.filepath.format(epoch=epoch + 1, **(logs or {}))
        except KeyError as error:
            raise ArgumentError(
                f"ModelCheckpoint: filepath names {error}, the epoch has {', '.join(logs or ())}"
            ) from None
        if self.save_weights_only:
            self.model.save_weights(path)
        else:
            self.model.save(path)
        if self.verbose:
            print(f"Epoch {epoch + 1}: saved {path}")


class CSVLogger(Callback):
    """Writes a line an epoch: its number and its values. append: behind those in the file."""

    def __init__(
        self, filename: str | PathLike[str], separator: str = ",", append: bool = False
    ) -> None:
        self.filename = Path(filename)
        self.separator = separator
        self.append = append

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._headed = self.append and self.filename.is_file()
        if not self._headed:
            self._write("w", None)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        values = dict(sorted((logs or {}).items()))
        if not self._headed:
            self._write("a", ["epoch", *values])
            self._headed = True
        self._write("a", [epoch, *values.values()])

    def _write(self, mode: str, row: list[Any] | None) -> None:
        try:
            with self.filename.open(mode, encoding="utf-8", newline="") as file:
                if row is not None:
                    csv.writer(file, delimiter=self.separator, lineterminator="\n").writerow(row)
        except OSError as error:
            raise DataError(f"{self.filename}: cannot be written: {error.strerror}") from None
