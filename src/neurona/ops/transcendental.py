"""Exponentials, logarithms, trigonometric and hyperbolic functions, sigmoid and erf."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from neurona.core.apply import apply
from neurona.core.slots import provide
from neurona.core.tensor import Tensor
from neurona.ops.arithmetic import sqrt
from neurona.ops.elementwise import elementwise
from neurona.ops.operand import floats


def _sigmoid(x: Any) -> Any:
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small)).astype(x.dtype)


def _erf(x: Any) -> Any:
    return np.asarray(np.vectorize(math.erf, otypes=[np.float64])(x)).astype(x.dtype)


EXP = elementwise("exp", np.exp, lambda g, y, x: g * y, dear=True)
EXPM1 = elementwise("expm1", np.expm1, lambda g, y, x: g * (y + 1), dear=True)
LOG = elementwise("log", np.log, lambda g, y, x: g / x, dear=True)
LOG1P = elementwise("log1p", np.log1p, lambda g, y, x: g / (1 + x), dear=True)
LOG2 = elementwise("log2", np.log2, lambda g, y, x: g / (x * math.log(2)), dear=True)
LOG10 = elementwise("log10", np.log10, lambda g, y, x: g / (x * math.log(10)), dear=True)
SIN = elementwise("sin", np.sin, lambda g, y, x: g * cos(x), dear=True)
COS = elementwise("cos", np.cos, lambda g, y, x: -g * sin(x), dear=True)
TAN = elementwise("tan", np.tan, lambda g, y, x: g * (1 + y * y), dear=True)
ASIN = elementwise("asin", np.arcsin, lambda g, y, x: g / sqrt(1 - x * x), dear=True)
ACOS = elementwise("acos", np.arccos, lambda g, y, x: -g / sqrt(1 - x * x), dear=True)
ATAN = elementwise("atan", np.arctan, lambda g, y, x: g / (1 + x * x), dear=True)
SINH = elementwise("sinh", np.sinh, lambda g, y, x: g * cosh(x), dear=True)
COSH = elementwise("cosh", np.cosh, lambda g, y, x: g * sinh(x), dear=True)
TANH = elementwise("tanh", np.tanh, lambda g, y, x: g * (1 - y * y), dear=True)
ASINH = elementwise("asinh", np.arcsinh, lambda g, y, x: g / sqrt(x * x + 1), dear=True)
ACOSH = elementwise("acosh", np.arccosh, lambda g, y, x: g / (sqrt(x - 1) * sqrt(x + 1)), dear=True)
ATANH = elementwise("atanh", np.arctanh, lambda g, y, x: g / (1 - x * x), dear=True)
SIGMOID = elementwise("sigmoid", _sigmoid, lambda g, y, x: g * (y * (1 - y)), dear=True)
ERF = elementwise(
    "erf", _erf, lambda g, y, x: g * (2 / math.sqrt(math.pi)) * exp(-x * x), dear=True
)
ATAN2 = elementwise(
    "atan2",
    np.arctan2,
    lambda g, y, a, b: g * b / (a * a + b * b),
    lambda g, y, a, b: -g * a / (a * a + b * b),
    dear=True,
)
LOGADDEXP = elementwise(
    "logaddexp",
    np.logaddexp,
    lambda g, y, a, b: g * sigmoid(a - b),
    lambda g, y, a, b: g * sigmoid(b - a),
    dear=True,
)


@provide
def exp(x: Any, /) -> Tensor:
    """e^x."""
    return apply(EXP, *floats(x))


@provide
def expm1(x: Any, /) -> Tensor:
    """e^x − 1, exact near 0."""
    return apply(EXPM1, *floats(x))


@provide
def log(x: Any, /) -> Tensor:
    """The natural logarithm; −∞ at 0, NaN below."""
    return apply(LOG, *floats(x))


@provide
def log1p(x: Any, /) -> Tensor:
    """log(1 + x), exact near 0."""
    return apply(LOG1P, *floats(x))


@provide
def log2(x: Any, /) -> Tensor:
    """The logarithm to base 2."""
    return apply(LOG2, *floats(x))


@provide
def log10(x: Any, /) -> Tensor:
    """The logarithm to base 10."""
    return apply(LOG10, *floats(x))


@provide
def sin(x: Any, /) -> Tensor:
    """The sine of x radians."""
    return apply(SIN, *floats(x))


@provide
def cos(x: Any, /) -> Tensor:
    """The cosine of x radians."""
    return apply(COS, *floats(x))


@provide
def tan(x: Any, /) -> Tensor:
    """The tangent of x radians."""
    return apply(TAN, *floats(x))


@provide
def asin(x: Any, /) -> Tensor:
    """The arc sine, in [−π/2, π/2]."""
    return apply(ASIN, *floats(x))


@provide
def acos(x: Any, /) -> Tensor:
    """The arc cosine, in [0, π]."""
    return apply(ACOS, *floats(x))


@provide
def atan(x: Any, /) -> Tensor:
    """The arc tangent, in [−π/2, π/2]."""
    return apply(ATAN, *floats(x))


@provide
def sinh(x: Any, /) -> Tensor:
    """The hyperbolic sine."""
    return apply(SINH, *floats(x))


@provide
def cosh(x: Any, /) -> Tensor:
    """The hyperbolic cosine."""
    return apply(COSH, *floats(x))


@provide
def tanh(x: Any, /) -> Tensor:
    """The hyperbolic tangent."""
    return apply(TANH, *floats(x))


@provide
def asinh(x: Any, /) -> Tensor:
    """The inverse of sinh."""
    return apply(ASINH, *floats(x))


@provide
def acosh(x: Any, /) -> Tensor:
    """The inverse of cosh, from 1 on."""
    return apply(ACOSH, *floats(x))


@provide
def atanh(x: Any, /) -> Tensor:
    """The inverse of tanh, in (−1, 1)."""
    return apply(ATANH, *floats(x))


@provide
def sigmoid(x: Any, /) -> Tensor:
    """1/(1 + e^−x), without overflow."""
    return apply(SIGMOID, *floats(x))


@provide
def erf(x: Any, /) -> Tensor:
    """2/√π · ∫₀ˣ e^(−t²) dt."""
    return apply(ERF, *floats(x))


@provide
def atan2(x1: Any, x2: Any, /) -> Tensor:
    """The angle of the point (x2, x1), in [−π, π]."""
    return apply(ATAN2, *floats(x1, x2))


@provide
def logaddexp(x1: Any, x2: Any, /) -> Tensor:
    """log(e^x1 + e^x2), without overflow."""
    return apply(LOGADDEXP, *floats(x1, x2))
