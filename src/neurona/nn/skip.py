"""Skip connections: a block's output put together with its input."""

from __future__ import annotations

from typing import Any

from neurona.core.errors import ShapeError
from neurona.core.tensor import Tensor
from neurona.nn.linear import Identity
from neurona.nn.module import Module
from neurona.nn.running import title_of
from neurona.ops.join import concat
from neurona.ops.operand import normalize_axis


class _Skip(Module):
    """block: the way through. shortcut: the way past it; the input itself by default."""

    def __init__(self, block: Module, shortcut: Module | None = None) -> None:
        self.block = block
        self.shortcut = Identity() if shortcut is None else shortcut

    def _both(self, x: Any) -> tuple[Tensor, Tensor]:
        through, past = self.block(x), self.shortcut(x)
        if through.shape != past.shape:
            raise ShapeError(
                f"{title_of(self)}: the block gives shape {through.shape}, the shortcut "
                f"{past.shape}; give a shortcut that projects the input, as in "
                "shortcut=nn.Linear(in_features, out_features)"
            )
        return through, past


class Residual(_Skip):
    """y = block(x) + shortcut(x).

    He, Zhang, Ren and Sun, "Deep residual learning for image recognition" (2016).
    shortcut: by default x itself; a projection where the block changes the shape.
    Raises `ShapeError` when the two shapes differ.

    >>> import neurona as ne
    >>> from neurona import nn
    >>> nn.Residual(nn.ReLU())(ne.asarray([-1.0, 2.0]))
    Tensor([-1.,  4.], dtype=float32)
    """

    def forward(self, x: Any) -> Tensor:
        through, past = self._both(x)
        return through + past


class Product(_Skip):
    """y = block(x)·shortcut(x), element by element: the block gates its input.

    >>> import neurona as ne
    >>> from neurona import nn
    >>> nn.Product(nn.ReLU())(ne.asarray([-3.0, 2.0]))
    Tensor([-0.,  4.], dtype=float32)
    """

    def forward(self, x: Any) -> Tensor:
        through, past = self._both(x)
        return through * past


class Concat(_Skip):
    """y = [shortcut(x), block(x)] along `dim`, as in DenseNet.

    Huang, Liu, van der Maaten and Weinberger, "Densely connected convolutional networks" (2017).
    Raises `ShapeError` unless the other axes are equal.

    >>> import neurona as ne
    >>> from neurona import nn
    >>> nn.Concat(nn.Linear(4, 3))(ne.zeros((5, 4))).shape
    (5, 7)
    """

    def __init__(self, block: Module, shortcut: Module | None = None, *, dim: int = 1) -> None:
        super().__init__(block, shortcut)
        self.dim = dim

    def forward(self, x: Any) -> Tensor:
        through, past = self.block(x), self.shortcut(x)
        axis = normalize_axis(self.dim, past.ndim, title_of(self))
        shapes = [tensor.shape[:axis] + tensor.shape[axis + 1 :] for tensor in (past, through)]
        if shapes[0] != shapes[1]:
            raise ShapeError(
                f"{title_of(self)}: the shortcut gives shape {past.shape}, the block "
                f"{through.shape}; all axes but {self.dim} must be equal"
            )
        return concat([past, through], axis=axis)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
