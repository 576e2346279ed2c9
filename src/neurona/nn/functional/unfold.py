"""Windows as columns, and columns back into an image."""

from __future__ import annotations

import functools
import math
import operator
from typing import Any

import numpy as np

from neurona.core.apply import apply
from neurona.core.errors import ShapeError
from neurona.core.op import Shape
from neurona.core.tensor import Tensor
from neurona.nn.functional.convolution import Extents, each
from neurona.nn.running import who
from neurona.ops.broadcast import reshape
from neurona.ops.join import stack
from neurona.ops.operand import operand
from neurona.ops.shape import PAD, SLICE, pad

Geometry = tuple[Shape, Shape, Shape, Shape]


def unfold(
    x: Any, kernel_size: Extents, dilation: Extents = 1, padding: Extents = 0, stride: Extents = 1
) -> Tensor:
    """The windows of x that a convolution sees, as columns.

    x: (batch, channels, height, width) or (channels, height, width), padded with zeros.
    Result: (batch, channels·kernel, windows): a convolution is its product with the weights as
    (out_channels, channels·kernel).
    Raises `ShapeError` if no window fits.

    >>> import neurona as ne
    >>> from neurona.nn import functional as F
    >>> F.unfold(ne.reshape(ne.arange(6), (1, 1, 2, 3)), 2)
    Tensor([[[0, 1],
             [1, 2],
             [3, 4],
             [4, 5]]], dtype=int64)
    """
    z = operand(x)
    kernel, gaps, cut, strides = geometry = _geometry(
        "unfold", kernel_size, dilation, padding, stride
    )
    if z.ndim not in (3, 4):
        raise ShapeError(
            f"{who('unfold')}: x {z.shape} must be (batch, channels, height, width) or "
            "(channels, height, width)"
        )
    image = z if z.ndim == 4 else reshape(z, (1, *z.shape))
    out = _windows("unfold", image.shape[2:], geometry)
    around = pad(image, ((0, 0), (0, 0), *[(p, p) for p in cut]))
    lead = image.shape[:2]
    parts = [
        apply(
            SLICE,
            around,
            start=(0, 0, *[k * d for k, d in zip(place, gaps, strict=True)]),
            size=(*lead, *out),
            step=(1, 1, *strides),
        )
        for place in np.ndindex(*kernel)
    ]
    columns = (lead[1] * math.prod(kernel), math.prod(out))
    return reshape(stack(parts, axis=2), (lead[0], *columns) if image is z else columns)


def fold(
    x: Any,
    output_size: Extents,
    kernel_size: Extents,
    dilation: Extents = 1,
    padding: Extents = 0,
    stride: Extents = 1,
) -> Tensor:
    """The transpose of `unfold`: columns added up where their windows lie in an image.

    x: (batch, channels·kernel, windows) or (channels·kernel, windows).
    output_size: height and width of the image. Result: (batch, channels, height, width).
    Raises `ShapeError` if the columns are not the windows of such an image.

    >>> import neurona as ne
    >>> from neurona.nn import functional as F
    >>> F.fold(ne.ones((1, 4, 2)), (2, 3), 2)
    Tensor([[[[1., 2., 1.],
              [1., 2., 1.]]]], dtype=float32)
    """
    z = operand(x)
    size = each("fold", "output_size", output_size, 2)
    kernel, gaps, cut, strides = geometry = _geometry(
        "fold", kernel_size, dilation, padding, stride
    )
    out, columns = _windows("fold", size, geometry), math.prod(kernel)
    if z.ndim not in (2, 3) or z.shape[-1] != math.prod(out) or z.shape[-2] % columns:
        raise ShapeError(
            f"{who('fold')}: x {z.shape} must be (batch, channels·{columns}, windows) with "
            f"{' · '.join(map(str, out))} = {math.prod(out)} windows for output_size {size}"
        )
    lead = (z.shape[0] if z.ndim == 3 else 1, z.shape[-2] // columns)
    parts = reshape(z, (*lead, columns, *out))
    around = [n + 2 * p for n, p in zip(size, cut, strict=True)]
    pieces = []
    for i, place in enumerate(np.ndindex(*kernel)):
        part = apply(
            SLICE,
            parts,
            start=(0, 0, i, 0, 0),
            size=(*lead, 1, *out),
            step=(1,) * 5,
        )
        low = [k * d for k, d in zip(place, gaps, strict=True)]
        high = [
            n - first - (count - 1) * s - 1
            for n, first, count, s in zip(around, low, out, strides, strict=True)
        ]
        pieces.append(
            apply(
                PAD,
                reshape(part, (*lead, *out)),
                low=(0, 0, *low),
                high=(0, 0, *high),
                interior=(0, 0, *[s - 1 for s in strides]),
                value=0,
            )
        )
    whole = functools.reduce(operator.add, pieces)
    image = apply(SLICE, whole, start=(0, 0, *cut), size=(*lead, *size), step=(1,) * 4)
    return image if z.ndim == 3 else reshape(image, image.shape[1:])


def _geometry(
    function: str, kernel_size: Extents, dilation: Extents, padding: Extents, stride: Extents
) -> Geometry:
    return (
        each(function, "kernel_size", kernel_size, 2),
        each(function, "dilation", dilation, 2),
        each(function, "padding", padding, 2, 0),
        each(function, "stride", stride, 2),
    )


def _windows(function: str, size: Shape, geometry: Geometry) -> Shape:
    """How many windows lie along each axis."""
    kernel, gaps, cut, _ = geometry
    out = tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, d, p, s in zip(size, *geometry, strict=True)
    )
    if min(out) < 1:
        raise ShapeError(
            f"{who(function)}: no window of kernel_size {kernel} with dilation {gaps} fits into "
            f"an image of {size} with padding {cut}"
        )
    return out
