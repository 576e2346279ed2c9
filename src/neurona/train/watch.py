"""What happens inside the layers over the epochs of a run, at next to no cost."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from neurona.autodiff import gradients
from neurona.core.errors import ArgumentError, CheckpointError, NeuronaError
from neurona.core.variable import Variable
from neurona.data.files import replacing
from neurona.train.analysis.layers import Watcher, norm, observing
from neurona.train.callbacks import Callback
from neurona.train.selection import evaluation_mode, learning_parameters
from neurona.train.target_scaling import standardized

if TYPE_CHECKING:
    from neurona.core.tensor import Tensor

FIRST_COST = 0.002
"""Seconds that a record is thought to cost before one was made."""


class WatchLayers(Callback):
    """Writes a line of JSON for an epoch: norms of weights and gradients, size of the steps, dead
    units, by layer; a report draws them over the epochs.

    - `path`: the file, "layers.jsonl" in the folder of a run. Lines of epochs that are done again
      are taken away.
    - `inputs`, `targets`: `(sample, …)` as the network takes them, a hundred or so: gradients and
      dead units are measured on them after the epoch, without dropout. None: neither is.
    - `most`: share of the run's time that this may take. An epoch is passed over when it would be
      more, so short epochs have fewer lines. 1: every epoch has one.

    Each line has "epoch" and, by the name of the parameter (of those that learn and have rows and
    columns; of all that learn, if none has), "weights": ‖w‖, "gradients": ‖∂loss/∂w‖, "updates":
    ‖Δw‖/‖w‖ of the first step of the epoch; and, by the name of the layer, "dead": the share of
    ReLUs that are 0 for all samples. A healthy step changes weights by about a thousandth.

    What is learnt does not depend on it: no random numbers are drawn, no program is made again.
    A network or a loss that fails on the samples ends the watching, not the run; `trouble` then
    says why. Raises `CheckpointError` when the file cannot be written.

    >>> import numpy as np
    >>> from neurona import nn, train
    >>> model = train.Model(nn.Linear(2, 1))
    >>> model.compile("SGD", "mean_squared_error")
    >>> x, y = np.ones((4, 2), np.float32), np.zeros((4, 1), np.float32)
    >>> watch = train.WatchLayers("layers.jsonl", x, y, most=1)
    >>> history = model.fit(x, y, epochs=2, callbacks=[watch], verbose=False)
    >>> sorted(json.loads(Path("layers.jsonl").read_text().splitlines()[1]))
    ['epoch', 'gradients', 'updates', 'weights']
    """

    def __init__(
        self,
        path: str | PathLike[str],
        inputs: NDArray[Any] | None = None,
        targets: NDArray[Any] | None = None,
        *,
        most: float = 0.01,
    ) -> None:
        if not (isinstance(most, (int, float)) and 0 < most <= 1):
            raise ArgumentError(f"WatchLayers: most is a share above 0, at most 1, not {most!r}")
        self.path = Path(path)
        self.inputs = inputs
        self.targets = targets
        self.most = most
        self.trouble: str | None = None
        self._spent = 0.0
        self._cost = FIRST_COST
        self._begun = time.perf_counter()
        self._before: dict[str, NDArray[Any]] | None = None
        self._updates: dict[str, float] = {}

    def on_train_begin(self) -> None:
        """Keep the lines of the epochs before the first that comes."""
        self._begun = time.perf_counter()
        self._spent = 0.0
        named = learning_parameters(self.model.network, self.model.frozen)
        wide = [(name, parameter) for name, parameter in named if parameter.ndim > 1]
        self._watched: dict[str, Variable] = dict(wide or named)
        self._rewrite([line for line in self._lines() if line["epoch"] < self.model.epochs_done])

    def on_epoch_begin(self, epoch: int) -> None:
        """Remember the weights, if there is time for it."""
        start = time.perf_counter()
        self._updates = {}
        self._before = None
        if self._affordable(start):
            self._before = {name: p.numpy() for name, p in self._watched.items()}
            self._spent += time.perf_counter() - start

    def on_step_end(self, step: int, loss: Tensor) -> None:
        """After the first step of an epoch: how far the weights moved."""
        if self._before is None:
            return
        start = time.perf_counter()
        for name, before in self._before.items():
            size = norm(before)
            if size > 0:
                self._updates[name] = norm(self._watched[name].numpy() - before) / size
        self._before = None
        self._spent += time.perf_counter() - start

    def on_epoch_end(self, epoch: int, values: Mapping[str, float]) -> None:
        """Measure the rest and write the line, if there is time for it."""
        start = time.perf_counter()
        if not self._watched or not self._affordable(start):
            return
        line: dict[str, Any] = {"epoch": epoch}
        line["weights"] = {name: norm(p.numpy()) for name, p in self._watched.items()}
        if self._updates:
            line["updates"] = self._updates
        try:
            with evaluation_mode(self.model.network):
                line |= self._measured()
        except (NeuronaError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            self.trouble = " ".join(str(error).split())
            self._watched = {}
            return
        self._append(line)
        self._cost = time.perf_counter() - start
        self._spent += self._cost

    def _affordable(self, now: float) -> bool:
        return self.most == 1 or self._spent + self._cost <= self.most * (now - self._begun)

    def _measured(self) -> dict[str, Any]:
        model = self.model
        if self.inputs is None:
            return {}
        watcher = Watcher(most=1)
        with observing(watcher.observe):
            output = model.network(self.inputs)
        found: dict[str, Any] = {}
        layers = watcher.layers.values()
        dead = {
            layer.path: 1 - float(layer.alive.mean()) for layer in layers if layer.alive is not None
        }
        if dead:
            found["dead"] = dead
        if model.loss is not None and self.targets is not None:
            targets = standardized(model.target_scaling, self.targets, output)
            slopes = gradients(model.loss(output, targets), list(self._watched.values()))
            pairs = zip(self._watched, slopes, strict=True)
            found["gradients"] = {name: norm(slope.numpy()) for name, slope in pairs}
        return found

    # --- the file ---

    def _lines(self) -> list[dict[str, Any]]:
        """The lines that are whole; a crash may have cut off the last."""
        try:
            text = self.path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return []
        lines = []
        for line in text.splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict) and isinstance(entry.get("epoch"), int):
                lines.append(entry)
        return lines

    def _rewrite(self, lines: list[dict[str, Any]]) -> None:
        if not lines and not self.path.exists():
            return
        with _writing(self.path), replacing(self.path) as file:
            file.write("".join(map(_text, lines)).encode())

    def _append(self, line: dict[str, Any]) -> None:
        with _writing(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(_text(line))


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be written: {error.strerror or error}") from None


def _text(line: Mapping[str, Any]) -> str:
    rounded = {
        key: {name: _number(v) for name, v in value.items()} if isinstance(value, dict) else value
        for key, value in line.items()
    }
    return json.dumps(rounded, ensure_ascii=False, allow_nan=False) + "\n"


def _number(value: float) -> float | None:
    """Six digits are enough for a curve; None for what is not finite."""
    return float(f"{value:.6g}") if math.isfinite(value) else None
