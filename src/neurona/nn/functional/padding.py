"""What stands around an image: zeros, another number, its mirror, its edge, its other end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neurona.core.errors import ArgumentError, ShapeError
from neurona.core.tensor import Tensor
from neurona.nn.functional.checks import choice
from neurona.nn.running import who
from neurona.ops import shape as shapes
from neurona.ops.broadcast import broadcast_to
from neurona.ops.join import concat
from neurona.ops.operand import operand
from neurona.ops.shape import flip, slice_axis

MODES = ("constant", "reflect", "replicate", "circular")


def pad(x: Any, pad: Sequence[int], mode: str = "constant", value: float = 0.0) -> Tensor:
    """x with more elements around its last axes.

    pad: how many before and after the last axis, then the one before it, and so on; negative
        numbers cut off.
    mode: "constant" (`value`), "reflect" (the mirror image about the edge, which is not repeated),
        "replicate" (the edge) or "circular" (the other end).
    Raises `ShapeError` where the axis is too short for the mode.

    >>> from neurona.nn import functional as F
    >>> F.pad([1.0, 2.0, 3.0], (2, 1), "reflect")
    Tensor([3., 2., 1., 2., 3., 2.], dtype=float32)
    >>> F.pad([[1.0], [2.0]], (1, 0, 0, 1))
    Tensor([[0., 1.],
            [0., 2.],
            [0., 0.]], dtype=float32)
    """
    choice("pad", "mode", mode, MODES)
    z, widths = operand(x), tuple(pad)
    if len(widths) % 2 or len(widths) > 2 * z.ndim:
        raise ArgumentError(
            f"{who('pad')}: pad {widths} must be pairs (before, after), at most one for each of "
            f"the {z.ndim} axes of x {z.shape}, the last axis first"
        )
    pairs = list(zip(widths[::2], widths[1::2], strict=True))
    for axis, (low, high) in enumerate(pairs):
        place = z.ndim - 1 - axis
        before, after = max(low, 0), max(high, 0)
        extent = z.shape[place] + min(low, 0) + min(high, 0)
        if extent < 0 or (extent + before + after < 1 and z.size):
            raise ShapeError(
                f"{who('pad')}: pad {(low, high)} cuts axis {place} of x {z.shape} away"
            )
        z = slice_axis(z, place, max(-low, 0), extent)
        if mode != "constant" and (before or after):
            z = _around(z, place, before, after, mode)
    if mode != "constant":
        return z
    rest = [(0, 0)] * (z.ndim - len(pairs))
    around = [(max(low, 0), max(high, 0)) for low, high in pairs[::-1]]
    return shapes.pad(z, [*rest, *around], value=value)


def _around(x: Tensor, axis: int, before: int, after: int, mode: str) -> Tensor:
    extent = x.shape[axis]
    most = {"reflect": extent - 1, "circular": extent}.get(mode)
    if extent < 1 or (most is not None and max(before, after) > most):
        raise ShapeError(
            f"{who('pad')}: padding {(before, after)} in mode {mode!r} needs more than the "
            f"{extent} elements that axis {axis} of x {x.shape} has"
        )
    if mode == "reflect":
        left = flip(slice_axis(x, axis, 1, before), axis=axis) if before else None
        right = flip(slice_axis(x, axis, extent - 1 - after, after), axis=axis) if after else None
    elif mode == "circular":
        left = slice_axis(x, axis, extent - before, before) if before else None
        right = slice_axis(x, axis, 0, after) if after else None
    else:
        left = _edge(x, axis, 0, before) if before else None
        right = _edge(x, axis, extent - 1, after) if after else None
    return concat([part for part in (left, x, right) if part is not None], axis=axis)


def _edge(x: Tensor, axis: int, place: int, count: int) -> Tensor:
    shape = (*x.shape[:axis], count, *x.shape[axis + 1 :])
    return broadcast_to(slice_axis(x, axis, place, 1), shape)
