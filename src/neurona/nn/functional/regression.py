"""Losses for numbers: squared, absolute and mixed errors.

Input and target have the same shape (batch, …); nothing is broadcast.
"""

from __future__ import annotations

from typing import Any

from neurona.core.errors import ArgumentError
from neurona.core.tensor import Tensor
from neurona.nn.functional.checks import float_input, same_shape
from neurona.nn.functional.reduction import reduced
from neurona.nn.running import who
from neurona.ops.arithmetic import abs
from neurona.ops.broadcast import sum
from neurona.ops.compare import where


def _difference(function: str, x: Any, target: Any) -> Tensor:
    output = float_input(function, x)
    return output - same_shape(function, output, target)


def mse_loss(
    input: Any, target: Any, *, reduction: str = "mean", sample_weight: Any = None
) -> Tensor:
    """(y − t)², by default the mean over all elements.

    reduction, sample_weight: see `reduced`; of shape (batch,).
    Raises `ShapeError` unless both shapes are equal.

    >>> from neurona.nn import functional as F
    >>> F.mse_loss([[1.0, 2.0]], [[1.0, 4.0]])
    Tensor(2., dtype=float32)
    """
    error = _difference("mse_loss", input, target)
    return reduced("mse_loss", error * error, reduction, sample_weight)


def quadratic_cost(
    input: Any, target: Any, *, reduction: str = "mean", sample_weight: Any = None
) -> Tensor:
    """½‖y − t‖², summed over the outputs, by default the mean over the batch.

    Nielsen, "Neural networks and deep learning", equation 6.
    reduction: "mean" or "sum" over the batch, or "none": one number a sample.

    >>> from neurona.nn import functional as F
    >>> F.quadratic_cost([[1.0, 2.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 2.0]])
    Tensor(2.25, dtype=float32)
    """
    error = _difference("quadratic_cost", input, target)
    squares = error * error
    if error.ndim > 1:
        squares = sum(squares, axis=tuple(range(1, error.ndim)))
    return reduced("quadratic_cost", 0.5 * squares, reduction, sample_weight)


def l1_loss(
    input: Any, target: Any, *, reduction: str = "mean", sample_weight: Any = None
) -> Tensor:
    """|y − t|, by default the mean over all elements; derivative 0 where they are equal.

    >>> from neurona.nn import functional as F
    >>> F.l1_loss([1.0, 2.0], [1.0, 4.0])
    Tensor(1., dtype=float32)
    """
    error = _difference("l1_loss", input, target)
    return reduced("l1_loss", abs(error), reduction, sample_weight)


def huber_loss(
    input: Any,
    target: Any,
    *,
    delta: float = 1.0,
    reduction: str = "mean",
    sample_weight: Any = None,
) -> Tensor:
    """½e² where |e| < δ, else δ(|e| − ½δ), with e = y − t.

    Huber, "Robust estimation of a location parameter" (1964).
    """
    if not delta > 0:
        raise ArgumentError(f"{who('huber_loss')}: delta must be positive, not {delta}")
    error = _difference("huber_loss", input, target)
    size = abs(error)
    loss = where(size < delta, 0.5 * error * error, delta * (size - 0.5 * delta))
    return reduced("huber_loss", loss, reduction, sample_weight)


def smooth_l1_loss(
    input: Any,
    target: Any,
    *,
    beta: float = 1.0,
    reduction: str = "mean",
    sample_weight: Any = None,
) -> Tensor:
    """½e²/β where |e| < β, else |e| − ½β, with e = y − t; |e| if β is 0. Huber's loss over β.

    Girshick, "Fast R-CNN" (2015), equation 3.
    """
    if beta == 0:
        return l1_loss(input, target, reduction=reduction, sample_weight=sample_weight)
    if not beta > 0:
        raise ArgumentError(f"{who('smooth_l1_loss')}: beta must not be negative, {beta} is")
    error = _difference("smooth_l1_loss", input, target)
    size = abs(error)
    loss = where(size < beta, (0.5 / beta) * error * error, size - 0.5 * beta)
    return reduced("smooth_l1_loss", loss, reduction, sample_weight)
