"""Loss and metrics over batches of different sizes, added up by the compiled steps themselves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from neurona.core.dtypes import float64
from neurona.core.errors import CheckpointError
from neurona.core.op import Array
from neurona.core.tensor import Tensor
from neurona.core.trace import no_grad
from neurona.core.variable import Variable
from neurona.ops.operand import cast, operand
from neurona.train.metrics import GatheringMetric, Metric, recorded

LOSS = "loss"
COUNTED = "counted"
"""How many targets the losses are means of, where that is not the number of samples."""


class Totals:
    """Sums in float64, each batch with its size, in Variables that the step writes.

    A step that adds its own sums up needs no look at its results, so that a batch costs one native
    call. What gathering metrics hand out is kept and put behind each other.
    """

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self.metrics = metrics
        self.samples = 0
        self._sums: dict[str, Variable] = {}
        self._gathered: dict[str, list[Array]] = {}

    # --- inside the step ---

    def record(
        self, loss: Tensor, output: Tensor, target: Any, counted: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Add a batch up: its mean loss and its metrics. Returns what is gathered from it.

        counted: of how many targets the loss is the mean; None: one a sample.
        """
        output, target = output.detach(), operand(target)
        found: dict[str, Tensor] = {}
        with no_grad():
            weight = output.shape[0] if counted is None else cast(counted, float64)
            self._add(LOSS, cast(loss.detach(), float64) * weight)
            if counted is not None:
                self._add(COUNTED, counted)
            for metric in self.metrics:
                for i, part in enumerate(recorded(metric, output, target)):
                    if isinstance(metric, GatheringMetric):
                        found[f"{metric.name}.{i}"] = part
                    else:
                        self._add(f"{metric.name}.{i}", part)
        return found

    def _add(self, name: str, part: Any) -> None:
        value = operand(part)
        if name not in self._sums:
            # Its shape is known when the first step is recorded, not before.
            self._sums[name] = _zero(name, value.shape)
        self._sums[name].assign(self._sums[name] + cast(value, float64))

    # --- around it ---

    def count(self, samples: int, gathered: Mapping[str, Tensor]) -> None:
        """Enter that a step over so many samples has been run, and what it handed out."""
        self.samples += samples
        for name, part in gathered.items():
            self._gathered.setdefault(name, []).append(part.numpy())

    def reset(self) -> None:
        """Start again at nothing."""
        self.samples = 0
        self._gathered.clear()
        for total in self._sums.values():
            total.assign(np.zeros(total.shape))

    @property
    def loss(self) -> float:
        """The mean loss of the samples so far, or of their targets where these are counted."""
        counted = float(self._sums[COUNTED].numpy()) if COUNTED in self._sums else self.samples
        return float(self._sums[LOSS].numpy()) / counted if counted else math.nan

    def values(self) -> dict[str, float]:
        """The mean loss and the metrics by name."""
        values = {LOSS: self.loss}
        for metric in self.metrics:
            parts: list[Array] = []
            while (name := f"{metric.name}.{len(parts)}") in self._gathered or name in self._sums:
                parts.append(
                    np.concatenate(self._gathered[name])
                    if isinstance(metric, GatheringMetric)
                    else self._sums[name].numpy()
                )
            value = metric.value(parts)
            values[metric.name] = value if np.ndim(value) else float(value)
        return values

    # --- for resuming ---

    def state(self) -> dict[str, Array]:
        """All sums and gathered values by name."""
        sums = {f"sum.{name}": total.numpy() for name, total in self._sums.items()}
        gathered = {f"all.{name}": np.concatenate(v) for name, v in self._gathered.items()}
        return {"samples": np.array(self.samples), **sums, **gathered}

    def load_state(self, state: Mapping[str, Array]) -> None:
        """Go on from what `state` gave. Raises `CheckpointError` for what is none."""
        self.reset()
        for name, array in state.items():
            kind, _, rest = name.partition(".")
            if kind == "samples":
                self.samples = int(array)
            elif kind == "sum":
                if rest not in self._sums:
                    self._sums[rest] = _zero(rest, array.shape)
                self._sums[rest].assign(array)
            elif kind == "all":
                self._gathered[rest] = [array]
            else:
                raise CheckpointError(f"totals: {name!r} is unknown")


def _zero(name: str, shape: tuple[int, ...]) -> Variable:
    return Variable(np.zeros(shape), name, dtype=float64, requires_grad=False)
