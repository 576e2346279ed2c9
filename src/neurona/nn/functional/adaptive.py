"""Pooling to given extents."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from neurona.core.errors import ArgumentError, ShapeError
from neurona.core.op import Array, Shape
from neurona.core.tensor import Tensor
from neurona.nn.functional.checks import float_input
from neurona.nn.functional.pooling import Pooled, Windows, max_pool, numbers, spatial_lead, summed
from neurona.nn.running import who
from neurona.ops.broadcast import reshape, sum
from neurona.ops.compare import where
from neurona.ops.gather import take, take_along_axis
from neurona.ops.operand import operand
from neurona.ops.reduce import argmax
from neurona.ops.shape import permute_dims
from neurona.ops.window_place import least

Output = int | Sequence[int | None] | None


def adaptive_avg_pool1d(x: Any, output_size: Output) -> Tensor:
    """Means over `output_size` windows along (batch, channels, length); see the 2-d one."""
    return _adaptive_avg(1, x, output_size)


def adaptive_avg_pool2d(x: Any, output_size: Output) -> Tensor:
    """Means over windows such that the result has `output_size` of them along each axis.

    Window i of an axis covers the places ⌊i·size/output⌋ … ⌈(i + 1)·size/output⌉ − 1.
    x: (batch, channels, height, width) or (channels, height, width).
    output_size: a number or one an axis; None keeps the axis.

    >>> from neurona.nn import functional as F
    >>> F.adaptive_avg_pool2d([[[1.0, 2.0, 6.0], [3.0, 4.0, 8.0]]], (1, 2))
    Tensor([[[2.5, 5. ]]], dtype=float32)
    """
    return _adaptive_avg(2, x, output_size)


def adaptive_avg_pool3d(x: Any, output_size: Output) -> Tensor:
    """Means over `output_size` windows of (batch, channels, depth, height, width)."""
    return _adaptive_avg(3, x, output_size)


def adaptive_max_pool1d(x: Any, output_size: Output, return_indices: bool = False) -> Pooled:
    """Maxima over `output_size` windows along (batch, channels, length); see the 2-d one."""
    return _adaptive_max(1, x, output_size, return_indices)


def adaptive_max_pool2d(x: Any, output_size: Output, return_indices: bool = False) -> Pooled:
    """Maxima over the windows of `adaptive_avg_pool2d`.

    return_indices: also the place of each maximum in its flattened map, int64.

    >>> from neurona.nn import functional as F
    >>> F.adaptive_max_pool2d([[[1.0, 2.0, 6.0], [3.0, 4.0, 8.0]]], (1, 2))
    Tensor([[[4., 8.]]], dtype=float32)
    """
    return _adaptive_max(2, x, output_size, return_indices)


def adaptive_max_pool3d(x: Any, output_size: Output, return_indices: bool = False) -> Pooled:
    """Maxima over `output_size` windows of (batch, channels, depth, height, width)."""
    return _adaptive_max(3, x, output_size, return_indices)


def _outputs(function: str, rank: int, x: Tensor, output_size: Output) -> Shape:
    sizes = x.shape[spatial_lead(function, rank, x) :]
    given = tuple(output_size) if isinstance(output_size, Sequence) else (output_size,) * rank
    if len(given) != rank or any(n is not None and n < 1 for n in given):
        raise ArgumentError(
            f"{who(function)}: output_size must be a positive whole number or None, or {rank} of "
            f"them, not {output_size!r}"
        )
    if 0 in sizes:
        raise ShapeError(f"{who(function)}: x {x.shape} has an empty axis")
    return tuple(size if n is None else n for n, size in zip(given, sizes, strict=True))


def _adaptive_avg(rank: int, x: Any, output_size: Output) -> Tensor:
    function = f"adaptive_avg_pool{rank}d"
    z = float_input(function, x)
    outputs = _outputs(function, rank, z, output_size)
    lead = z.ndim - rank
    kernel = [_even(size, out) or 1 for size, out in zip(z.shape[lead:], outputs, strict=True)]
    windows = Windows(function, rank, z, kernel, None, 0, 1, False)
    result = summed(z, windows) / math.prod(kernel)
    for axis, out in enumerate(outputs, lead):
        if not _even(z.shape[axis], out):
            places, inside = _windows(z.shape[axis], out)
            rest = (1,) * (z.ndim - axis - 1)
            found = take(result, operand(places), axis=axis)  # (…, out, elements, …)
            kept = where(operand(inside.reshape(*inside.shape, *rest)), found, 0)
            count = operand(inside.sum(1).reshape(-1, *rest).astype(z.dtype))
            result = sum(kept, axis=axis + 1) / count
    return result


def _adaptive_max(rank: int, x: Any, output_size: Output, return_indices: bool) -> Pooled:
    function = f"adaptive_max_pool{rank}d"
    z = numbers(function, x)
    outputs = _outputs(function, rank, z, output_size)
    lead = z.ndim - rank
    kernel = [_even(size, out) for size, out in zip(z.shape[lead:], outputs, strict=True)]
    if all(kernel):
        windows = Windows(function, rank, z, kernel, None, 0, 1, False)
        return max_pool(z, windows, return_indices)
    found, inside, places = z, np.ones((), np.bool_), np.zeros((), np.int64)
    for axis, (size, out) in enumerate(zip(z.shape[lead:], outputs, strict=True)):
        here, within = _windows(size, out)
        found = take(found, operand(here), axis=lead + 2 * axis)
        inside = inside[..., None, None] & within
        places = places[..., None, None] * size + here
    order = (*range(0, 2 * rank, 2), *range(1, 2 * rank, 2))
    found = permute_dims(found, (*range(lead), *[lead + axis for axis in order]))
    flat = (*outputs, -1)
    values = where(
        operand(inside.transpose(order).reshape(flat)),
        reshape(found, (*z.shape[:lead], *outputs, inside.size // math.prod(outputs))),
        least(z.dtype),
    )
    position = argmax(values, axis=-1, keepdims=True)
    result = take_along_axis(values, position, axis=-1)[..., 0]
    if not return_indices:
        return result
    table = places.transpose(order).reshape(flat)
    row = operand(np.arange(math.prod(outputs), dtype=np.int64).reshape(outputs)) * table.shape[-1]
    return result, take(operand(table.reshape(-1)), position[..., 0] + row)


def _even(size: int, out: int) -> int:
    """How many places each window has, 0 if that differs from window to window."""
    return size // out if size % out == 0 else 0


def _windows(size: int, out: int) -> tuple[Array, Array]:
    """(out, elements): the places of each window of an axis, and whether they belong to it."""
    i = np.arange(out)
    start, end = i * size // out, -(-(i + 1) * size // out)
    places = start[:, None] + np.arange((end - start).max())
    return np.minimum(places, size - 1), places < end[:, None]
