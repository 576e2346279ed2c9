"""Records of exponentials, logarithms, trigonometric and hyperbolic functions, sigmoid and erf.

References run in float64 by the C library (`math`) or in 50 decimal digits; the float64 tolerance
covers the two libraries' last places.
"""

from __future__ import annotations

import decimal
import math
from collections.abc import Callable, Sequence
from typing import Any

from neurona.core import dtypes
from neurona.ops import transcendental
from tests.ops.elementwise import (
    binary_failures,
    elementwise,
    inf,
    nan,
    pairs,
    smallest,
    triples,
)
from tests.ops.record import FLOATS, OpRecord, Special
from tests.ops.samples import Draw, apart_from_zero, numbers, ordinary

DIGITS = decimal.Context(prec=50, Emin=-99999, Emax=99999)
PI = decimal.Decimal("3.14159265358979323846264338327950288419716939937510582097494")
zeros = [(0.0, 0.0), (-0.0, -0.0), (nan, nan)]
"""Odd functions keep the sign of zero."""


def _unary(
    name: str,
    function: Callable[[float], float],
    domain: Draw,
    specials: Sequence[tuple[float, float]],
    *,
    ulps: float = 2,
    small: bool = False,
    smooth: Draw | None = None,
    **rest: Any,
) -> OpRecord:
    """small: f(x) rounds to x for the smallest numbers, which must not be flushed to zero.

    smooth: a domain far enough from poles for finite differences.
    """
    more: list[Special] = []
    if small:
        more = [
            Special(([smallest(d), -smallest(d)],), [smallest(d), -smallest(d)], (d,))
            for d in FLOATS
        ]
    return elementwise(
        name,
        function,
        [domain],
        ulps=ulps,
        gradient=2,
        near_kinks=[smooth] if smooth else None,
        specials=(pairs(specials), *more),
        failures=(),
        **rest,
    )


EXP = _unary(
    "exp",
    math.exp,
    numbers(-5, 5),
    [
        (0.0, 1),
        (-0.0, 1),
        (inf, inf),
        (-inf, 0.0),
        (nan, nan),
        (1, math.e),
        (-1e4, 0.0),
        (1e4, inf),
    ],
    torch="exp",
)
EXPM1 = _unary(
    "expm1",
    math.expm1,
    numbers(-5, 5),
    [*zeros, (inf, inf), (-inf, -1), (1e4, inf), (-1e4, -1)],
    small=True,
)
LOG = _unary(
    "log",
    math.log,
    numbers(0.2, 9),
    [(0.0, -inf), (-0.0, -inf), (1, 0.0), (inf, inf), (-1, nan), (nan, nan), (-inf, nan)],
)
LOG1P = _unary(
    "log1p",
    math.log1p,
    numbers(-0.7, 9),
    [*zeros, (-1, -inf), (-2, nan), (inf, inf), (-inf, nan)],
    small=True,
)
LOG2 = _unary(
    "log2",
    math.log2,
    numbers(0.2, 9),
    [(0.0, -inf), (-0.0, -inf), (1, 0.0), (8, 3), (0.25, -2), (inf, inf), (-1, nan), (nan, nan)],
)
LOG10 = _unary(
    "log10",
    math.log10,
    numbers(0.2, 9),
    [(0.0, -inf), (-0.0, -inf), (1, 0.0), (1000, 3), (inf, inf), (-1, nan), (nan, nan)],
)
SIN = _unary("sin", math.sin, numbers(-7, 7), [*zeros, (inf, nan), (-inf, nan)], small=True)
COS = _unary(
    "cos", math.cos, numbers(-7, 7), [(0.0, 1), (-0.0, 1), (inf, nan), (-inf, nan), (nan, nan)]
)
TAN = _unary("tan", math.tan, numbers(-1.3, 1.3), [*zeros, (inf, nan), (-inf, nan)], small=True)
ASIN = _unary(
    "asin",
    math.asin,
    numbers(-0.9, 0.9),
    [*zeros, (1, math.pi / 2), (-1, -math.pi / 2), (1.5, nan), (-inf, nan)],
    smooth=numbers(-0.6, 0.6),
    small=True,
)
ACOS = _unary(
    "acos",
    math.acos,
    numbers(-0.9, 0.9),
    [(1, 0.0), (-1, math.pi), (0.0, math.pi / 2), (1.5, nan), (-inf, nan), (nan, nan)],
    smooth=numbers(-0.6, 0.6),
)
ATAN = _unary(
    "atan",
    math.atan,
    ordinary,
    [*zeros, (inf, math.pi / 2), (-inf, -math.pi / 2), (1, math.pi / 4)],
    small=True,
)
SINH = _unary(
    "sinh", math.sinh, numbers(-4, 4), [*zeros, (inf, inf), (-inf, -inf), (1e4, inf)], small=True
)
COSH = _unary(
    "cosh", math.cosh, numbers(-4, 4), [(0.0, 1), (-0.0, 1), (inf, inf), (-inf, inf), (nan, nan)]
)
TANH = _unary(
    "tanh", math.tanh, ordinary, [*zeros, (inf, 1), (-inf, -1), (1e4, 1), (-1e4, -1)], small=True
)
ASINH = _unary("asinh", math.asinh, ordinary, [*zeros, (inf, inf), (-inf, -inf)], small=True)
ACOSH = _unary(
    "acosh",
    math.acosh,
    numbers(1.2, 9),
    [(1, 0.0), (0.5, nan), (-1, nan), (inf, inf), (-inf, nan), (nan, nan)],
)
ATANH = _unary(
    "atanh",
    math.atanh,
    numbers(-0.9, 0.9),
    [*zeros, (1, inf), (-1, -inf), (1.5, nan), (-inf, nan)],
    smooth=numbers(-0.6, 0.6),
    small=True,
)


def _sigmoid(x: float) -> float:
    return float(1 / (1 + DIGITS.exp(decimal.Decimal(-x))))


def _erf(x: float) -> float:
    """2/√π Σ (−1)ⁿ x^(2n+1)/(n! (2n+1)), summed in 50 digits."""
    with decimal.localcontext(DIGITS):
        z = decimal.Decimal(x)
        term, total, n = z, z, 0
        while abs(term) > decimal.Decimal("1e-40"):
            n += 1
            term *= -z * z / n
            total += term / (2 * n + 1)
        return float(2 * total / PI.sqrt())


SIGMOID = _unary(
    "sigmoid",
    _sigmoid,
    numbers(-6, 6),
    [(0.0, 0.5), (-0.0, 0.5), (inf, 1), (-inf, 0.0), (nan, nan), (1e4, 1), (-1e4, 0.0)],
    ulps=3,
)
ERF = _unary(
    "erf",
    _erf,
    numbers(-3, 3),
    [*zeros, (inf, 1), (-inf, -1), (30, 1), (-30, -1)],
)
ATAN2 = elementwise(
    "atan2",
    math.atan2,
    [ordinary, apart_from_zero(0.5, 4)],
    ulps=2,
    gradient=2,
    failures=binary_failures(transcendental.atan2),
    specials=(
        triples([(0.0, 1, 0.0), (-0.0, 1, -0.0), (0.0, -1, math.pi), (-0.0, -1, -math.pi)]),
        triples([(0.0, 0.0, 0.0), (-0.0, 0.0, -0.0), (0.0, -0.0, math.pi), (-0.0, -0.0, -math.pi)]),
        triples([(inf, inf, math.pi / 4), (inf, -inf, 3 * math.pi / 4), (-inf, inf, -math.pi / 4)]),
        triples(
            [(1, inf, 0.0), (1, -inf, math.pi), (inf, 1, math.pi / 2), (nan, 1, nan), (1, nan, nan)]
        ),
    ),
)


def _logaddexp(a: float, b: float) -> float:
    total = DIGITS.add(DIGITS.exp(decimal.Decimal(a)), DIGITS.exp(decimal.Decimal(b)))
    return float(DIGITS.ln(total))


LOGADDEXP = elementwise(
    "logaddexp",
    _logaddexp,
    [ordinary, ordinary],
    ulps=2,
    # max(a, b) + log(1 + e^−|a−b|) may cancel.
    scale=lambda a, b: abs(max(a, b)) + math.log1p(math.exp(-abs(a - b))),
    gradient=2,
    failures=binary_failures(transcendental.logaddexp),
    specials=(
        triples([(inf, 1, inf), (-inf, 1, 1), (1, -inf, 1), (-inf, -inf, -inf), (inf, inf, inf)]),
        triples([(nan, 1, nan), (1, nan, nan), (inf, -inf, inf), (2, 2, 2 + math.log(2))]),
        triples(
            [(1e4, 0, 1e4), (-1e4, -1e4, -1e4 + math.log(2))], (dtypes.float32, dtypes.float64)
        ),
    ),
)
