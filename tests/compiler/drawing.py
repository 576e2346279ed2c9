"""How steps of random graphs are drawn, so that they fit the values that are there."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from neurona.core import dtypes
from neurona.core.tensor import Tensor
from neurona.ops import index

if TYPE_CHECKING:
    from tests.compiler.graphs import Builder

Maker = Callable[["Builder"], None]
MAKERS: dict[str, Maker] = {}
"""Each adds a step, or none if nothing fits."""


def maker(function: Maker) -> Maker:
    MAKERS[function.__name__] = function
    return function


def is_float(x: Tensor) -> bool:
    return dtypes.is_float(x.dtype)


def is_number(x: Tensor) -> bool:
    return x.dtype != dtypes.bool_


def has_axes(x: Tensor) -> bool:
    return x.ndim > 0


def broadcasts(a: tuple[int, ...], b: tuple[int, ...], limit: int = 1 << 18) -> bool:
    try:
        return math.prod(np.broadcast_shapes(a, b)) <= limit
    except ValueError:
        return False


UNARY = (
    "exp", "expm1", "log", "log1p", "log2", "log10", "sin", "cos", "tan", "asin", "acos", "atan",
    "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "sigmoid", "erf", "sqrt",
)  # fmt: skip
STEADY = ("negative", "abs", "sign", "floor", "ceil", "trunc", "round", "square")
BINARY = ("add", "add", "subtract", "subtract", "multiply", "multiply", "divide", "maximum",
          "minimum", "floor_divide", "remainder")  # fmt: skip
FLOAT_BINARY = ("pow", "hypot", "atan2", "logaddexp", "copysign", "nextafter")
COMPARE = ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
BITS = ("bitwise_and", "bitwise_or", "bitwise_xor")


@maker
def smooth(b: Builder) -> None:
    x = b.value()
    if x is not None:
        b.add(b.choose(*UNARY), x)


@maker
def steady(b: Builder) -> None:
    x = b.value(is_number)
    if x is not None:
        b.add(b.choose(*STEADY), x)


def _partner(b: Builder, x: int) -> int | None:
    """A value that broadcasts with v`x` and has a common dtype with it."""
    here = b.pool[x]

    def fits(y: Tensor) -> bool:
        mixed = {here.dtype, y.dtype}
        clash = dtypes.uint64 in mixed and any(d in dtypes.SIGNED for d in mixed)
        return broadcasts(here.shape, y.shape) and not clash

    return b.value(fits)


@maker
def binary(b: Builder) -> None:
    x = b.value(is_number)
    y = None if x is None else _partner(b, x)
    if x is not None and y is not None:
        pair = (y, x) if b.flag() else (x, y)
        floats = is_float(b.pool[x]) or is_float(b.pool[y])
        names = BINARY + FLOAT_BINARY if floats and b.integer(0, 2) == 0 else BINARY
        b.add(b.choose(*names), *pair)


@maker
def arithmetic_again(b: Builder) -> None:
    binary(b)


@maker
def with_number(b: Builder) -> None:
    x = b.value(is_number)
    if x is not None:
        name = b.choose("add", "subtract", "multiply", "divide", "maximum", "less", "greater")
        number = b.choose(2, 3, 1) if not is_float(b.pool[x]) else b.choose(2.0, 0.5, -1.25, 3)
        b.add("number", x, function=name, number=number, swap=b.flag())


@maker
def powers(b: Builder) -> None:
    x = b.value(is_number)
    if x is not None:
        b.add("number", x, function="pow", number=b.choose(2, 3), swap=False)


@maker
def comparison(b: Builder) -> None:
    x = b.value()
    y = None if x is None else _partner(b, x)
    if x is not None and y is not None:
        b.add(b.choose(*COMPARE), x, y)


@maker
def questions(b: Builder) -> None:
    x = b.value(is_float)
    if x is not None:
        b.add(b.choose("isnan", "isinf", "isfinite", "signbit"), x)


@maker
def choice(b: Builder) -> None:
    c = b.value(lambda x: x.dtype == dtypes.bool_)
    x = b.value()
    if x is None:
        return
    if c is None:
        if not is_number(b.pool[x]):
            return
        c = b.add("number", x, function="greater", number=0, swap=False)
    y = _partner(b, x)
    if y is not None and broadcasts(b.pool[c].shape, b.pool[x].shape):
        whole = np.broadcast_shapes(b.pool[c].shape, b.pool[x].shape)
        if broadcasts(whole, b.pool[y].shape):
            b.add("where", c, x, y)


@maker
def bits_of(b: Builder) -> None:
    x = b.value(lambda x: not is_float(x))
    if x is None:
        return
    y = b.value(lambda y: y.dtype == b.pool[x].dtype and broadcasts(y.shape, b.pool[x].shape))
    if y is None:
        return
    if b.flag():
        b.add(b.choose(*BITS), x, y)
    elif is_number(b.pool[x]):
        small = b.add("number", b.add("abs", y), function="minimum", number=9, swap=False)
        name = b.choose("bitwise_left_shift", "bitwise_right_shift")
        # The least integer has no absolute value, so a shift may still be negative.
        amount = b.add("number", small, function="maximum", number=0, swap=False)
        b.add(name, x, amount)
    else:
        b.add("bitwise_invert", x)


@maker
def change_dtype(b: Builder) -> None:
    x = b.value()
    if x is not None:
        wanted = b.choose(*dtypes.FLOATS, dtypes.float32, dtypes.int32, dtypes.int64, dtypes.uint8)
        b.add("astype", x, dtype=wanted.name)


# --- views and moves ---


def _reshaped(b: Builder, extents: tuple[int, ...]) -> tuple[int, ...]:
    """Another factorisation of the same number of elements."""
    size = math.prod(extents)
    if size == 0:
        return b.choose(extents, (0,), (*extents, 1))
    divisors = [n for n in range(1, min(size, 400) + 1) if size % n == 0]
    first = b.choose(*divisors)
    rest = size // first
    second = b.choose(*[n for n in divisors if rest % n == 0])
    return b.choose((size,), (first, rest), (first, second, rest // second), (1, first, 1, rest))


def _key(b: Builder, extents: tuple[int, ...]) -> tuple[Any, ...]:
    parts: list[Any] = []
    for n in extents:
        kind = b.integer(0, 5)
        if kind == 0 and n:
            parts.append(b.integer(-n, n - 1))
        elif kind <= 2:
            step = b.choose(1, 2, 3, -1, -2)
            start, stop = b.integer(0, n), b.integer(0, n)
            ends = (max(start, stop), min(start, stop)) if step < 0 else sorted((start, stop))
            parts.append(slice(*ends, step))
        else:
            parts.append(slice(None))
    if b.integer(0, 4) == 0:
        parts.insert(b.integer(0, len(parts)), None)
    return tuple(parts)


@maker
def view(b: Builder) -> None:
    x = b.value(has_axes)
    if x is None:
        return
    here = b.pool[x]
    match b.integer(0, 6):
        case 0:
            order = b.draw_order(here.ndim)
            b.add("permute_dims", x, axes=order)
        case 1:
            b.add("reshape", x, shape=_reshaped(b, here.shape))
        case 2:
            axes = [a for a in range(here.ndim) if b.flag()]
            b.add("flip", x, axis=tuple(axes))
        case 3 | 4:
            b.add("getitem", x, key=_key(b, here.shape))
        case 5:
            b.add("expand_dims", x, axis=b.integer(0, here.ndim))
        case 6:
            wanted = tuple(b.choose(2, 3) if n == 1 else n for n in here.shape)
            lead = b.choose((), (2,))
            if math.prod((*lead, *wanted)) < 1 << 18:
                b.add("broadcast_to", x, shape=(*lead, *wanted))


@maker
def view_again(b: Builder) -> None:
    view(b)


@maker
def join_values(b: Builder) -> None:
    x = b.value(has_axes)
    if x is None:
        return
    here, axis = b.pool[x], b.integer(0, b.pool[x].ndim - 1)

    def fits(y: Tensor) -> bool:
        return y.dtype == here.dtype and y.ndim == here.ndim and all(
            m == n or i == axis for i, (m, n) in enumerate(zip(y.shape, here.shape, strict=True))
        )  # fmt: skip

    parts = [x, b.value(fits) or x, b.value(fits) or x][: b.integer(2, 3)]
    if all(b.pool[p].shape == here.shape for p in parts) and b.flag():
        b.add("joined", *parts, function="stack", axis=b.integer(0, here.ndim))
    else:
        b.add("joined", *parts, function="concat", axis=axis)


@maker
def surround(b: Builder) -> None:
    x = b.value(has_axes)
    if x is None:
        return
    here = b.pool[x]
    match b.integer(0, 4):
        case 0 | 1:
            width = tuple((b.integer(0, 2), b.integer(0, 2)) for _ in here.shape)
            value = 0 if not is_float(here) else b.choose(0, 1.5, math.inf, math.nan)
            b.add("pad", x, width=width, value=value)
        case 2:
            b.add("roll", x, shift=b.integer(-3, 3), axis=b.integer(0, here.ndim - 1))
        case 3:
            if here.size < 2000:
                b.add("repeated", x, repeats=b.integer(0, 3), axis=b.integer(0, here.ndim - 1))
        case 4:
            if here.ndim >= 2:
                b.add(b.choose("tril", "triu"), x, k=b.integer(-1, 1))


@maker
def update(b: Builder) -> None:
    x = b.value(has_axes)
    if x is None:
        return
    key = _key(b, b.pool[x].shape)
    there = index.getitem(b.pool[x], key)
    value = b.value(lambda v: v.dtype == b.pool[x].dtype and _goes_into(v.shape, there.shape))
    if value is not None:
        b.add("setitem", x, value, key=key)


def _goes_into(inner: tuple[int, ...], outer: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(inner, outer) == outer
    except ValueError:
        return False


# --- folds ---


@maker
def fold(b: Builder) -> None:
    x = b.value()
    if x is None:
        return
    here = b.pool[x]
    axis = b.choose(None, *range(here.ndim), *range(here.ndim))
    if axis is None and here.ndim > 1 and b.flag():
        axis = tuple(a for a in range(here.ndim) if b.flag())
    names = ["any", "all", "count_nonzero", "sum"]
    if is_number(here):
        names += ["sum", "mean", "prod", "var", "logsumexp"] + ["max", "min"] * (here.size > 0)
    b.add(b.choose(*names), x, axis=axis, keepdims=b.flag())


@maker
def fold_again(b: Builder) -> None:
    fold(b)


@maker
def chain(b: Builder) -> None:
    x = b.value(lambda x: is_float(x) and has_axes(x) and x.size > 0)
    if x is not None:
        name = b.choose("softmax", "log_softmax", "normalised", "entropy")
        b.add(name, x, axis=b.integer(0, b.pool[x].ndim - 1))


@maker
def product(b: Builder) -> None:
    x = b.value(lambda x: is_number(x) and has_axes(x) and x.size < 1 << 17)
    if x is None:
        return
    here = b.pool[x]

    def fits(y: Tensor) -> bool:
        if y.dtype != here.dtype or not has_axes(y):
            return False
        inner = y.shape[-2] if y.ndim > 1 else y.shape[0]
        size = math.prod(here.shape[:-1]) * y.shape[-1]
        return bool(
            inner == here.shape[-1] and size < 1 << 17 and broadcasts(here.shape[:-2], y.shape[:-2])
        )

    y = b.value(fits)
    if y is None or b.integer(0, 3) == 0:
        if here.ndim < 2 or math.prod(here.shape[:-1]) * here.shape[-2] > 1 << 17:
            return
        y = b.add("matrix_transpose", x)
    b.add("matmul", x, y)


@maker
def product_again(b: Builder) -> None:
    product(b)


# --- places, order, running folds ---


@maker
def look_up(b: Builder) -> None:
    x = b.value(lambda x: has_axes(x) and 0 < x.size < 40_000)
    if x is None:
        return
    here = b.pool[x]
    axis = b.integer(0, here.ndim - 1)
    n = here.shape[axis]
    count = b.integer(0, 4)
    places = [b.integer(-n, n - 1) for _ in range(count)]
    match b.integer(0, 3):
        case 0:
            b.add("taken", x, places=places, axis=axis)
        case 1:
            i = b.value(lambda i: dtypes.is_integer(i.dtype) and i.size < 50)
            if i is not None and here.size * b.pool[i].size < 1 << 17:
                b.add("looked_up", x, i, axis=axis)
        case 2 if is_number(here):
            b.add("scattered", x, function="add", places=places, axis=axis)
        case _:
            b.add("scattered", x, function="set", places=places, axis=axis)


@maker
def order(b: Builder) -> None:
    x = b.value(lambda x: has_axes(x) and is_number(x) and 0 < x.size < 20_000)
    if x is None:
        return
    axis = b.integer(0, b.pool[x].ndim - 1)
    match b.integer(0, 4):
        case 0:
            b.add("sort", x, axis=axis, descending=b.flag())
        case 1:
            places = b.add("argsort", x, axis=axis, descending=b.flag())
            b.add("along", x, places, axis=axis)
        case 2:
            k = b.integer(0, b.pool[x].shape[axis])
            b.add("top", x, k=k, axis=axis, part=b.integer(0, 1))
        case 3:
            b.add(b.choose("argmax", "argmin"), x, axis=axis, keepdims=b.flag())
        case 4:
            b.add(b.choose("argmax", "argmin"), x)


@maker
def running(b: Builder) -> None:
    x = b.value(lambda x: has_axes(x) and is_number(x) and x.size < 5000)
    if x is not None:
        axis = b.integer(0, b.pool[x].ndim - 1)
        b.add(b.choose("cumulative_sum", "cumulative_prod"), x, axis=axis)


@maker
def classes(b: Builder) -> None:
    x = b.value(lambda x: dtypes.is_integer(x.dtype) and x.size < 3000)
    if x is not None:
        b.add("hot", x, depth=b.integer(1, 5), axis=b.integer(0, b.pool[x].ndim))


@maker
def chance(b: Builder) -> None:
    x = b.value()
    seed = b.integer(0, 99)
    if x is not None and is_number(b.pool[x]) and b.flag():
        b.add("dropped", x, seed=seed)
    else:
        b.add("bits", shape=b.choose(*b.known), seed=seed, dtype=b.choose("uint32", "uint64"))


@maker
def window(b: Builder) -> None:
    x = b.value(lambda x: has_axes(x) and x.size > 0)
    if x is not None:
        sizes = tuple(b.integer(1, n) for n in b.pool[x].shape)
        spare = [n - s for n, s in zip(b.pool[x].shape, sizes, strict=True)]
        b.add("sliced", x, starts=tuple(b.integer(0, n) for n in spare), sizes=sizes)
