"""Records of the ops that cut, pad, turn round, join and overwrite regions."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurona.core.apply import apply
from neurona.core.dtypes import DType
from neurona.core.errors import ArgumentError, DTypeError, IndexOutOfRangeError, ShapeError
from neurona.core.tensor import Tensor
from neurona.ops import dynamic, index, join, shape
from tests.ops.elementwise import anything
from tests.ops.record import ALL, Array, Failure, OpRecord, Sample, tensor
from tests.ops.records.shape import moved, moves
from tests.ops.samples import Rng, strided

Shape = tuple[int, ...]


def _zeros(*extents: int) -> Tensor:
    return tensor(np.zeros(extents))


def _stepped(start: Shape, place: Shape, step: Shape) -> Shape:
    return tuple(a + i * by for a, i, by in zip(start, place, step, strict=True))


def _keys(start: Shape, size: Shape, step: Shape) -> tuple[slice, ...]:
    bounds = zip(start, size, step, strict=True)
    return tuple(slice(a, a + n * by, by) for a, n, by in bounds)


# --- slice and update_slice ---


def _bounds(start: Shape, size: Shape, step: Shape) -> dict[str, Any]:
    return {"start": start, "size": size, "step": step}


def _slice(x: Array, *, start: Shape, size: Shape, step: Shape) -> Array:
    return moved(size, lambda place: _stepped(start, place, step), x)


SLICE = OpRecord(
    "slice",
    ALL,
    moves(
        ((5, 4), _bounds((1, 0), (3, 4), (1, 1))),
        ((7, 4), _bounds((1, 1), (3, 2), (2, 2))),
        ((3, 4), _bounds((2, 4), (1, 0), (1, 1))),
        ((1, 6), _bounds((0, 5), (1, 1), (1, 3))),
        ((), _bounds((), (), ())),
        ((0, 3), _bounds((0, 0), (0, 2), (1, 2))),
    ),
    _slice,
    gradient=2,
    torch=lambda torch, x, **bounds: x[_keys(**bounds)],
    failures=(
        Failure(
            lambda: apply(shape.SLICE, _zeros(3, 4), **_bounds((1, 0), (3, 4), (1, 1))),
            ShapeError,
            "slice: start 1, size 3, step 1 leave axis 0 of shape (3, 4)",
        ),
        Failure(
            lambda: apply(shape.SLICE, _zeros(4), **_bounds((0,), (2,), (-1,))),
            ShapeError,
            "step -1 leave axis 0",
        ),
    ),
)


def _updates(rng: Rng, dtype: DType) -> list[Sample]:
    cases: list[tuple[Shape, Shape, Shape, Shape]] = [
        ((5, 4), (3, 4), (1, 0), (1, 1)),
        ((7, 4), (3, 2), (1, 1), (2, 2)),
        ((3,), (3,), (0,), (1,)),
        ((3, 4), (1, 0), (2, 1), (1, 1)),
        ((), (), (), ()),
        ((0, 3), (0, 2), (0, 1), (1, 1)),
    ]
    samples = [
        Sample(
            (anything(rng, whole, dtype), anything(rng, part, dtype)),
            {"start": start, "step": step},
        )
        for whole, part, start, step in cases
    ]
    first = samples[1]
    return [*samples, Sample(tuple(map(strided, first.inputs)), first.attrs)]


def _update_slice(base: Array, update: Array, *, start: Shape, step: Shape) -> Array:
    result = base.copy()
    for place in np.ndindex(*update.shape):
        result[_stepped(start, place, step)] = update[place]
    return result


def _torch_update(torch: Any, base: Any, update: Any, *, start: Shape, step: Shape) -> Any:
    result = base.clone()
    result[_keys(start, tuple(update.shape), step)] = update
    return result


UPDATE_SLICE = OpRecord(
    "update_slice",
    ALL,
    _updates,
    _update_slice,
    gradient=2,
    torch=_torch_update,
    failures=(
        Failure(
            lambda: apply(index.UPDATE_SLICE, _zeros(3), _zeros(3), start=(1,), step=(1,)),
            ShapeError,
            "update_slice: an update of shape (3,) from (1,) in steps (1,) leaves shape (3,)",
        ),
        Failure(
            lambda: apply(
                index.UPDATE_SLICE,
                _zeros(3),
                tensor(np.zeros(2, np.float32)),
                start=(1,),
                step=(1,),
            ),
            DTypeError,
            "update_slice: operands are float64 and float32",
        ),
    ),
)


# --- dynamic slices ---


def _from_end(starts: tuple[Array, ...], extents: Shape) -> Shape:
    return tuple(
        int(start) + extent if start < 0 else int(start)
        for start, extent in zip(starts, extents, strict=True)
    )


def _starts(*numbers: int, kind: Any = np.int64) -> tuple[Array, ...]:
    return tuple(np.asarray(number, kind) for number in numbers)


def _dynamic_slices(rng: Rng, dtype: DType) -> list[Sample]:
    cases: list[tuple[Shape, tuple[Array, ...], Shape]] = [
        ((5, 4), _starts(1, 0), (3, 4)),
        ((5, 4), _starts(-4, 2, kind=np.int32), (2, 2)),
        ((2, 6, 3), _starts(0, 5, 1, kind=np.uint8), (2, 1, 2)),
        ((3, 4), _starts(3, -1), (0, 1)),
        ((), (), ()),
    ]
    return [
        Sample((strided(anything(rng, whole, dtype)), *starts), {"size": size})
        for whole, starts, size in cases
    ]


DYNAMIC_SLICE = OpRecord(
    "dynamic_slice",
    ALL,
    _dynamic_slices,
    lambda x, *starts, size: moved(
        size,
        lambda place: tuple(a + i for a, i in zip(_from_end(starts, x.shape), place, strict=True)),
        x,
    ),
    gradient=2,
    differentiable=(0,),
    failures=(
        Failure(
            lambda: dynamic.dynamic_slice(_zeros(5), [3], (3,)),
            IndexOutOfRangeError,
            "dynamic_slice: 3 elements from 3 leave axis 0 of shape (5,); the start must be at "
            "most 2",
        ),
        Failure(
            lambda: dynamic.dynamic_slice(_zeros(5), [-6], (1,)),
            IndexOutOfRangeError,
            "1 elements from -6 leave axis 0",
        ),
        Failure(
            lambda: dynamic.dynamic_slice(_zeros(5), [0], (6,)),
            ShapeError,
            "dynamic_slice: a slice of shape (6,) is larger than shape (5,)",
        ),
        Failure(
            lambda: dynamic.dynamic_slice(_zeros(5), [0.5], (1,)),
            DTypeError,
            "dynamic_slice: a start is a 0-d integer, not float32",
        ),
    ),
)


def _dynamic_updates(rng: Rng, dtype: DType) -> list[Sample]:
    return [
        Sample((sample.inputs[0], anything(rng, sample.attrs["size"], dtype), *sample.inputs[1:]))
        for sample in _dynamic_slices(rng, dtype)
    ]


DYNAMIC_UPDATE_SLICE = OpRecord(
    "dynamic_update_slice",
    ALL,
    _dynamic_updates,
    lambda base, update, *starts: _update_slice(
        base, update, start=_from_end(starts, base.shape), step=(1,) * base.ndim
    ),
    gradient=2,
    differentiable=(0, 1),
    failures=(
        Failure(
            lambda: dynamic.dynamic_update_slice(_zeros(5), _zeros(3), [3]),
            IndexOutOfRangeError,
            "dynamic_update_slice: 3 elements from 3 leave axis 0 of shape (5,)",
        ),
        Failure(
            lambda: dynamic.dynamic_update_slice(_zeros(2, 5), _zeros(2, 5), [0]),
            ShapeError,
            "dynamic_update_slice: 1 starts and 2 sizes for shape (2, 5)",
        ),
    ),
)

# --- pad ---


def _widths(low: Shape, high: Shape, interior: Shape, value: Any = 0) -> dict[str, Any]:
    return {"low": low, "high": high, "interior": interior, "value": value}


def _pad(x: Array, *, low: Shape, high: Shape, interior: Shape, value: Any) -> Array:
    extents = tuple(
        a + n + max(n - 1, 0) * gap + b
        for n, a, b, gap in zip(x.shape, low, high, interior, strict=True)
    )

    def source(place: Shape) -> Shape | None:
        found = []
        for i, n, a, gap in zip(place, x.shape, low, interior, strict=True):
            whole, rest = divmod(i - a, gap + 1)
            if rest or not 0 <= whole < n:
                return None
            found.append(whole)
        return tuple(found)

    return moved(extents, source, x, value)


PAD = OpRecord(
    "pad",
    ALL,
    moves(
        ((3, 4), _widths((1, 0), (2, 1), (0, 0))),
        ((3, 2), _widths((0, 1), (1, 0), (2, 1), value=1)),
        ((1, 1), _widths((0, 0), (0, 0), (3, 3))),
        ((0, 2), _widths((1, 1), (1, 0), (1, 0), value=1)),
        ((), _widths((), (), ())),
        ((5,), _widths((0,), (0,), (0,))),
    ),
    _pad,
    gradient=2,
    failures=(
        Failure(lambda: shape.pad(np.zeros(3), ((-1, 2),)), ShapeError, "pad: negative width"),
        Failure(
            lambda: shape.pad(np.zeros((2, 3)), ((1, 2),)),
            ShapeError,
            "pad: width ((1, 2),) does not fit shape (2, 3); one (low, high) an axis",
        ),
        Failure(
            lambda: shape.pad(np.zeros(3, np.int64), 1, value=0.5),
            ArgumentError,
            "pad: value 0.5 does not fit int64",
        ),
    ),
)

# --- flip and concat ---

FLIP = OpRecord(
    "flip",
    ALL,
    moves(
        ((3, 4), {"axis": (0,)}),
        ((3, 4), {"axis": (0, 1)}),
        ((2, 3, 4), {"axis": (0, 2)}),
        ((1, 5), {"axis": (1,)}),
        ((2, 0), {"axis": (0, 1)}),
    ),
    lambda x, *, axis: moved(
        x.shape,
        lambda place: tuple(x.shape[a] - 1 - i if a in axis else i for a, i in enumerate(place)),
        x,
    ),
    gradient=2,
    torch=lambda torch, x, *, axis: torch.flip(x, axis),
    failures=(
        Failure(
            lambda: shape.flip(np.zeros(3), axis=1), ShapeError, "flip: axis 1 is out of range"
        ),
    ),
)


def _parts(rng: Rng, dtype: DType) -> list[Sample]:
    cases: list[tuple[tuple[Shape, ...], int]] = [
        (((3, 4), (3, 4)), 0),
        (((3, 4), (3, 1), (3, 2)), 1),
        (((2, 0, 3), (2, 5, 3), (2, 1, 3)), 1),
        (((1,), (0,), (4,)), 0),
        (((0,), (0,)), 0),
        (((0, 2), (0, 3)), 1),
    ]
    samples = [
        Sample(tuple(anything(rng, extents, dtype) for extents in group), {"axis": axis})
        for group, axis in cases
    ]
    return [*samples, Sample(tuple(map(strided, samples[1].inputs)), samples[1].attrs)]


def _concat(*xs: Array, axis: int) -> Array:
    pieces = [x.take([i], axis) for x in xs for i in range(x.shape[axis])]
    extents = list(xs[0].shape)
    extents[axis] = len(pieces)
    result = np.zeros(extents, xs[0].dtype)
    for i, piece in enumerate(pieces):
        result[(slice(None),) * axis + (slice(i, i + 1),)] = piece
    return result


CONCAT = OpRecord(
    "concat",
    ALL,
    _parts,
    _concat,
    gradient=2,
    torch=lambda torch, *xs, axis: torch.cat(xs, axis),
    failures=(
        Failure(
            lambda: join.concat([np.zeros((2, 3)), np.zeros((2, 4))], axis=0),
            ShapeError,
            "concat: shapes (2, 3) and (2, 4) must be equal except on axis 0",
        ),
        Failure(
            lambda: join.concat([np.zeros((2, 3)), np.zeros(3)], axis=0),
            ShapeError,
            "concat: shapes (2, 3) and (3,)",
        ),
        Failure(lambda: join.concat([]), ArgumentError, "concat: at least one tensor is needed"),
        Failure(lambda: join.concat([np.float64(1), np.float64(2)]), ShapeError, "0-d tensors"),
    ),
)
