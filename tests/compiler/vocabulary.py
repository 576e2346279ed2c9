"""What the steps of random graphs do: functions of the package, and a few made of them here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from neurona.autodiff.branches import cond
from neurona.autodiff.loops import fori_loop
from neurona.core import dtypes
from neurona.core.tensor import Tensor
from neurona.ops import (
    arithmetic,
    bitwise,
    broadcast,
    compare,
    create,
    cumulative,
    dynamic,
    gather,
    index,
    join,
    matmul,
    reduce,
    shape,
    softmax,
    sort,
    transcendental,
)
from neurona.ops.operand import cast, operand
from neurona.ops.random import random_bits

MODULES = (
    arithmetic, bitwise, broadcast, compare, create, cumulative, gather, join, matmul, reduce,
    shape, softmax, sort, transcendental,
)  # fmt: skip


def do(name: str, values: list[Any], options: dict[str, Any]) -> Tensor:
    """The result of a step: one of the functions below, or the op function of that name."""
    own = OWN.get(name)
    if own is not None:
        return own(*values, **options)
    for module in MODULES:
        function = getattr(module, name, None)
        if function is not None and function.__module__ == module.__name__:
            result: Tensor = function(*values, **options)
            return result
    raise KeyError(name)


def _astype(x: Any, *, dtype: str) -> Tensor:
    return cast(operand(x), dtypes.as_dtype(dtype))


def _number(x: Any, *, function: str, number: float, swap: bool) -> Tensor:
    pair = (number, x) if swap else (x, number)
    return do(function, list(pair), {})


def _getitem(x: Any, *, key: Any) -> Tensor:
    return index.getitem(operand(x), key)


def _setitem(x: Any, value: Any, *, key: Any) -> Tensor:
    return index.setitem(operand(x), key, value)


def _joined(*xs: Any, function: str, axis: int) -> Tensor:
    return do(function, [list(xs)], {"axis": axis})


def _taken(x: Any, *, places: Any, axis: int) -> Tensor:
    return gather.take(x, np.asarray(places, np.int64), axis=axis)


def _looked_up(x: Any, indices: Any, *, axis: int) -> Tensor:
    """take at whatever integers there are, brought into range."""
    wide = cast(operand(indices), dtypes.int64)
    return gather.take(x, arithmetic.remainder(wide, x.shape[axis]), axis=axis)


def _scattered(x: Any, *, function: str, places: Any, axis: int) -> Tensor:
    updates = gather.take(x, np.asarray(places, np.int64), axis=axis)
    scatter = gather.scatter_add if function == "add" else gather.scatter_set
    return scatter(x, np.asarray(places, np.int64), updates, axis=axis)


def _along(x: Any, order: Any, *, axis: int) -> Tensor:
    return gather.take_along_axis(x, order, axis=axis)


def _hot(x: Any, *, depth: int, axis: int) -> Tensor:
    wide = arithmetic.remainder(cast(operand(x), dtypes.int64), depth)
    return softmax.one_hot(wide, depth, axis=axis)


def _top(x: Any, *, k: int, axis: int, part: int) -> Tensor:
    return sort.top_k(x, k, axis=axis)[part]


def _normalised(x: Any, *, axis: int) -> Tensor:
    """Layer norm without parameters."""
    middle = x - reduce.mean(x, axis=axis, keepdims=True)
    spread = reduce.mean(middle * middle, axis=axis, keepdims=True)
    return middle / arithmetic.sqrt(spread + 0.25)


def _entropy(x: Any, *, axis: int) -> Tensor:
    p = softmax.softmax(x, axis=axis)
    return -broadcast.sum(p * softmax.log_softmax(x, axis=axis), axis=axis)


def _bits(*, shape: tuple[int, ...], seed: int, dtype: str) -> Tensor:
    key = operand(np.array([seed, 7], np.uint32))
    counter = operand(np.array(seed * 11, np.uint64))
    return random_bits(key, counter, shape, dtypes.as_dtype(dtype))


def _dropped(x: Any, *, seed: int) -> Tensor:
    bits = _bits(shape=x.shape, seed=seed, dtype="uint32")
    return compare.where(compare.less(bits, 2**31), x * 2, 0)


def _repeated(x: Any, *, repeats: int, axis: int) -> Tensor:
    return shape.repeat(x, repeats, axis=axis)


def _chosen(c: Any, x: Any, y: Any, *, function: str, other: str) -> Tensor:
    """One of two functions, of which one closes over y."""
    return cond(c, lambda v: do(function, [v, y], {}), lambda v: do(other, [v], {}), x)


def _looped(x: Any, y: Any, n: Any, *, function: str, fold: str) -> Tensor:
    """A few rounds, as many as an integer says, of something elementwise and a fold."""

    def step(i: Any, carry: Any) -> Tensor:
        middle = do(fold, [carry], {"axis": -1, "keepdims": True})
        return do(function, [carry * 0.5 - middle, y], {}) + cast(i, x.dtype)

    return fori_loop(0, cast(operand(n), dtypes.int64) % 4, step, x)


def _sliced(x: Any, *, starts: Any, sizes: Any) -> Tensor:
    places = [operand(np.asarray(s, np.int64)) for s in starts]
    return dynamic.dynamic_slice(x, places, sizes)


OWN: dict[str, Callable[..., Tensor]] = {
    "astype": _astype, "number": _number, "getitem": _getitem, "setitem": _setitem,
    "joined": _joined, "taken": _taken, "looked_up": _looked_up, "scattered": _scattered,
    "along": _along, "hot": _hot, "top": _top, "normalised": _normalised, "entropy": _entropy,
    "bits": _bits, "dropped": _dropped, "sliced": _sliced, "repeated": _repeated,
    "chosen": _chosen, "looped": _looped,
}  # fmt: skip
