"""Large graphs: no recursion, no table that overflows, no time that explodes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona.compiler.lower.fusion import MOST
from neurona.compiler.run.runner import MAX_BUFFERS
from tests.compiler.programs import program_of

X = np.full((8, 8), 0.01, np.float32)


@pytest.fixture(autouse=True)
def shallow() -> Iterator[None]:
    """Little room for recursion: what needs more grows with the graph."""
    frame, depth = sys._getframe(), 0
    while frame is not None:
        frame, depth = frame.f_back, depth + 1  # type: ignore[assignment]
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(depth + 150)
    yield
    sys.setrecursionlimit(before)


def chain(x: Any) -> Any:
    for _ in range(700):
        x = x * 0.5 + 0.25
    return x


def folds(x: Any) -> Any:
    for _ in range(150):
        x = x - (ne.max(x, axis=1, keepdims=True) - 1.0) * 0.5
    return x


def products(x: Any) -> Any:
    state = x
    for _ in range(100):
        state = ne.tanh(state @ x * 12.5)
    return state


def squares(x: Any) -> Any:
    """Two paths to every part: 2⁶⁰ in all."""
    for _ in range(60):
        x = x * x + x
    return x


def wide(x: Any) -> Any:
    total = x
    for i in range(250):
        total = total + ne.exp(x * float(i) * 0.01)
    return total


def views(x: Any) -> Any:
    for _ in range(300):
        x = ne.flip(x.T, axis=0)
    return x + 1


@pytest.mark.timeout(60)
@pytest.mark.parametrize("make", [chain, folds, products, squares, wide, views],
                         ids=lambda f: f.__name__)  # fmt: skip
def test_deep_and_wide_graphs(make: Callable[[Any], Any]) -> None:
    start = time.process_time()
    actual = ne.compile(make)(X).numpy()
    assert time.process_time() - start < 15
    expected = make(ne.asarray(X.astype(np.float64))).numpy()
    np.testing.assert_allclose(actual, expected, rtol=1e-4)


def test_gradient_of_a_deep_graph() -> None:
    slope = ne.compile(ne.grad(lambda x: ne.sum(chain(x))))(X).numpy()
    np.testing.assert_array_equal(slope, np.full((8, 8), np.float32(0.5) ** 700))


def test_a_kernel_holds_only_so_much() -> None:
    """More results of one domain than a kernel's table has room for."""
    count = MOST + 150

    def many(x: Any) -> list[Any]:
        y = ne.exp(x)
        return [y * float(i) for i in range(count)]

    function = ne.compile(many)
    program = program_of(function, X)
    assert max(len(task.buffers) for task in program.plan.tasks) <= 4 * MOST < MAX_BUFFERS
    for i, result in enumerate(function(X)):
        np.testing.assert_allclose(result.numpy(), np.exp(X) * i, rtol=1e-6)


def test_many_variables_in_one_sum() -> None:
    variables = [ne.Variable(X * i) for i in range(MOST + 100)]

    def total() -> Any:
        result = variables[0] * 1
        for variable in variables[1:]:
            result = result + variable
        return result

    expected = X * sum(range(MOST + 100))
    np.testing.assert_allclose(ne.compile(total)().numpy(), expected, rtol=1e-4)


@pytest.mark.parametrize("make", [chain, squares], ids=lambda f: f.__name__)
def test_printing_grows_with_the_kernel(make: Callable[[Any], Any]) -> None:
    stages = ne.compile(make).explain(X)
    assert sum(len(stages.loops(i)) for i in range(len(stages.kernels))) < 200_000
    assert "multiply" in stages.loops(0)
