"""Checks in branches and loops, and the errors of both."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona.core.check import ensure


def test_a_failed_check_in_a_branch_leaves_variables_alone() -> None:
    state = ne.Variable(1.0)

    @ne.compile
    def function(x: Any) -> Any:
        state.assign(state * 2)

        def risky(x: Any) -> Any:
            ensure(x < 10, "x is too large")
            return x

        return ne.cond(x > 0, risky, lambda x: -x, x)

    assert function(np.float32(-50)).item() == 50
    assert function(np.float32(5)).item() == 5
    with pytest.raises(ne.core.errors.ArgumentError, match="too large"):
        function(np.float32(50))
    assert state.numpy() == 4


def test_a_failed_check_ends_the_loop() -> None:
    state = ne.Variable(np.int64(0))

    def function(x: Any) -> Any:
        def step(x: Any) -> Any:
            state.assign(state + 1)
            ensure(x != 5, "five is not wanted")
            return x + 1

        return ne.while_loop(lambda x: x >= 0, step, x)

    with pytest.raises(ne.core.errors.ArgumentError, match="five"):
        ne.compile(function)(np.int64(0))
    assert state.numpy() == 0


def test_indices_out_of_range_in_bodies_are_errors_and_nothing_is_written() -> None:
    state = ne.Variable(np.int64(7))
    table = np.arange(6, dtype=np.float32)

    @ne.compile
    def function(indices: Any, flag: Any) -> Any:
        state.assign(state + 1)

        def step(i: Any, total: Any) -> Any:
            look_up = lambda: total + ne.take(ne.asarray(table), indices[i])  # noqa: E731
            return ne.cond(flag, look_up, lambda: total + 100)

        return ne.fori_loop(0, 4, step, 0.0)

    good, bad = np.array([5, -6, 0, 2]), np.array([5, 6, 0, 2])
    assert function(good, np.bool_(True)).item() == 7
    assert function(bad, np.bool_(False)).item() == 400
    with pytest.raises(IndexError, match="out of range for axis 0"):
        function(bad, np.bool_(True))
    assert state.numpy() == 9


# --- errors ---


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    ("predicate", "message"),
    [(np.float32(1), "predicate is float32"), (np.array([True]), r"shape \(1,\)")],
)
def test_predicates_are_boolean_scalars(compiled: bool, predicate: Any, message: str) -> None:
    def function(flag: Any) -> Any:
        return ne.cond(flag, lambda: 1, lambda: 2)

    run = ne.compile(function) if compiled else function
    with pytest.raises((TypeError, ValueError), match=message):
        run(predicate)


@pytest.mark.parametrize("compiled", [False, True])
def test_conditions_of_loops_are_boolean_scalars(compiled: bool) -> None:
    def function(x: Any) -> Any:
        return ne.while_loop(lambda x: x, lambda x: x, x)

    with pytest.raises(TypeError, match="while_loop: the condition is int64, not boolean"):
        (ne.compile(function) if compiled else function)(np.int64(1))


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (lambda c: {"x": c["x"] * 1.5, "n": c["n"]}, r"carry\['x'\] is int64 \(2,\).*float32"),
        (lambda c: {"x": c["x"][:1], "n": c["n"]}, r"carry\['x'\] is int64 \(2,\).*\(1,\)"),
        (lambda c: {"x": c["x"], "n": 0.5}, r"carry\['n'\] is int64 \(\).*float32"),
        (lambda c: (c["x"], c["n"]), "structure"),
        (lambda c: {"x": c["x"], "n": None}, "structure"),
    ],
)
def test_bodies_return_what_they_take(compiled: bool, body: Any, message: str) -> None:
    def function(x: Any) -> Any:
        start = {"x": x, "n": ne.asarray(3)}
        loop = ne.while_loop(lambda c: c["n"] > 0, lambda c: {**c, "n": c["n"] - 1}, start)
        return loop, ne.while_loop(lambda c: c["n"] > 0, body, start)

    with pytest.raises((TypeError, ValueError), match="while_loop: .*" + message):
        (ne.compile(function) if compiled else function)(np.array([1, 2]))


def test_fori_loop_names_the_leaf_of_the_carry() -> None:
    with pytest.raises(ValueError, match=r"fori_loop: carry\[1\] is float32 \(\)"):
        ne.fori_loop(0, 3, lambda i, c: (c[0], c[1] + ne.ones(2)), (1.0, 2.0))
    with pytest.raises(TypeError, match="fori_loop: the upper bound is float32"):
        ne.fori_loop(0, 2.5, lambda i, c: c, 0)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            lambda x: {"y": x[:1]},
            r"false\['y'\] is float32 \(1,\), that of true\['y'\] float32 \(2",
        ),
        (lambda x: {"y": x > 0}, r"bool \(2,\), that of true\['y'\] float32 \(2,\)"),
        (lambda x: x, "structure"),
        (lambda x: {"y": None}, "structure"),
    ],
)
def test_branches_return_the_same(other: Any, message: str) -> None:
    @ne.compile
    def function(x: Any) -> Any:
        return ne.cond(x[0] > 0, lambda x: {"y": x}, other, x)

    with pytest.raises((TypeError, ValueError), match="cond: the result of false.*|" + message):
        function(np.float32([1, 2]))
    with pytest.raises((TypeError, ValueError), match=message):
        function(np.float32([1, 2]))


def test_a_recorded_loop_has_no_derivative_and_says_what_to_use() -> None:
    def function(x: Any) -> Any:
        return ne.while_loop(lambda x: x < 100, lambda x: x * x, x)

    with pytest.raises(ne.core.errors.ArgumentError, match="use scan"):
        ne.compile(ne.grad(function))(np.float32(3))


def test_switch_needs_branches() -> None:
    with pytest.raises(ValueError, match="no branches"):
        ne.switch(0, [])


def test_values_are_not_known_in_bodies_that_are_recorded() -> None:
    @ne.compile
    def function(x: Any) -> Any:
        return ne.cond(x > 0, lambda x: float(x), lambda x: x, x)

    with pytest.raises(ne.core.errors.TraceError):
        function(np.float32(1))
