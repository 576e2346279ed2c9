"""Layers of transposed convolution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from neurona.core.errors import ArgumentError, ShapeError
from neurona.core.op import Shape
from neurona.core.tensor import Tensor
from neurona.nn import functional
from neurona.nn.convolution import Kernels
from neurona.nn.functional.conv_transpose import laid_extent
from neurona.nn.functional.convolution import Extents, each
from neurona.nn.running import title_of
from neurona.ops.operand import operand


class ConvTranspose(Kernels):
    """What the transposed convolutions share; see `ConvTranspose2d`."""

    TRANSPOSED = True
    FUNCTION: Callable[..., Tensor]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Extents,
        stride: Extents = 1,
        padding: Extents = 0,
        output_padding: Extents = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Extents = 1,
        padding_mode: str = "zeros",
        *,
        dtype: Any = None,
    ) -> None:
        name = type(self).__name__
        if padding_mode != "zeros":
            raise ArgumentError(f"{name}: padding_mode is 'zeros', not {padding_mode!r}")
        self.output_padding = each(name, "output_padding", output_padding, self.AXES, 0)
        self.padding = each(name, "padding", padding, self.AXES, 0)
        super().__init__(
            in_channels, out_channels, kernel_size, stride, dilation, groups, bias, dtype
        )

    def forward(self, x: Any, output_size: Sequence[int] | None = None) -> Tensor:
        more = self.output_padding if output_size is None else self._more(x, output_size)
        return type(self).FUNCTION(
            x,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            more,
            self.groups,
            self.dilation,
        )

    def _more(self, x: Any, output_size: Sequence[int]) -> Shape:
        """The output padding that gives the spatial extents `output_size`."""
        shape, axes = operand(x).shape, range(self.AXES)
        if len(shape) < self.AXES:
            return self.output_padding  # of no use: the function refuses x
        least = tuple(
            laid_extent(n, self.kernel_size[i], self.stride[i], self.padding[i], self.dilation[i])
            for i, n in zip(axes, shape[-self.AXES :], strict=True)
        )
        most = tuple(low + s - 1 for low, s in zip(least, self.stride, strict=True))
        wanted = tuple(output_size)[-self.AXES :]
        if len(wanted) != self.AXES or any(not least[i] <= wanted[i] <= most[i] for i in axes):
            raise ShapeError(
                f"{title_of(self)}: x {shape} gives spatial extents from {least} to {most}, "
                f"not output_size {tuple(output_size)}"
            )
        return tuple(wanted[i] - least[i] for i in axes)

    def extra_repr(self) -> str:
        more = f", output_padding={self.output_padding}" if any(self.output_padding) else ""
        return super().extra_repr() + more


class ConvTranspose1d(ConvTranspose):
    """The one-dimensional transposed convolution, over (batch, in_channels, length).

    weight: (in_channels, out_channels/groups, kernel). See `ConvTranspose2d`.
    """

    AXES = 1
    FUNCTION = staticmethod(functional.conv_transpose1d)


class ConvTranspose2d(ConvTranspose):
    """Each input place lays the kernel, times its value, over the output: up-sampling that learns.

    y[b, o, p·stride + k·dilation − padding] += Σ_c weight[c, o, k]·x[b, c, p], plus bias[o]
    Dumoulin and Visin, "A guide to convolution arithmetic for deep learning" (2016), chapter 4.
    x: (batch, in_channels, height, width) or (in_channels, height, width).
    Result: (batch, out_channels, height, width) of
        (size − 1)·stride − 2·padding + dilation·(kernel − 1) + output_padding + 1 each.
    weight: (in_channels, out_channels/groups, height, width), bias: (out_channels,), both drawn
    from ±1/√(out_channels/groups·kernel).
    output_size, given with a call, sets the spatial extents and takes the place of output_padding.
    Raises `ShapeError` and `DTypeError` when x does not fit.

    >>> import neurona as ne
    >>> from neurona import nn
    >>> up = nn.ConvTranspose2d(8, 4, 3, stride=2, padding=1)
    >>> up(ne.zeros((1, 8, 7, 7))).shape, up(ne.zeros((1, 8, 7, 7)), output_size=(14, 14)).shape
    ((1, 4, 13, 13), (1, 4, 14, 14))
    """

    AXES = 2
    FUNCTION = staticmethod(functional.conv_transpose2d)


class ConvTranspose3d(ConvTranspose):
    """The transposed convolution over (batch, in_channels, depth, height, width).

    weight: (in_channels, out_channels/groups, depth, height, width). See `ConvTranspose2d`.
    """

    AXES = 3
    FUNCTION = staticmethod(functional.conv_transpose3d)
