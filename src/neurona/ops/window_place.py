"""Where windows lie, and what one element of an op on windows is (`lower` of those in `window`).

A place asks the windows that contain it, so that the transposes add nothing up in memory.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from neurona.core import dtypes
from neurona.core.dtypes import DType
from neurona.core.errors import ShapeError
from neurona.core.op import Shape

Pairs = tuple[tuple[int, int], ...]
WALKED = (1, 1, (0, 0), 1)
"""Window, stride, padding and dilation of an axis that is only walked along."""


def output_extent(size: int, window: int, stride: int, pad: tuple[int, int], dilation: int) -> int:
    """How many windows lie along an axis; below 1 if none fits."""
    if (window, stride, pad, dilation) == WALKED:
        return size
    return (size + pad[0] + pad[1] - dilation * (window - 1) - 1) // stride + 1


def position_dtype(window: Shape) -> DType:
    """The dtype of a position within a window: a byte if it suffices."""
    return dtypes.uint8 if math.prod(window) <= 256 else dtypes.int32


def least(dtype: DType) -> Any:
    """What padding counts as for a maximum."""
    return -math.inf if dtypes.is_float(dtype) else np.iinfo(dtype).min


def windows_along(
    who: str, shape: Shape, window: Shape, strides: Shape, padding: Pairs, dilation: Shape
) -> Shape:
    """How many windows there are along each axis. Raises `ShapeError`."""
    ndim = len(shape)
    if any(len(given) != ndim for given in (window, strides, padding, dilation)):
        raise ShapeError(
            f"{who}: x {shape} needs one entry an axis in window {window}, strides {strides}, "
            f"padding {padding} and dilation {dilation}"
        )
    if min((*window, *strides, *dilation), default=1) < 1 or any(min(pair) < 0 for pair in padding):
        raise ShapeError(
            f"{who}: window {window}, strides {strides} and dilation {dilation} must be at least "
            f"1, padding {padding} at least 0"
        )
    found = []
    for axis, parts in enumerate(zip(shape, window, strides, padding, dilation, strict=True)):
        size, k, stride, (low, high), step = parts
        extent = output_extent(*parts)
        if extent < 1 and parts[1:] != WALKED:
            raise ShapeError(
                f"{who}: a window of {k} does not fit axis {axis} of x {shape}: "
                f"⌊({size} + {low} + {high} − {step}·({k} − 1) − 1)/{stride}⌋ + 1 = {extent}; "
                "use a smaller window or more padding"
            )
        found.append(extent)
    return tuple(found)


Place = tuple[Any, Any]
"""An index, always in range, and whether it is meant (None: it always is)."""


def _inside(k: Any, place: Any, extent: int, below: bool, above: bool) -> Place:
    test = None
    if below:
        test = place >= 0
        place = k.maximum(place, 0)
    if above:
        over = place < extent
        test = over if test is None else test & over
        place = k.minimum(place, extent - 1)
    return place, test


def _elements(
    k: Any,
    index: Any,
    size: int,
    count: int,
    window: int,
    stride: int,
    pad: tuple[int, int],
    dilation: int,
) -> list[Place]:
    """Where the elements of one window lie along an axis."""
    if (window, stride, pad, dilation) == WALKED:
        return [(index, None)]
    last = (count - 1) * stride - pad[0]
    start = index * stride - pad[0]
    steps = [j * dilation for j in range(window)]
    return [
        _inside(k, start + by, size, by < pad[0], pad[1] > 0 and not last + by < size)
        for by in steps
    ]


def _all(tests: Any) -> Any:
    """All tests that are not None; None if there is none."""
    result = None
    for test in tests:
        if test is not None:
            result = test if result is None else result & test
    return result


def _reads(k: Any, index: Any, x: Any, out: Shape, windows: Any) -> Iterator[tuple[Any, Any]]:
    """Each element of the window at `index` and whether it is inside, in row-major order."""
    axes = [
        _elements(k, i, size, count, *parts)
        for i, size, count, *parts in zip(index, x.shape, out, *windows, strict=True)
    ]
    for places in itertools.product(*axes):
        yield x[tuple(place for place, _ in places)], _all(test for _, test in places)


def _parts(
    window: Shape, strides: Shape, padding: Pairs, dilation: Shape
) -> tuple[Shape, Shape, Pairs, Shape]:
    return window, strides, padding, dilation


def _greatest(k: Any, index: Any, x: Any, **attrs: Any) -> tuple[Any, Any]:
    """The maximum of the window at `index` and its position.

    Neighbours are compared first, then the winners, so that few comparisons wait for each other.
    """
    windows = _parts(**attrs)
    kind, floating = position_dtype(windows[0]), dtypes.is_float(x.dtype)
    lowest = k.constant(least(x.dtype), x.dtype)
    out = windows_along("window_max", x.shape, *windows)
    left: list[tuple[Any, Any]] = []
    for j, (element, inside) in enumerate(_reads(k, index, x, out, windows)):
        value = element if inside is None else k.where(inside, element, lowest)
        left.append((value, k.constant(j, kind)))
    while len(left) > 1:
        winners: list[tuple[Any, Any]] = []
        for (a, i), (b, j) in zip(left[::2], left[1::2], strict=False):
            better = (b > a) | k.call("isnan", b) if floating else b > a
            winners.append((k.where(better, b, a), k.where(better, j, i)))
        left = winners + left[len(left) & ~1 :]
    best, position = left[0]
    if any(low for low, _ in windows[2]):
        # Nothing is greater than the padding: the first element is meant that is not padding.
        position = k.where(best == lowest, _first_position(k, index, windows), position)
    return best, position


def _first_position(k: Any, index: Any, windows: Any) -> Any:
    """The first element of the window at `index` that is not padding."""
    window = windows[0]
    kind = position_dtype(window)
    total = k.constant(0, kind)
    for axis, (i, n, stride, pad, dilation) in enumerate(zip(index, *windows, strict=True)):
        if pad[0]:
            first = (pad[0] + dilation - 1 - i * stride) // dilation
            place = k.minimum(k.maximum(first, 0), n - 1) * math.prod(window[axis + 1 :])
            total = total + k.cast(place, kind)
    return total


def max_at(k: Any, index: Any, x: Any, **windows: Any) -> Any:
    if 0 in x.shape:
        return k.constant(0, x.dtype)
    return _greatest(k, index, x, **windows)[0]


def argmax_at(k: Any, index: Any, x: Any, **windows: Any) -> Any:
    if 0 in x.shape:
        return k.constant(0, position_dtype(windows["window"]))
    return _greatest(k, index, x, **windows)[1]


def pick_at(k: Any, index: Any, x: Any, position: Any, **attrs: Any) -> Any:
    zero = k.constant(0, x.dtype)
    if 0 in x.shape:
        return zero
    found, result = position[index], zero
    for j, (element, inside) in enumerate(_reads(k, index, x, position.shape, _parts(**attrs))):
        here = _all([found == k.constant(j, position.dtype), inside])
        result = k.where(here, element, result)
    return result


def sum_at(k: Any, index: Any, x: Any, **attrs: Any) -> Any:
    zero = k.constant(0, x.dtype)
    if 0 in x.shape:
        return zero
    windows = _parts(**attrs)
    total = None
    for element, inside in _reads(
        k, index, x, windows_along("window_sum", x.shape, *windows), windows
    ):
        term = element if inside is None else k.where(inside, element, zero)
        total = term if total is None else total + term
    return total


def _containing(
    k: Any,
    index: Any,
    size: int,
    count: int,
    window: int,
    stride: int,
    pad: tuple[int, int],
    dilation: int,
) -> list[tuple[Any, Any, Any]]:
    """The windows of an axis that may contain a place: index, element and whether it does."""
    if (window, stride, pad, dilation) == WALKED:
        return [(index, 0, None)]
    place = index + pad[0]
    found = []
    if dilation == 1:
        nearest, element = place // stride, place % stride
        for t in range(-(-window // stride)):
            above = t * stride <= size - 1 + pad[0] - stride * count
            j = element + t * stride
            o, test = _inside(k, nearest - t, count, t > 0, above)
            if stride - 1 + t * stride >= window:
                test = _all([test, j < window])
            found.append((o, j, test))
        return found
    for j in range(window):
        start = place - j * dilation
        above = size - 1 + pad[0] - j * dilation >= stride * count
        o, test = _inside(k, start // stride, count, j * dilation > pad[0], above)
        if stride > 1:
            test = _all([test, start % stride == 0])
        found.append((o, j, test))
    return found


def _gather(k: Any, index: Any, g: Any, position: Any, shape: Shape, windows: Any) -> Any:
    """The sum of g over the windows that contain the place (at `position`, if that is given)."""
    zero = k.constant(0, g.dtype)
    if 0 in g.shape:
        return zero
    window = windows[0]
    axes = [
        _containing(k, i, size, count, *parts)
        for i, size, count, *parts in zip(index, shape, g.shape, *windows, strict=True)
    ]
    total = None
    for places in itertools.product(*axes):
        at = tuple(o for o, _, _ in places)
        test = _all(test for _, _, test in places)
        if position is not None:
            element: Any = 0
            for axis, (_, j, _) in enumerate(places):
                element = element + j * math.prod(window[axis + 1 :])
            chosen = k.cast(element, position.dtype)
            test = _all([position[at] == chosen, test])
        term = g[at] if test is None else k.where(test, g[at], zero)
        total = term if total is None else total + term
    return total


def put_at(k: Any, index: Any, g: Any, position: Any, *, shape: Shape, **windows: Any) -> Any:
    return _gather(k, index, g, position, shape, _parts(**windows))


def spread_at(k: Any, index: Any, g: Any, *, shape: Shape, **windows: Any) -> Any:
    return _gather(k, index, g, None, shape, _parts(**windows))
