"""Which class an output means, and which one the target names."""

from __future__ import annotations

import math
from typing import NamedTuple

from neurona.core.dtypes import DEFAULT_INT, DType, is_float
from neurona.core.errors import ArgumentError, ShapeError
from neurona.core.tensor import Tensor
from neurona.ops.compare import where
from neurona.ops.operand import cast
from neurona.ops.reduce import argmax
from neurona.ops.shape import expand_dims
from neurona.ops.softmax import one_hot
from neurona.train.metrics.base import same_shape


class Decisions(NamedTuple):
    """Class numbers of samples, or of places in them, and how many classes there are.

    counted: bool; False where the label is negative, as cross-entropy's ignored labels are.
    """

    predicted: Tensor
    actual: Tensor
    counted: Tensor
    classes: int

    def predicted_codes(self, dtype: DType) -> Tensor:
        """(batch, classes, …): 1 at the class predicted, nothing where nothing counts."""
        return self._codes(self.predicted, dtype)

    def actual_codes(self, dtype: DType) -> Tensor:
        """(batch, classes, …): 1 at the class named, nothing where nothing counts."""
        return self._codes(where(self.counted, self.actual, 0), dtype)

    def _codes(self, numbers: Tensor, dtype: DType) -> Tensor:
        counted = cast(self.counted, dtype)
        return one_hot(numbers, self.classes, axis=1, dtype=dtype) * expand_dims(counted, axis=1)


def has_one_output(output: Tensor) -> bool:
    """Whether a sample, or a place in it, has one number for two classes."""
    return output.ndim == 1 or (output.ndim > 1 and output.shape[1] == 1)


def class_numbers(name: str, output: Tensor, target: Tensor) -> Tensor:
    """The class of each sample: the target itself, or the place of its largest element.

    output: (batch, classes, …).
    """
    if output.ndim < 2 or not is_float(output.dtype):
        raise ShapeError(
            f"{name}: the output must be the scores of the classes, floats (batch, classes, …), "
            f"found {output.shape} of {output.dtype}"
        )
    if target.shape == output.shape:
        return argmax(target, axis=1)
    if target.shape != (output.shape[0], *output.shape[2:]) or is_float(target.dtype):
        raise ShapeError(
            f"{name}: output {output.shape} and target {target.shape} ({target.dtype}) do not fit; "
            "the target holds class numbers (batch, …), or as many values as the output"
        )
    return target


def positive(target: Tensor) -> Tensor:
    """Whether a target of one output means class 1.

    It does above 0.5, so that 0 and 1, 0.1 and 0.9, −1 and 1 will do.
    """
    return target > 0.5 if is_float(target.dtype) else cast(target, DEFAULT_INT) > 0


def check_labels(name: str, output: Tensor, target: Tensor) -> None:
    """Raise `ShapeError` unless both are a yes or no for each class, (batch, classes, …)."""
    same_shape(name, output, target)
    if output.ndim < 2:
        raise ShapeError(
            f"{name}: several labels a sample are (batch, classes), not {output.shape}"
        )


def check_threshold(who: str, threshold: float) -> float:
    """Raise `ArgumentError` for a threshold that is no finite number."""
    number = isinstance(threshold, (int, float)) and not isinstance(threshold, bool)
    if not (number and math.isfinite(threshold)):
        raise ArgumentError(f"{who}: threshold must be a finite number, not {threshold!r}")
    return threshold


def decisions(name: str, output: Tensor, target: Tensor, threshold: float) -> Decisions:
    """The classes of outputs and targets.

    output: (batch, classes, …) for the largest, the first of equals; or (batch,), (batch, 1, …) for
    class 1 above `threshold`. target: see `class_numbers`; for one output of its shape.
    """
    if not has_one_output(output):
        actual = class_numbers(name, output, target)
        return Decisions(argmax(output, axis=1), actual, actual >= 0, output.shape[1])
    same_shape(name, output, target)
    if not is_float(output.dtype):
        raise ShapeError(f"{name}: the output must be scores, floats, found {output.dtype}")
    actual = cast(positive(target), DEFAULT_INT)
    return Decisions(cast(output > threshold, DEFAULT_INT), actual, actual >= 0, 2)
