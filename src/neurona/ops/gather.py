"""Reading and writing at places that tensors name: take, take_along_axis and their transposes.

Indices count from 0, negative ones from the end. One out of range is an `IndexOutOfRangeError`;
nothing is clamped and nothing written.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from neurona.core import dtypes
from neurona.core.apply import apply
from neurona.core.errors import DTypeError, IndexOutOfRangeError, ShapeError
from neurona.core.lowering import Indexed, Scatter
from neurona.core.node import Node
from neurona.core.op import Array, Op, Shape, Spec, register
from neurona.core.slots import provide
from neurona.core.tensor import Tensor
from neurona.ops.broadcast import broadcast_to, reshape
from neurona.ops.compare import equal, where
from neurona.ops.create import arange, zeros, zeros_like
from neurona.ops.operand import (
    broadcast_shapes,
    normalize_axis,
    operand,
    operands,
    require_same_dtype,
)

Axes = tuple[int, ...]


def as_index(who: str, indices: Any) -> Tensor:
    """Indices as an integer tensor. Raises `DTypeError` for others."""
    tensor = operand(indices)
    if not dtypes.is_integer(tensor.dtype):
        raise DTypeError(f"{who}: indices are integers, not {tensor.dtype}")
    return tensor


def within(who: str, indices: Array, axis: int, shape: Shape) -> Array:
    """The indices as int64 counted from the front. Raises `IndexOutOfRangeError`."""
    extent = shape[axis]
    if not indices.size:
        return indices.astype(np.int64)
    least, most = int(indices.min()), int(indices.max())
    if least < -extent or most >= extent:
        wrong = (indices < -extent) | (indices >= extent)
        place = tuple(int(i) for i in np.unravel_index(int(wrong.argmax()), indices.shape))
        at = f" at position {place}" if place else ""
        raise IndexOutOfRangeError(
            f"{who}: index {indices[place]}{at} is out of range for axis {axis} of shape {shape} "
            f"({-extent}…{extent - 1})"
        )
    wide = indices.astype(np.int64)
    return np.where(wide < 0, wide + extent, wide) if least < 0 else wide


def _place(k: Any, indices: Any, at: Any, extent: int) -> Any:
    """The place an index means; the nearest one if it is out of range, which a check reports."""
    i = k.cast(indices[at], dtypes.int64)
    if indices.dtype not in dtypes.UNSIGNED:
        i = k.where(i < 0, i + extent, i)
    return k.minimum(k.maximum(i, 0), extent - 1)


# --- take and its transpose ---


def _taken_shape(shape: Shape, indices: Shape, axes: Axes, position: int) -> Shape:
    rest = [extent for axis, extent in enumerate(shape) if axis not in axes]
    return (*rest[:position], *indices, *rest[position:])


def _infer_take(x: Node, *indices: Node, axes: Axes, position: int) -> Spec:
    first = indices[0].shape
    for i in indices:
        if not dtypes.is_integer(i.dtype):
            raise DTypeError(f"take: indices are integers, not {i.dtype}")
        if i.shape != first:
            raise ShapeError(f"take: index shapes {first} and {i.shape} must be equal")
    if len(set(axes)) != len(indices) or not 0 <= position <= len(x.shape) - len(axes):
        raise ShapeError(f"take: {len(indices)} indices for axes {axes} of shape {x.shape}")
    return Spec(_taken_shape(x.shape, first, axes, position), x.dtype)


def _to_front(x: Array, axes: Axes) -> Array:
    return x.transpose((*axes, *(axis for axis in range(x.ndim) if axis not in axes)))


def _take(x: Array, *indices: Array, axes: Axes, position: int) -> Array:
    places = [within("take", i, axis, x.shape) for i, axis in zip(indices, axes, strict=True)]
    width = indices[0].ndim
    if len(axes) == 1:
        found, at = np.take(x, places[0], axes[0], mode="wrap"), axes[0]
    else:
        found, at = _to_front(x, axes)[tuple(places)], 0
    if at == position:
        return np.asarray(found)
    return np.moveaxis(found, range(at, at + width), range(position, position + width))


def _take_vjp(
    g: Tensor, out: Tensor, x: Tensor, *indices: Tensor, axes: Axes, position: int
) -> tuple[Tensor | None, ...]:
    put = apply(SCATTER_ADD, zeros_like(x), g, *indices, axes=axes, position=position)
    return (put, *[None] * len(indices))


def _take_at(
    k: Any, index: tuple[Any, ...], x: Any, *indices: Any, axes: Axes, position: int
) -> Any:
    if 0 in x.shape:
        return k.constant(0, x.dtype)
    return x[_taken_place(k, index, x, *indices, axes=axes, position=position)]


def _taken_place(
    k: Any, index: tuple[Any, ...], x: Any, *indices: Any, axes: Axes, position: int
) -> tuple[Any, ...]:
    """Which element of x shows at `index` of what is taken."""
    end = position + len(indices[0].shape)
    at, rest = index[position:end], iter((*index[:position], *index[end:]))
    named = {axis: _place(k, i, at, x.shape[axis]) for i, axis in zip(indices, axes, strict=True)}
    return tuple(named[a] if a in named else next(rest) for a in range(len(x.shape)))


TAKE: Op = register(Op("take", _infer_take, _take, _take_vjp, Indexed(_take_at)))
"""x at the places that one index tensor for each of `axes` names; all have one shape.

The axes of the index tensors come before axis `position` of what is left of x's axes.
"""


@provide
def take(x: Any, indices: Any, /, *, axis: int | None = None) -> Tensor:
    """The slices of `x` along `axis` that `indices` names, as in an embedding's look-up.

    indices: integers of any shape, which takes the place of the axis: (..., n, ...) and (a, b)
    give (..., a, b, ...). axis: may be left out if `x` is 1-d.
    Raises `IndexOutOfRangeError`; `DTypeError` for indices that are not integers.

    >>> take([10, 20, 30], [2, 0, -1])
    Tensor([30, 10, 30], dtype=int64)
    """
    tensor, index = operand(x), as_index("take", indices)
    if axis is None and tensor.ndim != 1:
        raise ShapeError(f"take: axis is needed for shape {tensor.shape}")
    along = normalize_axis(axis or 0, tensor.ndim, "take")
    return apply(TAKE, tensor, index, axes=(along,), position=along)


def _infer_scatter(base: Node, updates: Node, *indices: Node, axes: Axes, position: int) -> Spec:
    require_same_dtype("scatter", base, updates)
    wanted = _infer_take(base, *indices, axes=axes, position=position).shape
    if updates.shape != wanted:
        raise ShapeError(
            f"scatter: updates have shape {updates.shape}; indices of shape {indices[0].shape} "
            f"along axes {axes} of shape {base.shape} need {wanted}"
        )
    return base.spec


def _rows(
    who: str, base: Array, updates: Array, indices: tuple[Array, ...], axes: Axes, position: int
) -> tuple[Array, Array, Array]:
    """Base as a new (places, rest), the place of each update, and updates as (n, rest)."""
    places = [within(who, i, axis, base.shape) for i, axis in zip(indices, axes, strict=True)]
    extents = tuple(base.shape[axis] for axis in axes)
    flat = np.zeros(indices[0].size, np.int64)
    for place, extent in zip(places, extents, strict=True):
        flat = flat * extent + place.reshape(-1)
    front = _to_front(base, axes)
    rest = math.prod(front.shape[len(axes) :])
    rows = np.array(front, order="C").reshape(math.prod(extents), rest)
    width = indices[0].ndim
    moved = np.moveaxis(updates, range(position, position + width), range(width))
    return rows, flat, moved.reshape(flat.size, rest)


def _from_rows(rows: Array, shape: Shape, axes: Axes) -> Array:
    order = (*axes, *(axis for axis in range(len(shape)) if axis not in axes))
    return rows.reshape([shape[axis] for axis in order]).transpose(np.argsort(order))


def _add_rows(rows: Array, flat: Array, updates: Array) -> Array:
    if not updates.size:
        return rows
    dtype = rows.dtype
    if dtype.itemsize == 2 and dtypes.is_float(dtype):
        # Half precision accumulates in float32.
        rows, updates = rows.astype(np.float32), updates.astype(np.float32)
    order = np.argsort(flat, kind="stable")
    target = flat[order]
    starts = np.flatnonzero(np.diff(target, prepend=-1))
    sums = np.add.reduceat(updates[order], starts, 0, dtype=updates.dtype)
    rows[target[starts]] += sums
    return rows.astype(dtype, copy=False)


def _scatter_add(base: Array, updates: Array, *indices: Array, axes: Axes, position: int) -> Array:
    rows, flat, values = _rows("scatter_add", base, updates, indices, axes, position)
    return _from_rows(_add_rows(rows, flat, values), base.shape, axes)


def _scatter_add_vjp(
    g: Tensor, out: Tensor, base: Tensor, updates: Tensor, *indices: Tensor, **attrs: Any
) -> tuple[Tensor | None, ...]:
    got = apply(TAKE, g, *indices, **attrs) if updates.requires_grad else None
    return (g, got, *[None] * len(indices))


SCATTER_ADD: Op = register(
    Op(
        "scatter_add",
        _infer_scatter,
        _scatter_add,
        _scatter_add_vjp,
        Scatter(_taken_place, "add"),
    )
)
"""The transpose of `take`: base, with each update added at the place `take` would read."""


def _scatter_set(base: Array, updates: Array, *indices: Array, axes: Axes, position: int) -> Array:
    rows, flat, values = _rows("scatter_set", base, updates, indices, axes, position)
    rows[flat] = values
    return _from_rows(rows, base.shape, axes)


def _scatter_set_vjp(
    g: Tensor,
    out: Tensor,
    base: Tensor,
    updates: Tensor,
    *indices: Tensor,
    axes: Axes,
    position: int,
) -> tuple[Tensor | None, ...]:
    kept = got = None
    if base.requires_grad:
        nothing = zeros_like(updates)
        kept = apply(SCATTER_SET, g, nothing, *indices, axes=axes, position=position)
    if updates.requires_grad:
        stays = _winners(base, updates, indices, axes, position)
        got = where(stays, apply(TAKE, g, *indices, axes=axes, position=position), 0)
    return (kept, got, *[None] * len(indices))


def _winners(
    base: Tensor, updates: Tensor, indices: tuple[Tensor, ...], axes: Axes, position: int
) -> Tensor:
    """Which updates were not overwritten by a later one, to broadcast against the updates."""
    shape = indices[0].shape
    order = reshape(arange(indices[0].size), shape)
    board = zeros(tuple(base.shape[axis] for axis in axes), dtype=order.dtype)
    attrs = {"axes": tuple(range(len(axes))), "position": 0}
    last = apply(TAKE, apply(SCATTER_SET, board, order, *indices, **attrs), *indices, **attrs)
    after = updates.ndim - len(shape) - position
    return reshape(equal(last, order), (*shape, *[1] * after))


SCATTER_SET: Op = register(
    Op("scatter_set", _infer_scatter, _scatter_set, _scatter_set_vjp, Scatter(_taken_place))
)
"""Base, with each update put at the place `take` would read; of several the last one stays."""


def _scatter(who: str, op: Op, x: Any, indices: Any, updates: Any, axis: int) -> Tensor:
    base, values = operands(x, updates)
    index = as_index(who, indices)
    along = normalize_axis(axis, base.ndim, who)
    shape = _taken_shape(base.shape, index.shape, (along,), along)
    if broadcast_shapes(f"{who} of updates to what they replace", values.shape, shape) != shape:
        raise ShapeError(f"{who}: updates of shape {values.shape} do not broadcast to {shape}")
    return apply(op, base, broadcast_to(values, shape), index, axes=(along,), position=along)


def scatter_add(x: Any, indices: Any, updates: Any, /, *, axis: int = 0) -> Tensor:
    """`x` with the updates added to the slices along `axis` that `indices` names.

    updates: broadcast to the shape that `take(x, indices, axis=axis)` has. Where an index occurs
    several times, all its updates are added. `x` itself stays as it is.
    Raises `IndexOutOfRangeError`; `DTypeError` for a bool `x`.

    >>> scatter_add([0, 0, 0], [2, 0, 2], [1, 2, 3])
    Tensor([2, 0, 4], dtype=int64)
    """
    if operand(x).dtype == dtypes.bool_:
        raise DTypeError("scatter_add: numbers are needed, not bool; cast with `astype`")
    return _scatter("scatter_add", SCATTER_ADD, x, indices, updates, axis)


def scatter_set(x: Any, indices: Any, updates: Any, /, *, axis: int = 0) -> Tensor:
    """`x` with the slices along `axis` that `indices` names replaced by the updates.

    updates: broadcast to the shape that `take(x, indices, axis=axis)` has. Where an index occurs
    several times, the last update in row-major order stays and gets the gradient.
    Raises `IndexOutOfRangeError`.

    >>> scatter_set([0, 0, 0], [2, 0, 2], [1, 2, 3])
    Tensor([2, 0, 3], dtype=int64)
    """
    return _scatter("scatter_set", SCATTER_SET, x, indices, updates, axis)


# --- take_along_axis and its transpose ---


def _infer_along(x: Node, indices: Node, *, axis: int) -> Spec:
    if not dtypes.is_integer(indices.dtype):
        raise DTypeError(f"take_along_axis: indices are integers, not {indices.dtype}")
    if _without(x.shape, axis) != _without(indices.shape, axis):
        raise ShapeError(
            f"take_along_axis: shapes {x.shape} and {indices.shape} must be equal except on "
            f"axis {axis}"
        )
    return Spec(indices.shape, x.dtype)


def _without(shape: Shape, axis: int) -> Shape:
    return shape[:axis] + shape[axis + 1 :]


def _along_vjp(
    g: Tensor, out: Tensor, x: Tensor, indices: Tensor, *, axis: int
) -> tuple[Tensor | None, ...]:
    return apply(ADD_ALONG_AXIS, zeros_like(x), g, indices, axis=axis), None


def _along_at(k: Any, index: tuple[Any, ...], x: Any, indices: Any, *, axis: int) -> Any:
    if 0 in x.shape:
        return k.constant(0, x.dtype)
    return x[_along_place(k, index, x, indices, axis=axis)]


def _along_place(
    k: Any, index: tuple[Any, ...], x: Any, indices: Any, *, axis: int
) -> tuple[Any, ...]:
    """Which element of x shows at `index` of what is taken along `axis`."""
    return (*index[:axis], _place(k, indices, index, x.shape[axis]), *index[axis + 1 :])


TAKE_ALONG_AXIS: Op = register(
    Op(
        "take_along_axis",
        _infer_along,
        lambda x, i, *, axis: np.take_along_axis(
            x, within("take_along_axis", i, axis, x.shape), axis
        ),
        _along_vjp,
        Indexed(_along_at),
    )
)


def _infer_add_along(base: Node, updates: Node, indices: Node, *, axis: int) -> Spec:
    require_same_dtype("add_along_axis", base, updates)
    _infer_along(base, indices, axis=axis)
    if updates.shape != indices.shape:
        raise ShapeError(
            f"add_along_axis: updates {updates.shape} and indices {indices.shape} must be equal"
        )
    return base.spec


def _add_along(base: Array, updates: Array, indices: Array, *, axis: int) -> Array:
    places = np.moveaxis(within("add_along_axis", indices, axis, base.shape), axis, -1)
    moved = np.array(np.moveaxis(base, axis, -1), order="C")
    lines = math.prod(moved.shape[:-1])
    start = np.arange(lines).reshape(*moved.shape[:-1], 1) * base.shape[axis]
    values = np.moveaxis(updates, axis, -1).reshape(-1, 1)
    summed = _add_rows(moved.reshape(-1, 1), (places + start).reshape(-1), values)
    return np.moveaxis(summed.reshape(moved.shape), -1, axis)


ADD_ALONG_AXIS: Op = register(
    Op(
        "add_along_axis",
        _infer_add_along,
        _add_along,
        lambda g, out, base, updates, indices, *, axis: (
            g,
            apply(TAKE_ALONG_AXIS, g, indices, axis=axis) if updates.requires_grad else None,
            None,
        ),
        Scatter(_along_place, "add"),
    )
)
"""The transpose of `take_along_axis`: base, with each update added at the place it reads."""


def take_along_axis(x: Any, indices: Any, /, *, axis: int = -1) -> Tensor:
    """For each index the element of `x` at that place of `axis`, all other axes being equal.

    indices: integers; shapes broadcast except on `axis`.
    Raises `IndexOutOfRangeError`; `ShapeError` if the numbers of axes differ or shapes do not fit.

    >>> take_along_axis([[1, 2], [3, 4]], [[1], [0]])
    Tensor([[2],
            [3]], dtype=int64)
    """
    tensor, index = operand(x), as_index("take_along_axis", indices)
    if tensor.ndim != index.ndim:
        raise ShapeError(
            f"take_along_axis: shapes {tensor.shape} and {index.shape} must have as many axes"
        )
    along = normalize_axis(axis, tensor.ndim, "take_along_axis")
    others = broadcast_shapes(
        "take_along_axis", _without(tensor.shape, along), _without(index.shape, along)
    )
    wide = [
        broadcast_to(t, (*others[:along], t.shape[along], *others[along:])) for t in (tensor, index)
    ]
    return apply(TAKE_ALONG_AXIS, *wide, axis=along)
