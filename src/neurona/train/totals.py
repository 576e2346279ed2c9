"""Loss and metrics over batches of different sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neurona.core.op import Array
from neurona.core.tensor import Tensor
from neurona.train.metrics import GatheringMetric, Metric


class Totals:
    """Adds up what the steps return, in float64, each batch by its size.

    What gathering metrics hand out is kept and put behind each other.
    """

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self.metrics = metrics
        self.samples = 0
        self._loss = 0.0
        self._sums: list[list[Any]] = [[] for _ in metrics]
        self._gathered: list[list[Sequence[Array]]] = [[] for _ in metrics]

    def add(self, loss: Tensor, parts: Sequence[Sequence[Any]], samples: int) -> None:
        """Enter a step over so many samples: its mean loss and what each metric recorded."""
        self.samples += samples
        self._loss += loss.item() * samples
        for i, (metric, part) in enumerate(zip(self.metrics, parts, strict=True)):
            if isinstance(metric, GatheringMetric):
                self._gathered[i].append([_array(one) for one in part])
                continue
            new = [np.asarray(_array(one), np.float64) for one in part]
            old = self._sums[i]
            self._sums[i] = [a + b for a, b in zip(old, new, strict=True)] if old else new

    @property
    def loss(self) -> float:
        """The mean loss of the samples so far."""
        return self._loss / self.samples

    def values(self) -> dict[str, float]:
        """The mean loss and the metrics by name."""
        values = {"loss": self.loss}
        for metric, sums, gathered in zip(self.metrics, self._sums, self._gathered, strict=True):
            if isinstance(metric, GatheringMetric):
                sums = [np.concatenate(parts) for parts in zip(*gathered, strict=True)]
            values[metric.name] = metric.value(sums)
        return values


def _array(part: Any) -> Any:
    return part.numpy() if isinstance(part, Tensor) else part
