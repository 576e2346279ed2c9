"""Windows that slide over a tensor: their maximum, its position, their sum, and the transposes.

A window has one entry an axis in each of `window` (elements), `strides` (from one window to the
next), `padding` (a (low, high) pair of places beyond the ends) and `dilation` (from one element of
a window to the next); an axis that is only walked along has 1, 1, (0, 0), 1. Axis by axis there are
⌊(size + low + high − dilation·(window − 1) − 1)/stride⌋ + 1 windows, and element j of window o is
the place o·stride + j·dilation − low. Compiled, the gradients gather: a place asks the windows that
contain it, so that nothing is added up in memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from neurona.core import dtypes
from neurona.core.apply import apply
from neurona.core.dtypes import DType
from neurona.core.errors import DTypeError, ShapeError
from neurona.core.lowering import Indexed
from neurona.core.node import Node
from neurona.core.op import Array, Op, Shape, Spec, register
from neurona.core.tensor import Tensor
from neurona.ops.window_place import (
    Pairs,
    argmax_at,
    least,
    max_at,
    pick_at,
    position_dtype,
    put_at,
    spread_at,
    sum_at,
    windows_along,
)

# --- shapes ---


def _numbers(who: str, x: Node) -> None:
    if x.dtype == dtypes.bool_:
        raise DTypeError(f"{who}: numbers are needed, not bool; cast with `astype`")


def _equal(who: str, name: str, found: Shape, wanted: Shape) -> None:
    if found != wanted:
        raise ShapeError(f"{who}: {name} has shape {found}; these windows make {wanted}")


def _infer_reduced(name: str) -> Callable[..., Spec]:
    def infer(x: Node, **windows: Any) -> Spec:
        _numbers(name, x)
        shape = windows_along(name, x.shape, **windows)
        return Spec(
            shape, position_dtype(windows["window"]) if name == "window_argmax" else x.dtype
        )

    return infer


def _infer_pick(x: Node, position: Node, **windows: Any) -> Spec:
    _equal(
        "window_pick", "position", position.shape, windows_along("window_pick", x.shape, **windows)
    )
    return Spec(position.shape, x.dtype)


def _infer_put(g: Node, position: Node, *, shape: Shape, **windows: Any) -> Spec:
    wanted = windows_along("window_put", tuple(shape), **windows)
    _equal("window_put", "g", g.shape, wanted)
    _equal("window_put", "position", position.shape, wanted)
    return Spec(tuple(shape), g.dtype)


def _infer_spread(g: Node, *, shape: Shape, **windows: Any) -> Spec:
    _equal("window_spread", "g", g.shape, windows_along("window_spread", tuple(shape), **windows))
    return Spec(tuple(shape), g.dtype)


# --- in NumPy: one strided view for each element of the windows ---


def _padded(x: Array, padding: Pairs, fill: Any) -> Array:
    return np.pad(x, padding, constant_values=fill) if any(map(any, padding)) else x


def _views(
    padded: Array, out: Shape, window: Shape, strides: Shape, dilation: Shape
) -> Iterator[Array]:
    """Element j of all windows, for each j in row-major order, as a view."""
    for element in np.ndindex(*window):
        axes = zip(element, dilation, strides, out, strict=True)
        places: list[Any] = [slice(j * d, j * d + (n - 1) * s + 1, s) for j, d, s, n in axes]
        yield padded[(*places, ...)]


def _evaluate_max(
    x: Array, *, window: Shape, strides: Shape, padding: Pairs, dilation: Shape
) -> Array:
    out = windows_along("window_max", x.shape, window, strides, padding, dilation)
    views = _views(_padded(x, padding, least(x.dtype)), out, window, strides, dilation)
    best = next(views)
    for view in views:
        best = np.maximum(best, view)
    return best


def _first_inside(size: int, k: int, stride: int, low: int, dilation: int) -> Array:
    """For each window of an axis its first element that is not padding."""
    starts = low - np.arange(size) * stride
    return np.clip(-(-starts // dilation), 0, k - 1)


def _evaluate_argmax(
    x: Array, *, window: Shape, strides: Shape, padding: Pairs, dilation: Shape
) -> Array:
    out = windows_along("window_argmax", x.shape, window, strides, padding, dilation)
    position = np.zeros(out, position_dtype(window))
    for axis, (n, k, s, pair, d) in enumerate(
        zip(out, window, strides, padding, dilation, strict=True)
    ):
        if pair[0]:
            first = _first_inside(n, k, s, pair[0], d) * math.prod(window[axis + 1 :])
            position += first.astype(position.dtype).reshape(-1, *[1] * (x.ndim - axis - 1))
    lowest = least(x.dtype)
    best = np.full(out, lowest, x.dtype)
    views = _views(_padded(x, padding, lowest), out, window, strides, dilation)
    for j, view in enumerate(views):
        better = (view > best) | np.isnan(view)
        np.copyto(best, view, where=better)
        np.copyto(position, np.asarray(j, position.dtype), where=better)
    return position


def _evaluate_pick(
    x: Array,
    position: Array,
    *,
    window: Shape,
    strides: Shape,
    padding: Pairs,
    dilation: Shape,
) -> Array:
    result = np.zeros(position.shape, x.dtype)
    views = _views(_padded(x, padding, 0), position.shape, window, strides, dilation)
    for j, view in enumerate(views):
        np.copyto(result, view, where=position == j)
    return result


def _wide(dtype: DType) -> DType:
    """Half precision accumulates in float32."""
    return dtypes.float32 if dtypes.is_float(dtype) and dtype.itemsize == 2 else dtype


def _evaluate_sum(
    x: Array, *, window: Shape, strides: Shape, padding: Pairs, dilation: Shape
) -> Array:
    out = windows_along("window_sum", x.shape, window, strides, padding, dilation)
    views = _views(_padded(x, padding, 0), out, window, strides, dilation)
    total = next(views).astype(_wide(x.dtype))
    for view in views:
        total += view
    return total


def _spread(
    terms: Callable[[int], Array],
    g: Array,
    *,
    shape: Shape,
    window: Shape,
    strides: Shape,
    padding: Pairs,
    dilation: Shape,
) -> Array:
    """A tensor of `shape` to which element j of each window has added its `terms(j)`."""
    around = tuple(n + low + high for n, (low, high) in zip(shape, padding, strict=True))
    total = np.zeros(around, _wide(g.dtype))
    for j, view in enumerate(_views(total, g.shape, window, strides, dilation)):
        view += terms(j)
    inside = zip(shape, padding, strict=True)
    kept: list[Any] = [slice(low, low + n) for n, (low, _) in inside]
    return total[(*kept, ...)]


def _evaluate_put(g: Array, position: Array, **windows: Any) -> Array:
    return _spread(lambda j: np.where(position == j, g, np.zeros((), g.dtype)), g, **windows)


def _evaluate_spread(g: Array, **windows: Any) -> Array:
    return _spread(lambda j: g, g, **windows)


# --- the ops ---


def _max_vjp(g: Tensor, out: Tensor, x: Tensor, **windows: Any) -> tuple[Tensor]:
    position = apply(WINDOW_ARGMAX, x, **windows)
    return (apply(WINDOW_PUT, g, position, shape=x.shape, **windows),)


def _pick_vjp(g: Tensor, out: Tensor, x: Tensor, position: Tensor, **windows: Any) -> Any:
    return apply(WINDOW_PUT, g, position, shape=x.shape, **windows), None


def _put_vjp(
    g: Tensor, out: Tensor, x: Tensor, position: Tensor, *, shape: Shape, **windows: Any
) -> Any:
    return apply(WINDOW_PICK, g, position, **windows), None


WINDOW_MAX: Op = register(
    Op("window_max", _infer_reduced("window_max"), _evaluate_max, _max_vjp, Indexed(max_at))
)
"""The maximum of each window, NaN if there is one; padding counts as −∞.

The gradient goes to the place that `window_argmax` names.
"""
WINDOW_ARGMAX: Op = register(
    Op(
        "window_argmax",
        _infer_reduced("window_argmax"),
        _evaluate_argmax,
        lower=Indexed(argmax_at),
    )
)
"""Where in its window, counted row-major, the maximum stands: the first of equals, never padding.

NaN counts as greatest, of several the last.
"""
WINDOW_PICK: Op = register(
    Op("window_pick", _infer_pick, _evaluate_pick, _pick_vjp, Indexed(pick_at))
)
"""The element of each window at its `position`; 0 in the padding."""
WINDOW_PUT: Op = register(Op("window_put", _infer_put, _evaluate_put, _put_vjp, Indexed(put_at)))
"""The transpose of `window_pick`: g added at the positions, in a tensor of `shape`."""
WINDOW_SUM: Op = register(
    Op(
        "window_sum",
        _infer_reduced("window_sum"),
        _evaluate_sum,
        lambda g, out, x, **windows: (apply(WINDOW_SPREAD, g, shape=x.shape, **windows),),
        Indexed(sum_at),
    )
)
"""The sum of each window; padding counts as 0."""
WINDOW_SPREAD: Op = register(
    Op(
        "window_spread",
        _infer_spread,
        _evaluate_spread,
        lambda g, out, x, *, shape, **windows: (apply(WINDOW_SUM, g, **windows),),
        Indexed(spread_at),
    )
)
"""The transpose of `window_sum`: g added at all places of its window, in a tensor of `shape`."""
