"""Layers that only change the shape, and the input itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neurona.core.arguments import whole
from neurona.core.dtypes import as_dtype
from neurona.core.errors import ShapeError
from neurona.core.tensor import Tensor
from neurona.keras.layer import Layer
from neurona.keras.symbolic import KerasTensor, batched, size
from neurona.ops.broadcast import reshape
from neurona.ops.operand import operand


class InputLayer(Layer):
    """The place where data come in; `Input` makes one.

    shape: of one sample. dtype: "float32", or "int64" and the like for whole numbers.
    """

    def __init__(self, shape: Sequence[int], *, dtype: str | None = None, **common: Any) -> None:
        super().__init__(**common)
        self.shape = batched(self.title, shape)[1:]
        self.dtype = as_dtype(dtype or "float32").name
        self._wired.append(KerasTensor((None, *self.shape), as_dtype(self.dtype), self))
        self.make(self.output.shape)

    def forward(self, x: Any) -> Tensor:
        return operand(x)


def Input(  # noqa: N802  (Keras's name)
    shape: Sequence[int],
    batch_size: int | None = None,
    *,
    dtype: str | None = None,
    name: str | None = None,
) -> KerasTensor:
    """A tensor that stands for the data: the start of a network in functional style.

    shape: of one sample, without the batch axis. dtype: "float32", or "int64" and the like.
    batch_size: taken and left alone; a network takes batches of every size.

    >>> from neurona import keras
    >>> keras.Input(shape=(20,))
    KerasTensor(shape=(None, 20), dtype=float32)
    """
    if batch_size is not None:
        whole("Input", "batch_size", batch_size)
    return InputLayer(shape, dtype=dtype, name=name).output


class Flatten(Layer):
    """All axes but the batch as one."""

    def forward(self, x: Any) -> Tensor:
        z = operand(x)
        return reshape(z, (z.shape[0], size(z.shape)))


class Reshape(Layer):
    """The elements of each sample in the shape `target_shape`, of which one length may be −1."""

    def __init__(self, target_shape: Sequence[int], **common: Any) -> None:
        super().__init__(**common)
        self.target_shape = tuple(target_shape)

    def forward(self, x: Any) -> Tensor:
        z = operand(x)
        wanted = self.target_shape
        known = size((None, *(length for length in wanted if length != -1)))
        if wanted.count(-1) == 1 and known and size(z.shape) % known == 0:
            wanted = tuple(size(z.shape) // known if one == -1 else one for one in wanted)
        if -1 in wanted or size((None, *wanted)) != size(z.shape):
            raise ShapeError(
                f"{self.title}: a sample of shape {z.shape[1:]} has {size(z.shape)} elements, "
                f"which do not fit target_shape {self.target_shape}"
            )
        return reshape(z, (z.shape[0], *wanted))
