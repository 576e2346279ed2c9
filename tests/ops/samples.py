"""Inputs for the op records: shapes with empty, single and strided axes, numbers by domain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from neurona.core import dtypes
from neurona.core.dtypes import DType
from tests.ops.record import Array, Sample

Rng = np.random.Generator
Draw = Callable[[Rng, tuple[int, ...], DType], Array]

UNARY_SHAPES = ((), (1,), (0,), (7, 19), (2, 0, 3), (3, 1, 2))
BINARY_SHAPES = (
    ((), ()),
    ((7, 19), (7, 19)),
    ((3, 4), ()),
    ((3, 1), (1, 5)),
    ((2, 1, 3), (5, 1)),
    ((4,), (2, 3, 4)),
    ((0,), (1,)),
    ((2, 0), (1, 0)),
)
TERNARY_SHAPES = (
    ((), (), ()),
    ((3, 4), (3, 4), (3, 4)),
    ((3, 1), (4,), (2, 1, 1)),
    ((0, 2), (1, 1), (2,)),
)
SHAPES = {1: tuple((shape,) for shape in UNARY_SHAPES), 2: BINARY_SHAPES, 3: TERNARY_SHAPES}


def numbers(low: float, high: float) -> Draw:
    """Numbers of [low, high]; the whole ones for integers, both for bool."""

    def draw(rng: Rng, shape: tuple[int, ...], dtype: DType) -> Array:
        if dtype == dtypes.bool_:
            return np.asarray(rng.integers(0, 2, shape), dtype)
        if dtypes.is_integer(dtype):
            info = np.iinfo(dtype)
            lowest, highest = max(info.min, int(np.ceil(low))), min(info.max, int(high))
            return np.asarray(rng.integers(lowest, highest, shape, np.int64, endpoint=True), dtype)
        return np.asarray(rng.uniform(low, high, shape)).astype(dtype)

    return draw


def apart_from_zero(low: float, high: float) -> Draw:
    """Numbers of [low, high] with either sign (unsigned dtypes: their own)."""
    size = numbers(low, high)

    def draw(rng: Rng, shape: tuple[int, ...], dtype: DType) -> Array:
        values = size(rng, shape, dtype)
        if dtype == dtypes.bool_ or dtype in dtypes.UNSIGNED:
            return values
        return np.asarray(np.where(rng.integers(0, 2, shape) == 0, values, -values))

    return draw


ordinary = numbers(-4, 4)


def strided(x: Array) -> Array:
    """The same values in memory that is neither contiguous nor in order."""
    if x.ndim == 0:
        return np.stack([x, x])[1, ...]
    wide = np.repeat(x, 2, axis=-1)[..., ::2]
    return np.asfortranarray(np.flip(wide, 0))[::-1] if x.shape[0] > 1 else wide


def laid_out(x: Array) -> Iterable[Array]:
    """`x` and the same values with other strides."""
    yield x
    yield strided(x)


def calls(
    draws: Sequence[Draw], shapes: Sequence[tuple[tuple[int, ...], ...]] | None = None
) -> Callable[[Rng, DType], list[Sample]]:
    """A sampler for elementwise ops: one `Draw` an input, all shapes, the last call strided."""
    chosen = shapes or SHAPES[len(draws)]

    def sample(rng: Rng, dtype: DType) -> list[Sample]:
        samples = [
            Sample(tuple(draw(rng, shape, dtype) for draw, shape in zip(draws, group, strict=True)))
            for group in chosen
        ]
        largest = max(samples, key=lambda one: sum(x.size for x in one.inputs))
        samples.append(Sample(tuple(strided(x) for x in largest.inputs)))
        return samples

    return sample


def gradient_calls(
    draws: Sequence[Draw], shapes: Sequence[tuple[tuple[int, ...], ...]] | None = None
) -> Callable[[Rng], list[Sample]]:
    """float64 calls with few elements, broadcast ones among them."""
    small = {
        1: (((),), ((2, 3),), ((0,),)),
        2: (((2, 3), (2, 3)), ((2, 1), (3,)), ((), (2,)), ((0,), (1,))),
        3: (((2, 1), (3,), (2, 1, 1)),),
    }
    sampler = calls(draws, shapes or small[len(draws)])
    return lambda rng: sampler(rng, dtypes.float64)


# --- references ---


def exact(x: Array) -> Array:
    """The elements as Python numbers (float, int or bool)."""
    wide = x.astype(np.float64) if dtypes.is_float(x.dtype) else x
    result = np.empty(x.shape, object)
    for index in np.ndindex(*x.shape):
        result[index] = wide[index].item()
    return result


def by_element(function: Callable[..., Any]) -> Callable[..., Array]:
    """The reference of an elementwise op from a function of Python numbers.

    Results are float64 if any is a float or a `Fraction`, else Python integers, which the
    comparison wraps to the dtype.
    """

    def reference(*inputs: Array, **attrs: Any) -> Array:
        wide = np.broadcast_arrays(*[exact(x) for x in inputs])
        values = [
            function(*[x[index] for x in wide], **attrs) for index in np.ndindex(*wide[0].shape)
        ]
        floating = any(isinstance(value, (float, Fraction)) for value in values)
        if not values:
            return np.zeros(wide[0].shape)
        if floating:
            return np.array([float(v) for v in values]).reshape(wide[0].shape)
        return np.array([wrapped(v, inputs[-1].dtype) for v in values]).reshape(wide[0].shape)

    return reference


def wrapped(value: int | bool, dtype: DType) -> Any:
    """An integer modulo 2^bits, in the range of `dtype`; a bool as it is."""
    if isinstance(value, bool) or not dtypes.is_integer(dtype):
        return value
    bits = 8 * dtype.itemsize
    value %= 1 << bits
    if dtype in dtypes.SIGNED and value >> (bits - 1):
        value -= 1 << bits
    return dtype.type(value)
