"""Order along an axis: argsort, sort, top_k, searchsorted.

Sorting is stable: equal elements keep their order, in descending order too. NaN counts as
larger than all numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neurona.core import dtypes
from neurona.core.apply import apply
from neurona.core.errors import ArgumentError, DTypeError, ShapeError
from neurona.core.lowering import Indexed, Sort
from neurona.core.node import Node
from neurona.core.op import Array, Op, Spec, register
from neurona.core.slots import provide
from neurona.core.tensor import Tensor
from neurona.ops.gather import take, take_along_axis
from neurona.ops.operand import normalize_axis, operand, operands, require_same_dtype
from neurona.ops.shape import slice_axis


def _comparable(x: Array) -> Array:
    """bfloat16 as float32, which holds it exactly and has NumPy's fast sorts."""
    return x.astype(np.float32) if x.dtype == dtypes.bfloat16 else x


def _argsort(x: Array, *, axis: int, descending: bool) -> Array:
    keys = _comparable(x)
    if not descending:
        return np.argsort(keys, axis, kind="stable")
    backwards = np.argsort(np.flip(keys, axis), axis, kind="stable")
    return np.flip(x.shape[axis] - 1 - backwards, axis)


ARGSORT = register(
    Op(
        "argsort",
        infer=lambda x, *, axis, descending: Spec(x.shape, dtypes.int64),
        evaluate=_argsort,
        lower=Sort(),
    )
)


def argsort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The indices that sort `x` along `axis`, int64. The order is stable, whatever `stable` says.

    >>> argsort([3.0, 1.0, 3.0], descending=True)
    Tensor([0, 2, 1], dtype=int64)
    """
    tensor = operand(x)
    if not tensor.ndim:
        raise ShapeError("argsort: a 0-d tensor has no axis to sort along")
    along = normalize_axis(axis, tensor.ndim, "argsort")
    return apply(ARGSORT, tensor, axis=along, descending=bool(descending))


def sort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """`x` sorted along `axis`; the gradient goes back to where each element came from.

    >>> sort([3, 1, 2])
    Tensor([1, 2, 3], dtype=int64)
    """
    tensor = operand(x)
    order = argsort(tensor, axis=axis, descending=descending, stable=stable)
    return take_along_axis(tensor, order, axis=axis)


@provide
def top_k(x: Any, k: int, /, *, axis: int = -1) -> tuple[Tensor, Tensor]:
    """The `k` largest elements along `axis` in descending order, and their indices (int64).

    Of equal elements the first comes first. Raises `ArgumentError` unless 0 ≤ k ≤ the extent.

    >>> [part.tolist() for part in top_k([3, 9, 5], 2)]
    [[9, 5], [1, 2]]
    """
    tensor = operand(x)
    along = normalize_axis(axis, tensor.ndim, "top_k")
    order = argsort(tensor, axis=along, descending=True)
    if not 0 <= k <= tensor.shape[along]:
        raise ArgumentError(
            f"top_k: k is {k}, but axis {along} of shape {tensor.shape} has "
            f"{tensor.shape[along]} elements"
        )
    indices = slice_axis(order, along, 0, k)
    return take_along_axis(tensor, indices, axis=along), indices


def _infer_search(edges: Node, values: Node, *, side: str) -> Spec:
    require_same_dtype("searchsorted", edges, values)
    return Spec(values.shape, dtypes.int64)


def _search_at(k: Any, index: tuple[Any, ...], edges: Any, values: Any, *, side: str) -> Any:
    """Halving: each step is the next lower power of two, taken if it stays before the value."""
    value, n = values[index], edges.shape[0]
    found = k.constant(0, dtypes.int64)
    for power in reversed(range(n.bit_length())):
        there = found + (1 << power)
        edge = edges[(k.minimum(there, n) - 1,)]
        before = edge < value if side == "left" else edge <= value
        if dtypes.is_float(edges.dtype):
            # NaN stands after all numbers.
            last = value != value
            before = before | (last & (edge == edge) if side == "left" else last)
        found = k.where(before & (there <= n), there, found)
    return found


SEARCHSORTED = register(
    Op(
        "searchsorted",
        _infer_search,
        lambda edges, values, *, side: np.searchsorted(
            _comparable(edges), _comparable(values), side
        ),
        lower=Indexed(_search_at),
    )
)


def searchsorted(x1: Any, x2: Any, /, *, side: str = "left", sorter: Any = None) -> Tensor:
    """Where the elements of `x2` would have to stand for `x1` to stay sorted, int64.

    x1: 1-d, ascending, or made so by the indices `sorter`. side: "left": before equal elements,
    x1[i−1] < v ≤ x1[i]; "right": after them, x1[i−1] ≤ v < x1[i].

    >>> searchsorted([1.0, 2.0, 2.0], [2.0, 0.5])
    Tensor([1, 0], dtype=int64)
    """
    if side not in ("left", "right"):
        raise ArgumentError(f"searchsorted: side is 'left' or 'right', not {side!r}")
    edges, values = operands(x1, x2)
    if edges.ndim != 1:
        raise ShapeError(f"searchsorted: x1 has shape {edges.shape}; it must have one axis")
    if edges.dtype == dtypes.bool_:
        raise DTypeError("searchsorted: numbers are needed, not bool")
    if sorter is not None:
        edges = take(edges, sorter, axis=0)
    return apply(SEARCHSORTED, edges, values, side=side)
