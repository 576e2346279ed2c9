"""Precision, recall, F1, IoU and the confusion matrix: counts of classes predicted and named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from neurona.core.dtypes import DEFAULT_FLOAT
from neurona.core.errors import ArgumentError, nearest
from neurona.core.op import Array
from neurona.core.tensor import Tensor
from neurona.ops.broadcast import reshape, sum
from neurona.ops.matmul import matmul
from neurona.ops.operand import cast
from neurona.ops.shape import moveaxis
from neurona.train.metrics.base import Metric, Sums
from neurona.train.metrics.classes import check_labels, check_threshold, decisions, positive

AVERAGES = ("auto", "binary", "macro", "micro", "weighted")


def check_flag(who: str, name: str, value: bool) -> None:
    """Raise `ArgumentError` for what is neither True nor False."""
    if not isinstance(value, bool):
        raise ArgumentError(f"{who}: {name} must be true or false, not {value!r}")


def check_average(who: str, average: str | None, known: Sequence[str]) -> None:
    """Raise `ArgumentError` for an average that is neither None nor one of `known`."""
    if average is not None and average not in known:
        raise ArgumentError(
            f"{who}: unknown average {average!r}{nearest(str(average), known)} "
            f"(known: {', '.join(known)}, or None for one number a class)"
        )


def named(name: str, average: str | None) -> str:
    """The name of a metric whose average was chosen: "macro_recall", "recall_by_class"."""
    if average is None:
        return f"{name}_by_class"
    return name if average == "auto" else f"{average}_{name}"


class ClassCounts(Metric):
    """The base of metrics made of three counts a class: right, predicted, actual."""

    plain_name: ClassVar[str] = "class_counts"

    def __init__(
        self,
        average: str | None = "auto",
        *,
        threshold: float = 0.5,
        multi_label: bool = False,
    ) -> None:
        who = type(self).__name__
        check_average(who, average, AVERAGES)
        check_flag(who, "multi_label", multi_label)
        if multi_label and average == "binary":
            raise ArgumentError(f'{who}: "binary" is for two classes, not for several labels')
        self.average = average
        self.threshold = check_threshold(who, threshold)
        self.multi_label = multi_label
        self.name = named(self.plain_name, average)

    def sums(self, output: Tensor, target: Tensor) -> Sums:
        predicted, actual = self._marks(output, target)
        samples = (0, *range(2, predicted.ndim))
        return tuple([sum(x, axis=samples) for x in (predicted * actual, predicted, actual)])

    def _marks(self, output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """1 where a class is predicted and where it is named, (batch, classes, …)."""
        if self.multi_label:
            check_labels(self.name, output, target)
            marks = output > self.threshold, positive(target)
            return cast(marks[0], DEFAULT_FLOAT), cast(marks[1], DEFAULT_FLOAT)
        found = decisions(self.name, output, target, self.threshold)
        if self.average == "binary" and found.classes != 2:
            raise ArgumentError(
                f"{self.name}: there are {found.classes} classes, not two; average them by "
                '"macro", "micro" or "weighted"'
            )
        return found.predicted_codes(DEFAULT_FLOAT), found.actual_codes(DEFAULT_FLOAT)

    def value(self, sums: Sequence[Array]) -> Any:
        """float, or (classes,) without an average."""
        right, predicted, actual = sums
        if self.average == "micro":
            return float(self.share(right.sum(), predicted.sum(), actual.sum()))
        each = self.share(right, predicted, actual)
        if self.average is None:
            return each
        two = len(each) == 2 and not self.multi_label
        if self.average == "binary" or (self.average == "auto" and two):
            return float(each[1])
        # As in scikit-learn: classes that neither occur nor are predicted do not count.
        there = (predicted + actual > 0) | self.multi_label
        weights = actual if self.average == "weighted" else there
        return float(np.sum(weights * each) / np.sum(weights)) if np.any(weights) else 0.0

    @property
    def is_number(self) -> bool:
        return self.average is not None

    def share(self, right: Any, predicted: Any, actual: Any) -> Any:
        """The metric of each class, 0 where it is 0/0."""
        raise NotImplementedError(f"{type(self).__name__} must define share")


class Precision(ClassCounts):
    """Share of the samples predicted to be of a class that are: TP / (TP + FP).

    - `average`: "binary": that of class 1; "macro": the mean over the classes; "micro": of all
      counts together; "weighted": the mean weighted by how often each class occurs; None: an array
      (classes,). "auto": "binary" for two classes, "macro" for more. A chosen average is part of
      the name: "macro_precision".
    - `threshold`: for one output a sample; see `Accuracy`, also for the shapes.
    - `multi_label`: a sample may be of several classes or none; output and target (batch, classes,
      …) are a yes or no for each, above `threshold` and above 0.5.

    0/0 is 0, as with scikit-learn's `zero_division=0`; classes that neither occur nor are predicted
    do not enter the mean.

    >>> import numpy as np
    >>> from neurona import train
    >>> output, target = np.array([0.9, 0.8, 0.3, 0.6]), np.array([1, 0, 1, 1])
    >>> [round(train.measure(m, output, target), 3) for m in (train.Precision(), train.Recall())]
    [0.667, 0.667]
    """

    plain_name = name = "precision"

    def share(self, right: Any, predicted: Any, actual: Any) -> Any:
        return _ratio(right, predicted)


class Recall(ClassCounts):
    """Share of the samples of a class that are predicted to be: TP / (TP + FN).

    Arguments and rules as for `Precision`.
    """

    plain_name = name = "recall"

    def share(self, right: Any, predicted: Any, actual: Any) -> Any:
        return _ratio(right, actual)


class F1(ClassCounts):
    """The harmonic mean of precision and recall: 2TP / (2TP + FP + FN).

    Arguments and rules as for `Precision`. "macro" is the mean of the classes' F1, as in
    scikit-learn, not the F1 of the means.
    """

    plain_name = name = "f1"

    def share(self, right: Any, predicted: Any, actual: Any) -> Any:
        return _ratio(2 * right, predicted + actual)


class IoU(ClassCounts):
    """Intersection over union of what is predicted and what is: TP / (TP + FP + FN).

    Also the Jaccard index. In a segmentation the samples are pixels: output (batch, classes, row,
    column), target (batch, row, column). Arguments and rules as for `Precision`, but the usual
    average is "macro", and its name "mean_iou": the mean over the classes, the background included,
    that occur or are predicted.

    >>> import numpy as np
    >>> from neurona import train
    >>> output = np.array([0.9, 0.8, 0.3, 0.6])  # of two classes
    >>> train.measure(train.IoU(average=None), output, np.array([1, 0, 1, 1]))
    array([0. , 0.5])
    """

    plain_name = "iou"
    name = "mean_iou"

    def __init__(
        self,
        average: str | None = "macro",
        *,
        threshold: float = 0.5,
        multi_label: bool = False,
    ) -> None:
        super().__init__(average, threshold=threshold, multi_label=multi_label)
        if average == "macro":
            self.name = "mean_iou"

    def share(self, right: Any, predicted: Any, actual: Any) -> Any:
        return _ratio(right, predicted + actual - right)


class ConfusionMatrix(Metric):
    """How often samples of each class were predicted to be of each: an integer array.

    value: (class, predicted class). Shapes and `threshold` as for `Accuracy`. It is no single
    number, so it is measured afterwards: `train.measure(train.ConfusionMatrix(), model.predict(x),
    y)`.

    >>> import numpy as np
    >>> from neurona import train
    >>> output = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    >>> train.measure(train.ConfusionMatrix(), output, np.array([0, 1, 1]))
    array([[1, 0],
           [1, 1]])
    """

    name = "confusion_matrix"

    def __init__(self, threshold: float = 0.5) -> None:
        self.threshold = check_threshold(type(self).__name__, threshold)

    def sums(self, output: Tensor, target: Tensor) -> Sums:
        found = decisions(self.name, output, target, self.threshold)
        actual, predicted = found.actual_codes(DEFAULT_FLOAT), found.predicted_codes(DEFAULT_FLOAT)
        rows = [reshape(moveaxis(x, 1, -1), (-1, found.classes)) for x in (actual, predicted)]
        return (matmul(rows[0].T, rows[1]),)

    @property
    def is_number(self) -> bool:
        return False

    def value(self, sums: Sequence[Array]) -> Any:
        """int64 (classes, classes)."""
        return np.asarray(sums[0]).astype(np.int64)


def _ratio(part: Any, whole: Any) -> Any:
    """part / whole, 0 where both are 0."""
    return np.divide(part, whole, out=np.zeros_like(np.asarray(part, float)), where=whole > 0)
