"""What layers for series, images and volumes share: axes, `data_format`, Keras's paddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neurona.core.errors import ArgumentError, ShapeError, nearest
from neurona.core.tensor import Tensor
from neurona.keras.layer import Layer
from neurona.keras.symbolic import Shape
from neurona.ops.operand import operand
from neurona.ops.shape import moveaxis

Extents = int | Sequence[int]
FORMATS = ("channels_last", "channels_first")
NAMES = {1: "length", 2: "height, width", 3: "depth, height, width"}


class Spatial(Layer):
    """A layer on (batch, *spatial, channels), or (batch, channels, *spatial) if `data_format`
    is "channels_first".
    """

    RANK = 0

    def __init__(self, data_format: str | None = None, **common: Any) -> None:
        super().__init__(**common)
        self.data_format = self.one_of("data_format", data_format or "channels_last", FORMATS)

    def one_of(self, argument: str, value: str, known: Sequence[str]) -> str:
        """`value` if it is known. Raises `ArgumentError`."""
        if value not in known:
            raise ArgumentError(
                f"{self.title}: {argument} is one of {', '.join(map(repr, known))}, not {value!r}"
                f"{nearest(str(value), known)}"
            )
        return value

    @property
    def channel_axis(self) -> int:
        return 1 if self.data_format == "channels_first" else self.RANK + 1

    @property
    def spatial_axes(self) -> tuple[int, ...]:
        first = 2 if self.data_format == "channels_first" else 1
        return tuple(range(first, first + self.RANK))

    def require(self, shape: Shape) -> None:
        """Raise `ShapeError` unless the input has the layer's axes."""
        if len(shape) != self.RANK + 2:
            names = NAMES[self.RANK]
            last = self.data_format == "channels_last"
            wanted = f"{names}, channels" if last else f"channels, {names}"
            raise ShapeError(f"{self.title}: the input must be (batch, {wanted}), not {shape}")

    def build(self, shape: Shape) -> None:
        self.require(shape)

    def channels_of(self, shape: Shape) -> int:
        """The channels of an input. Raises `ShapeError` if it has other axes."""
        self.require(shape)
        channels = shape[self.channel_axis]
        return 0 if channels is None else channels

    def channels_first(self, x: Any) -> Tensor:
        """x as (batch, channels, *spatial)."""
        return moveaxis(operand(x), self.channel_axis, 1)

    def as_given(self, y: Tensor) -> Tensor:
        """(batch, channels, *spatial) in the layer's format."""
        return moveaxis(y, 1, self.channel_axis)


def same_around(size: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """How many places stand (before, after) an axis so that ⌈size/stride⌉ windows fit."""
    count = -(-size // stride)
    total = max((count - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
    return total // 2, total - total // 2
