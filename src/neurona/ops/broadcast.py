"""Reshape, broadcast and sum: the last two are each other's transposes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from neurona.core import dtypes
from neurona.core.apply import apply
from neurona.core.errors import ShapeError
from neurona.core.lowering import Reduction, Reshape, View
from neurona.core.node import Node
from neurona.core.op import Op, Shape, Spec, register
from neurona.core.slots import provide
from neurona.core.tensor import Tensor
from neurona.ops.operand import (
    Axis,
    as_shape,
    broadcast_shapes,
    cast,
    normalize_axes,
    operand,
    renew,
)


def reduced_shape(shape: Shape, axis: tuple[int, ...], keepdims: bool) -> Shape:
    """`shape` without the axes, or with 1 in their place."""
    if keepdims:
        return tuple(1 if i in axis else extent for i, extent in enumerate(shape))
    return tuple(extent for i, extent in enumerate(shape) if i not in axis)


def infer_reduction(x: Node, *, axis: tuple[int, ...], keepdims: bool) -> Spec:
    return Spec(reduced_shape(x.shape, axis, keepdims), x.dtype)


# --- reshape ---

RESHAPE = register(
    Op(
        "reshape",
        infer=lambda x, *, shape: Spec(tuple(shape), x.dtype),
        evaluate=lambda x, *, shape: x.reshape(shape),
        vjp=lambda g, out, x, *, shape: (reshape(g, x.shape),),
        lower=Reshape(),
    )
)


@provide
def reshape(x: Any, /, shape: Any, *, copy: bool | None = None) -> Tensor:
    """The same elements in row-major order under `shape`, in which one extent may be −1.

    Raises `ShapeError` if the number of elements differs.
    """
    tensor = operand(x)
    given = tuple(shape) if not isinstance(shape, int) else (shape,)
    wanted = tuple(int(extent) for extent in given)
    if wanted.count(-1) == 1:
        rest = math.prod(extent for extent in wanted if extent != -1)
        fits = rest > 0 and tensor.size % rest == 0
        wanted = tuple(tensor.size // rest if e == -1 and fits else e for e in wanted)
    if math.prod(wanted) != tensor.size or any(extent < 0 for extent in wanted):
        raise ShapeError(
            f"reshape: shape {tensor.shape} has {tensor.size} elements and does not fit {given}"
        )
    return renew(tensor) if wanted == tensor.shape else apply(RESHAPE, tensor, shape=wanted)


# --- broadcast ---


def _broadcast_index(k: Any, index: tuple[Any, ...], in_shape: Shape, *, shape: Shape) -> Any:
    lead = len(shape) - len(in_shape)
    return tuple(0 if extent == 1 else i for i, extent in zip(index[lead:], in_shape, strict=True))


BROADCAST_TO = register(
    Op(
        "broadcast_to",
        infer=lambda x, *, shape: Spec(tuple(shape), x.dtype),
        evaluate=lambda x, *, shape: np.broadcast_to(x, shape),
        vjp=lambda g, out, x, *, shape: (sum_to(g, x.shape),),
        lower=View(_broadcast_index),
    )
)


@provide
def broadcast_to(x: Any, /, shape: Any) -> Tensor:
    """`x` repeated along new and size-1 axes to `shape`. Raises `ShapeError` if it does not fit."""
    tensor, wanted = operand(x), as_shape(shape, "broadcast_to")
    if tensor.shape == wanted:
        return renew(tensor)
    if broadcast_shapes("broadcast_to", tensor.shape, wanted) != wanted:
        raise ShapeError(f"broadcast_to: shape {tensor.shape} does not broadcast to {wanted}")
    return apply(BROADCAST_TO, tensor, shape=wanted)


# --- sum ---


def _sum(x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    if x.dtype.itemsize == 2 and dtypes.is_float(x.dtype):
        return np.sum(x, axis, np.float32, keepdims=keepdims)
    return np.sum(x, axis, x.dtype, keepdims=keepdims)


def spread(g: Tensor, shape: Shape, axis: tuple[int, ...], keepdims: bool) -> Tensor:
    """A cotangent of a reduction, broadcast back over the reduced axes."""
    if not keepdims:
        g = reshape(g, reduced_shape(shape, axis, True))
    return broadcast_to(g, shape)


SUM = register(
    Op(
        "sum",
        infer_reduction,
        _sum,
        vjp=lambda g, out, x, *, axis, keepdims: (spread(g, x.shape, axis, keepdims),),
        lower=Reduction("add", lambda dtype: 0),
    )
)


def accumulator(dtype: dtypes.DType) -> dtypes.DType:
    """The dtype that sums and products of `dtype` have by default (array API)."""
    if dtypes.is_float(dtype) or dtype in (dtypes.int64, dtypes.uint64):
        return dtype
    return dtypes.uint64 if dtype in dtypes.UNSIGNED else dtypes.int64


@provide
def sum(x: Any, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    """The sum over `axis` (all axes by default). Small integers and bools are summed in 64 bits.

    >>> sum([[1.0, 2.0], [3.0, 4.0]], axis=0)
    Tensor([4., 6.], dtype=float32)
    """
    tensor = operand(x)
    wanted = accumulator(tensor.dtype) if dtype is None else dtypes.as_dtype(dtype)
    axes = normalize_axes(axis, tensor.ndim, "sum")
    if not axes:
        return renew(cast(tensor, wanted))
    return apply(SUM, cast(tensor, wanted), axis=axes, keepdims=keepdims)


def sum_to(g: Tensor, shape: Shape) -> Tensor:
    """`g` summed over the axes along which something of `shape` was broadcast."""
    if g.shape == shape:
        return g
    lead = g.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(
        i for i, extent in enumerate(shape, lead) if extent == 1 and g.shape[i] != 1
    )
    return reshape(apply(SUM, g, axis=axes, keepdims=True), shape)
