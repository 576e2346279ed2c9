"""Convolution, pooling and attention in eager mode: large ones are run by the compiler's kernels.

A kernel is compiled when shapes are first met, a tenth of a second that the disk remembers, and is
several times as fast. Which of the two computes follows from the shapes met so far and never
changes for a shape, so equal calls give equal bits.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from neurona.core.apply import apply, apply_many
from neurona.core.op import Array, Op
from neurona.core.slots import kernels
from neurona.core.trace import nested, set_grad_enabled
from neurona.ops.attention import ATTENTION, ATTENTION_GRADIENT
from neurona.ops.convolution import CONV, CONV_INPUT_GRADIENT, CONV_WEIGHT_GRADIENT
from neurona.ops.window import WINDOW_ARGMAX, WINDOW_MAX, WINDOW_PUT, WINDOW_SPREAD, WINDOW_SUM

LEAST_TIME = 5e5
"""Nanoseconds in NumPy from which on a kernel is worth its compilation."""
MOST_SHAPES = 8
"""Shapes for which an op with certain attributes is compiled; later ones run in NumPy."""
PRODUCT, ELEMENT, PLACE, SCORE = 0.02, 1.0, 2.0, 5.0
"""Nanoseconds of NumPy for a product in BLAS, a copied element, an element of a window, a power."""


def convolution_time(op: Op, first: Array, second: Array, **attrs: Any) -> float:
    """About how long NumPy takes for its columns and the products with them."""
    if op is CONV_WEIGHT_GRADIENT:
        taps, out = math.prod(attrs["kernel"]), second.shape[1]
    else:
        taps, out = math.prod(second.shape[2:]), second.shape[0]
    if op is CONV_INPUT_GRADIENT:
        columns = first.size / max(out, 1) * second.shape[1] * attrs["groups"] * taps
    else:
        columns = first.size / math.prod(attrs["strides"]) * taps
    return float(columns * (ELEMENT + PRODUCT * out / attrs["groups"]))


def window_time(op: Op, first: Array, *_: Array, **attrs: Any) -> float:
    """About how long NumPy takes for a view of each element of the windows."""
    places = first.size * math.prod(attrs["window"])
    share = 1 if op in (WINDOW_PUT, WINDOW_SPREAD) else math.prod(attrs["strides"])
    return float(PLACE * places / share)


def attention_time(op: Op, *inputs: Array, **attrs: Any) -> float:
    """About how long NumPy takes for the scores, their powers and the products with them."""
    q, k, v = inputs[:3] if op is ATTENTION else inputs[3:6]
    products = (1 if op is ATTENTION else 2.5) * (q.shape[3] + v.shape[3])
    return float(math.prod(q.shape[:3]) * k.shape[1] * (SCORE + PRODUCT * products))


TIMES: dict[Op, Callable[..., float]] = {
    **dict.fromkeys((CONV, CONV_INPUT_GRADIENT, CONV_WEIGHT_GRADIENT), convolution_time),
    **dict.fromkeys(
        (WINDOW_MAX, WINDOW_ARGMAX, WINDOW_PUT, WINDOW_SUM, WINDOW_SPREAD), window_time
    ),
    **dict.fromkeys((ATTENTION, ATTENTION_GRADIENT), attention_time),
}


class Kernel:
    """One op with its attributes, as a compiled function."""

    def __init__(self, op: Op, attrs: tuple[tuple[str, Any], ...]) -> None:
        from neurona.compiler import compile  # heavy, and seldom wanted

        # Attention has two results.
        made: Callable[..., Any] = apply_many if op is ATTENTION else apply
        self.run = compile(lambda *inputs: made(op, *inputs, **dict(attrs)))
        self.shapes: set[Any] = set()

    def takes(self, *inputs: Array) -> bool:
        """Whether these shapes are among those it is compiled for."""
        shapes = tuple([x.shape for x in inputs])
        if shapes not in self.shapes and len(self.shapes) < MOST_SHAPES:
            self.shapes.add(shapes)
        return shapes in self.shapes


_kernel = functools.lru_cache(maxsize=None)(Kernel)


def evaluated(op: Op, *inputs: Array, **attrs: Any) -> Any:
    """What `op.evaluate` gives, by a compiled kernel where that pays."""
    if inputs[0].dtype != np.float32 or TIMES[op](op, *inputs, **attrs) < LEAST_TIME:
        return op.evaluate(*inputs, **attrs)
    kernel = _kernel(op, tuple(attrs.items()))
    if not kernel.takes(*inputs):
        return op.evaluate(*inputs, **attrs)
    with nested(), set_grad_enabled(False):
        found = kernel.run(*inputs)
    return tuple(x.numpy() for x in found) if op is ATTENTION else found.numpy()


for _op in TIMES:
    kernels[_op.name] = functools.partial(evaluated, _op)
