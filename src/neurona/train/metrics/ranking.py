"""The area under the receiver operating characteristic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from neurona.core.dtypes import DEFAULT_INT
from neurona.core.op import Array
from neurona.core.tensor import Tensor
from neurona.ops.broadcast import reshape
from neurona.ops.operand import cast
from neurona.ops.shape import moveaxis
from neurona.ops.softmax import log_softmax
from neurona.train.metrics.base import GatheringMetric, same_shape
from neurona.train.metrics.classes import check_labels, class_numbers, has_one_output, positive
from neurona.train.metrics.counts import check_average, check_flag, named


class ROCAUC(GatheringMetric):
    """The area under the ROC curve: how often a sample of a class is scored above one that is not.

    AUC = (Σ ranks of the positive samples − p(p + 1)/2) / (p·q) with p positive and q other
    samples, equal scores sharing their mean rank: exact, no thresholds are laid out. All scores of
    an epoch are kept for it, 4 bytes each.
    - output: (batch,) or (batch, 1), larger for class 1; (batch, 2); or (batch, classes), of which
      each is held against the rest and the areas are averaged. target: as for `Accuracy`.
    - `average` over more than two classes: "macro" ("auto"), "weighted" by how often a class
      occurs, None for an array. Classes without or of all the samples have no area and are left
      out of the mean; with no class left it is NaN.
    - `logits`: outputs are logits, or logarithms of probabilities; of several classes the softmax
      is what is ranked.
    - `multi_label`: see `Precision`; "macro" is then the mean of the labels' areas.

    Hanley and McNeil, "The meaning and use of the area under a receiver operating characteristic
    (ROC) curve" (1982).

    >>> import numpy as np
    >>> from neurona import train
    >>> output, target = np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])
    >>> train.measure(train.ROCAUC(), output, target)
    0.75
    """

    name = "roc_auc"

    def __init__(
        self, average: str | None = "auto", *, logits: bool = False, multi_label: bool = False
    ) -> None:
        check_average("ROCAUC", average, ("auto", "macro", "weighted"))
        check_flag("ROCAUC", "logits", logits)
        check_flag("ROCAUC", "multi_label", multi_label)
        self.average = average
        self.logits = logits
        self.multi_label = multi_label
        self.name = named("roc_auc", average)

    def gathered(self, output: Tensor, target: Tensor) -> Sequence[Tensor]:
        if self.multi_label:
            check_labels(self.name, output, target)
            return _rows(output), _rows(cast(positive(target), DEFAULT_INT))
        if has_one_output(output):
            same_shape(self.name, output, target)
            return reshape(output, -1), reshape(cast(positive(target), DEFAULT_INT), -1)
        labels = reshape(class_numbers(self.name, output, target), -1)
        output = _rows(output)
        if output.shape[1] == 2:
            # The softmax ranks as the difference does, but rounds to 1 and then ties.
            return output[:, 1] - output[:, 0] if self.logits else output[:, 1], labels
        return log_softmax(output, axis=1) if self.logits else output, labels

    @property
    def is_number(self) -> bool:
        return self.average is not None

    def value(self, gathered: Sequence[Array]) -> Any:
        """float, or (classes,) without an average; two classes have one area."""
        scores, labels = gathered
        if self.multi_label:
            return self._mean(scores, labels == 1)
        counted = labels >= 0
        scores, labels = scores[counted], labels[counted]
        if scores.ndim == 1:
            return area(scores, labels == 1)
        return self._mean(scores, labels[:, None] == np.arange(scores.shape[1]))

    def _mean(self, scores: Array, of_class: Array) -> Any:
        """Of the areas of all classes; both (sample, classes)."""
        each = np.array([area(*pair) for pair in zip(scores.T, of_class.T, strict=True)])
        if self.average is None:
            return each
        there = ~np.isnan(each)
        weights = of_class.sum(axis=0) if self.average == "weighted" else there
        if not np.any(there * weights):
            return math.nan
        return float(np.average(each[there], weights=weights[there]))


def _rows(x: Tensor) -> Tensor:
    """(batch, classes, …) as (sample or place, classes)."""
    return reshape(moveaxis(x, 1, -1), (-1, x.shape[1]))


def area(scores: Array, of_class: Array) -> float:
    """The area for scores (sample,) and whether each sample is of the class; NaN if all or none."""
    mine = int(np.count_nonzero(of_class))
    others = len(scores) - mine
    if not mine or not others or np.isnan(scores).any():
        return math.nan
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(count) - (count - 1) / 2
    return float((ranks[place][of_class].sum() - mine * (mine + 1) / 2) / (mine * others))
