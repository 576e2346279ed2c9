"""Where elements lie: permuting, slicing, flipping, padding, repeating.

The primitives are views (`permute_dims`, `slice`, `flip`) and `pad`, the transpose of `slice`;
everything else is a function over them, `reshape` and `broadcast_to`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from neurona.core.apply import apply
from neurona.core.dtypes import is_float
from neurona.core.errors import ArgumentError, ShapeError
from neurona.core.lowering import Indexed, View
from neurona.core.node import Node
from neurona.core.op import Op, Shape, Spec, register
from neurona.core.slots import operators, provide
from neurona.core.tensor import Tensor
from neurona.ops.broadcast import broadcast_to, reshape
from neurona.ops.matmul import PERMUTE_DIMS
from neurona.ops.operand import (
    Axis,
    as_shape,
    broadcast_shapes,
    normalize_axes,
    normalize_axis,
    operand,
    renew,
)

Extents = tuple[int, ...]

# --- slice and pad, each other's transposes ---


def _infer_slice(x: Node, *, start: Extents, size: Extents, step: Extents) -> Spec:
    for axis, (extent, first, count, stride) in enumerate(
        zip(x.shape, start, size, step, strict=True)
    ):
        last = first + (count - 1) * stride if count else first - 1
        if first < 0 or count < 0 or stride < 1 or first > extent or last >= extent:
            raise ShapeError(
                f"slice: start {first}, size {count}, step {stride} leave axis {axis} "
                f"of shape {x.shape}"
            )
    return Spec(tuple(size), x.dtype)


def _slice(x: Any, *, start: Extents, size: Extents, step: Extents) -> Any:
    bounds = zip(start, size, step, strict=True)
    return x[tuple(slice(first, first + count * by, by) for first, count, by in bounds)]


def _slice_vjp(
    g: Tensor, out: Tensor, x: Tensor, *, start: Extents, size: Extents, step: Extents
) -> tuple[Tensor]:
    bounds = list(zip(x.shape, start, size, step, strict=True))
    high = tuple(n - first - _dilated(count, by - 1) for n, first, count, by in bounds)
    interior = tuple(by - 1 for by in step)
    return (apply(PAD, g, low=start, high=high, interior=interior, value=0),)


SLICE: Op = register(
    Op(
        "slice",
        _infer_slice,
        _slice,
        _slice_vjp,
        View(
            lambda k, index, in_shape, *, start, size, step: tuple(
                first + i * by for i, first, by in zip(index, start, step, strict=True)
            )
        ),
    )
)
"""`size[i]` elements of axis i from `start[i]` on, every `step[i]`-th; `step` is positive."""


def slice_axis(x: Tensor, axis: int, start: int, size: int) -> Tensor:
    """`size` elements of one axis from `start` on."""
    if size == x.shape[axis]:
        return x
    starts = tuple(start if i == axis else 0 for i in range(x.ndim))
    sizes = tuple(size if i == axis else extent for i, extent in enumerate(x.shape))
    return apply(SLICE, x, start=starts, size=sizes, step=(1,) * x.ndim)


def _dilated(extent: int, interior: int) -> int:
    return extent + (extent - 1) * interior if extent else 0


def _infer_pad(
    x: Node, *, low: Extents, high: Extents, interior: Extents, value: bool | int | float
) -> Spec:
    if any(width < 0 for width in (*low, *high, *interior)):
        raise ShapeError(f"pad: negative width in low {low}, high {high}, interior {interior}")
    widths = zip(x.shape, low, high, interior, strict=True)
    return Spec(tuple(a + _dilated(n, gap) + b for n, a, b, gap in widths), x.dtype)


def _pad(x: Any, *, low: Extents, high: Extents, interior: Extents, value: Any) -> Any:
    widths = list(zip(x.shape, low, high, interior, strict=True))
    shape = tuple(a + _dilated(n, gap) + b for n, a, b, gap in widths)
    out = np.full(shape, value, x.dtype)
    out[tuple(slice(a, a + _dilated(n, gap), gap + 1) for n, a, _, gap in widths)] = x
    return out


def _pad_vjp(g: Tensor, out: Tensor, x: Tensor, **widths: Any) -> tuple[Tensor]:
    step = tuple(gap + 1 for gap in widths["interior"])
    return (apply(SLICE, g, start=widths["low"], size=x.shape, step=step),)


def _pad_at(
    k: Any,
    index: tuple[Any, ...],
    x: Any,
    *,
    low: Extents,
    high: Extents,
    interior: Extents,
    value: Any,
) -> Any:
    outside = k.constant(value, x.dtype)
    if 0 in x.shape:
        return outside
    inside: Any = None
    read = []
    for i, n, before, after, gap in zip(index, x.shape, low, high, interior, strict=True):
        place = i - before if before else i
        tests = []
        if before:
            tests.append(place >= 0)
            place = k.maximum(place, 0)
        if gap:
            tests.append(place % (gap + 1) == 0)
            place = place // (gap + 1)
        if after:
            tests.append(place < n)
            place = k.minimum(place, n - 1)
        read.append(place)
        for test in tests:
            inside = test if inside is None else inside & test
    element = x[tuple(read)]
    return element if inside is None else k.where(inside, element, outside)


PAD: Op = register(Op("pad", _infer_pad, _pad, _pad_vjp, Indexed(_pad_at)))
"""`value` before (`low`), after (`high`) and between (`interior`) the elements of each axis."""


def pad(x: Any, /, width: Any, *, value: bool | int | float = 0) -> Tensor:
    """`x` with `value` around it.

    width: elements to add on either side: an int for all sides, or one (low, high) for each axis.
    Raises `ShapeError` for negative widths and a wrong number of pairs.

    >>> pad([1, 2], ((1, 2),), value=9)
    Tensor([9, 1, 2, 9, 9], dtype=int64)
    """
    tensor = operand(x)
    pairs = [(width, width)] * tensor.ndim if isinstance(width, int) else list(width)
    if len(pairs) != tensor.ndim or any(len(pair) != 2 for pair in pairs):
        raise ShapeError(
            f"pad: width {width} does not fit shape {tensor.shape}; one (low, high) an axis"
        )
    if isinstance(value, float) and not is_float(tensor.dtype):
        raise ArgumentError(f"pad: value {value} does not fit {tensor.dtype}; cast with `astype`")
    low = tuple(operator.index(pair[0]) for pair in pairs)
    high = tuple(operator.index(pair[1]) for pair in pairs)
    if not any((*low, *high)):
        return renew(tensor)
    return apply(PAD, tensor, low=low, high=high, interior=(0,) * tensor.ndim, value=value)


def shifted(x: Tensor, axis: int, by: int, fill: int) -> Tensor:
    """`x` moved by `by` places along `axis`; what comes in at the end is `fill`."""
    extent = x.shape[axis]
    kept = max(extent - abs(by), 0)
    rest = slice_axis(x, axis, 0 if by > 0 else extent - kept, kept)
    low = tuple(extent - kept if i == axis and by > 0 else 0 for i in range(x.ndim))
    high = tuple(extent - kept if i == axis and by < 0 else 0 for i in range(x.ndim))
    return apply(PAD, rest, low=low, high=high, interior=(0,) * x.ndim, value=fill)


# --- flip ---


def _flip_index(
    k: Any, index: tuple[Any, ...], in_shape: Shape, *, axis: tuple[int, ...]
) -> tuple[Any, ...]:
    return tuple(in_shape[a] - 1 - i if a in axis else i for a, i in enumerate(index))


FLIP: Op = register(
    Op(
        "flip",
        infer=lambda x, *, axis: x.spec,
        evaluate=lambda x, *, axis: np.flip(x, axis),
        vjp=lambda g, out, x, *, axis: (apply(FLIP, g, axis=axis),),
        lower=View(_flip_index),
    )
)


def flip(x: Any, /, *, axis: Axis = None) -> Tensor:
    """The order of the elements along `axis` (all axes by default) reversed."""
    tensor = operand(x)
    axes = normalize_axes(axis, tensor.ndim, "flip")
    return apply(FLIP, tensor, axis=axes) if axes else renew(tensor)


# --- functions over the primitives ---


@provide
def permute_dims(x: Any, /, axes: Sequence[int]) -> Tensor:
    """The axes in the order `axes`. Raises `ShapeError` unless each is named once.

    >>> permute_dims(operand(np.zeros((2, 3, 4))), (2, 0, 1)).shape
    (4, 2, 3)
    """
    tensor = operand(x)
    order = tuple(normalize_axis(axis, tensor.ndim, "permute_dims") for axis in axes)
    if sorted(order) != list(range(tensor.ndim)):
        raise ShapeError(
            f"permute_dims: axes {tuple(axes)} must name each axis of shape {tensor.shape} once"
        )
    return apply(PERMUTE_DIMS, tensor, axes=order)


def expand_dims(x: Any, /, axis: int = 0) -> Tensor:
    """A new axis of extent 1 at position `axis` of the result."""
    tensor = operand(x)
    place = normalize_axis(axis, tensor.ndim + 1, "expand_dims")
    return reshape(tensor, (*tensor.shape[:place], 1, *tensor.shape[place:]))


def squeeze(x: Any, /, axis: Axis) -> Tensor:
    """The axes `axis`, which must have extent 1, dropped. Raises `ShapeError` otherwise."""
    tensor = operand(x)
    axes = normalize_axes(axis, tensor.ndim, "squeeze")
    if any(tensor.shape[a] != 1 for a in axes):
        raise ShapeError(f"squeeze: axes {axes} of shape {tensor.shape} are not all of extent 1")
    return reshape(tensor, tuple(n for i, n in enumerate(tensor.shape) if i not in axes))


def moveaxis(x: Any, source: Axis, destination: Axis, /) -> Tensor:
    """The axes `source` put at the places `destination`, the others keeping their order."""
    tensor = operand(x)
    pairs = []
    for given in (source, destination):
        listed = tuple(given) if isinstance(given, Sequence) else (given,)
        places = [normalize_axis(operator.index(a), tensor.ndim, "moveaxis") for a in listed]  # type: ignore[arg-type]
        if len(set(places)) != len(places):
            raise ShapeError(f"moveaxis: {listed} names an axis twice")
        pairs.append(places)
    if len(pairs[0]) != len(pairs[1]):
        raise ShapeError(f"moveaxis: {len(pairs[0])} axes for {len(pairs[1])} places")
    order = [a for a in range(tensor.ndim) if a not in pairs[0]]
    for place, axis in sorted(zip(pairs[1], pairs[0], strict=True)):
        order.insert(place, axis)
    return permute_dims(tensor, order)


def broadcast_arrays(*arrays: Any) -> list[Tensor]:
    """All tensors broadcast to their common shape. Raises `ShapeError` if there is none."""
    tensors = [operand(x) for x in arrays]
    if not tensors:
        return []
    shape = broadcast_shapes("broadcast_arrays", *[x.shape for x in tensors])
    return [broadcast_to(x, shape) for x in tensors]


def roll(x: Any, /, shift: int | Sequence[int], *, axis: Axis = None) -> Tensor:
    """Elements moved by `shift` places along `axis`; those pushed out come in at the other end.

    shift: one number, or one for each axis. axis: by default the tensor is rolled flattened.

    >>> roll([1, 2, 3, 4], 1)
    Tensor([4, 1, 2, 3], dtype=int64)
    """
    tensor = operand(x)
    if axis is None:
        if not isinstance(shift, int):
            raise ArgumentError("roll: several shifts need one axis each")
        return reshape(roll(reshape(tensor, (-1,)), shift, axis=0), tensor.shape)
    axes = tuple(axis) if isinstance(axis, Sequence) else (axis,)
    shifts = tuple(shift) if isinstance(shift, Sequence) else (shift,) * len(axes)
    if len(shifts) != len(axes):
        raise ArgumentError(f"roll: {len(shifts)} shifts for {len(axes)} axes")
    result = renew(tensor)
    for by, place in zip(shifts, axes, strict=True):
        along = normalize_axis(place, tensor.ndim, "roll")
        extent = tensor.shape[along]
        cut = -by % extent if extent else 0
        if cut:
            parts = (
                slice_axis(result, along, cut, extent - cut),
                slice_axis(result, along, 0, cut),
            )
            result = operators.concat(parts, axis=along)
    return result


def repeat(x: Any, repeats: Any, /, *, axis: int | None = None) -> Tensor:
    """Each element (along `axis`, by default of the flattened tensor) `repeats` times.

    repeats: an int, or a 1-d integer tensor with a count for each element, whose values must be
    known: under a trace that raises `TraceError`.

    >>> repeat([1, 2], [2, 1])
    Tensor([1, 1, 2], dtype=int64)
    """
    tensor = operand(x)
    if axis is None:
        return repeat(reshape(tensor, (-1,)), repeats, axis=0)
    along = normalize_axis(axis, tensor.ndim, "repeat")
    extent = tensor.shape[along]
    if not isinstance(repeats, int):
        counts = operand(repeats)
        if is_float(counts.dtype) or counts.shape not in ((), (1,), (extent,)):
            raise ShapeError(
                f"repeat: repeats is {counts.dtype} {counts.shape}; "
                f"an int or {extent} integers are needed"
            )
        times = np.broadcast_to(counts._concrete("repeat"), (extent,))
        if (times < 0).any():
            raise ArgumentError(f"repeat: repeats must not be negative, found {times.min()}")
        places = operand(np.repeat(np.arange(extent), times))
        result: Tensor = operators.take(tensor, places, axis=along)
        return result
    if repeats < 0:
        raise ArgumentError(f"repeat: repeats must not be negative, found {repeats}")
    before, after = tensor.shape[: along + 1], tensor.shape[along + 1 :]
    wide = broadcast_to(reshape(tensor, (*before, 1, *after)), (*before, repeats, *after))
    return reshape(wide, (*before[:-1], extent * repeats, *after))


def tile(x: Any, repetitions: Sequence[int], /) -> Tensor:
    """The whole tensor laid out `repetitions[i]` times along axis i, counted from the last axis.

    >>> tile([1, 2], (2, 2))
    Tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]], dtype=int64)
    """
    tensor = operand(x)
    times = as_shape(repetitions, "tile")
    ndim = max(len(times), tensor.ndim)
    times = (1,) * (ndim - len(times)) + times
    shape = (1,) * (ndim - tensor.ndim) + tensor.shape
    split = tuple(n for extent in shape for n in (1, extent))
    wide = tuple(n for pair in zip(times, shape, strict=True) for n in pair)
    whole = tuple(math.prod(pair) for pair in zip(times, shape, strict=True))
    return reshape(broadcast_to(reshape(tensor, split), wide), whole)
