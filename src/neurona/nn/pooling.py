"""Pooling layers."""

from __future__ import annotations

from typing import Any

from neurona.core.tensor import Tensor
from neurona.nn import functional
from neurona.nn.functional.adaptive import Output
from neurona.nn.functional.convolution import Extents
from neurona.nn.functional.pooling import Pooled
from neurona.nn.module import Module


class MaxPool(Module):
    """What max pooling of one, two and three dimensions shares; see `MaxPool2d`."""

    RANK = 0

    def __init__(
        self,
        kernel_size: Extents,
        stride: Extents | None = None,
        padding: Extents = 0,
        dilation: Extents = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, x: Any) -> Pooled:
        pool = getattr(functional, f"max_pool{self.RANK}d")
        result: Pooled = pool(
            x,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )
        return result

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(MaxPool):
    """The maximum of each window along (batch, channels, length); see `MaxPool2d`.

    >>> import neurona as ne
    >>> from neurona import nn
    >>> nn.MaxPool1d(2)(ne.asarray([[1.0, 3.0, 2.0, 0.0, 5.0]]))
    Tensor([[3., 2.]], dtype=float32)
    """

    RANK = 1


class MaxPool2d(MaxPool):
    """y[b, c, p] = max over k of x[b, c, p·stride + k·dilation − padding].

    Goodfellow, Bengio and Courville, "Deep learning" (2016), section 9.3.
    x: (batch, channels, height, width) or (channels, height, width).
    kernel_size: a number or one an axis. stride: by default the kernel's size. padding: places of
    −∞ on either side, at most half of the kernel. return_indices: also give the place of each
    maximum in its flattened map. ceil_mode: round the extents
    ⌊(size + 2·padding − dilation·(kernel − 1) − 1)/stride⌋ + 1 up.
    The gradient goes to the first of equal maxima.

    >>> import neurona as ne
    >>> from neurona import nn
    >>> nn.MaxPool2d(2)(ne.zeros((5, 3, 32, 32))).shape
    (5, 3, 16, 16)
    """

    RANK = 2


class MaxPool3d(MaxPool):
    """The maximum of each window of (batch, channels, depth, height, width); see `MaxPool2d`."""

    RANK = 3


class AvgPool(Module):
    """What average pooling of one, two and three dimensions shares; see `AvgPool2d`."""

    RANK = 0

    def __init__(
        self,
        kernel_size: Extents,
        stride: Extents | None = None,
        padding: Extents = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, x: Any) -> Tensor:
        pool = getattr(functional, f"avg_pool{self.RANK}d")
        result: Tensor = pool(
            x,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            *([] if self.RANK == 1 else [self.divisor_override]),
        )
        return result

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(AvgPool):
    """The mean of each window along (batch, channels, length); see `AvgPool2d`."""

    RANK = 1

    def __init__(
        self,
        kernel_size: Extents,
        stride: Extents | None = None,
        padding: Extents = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)


class AvgPool2d(AvgPool):
    """y[b, c, p] = mean over k of x[b, c, p·stride + k − padding].

    x: (batch, channels, height, width) or (channels, height, width).
    kernel_size, stride, ceil_mode: as of `MaxPool2d`. padding: zeros on either side.
    count_include_pad: whether they are counted in what the sum is divided by. divisor_override:
    what it is divided by instead.

    >>> import neurona as ne
    >>> from neurona import nn
    >>> nn.AvgPool2d(2)(ne.asarray([[[1.0, 2.0], [3.0, 6.0]]]))
    Tensor([[[3.]]], dtype=float32)
    """

    RANK = 2


class AvgPool3d(AvgPool):
    """The mean of each window of (batch, channels, depth, height, width); see `AvgPool2d`."""

    RANK = 3


class AdaptiveAvgPool(Module):
    """What the adaptive average pools share; see `AdaptiveAvgPool2d`."""

    RANK = 0

    def __init__(self, output_size: Output) -> None:
        self.output_size = output_size

    def forward(self, x: Any) -> Tensor:
        pool = getattr(functional, f"adaptive_avg_pool{self.RANK}d")
        result: Tensor = pool(x, self.output_size)
        return result

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(AdaptiveAvgPool):
    """Means over `output_size` windows along (batch, channels, length)."""

    RANK = 1


class AdaptiveAvgPool2d(AdaptiveAvgPool):
    """Means over as many windows an axis as `output_size` says; 1 is global average pooling.

    Window i of an axis covers the places ⌊i·size/output⌋ … ⌈(i + 1)·size/output⌉ − 1.
    x: (batch, channels, height, width) or (channels, height, width).
    output_size: a number or one an axis; None keeps the axis.

    >>> import neurona as ne
    >>> from neurona import nn
    >>> nn.AdaptiveAvgPool2d((7, None))(ne.zeros((2, 3, 10, 8))).shape
    (2, 3, 7, 8)
    """

    RANK = 2


class AdaptiveAvgPool3d(AdaptiveAvgPool):
    """Means over `output_size` windows of (batch, channels, depth, height, width)."""

    RANK = 3


class AdaptiveMaxPool(Module):
    """What the adaptive max pools share; see `AdaptiveMaxPool2d`."""

    RANK = 0

    def __init__(self, output_size: Output, return_indices: bool = False) -> None:
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, x: Any) -> Pooled:
        pool = getattr(functional, f"adaptive_max_pool{self.RANK}d")
        result: Pooled = pool(x, self.output_size, self.return_indices)
        return result

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(AdaptiveMaxPool):
    """Maxima over `output_size` windows along (batch, channels, length)."""

    RANK = 1


class AdaptiveMaxPool2d(AdaptiveMaxPool):
    """Maxima over the windows of `AdaptiveAvgPool2d`.

    return_indices: also give the place of each maximum in its flattened map.

    >>> import neurona as ne
    >>> from neurona import nn
    >>> nn.AdaptiveMaxPool2d(1)(ne.asarray([[[1.0, 4.0], [2.0, 3.0]]]))
    Tensor([[[4.]]], dtype=float32)
    """

    RANK = 2


class AdaptiveMaxPool3d(AdaptiveMaxPool):
    """Maxima over `output_size` windows of (batch, channels, depth, height, width)."""

    RANK = 3
