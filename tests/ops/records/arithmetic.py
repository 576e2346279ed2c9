"""Records of the field operations, powers, rounding and extremes."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from neurona.core import dtypes
from neurona.core.dtypes import SIGNED, UNSIGNED
from neurona.ops import arithmetic
from tests.ops.elementwise import (
    anything,
    binary_failures,
    elementwise,
    in_torch,
    inf,
    largest,
    nan,
    near,
    no_common_integer,
    normal_least,
    pairs,
    rational,
    refuses_bool,
    smallest,
    triples,
    whole,
)
from tests.ops.record import FLOATS, INTEGERS, NUMBERS, Array, GradientPoint, OpRecord, Special
from tests.ops.samples import apart_from_zero, calls, numbers, ordinary

divisors = apart_from_zero(1, 5)


def _failures(function: Any) -> tuple[Any, ...]:
    return binary_failures(function, refuses_bool(function, 2), no_common_integer(function))


def _extremes(function: Any, cases: list[tuple[str, str]]) -> tuple[Special, ...]:
    """Integer cases, the expected number computed exactly and wrapped."""
    specials = []
    for dtype in INTEGERS:
        info = np.iinfo(dtype)
        place = {"min": int(info.min), "max": int(info.max), "1": 1, "2": 2, "-1": -1, "0": 0}
        for first, second in cases:
            if "-1" in (first, second) and dtype in UNSIGNED:
                continue
            a, b = place[first], place[second]
            value = (function(a, b) - int(info.min)) % (1 << info.bits) + int(info.min)
            specials.append(Special((a, b), value, (dtype,)))
    return tuple(specials)


def _floor_divide(a: Any, b: Any) -> Any:
    quotient = Fraction(a) / Fraction(b)
    return float(math.floor(quotient)) if isinstance(a, float) else a // b


def _integer_power(a: int, b: int) -> int:
    if b >= 0:
        return a**b
    return 0 if a == 0 else math.trunc(Fraction(a) ** b)


def _power(a: Any, b: Any) -> Any:
    return math.pow(a, b) if isinstance(a, float) else _integer_power(a, b)


def _sign(x: Any) -> Any:
    return type(x)((x > 0) - (x < 0))


def _nextafter(x: Array, y: Array) -> Array:
    """From the bit patterns: of one sign, they count up with the size of the number."""
    x, y = np.broadcast_arrays(x, y)
    signed = SIGNED[int(math.log2(x.dtype.itemsize))]
    top = np.iinfo(signed).max
    bits = np.ascontiguousarray(x).view(signed).reshape(x.shape).astype(np.int64)
    place = np.where(bits < 0, -(bits & top), bits)
    place = place + np.sign(y.astype(np.float64) - x.astype(np.float64)).astype(np.int64)
    sign = np.where(place < 0, -top - 1, 0)
    return np.asarray(np.abs(place) | sign).astype(signed).view(x.dtype)


def _each(make: Any) -> tuple[Special, ...]:
    """Cases in terms of the largest, the smallest normal and the smallest number of each dtype."""
    return tuple(
        Special(inputs, expected, (dtype,))
        for dtype in FLOATS
        for inputs, expected in make(largest(dtype), normal_least(dtype), smallest(dtype))
    )


ADD = elementwise(
    "add",
    rational(lambda a, b: a + b),
    [anything, anything],
    NUMBERS,
    gradient=2,
    failures=_failures(arithmetic.add),
    specials=(
        triples([(inf, -inf, nan), (inf, 1, inf), (nan, 1, nan), (-0.0, -0.0, -0.0)]),
        triples([(0.0, -0.0, 0.0), (1, -1, 0.0), (-inf, -inf, -inf)]),
        *_each(lambda top, low, tiny: [((top, top), inf), ((low, -tiny), low - tiny)]),
        *_extremes(lambda a, b: a + b, [("max", "1"), ("min", "min"), ("max", "max")]),
    ),
)
SUBTRACT = elementwise(
    "subtract",
    rational(lambda a, b: a - b),
    [anything, anything],
    NUMBERS,
    gradient=2,
    failures=_failures(arithmetic.subtract),
    specials=(
        triples([(inf, inf, nan), (1, inf, -inf), (1, nan, nan), (0.0, 0.0, 0.0)]),
        triples([(-0.0, 0.0, -0.0), (0.0, -0.0, 0.0)]),
        *_each(lambda top, low, tiny: [((-top, top), -inf), ((low, tiny), low - tiny)]),
        *_extremes(lambda a, b: a - b, [("min", "1"), ("0", "1"), ("min", "max"), ("0", "min")]),
    ),
)
MULTIPLY = elementwise(
    "multiply",
    rational(lambda a, b: a * b),
    [anything, anything],
    NUMBERS,
    gradient=2,
    failures=_failures(arithmetic.multiply),
    specials=(
        triples([(inf, 0, nan), (inf, -2, -inf), (nan, 0, nan), (-0.0, 3, -0.0)]),
        triples([(-0.0, -3, 0.0), (0.0, -0.0, -0.0)]),
        *_each(
            lambda top, low, tiny: [((top, 2), inf), ((low, 0.5), low / 2), ((tiny, 2), 2 * tiny)]
        ),
        *_extremes(
            lambda a, b: a * b, [("max", "2"), ("min", "-1"), ("min", "min"), ("max", "max")]
        ),
    ),
)
DIVIDE = elementwise(
    "divide",
    rational(lambda a, b: a / b),
    [anything, divisors],
    gradient=2,
    near_kinks=[ordinary, divisors],
    failures=binary_failures(arithmetic.divide),
    specials=(
        triples([(1, 0.0, inf), (1, -0.0, -inf), (-1, 0.0, -inf), (0.0, 0.0, nan)]),
        triples([(inf, inf, nan), (1, inf, 0.0), (-1, inf, -0.0), (inf, -2, -inf), (nan, 1, nan)]),
        *_each(
            lambda top, low, tiny: [((top, 0.5), inf), ((low, 2), low / 2), ((low, low / 2), 2)]
        ),
    ),
)
FLOOR_DIVIDE = elementwise(
    "floor_divide",
    _floor_divide,
    [anything, divisors],
    NUMBERS,
    failures=_failures(arithmetic.floor_divide),
    specials=(
        triples([(7, 2, 3), (-7, 2, -4), (7, -2, -4), (-7, -2, 3), (1, inf, 0)]),
        triples([(nan, 1, nan), (inf, inf, nan), (0.0, 0.0, nan), (1, 0.0, inf), (-1, 0.0, -inf)]),
        triples(
            [(-7, 2, -4), (7, -2, -4), (-8, -2, 4), (-1, 3, -1), (5, 0, 0), (-5, 0, 0)], SIGNED
        ),
        triples([(7, 2, 3), (0, 3, 0), (5, 0, 0)], UNSIGNED),
        *_extremes(
            lambda a, b: a // b, [("min", "-1"), ("max", "-1"), ("min", "2"), ("max", "max")]
        ),
    ),
)
REMAINDER = elementwise(
    "remainder",
    rational(lambda a, b: a - b * math.floor(Fraction(a) / Fraction(b))),
    [anything, divisors],
    NUMBERS,
    gradient=2,
    near_kinks=[near(-2.5, -0.5, 0.5, 2.5, spread=0.1), near(1, -1, spread=0.03)],
    failures=_failures(arithmetic.remainder),
    specials=(
        triples([(7, 2, 1), (-7, 2, 1), (7, -2, -1), (-7, -2, -1), (5.5, 2, 1.5)]),
        triples([(nan, 1, nan), (inf, 1, nan), (1, 0.0, nan), (0.0, 3, 0.0), (0.0, -3, -0.0)]),
        triples([(-7, 2, 1), (7, -2, -1), (-8, -2, 0), (-1, 3, 2), (5, 0, 0), (-5, 0, 0)], SIGNED),
        triples([(7, 2, 1), (0, 3, 0), (5, 0, 0)], UNSIGNED),
        *_extremes(
            lambda a, b: a % b, [("min", "-1"), ("max", "-1"), ("min", "2"), ("max", "max")]
        ),
    ),
)
NEGATIVE = elementwise(
    "negative",
    rational(lambda x: -x),
    [anything],
    NUMBERS,
    gradient=2,
    failures=(refuses_bool(arithmetic.negative, 1),),
    specials=(
        pairs([(0.0, -0.0), (-0.0, 0.0), (inf, -inf), (nan, nan)]),
        *(Special((np.iinfo(d).min,), np.iinfo(d).min, (d,)) for d in SIGNED),
        *(Special((1,), np.iinfo(d).max, (d,)) for d in UNSIGNED),
    ),
)
ABS = elementwise(
    "abs",
    rational(lambda x: x if x >= 0 else -x),
    [anything],
    NUMBERS,
    gradient=2,
    near_kinks=[apart_from_zero(0.5, 3)],
    gradient_points=(GradientPoint(([-2.0, -0.0, 0.0, 3.0],), ([-1.0, 0.0, 0.0, 1.0],)),),
    failures=(refuses_bool(arithmetic.abs, 1),),
    specials=(
        pairs([(-0.0, 0.0), (-inf, inf), (nan, nan), (-2.5, 2.5)]),
        *(Special((np.iinfo(d).min,), np.iinfo(d).min, (d,)) for d in SIGNED),
    ),
)
SIGN = elementwise(
    "sign",
    _sign,
    [anything],
    NUMBERS,
    failures=(refuses_bool(arithmetic.sign, 1),),
    specials=(
        pairs([(inf, 1), (-inf, -1), (nan, nan), (-2, -1), (0.0, 0)]),
        *_each(lambda top, low, tiny: [((-tiny,), -1), ((tiny,), 1)]),
        *(Special(([np.iinfo(d).min, 0, 5],), [-1, 0, 1], (d,)) for d in SIGNED),
        *(Special(([np.iinfo(d).max, 0],), [1, 0], (d,)) for d in UNSIGNED),
    ),
)


def _sqrt(x: float) -> float:
    # An integer square root of the number scaled by a power of 4: right to the last place.
    exact = Fraction(x) * 4**600
    return float(Fraction(math.isqrt(int(exact)), 2**600))


SQRT = elementwise(
    "sqrt",
    _sqrt,
    [numbers(0.25, 9)],
    gradient=2,
    specials=(
        pairs([(-1, nan), (-0.0, -0.0), (0.0, 0.0), (inf, inf), (-inf, nan), (nan, nan), (9, 3)]),
        *(
            Special((4 * normal_least(d) / 16,), 2 * math.sqrt(normal_least(d)) / 4, (d,))
            for d in (dtypes.float32, dtypes.float64, dtypes.float16)
        ),
    ),
)


def _rounding(name: str, function: Any, specials: list[tuple[float, float]]) -> OpRecord:
    return elementwise(
        name,
        lambda x: float(function(x)),
        [numbers(-9, 9)],
        failures=(refuses_bool(getattr(arithmetic, name), 1),),
        specials=(
            pairs([(inf, inf), (-inf, -inf), (nan, nan), (-0.0, -0.0), (3, 3), (-3, -3)]),
            pairs(specials),
        ),
    )


CEIL = _rounding("ceil", math.ceil, [(0.5, 1), (-0.5, -0.0), (1.5, 2), (-1.5, -1)])
FLOOR = _rounding("floor", math.floor, [(0.5, 0), (-0.5, -1), (1.5, 1), (-1.5, -2)])
TRUNC = _rounding("trunc", math.trunc, [(0.5, 0), (-0.5, -0.0), (1.75, 1), (-1.75, -1)])
ROUND = _rounding(
    "round", round, [(0.5, 0), (1.5, 2), (2.5, 2), (-0.5, -0.0), (-1.5, -2), (-2.5, -2)]
)

POW = elementwise(
    "pow",
    _power,
    [
        lambda rng, shape, dtype: (numbers(0.25, 4) if dtypes.is_float(dtype) else whole(-4, 4))(
            rng, shape, dtype
        ),
        lambda rng, shape, dtype: (numbers(-3, 3) if dtypes.is_float(dtype) else whole(-2, 9))(
            rng, shape, dtype
        ),
    ],
    NUMBERS,
    ulps=1,
    gradient=2,
    near_kinks=[numbers(0.5, 3), apart_from_zero(0.5, 3)],
    gradient_points=(
        GradientPoint(
            ([0.0, 0.0, 2.0, -2.0], [0.0, 2.0, 0.0, 3.0]), ([0, 0, 0, 12], [0, 0, math.log(2), nan])
        ),
        GradientPoint(([3.0, 1.5, 0.0], 1.0), ([1, 1, 1], 3 * math.log(3) + 1.5 * math.log(1.5))),
    ),
    failures=_failures(arithmetic.pow),
    specials=(
        triples([(nan, 0, 1), (1, nan, 1), (nan, 1, nan), (2, nan, nan), (0.0, -1, inf)]),
        triples([(-0.0, -1, -inf), (-0.0, -2, inf), (-0.0, 3, -0.0), (0.0, 0.0, 1), (-2, 3, -8)]),
        triples([(-2, 0.5, nan), (inf, -1, 0.0), (-inf, 3, -inf), (-inf, 2, inf), (0.5, inf, 0)]),
        triples([(2, inf, inf), (2, -inf, 0), (-1, inf, 1), (0.5, -inf, inf)]),
        triples(
            [(2, -1, 0), (1, -3, 1), (-1, -3, -1), (-1, -2, 1), (0, 0, 1), (-3, 3, -27)], SIGNED
        ),
        triples([(2, 3, 8), (0, 0, 1), (3, 0, 1)], UNSIGNED),
        *_extremes(lambda a, b: a**b, [("max", "2"), ("min", "2"), ("2", "0")]),
    ),
)
HYPOT = elementwise(
    "hypot",
    math.hypot,
    [ordinary, ordinary],
    ulps=1,
    gradient=2,
    near_kinks=[apart_from_zero(1, 4), ordinary],
    failures=binary_failures(arithmetic.hypot),
    specials=(
        triples([(3, 4, 5), (-5, 12, 13), (inf, nan, inf), (nan, -inf, inf), (nan, 1, nan)]),
        triples([(0.0, -0.0, 0.0), (-0.0, 2, 2)]),
        *_each(lambda top, low, tiny: [((top / 2, 0), top / 2), ((top, top), inf)]),
    ),
)

_SIDES = [near(-2, 0, 2, spread=0.3), near(-1, 1, spread=0.3)]
MAXIMUM = elementwise(
    "maximum",
    rational(max),
    [whole(-3, 3), whole(-3, 3)],
    NUMBERS,
    gradient=2,
    near_kinks=_SIDES,
    gradient_points=(
        GradientPoint(([1.0, 2.0, 3.0], [3.0, 2.0, 1.0]), ([0, 0.5, 1], [1, 0.5, 0])),
    ),
    failures=_failures(arithmetic.maximum),
    specials=(
        triples([(nan, 1, nan), (1, nan, nan), (inf, 1, inf), (-inf, 1, 1)]),
        *_extremes(max, [("min", "max"), ("max", "min"), ("min", "0")]),
    ),
)
MINIMUM = elementwise(
    "minimum",
    rational(min),
    [whole(-3, 3), whole(-3, 3)],
    NUMBERS,
    gradient=2,
    near_kinks=_SIDES,
    gradient_points=(
        GradientPoint(([1.0, 2.0, 3.0], [3.0, 2.0, 1.0]), ([1, 0.5, 0], [0, 0.5, 1])),
    ),
    failures=_failures(arithmetic.minimum),
    specials=(
        triples([(nan, 1, nan), (1, nan, nan), (inf, 1, 1), (-inf, 1, -inf)]),
        *_extremes(min, [("min", "max"), ("max", "min"), ("max", "0")]),
    ),
)
COPYSIGN = elementwise(
    "copysign",
    math.copysign,
    [anything, anything],
    gradient=2,
    near_kinks=[apart_from_zero(0.5, 3), apart_from_zero(0.5, 3)],
    failures=binary_failures(arithmetic.copysign),
    specials=(
        triples([(1, -0.0, -1), (-1, 0.0, 1), (nan, -1, nan), (inf, -nan, -inf), (0.0, -2, -0.0)]),
    ),
)
NEXTAFTER = OpRecord(
    "nextafter",
    FLOATS,
    calls([ordinary, ordinary]),
    _nextafter,
    torch=in_torch("nextafter"),
    failures=binary_failures(arithmetic.nextafter),
    specials=(
        triples([(1, 1, 1), (nan, 1, nan), (1, nan, nan), (0.0, -0.0, -0.0), (inf, inf, inf)]),
        *_each(
            lambda top, low, tiny: [
                (([0.0, -0.0, tiny, -tiny], [1, 1, -1, 1]), [tiny, tiny, 0.0, -0.0]),
                (([top, -top, inf, low], [inf, -inf, 0, 0]), [inf, -inf, top, low - tiny]),
            ]
        ),
    ),
)
