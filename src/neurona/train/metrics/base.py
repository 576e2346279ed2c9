"""What a metric is: sums that the compiled step takes over a batch, or values it hands out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from neurona.core.errors import ShapeError
from neurona.core.op import Array
from neurona.core.tensor import Tensor
from neurona.ops.operand import cast

Sums = Sequence[Any]


class Metric:
    """The base of all metrics; a new one defines `name`, `sums` and `value`.

    `larger_is_better` tells callbacks what an improvement is; set it to False for an error.
    A metric keeps no state. `sums` is recorded into the step; the loop adds the sums of the batches
    up in float64 and asks `value` for the number, so that an incomplete last batch counts with its
    own size.
    """

    name = "metric"
    larger_is_better = True

    def sums(self, output: Tensor, target: Tensor) -> Sums:
        """Tensors of any fixed shape, or numbers, that add up over batches."""
        raise NotImplementedError(f"{type(self).__name__} must define sums(self, output, target)")

    def value(self, sums: Sequence[Any]) -> Any:
        """The metric of all samples whose sums these are, float64: by default their ratio."""
        part, whole = sums
        return float(part / whole) if whole else math.nan

    @property
    def is_number(self) -> bool:
        """Whether `value` is a single number, as a run's record needs it."""
        return True

    def __repr__(self) -> str:
        options = ", ".join(f"{k}={v!r}" for k, v in vars(self).items() if k != "name")
        return f"{type(self).__name__}({options})"


class GatheringMetric(Metric):
    """A metric that no sums give: it needs the values of all samples of an epoch at once.

    A new one defines `name`, `gathered` and `value`. The loop keeps what `gathered` gives for each
    batch and puts it behind each other, so hand out no more than is needed.
    """

    def gathered(self, output: Tensor, target: Tensor) -> Sequence[Tensor]:
        """Tensors (batch, …)."""
        raise NotImplementedError(f"{type(self).__name__} must define gathered(output, target)")

    def value(self, gathered: Sequence[Array]) -> Any:
        """The metric of the arrays (sample, …) of all batches."""
        raise NotImplementedError(f"{type(self).__name__} must define value(self, gathered)")


def recorded(metric: Metric, output: Tensor, target: Tensor) -> tuple[Any, ...]:
    """What the step hands out for a metric."""
    if isinstance(metric, GatheringMetric):
        return tuple(metric.gathered(output, target))
    return tuple(metric.sums(output, target))


def same_shape(name: str, output: Tensor, target: Tensor) -> None:
    """Raise `ShapeError` unless output and target have the same shape."""
    if output.shape != target.shape:
        raise ShapeError(
            f"{name}: output {output.shape} and target {target.shape} must have the same shape"
        )


def difference(name: str, output: Tensor, target: Tensor) -> Tensor:
    """output − target, of the same shape."""
    same_shape(name, output, target)
    return output - cast(target, output.dtype)
