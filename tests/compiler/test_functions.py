"""The functions of compiled programs: how exact they are, and what integers do."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona.core import dtypes
from neurona.core.dtypes import DType
from tests.compiler.graphs import Array
from tests.ops.closeness import as_result, assert_identical, distance

INTEGERS = dtypes.SIGNED + dtypes.UNSIGNED
HALVES = (dtypes.float16, dtypes.bfloat16)


def sigmoid(x: Array) -> Array:
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small))


LIMITS: dict[str, tuple[Callable[..., Any], float, float]] = {
    "exp": (np.exp, 1.0, 1.0), "expm1": (np.expm1, 1.0, 1.0), "log": (np.log, 1.0, 1.0),
    "log1p": (np.log1p, 1.0, 1.0), "log2": (np.log2, 1.0, 1.0), "log10": (np.log10, 2.5, 2.5),
    "sin": (np.sin, 1.0, 1.0), "cos": (np.cos, 1.0, 1.0), "tan": (np.tan, 1.5, 1.0),
    "asin": (np.arcsin, 1.0, 1.0), "acos": (np.arccos, 1.0, 1.0), "atan": (np.arctan, 1.0, 1.0),
    "sinh": (np.sinh, 2.5, 2.5), "cosh": (np.cosh, 2.5, 2.5), "tanh": (np.tanh, 1.5, 2.5),
    "asinh": (np.arcsinh, 2.0, 2.5), "acosh": (np.arccosh, 2.0, 2.5),
    "atanh": (np.arctanh, 2.0, 2.5), "sigmoid": (sigmoid, 2.5, 3.0),
}  # fmt: skip
"""Reference, ulps allowed in float32, and in float64."""

ODD = np.array(
    [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 0.5, 88.72284, 89.0, -103.97, -104.0]
)


def everywhere(step: int = 16411) -> Array:
    """float32 numbers of all sizes, subnormals, infinities and NaN among them."""
    return np.arange(0, 2**32, step, np.uint64).astype(np.uint32).view(np.float32)


def where_it_bends() -> Array:
    return np.concatenate([np.linspace(-110, 110, 40001), np.linspace(-2, 2, 40001), ODD])


@pytest.mark.parametrize("name", LIMITS)
def test_float32_is_exact_to_a_few_ulps(name: str) -> None:
    reference, limit, _ = LIMITS[name]
    x = np.concatenate([everywhere(), where_it_bends().astype(np.float32)])
    with np.errstate(all="ignore"):
        expected = reference(x.astype(np.longdouble)).astype(np.float64)
        actual = ne.compile(getattr(ne, name))(x).numpy()
        # What overflows does so in the result as well.
        whole = np.where(np.isinf(as_result(expected, dtypes.float32)), expected * np.inf, expected)
        far = distance(actual, whole)
    worst = int(np.argmax(far))
    assert far[worst] <= limit, f"{name}({x[worst]!r}) = {actual[worst]!r}, not {expected[worst]!r}"


@pytest.mark.parametrize("name", LIMITS)
def test_float64_is_exact_to_a_few_ulps(name: str) -> None:
    reference, _, limit = LIMITS[name]
    with np.errstate(invalid="ignore"):
        x = np.concatenate([everywhere(99991).astype(np.float64), where_it_bends()])
    if np.finfo(np.longdouble).nmant <= 52:
        pytest.skip("no arithmetic wider than float64 to compare with")
    with np.errstate(all="ignore"):
        expected = reference(x.astype(np.longdouble)).astype(np.float64)
        actual = ne.compile(getattr(ne, name))(x).numpy()
        far = distance(actual, expected)
    worst = int(np.argmax(far))
    assert far[worst] <= limit, f"{name}({x[worst]!r}) = {actual[worst]!r}, not {expected[worst]!r}"


@pytest.mark.parametrize("dtype", HALVES, ids=lambda d: d.name)
@pytest.mark.parametrize("name", LIMITS)
def test_every_number_of_half_precision(name: str, dtype: DType) -> None:
    x = np.arange(1 << 16, dtype=np.uint32).astype(np.uint16).view(dtype)
    with np.errstate(all="ignore"):
        expected = LIMITS[name][0](x.astype(np.float64))
        actual = ne.compile(getattr(ne, name))(ne.asarray(x)).numpy()
        far = distance(actual, as_result(expected, dtype))
    worst = int(np.argmax(far))
    # One rounding, which may fall to the other side of a tie.
    assert far[worst] <= 1, f"{name}({x[worst]!r}) = {actual[worst]!r}, not {expected[worst]!r}"


@pytest.mark.parametrize("dtype", [dtypes.float32, dtypes.float64], ids=lambda d: d.name)
def test_square_roots_are_rounded_right(dtype: DType) -> None:
    with np.errstate(invalid="ignore"):
        x = np.concatenate([everywhere(99991).astype(dtype), where_it_bends().astype(dtype)])
        assert_identical(ne.compile(ne.sqrt)(x).numpy(), np.sqrt(x))


def test_erf() -> None:
    x = np.concatenate([everywhere(99991), np.linspace(-7, 7, 20001, dtype=np.float32)])
    actual = ne.compile(ne.erf)(x).numpy()
    expected = np.array([math.erf(v) for v in x.tolist()])
    assert distance(actual, expected).max() <= 1.5


def test_signs_of_zero_and_special_values_are_those_of_numpy() -> None:
    x = ODD.astype(np.float32)
    for name in ("sin", "tan", "sinh", "tanh", "asinh", "expm1", "log1p", "sqrt", "negative", "abs",
                 "floor", "ceil", "trunc", "round"):  # fmt: skip
        with np.errstate(all="ignore"):
            compiled = ne.compile(getattr(ne, name))(x).numpy()
            eager = getattr(ne, name)(ne.asarray(x)).numpy()
        numbers = ~np.isnan(eager)
        assert (np.signbit(compiled) == np.signbit(eager))[numbers].all(), name
        np.testing.assert_array_equal(np.isnan(compiled), ~numbers, err_msg=name)


@pytest.mark.parametrize("dtype", HALVES, ids=lambda d: d.name)
@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_extremes_of_half_precision_are_found(name: str, dtype: DType) -> None:
    """Though values may be kept wide between ops, each is compared as it would be stored."""
    rng = np.random.default_rng(0)
    find = getattr(ne, name)
    functions = (
        lambda x: find(ne.cos(x), axis=0), lambda x: find(ne.exp(x), axis=1),
        lambda x: find(ne.reshape(ne.exp(x), (-1,))), lambda x: (find(x * 3.3, axis=0), x * 3.3),
    )  # fmt: skip
    for shape in ((2, 1), (1, 17), (5, 17), (33, 8), (40, 300)):
        x = ne.asarray(rng.normal(size=shape).astype(dtype))
        for function in functions:
            one, other = ne.compile(function)(x), function(x)
            one, other = (r[0] if isinstance(r, tuple) else r for r in (one, other))
            np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_half_precision_overflows_without_a_warning() -> None:
    x = ne.asarray(np.full(3, 60_000, np.float16))
    for function in (lambda x: x * 2, lambda x: ne.sum(x), lambda x: x @ x):
        assert np.isinf(function(x).numpy()).all()
        assert np.isinf(ne.compile(function)(x).numpy()).all()


# --- integers ---


def edges(dtype: DType) -> Array:
    """Numbers around 0, the ends and powers of two."""
    info = np.iinfo(dtype)
    wanted = {0, 1, 2, 3, 5, 7, 8, 15, 16, 31, 32, 33, 63, 64, 65, 100}
    wanted |= {-v for v in wanted} | {info.min, info.min + 1, info.max, info.max - 1, info.max // 2}
    return np.array(sorted(v for v in wanted if info.min <= v <= info.max), dtype)


def pairs(dtype: DType) -> tuple[Array, Array]:
    a, b = np.meshgrid(edges(dtype), edges(dtype))
    return a.reshape(-1), b.reshape(-1)


def wrap(value: int, dtype: DType) -> int:
    bits = dtype.itemsize * 8
    value %= 1 << bits
    return value - (1 << bits) if dtype in dtypes.SIGNED and value >> (bits - 1) else value


def _shift_right(a: int, b: int, width: int) -> int:
    return a >> min(b, width) if b >= 0 else (-1 if a < 0 else 0)


def _power(a: int, b: int, width: int) -> int:
    if b >= 0:
        return pow(a, b, 1 << width)
    return {1: 1, -1: -1 if b % 2 else 1}.get(a, 0)


INTEGER_RULES: dict[str, Callable[[int, int, int], int]] = {
    "add": lambda a, b, w: a + b,
    "subtract": lambda a, b, w: a - b,
    "multiply": lambda a, b, w: a * b,
    "floor_divide": lambda a, b, w: a // b if b else 0,
    "remainder": lambda a, b, w: a % b if b else 0,
    "maximum": lambda a, b, w: max(a, b),
    "minimum": lambda a, b, w: min(a, b),
    "bitwise_and": lambda a, b, w: a & b,
    "bitwise_or": lambda a, b, w: a | b,
    "bitwise_xor": lambda a, b, w: a ^ b,
    "bitwise_left_shift": lambda a, b, w: a << b if 0 <= b < w else 0,
    "bitwise_right_shift": _shift_right,
    "pow": _power,
}


@pytest.mark.parametrize("dtype", INTEGERS, ids=lambda d: d.name)
def test_integer_arithmetic_wraps_and_never_traps(dtype: DType) -> None:
    a, b = pairs(dtype)

    @ne.compile
    def everything(a: Any, b: Any) -> list[Any]:
        return [getattr(ne, name)(a, b) for name in INTEGER_RULES]

    width = dtype.itemsize * 8
    for name, result in zip(INTEGER_RULES, everything(a, b), strict=True):
        rule = INTEGER_RULES[name]
        expected = [wrap(rule(int(x), int(y), width), dtype) for x, y in zip(a, b, strict=True)]
        np.testing.assert_array_equal(result.numpy(), np.array(expected, dtype), err_msg=name)


@pytest.mark.parametrize("dtype", INTEGERS, ids=lambda d: d.name)
def test_integers_of_one_operand(dtype: DType) -> None:
    x = edges(dtype)
    found = ne.compile(lambda x: [-x, ne.abs(x), ne.sign(x), ne.bitwise_invert(x), x * x])(x)
    values = [int(v) for v in x]
    rules = (lambda v: -v, abs, lambda v: (v > 0) - (v < 0), lambda v: ~v, lambda v: v * v)
    for rule, result in zip(rules, found, strict=True):
        assert result.tolist() == [wrap(rule(v), dtype) for v in values]


@pytest.mark.parametrize("target", dtypes.ALL, ids=lambda d: d.name)
@pytest.mark.parametrize("source", [dtypes.bool_, *INTEGERS], ids=lambda d: d.name)
def test_casts_of_integers(source: DType, target: DType) -> None:
    x = np.array([False, True]) if source == dtypes.bool_ else edges(source)
    found = ne.compile(lambda x: ne.astype(x, target))(x).numpy()
    assert found.dtype == target
    if dtypes.is_float(target):
        with np.errstate(all="ignore"):
            expected = x.astype(target)
        # By way of float32, which may round twice.
        assert distance(found, expected).max() <= (1 if target in HALVES else 0)
    else:
        np.testing.assert_array_equal(found, x.astype(target))


@pytest.mark.parametrize("target", [dtypes.bool_, *INTEGERS], ids=lambda d: d.name)
@pytest.mark.parametrize("source", dtypes.FLOATS, ids=lambda d: d.name)
def test_casts_of_floats_in_range_truncate(source: DType, target: DType) -> None:
    x = np.array([0.0, -0.0, 0.5, 0.99, 1.0, 1.5, 2.5, 100.75, 127.0]).astype(source)
    if target in dtypes.SIGNED:
        x = np.concatenate([x, -x])
    found = ne.compile(lambda x: ne.astype(x, target))(ne.asarray(x)).numpy()
    np.testing.assert_array_equal(found, x.astype(np.float64).astype(target))


@pytest.mark.parametrize("target", INTEGERS, ids=lambda d: d.name)
def test_casts_of_floats_out_of_range_give_the_nearest_integer_and_nan_zero(target: DType) -> None:
    """Undefined by NumPy, but the same everywhere and never a trap."""
    info = np.iinfo(target)
    x = np.array([np.inf, -np.inf, 1e30, -1e30, np.nan], np.float32)
    found = ne.compile(lambda x: ne.astype(x, target))(x).tolist()
    assert found == [info.max, info.min, info.max, info.min, 0]


@pytest.mark.parametrize("dtype", dtypes.FLOATS, ids=lambda d: d.name)
def test_division_of_floats_with_rest(dtype: DType) -> None:
    """Quotient and remainder as NumPy has them, special values among them."""
    values = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 7.0, -7.0, np.inf, -np.inf, np.nan, 60.0]
    a, b = (m.reshape(-1).astype(dtype) for m in np.meshgrid(values, values))
    found = ne.compile(lambda a, b: [a // b, a % b])(ne.asarray(a), ne.asarray(b))
    wide = np.float32 if dtype in HALVES else dtype
    with np.errstate(all="ignore"):
        expected = [f(a.astype(wide), b.astype(wide)) for f in (np.floor_divide, np.remainder)]
    for one, other in zip(found, expected, strict=True):
        assert_identical(one.numpy(), other.astype(dtype))
