"""The gradient check finds what is wrong, and says where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona.autodiff import Function, check_gradients, stop_gradient
from neurona.core.errors import ArgumentError, DTypeError, GradientError
from neurona.ops.arithmetic import maximum
from neurona.ops.broadcast import sum
from neurona.ops.compare import where
from neurona.ops.operand import operand
from neurona.ops.transcendental import sin, tanh


def function(rule: Callable[[Any, Any], Any]) -> type[Function]:
    """x³ with a gradient rule of its own."""

    class Cube(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save(x)
            return x * x * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return rule(g, ctx.saved[0])

    return Cube


X = np.array([[0.5, -1.0], [2.0, 0.25]])


def test_right_derivatives_pass() -> None:
    report = check_gradients(
        lambda x, p: (tanh(x @ p["w"]), sum(p["b"] * x)), X, {"w": X.T, "b": [1.5, 2.0][0]}, order=2
    )
    assert report.order == 2
    assert report.checked == 18
    assert report.excluded == 0
    assert report.max_error < 1e-6
    assert report.duality_error < 1e-12


def test_a_wrong_factor_is_found_at_its_place() -> None:
    wrong = function(lambda g, x: g * 3 * x * x * where(x > 1.5, 1.001, 1.0))
    with pytest.raises(GradientError, match=r"order 1 by inputs\[0\]\[1, 0\]: reverse mode gives"):
        check_gradients(wrong.apply, X)


def test_a_wrong_second_derivative_is_found() -> None:
    # The gradient is right, but half of its own derivative is cut off.
    wrong = function(lambda g, x: g * 3 * x * stop_gradient(x))
    check_gradients(wrong.apply, X)
    with pytest.raises(GradientError, match="order 2 by"):
        check_gradients(wrong.apply, X, order=2)


def test_a_rule_that_is_not_linear_is_found() -> None:
    wrong = function(lambda g, x: g * g * 3 * x * x)
    with pytest.raises(GradientError, match=r"⟨v, vjp\(u\)⟩"):
        check_gradients(wrong.apply, X)


def test_a_gradient_that_is_not_a_number_is_found() -> None:
    wrong = function(lambda g, x: g * 3 * x * x + (x - x) / (x - x))
    with pytest.raises(GradientError):
        check_gradients(wrong.apply, X)


def test_kinks() -> None:
    def hinge(x: Any) -> Any:
        return where(x > 0, x * x + x, 0.0)

    at_kink = np.array([1.0, 0.0, -2.0, 1e-7])
    with pytest.raises(GradientError, match="exclude_kinks"):
        check_gradients(hinge, at_kink)
    report = check_gradients(hinge, at_kink, exclude_kinks=True, order=2)
    assert (report.checked, report.excluded) == (4, 4)
    assert check_gradients(hinge, np.array([1.0, -1.0]), exclude_kinks=True).excluded == 0
    # Half of the gradient to each of two equal ones is what differences from both sides show.
    check_gradients(lambda x: maximum(x, 0.0), at_kink[:3])


def test_samples() -> None:
    x = np.random.default_rng(0).normal(size=(30, 40))
    report = check_gradients(sin, x, samples=7)
    assert report.checked == 7
    assert check_gradients(sin, x, samples=7) == report


def test_integers_are_handed_on_and_floats_made_double() -> None:
    def f(x: Any, n: Any) -> Any:
        assert n.dtype == ne.int64
        return x * n

    assert check_gradients(f, operand(np.float32([1.0, 2.0])), np.array([3, 4])).checked == 2


def test_errors() -> None:
    with pytest.raises(ArgumentError, match="order must be 1 or 2"):
        check_gradients(sin, X, order=3)
    with pytest.raises(ArgumentError, match="none of the inputs is a float"):
        check_gradients(sin, np.array([1, 2]))
    with pytest.raises(DTypeError, match="returned float32 for float64 inputs"):
        check_gradients(lambda x: operand(np.float32(2.0)), X)
