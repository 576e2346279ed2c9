"""Pooling with Keras's words: the maximum or mean of windows, or of whole images."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurona.core.apply import apply
from neurona.core.errors import ShapeError
from neurona.core.op import Op
from neurona.core.tensor import Tensor
from neurona.keras.layers.spatial import Extents, Spatial, same_around
from neurona.nn.functional.convolution import each
from neurona.ops import reduce
from neurona.ops.operand import operand
from neurona.ops.window import WINDOW_MAX, WINDOW_SUM


class Pooling(Spatial):
    """What the poolings of windows share.

    x: (batch, *spatial, channels). pool_size: of the windows. strides: by default pool_size.
    padding: "valid" for windows inside x, "same" so that ⌈size/stride⌉ fit; what stands around
    counts for nothing.
    """

    def __init__(
        self,
        pool_size: Extents = 2,
        strides: Extents | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(data_format, **common)
        self.pool_size = each(self.title, "pool_size", pool_size, self.RANK)
        given = pool_size if strides is None else strides
        self.strides = each(self.title, "strides", given, self.RANK)
        self.padding = self.one_of("padding", padding, ("valid", "same"))

    def windows(self, op: Op, x: Tensor) -> Tensor:
        """A window op along the spatial axes of x."""
        ones = [1] * x.ndim
        window, strides, around = ones.copy(), ones.copy(), [(0, 0)] * x.ndim
        for axis, k, s in zip(self.spatial_axes, self.pool_size, self.strides, strict=True):
            window[axis], strides[axis] = k, s
            if self.padding == "same":
                around[axis] = same_around(x.shape[axis], k, s)
            elif k > x.shape[axis]:
                raise ShapeError(
                    f"{self.title}: pool_size {self.pool_size} does not fit into x {x.shape}, "
                    f"whose axis {axis} has {x.shape[axis]} places: "
                    f"⌊({x.shape[axis]} − {k})/{s}⌋ + 1 < 1; take padding 'same' or smaller windows"
                )
        return apply(
            op,
            x,
            window=tuple(window),
            strides=tuple(strides),
            padding=tuple(around),
            dilation=tuple(ones),
        )


class MaxPooling(Pooling):
    """The maximum of each window; see `Pooling`."""

    def forward(self, x: Any) -> Tensor:
        return self.windows(WINDOW_MAX, operand(x))


class AveragePooling(Pooling):
    """The mean of each window; see `Pooling`."""

    def forward(self, x: Any) -> Tensor:
        z = operand(x)
        counts = np.ones((1,) * z.ndim)
        for axis, k, s in zip(self.spatial_axes, self.pool_size, self.strides, strict=True):
            size = z.shape[axis]
            low = same_around(size, k, s)[0] if self.padding == "same" else 0
            last = -(-size // s) if self.padding == "same" else (size - k) // s + 1
            start = np.arange(max(last, 0)) * s - low
            inside = np.minimum(start + k, size) - np.maximum(start, 0)
            shape = [1] * z.ndim
            shape[axis] = len(inside)
            counts = counts * inside.reshape(shape)
        return self.windows(WINDOW_SUM, z) / operand(counts.astype(z.dtype))


class GlobalPooling(Spatial):
    """One number a channel: (batch, *spatial, channels) → (batch, channels).

    keepdims: whether the spatial axes stay, with length 1.
    """

    def __init__(
        self, data_format: str | None = None, keepdims: bool = False, **common: Any
    ) -> None:
        super().__init__(data_format, **common)
        self.keepdims = keepdims


class GlobalMaxPooling(GlobalPooling):
    """The maximum of each channel; see `GlobalPooling`."""

    def forward(self, x: Any) -> Tensor:
        return reduce.max(operand(x), axis=self.spatial_axes, keepdims=self.keepdims)


class GlobalAveragePooling(GlobalPooling):
    """The mean of each channel; see `GlobalPooling`."""

    def forward(self, x: Any) -> Tensor:
        return reduce.mean(operand(x), axis=self.spatial_axes, keepdims=self.keepdims)


class MaxPooling1D(MaxPooling):
    """The maximum of windows of (batch, length, channels); see `Pooling`."""

    RANK = 1


class MaxPooling2D(MaxPooling):
    """The maximum of windows of (batch, height, width, channels); see `Pooling`.

    >>> import numpy as np
    >>> from neurona.keras import layers
    >>> layers.MaxPooling2D()(np.ones((1, 28, 28, 8), np.float32)).shape
    (1, 14, 14, 8)
    """

    RANK = 2


class MaxPooling3D(MaxPooling):
    """The maximum of windows of (batch, depth, height, width, channels); see `Pooling`."""

    RANK = 3


class AveragePooling1D(AveragePooling):
    """The mean of windows of (batch, length, channels); see `Pooling`."""

    RANK = 1


class AveragePooling2D(AveragePooling):
    """The mean of windows of (batch, height, width, channels); see `Pooling`."""

    RANK = 2


class AveragePooling3D(AveragePooling):
    """The mean of windows of (batch, depth, height, width, channels); see `Pooling`."""

    RANK = 3


class GlobalMaxPooling1D(GlobalMaxPooling):
    """The maximum of each channel of (batch, length, channels); see `GlobalPooling`."""

    RANK = 1


class GlobalMaxPooling2D(GlobalMaxPooling):
    """The maximum of each channel of (batch, height, width, channels); see `GlobalPooling`."""

    RANK = 2


class GlobalMaxPooling3D(GlobalMaxPooling):
    """The maximum of each channel of (batch, depth, height, width, channels)."""

    RANK = 3


class GlobalAveragePooling1D(GlobalAveragePooling):
    """The mean of each channel of (batch, length, channels); see `GlobalPooling`."""

    RANK = 1


class GlobalAveragePooling2D(GlobalAveragePooling):
    """The mean of each channel of (batch, height, width, channels); see `GlobalPooling`.

    >>> import numpy as np
    >>> from neurona.keras import layers
    >>> layers.GlobalAveragePooling2D()(np.ones((1, 28, 28, 8), np.float32)).shape
    (1, 8)
    """

    RANK = 2


class GlobalAveragePooling3D(GlobalAveragePooling):
    """The mean of each channel of (batch, depth, height, width, channels); see `GlobalPooling`."""

    RANK = 3
