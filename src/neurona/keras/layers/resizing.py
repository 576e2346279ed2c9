"""Images of other sizes with Keras's words: up-sampling, zeros around, cropping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neurona.core.errors import ArgumentError, ShapeError
from neurona.core.tensor import Tensor
from neurona.keras.layers.spatial import Extents, Spatial
from neurona.nn import functional
from neurona.nn.functional.convolution import each
from neurona.ops.operand import operand
from neurona.ops.shape import pad, repeat, slice_axis

Sides = int | Sequence[int | Sequence[int]]


class UpSampling(Spatial):
    """Each place `size` times along each axis.

    x: (batch, *spatial, channels).
    """

    def __init__(self, size: Extents = 2, data_format: str | None = None, **common: Any) -> None:
        super().__init__(data_format, **common)
        self.size = each(self.title, "size", size, self.RANK)

    def forward(self, x: Any) -> Tensor:
        z = operand(x)
        for axis, times in zip(self.spatial_axes, self.size, strict=True):
            z = repeat(z, times, axis=axis) if times > 1 else z
        return z


class UpSampling1D(UpSampling):
    """Each place of (batch, length, channels) `size` times."""

    RANK = 1

    def __init__(self, size: int = 2, **common: Any) -> None:
        super().__init__(size, **common)


class UpSampling2D(UpSampling):
    """Images (batch, height, width, channels) `size` times as large.

    interpolation: "nearest", or "bilinear" as `nn.functional.interpolate` does it.

    >>> import numpy as np
    >>> from neurona.keras import layers
    >>> layers.UpSampling2D((2, 3))(np.ones((1, 7, 7, 8), np.float32)).shape
    (1, 14, 21, 8)
    """

    RANK = 2

    def __init__(
        self,
        size: Extents = 2,
        data_format: str | None = None,
        interpolation: str = "nearest",
        **common: Any,
    ) -> None:
        super().__init__(size, data_format, **common)
        self.interpolation = self.one_of("interpolation", interpolation, ("nearest", "bilinear"))

    def forward(self, x: Any) -> Tensor:
        if self.interpolation == "nearest":
            return super().forward(x)
        z = self.channels_first(x)
        return self.as_given(functional.interpolate(z, scale_factor=self.size, mode="bilinear"))


class UpSampling3D(UpSampling):
    """Each place of (batch, depth, height, width, channels) `size` times along each axis."""

    RANK = 3


class Sided(Spatial):
    """A layer with a number for all sides, one an axis, or a pair (before, after) an axis."""

    def sides(self, name: str, given: Sides) -> tuple[tuple[int, int], ...]:
        """The pairs. Raises `ArgumentError`."""
        parts: list[Any] = [given] * self.RANK if isinstance(given, int) else list(given)
        if self.RANK == 1 and len(parts) == 2 and all(isinstance(n, int) for n in parts):
            parts = [parts]  # (before, after) of the one axis
        pairs = tuple((n, n) if isinstance(n, int) else tuple(n) for n in parts)
        whole = all(isinstance(n, int) and n >= 0 for pair in pairs for n in pair)
        if len(pairs) != self.RANK or not whole or any(len(pair) != 2 for pair in pairs):
            raise ArgumentError(
                f"{self.title}: {name} is a whole number, or one or a pair (before, after) for "
                f"each of {self.RANK} axes, not {given!r}"
            )
        return tuple((before, after) for before, after in pairs)


class ZeroPadding(Sided):
    """Zeros around each axis.

    x: (batch, *spatial, channels). padding: a number, one an axis, or (before, after) an axis.
    """

    def __init__(self, padding: Sides = 1, data_format: str | None = None, **common: Any) -> None:
        super().__init__(data_format, **common)
        self.padding = self.sides("padding", padding)

    def forward(self, x: Any) -> Tensor:
        z = operand(x)
        width = [(0, 0)] * z.ndim
        for axis, pair in zip(self.spatial_axes, self.padding, strict=True):
            width[axis] = pair
        return pad(z, width)


class ZeroPadding1D(ZeroPadding):
    """Zeros around (batch, length, channels)."""

    RANK = 1


class ZeroPadding2D(ZeroPadding):
    """Zeros around images (batch, height, width, channels).

    >>> import numpy as np
    >>> from neurona.keras import layers
    >>> layers.ZeroPadding2D(((1, 0), 2))(np.ones((1, 7, 7, 8), np.float32)).shape
    (1, 8, 11, 8)
    """

    RANK = 2


class ZeroPadding3D(ZeroPadding):
    """Zeros around (batch, depth, height, width, channels)."""

    RANK = 3


class Cropping(Sided):
    """Places cut off each axis.

    x: (batch, *spatial, channels). cropping: a number, one an axis, or (before, after) an axis.
    """

    def __init__(self, cropping: Sides = 0, data_format: str | None = None, **common: Any) -> None:
        super().__init__(data_format, **common)
        self.cropping = self.sides("cropping", cropping)

    def forward(self, x: Any) -> Tensor:
        z = operand(x)
        for axis, (before, after) in zip(self.spatial_axes, self.cropping, strict=True):
            rest = z.shape[axis] - before - after
            if rest < 1:
                raise ShapeError(
                    f"{self.title}: cropping {self.cropping} leaves nothing of axis {axis} of x "
                    f"{z.shape}"
                )
            z = slice_axis(z, axis, before, rest)
        return z


class Cropping1D(Cropping):
    """(batch, length, channels) without its ends."""

    RANK = 1

    def __init__(
        self, cropping: Sides = (1, 1), data_format: str | None = None, **common: Any
    ) -> None:
        super().__init__(cropping, data_format, **common)


class Cropping2D(Cropping):
    """Images (batch, height, width, channels) without their edges."""

    RANK = 2


class Cropping3D(Cropping):
    """(batch, depth, height, width, channels) without its edges."""

    RANK = 3

    def __init__(self, cropping: Sides = 1, data_format: str | None = None, **common: Any) -> None:
        super().__init__(cropping, data_format, **common)
