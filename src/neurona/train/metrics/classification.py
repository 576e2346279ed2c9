"""Shares of samples that are right."""

from __future__ import annotations

from neurona.core.dtypes import DEFAULT_INT
from neurona.core.errors import ArgumentError
from neurona.core.tensor import Tensor
from neurona.ops.broadcast import sum
from neurona.ops.compare import where
from neurona.ops.operand import cast
from neurona.ops.shape import expand_dims
from neurona.ops.softmax import one_hot
from neurona.train.metrics.base import Metric, Sums, same_shape
from neurona.train.metrics.classes import check_threshold, class_numbers, decisions, positive


def _share(hits: Tensor, counted: Tensor) -> Sums:
    return sum(cast(hits & counted, DEFAULT_INT)), sum(cast(counted, DEFAULT_INT))


class Accuracy(Metric):
    """Share of samples whose largest output is that of their class.

    output: (batch, classes, …). target: class numbers (batch, …), or codes of output's shape, whose
    largest element is the class. Of equal outputs the first counts. Negative class numbers do not
    count, as in cross-entropy.
    One output, (batch,) or (batch, 1), stands for two classes: 1 above `threshold`, which is 0 for
    logits; its target has the same shape and is class 1 above 0.5.

    >>> import numpy as np
    >>> from neurona import train
    >>> output, target = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]), np.array([0, 1, 1])
    >>> round(train.measure(train.Accuracy(), output, target), 3)
    0.667
    """

    name = "accuracy"

    def __init__(self, threshold: float = 0.5) -> None:
        self.threshold = check_threshold(type(self).__name__, threshold)

    def sums(self, output: Tensor, target: Tensor) -> Sums:
        found = decisions(self.name, output, target, self.threshold)
        return _share(found.predicted == found.actual, found.counted)


class TopKAccuracy(Metric):
    """Share of samples whose class is among the `k` largest outputs; ties count as hits.

    Shapes as for `Accuracy`, one output left out. The "top-5 error" is one minus this with k = 5.
    """

    def __init__(self, k: int = 5) -> None:
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise ArgumentError(f"TopKAccuracy: k must be a whole number of at least 1, not {k!r}")
        self.k = k
        self.name = f"top_{k}_accuracy"

    def sums(self, output: Tensor, target: Tensor) -> Sums:
        classes = class_numbers(self.name, output, target)
        counted = classes >= 0
        right = one_hot(where(counted, classes, 0), output.shape[1], axis=1, dtype=output.dtype)
        # Chosen, not multiplied: 0·∞ is NaN. What is not comparable counts as larger, not as a hit.
        own = expand_dims(sum(where(right > 0, output, 0), axis=1), axis=1)
        larger = sum(where(output <= own, 0, 1), axis=1)
        return _share(larger < self.k, counted)


class BinaryAccuracy(Metric):
    """Share of outputs on the right side of `threshold`, each output for itself.

    output, target: of the same shape, so that several yes-or-no questions a sample will do.
    threshold: where an output counts as a yes; 0 for logits. A target is a yes above 0.5.
    """

    name = "binary_accuracy"

    def __init__(self, threshold: float = 0.5) -> None:
        self.threshold = check_threshold(type(self).__name__, threshold)

    def sums(self, output: Tensor, target: Tensor) -> Sums:
        same_shape(self.name, output, target)
        hits = (output > self.threshold) == positive(target)
        return sum(cast(hits, DEFAULT_INT)), hits.size
