"""Loss and metrics over batches of different sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neurona.core.tensor import Tensor
from neurona.train.metrics import Metric


class Totals:
    """Adds up what the steps return, in float64, each batch by its size."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self.metrics = metrics
        self.samples = 0
        self._loss = 0.0
        self._sums: list[list[float]] = []

    def add(self, loss: Tensor, sums: Sequence[Sequence[Any]], samples: int) -> None:
        """Enter a step over so many samples: its mean loss and each metric's sums."""
        self.samples += samples
        self._loss += loss.item() * samples
        if not self._sums:
            self._sums = [[0.0] * len(parts) for parts in sums]
        for total, parts in zip(self._sums, sums, strict=True):
            for i, part in enumerate(parts):
                total[i] += part.item() if isinstance(part, Tensor) else part

    @property
    def loss(self) -> float:
        """The mean loss of the samples so far."""
        return self._loss / self.samples

    def values(self) -> dict[str, float]:
        """The mean loss and the metrics by name."""
        named = zip(self.metrics, self._sums, strict=True)
        return {"loss": self.loss} | {metric.name: metric.value(sums) for metric, sums in named}
