"""From a loss an element to the loss of a batch."""

from __future__ import annotations

from typing import Any

from neurona.core.errors import ShapeError
from neurona.core.tensor import Tensor
from neurona.nn.functional.checks import choice
from neurona.nn.running import who
from neurona.ops.broadcast import reshape, sum
from neurona.ops.operand import as_float, cast

REDUCTIONS = ("mean", "sum", "none", "batchmean")


def reduced(function: str, loss: Tensor, reduction: str, sample_weight: Any = None) -> Tensor:
    """The loss (batch, …) of the elements weighted and put together.

    reduction: "mean" over all elements, "sum", "none", or "batchmean": the sum over the outputs,
        mean over the batch.
    sample_weight: None, or the weight of each sample, of shape (batch,) or longer. With "none" and
        "sum" the losses are multiplied by it; the means then divide by the sum of the weights.
    """
    choice(function, "reduction", reduction, REDUCTIONS)
    units = loss.size if reduction == "mean" else (loss.shape[0] if loss.ndim else 1)
    total: Any = units
    if sample_weight is not None:
        weight = weight_of_samples(function, sample_weight, loss)
        spread = reshape(weight, (*weight.shape, *[1] * (loss.ndim - weight.ndim)))
        loss = loss * spread
        total = sum(weight) * (units / weight.size if weight.size else 1)
    if reduction == "none":
        return loss
    return sum(loss) if reduction == "sum" else sum(loss) / total


def weight_of_samples(function: str, given: Any, loss: Tensor) -> Tensor:
    """The weights in the loss's dtype. Raises `ShapeError` unless they are its first axes."""
    weight = as_float(given)
    if not weight.ndim or weight.shape != loss.shape[: weight.ndim]:
        raise ShapeError(
            f"{who(function)}: sample_weight has shape {weight.shape}, the samples {loss.shape}; "
            f"the weights must be one a sample, {loss.shape[:1]}"
        )
    return cast(weight, loss.dtype)
