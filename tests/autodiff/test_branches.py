"""`cond` and `switch`: values, state, derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurona as ne
from tests.autodiff.control import agree


@pytest.mark.parametrize("value", [-1.5, 0.0, 2.5])
def test_cond_runs_the_chosen_function(value: float) -> None:
    def function(x: Any) -> Any:
        return ne.cond(x > 0, lambda x: ne.sqrt(x), lambda x: -x * 3, x)

    agree(function, np.sqrt(value) if value > 0 else -3 * value, np.float32(value))


def test_trees_go_in_and_come_out() -> None:
    def function(flag: Any, x: Any) -> Any:
        tree = ne.cond(
            flag,
            lambda d: {"sum": d["a"] + d["b"][0], "rest": (d["a"], None)},
            lambda d: {"sum": d["a"] - d["b"][0], "rest": (d["b"][0], None)},
            {"a": x, "b": [x * 2]},
        )
        assert tree["rest"][1] is None
        return ne.stack([tree["sum"], tree["rest"][0]])

    x = np.arange(3, dtype=np.float32)
    agree(function, [3 * x, x], np.bool_(True), x)
    agree(function, [-x, 2 * x], np.bool_(False), x)


@pytest.mark.parametrize("index", [-3, 0, 1, 2, 9])
@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint64])
def test_switch_takes_the_nearest_branch(index: int, dtype: Any) -> None:
    if index < 0 and dtype is np.uint64:
        pytest.skip("no such number")
    branches = [lambda x: x + 1, lambda x: x * 10, lambda x: -x]

    def function(i: Any, x: Any) -> Any:
        return ne.switch(i, branches, x)

    x = np.float32(3)
    agree(function, branches[min(max(index, 0), 2)](x), np.asarray(index, dtype), x)


def test_python_values_choose_while_recording() -> None:
    @ne.compile
    def function(x: Any) -> Any:
        chosen = ne.cond(True, lambda x: x + 1, lambda x: ne.asarray("never"), x)
        return ne.switch(1, [lambda x: x, lambda x: x * 2], chosen)

    assert function(np.float32(2)).item() == 6


def test_cond_of_matrices_and_views() -> None:
    def function(flag: Any, a: Any, b: Any) -> Any:
        return ne.cond(flag, lambda a, b: (a @ b).T, lambda a, b: b.T[:, :2] @ a.T[:2], a.T, b.T)

    rng = np.random.default_rng(0)
    a, b = [rng.normal(size=(5, 5)).astype(np.float32) for _ in range(2)]
    agree(function, (a.T @ b.T).T, np.bool_(True), a, b)
    agree(function, b[:, :2] @ a[:2], np.bool_(False), a, b)


def test_captured_tensors_keep_their_later_values() -> None:
    weight = ne.Variable(2.0)
    scale = ne.asarray(10.0)

    @ne.compile
    def function(x: Any) -> Any:
        return ne.cond(x > 0, lambda: x * weight, lambda: x * scale)

    assert function(np.float32(3)).item() == 6
    assert function(np.float32(-3)).item() == -30
    weight.assign(5.0)
    assert function(np.float32(3)).item() == 15


@pytest.mark.parametrize("compiled", [False, True])
def test_variables_assigned_in_one_branch_keep_their_value_in_the_other(compiled: bool) -> None:
    count, other = ne.Variable(np.int64(0)), ne.Variable([1.0, 2.0])

    def function(x: Any) -> Any:
        def yes() -> None:
            count.assign(count + 1)

        def no() -> None:
            other.assign(other * x)

        assert ne.cond(x > 0, yes, no) is None
        return count + 0

    run = ne.compile(function) if compiled else function
    assert [int(run(ne.asarray(x))) for x in (1.0, -2.0, 3.0, -1.0)] == [1, 1, 2, 2]
    assert count.numpy() == 2
    np.testing.assert_array_equal(other.numpy(), [2.0, 4.0])


def test_draws_in_the_branch_that_runs_move_the_generator_on() -> None:
    def function(flag: Any) -> Any:
        first = ne.cond(
            flag,
            lambda: ne.sum(ne.random.uniform((5,))),
            lambda: ne.asarray(0.0) + ne.sum(ne.random.uniform((3,))) * 2,
        )
        return ne.stack([first, ne.random.uniform()])

    ne.random.seed(5)
    eager = [np.asarray(function(ne.asarray(flag))) for flag in (True, False, True)]
    state = ne.random.DEFAULT.state
    ne.random.seed(5)
    compiled = ne.compile(function)
    found = [np.asarray(compiled(np.bool_(flag))) for flag in (True, False, True)]
    np.testing.assert_allclose(found, eager, rtol=1e-6)
    assert ne.random.DEFAULT.state == state


# --- derivatives of conditionals ---


@pytest.mark.parametrize("value", [-0.7, 1.3])
def test_derivatives_are_those_of_the_branch_to_third_order(value: float) -> None:
    def function(x: Any) -> Any:
        return ne.cond(x > 0, lambda x: ne.sin(x) * x, lambda x: ne.exp(2 * x), x)

    x = value
    expected = (
        [np.sin(x) + x * np.cos(x), 2 * np.cos(x) - x * np.sin(x), -3 * np.sin(x) - x * np.cos(x)]
        if x > 0
        else [2 * np.exp(2 * x), 4 * np.exp(2 * x), 8 * np.exp(2 * x)]
    )
    derivative = function
    for wanted in expected:
        derivative = ne.grad(derivative)
        agree(derivative, wanted, np.float64(value))


@pytest.mark.parametrize("flag", [True, False])
def test_compiled_gradients_against_finite_differences(flag: bool) -> None:
    rng = np.random.default_rng(1)
    a, b, c = [rng.normal(size=(3, 3)) for _ in range(3)]
    captured = ne.asarray(c)

    def function(a: Any, b: Any) -> Any:
        def yes(a: Any, b: Any) -> Any:
            return ne.tanh(a @ b) * captured, a + 1

        def no(a: Any, b: Any) -> Any:
            return a * ne.sin(b), b * b

        x, y = ne.cond(ne.asarray(flag), yes, no, a, b)
        return ne.sum(x * y)

    found = ne.compile(ne.grad(function, argnums=(0, 1)))(a, b)
    step = 1e-6
    for k, slope in enumerate(found):
        for at in np.ndindex(3, 3):
            near = []
            for sign in (1, -1):
                moved = [a.copy(), b.copy()]
                moved[k][at] += sign * step
                near.append(function(ne.asarray(moved[0]), ne.asarray(moved[1])).item())
            np.testing.assert_allclose(slope.numpy()[at], (near[0] - near[1]) / (2 * step), 1e-5)


@pytest.mark.parametrize("compiled", [False, True])
def test_backward_reaches_captured_variables_of_the_branch_taken(compiled: bool) -> None:
    w, v = ne.Variable(3.0), ne.Variable(4.0)

    def function(x: Any) -> Any:
        loss = ne.cond(x > 0, lambda x: w * w * x, lambda x: v * x, x)
        loss.backward()
        slopes = [ne.zeros(()) if p.grad is None else p.grad for p in (w, v)]
        for p in (w, v):
            p.grad = None
        return ne.stack(slopes)

    run = ne.compile(function) if compiled else function
    np.testing.assert_allclose(run(ne.asarray(2.0)), [12, 0])
    np.testing.assert_allclose(run(ne.asarray(-2.0)), [0, -2])


def test_a_branch_with_a_bad_derivative_does_not_spoil_the_other() -> None:
    def function(x: Any) -> Any:
        return ne.cond(x > 0, lambda x: ne.sqrt(x), lambda x: x, x)

    agree(ne.grad(function), 1.0, np.float32(0))


def test_derivatives_of_switch_within_checkpoint() -> None:
    @ne.checkpoint
    def block(i: Any, x: Any) -> Any:
        return ne.switch(i, [ne.sin, ne.exp, lambda x: x**3], x)

    for i, wanted in enumerate([np.cos(0.5), np.exp(0.5), 0.75]):
        agree(lambda x, i=i: ne.grad(block, argnums=1)(ne.asarray(i), x), wanted, np.float32(0.5))


def test_derivatives_end_at_variables_that_a_branch_assigned() -> None:
    state = ne.Variable(1.0, requires_grad=False)

    def function(x: Any) -> Any:
        ne.cond(x > 0, lambda: state.assign(x * x), lambda: None)
        return state * 3

    for run in (ne.grad(function), ne.compile(ne.grad(function))):
        assert run(ne.asarray(2.0)).item() == 0
        assert state.numpy() == 4
        state.assign(1.0)
