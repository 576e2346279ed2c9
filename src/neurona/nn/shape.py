"""Layers that only change the shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from neurona.core.errors import ShapeError
from neurona.core.tensor import Tensor
from neurona.nn.module import Module
from neurona.nn.running import title_of
from neurona.ops.broadcast import reshape
from neurona.ops.operand import normalize_axis, operand


class Flatten(Module):
    """Axes start_dim…end_dim as one; by default all but the batch.

    >>> import neurona as ne
    >>> from neurona import nn
    >>> nn.Flatten()(ne.zeros((5, 1, 28, 28))).shape
    (5, 784)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, x: Any) -> Tensor:
        tensor = operand(x)
        shape = tensor.shape
        first = normalize_axis(self.start_dim, len(shape), title_of(self))
        last = normalize_axis(self.end_dim, len(shape), title_of(self))
        if first > last:
            raise ShapeError(
                f"{title_of(self)}: start_dim {self.start_dim} comes after end_dim {self.end_dim} "
                f"in x {shape}"
            )
        middle = math.prod(shape[first : last + 1])
        return reshape(tensor, (*shape[:first], middle, *shape[last + 1 :]))

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Axis `dim` as several of the sizes `unflattened_size`, of which one may be −1.

    >>> import neurona as ne
    >>> from neurona import nn
    >>> nn.Unflatten(1, (1, 28, 28))(ne.zeros((5, 784))).shape
    (5, 1, 28, 28)
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        self.dim = dim
        self.unflattened_size = tuple(unflattened_size)

    def forward(self, x: Any) -> Tensor:
        tensor = operand(x)
        shape, sizes = tensor.shape, self.unflattened_size
        axis = normalize_axis(self.dim, len(shape), title_of(self))
        rest = math.prod(size for size in sizes if size != -1)
        if sizes.count(-1) == 1 and rest and shape[axis] % rest == 0:
            sizes = tuple(shape[axis] // rest if size == -1 else size for size in sizes)
        if math.prod(sizes) != shape[axis] or min(sizes, default=0) < 0:
            raise ShapeError(
                f"{title_of(self)}: axis {self.dim} of x {shape} has {shape[axis]} elements, which "
                f"do not fit {self.unflattened_size}"
            )
        return reshape(tensor, (*shape[:axis], *sizes, *shape[axis + 1 :]))

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
