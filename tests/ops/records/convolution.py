"""Records of convolution and its two gradients."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from neurona.core import dtypes
from neurona.core.apply import apply
from neurona.core.errors import ArgumentError, DTypeError, ShapeError
from neurona.ops.convolution import CONV, CONV_INPUT_GRADIENT, CONV_WEIGHT_GRADIENT
from neurona.ops.operand import operand
from tests.ops.record import FLOATS, Array, Failure, OpRecord, Sample
from tests.ops.samples import Rng, ordinary, strided

Shape = tuple[int, ...]
ORDERS = {
    "channels first": lambda n: range(n),
    "channels last": lambda n: (0, *range(2, n), 1),
    "batch last": lambda n: (1, *range(2, n), 0),
}
"""The axes of (batch, channels, *spatial) as each layout has them."""


def attributes(
    axes: int,
    strides: Any = 1,
    padding: Any = (0, 0),
    dilation: Any = 1,
    groups: int = 1,
    layout: str = "channels first",
) -> dict[str, Any]:
    """The attributes of a convolution; one number or pair serves all axes."""
    return {
        "strides": (strides,) * axes if isinstance(strides, int) else strides,
        "padding": (padding,) * axes if isinstance(padding[0], int) else padding,
        "dilation": (dilation,) * axes if isinstance(dilation, int) else dilation,
        "groups": groups,
        "layout": layout,
    }


Case = tuple[Shape, Shape, dict[str, Any]]
CASES: tuple[Case, ...] = (
    # x and weights, channels first
    ((2, 3, 7), (4, 3, 3), attributes(1)),
    ((1, 4, 8), (2, 2, 3), attributes(1, 2, (1, 2), 2, 2)),
    ((2, 3, 6, 5), (4, 3, 3, 2), attributes(2, (1, 2), ((1, 1), (0, 2)))),
    ((2, 3, 6, 5), (4, 3, 3, 2), attributes(2, 2, (2, 1), layout="channels last")),
    ((3, 2, 5, 6), (2, 2, 3, 3), attributes(2, 1, (1, 1), layout="batch last")),
    ((2, 4, 5, 5), (4, 1, 3, 3), attributes(2, 1, (1, 1), 1, 4, "channels last")),
    ((1, 4, 9, 9), (6, 2, 2, 3), attributes(2, 3, (0, 1), (4, 2), 2, "batch last")),
    ((2, 5, 3, 3), (7, 5, 1, 1), attributes(2)),
    ((1, 2, 4, 3, 4), (3, 2, 2, 2, 3), attributes(3, (1, 2, 1), ((0, 1), (1, 0), (1, 1)))),
    ((1, 1, 1, 1), (1, 1, 1, 1), attributes(2)),
    ((0, 2, 4, 4), (3, 2, 3, 3), attributes(2)),
    ((2, 0, 4, 4), (3, 0, 3, 3), attributes(2)),
    ((2, 2, 4, 4), (0, 2, 3, 3), attributes(2)),
)
SMALL: tuple[Case, ...] = (
    ((1, 2, 4), (2, 1, 2), attributes(1, 2, (1, 0), 2, 2)),
    ((2, 1, 3, 2), (1, 1, 2, 2), attributes(2, 1, (0, 1), layout="batch last")),
    ((1, 1, 3, 3), (2, 1, 2, 2), attributes(2, 2, layout="channels last")),
    ((0, 1, 2), (1, 1, 2), attributes(1)),
)


def arranged(x: Array, layout: str) -> Array:
    """(batch, channels, *spatial) in the axes of `layout`."""
    return np.ascontiguousarray(x.transpose(tuple(ORDERS[layout](x.ndim))))


def first(x: Array, layout: str) -> Array:
    """What `arranged` was made of."""
    return x.transpose(tuple(np.argsort(tuple(ORDERS[layout](x.ndim)))))


def outputs(x: Shape, w: Shape, attrs: dict[str, Any]) -> Shape:
    """(batch, out_channels, *spatial): how often the kernel fits, counted."""
    out = []
    for n, k, s, (low, high), d in zip(
        x[2:], w[2:], attrs["strides"], attrs["padding"], attrs["dilation"], strict=True
    ):
        out.append(
            len([p for p in range(0, n + low + high, s) if p + d * (k - 1) < n + low + high])
        )
    return (x[0], w[0], *out)


def terms(x: Shape, w: Shape, attrs: dict[str, Any]) -> Iterator[tuple[Shape, Shape, Shape]]:
    """The places in x, w and y of every product of the trilinear form."""
    y, groups = outputs(x, w, attrs), attrs["groups"]
    geometry = list(
        zip(
            x[2:],
            attrs["strides"],
            [low for low, _ in attrs["padding"]],
            attrs["dilation"],
            strict=True,
        )
    )
    for b, o, *p in np.ndindex(*y):
        group = o // (w[0] // groups)
        for c, *k in np.ndindex(*w[1:]):
            at = [p[i] * s + k[i] * d - low for i, (_, s, low, d) in enumerate(geometry)]
            if all(0 <= a < n for a, (n, *_) in zip(at, geometry, strict=True)):
                yield (b, group * w[1] + c, *at), (o, c, *k), (b, o, *p)


def summed(which: int, x: Array, w: Array, y: Array, attrs: dict[str, Any], size: bool) -> Array:
    """The derivative of the form by one of its three operands, exactly; or Σ|terms|."""
    operands = (x, w, y)
    found: dict[Shape, Any] = {}
    numbers = [a.astype(np.float64) for a in operands]
    for places in terms(x.shape, w.shape, attrs):
        one, other = [float(numbers[i][places[i]]) for i in range(3) if i != which]
        product: Any = abs(one * other) if size else Fraction(one) * Fraction(other)
        found[places[which]] = found.get(places[which], 0) + product
    result = np.zeros(operands[which].shape)
    for place, value in found.items():
        result[place] = float(value)
    return result


def samples(which: int, cases: tuple[Case, ...], rng: Rng, dtype: dtypes.DType) -> list[Sample]:
    """Calls of the op that gives the operand `which` (x, w or y) from the other two."""
    result = []
    for x, w, attrs in cases:
        layout, y = attrs["layout"], outputs(x, w, attrs)
        image = arranged(ordinary(rng, x, dtype), layout)
        weight, gradient = ordinary(rng, w, dtype), arranged(ordinary(rng, y, dtype), layout)
        if which == 0:
            result.append(Sample((gradient, weight), {"spatial": x[2:], **attrs}))
        elif which == 1:
            result.append(Sample((image, gradient), {"kernel": w[2:], **attrs}))
        else:
            result.append(Sample((image, weight), attrs))
    if len(cases) == len(CASES):
        result.append(Sample(tuple(strided(a) for a in result[2].inputs), result[2].attrs))
    return result


def derived(which: int, size: bool) -> Any:
    """The reference, or the scale, of that op."""

    def reference(a: Array, b: Array, **attrs: Any) -> Array:
        layout = attrs["layout"]
        spatial, kernel = attrs.pop("spatial", None), attrs.pop("kernel", None)
        if which == 0:
            y, w = first(a, layout), b
            x = np.zeros((y.shape[0], w.shape[1] * attrs["groups"], *spatial))
        elif which == 1:
            x, y = first(a, layout), first(b, layout)
            w = np.zeros((y.shape[1], x.shape[1] // attrs["groups"], *kernel))
        else:
            x, w = first(a, layout), b
            y = np.zeros(outputs(x.shape, w.shape, attrs))
        found = summed(which, x, w, y, attrs, size)
        return found if which == 1 else arranged(found, layout)

    return reference


def record(name: str, which: int, **more: Any) -> OpRecord:
    return OpRecord(
        name,
        FLOATS,
        lambda rng, dtype: samples(which, CASES, rng, dtype),
        derived(which, False),
        ulps=4,
        scale=derived(which, True),
        gradient=2,
        gradient_samples=lambda rng: samples(which, SMALL, rng, dtypes.float64),
        **more,
    )


def _zeros(*shape: int) -> Any:
    return operand(np.zeros(shape, np.float32))


def _torch_conv(torch: Any, x: Any, w: Any, **attrs: Any) -> Any:
    axes, layout = w.ndim - 2, attrs["layout"]
    order = tuple(ORDERS[layout](x.ndim))
    x = x.permute(tuple(int(i) for i in np.argsort(order)))
    x = torch.nn.functional.pad(x, [n for pair in attrs["padding"][::-1] for n in pair])
    function = getattr(torch.nn.functional, f"conv{axes}d")
    if not x.numel() or not w.numel():
        return x.new_zeros(outputs(x.shape, w.shape, {**attrs, "padding": ((0, 0),) * axes})) + (
            x.sum() + w.sum()
        )
    y = function(x, w, None, attrs["strides"], 0, attrs["dilation"], attrs["groups"])
    return y.permute(order)


CONVOLUTION = record(
    "conv",
    2,
    torch=_torch_conv,
    failures=(
        Failure(
            lambda: apply(CONV, _zeros(1, 4, 8, 8), _zeros(6, 3, 3, 3), **attributes(2)),
            ShapeError,
            "conv: x (1, 4, 8, 8) has 4 channels, but weight (6, 3, 3, 3) with groups 1 takes "
            "3·1 = 3",
        ),
        Failure(
            lambda: apply(CONV, _zeros(1, 4, 8, 8), _zeros(3, 2, 3, 3), **attributes(2, groups=2)),
            ShapeError,
            "gives 3, which groups must divide",
        ),
        Failure(
            lambda: apply(CONV, _zeros(1, 3, 8, 4), _zeros(6, 3, 3, 7), **attributes(2, 2, (0, 1))),
            ShapeError,
            "conv: weight (6, 3, 3, 7) does not fit into x (1, 3, 8, 4): spatial axis 1 would get "
            "⌊(4 + 0 + 1 − 1·(7 − 1) − 1)/2⌋ + 1 = 0 outputs",
        ),
        Failure(
            lambda: apply(CONV, _zeros(1, 3, 8), _zeros(6, 3, 3, 3), **attributes(2)),
            ShapeError,
            "x (1, 3, 8) and weight (6, 3, 3, 3) must have as many axes",
        ),
        Failure(
            lambda: apply(CONV, _zeros(1, 3, 8, 8), _zeros(6, 3, 3, 3), **attributes(1)),
            ArgumentError,
            "need one entry for each of the 2 spatial axes",
        ),
        Failure(
            lambda: apply(CONV, _zeros(1, 3, 8), _zeros(6, 3, 3), **attributes(1, 0)),
            ArgumentError,
            "must be at least 1, padding",
        ),
        Failure(
            lambda: apply(CONV, _zeros(1, 3, 8), _zeros(6, 3, 3), **attributes(1, layout="NCHW")),
            ArgumentError,
            "layout is one of",
        ),
        Failure(
            lambda: apply(CONV, operand(np.zeros((1, 3, 8))), _zeros(6, 3, 3), **attributes(1)),
            DTypeError,
            "conv: operands are float64 and float32",
        ),
        Failure(
            lambda: apply(CONV, *[operand(np.zeros((1, 1, 1), np.int64))] * 2, **attributes(1)),
            DTypeError,
            "conv: operands are int64; cast them to a float",
        ),
    ),
)
INPUT_GRADIENT = record(
    "conv_input_gradient",
    0,
    failures=(
        Failure(
            lambda: apply(
                CONV_INPUT_GRADIENT,
                _zeros(1, 6, 5, 6),
                _zeros(6, 3, 3, 3),
                spatial=(8, 8),
                **attributes(2),
            ),
            ShapeError,
            "conv_input_gradient: g (1, 6, 5, 6) must be (1, 6, 6, 6), as x (1, 3, 8, 8) and "
            "weight (6, 3, 3, 3) give",
        ),
    ),
)
WEIGHT_GRADIENT = record(
    "conv_weight_gradient",
    1,
    failures=(
        Failure(
            lambda: apply(
                CONV_WEIGHT_GRADIENT,
                _zeros(1, 3, 8, 8),
                _zeros(2, 6, 6, 6),
                kernel=(3, 3),
                **attributes(2),
            ),
            ShapeError,
            "conv_weight_gradient: g (2, 6, 6, 6) must be (1, 6, 6, 6)",
        ),
    ),
)
