"""Joining and parting tensors: concat, stack, unstack, split, meshgrid, triangles, diff."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neurona.core import dtypes
from neurona.core.apply import apply
from neurona.core.errors import ArgumentError, ShapeError
from neurona.core.lowering import Indexed
from neurona.core.node import Node
from neurona.core.op import Op, Spec, register
from neurona.core.slots import provide
from neurona.core.tensor import Tensor
from neurona.ops.broadcast import broadcast_to, reshape
from neurona.ops.compare import less_equal, where
from neurona.ops.create import arange
from neurona.ops.operand import (
    normalize_axis,
    operand,
    operands,
    renew,
    require_same_dtype,
)
from neurona.ops.shape import expand_dims, slice_axis

# --- concat ---


def _infer_concat(*xs: Node, axis: int) -> Spec:
    dtype = require_same_dtype("concat", *xs)
    first = xs[0].shape
    for x in xs[1:]:
        if len(x.shape) != len(first) or any(
            a != b for i, (a, b) in enumerate(zip(x.shape, first, strict=True)) if i != axis
        ):
            raise ShapeError(
                f"concat: shapes {first} and {x.shape} must be equal except on axis {axis}"
            )
    whole = sum(x.shape[axis] for x in xs)
    return Spec((*first[:axis], whole, *first[axis + 1 :]), dtype)


def _concat_vjp(g: Tensor, out: Tensor, *xs: Tensor, axis: int) -> tuple[Tensor | None, ...]:
    parts: list[Tensor | None] = []
    start = 0
    for x in xs:
        size = x.shape[axis]
        parts.append(slice_axis(g, axis, start, size) if x.requires_grad else None)
        start += size
    return tuple(parts)


def _concat_at(k: Any, index: tuple[Any, ...], *xs: Any, axis: int) -> Any:
    end = sum(x.shape[axis] for x in xs)
    place = index[axis]
    result: Any = None
    for x in reversed(xs):
        extent = x.shape[axis]
        start = end - extent
        if extent:
            within = place - start if start else place
            if start:
                within = k.maximum(within, 0)
            if result is not None:
                within = k.minimum(within, extent - 1)
            element = x[(*index[:axis], within, *index[axis + 1 :])]
            result = element if result is None else k.where(place < end, element, result)
        end = start
    return k.constant(0, xs[0].dtype) if result is None else result


CONCAT = register(
    Op(
        "concat",
        _infer_concat,
        lambda *xs, axis: np.concatenate(xs, axis),
        _concat_vjp,
        Indexed(_concat_at),
    )
)


@provide
def concat(arrays: Sequence[Any], /, *, axis: int | None = 0) -> Tensor:
    """The tensors one after another along `axis`; None flattens them first.

    Raises `ShapeError` unless all shapes are equal except on `axis`.
    """
    if not arrays:
        raise ArgumentError("concat: at least one tensor is needed")
    tensors = operands(*arrays)
    if axis is None:
        return concat([reshape(x, (-1,)) for x in tensors], axis=0)
    if not tensors[0].ndim:
        raise ShapeError("concat: 0-d tensors have no axis to join; use stack")
    along = normalize_axis(axis, tensors[0].ndim, "concat")
    return apply(CONCAT, *tensors, axis=along) if len(tensors) > 1 else renew(tensors[0])


@provide
def stack(arrays: Sequence[Any], /, *, axis: int = 0) -> Tensor:
    """Tensors of one shape side by side along a new axis `axis`."""
    if not arrays:
        raise ArgumentError("stack: at least one tensor is needed")
    tensors = operands(*arrays)
    for x in tensors[1:]:
        if x.shape != tensors[0].shape:
            raise ShapeError(f"stack: shapes {tensors[0].shape} and {x.shape} must be equal")
    place = normalize_axis(axis, tensors[0].ndim + 1, "stack")
    return concat([expand_dims(x, axis=place) for x in tensors], axis=place)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    """The slices along `axis`, without that axis."""
    tensor = operand(x)
    along = normalize_axis(axis, tensor.ndim, "unstack")
    shape = (*tensor.shape[:along], *tensor.shape[along + 1 :])
    return tuple(
        reshape(slice_axis(tensor, along, i, 1), shape) for i in range(tensor.shape[along])
    )


def split(x: Any, sections: int | Sequence[int], /, *, axis: int = 0) -> tuple[Tensor, ...]:
    """The tensor in parts along `axis`.

    sections: how many equal parts, or the size of each part.
    Raises `ShapeError` if the parts do not add up to the axis.

    >>> [part.tolist() for part in split([1, 2, 3, 4], (1, 3))]
    [[1], [2, 3, 4]]
    """
    tensor = operand(x)
    along = normalize_axis(axis, tensor.ndim, "split")
    extent = tensor.shape[along]
    if isinstance(sections, int):
        if sections < 1 or extent % sections:
            raise ShapeError(f"split: axis {along} of shape {tensor.shape} has no {sections} parts")
        sizes = [extent // sections] * sections
    else:
        sizes = list(sections)
        if any(size < 0 for size in sizes) or sum(sizes) != extent:
            raise ShapeError(
                f"split: sizes {tuple(sizes)} must add up to axis {along} of shape {tensor.shape}"
            )
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return tuple(
        renew(slice_axis(tensor, along, start, size))
        for start, size in zip(starts, sizes, strict=True)
    )


def meshgrid(*arrays: Any, indexing: str = "xy") -> list[Tensor]:
    """Coordinate grids of 1-d tensors.

    indexing: "ij": the axes in the order of the arguments; "xy": the first two exchanged.
    Raises `ShapeError` for operands that are not 1-d, `DTypeError` for unequal dtypes.
    """
    if indexing not in ("xy", "ij"):
        raise ArgumentError(f"meshgrid: indexing is 'xy' or 'ij', not {indexing!r}")
    tensors = [operand(x) for x in arrays]
    if tensors:
        require_same_dtype("meshgrid", *[x._node for x in tensors])
    places = list(range(len(tensors)))
    if indexing == "xy" and len(places) > 1:
        places[:2] = 1, 0
    shape = [1] * len(tensors)
    for x, place in zip(tensors, places, strict=True):
        if x.ndim > 1:
            raise ShapeError(f"meshgrid: operands are 1-d, found shape {x.shape}")
        shape[place] = x.size
    grids = []
    for x, place in zip(tensors, places, strict=True):
        row = reshape(x, tuple(x.size if i == place else 1 for i in range(len(tensors))))
        grids.append(broadcast_to(row, tuple(shape)))
    return grids


# --- triangles and differences ---


def _on_or_below(who: str, x: Any, k: int) -> tuple[Tensor, Tensor]:
    tensor = operand(x)
    if tensor.ndim < 2:
        raise ShapeError(f"{who}: shape {tensor.shape} has fewer than two axes")
    rows, columns = tensor.shape[-2:]
    return tensor, less_equal(arange(columns), reshape(arange(k, k + rows), (rows, 1)))


def tril(x: Any, /, *, k: int = 0) -> Tensor:
    """The lower triangle of (..., rows, columns): 0 above diagonal `k` (positive: to the right)."""
    tensor, lower = _on_or_below("tril", x, k)
    return where(lower, tensor, False)


def triu(x: Any, /, *, k: int = 0) -> Tensor:
    """The upper triangle of (..., rows, columns): 0 below diagonal `k` (positive: to the right)."""
    tensor, below = _on_or_below("triu", x, k - 1)
    return where(below, False, tensor)


def diff(
    x: Any, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None
) -> Tensor:
    """Differences of neighbours along `axis`, `n` times.

    prepend, append: tensors to join at the ends first.

    >>> diff([1, 4, 9, 16], n=2)
    Tensor([2, 2], dtype=int64)
    """
    if n < 0:
        raise ArgumentError(f"diff: n must not be negative, found {n}")
    tensor = operand(x)
    along = normalize_axis(axis, tensor.ndim, "diff")
    ends = [part for part in (prepend, tensor, append) if part is not None]
    result = concat(ends, axis=along)
    for _ in range(n):
        rest = max(result.shape[along] - 1, 0)
        start = min(1, result.shape[along])
        later, earlier = slice_axis(result, along, start, rest), slice_axis(result, along, 0, rest)
        result = later ^ earlier if result.dtype == dtypes.bool_ else later - earlier
    return result
