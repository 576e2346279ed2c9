"""What `x[key]` means: a key taken apart into slices, new axes and index tensors.

NumPy's rules ("Indexing on ndarrays"), of which those of the array API standard are a part.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from neurona.core import dtypes
from neurona.core.errors import DTypeError, IndexOutOfRangeError, ShapeError, TraceError
from neurona.core.op import Shape
from neurona.core.tensor import Tensor
from neurona.core.trace import STATE, caller
from neurona.ops.operand import operand


class Entry(NamedTuple):
    """One part of a key.

    kind: "slice" (value: start, step, count), "int", "new", "index" (an integer tensor), "mask"
        (a bool tensor or array). width: how many axes of the tensor it stands for.
    """

    kind: str
    value: Any
    width: int


@dataclass(frozen=True)
class Plan:
    """A key in two stages: slice, flip and reshape; then `take` with index tensors.

    start, size, step: of the slice, on the tensor's own axes; `flipped` ones run backwards.
    shape: after new axes came in and those of integers went. axes, indices, position: of the
    `take` on that shape; no axes if there is nothing to take.
    """

    start: tuple[int, ...]
    size: tuple[int, ...]
    step: tuple[int, ...]
    flipped: tuple[int, ...]
    shape: Shape
    axes: tuple[int, ...]
    indices: tuple[Any, ...]
    position: int


def entries(who: str, shape: Shape, key: Any) -> list[Entry]:
    """The parts of a key, slices filled in for the axes it does not mention."""
    items = list(key) if isinstance(key, tuple) else [key]
    parts = [None if item is Ellipsis else _part(who, item) for item in items]
    if parts.count(None) > 1:
        raise ShapeError(f"{who}: a key has at most one ellipsis (...)")
    used = sum(part.width for part in parts if part is not None)
    if used > len(shape):
        raise ShapeError(f"{who}: the key is for {used} axes, but the shape is {shape}")
    if None not in parts:
        parts.append(None)
    place = parts.index(None)
    rest = [Entry("slice", slice(None), 1)] * (len(shape) - used)
    # An ellipsis that stands for no axis still separates index arrays, as in NumPy.
    separator = [Entry("gap", None, 0)] if not rest and Ellipsis in map(_plain, items) else []
    filled = [part for part in (*parts[:place], *rest, *separator, *parts[place + 1 :]) if part]
    return _bounded(who, shape, filled)


def _plain(item: Any) -> Any:
    return item if item is Ellipsis else None


def _part(who: str, item: Any) -> Entry:
    if item is None:
        return Entry("new", None, 0)
    if isinstance(item, slice):
        return Entry("slice", item, 1)
    if isinstance(item, (bool, np.bool_)):
        return Entry("mask", np.asarray(item), 0)
    if isinstance(item, (int, np.integer)):
        return Entry("int", operator.index(item), 1)
    if isinstance(item, Sequence) and not isinstance(item, str):
        array = np.asarray(item)
        item = array.astype(np.int64) if not array.size else array
    if isinstance(item, (Tensor, np.ndarray)):
        if item.dtype == dtypes.bool_:
            return Entry("mask", item, item.ndim)
        if dtypes.is_integer(dtypes.as_dtype(item.dtype)):
            return Entry("index", operand(item), 1)
    elif hasattr(item, "__index__"):
        return Entry("int", operator.index(item), 1)
    found = f"a {item.dtype} array" if hasattr(item, "dtype") else repr(item)
    raise DTypeError(
        f"{who}: a key has integers, slices, None, an ellipsis and integer or bool arrays, not "
        f"{found}"
    )


def _bounded(who: str, shape: Shape, parts: list[Entry]) -> list[Entry]:
    """The parts with integers and slices resolved against the extents of their axes."""
    axis = 0
    result = []
    for part in parts:
        if part.kind == "int":
            extent = shape[axis]
            if not -extent <= part.value < extent:
                raise IndexOutOfRangeError(
                    f"{who}: index {part.value} is out of range for axis {axis} of shape {shape} "
                    f"({-extent}…{extent - 1})"
                )
            part = Entry("int", part.value % extent, 1)
        elif part.kind == "slice":
            part = Entry("slice", _bounds(who, part.value, shape[axis]), 1)
        elif part.kind == "mask" and part.value.shape != shape[axis : axis + part.width]:
            raise ShapeError(
                f"{who}: a mask of shape {part.value.shape} does not fit the axes from {axis} on "
                f"of shape {shape}; they must be equal"
            )
        axis += part.width
        result.append(part)
    return result


def _bounds(who: str, given: slice, extent: int) -> tuple[int, int, int]:
    for bound in (given.start, given.stop, given.step):
        if isinstance(bound, Tensor) and bound._resolve(None).value is None:
            raise TraceError(
                f"{who}: the bounds of a slice must be known while a function is being compiled; "
                "use dynamic_slice, whose start may be computed"
            )
    if given.step is not None and operator.index(given.step) == 0:
        raise ShapeError(f"{who}: the step of a slice must not be 0")
    steps = range(*given.indices(extent))
    return steps.start, steps.step, len(steps)


def known_places(who: str, mask: Any) -> tuple[np.ndarray[Any, Any], ...]:
    """Where a mask is true. Raises `TraceError` for a tensor while recording."""
    if isinstance(mask, Tensor):
        if STATE.trace is not None:
            line = caller()
            raise TraceError(
                f"{who}{f' at {line[0]}:{line[1]}' if line else ''}: how many elements of a mask "
                "are true is not known while a function is being compiled; use where(mask, x, 0), "
                "or compute the mask outside as a NumPy array"
            )
        mask = mask._concrete(who)
    return np.nonzero(np.atleast_1d(mask))


def plan(who: str, shape: Shape, parts: Sequence[Entry]) -> Plan:
    """The two stages of a key. Masks become index arrays, so their values must be known."""
    start: list[int] = []
    size: list[int] = []
    step: list[int] = []
    flipped: list[int] = []
    kept: list[int] = []
    axes: list[int] = []
    indices: list[Any] = []
    for part in parts:
        axis = len(start)
        if part.kind == "slice":
            first, by, count = part.value
            if by < 0 and count:
                flipped.append(axis)
                first = first + (count - 1) * by
            start.append(first if count else 0)
            size.append(count)
            step.append(abs(by) if count else 1)
            kept.append(count)
        elif part.kind == "int":
            start.append(part.value)
            size.append(1)
            step.append(1)
        elif part.kind == "new":
            kept.append(1)
        elif part.kind in ("index", "mask"):
            start.extend([0] * part.width)
            size.extend(shape[axis : axis + part.width])
            step.extend([1] * part.width)
            found = [part.value] if part.kind == "index" else known_places(who, part.value)
            axes.extend(range(len(kept), len(kept) + len(found)))
            indices.extend(found)
            kept.extend(shape[axis : axis + part.width] or (1,))
    return Plan(
        tuple(start),
        tuple(size),
        tuple(step),
        tuple(flipped),
        tuple(kept),
        tuple(axes),
        tuple(indices),
        _position(parts),
    )


def _position(parts: Sequence[Entry]) -> int:
    """Before which of the other axes the axes of index arrays go.

    Where the arrays (and integers among them) stood if they stood side by side, else to the front.
    """
    if not any(p.kind == "mask" or (p.kind == "index" and p.value.ndim) for p in parts):
        return 0
    places = [i for i, part in enumerate(parts) if part.kind in ("index", "mask", "int")]
    if places[-1] - places[0] + 1 != len(places):
        return 0
    return sum(part.kind in ("slice", "new") for part in parts[: places[0]])
