"""Layers that put several tensors together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

from neurona.core.errors import ArgumentError, ShapeError
from neurona.core.tensor import Tensor
from neurona.keras.layer import Layer
from neurona.ops.arithmetic import maximum, minimum
from neurona.ops.join import concat
from neurona.ops.operand import normalize_axis, operand


class Merge(Layer):
    """The base of layers that take a list of tensors of one shape."""

    SEVERAL = True

    def forward(self, inputs: Sequence[Any]) -> Tensor:
        tensors = [operand(one) for one in inputs]
        if len(tensors) < 2:
            raise ArgumentError(f"{self.title}: needs a list of at least 2 tensors")
        self.check([tensor.shape for tensor in tensors])
        return self.merge(tensors)

    def check(self, shapes: list[tuple[int, ...]]) -> None:
        """Raise `ShapeError` unless the shapes fit each other; nothing is broadcast."""
        if len(set(shapes)) > 1:
            found = " and ".join(str((None, *shape[1:])) for shape in dict.fromkeys(shapes))
            raise ShapeError(f"{self.title}: the inputs must have the same shape, not {found}")

    def merge(self, tensors: list[Tensor]) -> Tensor:
        """What becomes of them."""
        raise NotImplementedError(f"{type(self).__name__} must define merge(self, tensors)")


class Add(Merge):
    """The sum, element by element.

    >>> from neurona.keras import Input, layers
    >>> layers.Add()([Input((4,)), Input((5,))])
    Traceback (most recent call last):
        ...
    neurona.core.errors.ShapeError: Add: the inputs must have the same shape, not (None, 4) and \
(None, 5)
    """

    def merge(self, tensors: list[Tensor]) -> Tensor:
        return reduce(lambda a, b: a + b, tensors)


class Subtract(Merge):
    """The first minus the second."""

    def merge(self, tensors: list[Tensor]) -> Tensor:
        if len(tensors) != 2:
            raise ArgumentError(f"{self.title}: needs 2 tensors, not {len(tensors)}")
        return tensors[0] - tensors[1]


class Multiply(Merge):
    """The product, element by element."""

    def merge(self, tensors: list[Tensor]) -> Tensor:
        return reduce(lambda a, b: a * b, tensors)


class Average(Merge):
    """The mean, element by element."""

    def merge(self, tensors: list[Tensor]) -> Tensor:
        return reduce(lambda a, b: a + b, tensors) / len(tensors)


class Maximum(Merge):
    """The larger, element by element."""

    def merge(self, tensors: list[Tensor]) -> Tensor:
        return reduce(maximum, tensors)


class Minimum(Merge):
    """The smaller, element by element."""

    def merge(self, tensors: list[Tensor]) -> Tensor:
        return reduce(minimum, tensors)


class Concatenate(Merge):
    """One after the other along `axis`; the other axes must be equal."""

    def __init__(self, axis: int = -1, **common: Any) -> None:
        super().__init__(**common)
        self.axis = axis

    def check(self, shapes: list[tuple[int, ...]]) -> None:
        axis = normalize_axis(self.axis, len(shapes[0]), self.title)
        rest = {shape[:axis] + shape[axis + 1 :] for shape in shapes}
        if len(rest) > 1 or axis == 0:
            found = " and ".join(str((None, *shape[1:])) for shape in shapes)
            raise ShapeError(
                f"{self.title}: along axis {self.axis} the shapes {found} do not fit; all other "
                "axes must be equal, and the batch axis stays"
            )

    def merge(self, tensors: list[Tensor]) -> Tensor:
        return concat(tensors, axis=self.axis)
