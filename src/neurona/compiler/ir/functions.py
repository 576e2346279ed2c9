"""The functions of the scalar language, spelled out in its instructions.

`expand(k, name, args)` rewrites a call until only instructions are left, which `text` turns into
one LLVM instruction or intrinsic each. In float32 exp, log, tanh, erf and sigmoid are polynomials
that vectorise (at most 2 ulp, sigmoid 2.5; most coefficients of S. Moshier's Cephes library); the
others, and all of them in float64, call the C library lane by lane.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from neurona.compiler.ir.scalar import Builder, Expr
from neurona.core import dtypes
from neurona.core.dtypes import DType

INSTRUCTIONS = frozenset(
    [
        "add",
        "subtract",
        "multiply",
        "divide",
        "quotient",
        "modulo",
        "negative",
        "fma",
        "scale",
        "equal",
        "not_equal",
        "less",
        "less_equal",
        "greater",
        "greater_equal",
        "unordered",
        "where",
        "cast",
        "bitwise_and",
        "bitwise_or",
        "bitwise_xor",
        "bitwise_invert",
        "shift_left",
        "shift_right",
        "floor",
        "ceil",
        "trunc",
        "round",
        "sqrt",
        "abs",
        "copysign",
        "minimum",
        "maximum",
        "least",
        "greatest",
        "bits",
        "from_bits",
        "round_float16",
        "round_bfloat16",
    ]
)
LIBRARY = {
    "exp": "exp", "expm1": "expm1", "log": "log", "log1p": "log1p", "log2": "log2",
    "log10": "log10", "sin": "sin", "cos": "cos", "tan": "tan", "asin": "asin", "acos": "acos",
    "atan": "atan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "asinh": "asinh",
    "acosh": "acosh", "atanh": "atanh", "erf": "erf", "pow": "pow", "atan2": "atan2",
    "hypot": "hypot", "nextafter": "nextafter",
}  # fmt: skip
"""Functions the C library has, by its names (with an `f` appended for float32)."""

Expansion = Callable[..., Expr]
_ANY: dict[str, Expansion] = {}
_FLOAT32: dict[str, Expansion] = {}
_INTEGER: dict[str, Expansion] = {}


def _into(table: dict[str, Expansion]) -> Callable[[Expansion], Expansion]:
    def enter(function: Expansion) -> Expansion:
        table[function.__name__.strip("_")] = function
        return function

    return enter


def expand(k: Builder, name: str, args: tuple[Expr, ...]) -> Expr | None:
    """The call in simpler terms, or None if `name` is an instruction or a library function."""
    dtype = args[0].dtype
    if dtypes.is_float(dtype):
        rule = (_FLOAT32.get(name) if dtype == dtypes.float32 else None) or _ANY.get(name)
    else:
        rule = _INTEGER.get(name) or _ANY.get(name)
    return None if rule is None else rule(k, *args)


def _bits(dtype: DType) -> DType:
    return dtypes.int32 if dtype == dtypes.float32 else dtypes.int64


def _polynomial(k: Builder, x: Expr, *coefficients: float) -> Expr:
    """Horner's scheme, the highest power first."""
    result = k.constant(coefficients[0], x.dtype)
    for coefficient in coefficients[1:]:
        result = k.call("fma", result, x, k.constant(coefficient, x.dtype))
    return result


# --- any dtype ---


@_into(_ANY)
def isnan(k: Builder, x: Expr) -> Expr:
    return k.call("unordered", x, x)


@_into(_ANY)
def isinf(k: Builder, x: Expr) -> Expr:
    return k.call("equal", k.call("abs", x), k.constant(math.inf, x.dtype))


@_into(_ANY)
def isfinite(k: Builder, x: Expr) -> Expr:
    return k.call("less", k.call("abs", x), k.constant(math.inf, x.dtype))


@_into(_ANY)
def signbit(k: Builder, x: Expr) -> Expr:
    bits = k.call("bits", x)
    return k.call("less", bits, k.constant(0, bits.dtype))


@_into(_ANY)
def sign(k: Builder, x: Expr) -> Expr:
    zero, one = k.constant(0, x.dtype), k.constant(1, x.dtype)
    return k.where(x > zero, one, k.where(x < zero, -one, x))


@_into(_ANY)
def floor_divide(k: Builder, a: Expr, b: Expr) -> Expr:
    # As NumPy does it: a/b toward zero, less 1 where the rest has not the sign of b.
    zero, one, ratio = k.constant(0, a.dtype), k.constant(1, a.dtype), a / b
    rest = k.call("modulo", a, b)
    whole = k.call("round", (a - rest) / b)
    below = k.call("not_equal", rest, zero) & ((rest < zero) ^ (b < zero))
    whole = k.where(below, whole - one, whole)
    whole = k.where(k.call("equal", whole, zero), k.call("copysign", zero, ratio), whole)
    return k.where(k.call("equal", b, zero), ratio, whole)


@_into(_ANY)
def remainder(k: Builder, a: Expr, b: Expr) -> Expr:
    rest = k.call("modulo", a, b)
    zero = k.constant(0, a.dtype)
    adjusted = k.where((rest < zero) ^ (b < zero), rest + b, rest)
    return k.where(k.call("equal", rest, zero), k.call("copysign", zero, b), adjusted)


@_into(_ANY)
def sigmoid(k: Builder, x: Expr) -> Expr:
    one = k.constant(1, x.dtype)
    small = k.call("exp", -k.call("abs", x))
    return k.where(x >= 0, one, small) / (one + small)


@_into(_ANY)
def logaddexp(k: Builder, a: Expr, b: Expr) -> Expr:
    top = k.call("maximum", a, b)
    rest = k.call("log1p", k.call("exp", -k.call("abs", a - b)))
    return k.where(k.call("equal", a, b), a + k.constant(math.log(2), a.dtype), top + rest)


# --- float32 ---


@_into(_FLOAT32)
def exp(k: Builder, x: Expr) -> Expr:
    f32 = dtypes.float32
    # Beyond these bounds the result is 0 or ∞; comparisons keep NaN.
    y = k.where(x < -104.0, k.constant(-104.0, f32), x)
    y = k.where(y > 89.0, k.constant(89.0, f32), y)
    # Adding 1.5·2²³ leaves the nearest integer in the low bits of the sum.
    magic = k.constant(12582912.0, f32)
    n = k.call("fma", y, k.constant(1.44269504088896341, f32), magic) - magic
    r = k.call("fma", n, k.constant(-0.693359375, f32), y)
    r = k.call("fma", n, k.constant(2.12194440e-4, f32), r)
    p = _polynomial(
        k, r, 1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2,
        1.6666665459e-1, 5.0000001201e-1,
    )  # fmt: skip
    # The 1 comes last, so that what it rounds away is rounded once.
    return k.call("scale", k.call("fma", p, r * r, r) + 1.0, n)


@_into(_FLOAT32)
def log(k: Builder, x: Expr) -> Expr:
    f32, i32 = dtypes.float32, dtypes.int32
    tiny = x < float(np.finfo(np.float32).tiny)
    scaled = k.where(tiny, x * 8388608.0, x)
    bits = k.call("bits", scaled)
    # x = 2ᵉ·m with m in [√½, √2).
    shifted = bits - 0x3F3504F3
    exponent = k.call("shift_right", shifted, k.constant(23, i32))
    m = k.call("from_bits", bits - k.call("shift_left", exponent, k.constant(23, i32)))
    e = k.cast(exponent, f32) - k.where(tiny, k.constant(23, f32), k.constant(0, f32))
    r = m - 1.0
    z = r * r
    p = _polynomial(
        k, r, 7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1,
        1.4249322787e-1, -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
    )  # fmt: skip
    y = k.call("fma", e, k.constant(-2.12194440e-4, f32), r * z * p)
    y = k.call("fma", z, k.constant(-0.5, f32), y)
    result = k.call("fma", e, k.constant(0.693359375, f32), r + y)
    special = k.where(x >= math.inf, x, result)
    special = k.where(x < 0.0, k.constant(math.nan, f32), special)
    special = k.where(x == 0.0, k.constant(-math.inf, f32), special)
    return k.where(isnan(k, x), x, special)


@_into(_FLOAT32)
def tanh(k: Builder, x: Expr) -> Expr:
    size = k.call("abs", x)
    z = x * x
    p = _polynomial(
        k, z, -5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1,
        -3.33332819422e-1,
    )  # fmt: skip
    small = k.call("fma", x * z, p, x)
    large = 1.0 - 2.0 / (k.call("exp", size + size) + 1.0)
    # The sign also of −0, which `small` loses.
    return k.call("copysign", k.where(size < 0.625, small, large), x)


@_into(_FLOAT32)
def erf(k: Builder, x: Expr) -> Expr:
    # Around each multiple of the step a polynomial of its own in the distance r from there.
    f32 = dtypes.float32
    size = k.call("abs", x)
    size = k.where(size > 3.93, k.constant(3.93, f32), size)  # 1 from there on
    # The sum has the nearest multiple in its low bits, as in exp.
    magic = k.constant(12582912.0, f32)
    shifted = k.call("fma", size, k.constant(1 / _ERF_STEP, f32), magic)
    r = k.call("fma", shifted - magic, k.constant(-_ERF_STEP, f32), size)
    first, *others, start = [k.lookup(k.call("bits", shifted), table) for table in _ERF]
    p = first
    for coefficient in others:
        p = k.call("fma", p, r, coefficient)
    # Near 0 erf is r + r·P(r), so that next to nothing is lost by rounding P; r < start elsewhere.
    return k.call("copysign", k.call("fma", p, r, k.where(start > r, start, r)), x)


_ERF_STEP = 65 / 256
_ERF = (
    (
        0.110871442, 0.0784898996, 0.00503695244, -0.0544746593, -0.0682900622, -0.044534564,
        -0.0123070646, 0.00786814187, 0.0130418865, 0.010019714, 0.00549477804, 0.00236757309,
        0.00083451136, 0.000245525764, 6.10535863e-05, 1.29387508e-05,
    ),
    (
        0.000307891663, 0.127658337, 0.182849929, 0.147139236, 0.0642903298, -0.00977029186,
        -0.0451376438, -0.0475283824, -0.0324233808, -0.0164771397, -0.00692192744, -0.00282152742,
        -0.000442921068, -0.000176482761, 0.000592675351, 0.000366214808,
    ),
    (
        -0.376143128, -0.307166874, -0.140736789, 0.0337722041, 0.142521918, 0.166876137,
        0.13449432, 0.0849496946, 0.044045601, 0.0191701818, 0.00709280651, 0.00224865391,
        0.000614111486, 0.000145021797, 2.96952367e-05, 5.28350938e-06,
    ),
    (
        3.07625271e-07, -0.268611073, -0.442762285, -0.481133759, -0.408529073, -0.285860896,
        -0.168800339, -0.0851659328, -0.037010517, -0.0139294229, -0.00455244817, -0.00128900469,
        -0.000325966423, -6.97808136e-05, -2.34228883e-05, -8.22704351e-06,
    ),
    (
        0.128379166, 1.05792964, 0.871890604, 0.631641567, 0.402237773, 0.225163758, 0.110794343,
        0.0479225777, 0.0182207488, 0.00608969759, 0.00178907579, 0.000462024705, 0.000104883009,
        2.09290029e-05, 3.67109351e-06, 5.66038295e-07,
    ),
    (
        0, 0.28046301, 0.527338505, 0.718623817, 0.849086046, 0.927408159, 0.968796372, 0.988047481,
        0.995929182, 0.998769462, 0.999670327, 0.999921799, 0.999983609, 0.99999696, 0.999999523,
        0.99999994,
    ),
)  # fmt: skip
"""Coefficients around each multiple of the step, the highest power first."""


# --- integers and bools ---


@_into(_INTEGER)
def integer_floor_divide(k: Builder, a: Expr, b: Expr) -> Expr:
    zero = k.constant(0, a.dtype)
    quotient, rest = _divide(k, a, b)
    if a.dtype in dtypes.SIGNED:
        below = k.call("not_equal", rest, zero) & ((rest < zero) ^ (b < zero))
        quotient = quotient - k.cast(below, a.dtype)
    return k.where(k.call("equal", b, zero), zero, quotient)


@_into(_INTEGER)
def integer_remainder(k: Builder, a: Expr, b: Expr) -> Expr:
    zero = k.constant(0, a.dtype)
    _, rest = _divide(k, a, b)
    if a.dtype in dtypes.SIGNED:
        below = k.call("not_equal", rest, zero) & ((rest < zero) ^ (b < zero))
        rest = k.where(below, rest + b, rest)
    return k.where(k.call("equal", b, zero), zero, rest)


_INTEGER["floor_divide"] = _INTEGER.pop("integer_floor_divide")
_INTEGER["remainder"] = _INTEGER.pop("integer_remainder")


def _divide(k: Builder, a: Expr, b: Expr) -> tuple[Expr, Expr]:
    """Quotient and rest toward zero, of operands that cannot trap."""
    one, zero = k.constant(1, a.dtype), k.constant(0, a.dtype)
    unsafe = k.call("equal", b, zero)
    if a.dtype in dtypes.SIGNED:
        minus = k.call("equal", b, k.constant(-1, b.dtype))
        safe = k.where(unsafe | minus, one, b)
        quotient = k.where(minus, zero - a, k.call("quotient", a, safe))
        return quotient, k.where(minus, zero, k.call("modulo", a, safe))
    safe = k.where(unsafe, one, b)
    return k.call("quotient", a, safe), k.call("modulo", a, safe)


@_into(_INTEGER)
def bitwise_left_shift(k: Builder, a: Expr, b: Expr) -> Expr:
    inside = _in_width(k, a, b)
    zero = k.constant(0, a.dtype)
    return k.where(inside, k.call("shift_left", a, k.where(inside, b, zero)), zero)


@_into(_INTEGER)
def bitwise_right_shift(k: Builder, a: Expr, b: Expr) -> Expr:
    inside = _in_width(k, a, b)
    zero = k.constant(0, a.dtype)
    beyond = k.where(a < zero, zero - 1, zero) if a.dtype in dtypes.SIGNED else zero
    return k.where(inside, k.call("shift_right", a, k.where(inside, b, zero)), beyond)


def _in_width(k: Builder, a: Expr, b: Expr) -> Expr:
    width = k.constant(a.dtype.itemsize * 8, a.dtype)
    return (b < width) & (b >= 0) if a.dtype in dtypes.SIGNED else b < width


@_into(_INTEGER)
def integer_sign(k: Builder, x: Expr) -> Expr:
    zero, one = k.constant(0, x.dtype), k.constant(1, x.dtype)
    below = zero - one if x.dtype in dtypes.SIGNED else zero
    return k.where(x > zero, one, k.where(x < zero, below, zero))


_INTEGER["sign"] = _INTEGER.pop("integer_sign")


@_into(_INTEGER)
def pow(k: Builder, base: Expr, exponent: Expr) -> Expr:
    """Square and multiply over all bits of the exponent; negative exponents truncate."""
    one, zero = k.constant(1, base.dtype), k.constant(0, base.dtype)
    result, square, rest = one, base, exponent
    for _ in range(base.dtype.itemsize * 8 - (base.dtype in dtypes.SIGNED)):
        odd = k.call("not_equal", rest & one, zero)
        result = k.where(odd, result * square, result)
        square = square * square
        rest = k.call("shift_right", rest, one)
    if base.dtype not in dtypes.SIGNED:
        return result
    odd = k.call("not_equal", exponent & one, zero)
    unit = k.where(base == 1, one, k.where(base == -1, k.where(odd, zero - 1, one), zero))
    return k.where(exponent < zero, unit, result)


def _never(k: Builder, x: Expr) -> Expr:
    return k.constant(False, dtypes.bool_)


def _always(k: Builder, x: Expr) -> Expr:
    return k.constant(True, dtypes.bool_)


_INTEGER |= {"isnan": _never, "isinf": _never, "isfinite": _always}


def native(name: str, dtype: DType) -> bool:
    """Whether the compiler has `name` for operands of `dtype`."""
    if name == "nextafter":
        return dtype in (dtypes.float32, dtypes.float64)
    if name in INSTRUCTIONS or name in _ANY:
        return True
    if dtypes.is_float(dtype):
        return name in LIBRARY
    return name in _INTEGER
