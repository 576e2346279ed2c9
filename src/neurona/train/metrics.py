"""Metrics: sums that the compiled step takes over a batch, and what they come to over an epoch.

A metric keeps no state. `sums(output, target)` is recorded into the step; the loop adds the sums of
the batches up in float64 and asks `value` for the number, so that an incomplete last batch counts
with its own size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from neurona.core.dtypes import DEFAULT_INT, is_float
from neurona.core.errors import ArgumentError, ShapeError, nearest
from neurona.core.tensor import Tensor
from neurona.ops.arithmetic import abs
from neurona.ops.broadcast import sum
from neurona.ops.operand import cast, operand
from neurona.ops.reduce import argmax
from neurona.ops.shape import expand_dims
from neurona.ops.softmax import one_hot

Sums = Sequence[Any]


class Metric:
    """The base of all metrics; a new one defines `name`, `sums` and `value`."""

    name = "metric"

    def sums(self, output: Tensor, target: Tensor) -> Sums:
        """0-d tensors or numbers that add up over batches."""
        raise NotImplementedError(f"{type(self).__name__} must define sums(self, output, target)")

    def value(self, sums: Sequence[float]) -> float:
        """The metric of all samples whose sums these are: by default their ratio."""
        part, whole = sums
        return part / whole if whole else math.nan

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def _class_numbers(name: str, output: Tensor, target: Tensor) -> Tensor:
    """The class of each sample: the target itself, or the place of its largest element."""
    if output.ndim < 2:
        raise ShapeError(f"{name}: the output must be (batch, classes, …), found {output.shape}")
    if target.shape == output.shape:
        return argmax(target, axis=1)
    if target.shape != (output.shape[0], *output.shape[2:]) or is_float(target.dtype):
        raise ShapeError(
            f"{name}: output {output.shape} and target {target.shape} ({target.dtype}) do not fit; "
            "the target holds class numbers (batch, …), or as many values as the output"
        )
    return target


class Accuracy(Metric):
    """Share of samples whose largest output is that of their class.

    output: (batch, classes, …). target: class numbers (batch, …), or codes of output's shape, whose
    largest element is the class. Of equal outputs the first counts.

    >>> import numpy as np
    >>> from neurona import train
    >>> output, target = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]), np.array([0, 1, 1])
    >>> round(train.Accuracy().value([2, 3]), 3), train.measure(train.Accuracy(), output, target)
    (0.667, 0.6666666666666666)
    """

    name = "accuracy"

    def sums(self, output: Tensor, target: Tensor) -> Sums:
        classes = _class_numbers(self.name, output, target)
        hits = argmax(output, axis=1) == classes
        return sum(cast(hits, DEFAULT_INT)), hits.size


class TopKAccuracy(Metric):
    """Share of samples whose class is among the `k` largest outputs; ties count as hits.

    Shapes as for `Accuracy`. The "top-5 error" is one minus this with k = 5.
    """

    def __init__(self, k: int = 5) -> None:
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise ArgumentError(f"TopKAccuracy: k must be a whole number of at least 1, not {k!r}")
        self.k = k
        self.name = f"top_{k}_accuracy"

    def sums(self, output: Tensor, target: Tensor) -> Sums:
        classes = _class_numbers(self.name, output, target)
        right = one_hot(classes, output.shape[1], axis=1, dtype=output.dtype)
        own = expand_dims(sum(output * right, axis=1), axis=1)
        larger = sum(cast(output > own, DEFAULT_INT), axis=1)
        hits = larger < self.k
        return sum(cast(hits, DEFAULT_INT)), hits.size

    def __repr__(self) -> str:
        return f"TopKAccuracy(k={self.k})"


class BinaryAccuracy(Metric):
    """Share of outputs on the right side of `threshold`.

    output, target: of the same shape. threshold: where an output counts as class 1; 0 for logits
    and for targets ±1. A target counts as class 1 above the middle of 0 and 1, or above 0 where the
    threshold is 0.
    """

    name = "binary_accuracy"

    def __init__(self, threshold: float = 0.5) -> None:
        self.threshold = threshold

    def sums(self, output: Tensor, target: Tensor) -> Sums:
        _same_shape(self.name, output, target)
        hits = (output > self.threshold) == (target > (0 if self.threshold == 0 else 0.5))
        return sum(cast(hits, DEFAULT_INT)), hits.size

    def __repr__(self) -> str:
        return f"BinaryAccuracy(threshold={self.threshold})"


class MeanAbsoluteError(Metric):
    """Σ|y − t| / N over all elements."""

    name = "mean_absolute_error"

    def sums(self, output: Tensor, target: Tensor) -> Sums:
        return sum(abs(_error(self.name, output, target))), output.size


class RootMeanSquaredError(Metric):
    """√(Σ(y − t)² / N) over all elements."""

    name = "root_mean_squared_error"

    def sums(self, output: Tensor, target: Tensor) -> Sums:
        error = _error(self.name, output, target)
        return sum(error * error), output.size

    def value(self, sums: Sequence[float]) -> float:
        return math.sqrt(super().value(sums))


def _same_shape(name: str, output: Tensor, target: Tensor) -> None:
    if output.shape != target.shape:
        raise ShapeError(
            f"{name}: output {output.shape} and target {target.shape} must have the same shape"
        )


def _error(name: str, output: Tensor, target: Tensor) -> Tensor:
    _same_shape(name, output, target)
    return output - cast(target, output.dtype)


METRICS: dict[str, type[Metric]] = {
    "accuracy": Accuracy,
    "binary_accuracy": BinaryAccuracy,
    "mean_absolute_error": MeanAbsoluteError,
    "root_mean_squared_error": RootMeanSquaredError,
    "top_5_accuracy": TopKAccuracy,
}


def find_metric(metric: str | Metric) -> Metric:
    """The metric of a name with its defaults; a metric is its own.

    Raises `ArgumentError` with the nearest name.
    """
    if isinstance(metric, Metric):
        return metric
    if not isinstance(metric, str):
        raise ArgumentError(f"metrics: a name or a Metric is needed, not {metric!r}")
    if metric not in METRICS:
        raise ArgumentError(f"metrics: unknown name {metric!r}{nearest(metric, METRICS)}")
    return METRICS[metric]()


def measure(metric: Metric, output: Any, target: Any) -> float:
    """The metric of outputs and targets that are at hand, (sample, …) each."""
    sums = metric.sums(operand(output), operand(target))
    return metric.value([float(part) for part in sums])
