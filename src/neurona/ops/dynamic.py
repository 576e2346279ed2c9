"""Slices whose start is only known when the program runs (key–value caches, windows).

A start counts from 0, a negative one from the end. A slice that would leave the tensor is an
`IndexOutOfRangeError`; it is never moved to fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neurona.core import dtypes
from neurona.core.apply import apply
from neurona.core.errors import DTypeError, IndexOutOfRangeError, ShapeError
from neurona.core.lowering import Indexed
from neurona.core.node import Node
from neurona.core.op import Array, Op, Shape, Spec, register
from neurona.core.tensor import Tensor
from neurona.core.trace import STATE
from neurona.ops.arithmetic import add
from neurona.ops.compare import greater_equal, less, less_equal, logical_and, where
from neurona.ops.create import zeros_like
from neurona.ops.index import getitem
from neurona.ops.operand import as_shape, cast, operand, operands, require_same_dtype


def _check(who: str, shape: Shape, starts: Sequence[Node], size: Shape) -> None:
    if len(starts) != len(shape) or len(size) != len(shape):
        raise ShapeError(
            f"{who}: {len(starts)} starts and {len(size)} sizes for shape {shape}; one each an axis"
        )
    for start in starts:
        if not dtypes.is_integer(start.dtype) or start.shape:
            raise DTypeError(
                f"{who}: a start is a 0-d integer, not {start.dtype} of shape {start.shape}"
            )
    if any(n > extent for n, extent in zip(size, shape, strict=True)):
        raise ShapeError(f"{who}: a slice of shape {size} is larger than shape {shape}")


def _outside(who: str, shape: Shape, axis: int, n: int, start: object) -> IndexOutOfRangeError:
    return IndexOutOfRangeError(
        f"{who}: {n} elements from {start} leave axis {axis} of shape {shape}; the start must be "
        f"at most {shape[axis] - n} ({-n} counted from the end)"
    )


def _bounds(who: str, shape: Shape, axis: int, start: int, n: int) -> slice:
    """The slice counted from the front. Raises `IndexOutOfRangeError`."""
    first = start + shape[axis] if start < 0 else start
    if first < 0 or first + n > shape[axis]:
        raise _outside(who, shape, axis, n, start)
    return slice(first, first + n)


def _key(who: str, shape: Shape, starts: Sequence[Array], size: Shape) -> tuple[slice, ...]:
    places = enumerate(zip(starts, size, strict=True))
    return tuple(_bounds(who, shape, axis, int(start), n) for axis, (start, n) in places)


def _first(k: Any, start: Any, extent: int, n: int) -> Any:
    """Where a slice of `n` begins; as near as fits if it is out of range, which a check reports."""
    i = k.cast(start[()], dtypes.int64)
    if start.dtype not in dtypes.UNSIGNED:
        i = k.where(i < 0, i + extent, i)
    return k.minimum(k.maximum(i, 0), extent - n)


def _infer_slice(x: Node, *starts: Node, size: Shape) -> Spec:
    _check("dynamic_slice", x.shape, starts, size)
    return Spec(tuple(size), x.dtype)


def _slice_vjp(
    g: Tensor, out: Tensor, x: Tensor, *starts: Tensor, size: Shape
) -> tuple[Tensor | None, ...]:
    put = apply(DYNAMIC_UPDATE_SLICE, zeros_like(x), g, *starts)
    return (put, *[None] * len(starts))


def _slice_at(k: Any, index: tuple[Any, ...], x: Any, *starts: Any, size: Shape) -> Any:
    places = zip(index, starts, x.shape, size, strict=True)
    return x[tuple(_first(k, start, extent, n) + i for i, start, extent, n in places)]


DYNAMIC_SLICE: Op = register(
    Op(
        "dynamic_slice",
        _infer_slice,
        lambda x, *starts, size: x[_key("dynamic_slice", x.shape, starts, size)],
        _slice_vjp,
        Indexed(_slice_at),
    )
)
"""`size` elements of x from the place that one 0-d integer an axis names."""


def _infer_update(base: Node, update: Node, *starts: Node) -> Spec:
    require_same_dtype("dynamic_update_slice", base, update)
    _check("dynamic_update_slice", base.shape, starts, update.shape)
    return base.spec


def _update(base: Array, update: Array, *starts: Array) -> Array:
    result = base.copy()
    result[_key("dynamic_update_slice", base.shape, starts, update.shape)] = update
    return result


def _update_vjp(
    g: Tensor, out: Tensor, base: Tensor, update: Tensor, *starts: Tensor
) -> tuple[Tensor | None, ...]:
    kept = got = None
    if base.requires_grad:
        kept = apply(DYNAMIC_UPDATE_SLICE, g, zeros_like(update), *starts)
    if update.requires_grad:
        got = apply(DYNAMIC_SLICE, g, *starts, size=update.shape)
    return (kept, got, *[None] * len(starts))


def _update_at(k: Any, index: tuple[Any, ...], base: Any, update: Any, *starts: Any) -> Any:
    element = base[index]
    if 0 in update.shape:
        return element
    inside: Any = None
    read = []
    for i, start, extent, n in zip(index, starts, base.shape, update.shape, strict=True):
        place = i - _first(k, start, extent, n)
        test = (place >= 0) & (place < n)
        inside = test if inside is None else inside & test
        read.append(k.minimum(k.maximum(place, 0), n - 1))
    new = update[tuple(read)]
    return new if inside is None else k.where(inside, new, element)


DYNAMIC_UPDATE_SLICE: Op = register(
    Op("dynamic_update_slice", _infer_update, _update, _update_vjp, Indexed(_update_at))
)
"""Base with the update in place of the slice that `dynamic_slice` would read."""


def _starts(who: str, shape: Shape, size: Shape, starts: Any) -> list[Tensor]:
    """One 0-d integer tensor an axis, from a sequence of numbers and tensors or a 1-d tensor.

    Numbers are checked at once; a recorded program checks tensors before it writes anything.
    """
    given = list(starts) if isinstance(starts, Sequence) else _unpacked(who, operand(starts))
    places = [operand(start) for start in given]
    _check(who, shape, [place._node for place in places], size)
    trace = STATE.trace
    for axis, (start, n) in enumerate(zip(given, size, strict=True)):
        if isinstance(start, int):
            _bounds(who, shape, axis, start, n)
        elif trace is not None:
            inside = _inside(cast(operand(start), dtypes.int64), shape[axis], n)
            error = _outside(who, shape, axis, n, "a computed start")
            trace.check(inside._resolve(trace), error)
    return places


def _unpacked(who: str, starts: Tensor) -> list[Tensor]:
    if starts.ndim != 1:
        raise ShapeError(f"{who}: starts has shape {starts.shape}; one number an axis is needed")
    return [getitem(starts, i) for i in range(starts.shape[0])]


def _inside(start: Tensor, extent: int, n: int) -> Tensor:
    first = where(less(start, 0), add(start, extent), start)
    return logical_and(greater_equal(first, 0), less_equal(first, extent - n))


def dynamic_slice(x: Any, starts: Any, sizes: Sequence[int], /) -> Tensor:
    """The block of shape `sizes` of `x` that begins at `starts`.

    starts: one integer an axis, numbers or 0-d tensors, or one 1-d tensor.
    Raises `IndexOutOfRangeError` if the block leaves `x`; `ShapeError` if it is larger than `x`.

    >>> dynamic_slice([1, 2, 3, 4], [operand(2)], (2,))
    Tensor([3, 4], dtype=int64)
    """
    tensor, size = operand(x), as_shape(sizes, "dynamic_slice")
    places = _starts("dynamic_slice", tensor.shape, size, starts)
    return apply(DYNAMIC_SLICE, tensor, *places, size=size)


def dynamic_update_slice(x: Any, update: Any, starts: Any, /) -> Tensor:
    """`x` with the block that begins at `starts` replaced by `update`; `x` itself stays as it is.

    update: with as many axes as x. starts: see `dynamic_slice`.
    Raises `IndexOutOfRangeError` if the block leaves `x`; `ShapeError` if it is larger than `x`.

    >>> dynamic_update_slice([1, 2, 3, 4], [0, 0], [1])
    Tensor([1, 0, 0, 4], dtype=int64)
    """
    base, new = operands(x, update)
    places = _starts("dynamic_update_slice", base.shape, new.shape, starts)
    return apply(DYNAMIC_UPDATE_SLICE, base, new, *places)
