"""Convolutions with Keras's words: channels last, kernels as (*kernel, in, out).

Inside, weights and images have the axes that they have in `neurona.nn`, channels first; the
compiler chooses the order that is computed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neurona.core.apply import apply
from neurona.core.errors import ArgumentError
from neurona.core.tensor import Tensor
from neurona.core.variable import Variable
from neurona.keras import activations, initializers, regularizers
from neurona.keras.layer import Weight, filled
from neurona.keras.layers.spatial import Extents, Spatial, same_around
from neurona.keras.symbolic import Shape
from neurona.nn.functional.convolution import convolved, each
from neurona.nn.linear import extent
from neurona.ops.broadcast import reshape
from neurona.ops.convolution import CONV_INPUT_GRADIENT


class Convolving(Spatial):
    """What the convolutions share: geometry, bias and activation.

    KERNELS: the attributes that hold kernels, each with that of its regulariser.
    """

    PADDINGS: tuple[str, ...] = ("valid", "same")
    KERNELS: tuple[tuple[str, str], ...] = (("kernel", "kernel_regularizer"),)

    bias: Variable | None

    def __init__(
        self,
        kernel_size: Extents,
        geometry: tuple[Extents, str, Extents],
        data_format: str | None,
        activation: Any,
        bias: tuple[bool, Any, Any],
        **common: Any,
    ) -> None:
        super().__init__(data_format, **common)
        strides, padding, dilation_rate = geometry
        self.kernel_size = each(self.title, "kernel_size", kernel_size, self.RANK)
        self.strides = each(self.title, "strides", strides, self.RANK)
        self.padding = self.one_of("padding", padding, self.PADDINGS)
        self.dilation_rate = each(self.title, "dilation_rate", dilation_rate, self.RANK)
        self.activation = activations.name_of(activation)
        self._activate = activations.get(activation)
        self.use_bias = bias[0]
        self.bias_initializer = initializers.get(bias[1])
        self.bias_regularizer = regularizers.get(bias[2])

    def kernel_axes(self, name: str) -> tuple[int, ...]:
        """Our axes of a kernel in Keras's order, which has those of the window first."""
        return (*range(2, self.RANK + 2), 1, 0)

    def make_kernel(self, name: str, initializer: Any, ends: tuple[int, int], *window: int) -> None:
        """A kernel (*window, *ends) of Keras's, as a Variable in our order."""
        values = filled(initializer, (*(window or self.kernel_size), *ends))
        order = sorted(range(values.ndim), key=self.kernel_axes(name).__getitem__)
        setattr(self, name, Variable(values.transpose(order).copy()))

    def make_bias(self, count: int) -> None:
        self.bias = Variable(filled(self.bias_initializer, (count,))) if self.use_bias else None

    def own_weights(self) -> Sequence[Weight]:
        if not self.built:
            return ()
        kernels = [
            Weight(name, getattr(self, name), self.kernel_axes(name)) for name, _ in self.KERNELS
        ]
        return kernels if self.bias is None else [*kernels, Weight("bias", self.bias)]

    def penalties(self) -> Sequence[Tensor]:
        terms = [(getattr(self, rule), getattr(self, name)) for name, rule in self.KERNELS]
        if self.bias is not None:
            terms.append((self.bias_regularizer, self.bias))
        return [penalty(weight) for penalty, weight in terms if penalty is not None]

    def window_over(self, x: Tensor, kernel: Tensor, groups: int) -> Tensor:
        """The convolution of x, channels first, with the layer's geometry."""
        around = [(0, 0)] * self.RANK
        for i, (n, k, s, d) in enumerate(
            zip(x.shape[2:], self.kernel_size, self.strides, self.dilation_rate, strict=True)
        ):
            if self.padding == "same":
                around[i] = same_around(n, k, s, d)
            elif self.padding == "causal":
                around[i] = (d * (k - 1), 0)
        return convolved(
            self.title, x, kernel, None, self.strides, tuple(around), self.dilation_rate, groups
        )

    def finished(self, y: Tensor) -> Tensor:
        """The result of what has been computed channels first."""
        z = self.as_given(y)
        if self.bias is not None:
            last = self.data_format == "channels_last"
            z = z + (self.bias if last else reshape(self.bias, (-1, *[1] * self.RANK)))
        return self._activate(z)


class Conv(Convolving):
    """What `Conv1D`, `Conv2D` and `Conv3D` share."""

    kernel: Variable

    def __init__(
        self,
        filters: int,
        kernel_size: Extents,
        strides: Extents = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Extents = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        **common: Any,
    ) -> None:
        geometry = (strides, padding, dilation_rate)
        bias = (use_bias, bias_initializer, bias_regularizer)
        super().__init__(kernel_size, geometry, data_format, activation, bias, **common)
        self.filters = extent(self.title, "filters", filters)
        self.groups = extent(self.title, "groups", groups)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)

    def build(self, shape: Shape) -> None:
        channels = self.channels_of(shape)
        if channels % self.groups or self.filters % self.groups:
            raise ArgumentError(
                f"{self.title}: groups {self.groups} must divide the {channels} channels of the "
                f"input {shape} and the {self.filters} filters"
            )
        ends = (channels // self.groups, self.filters)
        self.make_kernel("kernel", self.kernel_initializer, ends)
        self.make_bias(self.filters)

    def forward(self, x: Any) -> Tensor:
        z = self.channels_first(x)
        return self.finished(self.window_over(z, self.kernel, self.groups))


class Conv1D(Conv):
    """activation(convolution + bias) along (batch, length, channels); see `Conv2D`.

    kernel: (kernel_size, channels/groups, filters). padding: also "causal": zeros before the
    start alone, so that no output sees what comes later.

    >>> import numpy as np
    >>> from neurona.keras import layers
    >>> layers.Conv1D(8, 3, padding="causal")(np.ones((2, 10, 4), np.float32)).shape
    (2, 10, 8)
    """

    RANK = 1
    PADDINGS = ("valid", "same", "causal")


class Conv2D(Conv):
    """activation(convolution + bias) of images (batch, height, width, channels).

    kernel: (height, width, channels/groups, filters), from `kernel_initializer`.
    padding: "valid" for none, "same" for zeros so that ⌈size/stride⌉ windows fit.
    data_format: "channels_last" or "channels_first", of input and output.
    Result: (batch, height, width, filters). Source: Keras's `Conv2D`; see `nn.Conv2d`.

    >>> import numpy as np
    >>> from neurona.keras import layers
    >>> layer = layers.Conv2D(32, 3, activation="relu", input_shape=(28, 28, 1))
    >>> layer(np.ones((5, 28, 28, 1), np.float32)).shape
    (5, 26, 26, 32)
    >>> [weight.shape for weight in layer.get_weights()]
    [(3, 3, 1, 32), (32,)]
    """

    RANK = 2


class Conv3D(Conv):
    """activation(convolution + bias) of (batch, depth, height, width, channels); see `Conv2D`."""

    RANK = 3


class ConvTranspose(Convolving):
    """What `Conv1DTranspose` and `Conv2DTranspose` share."""

    kernel: Variable

    def __init__(
        self,
        filters: int,
        kernel_size: Extents,
        strides: Extents = 1,
        padding: str = "valid",
        output_padding: Extents | None = None,
        data_format: str | None = None,
        dilation_rate: Extents = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        **common: Any,
    ) -> None:
        geometry = (strides, padding, dilation_rate)
        bias = (use_bias, bias_initializer, bias_regularizer)
        super().__init__(kernel_size, geometry, data_format, activation, bias, **common)
        self.filters = extent(self.title, "filters", filters)
        self.output_padding = output_padding
        self._more = None
        if output_padding is not None:
            self._more = each(self.title, "output_padding", output_padding, self.RANK, 0)
            if any(n >= s for n, s in zip(self._more, self.strides, strict=True)):
                raise ArgumentError(
                    f"{self.title}: output_padding {output_padding} must be less than strides "
                    f"{self.strides}"
                )
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)

    def build(self, shape: Shape) -> None:
        ends = (self.filters, self.channels_of(shape))
        self.make_kernel("kernel", self.kernel_initializer, ends)
        self.make_bias(self.filters)

    def forward(self, x: Any) -> Tensor:
        z = self.channels_first(x)
        extents, around = [], []
        for i, n in enumerate(z.shape[2:]):
            stride, gap = self.strides[i], self.dilation_rate[i]
            reach = gap * (self.kernel_size[i] - 1) + 1
            if self._more is not None:
                cut = 2 * (reach // 2) if self.padding == "same" else 0
                out = (n - 1) * stride + reach - cut + self._more[i]
            else:
                out = n * stride + (max(reach - stride, 0) if self.padding == "valid" else 0)
            cut = max((n - 1) * stride + reach - out, 0)
            extents.append(out)
            around.append((cut // 2, cut - cut // 2))
        y = apply(
            CONV_INPUT_GRADIENT,
            z,
            self.kernel,
            spatial=tuple(extents),
            strides=self.strides,
            padding=tuple(around),
            dilation=self.dilation_rate,
            groups=1,
            layout="channels first",
        )
        return self.finished(y)


class Conv1DTranspose(ConvTranspose):
    """activation(transposed convolution + bias) along (batch, length, channels).

    kernel: (kernel_size, filters, channels). See `Conv2DTranspose`.
    """

    RANK = 1


class Conv2DTranspose(ConvTranspose):
    """activation(transposed convolution + bias) of images (batch, height, width, channels).

    kernel: (height, width, filters, channels). padding: "same" makes the extents `strides` times
    as large, "valid" keeps all that a kernel reaches. output_padding: places at the ends, less than
    the stride, with (size − 1)·stride + kernel − 2·⌊kernel/2⌋ + output_padding for "same".
    Result: (batch, height, width, filters). Source: Keras's `Conv2DTranspose`.

    >>> import numpy as np
    >>> from neurona.keras import layers
    >>> layers.Conv2DTranspose(4, 3, strides=2, padding="same")(np.ones((1, 7, 7, 8), "f4")).shape
    (1, 14, 14, 4)
    """

    RANK = 2


class DepthwiseConv(Convolving):
    """What `DepthwiseConv1D` and `DepthwiseConv2D` share."""

    KERNELS = (("kernel", "depthwise_regularizer"),)
    kernel: Variable

    def __init__(
        self,
        kernel_size: Extents,
        strides: Extents = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Extents = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        **common: Any,
    ) -> None:
        geometry = (strides, padding, dilation_rate)
        bias = (use_bias, bias_initializer, bias_regularizer)
        super().__init__(kernel_size, geometry, data_format, activation, bias, **common)
        self.depth_multiplier = extent(self.title, "depth_multiplier", depth_multiplier)
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.depthwise_regularizer = regularizers.get(depthwise_regularizer)

    def kernel_axes(self, name: str) -> tuple[int, ...]:
        return (*range(2, self.RANK + 2), 0, 1)  # (channels, depth_multiplier, *kernel)

    def build(self, shape: Shape) -> None:
        channels = self.channels_of(shape)
        ends = (channels, self.depth_multiplier)
        self.make_kernel("kernel", self.depthwise_initializer, ends)
        self.make_bias(channels * self.depth_multiplier)

    def forward(self, x: Any) -> Tensor:
        z, kernel = self.channels_first(x), one_each(self.kernel)
        return self.finished(self.window_over(z, kernel, self.kernel.shape[0]))


def one_each(kernel: Tensor) -> Tensor:
    """(channels, multiplier, *kernel) as the weights of a convolution with a group a channel."""
    channels, multiplier, *window = kernel.shape
    return reshape(kernel, (channels * multiplier, 1, *window))


class DepthwiseConv1D(DepthwiseConv):
    """A window for each channel by itself, along (batch, length, channels).

    kernel: (kernel_size, channels, depth_multiplier). See `DepthwiseConv2D`.
    """

    RANK = 1


class DepthwiseConv2D(DepthwiseConv):
    """`depth_multiplier` windows for each channel by itself, over (batch, height, width, channels).

    kernel: (height, width, channels, depth_multiplier), from `depthwise_initializer`.
    Result: (batch, height, width, channels·depth_multiplier). Source: Keras's `DepthwiseConv2D`.

    >>> import numpy as np
    >>> from neurona.keras import layers
    >>> layers.DepthwiseConv2D(3, depth_multiplier=2)(np.ones((1, 7, 7, 8), np.float32)).shape
    (1, 5, 5, 16)
    """

    RANK = 2


class SeparableConv(Convolving):
    """What `SeparableConv1D` and `SeparableConv2D` share."""

    KERNELS = (
        ("depthwise_kernel", "depthwise_regularizer"),
        ("pointwise_kernel", "pointwise_regularizer"),
    )
    depthwise_kernel: Variable
    pointwise_kernel: Variable

    def __init__(
        self,
        filters: int,
        kernel_size: Extents,
        strides: Extents = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Extents = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        **common: Any,
    ) -> None:
        geometry = (strides, padding, dilation_rate)
        bias = (use_bias, bias_initializer, bias_regularizer)
        super().__init__(kernel_size, geometry, data_format, activation, bias, **common)
        self.filters = extent(self.title, "filters", filters)
        self.depth_multiplier = extent(self.title, "depth_multiplier", depth_multiplier)
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.pointwise_initializer = initializers.get(pointwise_initializer)
        self.depthwise_regularizer = regularizers.get(depthwise_regularizer)
        self.pointwise_regularizer = regularizers.get(pointwise_regularizer)

    def kernel_axes(self, name: str) -> tuple[int, ...]:
        ends = (0, 1) if name == "depthwise_kernel" else (1, 0)
        return (*range(2, self.RANK + 2), *ends)

    def build(self, shape: Shape) -> None:
        channels, many = self.channels_of(shape), self.depth_multiplier
        self.make_kernel("depthwise_kernel", self.depthwise_initializer, (channels, many))
        ends, one = (channels * many, self.filters), (1,) * self.RANK
        self.make_kernel("pointwise_kernel", self.pointwise_initializer, ends, *one)
        self.make_bias(self.filters)

    def forward(self, x: Any) -> Tensor:
        z, one = self.channels_first(x), (1,) * self.RANK
        kernel = one_each(self.depthwise_kernel)
        parts = self.window_over(z, kernel, self.depthwise_kernel.shape[0])
        none = ((0, 0),) * self.RANK
        y = convolved(self.title, parts, self.pointwise_kernel, None, one, none, one, 1)
        return self.finished(y)


class SeparableConv1D(SeparableConv):
    """A depthwise convolution and a mixing of its channels, along (batch, length, channels).

    depthwise_kernel: (kernel_size, channels, depth_multiplier); pointwise_kernel:
    (1, channels·depth_multiplier, filters). See `SeparableConv2D`.
    """

    RANK = 1


class SeparableConv2D(SeparableConv):
    """A depthwise convolution and a mixing of its channels, on (batch, height, width, channels).

    depthwise_kernel: (height, width, channels, depth_multiplier); pointwise_kernel:
    (1, 1, channels·depth_multiplier, filters). Source: Keras's `SeparableConv2D`.

    >>> import numpy as np
    >>> from neurona.keras import layers
    >>> layers.SeparableConv2D(16, 3, padding="same")(np.ones((1, 7, 7, 8), np.float32)).shape
    (1, 7, 7, 16)
    """

    RANK = 2
