"""Sequences of several lengths in one batch: which steps count, and what they give together."""

from __future__ import annotations

from typing import Any

from neurona.core import dtypes
from neurona.core.arguments import whole
from neurona.core.check import require
from neurona.core.errors import DTypeError, ShapeError
from neurona.core.tensor import Tensor
from neurona.nn.functional.checks import float_input
from neurona.nn.running import who
from neurona.ops.broadcast import reshape, sum
from neurona.ops.compare import where
from neurona.ops.create import arange
from neurona.ops.operand import cast, operand
from neurona.ops.reduce import max
from neurona.ops.shape import expand_dims, permute_dims


def sequence_mask(lengths: Any, length: int) -> Tensor:
    """Whether step t of sequence b lies before its end, t < lengths[b]: bool (batch, length).

    lengths: integers (batch,) in 0…length. length: the steps of the longest sequence.
    Raises `DTypeError` and `ShapeError` for other lengths, `ArgumentError` naming one out of range.

    >>> from neurona.nn import functional as F
    >>> F.sequence_mask([3, 1], 3).tolist()
    [[True, True, True], [True, False, False]]
    """
    length = whole(who("sequence_mask"), "length", length, 0)
    counts = _lengths("sequence_mask", lengths)
    right = (counts >= 0) & (counts <= length)
    require(right, counts, f"{who('sequence_mask')}: lengths", f"they lie in 0…{length}, the steps")
    return _mask(counts, length)


def _mask(counts: Tensor, length: int) -> Tensor:
    return arange(length, dtype=counts.dtype) < expand_dims(counts, axis=1)


def mean_over_time(x: Any, lengths: Any = None, *, batch_first: bool = False) -> Tensor:
    """The mean of each sequence's own steps, padding left out: 1/L_b Σ_{t<L_b} x_t.

    x: (time, batch, features), or (batch, time, features) with batch_first.
    lengths: integers (batch,) in 1…time, or None where all sequences are as long as x.
    Result: (batch, features). Raises `ShapeError`, `DTypeError`, and `ArgumentError` naming the
    sequence that is empty or longer than x.

    >>> from neurona.nn import functional as F
    >>> x = [[[1.0], [3.0], [0.0]], [[2.0], [4.0], [6.0]]]
    >>> F.mean_over_time(x, [2, 3], batch_first=True).tolist()
    [[2.0], [4.0]]
    """
    z, counted, counts = _steps("mean_over_time", x, lengths, batch_first)
    if counted is None or counts is None:
        return sum(z, axis=1) / z.shape[1]
    return sum(where(counted, z, 0), axis=1) / expand_dims(cast(counts, z.dtype), axis=1)


def max_over_time(x: Any, lengths: Any = None, *, batch_first: bool = False) -> Tensor:
    """The greatest value of each feature among a sequence's own steps, padding left out.

    Collobert et al., "Natural language processing (almost) from scratch" (2011), section 3.2.2.
    Arguments, result and errors are those of `mean_over_time`; steps with the same maximum share
    its gradient evenly.

    >>> from neurona.nn import functional as F
    >>> x = [[[-1.0], [-3.0], [0.0]], [[2.0], [4.0], [6.0]]]
    >>> F.max_over_time(x, [2, 3], batch_first=True).tolist()
    [[-1.0], [6.0]]
    """
    z, counted, _ = _steps("max_over_time", x, lengths, batch_first)
    return max(z if counted is None else where(counted, z, -float("inf")), axis=1)


def _steps(
    function: str, x: Any, lengths: Any, batch_first: bool
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """x as (batch, time, features), which of its steps count (batch, time, 1), and the lengths."""
    z = float_input(function, x)
    if z.ndim != 3:
        axes = "(batch, time, features)" if batch_first else "(time, batch, features)"
        raise ShapeError(f"{who(function)}: x {z.shape} must be {axes}")
    z = z if batch_first else permute_dims(z, (1, 0, 2))
    batch, time = z.shape[:2]
    if time == 0:
        raise ShapeError(f"{who(function)}: x {operand(x).shape} has no steps")
    if lengths is None:
        return z, None, None
    counts = _lengths(function, lengths)
    if counts.shape[0] != batch:
        raise ShapeError(
            f"{who(function)}: lengths {counts.shape} must be one a sequence, ({batch},)"
        )
    right = (counts >= 1) & (counts <= time)
    require(right, counts, f"{who(function)}: lengths", f"a sequence has 1…{time} steps")
    mask = _mask(counts, time)
    return z, reshape(mask, (*mask.shape, 1)), counts


def _lengths(function: str, lengths: Any) -> Tensor:
    counts = operand(lengths)
    if not dtypes.is_integer(counts.dtype):
        raise DTypeError(f"{who(function)}: lengths are integers, not {counts.dtype}")
    if counts.ndim != 1:
        raise ShapeError(f"{who(function)}: lengths {counts.shape} must be (batch,)")
    return cast(counts, dtypes.int64)
