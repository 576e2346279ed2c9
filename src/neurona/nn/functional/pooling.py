"""Maximum and mean over windows of one, two and three dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from neurona.core.apply import apply
from neurona.core.dtypes import bool_, int64
from neurona.core.errors import ArgumentError, DTypeError, ShapeError
from neurona.core.op import Shape
from neurona.core.tensor import Tensor
from neurona.nn.functional.checks import float_input
from neurona.nn.functional.convolution import Extents, each
from neurona.nn.running import who
from neurona.ops.broadcast import broadcast_to, reshape, sum
from neurona.ops.create import arange
from neurona.ops.operand import cast, operand, renew
from neurona.ops.window import WINDOW_ARGMAX, WINDOW_MAX, WINDOW_PICK, WINDOW_SUM
from neurona.ops.window_place import WALKED, output_extent

Pooled = Tensor | tuple[Tensor, Tensor]
Pairs = tuple[tuple[int, int], ...]
AXES = {1: "length", 2: "height, width", 3: "depth, height, width"}
TOGETHER = 64
"""Elements of a window up to which all its axes are looked at together, larger ones one by one."""


def max_pool1d(
    x: Any,
    kernel_size: Extents,
    stride: Extents | None = None,
    padding: Extents = 0,
    dilation: Extents = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pooled:
    """The maximum of each window along (batch, channels, length); see `max_pool2d`."""
    return _max_pool(1, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    x: Any,
    kernel_size: Extents,
    stride: Extents | None = None,
    padding: Extents = 0,
    dilation: Extents = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pooled:
    """y[b, c, p] = max over k of x[b, c, p·stride + k·dilation − padding]; NaN if there is one.

    Goodfellow, Bengio and Courville, "Deep learning" (2016), section 9.3.
    x: (batch, channels, height, width) or (channels, height, width).
    kernel_size: of the windows, a number or one an axis. stride: from one window to the next, by
        default the kernel's size. padding: places of −∞ on either side, at most half of a kernel.
    dilation: from one element of a window to the next. ceil_mode: whether a last window that only
        begins inside counts too.
    return_indices: also the place of each maximum in its flattened map, int64.
    The extents are ⌊(size + 2·padding − dilation·(kernel − 1) − 1)/stride⌋ + 1, rounded up with
    ceil_mode. The gradient goes to the first of equal maxima.
    Raises `ShapeError` for other shapes and where no window fits.

    >>> from neurona.nn import functional as F
    >>> F.max_pool2d([[[1.0, 2.0, 5.0, 6.0], [3.0, 4.0, 7.0, 8.0]]], 2)
    Tensor([[[4., 8.]]], dtype=float32)
    """
    return _max_pool(2, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    x: Any,
    kernel_size: Extents,
    stride: Extents | None = None,
    padding: Extents = 0,
    dilation: Extents = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pooled:
    """The maximum of each window of (batch, channels, depth, height, width); see `max_pool2d`."""
    return _max_pool(3, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def avg_pool1d(
    x: Any,
    kernel_size: Extents,
    stride: Extents | None = None,
    padding: Extents = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window along (batch, channels, length); see `avg_pool2d`."""
    return _avg_pool(1, x, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    x: Any,
    kernel_size: Extents,
    stride: Extents | None = None,
    padding: Extents = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """y[b, c, p] = mean over k of x[b, c, p·stride + k − padding].

    x: (batch, channels, height, width) or (channels, height, width).
    kernel_size, stride, ceil_mode: as in `max_pool2d`. padding: zeros on either side.
    count_include_pad: whether they are counted in what the sum is divided by (places beyond them
        never are). divisor_override: what it is divided by instead.

    >>> from neurona.nn import functional as F
    >>> F.avg_pool2d([[[1.0, 2.0, 5.0, 6.0], [3.0, 4.0, 7.0, 8.0]]], 2)
    Tensor([[[2.5, 6.5]]], dtype=float32)
    """
    return _avg_pool(
        2, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def avg_pool3d(
    x: Any,
    kernel_size: Extents,
    stride: Extents | None = None,
    padding: Extents = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of (batch, channels, depth, height, width); see `avg_pool2d`."""
    return _avg_pool(
        3, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


# --- what all of them share ---


class Windows:
    """The windows of a call, checked: axes of x in front of the spatial ones are walked along."""

    def __init__(
        self,
        function: str,
        rank: int,
        x: Tensor,
        kernel_size: Extents,
        stride: Extents | None,
        padding: Extents,
        dilation: Extents,
        ceil_mode: bool,
    ) -> None:
        self.lead = spatial_lead(function, rank, x)
        self.sizes = x.shape[self.lead :]
        self.kernel = each(function, "kernel_size", kernel_size, rank)
        self.strides = self.kernel if stride is None else each(function, "stride", stride, rank)
        self.given = each(function, "padding", padding, rank, 0)
        self.dilation = each(function, "dilation", dilation, rank)
        self.out = tuple(self._extent(function, x.shape, axis, ceil_mode) for axis in range(rank))
        self.padding = tuple(
            (low, max(low, (n - 1) * s + d * (k - 1) + 1 - size - low))
            for n, k, s, low, d, size in zip(
                self.out,
                self.kernel,
                self.strides,
                self.given,
                self.dilation,
                self.sizes,
                strict=True,
            )
        )

    def _extent(self, function: str, shape: Shape, axis: int, ceil_mode: bool) -> int:
        size, k, s = self.sizes[axis], self.kernel[axis], self.strides[axis]
        pad, d = self.given[axis], self.dilation[axis]
        if 2 * pad > d * (k - 1) + 1:
            raise ArgumentError(
                f"{who(function)}: padding {pad} is more than half of a window of "
                f"{d * (k - 1) + 1} places, which could then lie outside altogether"
            )
        found = output_extent(size, k, s, (pad, pad + (s - 1 if ceil_mode else 0)), d)
        if ceil_mode and (found - 1) * s >= size + pad:
            found -= 1  # the last window would begin in the padding
        if found < 1 or size < 1:
            raise ShapeError(
                f"{who(function)}: kernel_size {k} does not fit axis {self.lead + axis} of x "
                f"{shape}: ⌊({size} + 2·{pad} − {d}·({k} − 1) − 1)/{s}⌋ + 1 = {found}; use a "
                "smaller kernel or more padding"
            )
        return found

    def attributes(self, axes: Sequence[int]) -> dict[str, Any]:
        """The attributes of an op on the windows along these spatial axes."""
        parts = [
            (self.kernel[a], self.strides[a], self.padding[a], self.dilation[a])
            if a in axes
            else WALKED
            for a in range(len(self.kernel))
        ]
        columns = zip(*[WALKED] * self.lead, *parts, strict=True)
        names = ("window", "strides", "padding", "dilation")
        return dict(zip(names, columns, strict=True))

    def passes(self) -> list[tuple[int, ...]]:
        """The spatial axes to look at together: all, or one by one from the last if too large."""
        axes = [a for a, k in enumerate(self.kernel) if (k, self.strides[a]) != (1, 1)]
        if math.prod(self.kernel) <= TOGETHER:
            return [tuple(axes)] if axes else []
        return [(a,) for a in reversed(axes)]


def spatial_lead(function: str, rank: int, x: Tensor) -> int:
    """How many axes stand before the spatial ones: batch and channels, or channels alone."""
    if x.ndim not in (rank + 1, rank + 2):
        raise ShapeError(
            f"{who(function)}: x {x.shape} must be (batch, channels, {AXES[rank]}) or "
            f"(channels, {AXES[rank]})"
        )
    return x.ndim - rank


def _max_pool(
    rank: int,
    x: Any,
    kernel_size: Extents,
    stride: Extents | None,
    padding: Extents,
    dilation: Extents,
    ceil_mode: bool,
    return_indices: bool,
) -> Pooled:
    function = f"max_pool{rank}d"
    z = numbers(function, x)
    windows = Windows(function, rank, z, kernel_size, stride, padding, dilation, ceil_mode)
    return max_pool(z, windows, return_indices)


def max_pool(z: Tensor, windows: Windows, return_indices: bool) -> Pooled:
    """The maxima of the windows, and where they stand if that is asked for."""
    result = renew(z)
    positions: list[tuple[tuple[int, ...], Tensor]] = []
    for axes in windows.passes():
        attrs = windows.attributes(axes)
        if return_indices:
            here = apply(WINDOW_ARGMAX, result, **attrs)
            positions = [(old, apply(WINDOW_PICK, p, here, **attrs)) for old, p in positions]
            positions.append((axes, here))
        result = apply(WINDOW_MAX, result, **attrs)
    return (result, _indices(windows, positions, result)) if return_indices else result


def numbers(function: str, x: Any) -> Tensor:
    """The input as a tensor. Raises `DTypeError` for bools."""
    tensor = operand(x)
    if tensor.dtype == bool_:
        raise DTypeError(f"{who(function)}: x is bool; cast it to a float with ne.astype")
    return tensor


def _indices(
    windows: Windows, positions: list[tuple[tuple[int, ...], Tensor]], like: Tensor
) -> Tensor:
    """The place in its flattened map of each maximum, from the positions within the windows."""
    total: Any = 0
    rank = len(windows.kernel)
    offsets: dict[int, Any] = {}
    for axes, position in positions:
        wide = cast(position, int64)
        for axis in reversed(axes):
            k = windows.kernel[axis]
            offsets[axis] = wide % k if axis != axes[0] else wide
            wide = wide // k
    for axis in range(rank):
        first = arange(windows.out[axis]) * windows.strides[axis] - windows.padding[axis][0]
        place = reshape(first, (-1, *[1] * (rank - axis - 1)))
        if axis in offsets:
            place = place + offsets[axis] * windows.dilation[axis]
        total = total * windows.sizes[axis] + place
    return broadcast_to(total, like.shape)


def _avg_pool(
    rank: int,
    x: Any,
    kernel_size: Extents,
    stride: Extents | None,
    padding: Extents,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    function = f"avg_pool{rank}d"
    z = float_input(function, x)
    windows = Windows(function, rank, z, kernel_size, stride, padding, 1, ceil_mode)
    if divisor_override == 0:
        raise ArgumentError(f"{who(function)}: divisor_override must not be 0")
    divisor = divisor_override or _counts(windows, count_include_pad, z)
    return summed(z, windows) / divisor


def summed(x: Tensor, windows: Windows) -> Tensor:
    """The sum of each window; that over whole axes is an ordinary sum."""
    whole = tuple(
        windows.lead + a
        for a, k in enumerate(windows.kernel)
        if k == windows.sizes[a] and windows.padding[a] == (0, 0) and k > 1
    )
    if whole:
        x = sum(x, axis=whole, keepdims=True)
    for axes in windows.passes():
        rest = tuple(a for a in axes if windows.lead + a not in whole)
        if rest:
            x = apply(WINDOW_SUM, x, **windows.attributes(rest))
    return x


def _counts(windows: Windows, include_padding: bool, x: Tensor) -> Any:
    """How many elements each window has: a number if all have equally many."""
    result = np.ones((1,) * windows.lead)
    for axis, (k, s) in enumerate(zip(windows.kernel, windows.strides, strict=True)):
        low, size = windows.given[axis], windows.sizes[axis]
        start = np.arange(windows.out[axis]) * s - low
        end = np.minimum(start + k, size + low)
        if not include_padding:
            start, end = np.maximum(start, 0), np.minimum(end, size)
        result = result[..., None] * (end - start)
    if (result == result.flat[0]).all():
        return float(result.flat[0])
    return operand(result.astype(x.dtype))
