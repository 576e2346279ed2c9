"""How far numbers are from what they should be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from neurona.core.dtypes import float64
from neurona.core.op import Array
from neurona.core.tensor import Tensor
from neurona.ops.arithmetic import abs
from neurona.ops.broadcast import sum
from neurona.ops.operand import cast
from neurona.train.metrics.base import Metric, Sums, difference


class MeanAbsoluteError(Metric):
    """Σ|y − t| / N over all elements."""

    name = "mean_absolute_error"
    larger_is_better = False

    def sums(self, output: Tensor, target: Tensor) -> Sums:
        return sum(abs(difference(self.name, output, target))), output.size


class MeanSquaredError(Metric):
    """Σ(y − t)² / N over all elements."""

    name = "mean_squared_error"
    larger_is_better = False

    def sums(self, output: Tensor, target: Tensor) -> Sums:
        error = difference(self.name, output, target)
        return sum(error * error), output.size


class RootMeanSquaredError(MeanSquaredError):
    """√(Σ(y − t)² / N) over all elements."""

    name = "root_mean_squared_error"

    def value(self, sums: Sequence[Any]) -> Any:
        return math.sqrt(super().value(sums))


class R2(Metric):
    """The coefficient of determination: R² = 1 − Σ(y − t)² / Σ(t − t̄)².

    1 is perfect, 0 as good as always saying the mean t̄, below 0 worse. output, target: of the same
    shape (batch, …); of several outputs the mean of their R² is taken. Summed in float64.
    A target that does not vary (by less than 3·10⁻⁷ of its size) gives 1 if it is met exactly and
    else 0, as in scikit-learn. Of fewer than two samples it is NaN.

    >>> import numpy as np
    >>> from neurona import train
    >>> output, target = np.array([2.5, 0.0, 2.0, 8.0]), np.array([3.0, -0.5, 2.0, 7.0])
    >>> round(train.measure(train.R2(), output, target), 4)
    0.9486
    """

    name = "r2"

    def sums(self, output: Tensor, target: Tensor) -> Sums:
        error = cast(difference(self.name, output, target), float64)
        t = cast(target, float64)
        return sum(error * error, axis=0), sum(t, axis=0), sum(t * t, axis=0), output.shape[0]

    def value(self, sums: Sequence[Array]) -> Any:
        errors, total, squares, samples = (np.asarray(part) for part in sums)
        if samples < 2:
            return math.nan
        spread = squares - total * total / samples
        varies = spread > 1e-13 * squares
        ratio = np.divide(errors, spread, out=np.where(errors > 0, 1.0, 0.0), where=varies)
        return float(np.mean(1 - ratio))
