"""Metrics by Keras's names, over the last axis; they are metrics of `neurona.train`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from neurona import train
from neurona.core.dtypes import DEFAULT_FLOAT
from neurona.core.errors import ArgumentError, nearest
from neurona.core.tensor import Tensor
from neurona.keras import losses
from neurona.keras.named import Configured
from neurona.ops.broadcast import reshape, sum
from neurona.ops.operand import cast, operand
from neurona.ops.reduce import argmax
from neurona.ops.shape import expand_dims
from neurona.ops.softmax import one_hot


class Metric(Configured, train.Metric):
    """The base: `values(y_true, y_pred)` gives numbers whose mean is the metric.

    name: the key in the history; by default the class's own.
    """

    NAME = "metric"
    TARGETS = "same"
    """What targets are, as for losses."""

    def __init__(self, *, name: str | None = None) -> None:
        self.name = name or self.NAME

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """One number a sample, or a place of a sample."""
        raise NotImplementedError(f"{type(self).__name__} must define values(y_true, y_pred)")

    def sums(self, output: Tensor, target: Tensor) -> Sequence[Any]:
        """The sum of the numbers and how many there are."""
        numbers = self.values(target, output)
        return sum(cast(numbers, DEFAULT_FLOAT)), numbers.size


# --- right or wrong ---


class BinaryAccuracy(Metric):
    """Share of outputs on the right side of `threshold`; targets are 0 and 1."""

    NAME = "binary_accuracy"

    def __init__(self, *, name: str | None = None, threshold: float = 0.5) -> None:
        super().__init__(name=name)
        self.threshold = threshold

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return cast(y_pred > self.threshold, y_pred.dtype) == cast(y_true, y_pred.dtype)


class CategoricalAccuracy(Metric):
    """Share of samples whose largest output is where the target's largest element is."""

    NAME = "categorical_accuracy"

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return argmax(y_true, axis=-1) == argmax(y_pred, axis=-1)


class SparseCategoricalAccuracy(Metric):
    """Share of samples whose largest output is that of their class, given as a number."""

    NAME = "sparse_categorical_accuracy"
    TARGETS = "classes"

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return y_true == argmax(y_pred, axis=-1)


class TopKCategoricalAccuracy(Metric):
    """Share of samples whose class, a one-hot target, is among the k largest outputs."""

    NAME = "top_k_categorical_accuracy"

    def __init__(self, k: int = 5, name: str | None = None) -> None:
        super().__init__(name=name)
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise ArgumentError(f"{type(self).__name__}: k must be 1 or more, not {k!r}")
        self.k = k

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return self.among(argmax(y_true, axis=-1), y_pred)

    def among(self, classes: Tensor, y_pred: Tensor) -> Tensor:
        """Whether fewer than k outputs are larger than that of the class."""
        right = one_hot(classes, y_pred.shape[-1], axis=-1, dtype=y_pred.dtype)
        own = expand_dims(sum(y_pred * right, axis=-1), axis=-1)
        return sum(cast(y_pred > own, y_pred.dtype), axis=-1) < self.k


class SparseTopKCategoricalAccuracy(TopKCategoricalAccuracy):
    """Share of samples whose class, given as a number, is among the k largest outputs."""

    NAME = "sparse_top_k_categorical_accuracy"
    TARGETS = "classes"

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return self.among(y_true, y_pred)


class _Share(Metric):
    """What precision and recall share: a ratio of counts over all outputs."""

    def __init__(self, thresholds: float = 0.5, *, name: str | None = None) -> None:
        super().__init__(name=name)
        if not isinstance(thresholds, (int, float)):
            raise ArgumentError(f"{type(self).__name__}: thresholds is one number here")
        self.thresholds = thresholds

    def sums(self, output: Tensor, target: Tensor) -> Sequence[Any]:
        said = cast(output > self.thresholds, DEFAULT_FLOAT)
        right = said * cast(target, DEFAULT_FLOAT)
        return sum(right), sum(self.whole(said, cast(target, DEFAULT_FLOAT)))

    def whole(self, said: Tensor, target: Tensor) -> Tensor:
        """What is divided by."""
        raise NotImplementedError(f"{type(self).__name__} must define whole(said, target)")

    def value(self, sums: Sequence[Any]) -> float:
        """The ratio, 0 where it is 0/0."""
        part, whole = sums
        return float(part / whole) if whole else 0.0


class Precision(_Share):
    """Share of the outputs above `thresholds` whose target is 1."""

    NAME = "precision"

    def whole(self, said: Tensor, target: Tensor) -> Tensor:
        return said


class Recall(_Share):
    """Share of the targets that are 1 whose output is above `thresholds`."""

    NAME = "recall"

    def whole(self, said: Tensor, target: Tensor) -> Tensor:
        return target


class AUC(Configured, train.ROCAUC):
    """The area under the ROC curve, exact: Keras lays out 200 thresholds and is near it.

    Several outputs are put into one list of scores and targets, as Keras does without
    `multi_label`. `train.ROCAUC` holds each class against the rest instead.
    """

    TARGETS = "same"

    def __init__(self, *, name: str | None = None, from_logits: bool = False) -> None:
        super().__init__(logits=from_logits)
        self.from_logits = from_logits
        self.name = name or "auc"

    def gathered(self, output: Tensor, target: Tensor) -> Sequence[Tensor]:
        return super().gathered(reshape(output, -1), reshape(target, -1))


# --- losses as metrics ---


class LossMetric(Metric):
    """The mean of a loss's numbers over the samples."""

    LOSS: type[losses.Loss]
    larger_is_better = False

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self._loss = self.LOSS()

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return self._loss.call(y_true, y_pred)


class MeanSquaredError(LossMetric):
    """(y − t)²."""

    NAME = "mean_squared_error"
    LOSS = losses.MeanSquaredError


class RootMeanSquaredError(MeanSquaredError):
    """√ of the mean of (y − t)²."""

    NAME = "root_mean_squared_error"

    def value(self, sums: Sequence[Any]) -> float:
        """The root of the ratio."""
        return math.sqrt(super().value(sums))


class MeanAbsoluteError(LossMetric):
    """|y − t|."""

    NAME = "mean_absolute_error"
    LOSS = losses.MeanAbsoluteError


class MeanAbsolutePercentageError(LossMetric):
    """100·|t − y|/|t|."""

    NAME = "mean_absolute_percentage_error"
    LOSS = losses.MeanAbsolutePercentageError


class MeanSquaredLogarithmicError(LossMetric):
    """(log(1 + y) − log(1 + t))²."""

    NAME = "mean_squared_logarithmic_error"
    LOSS = losses.MeanSquaredLogarithmicError


class BinaryCrossentropy(LossMetric):
    """See `losses.binary_crossentropy`."""

    NAME = "binary_crossentropy"
    LOSS = losses.BinaryCrossentropy


class CategoricalCrossentropy(LossMetric):
    """See `losses.categorical_crossentropy`."""

    NAME = "categorical_crossentropy"
    LOSS = losses.CategoricalCrossentropy


class SparseCategoricalCrossentropy(LossMetric):
    """See `losses.sparse_categorical_crossentropy`."""

    NAME = "sparse_categorical_crossentropy"
    TARGETS = "classes"
    LOSS = losses.SparseCategoricalCrossentropy


class Own(Metric):
    """A function of (y_true, y_pred) of the user's own."""

    TARGETS = "any"

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(name=getattr(function, "__name__", "metric"))
        self.function = function

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return operand(self.function(y_true, y_pred))


METRICS: dict[str, Any] = {
    cls.NAME: cls
    for cls in (
        BinaryAccuracy,
        BinaryCrossentropy,
        CategoricalAccuracy,
        CategoricalCrossentropy,
        MeanAbsoluteError,
        MeanAbsolutePercentageError,
        MeanSquaredError,
        MeanSquaredLogarithmicError,
        Precision,
        Recall,
        RootMeanSquaredError,
        SparseCategoricalAccuracy,
        SparseCategoricalCrossentropy,
        SparseTopKCategoricalAccuracy,
        TopKCategoricalAccuracy,
    )
} | {
    "auc": AUC,
    "mae": MeanAbsoluteError,
    "mape": MeanAbsolutePercentageError,
    "mse": MeanSquaredError,
    "msle": MeanSquaredLogarithmicError,
}

ACCURACY = ("accuracy", "acc")
CROSSENTROPY = ("crossentropy", "ce")


def get(identifier: Any, outputs: int | None = None, targets: str = "same") -> Any:
    """The metric of a name, a configuration or a function of (y_true, y_pred).

    outputs: the length of the output's last axis, and targets: what the loss takes; by them
    "accuracy" and "crossentropy" are binary (one output), sparse (class numbers) or categorical.
    A metric called by a name has that name in the history. Raises `ArgumentError` with the nearest.
    """
    if isinstance(identifier, train.Metric):
        return identifier
    if isinstance(identifier, dict) and "class_name" in identifier:
        by_class = {cls.__name__: cls for cls in METRICS.values()}
        return by_class[identifier["class_name"]](**identifier["config"])
    if isinstance(identifier, str):
        known = METRICS | {cls.__name__: cls for cls in METRICS.values()}
        if identifier in ACCURACY + CROSSENTROPY:
            kinds = (
                (BinaryAccuracy, SparseCategoricalAccuracy, CategoricalAccuracy)
                if identifier in ACCURACY
                else (BinaryCrossentropy, SparseCategoricalCrossentropy, CategoricalCrossentropy)
            )
            known = {identifier: kinds[0 if outputs == 1 else 1 if targets == "classes" else 2]}
        if identifier not in known:
            names = [*METRICS, *ACCURACY, *CROSSENTROPY]
            raise ArgumentError(
                f"metric: unknown name {identifier!r}{nearest(identifier, names)} "
                f"(known: {', '.join(sorted(names))})"
            )
        return known[identifier](name=identifier)
    if isinstance(identifier, type) and issubclass(identifier, train.Metric):
        return identifier()
    if callable(identifier):
        return Own(identifier)
    raise ArgumentError(f"metric: a name or an object is needed, not {identifier!r}")
