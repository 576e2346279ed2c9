"""Layers that put elements around an image. Negative paddings cut off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neurona.core.errors import ArgumentError, ShapeError
from neurona.core.tensor import Tensor
from neurona.nn import functional
from neurona.nn.module import Module
from neurona.nn.running import title_of
from neurona.ops.operand import operand


class Pad(Module):
    """What the padding layers share: elements around the last `AXES` axes.

    x: (batch, channels, *spatial) or (channels, *spatial).
    padding: a number for all sides, or (before, after) of the last axis, then of the one before it.
    """

    AXES = 0
    MODE = "constant"
    value: float = 0.0

    def __init__(self, padding: int | Sequence[int]) -> None:
        given = tuple(padding) if isinstance(padding, Sequence) else (padding,) * 2 * self.AXES
        whole = all(isinstance(n, (int, np.integer)) for n in given)
        if not whole or len(given) != 2 * self.AXES:
            raise ArgumentError(
                f"{type(self).__name__}: padding must be a whole number or {2 * self.AXES} of "
                f"them, (before, after) of the last axis first, not {padding!r}"
            )
        self.padding = tuple(int(n) for n in given)

    def forward(self, x: Any) -> Tensor:
        z = operand(x)
        if z.ndim not in (self.AXES + 1, self.AXES + 2):
            raise ShapeError(
                f"{title_of(self)}: x {z.shape} must be (batch, channels, *spatial) with "
                f"{self.AXES} spatial axes, or the same without batch"
            )
        return functional.pad(z, self.padding, self.MODE, self.value)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ConstantPad(Pad):
    """`value` around x; see `Pad`."""

    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ReflectionPad(Pad):
    """The mirror image of x about its edges around x; see `Pad`."""

    MODE = "reflect"


class ReplicationPad(Pad):
    """The edges of x around x; see `Pad`."""

    MODE = "replicate"


class CircularPad(Pad):
    """The other end of x around x; see `Pad`."""

    MODE = "circular"


class ZeroPad1d(Pad):
    """Zeros around a series (…, channels, length).

    padding: a number, or (before, after).

    >>> from neurona import nn
    >>> nn.ZeroPad1d(1)([[1.0, 2.0, 3.0]])
    Tensor([[0., 1., 2., 3., 0.]], dtype=float32)
    """

    AXES = 1


class ZeroPad2d(Pad):
    """Zeros around an image (…, channels, height, width).

    padding: a number, or (left, right, top, bottom).
    """

    AXES = 2


class ZeroPad3d(Pad):
    """Zeros around a volume (…, channels, depth, height, width).

    padding: a number, or (left, right, top, bottom, front, back).
    """

    AXES = 3


class ConstantPad1d(ConstantPad):
    """`value` around a series (…, channels, length).

    padding: a number, or (before, after).

    >>> from neurona import nn
    >>> nn.ConstantPad1d(1, 9.0)([[1.0, 2.0, 3.0]])
    Tensor([[9., 1., 2., 3., 9.]], dtype=float32)
    """

    AXES = 1


class ConstantPad2d(ConstantPad):
    """`value` around an image (…, channels, height, width).

    padding: a number, or (left, right, top, bottom).
    """

    AXES = 2


class ConstantPad3d(ConstantPad):
    """`value` around a volume (…, channels, depth, height, width).

    padding: a number, or (left, right, top, bottom, front, back).
    """

    AXES = 3


class ReflectionPad1d(ReflectionPad):
    """The mirror image (without the edge) around a series (…, channels, length).

    padding: a number, or (before, after).

    >>> from neurona import nn
    >>> nn.ReflectionPad1d((2, 1))([[1.0, 2.0, 3.0]])
    Tensor([[3., 2., 1., 2., 3., 2.]], dtype=float32)
    """

    AXES = 1


class ReflectionPad2d(ReflectionPad):
    """The mirror image (without the edge) around an image (…, channels, height, width).

    padding: a number, or (left, right, top, bottom).
    """

    AXES = 2


class ReflectionPad3d(ReflectionPad):
    """The mirror image (without the edge) around a volume (…, channels, depth, height, width).

    padding: a number, or (left, right, top, bottom, front, back).
    """

    AXES = 3


class ReplicationPad1d(ReplicationPad):
    """The edge, repeated, around a series (…, channels, length).

    padding: a number, or (before, after).

    >>> from neurona import nn
    >>> nn.ReplicationPad1d((2, 1))([[1.0, 2.0, 3.0]])
    Tensor([[1., 1., 1., 2., 3., 3.]], dtype=float32)
    """

    AXES = 1


class ReplicationPad2d(ReplicationPad):
    """The edge, repeated, around an image (…, channels, height, width).

    padding: a number, or (left, right, top, bottom).
    """

    AXES = 2


class ReplicationPad3d(ReplicationPad):
    """The edge, repeated, around a volume (…, channels, depth, height, width).

    padding: a number, or (left, right, top, bottom, front, back).
    """

    AXES = 3


class CircularPad1d(CircularPad):
    """The other end around a series (…, channels, length).

    padding: a number, or (before, after).

    >>> from neurona import nn
    >>> nn.CircularPad1d((2, 1))([[1.0, 2.0, 3.0]])
    Tensor([[2., 3., 1., 2., 3., 1.]], dtype=float32)
    """

    AXES = 1


class CircularPad2d(CircularPad):
    """The other end around an image (…, channels, height, width).

    padding: a number, or (left, right, top, bottom).
    """

    AXES = 2


class CircularPad3d(CircularPad):
    """The other end around a volume (…, channels, depth, height, width).

    padding: a number, or (left, right, top, bottom, front, back).
    """

    AXES = 3
