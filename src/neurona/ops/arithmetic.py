"""Arithmetic: the field operations, powers, rounding, extremes."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurona.core import dtypes
from neurona.core.apply import apply
from neurona.core.errors import DTypeError
from neurona.core.slots import operators, provide
from neurona.core.tensor import Tensor
from neurona.ops.broadcast import broadcast_to
from neurona.ops.compare import (
    equal,
    greater,
    greater_equal,
    indicator,
    isnan,
    less,
    signbit,
    where,
)
from neurona.ops.elementwise import elementwise
from neurona.ops.operand import cast, floats, literal, operand, operands, renew


def _numbers(who: str, *values: Any) -> list[Tensor]:
    tensors = operands(*values) if len(values) > 1 else [operand(values[0])]
    if tensors[0].dtype == dtypes.bool_:
        raise DTypeError(f"{who}: numbers are needed, not bool; cast with `astype` or use logic")
    return tensors


ADD = elementwise("add", np.add, lambda g, y, a, b: g, lambda g, y, a, b: g)
SUBTRACT = elementwise("subtract", np.subtract, lambda g, y, a, b: g, lambda g, y, a, b: -g)
MULTIPLY = elementwise("multiply", np.multiply, lambda g, y, a, b: g * b, lambda g, y, a, b: g * a)
DIVIDE = elementwise("divide", np.divide, lambda g, y, a, b: g / b, lambda g, y, a, b: -g * y / b)
FLOOR_DIVIDE = elementwise("floor_divide", np.floor_divide)
REMAINDER = elementwise(
    "remainder", np.remainder, lambda g, y, a, b: g, lambda g, y, a, b: -g * floor(a / b)
)
NEGATIVE = elementwise("negative", np.negative, lambda g, y, x: -g)
ABS = elementwise("abs", np.abs, lambda g, y, x: g * sign(x))
SIGN = elementwise("sign", np.sign)
SQRT = elementwise("sqrt", np.sqrt, lambda g, y, x: g / (2 * y))
CEIL = elementwise("ceil", np.ceil)
FLOOR = elementwise("floor", np.floor)
TRUNC = elementwise("trunc", np.trunc)
ROUND = elementwise("round", np.round)


@provide
def add(x1: Any, x2: Any, /) -> Tensor:
    """x1 + x2."""
    return apply(ADD, *_numbers("add", x1, x2))


@provide
def subtract(x1: Any, x2: Any, /) -> Tensor:
    """x1 − x2."""
    return apply(SUBTRACT, *_numbers("subtract", x1, x2))


@provide
def multiply(x1: Any, x2: Any, /) -> Tensor:
    """x1·x2, the Hadamard product."""
    return apply(MULTIPLY, *_numbers("multiply", x1, x2))


@provide
def divide(x1: Any, x2: Any, /) -> Tensor:
    """x1/x2; integers become floats first."""
    return apply(DIVIDE, *floats(x1, x2))


@provide
def floor_divide(x1: Any, x2: Any, /) -> Tensor:
    """⌊x1/x2⌋; by an integer 0 the result is 0."""
    return apply(FLOOR_DIVIDE, *_numbers("floor_divide", x1, x2))


@provide
def remainder(x1: Any, x2: Any, /) -> Tensor:
    """x1 − x2·⌊x1/x2⌋, with the sign of x2; by an integer 0 the result is 0."""
    return apply(REMAINDER, *_numbers("remainder", x1, x2))


@provide
def negative(x: Any, /) -> Tensor:
    """−x."""
    return apply(NEGATIVE, *_numbers("negative", x))


@provide
def positive(x: Any, /) -> Tensor:
    """x itself."""
    return renew(_numbers("positive", x)[0])


def conj(x: Any, /) -> Tensor:
    """x itself: there are no complex numbers here."""
    return renew(_numbers("conj", x)[0])


def real(x: Any, /) -> Tensor:
    """x itself: there are no complex numbers here."""
    return renew(_numbers("real", x)[0])


def imag(x: Any, /) -> Tensor:
    """0 everywhere: there are no complex numbers here."""
    tensor = _numbers("imag", x)[0]
    return broadcast_to(literal(0, tensor.dtype), tensor.shape)


@provide
def abs(x: Any, /) -> Tensor:
    """|x|; the derivative at 0 is 0."""
    return apply(ABS, *_numbers("abs", x))


@provide
def sign(x: Any, /) -> Tensor:
    """−1, 0 or 1; NaN stays NaN."""
    return apply(SIGN, *_numbers("sign", x))


@provide
def sqrt(x: Any, /) -> Tensor:
    """√x; NaN below 0."""
    return apply(SQRT, *floats(x))


@provide
def square(x: Any, /) -> Tensor:
    """x²."""
    return operand(x) * operand(x)


@provide
def reciprocal(x: Any, /) -> Tensor:
    """1/x."""
    return 1 / floats(x)[0]


def _rounding(who: str, op: Any, x: Any) -> Tensor:
    (tensor,) = _numbers(who, x)
    return apply(op, tensor) if dtypes.is_float(tensor.dtype) else renew(tensor)


@provide
def ceil(x: Any, /) -> Tensor:
    """The least integer not below x."""
    return _rounding("ceil", CEIL, x)


@provide
def floor(x: Any, /) -> Tensor:
    """The greatest integer not above x."""
    return _rounding("floor", FLOOR, x)


@provide
def trunc(x: Any, /) -> Tensor:
    """x without its fraction."""
    return _rounding("trunc", TRUNC, x)


@provide
def round(x: Any, /) -> Tensor:
    """The nearest integer; halves go to the even one."""
    return _rounding("round", ROUND, x)


# --- powers ---


def _pow_base(g: Tensor, y: Tensor, a: Tensor, b: Tensor) -> Tensor:
    # At exponent 0 the derivative is 0, also at base 0, where b·a^(b−1) would be 0·∞.
    zero = equal(b, 0)
    return g * where(zero, 0, b * pow(a, where(zero, 1, b - 1)))


def _pow_exponent(g: Tensor, y: Tensor, a: Tensor, b: Tensor) -> Tensor:
    # y·log a, with its limit 0 where a = 0 and b ≥ 0.
    nil = equal(a, 0) & greater_equal(b, 0)
    return g * where(nil, 0, y * operators.log(where(nil, 1, a)))


def _power(a: Any, b: Any) -> Any:
    if dtypes.is_integer(a.dtype) and a.dtype in dtypes.SIGNED:
        # NumPy refuses negative exponents; here they truncate, as division of integers does.
        safe = np.power(a, np.maximum(b, 0))
        return np.where(b >= 0, safe, np.where(a == 1, 1, np.where(a == -1, 1 - 2 * (b % 2), 0)))
    return np.power(a, b)


POW = elementwise("pow", _power, _pow_base, _pow_exponent, dear=True)
HYPOT = elementwise("hypot", np.hypot, lambda g, y, a, b: g * a / y, lambda g, y, a, b: g * b / y)


@provide
def pow(x1: Any, x2: Any, /) -> Tensor:
    """x1^x2. The derivative by x1 at exponent 0 is 0, also at 0⁰ = 1."""
    if isinstance(x2, int) and not isinstance(x2, bool) and x2 == 2:
        return square(x1)
    return apply(POW, *_numbers("pow", x1, x2))


@provide
def hypot(x1: Any, x2: Any, /) -> Tensor:
    """√(x1² + x2²) without overflow on the way."""
    return apply(HYPOT, *floats(x1, x2))


# --- extremes ---


def _share(g: Tensor, mine: Tensor, other: Tensor, wins: Any) -> Tensor:
    # At a tie both inputs get half, so that max(x, x) has the derivative 1.
    return g * where(equal(mine, other), 0.5, indicator(wins(mine, other), g))


MAXIMUM = elementwise(
    "maximum",
    np.maximum,
    lambda g, y, a, b: _share(g, a, b, greater),
    lambda g, y, a, b: _share(g, b, a, greater),
)
MINIMUM = elementwise(
    "minimum",
    np.minimum,
    lambda g, y, a, b: _share(g, a, b, less),
    lambda g, y, a, b: _share(g, b, a, less),
)
COPYSIGN = elementwise(
    "copysign",
    np.copysign,
    lambda g, y, a, b: where(equal(signbit(a), signbit(b)), g, -g),
    None,
)
# NumPy's float16 gives the first of two equal operands, which matters for the sign of zero.
NEXTAFTER = elementwise("nextafter", lambda a, b: np.where(a == b, b, np.nextafter(a, b)))


@provide
def maximum(x1: Any, x2: Any, /) -> Tensor:
    """The larger; NaN if either is. At a tie each input gets half of the gradient."""
    return apply(MAXIMUM, *_numbers("maximum", x1, x2))


@provide
def minimum(x1: Any, x2: Any, /) -> Tensor:
    """The smaller; NaN if either is. At a tie each input gets half of the gradient."""
    return apply(MINIMUM, *_numbers("minimum", x1, x2))


@provide
def copysign(x1: Any, x2: Any, /) -> Tensor:
    """|x1| with the sign of x2."""
    return apply(COPYSIGN, *floats(x1, x2))


@provide
def nextafter(x1: Any, x2: Any, /) -> Tensor:
    """The next representable number after x1 toward x2."""
    return apply(NEXTAFTER, *floats(x1, x2))


@provide
def clip(x: Any, /, min: Any = None, max: Any = None) -> Tensor:
    """x kept within [min, max]; no gradient flows where x lies outside.

    min, max: numbers or tensors, broadcast against x; None leaves that side open. The dtype is
    x's: bounds are cast to it. Only a float number makes integers floats, as in arithmetic.
    """
    (tensor,) = _numbers("clip", x)
    for bound, beyond in ((min, less), (max, greater)):
        if bound is not None:
            limit = _bound(bound, tensor.dtype)
            tensor = where(beyond(tensor, limit) | isnan(limit), limit, tensor)
    return renew(tensor)


def _bound(bound: Any, dtype: dtypes.DType) -> Any:
    if isinstance(bound, int) and dtypes.is_integer(dtype):
        info = np.iinfo(dtype)
        return int(np.clip(bound, info.min, info.max))
    return bound if isinstance(bound, (bool, int, float)) else cast(operand(bound), dtype)
