"""Records of the ops on windows; the references look at every place of every window."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from neurona.core import dtypes
from neurona.core.apply import apply
from neurona.core.dtypes import DType
from neurona.core.errors import DTypeError, ShapeError
from neurona.core.op import Op
from neurona.core.tensor import Tensor
from neurona.ops import window as ops
from tests.ops.elementwise import anything, inf, nan
from tests.ops.record import FLOATS, Array, Failure, OpRecord, Sample, Special, tensor
from tests.ops.samples import Rng, ordinary, strided

Shape = tuple[int, ...]
Windows = dict[str, Any]
KINDS = (dtypes.uint8, dtypes.int32, *FLOATS)


def windows(*axes: tuple[int, int, tuple[int, int], int]) -> Windows:
    """The attributes from window, stride, padding and dilation of each axis."""
    names = ("window", "strides", "padding", "dilation")
    return dict(zip(names, zip(*axes, strict=True) if axes else [()] * 4, strict=True))


ALONG = (1, 1, (0, 0), 1)
CASES: tuple[tuple[Shape, Windows], ...] = (
    ((2, 5, 6), windows(ALONG, (2, 2, (0, 0), 1), (3, 2, (1, 1), 1))),
    ((4, 5, 3), windows((3, 1, (1, 1), 1), (2, 1, (0, 1), 1), ALONG)),
    ((11, 2), windows((3, 2, (2, 3), 2), ALONG)),
    ((2, 10), windows(ALONG, (2, 3, (1, 0), 1))),
    ((7,), windows((2, 1, (2, 2), 3))),
    ((1, 1), windows(ALONG, (3, 1, (1, 1), 1))),
    ((5,), windows((1, 2, (0, 0), 1))),
    ((), windows()),
    ((0, 4), windows(ALONG, (2, 2, (0, 0), 1))),
)


def extents(shape: Shape, attrs: Windows) -> Shape:
    rows = zip(shape, *attrs.values(), strict=True)
    return tuple((n + sum(pad) - d * (k - 1) - 1) // s + 1 for n, k, s, pad, d in rows)


def visits(shape: Shape, attrs: Windows) -> Iterator[tuple[Shape, int, Shape]]:
    """Each window, the number of each of its elements inside, and where that lies."""
    for out in np.ndindex(*extents(shape, attrs)):
        for number, element in enumerate(np.ndindex(*attrs["window"])):
            rows = zip(
                out, element, attrs["strides"], attrs["padding"], attrs["dilation"], strict=True
            )
            place = tuple(o * s + j * d - low for o, j, s, (low, _), d in rows)
            if all(0 <= i < n for i, n in zip(place, shape, strict=True)):
                yield out, number, place


def _with(draw: Any, *extra: str) -> Callable[[Rng, DType], list[Sample]]:
    """Calls on each case: x, or g ("spread", "put"), and a position ("pick", "put")."""

    def sample(rng: Rng, dtype: DType) -> list[Sample]:
        samples = []
        for shape, attrs in CASES:
            out = extents(shape, attrs)
            whole = bool({"spread", "put"} & set(extra))
            inputs = [draw(rng, out if whole else shape, dtype)]
            if {"pick", "put"} & set(extra):
                count = int(np.prod(attrs["window"]))
                inputs.append(rng.integers(0, count, out).astype(np.uint8))
            more = {"shape": shape} if whole else {}
            samples += [
                Sample(tuple(inputs), attrs | more),
                Sample(tuple(map(strided, inputs)), attrs | more),
            ]
        return samples

    return sample


def _distinct(rng: Rng) -> list[Sample]:
    """Values apart from each other, so that a small step changes no maximum."""
    samples = []
    for shape, attrs in CASES:
        count = int(np.prod(shape))
        samples.append(Sample((rng.permutation(count).reshape(shape) / 4.0,), attrs))
    return samples


def _max(x: Array, **attrs: Any) -> Array:
    lowest = -np.inf if dtypes.is_float(x.dtype) else np.iinfo(x.dtype).min
    result = np.full(extents(x.shape, attrs), lowest, x.dtype)
    for out, _, place in visits(x.shape, attrs):
        result[out] = np.fmax(result[out], x[place]) if x[place] == x[place] else x[place]
    return result


def _argmax(x: Array, **attrs: Any) -> Array:
    result = np.zeros(extents(x.shape, attrs), np.int64)
    best: dict[Shape, Any] = {}
    for out, number, place in visits(x.shape, attrs):
        value = x[place]
        if out not in best or value > best[out] or value != value:
            best[out], result[out] = value, number
    return result


def _sum(x: Array, **attrs: Any) -> Array:
    kind = np.float64 if dtypes.is_float(x.dtype) else x.dtype
    result = np.zeros(extents(x.shape, attrs), kind)
    for out, _, place in visits(x.shape, attrs):
        result[out] += x[place]
    return result


def _pick(x: Array, position: Array, **attrs: Any) -> Array:
    result = np.zeros(position.shape, x.dtype)
    for out, number, place in visits(x.shape, attrs):
        if position[out] == number:
            result[out] = x[place]
    return result


def _put(g: Array, position: Array, *, shape: Shape, **attrs: Any) -> Array:
    result = np.zeros(shape, np.float64 if dtypes.is_float(g.dtype) else g.dtype)
    for out, number, place in visits(shape, attrs):
        if position[out] == number:
            result[place] += g[out]
    return result


def _spread(g: Array, *, shape: Shape, **attrs: Any) -> Array:
    result = np.zeros(shape, np.float64 if dtypes.is_float(g.dtype) else g.dtype)
    for out, _, place in visits(shape, attrs):
        result[place] += g[out]
    return result


def _absolute(reference: Callable[..., Array]) -> Callable[..., Array]:
    return lambda x, *rest, **attrs: reference(np.abs(x.astype(np.float64)), *rest, **attrs)


def _torch_pool(torch: Any, x: Any, which: str, attrs: Windows) -> Any:
    """Pooling by unfolding padded axes."""
    low = -inf if x.is_floating_point() else torch.iinfo(x.dtype).min
    fill = low if which == "max" else 0
    pads = [width for pair in reversed(attrs["padding"]) for width in pair]
    x = torch.nn.functional.pad(x, pads, value=fill) if pads else x
    for axis, (k, s, d) in enumerate(
        zip(attrs["window"], attrs["strides"], attrs["dilation"], strict=True)
    ):
        if (k, s) == (1, 1):
            continue
        x = x.unfold(axis, d * (k - 1) + 1, s)[..., ::d]
        x = x.amax(-1) if which == "max" else x.sum(-1)
    return x


def _zeros(*shape: int) -> Tensor:
    return tensor(np.zeros(shape))


def _failures(op: Op, *operands: Tensor, more: Windows | None = None) -> tuple[Failure, ...]:
    """A window that does not fit, and wrong attributes."""

    def call(attrs: Windows) -> Callable[[], Any]:
        return lambda: apply(op, *operands, **attrs, **(more or {}))

    return (
        Failure(
            call(windows(ALONG, (5, 2, (1, 0), 2))),
            ShapeError,
            f"{op.name}: a window of 5 does not fit axis 1 of x (2, 3): "
            "⌊(3 + 1 + 0 − 2·(5 − 1) − 1)/2⌋ + 1 = -2; use a smaller window or more padding",
        ),
        Failure(call(windows(ALONG)), ShapeError, f"{op.name}: x (2, 3) needs one entry an axis"),
        Failure(call(windows(ALONG, (2, 0, (0, 0), 1))), ShapeError, "must be at least 1"),
        Failure(call(windows(ALONG, (2, 1, (-1, 0), 1))), ShapeError, "at least 0"),
    )


BOOL = tensor(np.zeros((2, 3), np.bool_))
PAIRS = windows((2, 2, (0, 1), 1))

MAX = OpRecord(
    "window_max",
    KINDS,
    _with(anything),
    _max,
    gradient=2,
    gradient_samples=_distinct,
    torch=lambda torch, x, **attrs: _torch_pool(torch, x, "max", attrs),
    specials=(
        Special(([1.0, nan, -inf, -inf, inf],), [nan, -inf, inf], attrs=PAIRS),
        Special(([5.0],), [-inf, 5, -inf], attrs=windows((1, 1, (1, 1), 1))),
        Special(([-inf, -inf, -1.0, -0.5, -inf],), [-inf, -0.5, -inf], attrs=PAIRS),
    ),
    failures=(
        *_failures(ops.WINDOW_MAX, _zeros(2, 3)),
        Failure(
            lambda: apply(ops.WINDOW_MAX, BOOL, **windows(ALONG, ALONG)),
            DTypeError,
            "window_max: numbers are needed, not bool",
        ),
    ),
)
ARGMAX = OpRecord(
    "window_argmax",
    KINDS,
    _with(anything),
    _argmax,
    result=dtypes.uint8,
    specials=(
        Special(([3.0, 3.0, nan, 1.0, -inf],), [0, 0, 0], attrs=PAIRS),
        Special(([nan, nan, inf, nan, nan],), [1, 1, 0], attrs=PAIRS),
        # Padding is never chosen.
        Special(([-inf, -inf],), [1, 0], attrs=windows((2, 2, (1, 1), 1))),
    ),
    failures=_failures(ops.WINDOW_ARGMAX, _zeros(2, 3)),
)
PICK = OpRecord(
    "window_pick",
    KINDS,
    _with(anything, "pick"),
    _pick,
    gradient=2,
    differentiable=(0,),
    failures=(
        *_failures(ops.WINDOW_PICK, _zeros(2, 3), _zeros(2, 1)),
        Failure(
            lambda: apply(ops.WINDOW_PICK, _zeros(4), _zeros(3), **PAIRS),
            ShapeError,
            "window_pick: position has shape (3,); these windows make (2,)",
        ),
    ),
)
PUT = OpRecord(
    "window_put",
    KINDS,
    _with(ordinary, "put"),
    _put,
    ulps=2,
    scale=_absolute(_put),
    gradient=2,
    differentiable=(0,),
    failures=(
        *_failures(ops.WINDOW_PUT, _zeros(2, 1), _zeros(2, 1), more={"shape": (2, 3)}),
        Failure(
            lambda: apply(ops.WINDOW_PUT, _zeros(2), _zeros(3), shape=(4,), **PAIRS),
            ShapeError,
            "window_put: position has shape (3,); these windows make (2,)",
        ),
    ),
)
SUM = OpRecord(
    "window_sum",
    KINDS,
    _with(ordinary),
    _sum,
    ulps=4,
    scale=_absolute(_sum),
    gradient=2,
    torch=lambda torch, x, **attrs: _torch_pool(torch, x, "sum", attrs),
    failures=_failures(ops.WINDOW_SUM, _zeros(2, 3)),
)
SPREAD = OpRecord(
    "window_spread",
    KINDS,
    _with(ordinary, "spread"),
    _spread,
    ulps=4,
    scale=_absolute(_spread),
    gradient=2,
    failures=(
        *_failures(ops.WINDOW_SPREAD, _zeros(2, 1), more={"shape": (2, 3)}),
        Failure(
            lambda: apply(ops.WINDOW_SPREAD, _zeros(3), shape=(4,), **PAIRS),
            ShapeError,
            "window_spread: g has shape (3,); these windows make (2,)",
        ),
    ),
)
