"""How much each sample counts in the loss: weights of samples and of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurona.core.errors import ArgumentError, DataError, ShapeError, nearest
from neurona.core.op import Shape
from neurona.train.checks import IGNORED

ClassWeights = Mapping[Any, float]


def checked_weights(weights: ArrayLike, samples: int, who: str) -> NDArray[Any]:
    """The weights of samples, `(sample,)`: finite and not negative.

    Raises `ShapeError` for another number of them, `DataError` that names the first bad one.
    """
    array = np.asarray(weights)
    if array.dtype.kind not in "biuf":
        raise DataError(f"{who}: weights must be numbers, found {array.dtype}")
    if array.shape != (samples,):
        raise ShapeError(
            f"{who}: there must be one weight a sample, ({samples},), found {array.shape}"
        )
    bad = ~(np.isfinite(array) & (array >= 0))
    if bad.any():
        place = int(bad.argmax())
        raise DataError(
            f"{who}: the weight of sample {place} is {array[place]}; weights are finite and not "
            "negative"
        )
    return array


class ClassTable:
    """The weight of each class, looked up for targets.

    weights: by class number, or by name where `classes` has names; others have weight 1.
    output: the shape of the network's output for a sample, which says how many classes there are.
    Raises `ArgumentError` for a class that is not there and for weights that are none.
    """

    def __init__(self, weights: ClassWeights, classes: Sequence[str], output: Shape) -> None:
        if not isinstance(weights, Mapping):
            raise ArgumentError(
                f"class_weight: a weight by class is needed, as in {{0: 1.0, 1: 5.0}}, "
                f"not {weights!r}"
            )
        self.one_output = not output or output[0] == 1
        count = 2 if self.one_output else output[0]
        self.table = np.ones(count)
        for one, weight in weights.items():
            number = classes.index(one) if one in classes else one
            known = isinstance(number, (int, np.integer)) and not isinstance(number, bool)
            if not known or not 0 <= number < count:
                names = ", ".join(classes) or f"0…{count - 1}"
                raise ArgumentError(
                    f"class_weight: there is no class {one!r}{nearest(str(one), classes)} "
                    f"(classes: {names})"
                )
            value = np.asarray(weight)
            if value.dtype.kind not in "biuf" or value.ndim or not 0 <= value < np.inf:
                raise ArgumentError(
                    f"class_weight: the weight of class {one!r} must be finite and not negative, "
                    f"not {weight!r}"
                )
            self.table[number] = value

    def of(self, targets: NDArray[Any]) -> NDArray[np.float64]:
        """The weight of each sample by its class; 1 for labels that are no class (ignored ones).

        targets: class numbers `(sample,)` or codes `(sample, class)`; for one output `(sample,)` or
        `(sample, 1)`, class 1 above 0.5 as for `Accuracy`.
        """
        labels = targets
        if targets.ndim == 2 and targets.shape[1] == 1:
            labels = targets[:, 0]
        elif targets.ndim == 2:
            labels = targets.argmax(axis=1)
        if labels.ndim != 1:
            raise ArgumentError(
                f"class_weight: one class a sample is needed, the targets are {targets.shape}"
            )
        if self.one_output:
            labels = np.where(labels == IGNORED, labels, labels > 0.5)
        known = (labels >= 0) & (labels < len(self.table))
        return np.where(known, self.table[np.where(known, labels, 0).astype(np.int64)], 1.0)
