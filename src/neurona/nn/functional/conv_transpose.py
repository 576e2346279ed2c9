"""Transposed convolutions: the gradient of a convolution by its input, as a forward map."""

from __future__ import annotations

from typing import Any

from neurona.core.apply import apply
from neurona.core.errors import ArgumentError, ShapeError
from neurona.core.op import Shape
from neurona.core.tensor import Tensor
from neurona.nn.functional.checks import float_input, same_dtype
from neurona.nn.functional.convolution import Extents, add_bias, each
from neurona.nn.running import who
from neurona.ops.broadcast import reshape
from neurona.ops.convolution import CONV_INPUT_GRADIENT
from neurona.ops.operand import operand
from neurona.ops.shape import pad


def conv_transpose1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Extents = 1,
    padding: Extents = 0,
    output_padding: Extents = 0,
    groups: int = 1,
    dilation: Extents = 1,
) -> Tensor:
    """The one-dimensional transposed convolution; see `conv_transpose2d`.

    x: (batch, in_channels, length) or (in_channels, length).
    weight: (in_channels, out_channels/groups, kernel). Result: (batch, out_channels, length).

    >>> from neurona.nn import functional as F
    >>> F.conv_transpose1d([[1.0, 2.0]], [[[1.0, 10.0, 100.0]]], stride=2)
    Tensor([[  1.,  10., 102.,  20., 200.]], dtype=float32)
    """
    geometry = (stride, padding, output_padding, dilation)
    return _transposed("conv_transpose1d", 1, x, weight, bias, geometry, groups)


def conv_transpose2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Extents = 1,
    padding: Extents = 0,
    output_padding: Extents = 0,
    groups: int = 1,
    dilation: Extents = 1,
) -> Tensor:
    """y[b, o, p·stride + k·dilation − padding] += Σ_c weight[c, o, k]·x[b, c, p], plus bias[o].

    Dumoulin and Visin, "A guide to convolution arithmetic for deep learning" (2016), chapter 4.
    It is the transpose of `conv2d` with the same weight, not its inverse: each input place lays the
    kernel, times its value, over the output.
    x: (batch, in_channels, height, width) or (in_channels, height, width).
    weight: (in_channels, out_channels/groups, *kernel). bias: (out_channels,) or None.
    padding: places cut off on either side. output_padding: places added at the ends, less than
        the stride or the dilation, which choose among the extents that `conv2d` takes to x's.
    Result: (batch, out_channels, height, width) of
        (size − 1)·stride − 2·padding + dilation·(kernel − 1) + output_padding + 1 each.
    Raises `ShapeError`, `DTypeError` and `ArgumentError` when they do not fit.

    >>> import neurona as ne
    >>> from neurona.nn import functional as F
    >>> F.conv_transpose2d(ne.ones((1, 8, 16, 16)), ne.ones((8, 3, 2, 2)), stride=2).shape
    (1, 3, 32, 32)
    """
    geometry = (stride, padding, output_padding, dilation)
    return _transposed("conv_transpose2d", 2, x, weight, bias, geometry, groups)


def conv_transpose3d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Extents = 1,
    padding: Extents = 0,
    output_padding: Extents = 0,
    groups: int = 1,
    dilation: Extents = 1,
) -> Tensor:
    """The three-dimensional transposed convolution; see `conv_transpose2d`.

    x: (batch, in_channels, depth, height, width) or without the batch.
    weight: (in_channels, out_channels/groups, *kernel).
    """
    geometry = (stride, padding, output_padding, dilation)
    return _transposed("conv_transpose3d", 3, x, weight, bias, geometry, groups)


def _transposed(
    function: str,
    axes: int,
    x: Any,
    weight: Any,
    bias: Any,
    geometry: tuple[Extents, Extents, Extents, Extents],
    groups: int,
) -> Tensor:
    z, w = float_input(function, x), operand(weight)
    same_dtype(function, z, w)
    if w.ndim != axes + 2 or z.ndim not in (axes + 1, axes + 2):
        raise ShapeError(
            f"{who(function)}: x {z.shape} must be (batch, channels, *spatial) with {axes} spatial "
            f"axes, or the same without batch, and weight {w.shape} (in_channels, "
            "out_channels/groups, *kernel)"
        )
    batched = z if z.ndim == axes + 2 else reshape(z, (1, *z.shape))
    if batched.shape[1] != w.shape[0] or groups < 1 or w.shape[0] % groups:
        raise ShapeError(
            f"{who(function)}: x {z.shape} has {batched.shape[1]} channels, but weight {w.shape} "
            f"takes {w.shape[0]}, which groups {groups} must divide"
        )
    stride, padding, more, dilation = geometry
    strides = each(function, "stride", stride, axes)
    cut = each(function, "padding", padding, axes, 0)
    added = each(function, "output_padding", more, axes, 0)
    gaps = each(function, "dilation", dilation, axes)
    if any(n >= max(s, d) for n, s, d in zip(added, strides, gaps, strict=True)):
        raise ArgumentError(
            f"{who(function)}: output_padding {added} must be less than stride {strides} or "
            f"dilation {gaps}; use pad for more"
        )
    extents = []
    for i, (n, k) in enumerate(zip(batched.shape[2:], w.shape[2:], strict=True)):
        s, p, d, plus = strides[i], cut[i], gaps[i], added[i]
        extents.append(laid_extent(n, k, s, p, d) + plus)
        if n < 1 or k < 1 or extents[i] < 1:
            raise ShapeError(
                f"{who(function)}: x {z.shape} and weight {w.shape} leave nothing: spatial axis "
                f"{i} would get ({n} − 1)·{s} − 2·{p} + {d}·({k} − 1) + {plus} + 1 = {extents[i]} "
                "outputs ((size − 1)·stride − 2·padding + dilation·(kernel − 1) + output_padding "
                "+ 1)"
            )
    y = _laid_out(batched, w, tuple(extents), strides, cut, added, gaps, groups)
    y = add_bias(function, y, bias)
    return y if batched is z else reshape(y, y.shape[1:])


def laid_extent(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """Over how many places `size` kernels, laid `stride` apart, reach without output padding."""
    return (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1


def _laid_out(
    x: Tensor,
    w: Tensor,
    extents: Shape,
    strides: Shape,
    cut: Shape,
    added: Shape,
    gaps: Shape,
    groups: int,
) -> Tensor:
    """The sum of the kernels that x lays over the extents."""
    # An output padding of a whole stride, which dilation allows, reaches over places that no
    # kernel touches: they come out of what padding cuts off, or else are zeros after the rest.
    beyond = [max(n - s + 1, 0) for n, s in zip(added, strides, strict=True)]
    padding = tuple((p, max(p - n, 0)) for p, n in zip(cut, beyond, strict=True))
    zeros = [max(n - p, 0) for p, n in zip(cut, beyond, strict=True)]
    y = apply(
        CONV_INPUT_GRADIENT,
        x,
        w,
        spatial=tuple(n - z for n, z in zip(extents, zeros, strict=True)),
        strides=strides,
        padding=padding,
        dilation=gaps,
        groups=groups,
        layout="channels first",
    )
    return pad(y, ((0, 0), (0, 0), *[(0, z) for z in zeros])) if any(zeros) else y
