"""Convolutions in which every channel has a kernel of its own, with the channels innermost.

Nothing is summed over channels, so vectors of them are multiplied by vectors of weights, tap by
tap: loops as any other, which fuse with their neighbours.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from neurona.compiler.lower.prepare import COPY, op
from neurona.core.lowering import Convolution, Indexed
from neurona.core.node import Node
from neurona.core.op import Array, Op, Shape, Spec
from neurona.graph.passes import make
from neurona.ops.convolution import CONV, CONV_INPUT_GRADIENT

CHANNELS = "channels last"


def is_depthwise(node: Node, w: Node) -> bool:
    return bool(1 < node.attrs["groups"] == w.shape[0] and w.shape[1] == 1)


def depthwise(node: Node, lower: Convolution, first: Node, second: Node) -> Node:
    """The convolution, or its gradient for the input, with the channels innermost."""
    w = make(op("reshape"), second, shape=(second.shape[0], math.prod(second.shape[2:])))
    taps = make(COPY, make(op("permute_dims"), w, axes=(1, 0)))
    attrs = {name: node.attrs[name] for name in ("strides", "padding", "dilation")}
    attrs["kernel"] = tuple(second.shape[2:])
    if lower.by == "y":
        return make(DEPTHWISE, first, taps, **attrs)
    beyond = [
        (d * (k - 1) - low, d * (k - 1) - high)
        for d, k, (low, high) in zip(
            attrs["dilation"], attrs["kernel"], attrs["padding"], strict=True
        )
    ]
    if set(attrs["strides"]) == {1} and min(map(min, beyond)) >= 0:
        # The way back is a convolution too, with the taps in the opposite order.
        turned = make(COPY, make(op("flip"), taps, axis=(0,)))
        return make(DEPTHWISE, first, turned, **dict(attrs, padding=tuple(beyond)))
    return make(DEPTHWISE_INPUT, first, taps, spatial=node.attrs["spatial"], **attrs)


def _taps(kernel: Shape) -> Iterator[tuple[int, Shape]]:
    return enumerate(itertools.product(*map(range, kernel)))


def _sum_at(k: Any, x: Any, places: Iterator[tuple[Any, list[Any], list[Any]]]) -> Any:
    """The sum of x at each place times a weight, where all tests of the place hold."""
    total = None
    for weight, place, tests in places:
        read = [
            k.minimum(k.maximum(i, 0), n - 1) for i, n in zip(place, x.shape[1:-1], strict=True)
        ]
        value = x[weight[0], *read, weight[1]]
        inside = None
        for test in tests:
            inside = test if inside is None else inside & test
        term = (
            value if inside is None else k.where(inside, value, k.constant(0, x.dtype))
        ) * weight[2]
        total = term if total is None else total + term
    return total


def _at(
    k: Any, index: Any, x: Any, w: Any, *, kernel: Shape, strides: Any, padding: Any, dilation: Any
) -> Any:
    sample, *places, channel = index

    def met() -> Iterator[Any]:
        for number, tap in _taps(kernel):
            where, tests = [], []
            for o, i, s, (low, high), d, n in zip(
                places, tap, strides, padding, dilation, x.shape[1:-1], strict=True
            ):
                place = o * s + (i * d - low)
                tests += [place >= 0] if i * d < low else []
                tests += [place < n] if high else []
                where.append(place)
            yield (sample, channel, w[number, channel]), where, tests

    return _sum_at(k, x, met())


def _input_at(
    k: Any,
    index: Any,
    g: Any,
    w: Any,
    *,
    spatial: Shape,
    kernel: Shape,
    strides: Any,
    padding: Any,
    dilation: Any,
) -> Any:
    sample, *places, channel = index

    def met() -> Iterator[Any]:
        for number, tap in _taps(kernel):
            where, tests = [], []
            for p, i, s, (low, _), d, n in zip(
                places, tap, strides, padding, dilation, g.shape[1:-1], strict=True
            ):
                place = p + (low - i * d)
                tests.append(place >= 0)
                if s > 1:
                    tests.append(place % s == 0)
                    place = place // s
                tests.append(place < n)
                where.append(place)
            yield (sample, channel, w[number, channel]), where, tests

    return _sum_at(k, g, met())


def _whole(w: Array, kernel: Shape) -> Array:
    return np.ascontiguousarray(w.T).reshape(w.shape[1], 1, *kernel)


def _attrs(w: Array, attrs: dict[str, Any]) -> dict[str, Any]:
    return dict(attrs, groups=w.shape[1], layout=CHANNELS)


def _infer(x: Node, w: Node, *, kernel: Shape, **attrs: Any) -> Spec:
    extents = zip(x.shape[1:-1], kernel, *attrs.values(), strict=True)
    out = [(n + a + b - d * (k - 1) - 1) // s + 1 for n, k, s, (a, b), d in extents]
    return Spec((x.shape[0], *out, x.shape[-1]), x.dtype)


DEPTHWISE = Op(
    "depthwise",
    _infer,
    lambda x, w, *, kernel, **attrs: CONV.evaluate(x, _whole(w, kernel), **_attrs(w, attrs)),
    lower=Indexed(_at),
)
"""The convolution of (batch, *spatial, channels) with (taps, channels)."""
DEPTHWISE_INPUT = Op(
    "depthwise_input",
    lambda g, w, *, spatial, **_: Spec((g.shape[0], *spatial, g.shape[-1]), g.dtype),
    lambda g, w, *, kernel, **attrs: CONV_INPUT_GRADIENT.evaluate(
        g, _whole(w, kernel), **_attrs(w, attrs)
    ),
    lower=Indexed(_input_at),
)
"""What reaches (batch, *spatial, channels) from the cotangent g of its `DEPTHWISE`."""
