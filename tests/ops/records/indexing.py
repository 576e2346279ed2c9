"""Records of reading, adding and writing at places that index tensors name, and of order."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from neurona.core import dtypes
from neurona.core.dtypes import DType
from neurona.core.errors import ArgumentError, DTypeError, IndexOutOfRangeError, ShapeError
from neurona.ops import gather, sort
from tests.ops.elementwise import anything, inf, nan, whole
from tests.ops.record import ALL, NUMBERS, Array, Failure, OpRecord, Sample, Special
from tests.ops.records.linear import as_array
from tests.ops.samples import Rng, exact, ordinary, strided

Shape = tuple[int, ...]
Axes = tuple[int, ...]

# --- take, scatter_add, scatter_set ---

CASES: tuple[tuple[Shape, Shape, Axes, int, Any], ...] = (
    ((5, 3), (4,), (0,), 0, np.int64),
    ((2, 5, 3), (2, 2), (1,), 1, np.int32),
    ((4, 5, 3), (6,), (0, 1), 0, np.int64),
    ((4, 5, 3), (2, 1), (0, 2), 1, np.int8),
    ((2, 3, 4), (3,), (2, 1), 0, np.int64),
    ((7,), (), (0,), 0, np.uint8),
    ((3, 2), (0,), (0,), 0, np.int64),
    ((0, 2), (0,), (0,), 0, np.int64),
    ((2, 0), (3,), (0,), 0, np.int64),
)
"""Shape of the tensor, of the indices, their axes, where they come in the result, their dtype."""


def _taken_shape(extents: Shape, indices: Shape, axes: Axes, position: int) -> Shape:
    rest = [n for axis, n in enumerate(extents) if axis not in axes]
    return (*rest[:position], *indices, *rest[position:])


def _indices(rng: Rng, extents: Shape, shape: Shape, axes: Axes, kind: Any) -> list[Array]:
    """Places of each axis, some of them several times and counted from the end."""
    lowest = [0 if np.dtype(kind) in dtypes.UNSIGNED else -extents[axis] for axis in axes]
    return [
        np.asarray(rng.integers(low, max(extents[axis], low + 1), shape)).astype(kind)
        for axis, low in zip(axes, lowest, strict=True)
    ]


def _takes(rng: Rng, dtype: DType) -> list[Sample]:
    samples = [
        Sample(
            (anything(rng, extents, dtype), *_indices(rng, extents, shape, axes, kind)),
            {"axes": axes, "position": position},
        )
        for extents, shape, axes, position, kind in CASES
    ]
    return [*samples, Sample(tuple(map(strided, samples[2].inputs)), samples[2].attrs)]


def _scatters(rng: Rng, dtype: DType) -> list[Sample]:
    samples = []
    for sample in _takes(rng, dtype):
        base, *indices = sample.inputs
        shape = _taken_shape(base.shape, indices[0].shape, **sample.attrs)
        samples.append(Sample((base, anything(rng, shape, dtype), *indices), sample.attrs))
    return samples


def _places(
    extents: Shape, indices: tuple[Array, ...], axes: Axes, position: int
) -> list[tuple[Shape, Shape]]:
    """For each element of the taken tensor, its index there and its index in the tensor."""
    width = indices[0].ndim
    found = []
    for place in np.ndindex(*_taken_shape(extents, indices[0].shape, axes, position)):
        at = place[position : position + width]
        rest = iter(place[:position] + place[position + width :])
        named = {axis: int(i[at]) % extents[axis] for i, axis in zip(indices, axes, strict=True)}
        source = tuple(named[a] if a in named else next(rest) for a in range(len(extents)))
        found.append((place, source))
    return found


def _take(x: Array, *indices: Array, axes: Axes, position: int) -> Array:
    result = np.zeros(_taken_shape(x.shape, indices[0].shape, axes, position), x.dtype)
    for place, source in _places(x.shape, indices, axes, position):
        result[place] = x[source]
    return result


def added(base: Array, updates: Array, places: list[tuple[Shape, Shape]], size: bool) -> Array:
    """Base with the updates added, exactly; with `size` the sums of the terms' magnitudes."""
    start, more = exact(base), exact(updates)
    terms = {index: [start[index]] for index in np.ndindex(*base.shape)}
    for place, target in places:
        terms[target].append(more[place])
    if size:
        sizes = [math.fsum(abs(float(t)) for t in group) for group in terms.values()]
        return np.array(sizes, np.float64).reshape(base.shape)
    total = math.fsum if dtypes.is_float(base.dtype) else sum
    return as_array([total(group) for group in terms.values()], base.dtype).reshape(base.shape)


def _scatter_set(base: Array, updates: Array, *indices: Array, axes: Axes, position: int) -> Array:
    result = base.copy()
    for place, target in _places(base.shape, indices, axes, position):
        result[target] = updates[place]
    return result


def _torch_take(torch: Any, x: Any, *indices: Any, axes: Axes, position: int) -> Any:
    front = torch.movedim(x, axes, tuple(range(len(axes))))
    found = front[tuple(i.long() for i in indices)]
    width = indices[0].ndim
    return torch.movedim(found, tuple(range(width)), tuple(range(position, position + width)))


def _torch_scatter_add(
    torch: Any, base: Any, updates: Any, *indices: Any, axes: Axes, position: int
) -> Any:
    front = tuple(range(len(axes)))
    width = indices[0].ndim
    moved = torch.movedim(updates, tuple(range(position, position + width)), tuple(range(width)))
    places = tuple(i.long() for i in indices)
    result = torch.movedim(base, axes, front).index_put(places, moved, accumulate=True)
    return torch.movedim(result, front, axes)


_floats = np.zeros((4, 3))
TAKE = OpRecord(
    "take",
    ALL,
    _takes,
    _take,
    gradient=2,
    differentiable=(0,),
    torch=_torch_take,
    failures=(
        Failure(
            lambda: gather.take(_floats, [[0, 1], [4, 2]], axis=0),
            IndexOutOfRangeError,
            "take: index 4 at position (1, 0) is out of range for axis 0 of shape (4, 3) (-4…3)",
        ),
        Failure(lambda: gather.take(_floats, [-5], axis=0), IndexOutOfRangeError, "take: index -5"),
        Failure(
            lambda: gather.take(_floats, [0.5], axis=0),
            DTypeError,
            "take: indices are integers, not float32",
        ),
        Failure(lambda: gather.take(_floats, [0]), ShapeError, "take: axis is needed"),
        Failure(lambda: gather.take(_floats, [0], axis=2), ShapeError, "take: axis 2"),
    ),
)
SCATTER_ADD = OpRecord(
    "scatter_add",
    NUMBERS,
    _scatters,
    lambda base, updates, *indices, **attrs: added(
        base, updates, _places(base.shape, indices, **attrs), False
    ),
    ulps=4,
    scale=lambda base, updates, *indices, **attrs: added(
        base, updates, _places(base.shape, indices, **attrs), True
    ),
    gradient=2,
    differentiable=(0, 1),
    torch=_torch_scatter_add,
    specials=(
        # Half precision adds up in float32.
        *(
            Special(
                (np.array([big], d), np.array([1, 1], d), np.array([0, 0])),
                [big + 2],
                (d,),
                {"axes": (0,), "position": 0},
            )
            for d, big in ((dtypes.float16, 2048.0), (dtypes.bfloat16, 256.0))
        ),
    ),
    failures=(
        Failure(
            lambda: gather.scatter_add(_floats, [4], 1.0),
            IndexOutOfRangeError,
            "scatter_add: index 4 at position (0,) is out of range for axis 0 of shape (4, 3)",
        ),
        Failure(
            lambda: gather.scatter_add(_floats, [0, 1], np.zeros((2, 4))),
            ShapeError,
            "do not broadcast",
        ),
        Failure(
            lambda: gather.scatter_add(np.array([True]), [0], True),
            DTypeError,
            "scatter_add: numbers are needed, not bool",
        ),
    ),
)
SCATTER_SET = OpRecord(
    "scatter_set",
    ALL,
    _scatters,
    _scatter_set,
    gradient=2,
    differentiable=(0, 1),
    failures=(
        Failure(
            lambda: gather.scatter_set(_floats, [-5], 1.0),
            IndexOutOfRangeError,
            "scatter_set: index -5 at position (0,) is out of range for axis 0 of shape (4, 3)",
        ),
        Failure(
            lambda: gather.scatter_set(_floats, [1.0], 1.0),
            DTypeError,
            "scatter_set: indices are integers, not float32",
        ),
    ),
)

# --- along an axis ---


def _alongs(rng: Rng, dtype: DType) -> list[Sample]:
    cases: list[tuple[Shape, int, int, Any]] = [
        ((3, 5), 1, 4, np.int64),
        ((5, 3), 0, 7, np.int32),
        ((2, 4, 3), 1, 1, np.uint8),
        ((3, 5), 1, 0, np.int64),
        ((0, 5), 1, 2, np.int64),
        ((1,), 0, 3, np.int8),
    ]
    samples = []
    for extents, axis, n, kind in cases:
        shape = (*extents[:axis], n, *extents[axis + 1 :])
        (places,) = _indices(rng, extents, shape, (axis,), kind)
        samples.append(Sample((anything(rng, extents, dtype), places), {"axis": axis}))
    return [*samples, Sample(tuple(map(strided, samples[0].inputs)), samples[0].attrs)]


def _adds_along(rng: Rng, dtype: DType) -> list[Sample]:
    return [
        Sample((base, anything(rng, places.shape, dtype), places), sample.attrs)
        for sample in _alongs(rng, dtype)
        for base, places in [sample.inputs]
    ]


def _along(extents: Shape, indices: Array, axis: int) -> list[tuple[Shape, Shape]]:
    return [
        (place, (*place[:axis], int(indices[place]) % extents[axis], *place[axis + 1 :]))
        for place in np.ndindex(*indices.shape)
    ]


def _take_along_axis(x: Array, indices: Array, *, axis: int) -> Array:
    result = np.zeros(indices.shape, x.dtype)
    for place, source in _along(x.shape, indices, axis):
        result[place] = x[source]
    return result


TAKE_ALONG_AXIS = OpRecord(
    "take_along_axis",
    ALL,
    _alongs,
    _take_along_axis,
    gradient=2,
    differentiable=(0,),
    torch=lambda torch, x, i, *, axis: torch.take_along_dim(x, i.long() % x.shape[axis], axis),
    failures=(
        Failure(
            lambda: gather.take_along_axis(_floats, [[0], [1], [2], [3]]),
            IndexOutOfRangeError,
            "take_along_axis: index 3 at position (3, 0) is out of range for axis 1",
        ),
        Failure(lambda: gather.take_along_axis(_floats, [0]), ShapeError, "must have as many axes"),
        Failure(
            lambda: gather.take_along_axis(_floats, np.zeros((3, 1), np.int64)),
            ShapeError,
            "take_along_axis: shapes (4,) and (3,) do not broadcast",
        ),
    ),
)
ADD_ALONG_AXIS = OpRecord(
    "add_along_axis",
    NUMBERS,
    _adds_along,
    lambda base, updates, indices, *, axis: added(
        base, updates, _along(base.shape, indices, axis), False
    ),
    ulps=4,
    scale=lambda base, updates, indices, *, axis: added(
        base, updates, _along(base.shape, indices, axis), True
    ),
    gradient=2,
    differentiable=(0, 1),
    torch=lambda torch, base, updates, i, *, axis: torch.scatter_add(
        base, axis, i.long() % base.shape[axis], updates
    ),
)

# --- order ---


def _unordered(rng: Rng, dtype: DType) -> list[Sample]:
    cases: list[tuple[Shape, int]] = [
        ((4, 9), 1),
        ((9, 4), 0),
        ((2, 5, 3), 1),
        ((1,), 0),
        ((3, 0), 1),
    ]
    samples = [
        Sample((draw(rng, shape, dtype),), {"axis": axis, "descending": descending})
        for draw in (anything, whole(-2, 2))
        for shape, axis in cases
        for descending in (False, True)
    ]
    return [*samples, Sample((strided(samples[0].inputs[0]),), samples[0].attrs)]


def _argsort(x: Array, *, axis: int, descending: bool) -> Array:
    values = np.moveaxis(exact(x), axis, -1)
    result = np.zeros(values.shape, np.int64)
    for line in np.ndindex(*values.shape[:-1]):

        def key(i: int, line: Shape = line) -> tuple[bool, Any]:
            value = values[(*line, i)]
            return (value != value, 0 if value != value else value)

        # Python's sort is stable in reverse order too.
        result[line] = sorted(range(values.shape[-1]), key=key, reverse=descending)
    return np.moveaxis(result, -1, axis)


ARGSORT = OpRecord(
    "argsort",
    ALL,
    _unordered,
    _argsort,
    result=dtypes.int64,
    torch=lambda torch, x, *, axis, descending: torch.argsort(
        x, dim=axis, descending=descending, stable=True
    ),
    specials=(
        Special(
            ([nan, 1, -inf, inf, nan, -0.0, 0.0],),
            [2, 5, 6, 1, 3, 0, 4],
            attrs={"axis": 0, "descending": False},
        ),
        Special(
            ([nan, 1, -inf, inf, nan, -0.0, 0.0],),
            [0, 4, 3, 1, 5, 6, 2],
            attrs={"axis": 0, "descending": True},
        ),
        *(
            Special(
                ([np.iinfo(d).max, np.iinfo(d).min, 1],),
                [0, 2, 1],
                (d,),
                {"axis": 0, "descending": True},
            )
            for d in dtypes.SIGNED
        ),
    ),
    failures=(
        Failure(
            lambda: sort.argsort(np.float64(1)), ShapeError, "argsort: a 0-d tensor has no axis"
        ),
        Failure(lambda: sort.sort(_floats, axis=2), ShapeError, "argsort: axis 2 is out of range"),
        Failure(
            lambda: sort.top_k(_floats, 4),
            ArgumentError,
            "top_k: k is 4, but axis 1 of shape (4, 3)",
        ),
    ),
)


def _sorted_edges(rng: Rng, dtype: DType) -> list[Sample]:
    samples = []
    for n, shape in ((7, (3, 5)), (1, (4,)), (0, (2,)), (5, ()), (5, (0,))):
        for draw in (whole(-3, 3), ordinary):
            edges = np.sort(draw(rng, (n,), dtype).astype(np.float64)).astype(dtype)
            values = draw(rng, shape, dtype)
            samples += [Sample((edges, values), {"side": side}) for side in ("left", "right")]
    return samples


def _searchsorted(edges: Array, values: Array, *, side: str) -> Array:
    ordered, wanted = exact(edges), exact(values)
    result = np.zeros(values.shape, np.int64)
    for place in np.ndindex(*values.shape):
        v = wanted[place]
        result[place] = sum(1 for e in ordered if e < v or (e == v and side == "right"))
    return result


SEARCHSORTED = OpRecord(
    "searchsorted",
    NUMBERS,
    _sorted_edges,
    _searchsorted,
    result=dtypes.int64,
    torch=lambda torch, edges, values, *, side: torch.searchsorted(
        edges, values, right=side == "right"
    ),
    specials=(
        Special(([1, 2, 2, inf], [2, inf, -inf, nan]), [1, 3, 0, 4], attrs={"side": "left"}),
        Special(([1, 2, 2, inf], [2, inf, -inf, nan]), [3, 4, 0, 4], attrs={"side": "right"}),
    ),
    failures=(
        Failure(lambda: sort.searchsorted(_floats, 1.0), ShapeError, "it must have one axis"),
        Failure(
            lambda: sort.searchsorted(np.zeros(3), 1.0, side="middle"),
            ArgumentError,
            "side is 'left' or 'right', not 'middle'",
        ),
    ),
)
