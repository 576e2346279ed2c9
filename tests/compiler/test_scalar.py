"""The scalar language: what is folded, what is one object, how it prints."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurona.compiler.ir.loops import affine
from neurona.compiler.ir.scalar import INDEX, Builder, Expr, compute_dtype
from neurona.core import dtypes

HALVES = (dtypes.float16, dtypes.bfloat16)


def test_equal_expressions_are_one_object() -> None:
    k = Builder()
    i = k.variable("i")
    assert i * 3 + 1 is i * 3 + 1
    assert k.load("a", i, dtypes.float32) is k.load("a", i, dtypes.float32)
    assert k.load("a", i, dtypes.float32) is not k.load("b", i, dtypes.float32)


@pytest.mark.parametrize(("one", "other"), [(0.0, -0.0), (1.0, 1), (True, 1)])
def test_constants_that_compare_equal_stay_apart(one: float, other: float) -> None:
    k = Builder()
    dtype = {bool: dtypes.bool_, int: INDEX, float: dtypes.float64}
    assert k.constant(one, dtype[type(one)]) is not k.constant(other, dtype[type(other)])


def test_nan_is_one_constant() -> None:
    k = Builder()
    assert k.constant(math.nan, dtypes.float32) is k.constant(math.nan, dtypes.float32)


def test_constants_are_rounded_to_their_dtype() -> None:
    k = Builder()
    assert k.constant(0.1, dtypes.float32).payload == float(np.float32(0.1))
    assert k.constant(0.1, dtypes.float16).payload == float(np.float16(0.1))
    assert k.constant(300, dtypes.uint8).payload == 300 % 256


@pytest.mark.parametrize("dtype", HALVES, ids=lambda d: d.name)
def test_half_precision_is_computed_in_float32(dtype: dtypes.DType) -> None:
    k = Builder()
    x = k.load("a", k.constant(0, INDEX), dtype)
    assert x.dtype == compute_dtype(dtype) == dtypes.float32
    assert (x + 1.0).dtype == dtypes.float32
    rounded = k.cast(x + 1.0, dtype)
    assert rounded.payload == f"round_{dtype.name}"
    assert rounded.dtype == dtypes.float32


def test_index_arithmetic_loses_its_ballast() -> None:
    k = Builder()
    i, zero = k.variable("i"), k.constant(0, INDEX)
    for same in (i + 0, 0 + i, i - 0, i * 1, 1 * i, i // 1):
        assert same is i
    for nothing in (i * 0, 0 * i, i % 1):
        assert nothing is zero


def test_float_arithmetic_is_left_alone() -> None:
    """x + 0 is not x for x = −0, x·0 is not 0 for x = ∞."""
    k = Builder()
    x = k.variable("x", dtypes.float32)
    assert x + 0.0 is not x
    assert (x * 0.0).head == "call"


SIGNED = st.integers(-(2**20), 2**20)


@given(SIGNED, SIGNED, st.integers(1, 999))
def test_folded_index_arithmetic_is_that_of_python(a: int, b: int, divisor: int) -> None:
    k = Builder()
    x, y, d = (k.constant(v, INDEX) for v in (a, b, divisor))
    expected = (a + b, a - b, a * b, a // divisor, a % divisor)
    assert tuple(e.payload for e in (x + y, x - y, x * y, x // d, x % d)) == expected
    compared = (x < y, x <= y, x > y, x >= y, x == y, x != y)
    assert tuple(e.payload for e in compared) == (a < b, a <= b, a > b, a >= b, a == b, a != b)
    assert all(e.dtype == dtypes.bool_ for e in compared)


def test_choices_that_are_none_are_made_at_once() -> None:
    k = Builder()
    i, flag = k.variable("i"), k.variable("i") < 3
    assert k.where(flag, i, i) is i
    assert k.where(k.constant(True, dtypes.bool_), i, 5) is i
    assert k.where(k.constant(False, dtypes.bool_), i, 5).payload == 5


def test_casts_of_constants_are_constants() -> None:
    k = Builder()
    assert k.cast(k.constant(3, INDEX), dtypes.float32).payload == 3.0
    assert k.cast(k.constant(3.7, dtypes.float32), INDEX).payload == 3
    assert k.cast(k.constant(math.inf, dtypes.float32), INDEX).payload == 2**63 - 1
    assert k.cast(k.constant(math.nan, dtypes.float32), INDEX).payload == 0
    i = k.variable("i")
    assert k.cast(i, INDEX) is i


def test_questions_are_bools_and_bits_are_integers() -> None:
    k = Builder()
    x = k.variable("x", dtypes.float64)
    assert (x < 1.0).dtype == k.call("isnan", x).dtype == dtypes.bool_
    assert k.call("bits", x).dtype == dtypes.int64
    assert k.call("from_bits", k.call("bits", x)).dtype == dtypes.float64


def test_expressions_print_as_calls() -> None:
    k = Builder()
    i = k.variable("i")
    x = k.load("b0", i * 4 + 1, dtypes.float32)
    assert repr(k.call("exp", x)) == "exp(b0[add(multiply(i, 4), 1)])"
    assert repr(k.cast(i, dtypes.int32)) == "cast(i):int32"


# --- affine forms ---


def _affine_pairs(k: Builder, names: tuple[str, ...]) -> st.SearchStrategy[Expr]:
    leaves = st.one_of(
        st.sampled_from(names).map(k.variable),
        st.integers(-9, 9).map(lambda v: k.constant(v, INDEX)),
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.tuples(inner, inner).map(lambda p: p[0] + p[1]),
            st.tuples(inner, inner).map(lambda p: p[0] - p[1]),
            st.tuples(inner, st.integers(-5, 5)).map(lambda p: p[0] * p[1]),
        ),
        max_leaves=6,
    )


def _evaluate(expr: Expr, values: dict[str, int]) -> int:
    if expr.head == "constant":
        return int(expr.payload)
    if expr.head == "variable":
        return values[expr.payload]
    a, b = (_evaluate(arg, values) for arg in expr.args)
    return {"add": a + b, "subtract": a - b, "multiply": a * b}[expr.payload]


@given(_affine_pairs(Builder(), ("i", "j")), SIGNED, SIGNED)
def test_affine_forms_have_the_value_of_the_expression(expr: Expr, i: int, j: int) -> None:
    form = affine(expr)
    assert form is not None
    values = {"i": i, "j": j, "": 1}
    assert sum(step * values[name] for name, step in form.items()) == _evaluate(expr, values)


def test_what_is_not_affine_has_no_form() -> None:
    k = Builder()
    i, j = k.variable("i"), k.variable("j")
    for expr in (i * j, i % 3, k.minimum(i, j), k.load("b0", i, INDEX) + 1):
        assert affine(expr) is None
