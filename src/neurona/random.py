"""Random numbers: a key and a counter, nothing else.

A `Generator` holds a key and a counter in Variables. A draw is a function of both (Threefry-2x32,
`neurona.ops.random`) and moves the counter on by the blocks it used, so the same code draws in
eager mode and in a compiled function, and results depend neither on threads nor on the machine.
One block gives 64 bits. `integers`, `normal`, `truncated_normal`, uint64 `bits` and float64
`uniform` and `bernoulli` use whole blocks for each element, so that their numbers do not depend on
how they are split between calls; the others draw 32 bits an element, and theirs do not if all calls
but the last ask for a multiple of 32 elements.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from neurona.core import dtypes
from neurona.core.dtypes import DType
from neurona.core.errors import ArgumentError, DTypeError, ShapeError
from neurona.core.op import Shape
from neurona.core.tensor import Tensor
from neurona.ops.arithmetic import minimum, nextafter, sqrt
from neurona.ops.bitwise import bitwise_right_shift
from neurona.ops.broadcast import reshape
from neurona.ops.compare import less
from neurona.ops.create import arange
from neurona.ops.gather import take
from neurona.ops.generator import DEFAULT, WORD, Generator
from neurona.ops.operand import (
    as_float,
    as_shape,
    broadcast_shapes,
    cast,
    literal,
    normalize_axis,
    operand,
)
from neurona.ops.quantile import normal_quantile
from neurona.ops.reduce import argmax
from neurona.ops.shape import moveaxis, slice_axis
from neurona.ops.sort import argsort
from neurona.ops.transcendental import cos, log, log1p

SIGNIFICAND = {
    dtypes.float16: 11,
    dtypes.bfloat16: 8,
    dtypes.float32: 24,
    dtypes.float64: 53,
}
"""Bits of a uniform number in [0, 1): those a significand of the dtype holds."""


def seed(seed: int, /) -> None:
    """Start the default generator again from `seed`, 0…2^64−1. A new process starts from seed 0."""
    DEFAULT.seed(seed)


def _floating(who: str, dtype: Any) -> DType:
    kind = dtypes.DEFAULT_FLOAT if dtype is None else dtypes.as_dtype(dtype)
    if not dtypes.is_float(kind):
        raise DTypeError(f"{who}: a float dtype is needed, not {kind}")
    return kind


def _parameter(value: Any, dtype: DType) -> Tensor:
    if isinstance(value, (bool, int, float)):
        return literal(value, dtype)
    return cast(operand(value), dtype)


# --- uniform ---


def bits(
    shape: int | Sequence[int] = (),
    dtype: Any = dtypes.uint32,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Random bits as uint32 or uint64.

    >>> bits((2,), generator=Generator(0))
    Tensor([1797259609, 1351547692], dtype=uint32)
    """
    kind = dtypes.as_dtype(dtype)
    if kind not in (dtypes.uint32, dtypes.uint64):
        raise DTypeError(f"bits: the dtype is uint32 or uint64, not {kind}")
    return (generator or DEFAULT).draw(as_shape(shape, "bits"), kind)


def _unit(shape: Shape, dtype: DType, generator: Generator | None) -> Tensor:
    digits = SIGNIFICAND[dtype]
    width = 32 if digits <= 32 else 64
    words = bits(shape, f"uint{width}", generator=generator)
    return cast(bitwise_right_shift(words, width - digits), dtype) * 2.0**-digits


def uniform(
    shape: int | Sequence[int] = (),
    low: Any = 0.0,
    high: Any = 1.0,
    dtype: Any = None,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Numbers from [low, high), in steps of (high − low)·2^−24 (float32) or 2^−53 (float64).

    low, high: numbers, or tensors that broadcast to `shape`. dtype: a float, default float32; the
    half floats have 2^−11 (float16) and 2^−8 (bfloat16).
    Raises `ArgumentError` unless low ≤ high and high − low is finite.
    """
    kind = _floating("uniform", dtype)
    extents = as_shape(shape, "uniform")
    if isinstance(low, (int, float)) and isinstance(high, (int, float)):
        if not (low <= high and math.isfinite(high - low)):
            raise ArgumentError(f"uniform: [low, high) is [{low}, {high}), not an interval")
        unit = _unit(extents, kind, generator)
        if low == 0 and high == 1:
            return unit
        below = np.nextafter(np.asarray(high, kind), np.asarray(low, kind))
        limit = literal(below.item(), kind)
        return _within(unit, literal(low, kind), literal(high - low, kind), limit)
    least, most = _parameter(low, kind), _parameter(high, kind)
    _fits("uniform", extents, least, most)
    unit = _unit(extents, kind, generator)
    return _within(unit, least, most - least, nextafter(most, least))


def _within(unit: Tensor, low: Tensor, width: Tensor, limit: Tensor) -> Tensor:
    # The inner minimum changes nothing, but without it compiled code would round product and sum
    # once where eager mode rounds twice. The outer one keeps out `high`, which rounding may reach.
    return minimum(minimum(unit * width, width) + low, limit)


def _fits(who: str, shape: Shape, *parameters: Tensor) -> None:
    for tensor in parameters:
        if broadcast_shapes(who, shape, tensor.shape) != shape:
            raise ShapeError(
                f"{who}: a parameter of shape {tensor.shape} does not broadcast to {shape}"
            )


def bernoulli(
    p: Any = 0.5,
    shape: int | Sequence[int] | None = None,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """True with probability p, as bool.

    p: a number or tensor in [0, 1] that broadcasts to `shape`; it counts to 2^−24 (float32).
    shape: by default that of p. Raises `ArgumentError` for a number outside [0, 1].
    """
    if isinstance(p, (int, float)) and not 0 <= p <= 1:
        raise ArgumentError(f"bernoulli: p must be in [0, 1], found {p}")
    tensor = operand(p)
    kind = tensor.dtype if dtypes.is_float(tensor.dtype) else dtypes.DEFAULT_FLOAT
    extents = tensor.shape if shape is None else as_shape(shape, "bernoulli")
    probability = _parameter(p, kind)
    _fits("bernoulli", extents, probability)
    return less(_unit(extents, kind, generator), probability)


def integers(
    low: int,
    high: int,
    shape: int | Sequence[int] = (),
    dtype: Any = None,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Whole numbers from low…high−1.

    dtype: an integer type that holds them, default int64. Each number's probability is off by
    less than 2^−64. Raises `ArgumentError` for an empty or too wide interval.
    """
    kind = dtypes.DEFAULT_INT if dtype is None else dtypes.as_dtype(dtype)
    if not dtypes.is_integer(kind):
        raise DTypeError(f"integers: an integer dtype is needed, not {kind}")
    first, end = operator.index(low), operator.index(high)
    info = np.iinfo(kind)
    if not info.min <= first < end <= info.max + 1:
        raise ArgumentError(
            f"integers: {first}…{end - 1} must hold at least one number and fit {kind} "
            f"({info.min}…{info.max})"
        )
    words = bits(shape, dtypes.uint64, generator=generator)
    if end - first <= WORD:
        words = words % (end - first)
    # Modulo 2^64, so that a negative `low` is one addition too.
    return cast(words + (first & WORD), kind)


# --- normal ---


def _box_muller(shape: Shape, dtype: DType, generator: Generator | None) -> Tensor:
    if dtype == dtypes.float64:
        words = bits((*shape, 2), dtypes.uint64, generator=generator)
        pair = [
            cast(reshape(slice_axis(words, len(shape), i, 1), shape) >> 11, dtype) for i in (0, 1)
        ]
        width = 53
    else:
        words = bits(shape, dtypes.uint64, generator=generator)
        pair = [cast(cast(half, dtypes.uint32), dtypes.float32) for half in (words, words >> 32)]
        width = 32
    radius = sqrt(-2.0 * log((pair[0] + 0.5) * 2.0**-width))
    return cast(radius * cos(pair[1] * (2 * math.pi * 2.0**-width)), dtype)


def normal(
    shape: int | Sequence[int] = (),
    mean: Any = 0.0,
    std: Any = 1.0,
    dtype: Any = None,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Normally distributed numbers: mean + std·√(−2 ln u₁)·cos 2πu₂ (Box and Muller, 1958).

    mean, std: numbers, or tensors that broadcast to `shape` (gradients flow into them). dtype: a
    float, default float32; half floats are drawn in float32. One block an element, for float64
    two. |z| is at most 6.8 (float64: 8.7). Eager and compiled numbers differ by at most 4·eps·|z|.
    Raises `ArgumentError` for a negative std.
    """
    kind = _floating("normal", dtype)
    extents = as_shape(shape, "normal")
    if isinstance(std, (int, float)) and not std >= 0:
        raise ArgumentError(f"normal: std must not be negative, found {std}")
    centre, scale = _parameter(mean, kind), _parameter(std, kind)
    _fits("normal", extents, centre, scale)
    standard = _box_muller(extents, kind, generator)
    plain = (
        isinstance(mean, (int, float)) and isinstance(std, (int, float)) and (mean, std) == (0, 1)
    )
    return standard if plain else standard * scale + centre


def truncated_normal(
    shape: int | Sequence[int] = (),
    mean: float = 0.0,
    std: float = 1.0,
    low: float = -2.0,
    high: float = 2.0,
    dtype: Any = None,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Normally distributed numbers, given that they lie within [low, high].

    low, high: bounds in standard deviations from the mean. Drawn by inverting the distribution
    function in float64, one block an element.
    Raises `ArgumentError` for a negative std and unless low < high with some probability between.
    """
    kind = _floating("truncated_normal", dtype)
    if not std >= 0:
        raise ArgumentError(f"truncated_normal: std must not be negative, found {std}")
    # In the lower tail probabilities keep their digits; the upper tail is its mirror image.
    mirrored = low > 0
    a, b = (-high, -low) if mirrored else (low, high)
    below, upto = (math.erfc(-bound / math.sqrt(2)) / 2 for bound in (a, b))
    if not (low < high and below < upto):
        raise ArgumentError(
            f"truncated_normal: no probability lies between low {low} and high {high} "
            "standard deviations"
        )
    words = bits(shape, dtypes.uint64, generator=generator) >> 11
    unit = (cast(words, dtypes.float64) + 0.5) * 2.0**-53
    x = normal_quantile(unit * (upto - below) + below)
    x = minimum(-minimum(-x, -a), b)
    return cast(x * (-std if mirrored else std) + mean, kind)


# --- orders and choices ---


def permutation(x: Any, /, *, axis: int = 0, generator: Generator | None = None) -> Tensor:
    """The slices of `x` along `axis` in random order; of an int n, the numbers 0…n−1 (int64).

    The order is that of n random 64-bit words; all are equally likely but for the n²·2^−65 chance
    that two words are equal and stay in order.
    Raises `ArgumentError` for a negative n, `ShapeError` for a 0-d tensor.
    """
    if isinstance(x, int):
        if x < 0:
            raise ArgumentError(f"permutation: n must not be negative, found {x}")
        return argsort(bits(x, dtypes.uint64, generator=generator))
    tensor = operand(x)
    along = normalize_axis(axis, tensor.ndim, "permutation")
    order = permutation(tensor.shape[along], generator=generator)
    return take(tensor, order, axis=along)


def _gumbel(shape: Shape, dtype: DType, generator: Generator | None) -> Tensor:
    """−log E of exponentially distributed E; small E, which decide, keep all their digits."""
    if dtype == dtypes.float64:
        wide, width = dtypes.float64, 53
        words = bitwise_right_shift(bits(shape, dtypes.uint64, generator=generator), 11)
    else:
        wide, width = dtypes.float32, 32
        words = bits(shape, generator=generator)
    v = (cast(words, wide) + 0.5) * 2.0**-width
    # Rounding may reach 1, where E would be infinite and a finite logit lose to −∞.
    v = minimum(v, 1 - 2.0 ** -SIGNIFICAND[wide])
    return -log(-log1p(-v))


def categorical(
    logits: Any,
    /,
    *,
    axis: int = -1,
    shape: int | Sequence[int] | None = None,
    generator: Generator | None = None,
) -> Tensor:
    """Indices along `axis`, int64, with the probabilities softmax(logits).

    argmax(logits + g) with Gumbel noise g (Gumbel, "Statistical theory of extreme values", 1954).

    logits: (..., classes, ...) of floats; −∞ is never drawn while another class is possible.
    shape: of the result, to which the other axes of the logits broadcast; by default those axes.
    Raises `DTypeError` unless the logits are floats; `ShapeError` for a 0-d tensor, no classes, and
    a shape that does not fit.
    """
    tensor = operand(logits)
    if not dtypes.is_float(tensor.dtype):
        raise DTypeError(f"categorical: logits are floats, not {tensor.dtype}")
    along = normalize_axis(axis, tensor.ndim, "categorical")
    last = moveaxis(tensor, along, -1)
    classes = last.shape[-1]
    others = last.shape[:-1]
    extents = others if shape is None else as_shape(shape, "categorical")
    if not classes or broadcast_shapes("categorical", extents, others) != extents:
        raise ShapeError(
            f"categorical: logits of shape {tensor.shape} along axis {along} do not give {extents}"
        )
    noise = _gumbel((*extents, classes), tensor.dtype, generator)
    return argmax(last + noise, axis=-1)


def choice(
    x: Any,
    shape: int | Sequence[int] = (),
    /,
    *,
    replace: bool = True,
    p: Any = None,
    axis: int = 0,
    generator: Generator | None = None,
) -> Tensor:
    """Random slices of `x` along `axis` (of an int n: numbers from 0…n−1), `shape` many.

    replace: whether one may be drawn again. p: (n,) probabilities, by default equal; the sum need
    not be 1. Without replacement they are drawn one after another, in proportion to what is left
    (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006).
    Raises `ArgumentError` if there are too few to choose from, `ShapeError` if `p` does not fit.
    """
    tensor = arange(x) if isinstance(x, int) else operand(x)
    along = normalize_axis(axis, tensor.ndim, "choice")
    n = tensor.shape[along]
    extents = as_shape(shape, "choice")
    size = math.prod(extents)
    if size and (not n or (size > n and not replace)):
        raise ArgumentError(f"choice: there are {n} to choose from, {size} are wanted")
    logits = None if p is None else log(as_float(p))
    if logits is not None and logits.shape != (n,):
        raise ShapeError(f"choice: p has shape {logits.shape}; there are {n} to choose from")
    if not replace:
        keys = _gumbel((n,), dtypes.float64, generator)
        order = argsort(keys if logits is None else logits + keys, descending=True)
        places = reshape(slice_axis(order, 0, 0, size), extents)
    elif logits is None:
        places = integers(0, max(n, 1), extents, generator=generator)
    else:
        places = categorical(logits, shape=extents, generator=generator)
    return take(tensor, places, axis=along)
