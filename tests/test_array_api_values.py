"""Special values as the tables of the array API standard 2024.12 give them."""

from __future__ import annotations

import math

import numpy as np
import pytest

import neurona as ne
from neurona.core.errors import ShapeError

inf, nan = math.inf, math.nan
FLOATS = ["float32", "float64"]

SPECIAL_UNARY: dict[str, list[tuple[float, float]]] = {
    "abs": [(-0.0, 0.0), (-inf, inf), (nan, nan)],
    "acos": [(1.5, nan), (1.0, 0.0), (nan, nan)],
    "acosh": [(0.5, nan), (1.0, 0.0), (inf, inf)],
    "asin": [(2.0, nan), (-0.0, -0.0)],
    "asinh": [(-0.0, -0.0), (inf, inf), (-inf, -inf)],
    "atan": [(-0.0, -0.0), (inf, math.pi / 2), (-inf, -math.pi / 2)],
    "atanh": [(-1.0, -inf), (1.0, inf), (1.5, nan), (-0.0, -0.0)],
    "ceil": [(-0.5, -0.0), (inf, inf), (nan, nan)],
    "cos": [(0.0, 1.0), (inf, nan)],
    "cosh": [(-0.0, 1.0), (-inf, inf)],
    "exp": [(-0.0, 1.0), (inf, inf), (-inf, 0.0), (nan, nan)],
    "expm1": [(-0.0, -0.0), (inf, inf), (-inf, -1.0)],
    "floor": [(-0.0, -0.0), (-inf, -inf)],
    "log": [(-1.0, nan), (0.0, -inf), (-0.0, -inf), (1.0, 0.0), (inf, inf)],
    "log1p": [(-2.0, nan), (-1.0, -inf), (-0.0, -0.0), (inf, inf)],
    "log2": [(-1.0, nan), (0.0, -inf), (8.0, 3.0)],
    "log10": [(-1.0, nan), (0.0, -inf), (1.0, 0.0)],
    "negative": [(0.0, -0.0), (inf, -inf)],
    "reciprocal": [(0.0, inf), (-0.0, -inf), (-inf, -0.0)],
    "round": [(0.5, 0.0), (1.5, 2.0), (2.5, 2.0), (-0.5, -0.0), (inf, inf)],
    "sign": [(-2.0, -1.0), (nan, nan), (-inf, -1.0)],
    "sin": [(-0.0, -0.0), (inf, nan)],
    "sinh": [(-0.0, -0.0), (-inf, -inf)],
    "sqrt": [(-1.0, nan), (-0.0, -0.0), (inf, inf)],
    "tan": [(-0.0, -0.0), (-inf, nan)],
    "tanh": [(-0.0, -0.0), (inf, 1.0), (-inf, -1.0)],
    "trunc": [(-0.5, -0.0), (inf, inf)],
}
SPECIAL_BINARY: dict[str, list[tuple[float, float, float]]] = {
    "add": [(inf, -inf, nan), (-0.0, -0.0, -0.0), (-0.0, 0.0, 0.0), (inf, 1.0, inf)],
    "atan2": [
        (1.0, 0.0, math.pi / 2),
        (0.0, 0.0, 0.0),
        (0.0, -0.0, math.pi),
        (-0.0, -0.0, -math.pi),
        (inf, -inf, 3 * math.pi / 4),
        (nan, 1.0, nan),
    ],
    "copysign": [(3.0, -0.0, -3.0), (-0.0, 1.0, 0.0), (-inf, 2.0, inf)],
    "divide": [(0.0, 0.0, nan), (inf, -inf, nan), (1.0, -0.0, -inf), (-1.0, inf, -0.0)],
    "floor_divide": [(-1.0, inf, -1.0), (1.0, 0.0, inf), (0.0, 0.0, nan), (-7.0, 2.0, -4.0)],
    "hypot": [(inf, nan, inf), (3.0, 4.0, 5.0), (0.0, -0.0, 0.0)],
    "logaddexp": [(-inf, -inf, -inf), (inf, 1.0, inf), (nan, 1.0, nan)],
    "maximum": [(nan, 1.0, nan), (1.0, nan, nan), (-inf, inf, inf)],
    "minimum": [(nan, 1.0, nan), (-inf, inf, -inf)],
    "multiply": [(inf, 0.0, nan), (-1.0, 0.0, -0.0), (-inf, -inf, inf)],
    "pow": [
        (nan, 0.0, 1.0),
        (1.0, nan, 1.0),
        (-1.0, inf, 1.0),
        (0.5, inf, 0.0),
        (0.5, -inf, inf),
        (-inf, 3.0, -inf),
        (-inf, -3.0, -0.0),
        (-0.0, -3.0, -inf),
        (-0.0, 3.0, -0.0),
        (-8.0, 1 / 3, nan),
    ],
    "remainder": [(-0.0, 3.0, 0.0), (1.0, -inf, -inf), (-1.0, inf, inf), (inf, 1.0, nan)],
    "subtract": [(inf, inf, nan), (0.0, 0.0, 0.0), (-0.0, 0.0, -0.0)],
}


def same(found: ne.Tensor, expected: float, dtype: str) -> None:
    value = found.item()
    if math.isnan(expected):
        assert math.isnan(value)
    elif expected == 0 or math.isinf(expected):
        assert value == expected
        assert math.copysign(1, value) == math.copysign(1, expected)
    else:
        assert value == pytest.approx(expected, rel=4 * float(np.finfo(dtype).eps))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", SPECIAL_UNARY)
def test_special_values_of_one_argument(name: str, dtype: str) -> None:
    for x, expected in SPECIAL_UNARY[name]:
        same(getattr(ne, name)(ne.asarray(x, dtype=dtype)), expected, dtype)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", SPECIAL_BINARY)
def test_special_values_of_two_arguments(name: str, dtype: str) -> None:
    for x1, x2, expected in SPECIAL_BINARY[name]:
        a, b = ne.asarray(x1, dtype=dtype), ne.asarray(x2, dtype=dtype)
        same(getattr(ne, name)(a, b), expected, dtype)
        same(getattr(ne, name)(x1, b), expected, dtype)
        same(getattr(ne, name)(a, x2), expected, dtype)


def test_special_values_of_reductions() -> None:
    nothing = ne.zeros((0, 3))
    assert (ne.sum(nothing).item(), ne.prod(nothing).item()) == (0, 1)
    assert (ne.any(nothing).item(), ne.all(nothing).item()) == (False, True)
    assert all(math.isnan(x) for x in ne.mean(nothing, axis=0).tolist())
    assert ne.max(nothing, axis=1).shape == (0,)
    for function in (ne.max, ne.min, ne.argmax, ne.argmin):
        with pytest.raises(ShapeError, match=r"axis 0 of shape \(0, 3\) is empty"):
            function(nothing, axis=0)
        assert (
            function(ne.asarray([1.0, nan, 2.0])).item() in (1,) or "arg" not in function.__name__
        )
    for function in (ne.max, ne.min, ne.sum, ne.prod, ne.mean, ne.std, ne.var):
        assert math.isnan(function(ne.asarray([1.0, nan, 2.0])).item())
    assert ne.any(ne.asarray([nan])).item() is True
    assert math.isnan(ne.var(ne.asarray([1.0]), correction=1).item())
    assert ne.std(ne.asarray([1.0, 3.0]), correction=1).item() == pytest.approx(math.sqrt(2))
    assert ne.argmax(ne.asarray([2, 5, 5])).item() == 1
    assert ne.argmax(ne.asarray([1.0, nan, 2.0])).item() == 1
    assert ne.argmin(ne.asarray([1.0, nan, 2.0])).item() == 1


def test_integers_at_their_limits() -> None:
    low = ne.asarray([-128, 127], dtype="int8")
    assert (low + 1).tolist() == [-127, -128]
    assert ne.abs(low).tolist() == [-128, 127]
    assert (low // 0).tolist() == (low % 0).tolist() == [0, 0]
    assert ne.bitwise_left_shift(low, 9).tolist() == [0, 0]
    assert ne.bitwise_right_shift(low, 9).tolist() == [-1, 0]
    assert ne.clip(low, -1000, 5).tolist() == [-128, 5]
    assert ne.sum(ne.ones(300, dtype="uint8")).item() == 300
