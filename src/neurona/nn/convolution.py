"""Convolutional layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from neurona.core.errors import ArgumentError
from neurona.core.tensor import Tensor
from neurona.nn import functional, init
from neurona.nn.functional.checks import choice
from neurona.nn.functional.convolution import Extents, each, zeros_around
from neurona.nn.functional.padding import MODES
from neurona.nn.linear import empty, extent
from neurona.nn.module import Module


class Kernels(Module):
    """What convolutions and transposed ones share: checks, weight and bias.

    TRANSPOSED: whether the weight's first axis counts the channels that come in.
    """

    AXES = 0
    TRANSPOSED = False
    padding: Any

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Extents,
        stride: Extents,
        dilation: Extents,
        groups: int,
        bias: bool,
        dtype: Any,
    ) -> None:
        name = type(self).__name__
        self.in_channels = extent(name, "in_channels", in_channels)
        self.out_channels = extent(name, "out_channels", out_channels)
        self.groups = extent(name, "groups", groups)
        if in_channels % groups or out_channels % groups:
            raise ArgumentError(
                f"{name}: groups {groups} must divide in_channels {in_channels} and out_channels "
                f"{out_channels}"
            )
        self.kernel_size = each(name, "kernel_size", kernel_size, self.AXES)
        self.stride = each(name, "stride", stride, self.AXES)
        self.dilation = each(name, "dilation", dilation, self.AXES)
        ends = (out_channels, in_channels // groups)
        if self.TRANSPOSED:
            ends = (in_channels, out_channels // groups)
        self.weight = empty((*ends, *self.kernel_size), dtype)
        self.bias = empty((out_channels,), dtype) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew (PyTorch's defaults)."""
        init.kaiming_uniform(self.weight, slope=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(init.fans(self.weight)[0])
            init.uniform(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        shown = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"
        shown += f", stride={self.stride}"
        if self.padding != (0,) * self.AXES:
            shown += f", padding={self.padding!r}"
        if self.dilation != (1,) * self.AXES:
            shown += f", dilation={self.dilation}"
        if self.groups != 1:
            shown += f", groups={self.groups}"
        return shown if self.bias is not None else f"{shown}, bias=False"


class Conv(Kernels):
    """What the convolutions of one, two and three dimensions share; see `Conv2d`."""

    FUNCTION: Callable[..., Tensor]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Extents,
        stride: Extents = 1,
        padding: Extents | str = 0,
        dilation: Extents = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        dtype: Any = None,
    ) -> None:
        name = type(self).__name__
        choice(name, "padding_mode", padding_mode, ("zeros", *MODES[1:]))
        self.padding_mode = padding_mode
        super().__init__(
            in_channels, out_channels, kernel_size, stride, dilation, groups, bias, dtype
        )
        self.around = zeros_around(name, padding, self.kernel_size, self.stride, self.dilation)
        self.padding = (
            padding if isinstance(padding, str) else each(name, "padding", padding, self.AXES, 0)
        )

    def forward(self, x: Any) -> Tensor:
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            widths = [n for pair in reversed(self.around) for n in pair]
            x, padding = functional.pad(x, widths, self.padding_mode), 0
        return type(self).FUNCTION(
            x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )

    def extra_repr(self) -> str:
        mode = self.padding_mode
        return super().extra_repr() + ("" if mode == "zeros" else f", padding_mode={mode!r}")


class Conv1d(Conv):
    """The one-dimensional convolution, over (batch, in_channels, length); see `Conv2d`.

    weight: (out_channels, in_channels/groups, kernel).

    >>> import neurona as ne
    >>> from neurona import nn
    >>> nn.Conv1d(4, 8, 3, padding="same")(ne.zeros((2, 4, 100))).shape
    (2, 8, 100)
    """

    AXES = 1
    FUNCTION = staticmethod(functional.conv1d)


class Conv2d(Conv):
    """Each output place is a weighted sum of the window of x that lies under the kernel there.

    y[b, o, p] = bias[o] + Σ_{c, k} weight[o, c, k]·x[b, c, p·stride + k·dilation − padding]
    LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition"
    (1998), section II.
    x: (batch, in_channels, height, width) or (in_channels, height, width).
    Result: (batch, out_channels, height, width) of
        ⌊(size + 2·padding − dilation·(kernel − 1) − 1)/stride⌋ + 1 each.
    weight: (out_channels, in_channels/groups, height, width), bias: (out_channels,), both drawn
    from ±1/√(in_channels/groups·kernel).
    kernel_size, stride, dilation, padding: numbers, or one an axis; padding also "valid" (none) or
    "same" (the extents stay). groups: in_channels for a depthwise convolution.
    padding_mode: "zeros", or "reflect", "replicate", "circular" as in `functional.pad`.
    Raises `ShapeError` and `DTypeError` when x does not fit.

    >>> import neurona as ne
    >>> from neurona import nn
    >>> nn.Conv2d(3, 1, 5)(ne.zeros((1, 3, 32, 32))).shape
    (1, 1, 28, 28)
    """

    AXES = 2
    FUNCTION = staticmethod(functional.conv2d)


class Conv3d(Conv):
    """The three-dimensional convolution, over (batch, in_channels, depth, height, width).

    weight: (out_channels, in_channels/groups, depth, height, width). See `Conv2d`.
    """

    AXES = 3
    FUNCTION = staticmethod(functional.conv3d)
