"""`x[key]`, `x[key] = value` as a functional update, and `nonzero`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neurona.core import dtypes
from neurona.core.apply import apply
from neurona.core.errors import DTypeError, ShapeError
from neurona.core.lowering import Indexed
from neurona.core.node import Node
from neurona.core.op import Array, Op, Shape, Spec, register
from neurona.core.slots import provide
from neurona.core.tensor import Tensor
from neurona.ops.broadcast import broadcast_to, reshape
from neurona.ops.compare import where
from neurona.ops.create import zeros_like
from neurona.ops.gather import SCATTER_SET, TAKE
from neurona.ops.key import Entry, Plan, entries, known_places, plan
from neurona.ops.operand import (
    broadcast_shapes,
    cast,
    literal,
    operand,
    renew,
    require_same_dtype,
)
from neurona.ops.shape import FLIP, SLICE

Extents = tuple[int, ...]

# --- writing into a slice ---


def _infer_update(base: Node, update: Node, *, start: Extents, step: Extents) -> Spec:
    require_same_dtype("update_slice", base, update)
    bounds = zip(base.shape, update.shape, start, step, strict=True)
    if any(first < 0 or by < 1 or first + (n - 1) * by >= e for e, n, first, by in bounds if n):
        raise ShapeError(
            f"update_slice: an update of shape {update.shape} from {start} in steps {step} leaves "
            f"shape {base.shape}"
        )
    return base.spec


def _update(base: Array, update: Array, *, start: Extents, step: Extents) -> Array:
    result = np.array(base, order="C")
    bounds = zip(update.shape, start, step, strict=True)
    result[tuple(slice(first, first + n * by, by) for n, first, by in bounds)] = update
    return result


def _update_vjp(
    g: Tensor, out: Tensor, base: Tensor, update: Tensor, *, start: Extents, step: Extents
) -> tuple[Tensor | None, ...]:
    kept = got = None
    if base.requires_grad:
        kept = apply(UPDATE_SLICE, g, zeros_like(update), start=start, step=step)
    if update.requires_grad:
        got = apply(SLICE, g, start=start, size=update.shape, step=step)
    return kept, got


def _update_at(
    k: Any, index: tuple[Any, ...], base: Any, update: Any, *, start: Extents, step: Extents
) -> Any:
    element = base[index]
    if 0 in update.shape:
        return element
    inside: Any = None
    read = []
    for i, whole, n, first, by in zip(index, base.shape, update.shape, start, step, strict=True):
        place, tests = i, []
        if first:
            tests.append(i >= first)
            place = k.maximum(i - first, 0)
        if by > 1:
            tests.append(place % by == 0)
            place = place // by
        if first + (n - 1) * by + 1 < whole:
            tests.append(i < first + (n - 1) * by + 1)
            place = k.minimum(place, n - 1)
        read.append(place)
        for test in tests:
            inside = test if inside is None else inside & test
    new = update[tuple(read)]
    return new if inside is None else k.where(inside, new, element)


UPDATE_SLICE: Op = register(
    Op("update_slice", _infer_update, _update, _update_vjp, Indexed(_update_at))
)
"""Base with the update in place of the slice from `start` in steps of `step`."""


# --- getitem ---


def _region(x: Tensor, key: Plan) -> Tensor:
    """The first stage of a key: slice, flip, reshape."""
    region = x
    if key.size != x.shape:
        region = apply(SLICE, x, start=key.start, size=key.size, step=key.step)
    if key.flipped:
        region = apply(FLIP, region, axis=key.flipped)
    return reshape(region, key.shape)


def _indices(who: str, key: Plan) -> list[Tensor]:
    """The index tensors of a key in their common shape."""
    tensors = [operand(i) for i in key.indices]
    shape = broadcast_shapes(f"{who}: index arrays", *[i.shape for i in tensors])
    return [broadcast_to(i, shape) for i in tensors]


@provide
def getitem(x: Tensor, key: Any) -> Tensor:
    """`x[key]` with NumPy's meaning of integers, slices, None, ellipsis, integer and bool arrays.

    Integers may be 0-d tensors whose value is only known when a compiled function runs. Masks need
    known values: `TraceError` while a function is being compiled.
    Raises `IndexOutOfRangeError`; `ShapeError` for too many parts or a mask that does not fit;
    `DTypeError` for keys of another kind.
    """
    chosen = plan("getitem", x.shape, entries("getitem", x.shape, key))
    result = _region(x, chosen)
    if chosen.axes:
        indices = _indices("getitem", chosen)
        return apply(TAKE, result, *indices, axes=chosen.axes, position=chosen.position)
    return renew(result)


# --- setitem ---


@provide
def setitem(x: Tensor, key: Any, value: Any) -> Tensor:
    """`x` with `value` at the places `x[key]` reads; `x` itself stays as it is.

    value: broadcast to the shape of `x[key]` and cast to x's dtype. Where index arrays name a place
    several times, the last value in row-major order stays. A mask with a value that is
    the same for all its elements also works while a function is being compiled.
    Raises as `getitem` does; `DTypeError` for floats into integers and numbers into bools.
    """
    new = _value(x, value)
    parts = entries("setitem", x.shape, key)
    masked = _set_masked(x, parts, new)
    if masked is not None:
        return masked
    chosen = plan("setitem", x.shape, parts)
    if not chosen.axes:
        return _put_back(x, chosen, _broadcast(new, chosen.shape))
    region = _region(x, chosen)
    indices = _indices("setitem", chosen)
    rest = [n for axis, n in enumerate(chosen.shape) if axis not in chosen.axes]
    at = chosen.position
    shape = (*rest[:at], *indices[0].shape, *rest[at:])
    attrs = {"axes": chosen.axes, "position": at}
    updated = apply(SCATTER_SET, region, _broadcast(new, shape), *indices, **attrs)
    return _put_back(x, chosen, updated)


def _value(x: Tensor, value: Any) -> Tensor:
    if isinstance(value, (bool, int, float)):
        kind = dtypes.number_dtype(value)
    else:
        value = operand(value)
        kind = value.dtype
    if dtypes.category(kind) > dtypes.category(x.dtype):
        raise DTypeError(
            f"setitem: {kind} values do not fit a tensor of dtype {x.dtype}; cast one with `astype`"
        )
    return cast(value, x.dtype) if isinstance(value, Tensor) else literal(value, x.dtype)


def _broadcast(value: Tensor, shape: Shape) -> Tensor:
    """The value in the shape of the places; as in NumPy it may have more leading 1s."""
    extra = max(value.ndim - len(shape), 0)
    if any(extent != 1 for extent in value.shape[:extra]):
        raise ShapeError(f"setitem: a value of shape {value.shape} does not fit places of {shape}")
    return broadcast_to(reshape(value, value.shape[extra:]), shape)


def _put_back(x: Tensor, key: Plan, region: Tensor) -> Tensor:
    """`x` with its region (see `_region`) replaced."""
    update = reshape(region, key.size)
    if key.flipped:
        update = apply(FLIP, update, axis=key.flipped)
    if key.size == x.shape:
        return renew(update)
    return apply(UPDATE_SLICE, x, update, start=key.start, step=key.step)


def _set_masked(x: Tensor, parts: Sequence[Entry], value: Tensor) -> Tensor | None:
    """The update by a single mask as a choice, if the value is the same for all its elements."""
    masks = [i for i, part in enumerate(parts) if part.kind == "mask"]
    if len(masks) != 1 or any(part.kind in ("int", "index") for part in parts):
        return None
    at = masks[0]
    width = parts[at].width
    # The mask's axes (a new one for a 0-d mask) stay, in place of the one of its true elements.
    axis = sum(part.width for part in parts[:at])
    full = [Entry("slice", (0, 1, extent), 1) for extent in x.shape[axis : axis + width]]
    region_key = plan(
        "setitem", x.shape, [*parts[:at], *(full or [Entry("new", None, 0)]), *parts[at + 1 :]]
    )
    before = sum(part.kind in ("slice", "new") for part in parts[:at])
    inside = max(width, 1)
    after = len(region_key.shape) - before - inside
    shape = value.shape
    if value.ndim > after:
        if shape[value.ndim - after - 1] != 1:
            return None
        shape = (*shape[: value.ndim - after - 1], *[1] * inside, *shape[value.ndim - after :])
    region = _region(x, region_key)
    mask = operand(parts[at].value)
    mask = reshape(mask, (*(mask.shape or (1,)), *[1] * after))
    wide = _broadcast(reshape(value, shape), region.shape)
    return _put_back(x, region_key, where(mask, wide, region))


def nonzero(x: Any, /) -> tuple[Tensor, ...]:
    """The places where `x` is not 0, one int64 tensor an axis, in row-major order.

    Raises `TraceError` while a function is being compiled; `ShapeError` for a 0-d tensor.

    >>> [places.tolist() for places in nonzero([[0, 3], [4, 0]])]
    [[0, 1], [1, 0]]
    """
    tensor = operand(x)
    if not tensor.ndim:
        raise ShapeError("nonzero: a 0-d tensor has no places; reshape it to (1,)")
    return tuple(operand(places) for places in known_places("nonzero", tensor))
