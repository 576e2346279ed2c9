"""Convolution: one trilinear form as three ops, each the derivative of the others.

    Σ y[b, o, p]·w[o, c, k]·x[b, c, p·stride + k·dilation − low]

over batch b, output channel o, input channel c of o's group, output place p and kernel place k of
one to three spatial axes. Fix w and x: `conv` is the derivative by y. Fix w and y:
`conv_input_gradient`, which is also the transposed convolution. Fix x and y:
`conv_weight_gradient`.

Weights are (out_channels, in_channels/groups, *kernel). The others have the axes that `layout`
names: "channels first" (batch, channels, *spatial), "channels last" (batch, *spatial, channels) or
"batch last" (channels, *spatial, batch).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from neurona.core import dtypes
from neurona.core.apply import apply
from neurona.core.dtypes import DType
from neurona.core.errors import ArgumentError, DTypeError, ShapeError
from neurona.core.lowering import Convolution
from neurona.core.node import Node
from neurona.core.op import Array, Op, Shape, Spec, register
from neurona.core.tensor import Tensor
from neurona.ops.operand import require_same_dtype

Padding = tuple[tuple[int, int], ...]

LAYOUTS = ("channels first", "channels last", "batch last")
CHUNK = 1 << 21
"""How many numbers the columns of one matrix product may have."""


# --- shapes ---


def parted(shape: Shape, layout: str) -> tuple[int, int, Shape]:
    """(batch, channels, spatial extents) of a shape with the axes of `layout`."""
    if layout == "channels first":
        return shape[0], shape[1], shape[2:]
    first, *spatial, last = shape
    return (
        (first, last, tuple(spatial)) if layout == "channels last" else (last, first, (*spatial,))
    )


def joined(batch: int, channels: int, spatial: Shape, layout: str) -> Shape:
    """The shape with the axes of `layout`; see `parted`."""
    if layout == "channels first":
        return (batch, channels, *spatial)
    ends = (batch, channels) if layout == "channels last" else (channels, batch)
    return (ends[0], *spatial, ends[1])


def output_shape(
    who: str,
    x: Shape,
    w: Shape,
    *,
    strides: Shape,
    padding: Padding,
    dilation: Shape,
    groups: int,
    layout: str,
) -> Shape:
    """The shape of the convolution of shapes `x` and `w`; `who` complains if they do not fit.

    Each spatial extent is ⌊(size + low + high − dilation·(kernel − 1) − 1)/stride⌋ + 1.
    Raises `ShapeError` and `ArgumentError`.
    """
    axes = len(w) - 2
    if layout not in LAYOUTS:
        raise ArgumentError(f"{who}: layout is one of {LAYOUTS}, not {layout!r}")
    if not 1 <= axes <= 3 or len(x) != len(w):
        raise ShapeError(
            f"{who}: x {x} and weight {w} must have as many axes, 3 to 5: x has batch and channels "
            "beside the spatial axes, the weight (out_channels, in_channels/groups, *kernel)"
        )
    if not len(strides) == len(padding) == len(dilation) == axes:
        raise ArgumentError(
            f"{who}: strides {strides}, padding {padding} and dilation {dilation} need one entry "
            f"for each of the {axes} spatial axes of x {x}"
        )
    if min(strides) < 1 or min(dilation) < 1 or min(map(min, padding)) < 0 or groups < 1:
        raise ArgumentError(
            f"{who}: strides {strides}, dilation {dilation} and groups {groups} must be at least "
            f"1, padding {padding} at least 0"
        )
    batch, channels, spatial = parted(x, layout)
    if channels != w[1] * groups or w[0] % groups:
        raise ShapeError(
            f"{who}: x {x} has {channels} channels, but weight {w} with groups {groups} takes "
            f"{w[1]}·{groups} = {w[1] * groups} and gives {w[0]}, which groups must divide"
        )
    out = []
    for i, (n, k, s, (low, high), d) in enumerate(
        zip(spatial, w[2:], strides, padding, dilation, strict=True)
    ):
        extent = (n + low + high - d * (k - 1) - 1) // s + 1
        if k < 1 or extent < 1:
            raise ShapeError(
                f"{who}: weight {w} does not fit into x {x}: spatial axis {i} would get "
                f"⌊({n} + {low} + {high} − {d}·({k} − 1) − 1)/{s}⌋ + 1 = {extent} outputs "
                "(size + low + high padding, dilation·(kernel − 1), stride); "
                "pad x, or take a smaller kernel or dilation"
            )
        out.append(extent)
    return joined(batch, w[0], tuple(out), layout)


def _float_dtype(who: str, a: Node, b: Node) -> DType:
    dtype = require_same_dtype(who, a, b)
    if not dtypes.is_float(dtype):
        raise DTypeError(f"{who}: operands are {dtype}; cast them to a float with ne.astype")
    return dtype


def _infer_conv(x: Node, w: Node, **attrs: Any) -> Spec:
    dtype = _float_dtype("conv", x, w)
    return Spec(output_shape("conv", x.shape, w.shape, **attrs), dtype)


def _require_outputs(who: str, g: Shape, x: Shape, w: Shape, **attrs: Any) -> None:
    wanted = output_shape(who, x, w, **attrs)
    if g != wanted:
        raise ShapeError(f"{who}: g {g} must be {wanted}, as x {x} and weight {w} give")


def _infer_input_gradient(g: Node, w: Node, *, spatial: Shape, **attrs: Any) -> Spec:
    dtype = _float_dtype("conv_input_gradient", g, w)
    channels = w.shape[1] * attrs["groups"]
    x = joined(parted(g.shape, attrs["layout"])[0], channels, tuple(spatial), attrs["layout"])
    _require_outputs("conv_input_gradient", g.shape, x, w.shape, **attrs)
    return Spec(x, dtype)


def _infer_weight_gradient(x: Node, g: Node, *, kernel: Shape, **attrs: Any) -> Spec:
    dtype = _float_dtype("conv_weight_gradient", x, g)
    groups, layout = attrs["groups"], attrs["layout"]
    w = (parted(g.shape, layout)[1], parted(x.shape, layout)[1] // groups, *kernel)
    _require_outputs("conv_weight_gradient", g.shape, x.shape, w, **attrs)
    return Spec(w, dtype)


# --- values: matrix products with the windows of x as columns, channels last inside ---


def _wide(x: Array) -> Array:
    """Half precision in float32, in which it is added up."""
    return x.astype(np.float32) if x.dtype.itemsize == 2 else x


def _channels_last(x: Array, layout: str) -> Array:
    """The view (batch, *spatial, channels)."""
    if layout == "channels first":
        return np.moveaxis(x, 1, -1)
    return x if layout == "channels last" else np.swapaxes(x, 0, -1)


def _from_channels_last(x: Array, layout: str) -> Array:
    if layout == "channels first":
        return np.moveaxis(x, -1, 1)
    return x if layout == "channels last" else np.swapaxes(x, 0, -1)


def _padded(x: Array, padding: Padding) -> Array:
    if not any(map(any, padding)):
        return np.ascontiguousarray(x)
    inner = zip(x.shape[1:-1], padding, strict=True)
    out = np.zeros((x.shape[0], *(a + n + b for n, (a, b) in inner), x.shape[-1]), x.dtype)
    out[_inside(x.shape[1:-1], padding)] = x
    return out


def _inside(spatial: Shape, padding: Padding) -> tuple[slice, ...]:
    places = zip(spatial, padding, strict=True)
    return (slice(None), *(slice(low, low + n) for n, (low, _) in places))


def _windows(
    x: Array, kernel: Shape, out: Shape, strides: Shape, dilation: Shape, groups: int
) -> Array:
    """The view (groups, batch, *out, *kernel, channels/groups) of a padded x."""
    width = x.shape[-1] // groups
    batch, *inner, channel = x.strides
    steps = [s * n for s, n in zip(inner, strides, strict=True)]
    gaps = [s * n for s, n in zip(inner, dilation, strict=True)]
    return as_strided(
        x,
        (groups, x.shape[0], *out, *kernel, width),
        (channel * width, batch, *steps, *gaps, channel),
        writeable=False,
    )


def _columns(windows: Array, axes: int) -> Array:
    """Windows as matrices: (groups, batch·places, kernel·channels), whichever copies faster."""
    groups, rest = windows.shape[0], windows.shape[1:]
    rows, width = math.prod(rest[: axes + 1]), math.prod(rest[axes + 1 :])
    if rest[-1] * rest[-2] >= rest[axes]:
        return windows.reshape(groups, rows, width)
    order = (0, *range(axes + 2, windows.ndim), *range(1, axes + 2))
    return windows.transpose(order).reshape(groups, width, rows).swapaxes(1, 2)


def _pieces(batch: int, out: Shape, width: int) -> Iterator[tuple[slice, slice]]:
    """Parts of the batch and of the first output axis whose columns keep within `CHUNK`."""
    row = max(math.prod(out[1:]) * width, 1)
    images = CHUNK // (row * out[0])
    rows = out[0] if images else max(CHUNK // row, 1)
    for b in range(0, batch, max(images, 1)):
        for r in range(0, out[0], rows):
            yield slice(b, b + max(images, 1)), slice(r, min(r + rows, out[0]))


def _grouped(y: Array, groups: int) -> Array:
    """(batch, *spatial, channels) as contiguous (groups, batch, *spatial, channels/groups)."""
    parts = y.reshape(*y.shape[:-1], groups, y.shape[-1] // groups)
    return np.ascontiguousarray(np.moveaxis(parts, -2, 0))


def _ungrouped(y: Array) -> Array:
    """What `_grouped` was made of."""
    parts = np.moveaxis(y, 0, -2)
    return parts.reshape(*parts.shape[:-2], parts.shape[-2] * parts.shape[-1])


def _matrices(w: Array, groups: int) -> Array:
    """Weights as (groups, kernel·in/groups, out/groups)."""
    out, width, *kernel = w.shape
    parts = w.reshape(groups, out // groups, width, math.prod(kernel)).transpose(0, 3, 2, 1)
    return parts.reshape(groups, math.prod(kernel) * width, out // groups)


def _conv(
    x: Array,
    w: Array,
    *,
    strides: Shape,
    padding: Padding,
    dilation: Shape,
    groups: int,
    layout: str,
) -> Array:
    attrs = {"strides": strides, "padding": padding, "dilation": dilation}
    shape = output_shape("conv", x.shape, w.shape, **attrs, groups=groups, layout=layout)  # type: ignore[arg-type]
    batch, channels, out = parted(shape, layout)
    image = _padded(_channels_last(_wide(x), layout), padding)
    windows = _windows(image, w.shape[2:], out, strides, dilation, groups)
    matrices = _matrices(_wide(w), groups)
    y = np.empty((groups, batch, *out, channels // groups), image.dtype)
    for b, r in _pieces(batch, out, matrices.shape[1] * groups):
        part, columns = y[:, b, r], _columns(windows[:, b, r], len(out))
        np.matmul(columns, matrices, out=part.reshape(*columns.shape[:2], part.shape[-1]))
    return _from_channels_last(_ungrouped(y), layout).astype(x.dtype, copy=False)


def _input_gradient(
    g: Array,
    w: Array,
    *,
    spatial: Shape,
    strides: Shape,
    padding: Padding,
    dilation: Shape,
    groups: int,
    layout: str,
) -> Array:
    batch, _, out = parted(g.shape, layout)
    kernel, width = w.shape[2:], w.shape[1]
    gradient = _grouped(_channels_last(_wide(g), layout), groups)
    matrices = _matrices(_wide(w), groups).swapaxes(1, 2)
    extents = [a + n + b for n, (a, b) in zip(spatial, padding, strict=True)]
    x = np.zeros((batch, *extents, groups, width), gradient.dtype)
    for b, r in _pieces(batch, out, matrices.shape[2] * groups):
        part = gradient[:, b, r]
        shape = (*part.shape[:-1], *kernel, width)
        rows = math.prod(part.shape[1:-1])
        products = np.matmul(part.reshape(groups, rows, part.shape[-1]), matrices).reshape(shape)
        products = np.moveaxis(products, 0, -2)  # (batch, *places, *kernel, groups, width)
        starts = (r.start, *[0] * (len(out) - 1))
        for place in np.ndindex(*kernel):
            target = tuple(
                slice(first := k * d + start * s, first + (n - 1) * s + 1, s)
                for k, d, s, start, n in zip(
                    place, dilation, strides, starts, part.shape[2:-1], strict=True
                )
            )
            x[(b, *target)] += products[(slice(None), *[slice(None)] * len(out), *place)]
    found = x.reshape(batch, *extents, groups * width)[_inside(spatial, padding)]
    return _from_channels_last(found, layout).astype(g.dtype, copy=False)


def _weight_gradient(
    x: Array,
    g: Array,
    *,
    kernel: Shape,
    strides: Shape,
    padding: Padding,
    dilation: Shape,
    groups: int,
    layout: str,
) -> Array:
    batch, channels, out = parted(g.shape, layout)
    image = _padded(_channels_last(_wide(x), layout), padding)
    windows = _windows(image, kernel, out, strides, dilation, groups)
    gradient = _grouped(_channels_last(_wide(g), layout), groups)
    width = image.shape[-1] // groups
    w = np.zeros((groups, math.prod(kernel) * width, channels // groups), image.dtype)
    for b, r in _pieces(batch, out, w.shape[1] * groups):
        columns = _columns(windows[:, b, r], len(out))
        w += columns.swapaxes(1, 2) @ gradient[:, b, r].reshape(*columns.shape[:2], w.shape[-1])
    parts = w.reshape(groups, math.prod(kernel), width, channels // groups)
    found = parts.transpose(0, 3, 2, 1).reshape(channels, width, *kernel)
    return found.astype(x.dtype, copy=False)


# --- the ops ---


def _spatial(x: Tensor, layout: str) -> Shape:
    return parted(x.shape, layout)[2]


def _conv_vjp(g: Tensor, out: Tensor, x: Tensor, w: Tensor, **attrs: Any) -> Any:
    by_x = by_w = None
    if x.requires_grad:
        by_x = apply(CONV_INPUT_GRADIENT, g, w, spatial=_spatial(x, attrs["layout"]), **attrs)
    if w.requires_grad:
        by_w = apply(CONV_WEIGHT_GRADIENT, x, g, kernel=w.shape[2:], **attrs)
    return by_x, by_w


CONV: Op = register(Op("conv", _infer_conv, _conv, _conv_vjp, Convolution("y")))
"""The convolution of x with the weights (without turning them round: a cross-correlation)."""


def _input_gradient_vjp(
    g: Tensor, out: Tensor, y: Tensor, w: Tensor, *, spatial: Shape, **attrs: Any
) -> Any:
    by_y = apply(CONV, g, w, **attrs) if y.requires_grad else None
    by_w = None
    if w.requires_grad:
        by_w = apply(CONV_WEIGHT_GRADIENT, g, y, kernel=w.shape[2:], **attrs)
    return by_y, by_w


CONV_INPUT_GRADIENT: Op = register(
    Op(
        "conv_input_gradient",
        _infer_input_gradient,
        _input_gradient,
        _input_gradient_vjp,
        Convolution("x"),
    )
)
"""What reaches an x with the extents `spatial` from the cotangent g of its convolution."""


def _weight_gradient_vjp(
    g: Tensor, out: Tensor, x: Tensor, y: Tensor, *, kernel: Shape, **attrs: Any
) -> Any:
    by_x = None
    if x.requires_grad:
        by_x = apply(CONV_INPUT_GRADIENT, y, g, spatial=_spatial(x, attrs["layout"]), **attrs)
    by_y = apply(CONV, x, g, **attrs) if y.requires_grad else None
    return by_x, by_y


CONV_WEIGHT_GRADIENT: Op = register(
    Op(
        "conv_weight_gradient",
        _infer_weight_gradient,
        _weight_gradient,
        _weight_gradient_vjp,
        Convolution("w"),
    )
)
"""What reaches weights with the extents `kernel` from the cotangent g of the convolution of x."""
