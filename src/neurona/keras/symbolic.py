"""Tensors of a network that is being described: shapes without values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from neurona.core.dtypes import DType
from neurona.core.errors import ArgumentError, ShapeError, TraceError

if TYPE_CHECKING:
    from neurona.keras.layer import Layer

Shape = tuple[int | None, ...]
"""A shape whose first axis is the batch, None."""


class KerasTensor:
    """What a layer gives for its inputs, while a network is being wired.

    - `shape`: (None, …); the first axis is the batch.
    - `layer`, `inputs`: what it comes from; an input of the network comes from no tensor.
      `options`: what else the layer was told in this call.

    >>> from neurona.keras import Input, layers
    >>> layers.Dense(3)(Input((4,)))
    KerasTensor(shape=(None, 3), dtype=float32)
    """

    __slots__ = ("dtype", "inputs", "layer", "options", "shape")

    def __init__(
        self,
        shape: Shape,
        dtype: DType,
        layer: Layer,
        inputs: tuple[KerasTensor, ...] = (),
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.shape = shape
        self.dtype = dtype
        self.layer = layer
        self.inputs = inputs
        self.options = dict(options or {})

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TraceError(f"{self!r} has no values: it is part of a network being described")

    def __repr__(self) -> str:
        return f"KerasTensor(shape={self.shape}, dtype={self.dtype})"


def batched(who: str, shape: Any) -> Shape:
    """The shape of one sample with the batch axis in front.

    Raises `ArgumentError` or `ShapeError` for axes whose length is not given.
    """
    if isinstance(shape, int) or shape is None or isinstance(shape, str):
        raise ArgumentError(f"{who}: shape is a tuple, as in shape=(20,), not {shape!r}")
    lengths = tuple(shape)
    for length in lengths:
        if isinstance(length, bool) or not isinstance(length, int) or length < 1:
            raise ShapeError(
                f"{who}: shape {lengths} must hold the length of every axis but the batch's, "
                "as whole numbers"
            )
    return (None, *lengths)


def lengths_of(shape: Shape) -> tuple[int, ...]:
    """The shape of one sample."""
    return tuple(length for length in shape[1:] if length is not None)


def size(shape: Shape) -> int:
    """How many values a sample has."""
    return math.prod(lengths_of(shape))
