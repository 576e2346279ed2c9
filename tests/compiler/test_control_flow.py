"""Conditionals and loops in programs: native sections, memory, threads, signals, explanations."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona.compiler.function import Compiled
from neurona.compiler.lower.task import Task
from neurona.compiler.program import Program


def program_of(compiled: Compiled) -> Program:
    (entries,) = compiled.entries.values()
    return entries[0].program


@ne.compile
def power(a: Any, x: Any, n: Any) -> Any:
    """aⁿ·x with a matrix `a`, scaled now and then."""

    def step(i: Any, x: Any) -> Any:
        y = a @ x
        return ne.cond(ne.max(ne.abs(y)) > 1e3, lambda y: y * 1e-3, lambda y: y, y)

    return ne.fori_loop(0, n, step, x)


def reference(a: Any, x: Any, n: int) -> Any:
    for _ in range(n):
        x = a @ x
        x = x * np.float32(1e-3) if np.abs(x).max() > 1e3 else x
    return x


@pytest.fixture
def matrices() -> tuple[Any, Any]:
    rng = np.random.default_rng(4)
    a = rng.normal(size=(96, 96)).astype(np.float32) / 4
    return a, rng.normal(size=(96, 40)).astype(np.float32)


def test_loops_with_products_and_choices_are_one_native_segment(matrices: Any) -> None:
    a, x = matrices
    for n in (0, 1, 2, 9):
        found = power(a, x, np.int64(n)).numpy()
        expected = reference(a, x, n)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    program = program_of(power)
    assert program.native
    assert len(program.segments) == 1


def test_what_is_the_same_in_every_round_is_computed_once(matrices: Any) -> None:
    a, x = matrices

    @ne.compile
    def function(a: Any, x: Any) -> Any:
        return ne.fori_loop(0, 3, lambda i, x: x @ ne.exp(ne.sin(a)), x)

    weight = np.exp(np.sin(a))
    np.testing.assert_allclose(function(a, x.T), x.T @ weight @ weight @ weight, rtol=1e-3)
    (loop,) = [t.control for t in program_of(function).plan.tasks if t.control is not None]
    assert any("exp" in str(task) for task in loop.bodies[0].plan.prologue)
    again = function(2 * a, x.T)
    weight = np.exp(np.sin(2 * a))
    np.testing.assert_allclose(again, x.T @ weight @ weight @ weight, rtol=1e-3)


def test_python_runs_bodies_with_ops_that_have_no_native_form() -> None:
    @ne.compile
    def function(x: Any, scale: Any) -> Any:
        def step(i: Any, x: Any) -> Any:
            y = ne.numpy_function(np.cumsum, x, result=(x.shape, x.dtype))
            return y / ne.exp(scale)

        return ne.fori_loop(0, 3, step, x)

    for scale in (0.5, 1.5):
        expected = np.ones(3, np.float32)
        for _ in range(3):
            expected = np.cumsum(expected) / np.exp(np.float32(scale))
        found = function(np.ones(3, np.float32), np.float32(scale))
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert not program_of(function).native


def test_deep_nesting() -> None:
    def nested(depth: int, x: Any) -> Any:
        if depth == 0:
            return x + 1
        return ne.fori_loop(0, 2, lambda i, x: nested(depth - 1, x), x)

    assert ne.compile(lambda x: nested(8, x))(np.int64(5)).item() == 5 + 2**8


def test_loops_after_loops_and_in_branches() -> None:
    @ne.compile
    def function(flag: Any, x: Any) -> Any:
        def long(x: Any) -> Any:
            return ne.while_loop(lambda x: ne.sum(x) < 1000, lambda x: x * 2 + x[::-1], x)

        y = ne.cond(flag, long, lambda x: x - 1, x)
        return ne.fori_loop(0, 3, lambda i, y: y.T @ (y / ne.max(y * y)) @ y, y[:, None] * y), y

    def expected(flag: bool, x: Any) -> Any:
        while flag and x.sum() < 1000:
            x = x * 2 + x[::-1]
        x = x if flag else x - 1
        y = x[:, None] * x
        for _ in range(3):
            y = y.T @ (y / np.max(y * y)) @ y
        return y, x

    start = np.float32([0.1, 0.4, 0.2])
    for flag in (False, True):
        for found, wanted in zip(
            function(np.bool_(flag), start), expected(flag, start), strict=True
        ):
            np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_same_bits_with_any_number_of_threads(matrices: Any, threads: Any) -> None:
    a, x = matrices
    found = []
    for count in (1, 2, 3):
        threads(count)
        found.append(power(a, x, np.int64(11)).numpy().tobytes())
    assert len(set(found)) == 1


def test_several_python_threads_run_one_loop(matrices: Any) -> None:
    a, x = matrices
    expected = {n: power(a, x, np.int64(n)).numpy() for n in range(6)}

    def work(n: int) -> bool:
        return all(np.array_equal(power(a, x, np.int64(n)).numpy(), expected[n]) for _ in range(20))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(6)))


def test_ctrl_c_ends_a_loop_and_the_program_can_run_again() -> None:
    state = ne.Variable(np.int64(0))

    @ne.compile
    def function(n: Any, x: Any) -> Any:
        state.assign(state + 1)
        return ne.while_loop(lambda c: c[0] != n, lambda c: (c[0] + 1, c[1] + 1), (0, x))[1]

    x = np.zeros(3, np.float32)
    np.testing.assert_array_equal(function(np.int64(4), x), np.full(3, 4))
    stop = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    begin = time.perf_counter()
    stop.start()
    with pytest.raises(KeyboardInterrupt):
        function(np.int64(-1), x)
    assert time.perf_counter() - begin < 10
    np.testing.assert_array_equal(function(np.int64(5), x), np.full(3, 5))
    np.testing.assert_array_equal(function(np.int64(4), x), np.full(3, 4))


def test_signals_whose_handler_returns_do_not_disturb() -> None:
    seen = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
    try:

        @ne.compile
        def function(n: Any) -> Any:
            return ne.while_loop(lambda c: c < n, lambda c: c + 1, 0)

        function(np.int64(1))
        rounds = 1 << 20
        begin = time.perf_counter()
        function(np.int64(rounds))
        # About two seconds, so that it is looked for signals at least once.
        rounds = int(rounds * 2.2 / (time.perf_counter() - begin))
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        assert function(np.int64(rounds)).item() == rounds
        assert seen == [signal.SIGUSR1]
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_explain_lists_loops() -> None:
    function = ne.compile(lambda x: ne.fori_loop(0, 3, lambda i, x: ne.tanh(x), x))
    explanation = function.explain(np.ones(4, np.float32))
    (loop,) = [kernel for kernel in explanation.kernels if kernel.kind == "control"]
    assert loop.name == "loop"
    assert "loop(" in str(explanation)


def test_python_tasks_and_choices_keep_their_order() -> None:
    @ne.compile
    def function(x: Any) -> Any:
        y = ne.numpy_function(np.sort, x, result=(x.shape, x.dtype))
        z = ne.cond(y[0] > 0, lambda y: y * 2, lambda y: -y, y)
        return ne.numpy_function(np.cumsum, z, result=(z.shape, z.dtype)) + y

    x = np.float32([3, 1, 2])
    np.testing.assert_array_equal(function(x), [2 + 1, 6 + 2, 12 + 3])
    np.testing.assert_array_equal(function(-x), [3 - 3, 5 - 2, 6 - 1])
    tasks = [segment for segment in program_of(function).segments if isinstance(segment, Task)]
    assert len(tasks) == 2
