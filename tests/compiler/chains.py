"""Further steps of random graphs: what networks are made of (see `drawing`)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from neurona.core import dtypes
from neurona.core.tensor import Tensor
from tests.compiler.drawing import broadcasts, has_axes, is_float, maker

if TYPE_CHECKING:
    from tests.compiler.graphs import Builder

ACTIVATIONS = ("tanh", "sigmoid", "exp", "erf", "sin", "abs", "square", "sqrt")


@maker
def layer(b: Builder) -> None:
    """A product, batched or not, either operand maybe transposed, and what is done with it."""
    x = b.value(lambda x: is_float(x) and x.ndim >= 2 and x.size < 1 << 16)
    if x is None:
        return
    if b.integer(0, 3) == 0:
        x = b.add("matrix_transpose", x)
    here = b.pool[x]

    def fits(w: Tensor) -> bool:
        if w.dtype != here.dtype or w.ndim < 2 or here.shape[-1] not in w.shape[-2:]:
            return False
        size = math.prod(here.shape[:-1]) * max(w.shape[-2:]) * math.prod(w.shape[:-2])
        return size < 1 << 16 and broadcasts(here.shape[:-2], w.shape[:-2])

    w = b.value(fits)
    if w is None:
        return
    if b.pool[w].shape[-2] != here.shape[-1] or (
        b.flag() and b.pool[w].shape[-1] == here.shape[-1]
    ):
        w = b.add("matrix_transpose", w)
    y = b.add("matmul", x, w)
    for _ in range(b.integer(0, 4)):
        y = consume(b, y)


def consume(b: Builder, y: int) -> int:
    """Something that a product's kernel may do with it on the spot, or near it."""
    here = b.pool[y]

    def beside(v: Tensor) -> bool:
        return v.dtype == here.dtype and has_axes(v) and broadcasts(v.shape, here.shape, 1 << 16)

    match b.integer(0, 6):
        case 0 | 1:
            other = b.value(beside)
            if other is not None:
                return b.add(b.choose("add", "multiply", "subtract", "maximum"), y, other)
        case 2:
            return b.add(b.choose(*ACTIVATIONS), y)
        case 3:
            return b.add("number", y, function="maximum", number=0.0, swap=False)
        case 4:
            c = b.add("number", y, function="greater", number=0, swap=False)
            other = b.value(beside)
            return b.add("where", c, y, y if other is None else other)
        case 5 if here.ndim and here.size:
            name = b.choose("sum", "mean", "max", "softmax")
            options = {} if name == "softmax" else {"keepdims": True}
            return b.add(name, y, axis=b.integer(0, here.ndim - 1), **options)
        case 6:
            return b.add("number", y, function="multiply", number=b.choose(0.5, -2.0), swap=False)
    return y


@maker
def folds_along_axes(b: Builder) -> None:
    """One fold after the other, along this axis and that, of values that the last ones enter."""
    x = b.value(lambda x: is_float(x) and has_axes(x) and x.size > 0)
    if x is None:
        return
    y, axes = x, list(range(b.pool[x].ndim))
    for _ in range(b.integer(2, 5)):
        axis = b.choose(*axes, tuple(axes))
        name = b.choose("sum", "mean", "max", "min", "sum")
        s = b.add(name, y, axis=axis, keepdims=True)
        first = b.choose(x, y, y)
        y = b.add(b.choose("subtract", "add", "multiply", "minimum"), first, s)
        if b.integer(0, 2) == 0:
            y = b.add(b.choose("tanh", "abs", "sigmoid"), y)


@maker
def control(b: Builder) -> None:
    """A choice by what is known only when the program runs, or a loop that no gradient passes."""
    x = b.value(lambda x: is_float(x) and has_axes(x) and x.size < 5000)
    if x is None:
        return
    here = b.pool[x]
    y = b.value(lambda y: y.dtype == here.dtype and within(y.shape, here.shape))
    if y is None or (whole := b.value(lambda n: not is_float(n) and n.shape == ())) is None:
        which = b.choose(*range(len(b.pool)))
        whole = b.add("count_nonzero", which)
    if b.flag() or b.differentiate:
        c = b.add("astype", whole, dtype="bool")
        other = b.choose("tanh", "negative", "square", "exp")
        b.add(
            "chosen", c, x, x if y is None else y, function=b.choose("add", "multiply"), other=other
        )
    else:
        fold = b.choose("mean", "max", "sum") if here.size else "sum"
        function = b.choose("add", "minimum", "subtract")
        b.add("looped", x, x if y is None else y, whole, function=function, fold=fold)


def within(inner: tuple[int, ...], outer: tuple[int, ...]) -> bool:
    return broadcasts(inner, outer) and np.broadcast_shapes(inner, outer) == outer


@maker
def mixed_dtypes(b: Builder) -> None:
    """The same value in several precisions, brought together again."""
    x = b.value(lambda x: is_float(x) and x.size < 1 << 16)
    if x is not None:
        kinds = [b.choose(*dtypes.FLOATS) for _ in range(2)]
        one, other = (b.add("astype", x, dtype=kind.name) for kind in kinds)
        b.add(b.choose("add", "multiply", "subtract"), one, other)
