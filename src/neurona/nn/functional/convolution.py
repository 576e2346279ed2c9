"""Convolutions of one, two and three dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import neurona.nn.eager  # noqa: F401 (fills a slot: what eager mode runs for the ops used here)
from neurona.core.apply import apply
from neurona.core.errors import ArgumentError, ShapeError
from neurona.core.op import Shape
from neurona.core.tensor import Tensor
from neurona.nn.functional.checks import float_input, same_dtype
from neurona.nn.running import who
from neurona.ops.broadcast import reshape
from neurona.ops.convolution import CONV, Padding, output_shape
from neurona.ops.operand import operand

Extents = int | Sequence[int]


def conv1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Extents = 1,
    padding: Extents | str = 0,
    dilation: Extents = 1,
    groups: int = 1,
) -> Tensor:
    """The one-dimensional convolution; see `conv2d`.

    x: (batch, in_channels, length) or (in_channels, length).
    weight: (out_channels, in_channels/groups, kernel). Result: (batch, out_channels, length).

    >>> from neurona.nn import functional as F
    >>> F.conv1d([[1.0, 2.0, 4.0, 8.0]], [[[-1.0, 1.0]]])
    Tensor([[1., 2., 4.]], dtype=float32)
    """
    return _convolution("conv1d", 1, x, weight, bias, stride, padding, dilation, groups)


def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Extents = 1,
    padding: Extents | str = 0,
    dilation: Extents = 1,
    groups: int = 1,
) -> Tensor:
    """y[b, o, p] = bias[o] + Σ_{c, k} weight[o, c, k]·x[b, c, p·stride + k·dilation − padding].

    Goodfellow, Bengio and Courville, "Deep learning" (2016), equation 9.6 (a cross-correlation).
    x: (batch, in_channels, height, width) or (in_channels, height, width).
    weight: (out_channels, in_channels/groups, *kernel). bias: (out_channels,) or None.
    stride, dilation: numbers, or one an axis. padding: zeros on either side, a number or one an
        axis; "valid" for none, "same" for as many as keep the extents (stride 1).
    groups: the channels are parted into as many groups, each of which sees only its own.
    Result: (batch, out_channels, height, width) of
        ⌊(size + 2·padding − dilation·(kernel − 1) − 1)/stride⌋ + 1 each.
    Raises `ShapeError`, `DTypeError` and `ArgumentError` when they do not fit.

    >>> import neurona as ne
    >>> from neurona.nn import functional as F
    >>> F.conv2d(ne.ones((1, 3, 32, 32)), ne.ones((8, 3, 5, 5)), stride=2, padding=2).shape
    (1, 8, 16, 16)
    """
    return _convolution("conv2d", 2, x, weight, bias, stride, padding, dilation, groups)


def conv3d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Extents = 1,
    padding: Extents | str = 0,
    dilation: Extents = 1,
    groups: int = 1,
) -> Tensor:
    """The three-dimensional convolution; see `conv2d`.

    x: (batch, in_channels, depth, height, width) or without the batch.
    weight: (out_channels, in_channels/groups, *kernel).
    """
    return _convolution("conv3d", 3, x, weight, bias, stride, padding, dilation, groups)


def _convolution(
    function: str,
    axes: int,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Extents,
    padding: Extents | str,
    dilation: Extents,
    groups: int,
) -> Tensor:
    z, w = float_input(function, x), operand(weight)
    same_dtype(function, z, w)
    if w.ndim != axes + 2 or z.ndim not in (axes + 1, axes + 2):
        raise ShapeError(
            f"{who(function)}: x {z.shape} must be (batch, channels, *spatial) with {axes} spatial "
            f"axes, or the same without batch, and weight {w.shape} (out_channels, "
            "in_channels/groups, *kernel)"
        )
    strides, gaps = (
        each(function, "stride", stride, axes),
        each(function, "dilation", dilation, axes),
    )
    around = zeros_around(function, padding, w.shape[2:], strides, gaps)
    batched = z if z.ndim == axes + 2 else reshape(z, (1, *z.shape))
    y = convolved(function, batched, w, bias, strides, around, gaps, groups)
    return y if batched is z else reshape(y, y.shape[1:])


def convolved(
    function: str,
    x: Tensor,
    weight: Tensor,
    bias: Any,
    strides: Shape,
    padding: Padding,
    dilation: Shape,
    groups: int,
) -> Tensor:
    """The convolution of x (batch, channels, *spatial); padding: (before, after) of each axis."""
    attrs: dict[str, Any] = {
        "strides": strides,
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
        "layout": "channels first",
    }
    output_shape(who(function), x.shape, weight.shape, **attrs)
    return add_bias(function, apply(CONV, x, weight, **attrs), bias)


def add_bias(function: str, y: Tensor, bias: Any) -> Tensor:
    """y (batch, channels, *spatial) with `bias` (channels,), or None, added."""
    if bias is None:
        return y
    b, channels = operand(bias), y.shape[1]
    if b.shape != (channels,):
        raise ShapeError(f"{who(function)}: bias {b.shape} must be (out_channels,) ({channels},)")
    return y + reshape(b, (channels, *[1] * (y.ndim - 2)))


def each(function: str, name: str, given: Extents, axes: int, least: int = 1) -> Shape:
    """One number for each of `axes` axes, from a number or a sequence of them.

    Raises `ArgumentError` for another count and for numbers below `least`.
    """
    values = tuple(given) if isinstance(given, Sequence) else (given,) * axes
    whole = all(isinstance(n, (int, np.integer)) for n in values)
    if not whole or len(values) != axes or min(values) < least:
        raise ArgumentError(
            f"{who(function)}: {name} must be a whole number of at least {least}, or {axes} of "
            f"them, not {given!r}"
        )
    return tuple(int(n) for n in values)


def zeros_around(
    function: str, padding: Extents | str, kernel: Shape, strides: Shape, dilation: Shape
) -> Padding:
    """How many zeros stand (before, after) each axis. Raises `ArgumentError`."""
    if padding == "valid":
        return ((0, 0),) * len(kernel)
    if padding == "same":
        if max(strides) > 1:
            raise ArgumentError(
                f"{who(function)}: padding 'same' keeps the extents and so needs stride 1, not "
                f"{strides}; give the padding as numbers"
            )
        widths = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        return tuple((n // 2, n - n // 2) for n in widths)
    if isinstance(padding, str):
        raise ArgumentError(
            f"{who(function)}: padding is numbers, 'same' or 'valid', not {padding!r}"
        )
    return tuple((n, n) for n in each(function, "padding", padding, len(kernel), 0))
