"""`while_loop` and `fori_loop`: values, state, what may stand in a body."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import neurona as ne
from tests.autodiff.control import agree, both


def collatz(n: Any) -> Any:
    def step(carry: Any) -> Any:
        n, count = carry
        return ne.cond(n % 2 == 0, lambda n: n // 2, lambda n: 3 * n + 1, n), count + 1

    return ne.while_loop(lambda carry: carry[0] != 1, step, (n, 0))[1]


@pytest.mark.parametrize("start", [1, 2, 7, 27, 97])
def test_loops_whose_length_depends_on_values(start: int) -> None:
    n, count = start, 0
    while n != 1:
        n, count = (n // 2 if n % 2 == 0 else 3 * n + 1), count + 1
    agree(collatz, count, np.int64(start))


@pytest.mark.parametrize("bounds", [(0, 0), (3, -2), (0, 1), (0, 2), (-2, 5)])
def test_fori_loop_counts_like_range(bounds: tuple[int, int]) -> None:
    def function(lower: Any, upper: Any, x: Any) -> Any:
        return ne.fori_loop(lower, upper, lambda i, x: x * 2 + i, x)

    x = np.float32([1.0, -2.0])
    expected = x
    for i in range(*bounds):
        expected = expected * 2 + i
    agree(function, expected, np.int32(bounds[0]), np.int64(bounds[1]), x)
    agree(lambda x: function(*bounds, x), expected, x)


def test_products_in_a_loop_find_the_greatest_eigenvalue() -> None:
    rng = np.random.default_rng(2)
    a = rng.normal(size=(40, 40)).astype(np.float32)
    a = a @ a.T

    def function(a: Any) -> Any:
        def step(carry: Any) -> Any:
            x, _, value, rounds = carry
            y = a @ x
            norm = ne.sqrt(ne.sum(y * y))
            return y / norm, value, norm, rounds + 1

        start = (ne.ones((40, 1)), 0.0, 1.0, 0)
        go = lambda c: (ne.abs(c[1] - c[2]) > 1e-6 * c[2]) & (c[3] < 2000)  # noqa: E731
        return ne.while_loop(go, step, start)[2]

    for found in both(function, a):
        np.testing.assert_allclose(found, np.linalg.eigvalsh(a)[-1], 1e-3)


def test_nested_loops() -> None:
    def function(x: Any) -> Any:
        def row(i: Any, total: Any) -> Any:
            return ne.fori_loop(0, i, lambda j, t: t + x[0] * i * j, total)

        return ne.fori_loop(0, 6, row, 0.0)

    expected = sum(2.0 * i * j for i in range(6) for j in range(i))
    agree(function, expected, np.float32([2.0, 3.0]))


def test_carries_may_trade_places_and_stay() -> None:
    def function(a: Any, b: Any, n: Any) -> Any:
        step = lambda i, c: {"a": c["b"], "b": c["a"], "same": c["same"], "i": i}  # noqa: E731
        last = ne.fori_loop(0, n, step, {"a": a, "b": b, "same": a * 7, "i": -1})
        return ne.stack([last["a"], last["b"], last["same"], ne.astype(last["i"], ne.float32)])

    for n in range(4):
        a, b = (1.0, 2.0) if n % 2 == 0 else (2.0, 1.0)
        agree(function, [a, b, 7.0, n - 1], np.float32(1), np.float32(2), np.int64(n))


def test_loops_read_and_write_variables() -> None:
    def make() -> tuple[Callable[[Any], Any], list[ne.Variable]]:
        total = ne.Variable(np.zeros(3, np.float32))
        rounds = ne.Variable(np.int64(0))
        rate = ne.Variable(0.5)

        def function(x: Any) -> Any:
            def step(x: Any) -> Any:
                total.assign(total + x)
                return x * rate

            def go(x: Any) -> Any:
                rounds.assign(rounds + 1)
                return ne.sum(x) > 0.01

            return ne.while_loop(go, step, x) + ne.sum(total)

        return function, [total, rounds, rate]

    eager, ours = make()
    function, theirs = make()
    compiled = ne.compile(function)
    for scale in (1.0, 3.0, 0.0):
        x = np.float32([1, 2, 3]) * np.float32(scale)
        np.testing.assert_allclose(eager(ne.asarray(x)), compiled(x), rtol=1e-6)
        for mine, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(mine.numpy(), other.numpy(), rtol=1e-6)
    assert ours[1].numpy() > 10


def test_draws_in_a_loop_are_those_of_eager_mode() -> None:
    def function(n: Any) -> Any:
        inside = ne.fori_loop(0, n, lambda i, c: c + (ne.random.normal((4,)) > 0), ne.zeros(4))
        return inside + ne.random.uniform((4,))

    generator = ne.random.DEFAULT
    compiled = ne.compile(function)
    for n in (0, 1, 7):
        generator.seed(n)
        eager, after = function(n), generator.state
        generator.seed(n)
        np.testing.assert_array_equal(compiled(np.int64(n)), eager)
        assert generator.state == after


def test_gradients_within_a_body_descend() -> None:
    def function(x: Any) -> Any:
        slope = ne.grad(lambda x: ne.sum((x - 3.0) ** 2))
        return ne.fori_loop(0, 60, lambda i, x: x - 0.1 * slope(x), x)

    agree(function, np.full(5, 3.0), np.zeros(5, np.float32))


def test_dynamic_slices_in_a_loop() -> None:
    def function(x: Any) -> Any:
        def step(i: Any, carry: Any) -> Any:
            total, table = carry
            total = total + ne.dynamic_slice(x, (i,), (1,))[0]
            return total, ne.dynamic_update_slice(table, total[None], (i,))

        return ne.fori_loop(0, 8, step, (0.0, ne.zeros(8)))[1]

    x = np.arange(8, dtype=np.float32) ** 2
    agree(function, np.cumsum(x), x)


def test_ops_that_python_evaluates_in_a_body() -> None:
    def function(x: Any) -> Any:
        def step(i: Any, x: Any) -> Any:
            y = ne.numpy_function(lambda x: np.sort(x)[::-1], x * -1.0, result=(x.shape, x.dtype))
            return ne.cond(i % 2 == 0, lambda y: y * 2, lambda y: y + 1, y)

        return ne.fori_loop(0, 5, step, x)

    x = np.float32([3, -1, 2])
    expected = x
    for i in range(5):
        expected = np.sort(-expected)[::-1]
        expected = expected * 2 if i % 2 == 0 else expected + 1
    agree(function, expected, x)


def test_a_python_op_whose_results_are_several_in_a_body() -> None:
    def function(x: Any) -> Any:
        def step(i: Any, x: Any) -> Any:
            low, high = ne.numpy_function(
                lambda x: (x.min(), x.max()), x, result=[((), x.dtype), ((), x.dtype)]
            )
            return (x - low) / (high - low) + i

        return ne.fori_loop(0, 3, step, x)

    x = np.float32([3, -1, 2])
    expected = x
    for i in range(3):
        expected = (expected - expected.min()) / (expected.max() - expected.min()) + i
    agree(function, expected, x)


def test_empty_and_large_carries() -> None:
    def function(empty: Any, large: Any) -> Any:
        step = lambda i, c: (c[0] * 2, c[1] + i)  # noqa: E731
        empty, large = ne.fori_loop(0, 3, step, (empty, large))
        return ne.sum(empty) + large

    large = np.arange(300_000, dtype=np.float32)
    agree(function, large + 3, np.zeros((0, 4), np.float32), large)


@pytest.mark.parametrize("dtype", [ne.float16, ne.bfloat16, ne.float64, ne.int8, ne.uint32])
def test_dtypes_of_carries(dtype: Any) -> None:
    def function(x: Any) -> Any:
        return ne.fori_loop(0, 3, lambda i, x: x + 1, x)

    x = np.arange(4).astype(dtype)
    for found in both(function, x):
        assert found.dtype == dtype
        np.testing.assert_array_equal(found.astype(np.float64), np.arange(4) + 3)


def test_results_are_in_memory_of_their_own() -> None:
    @ne.compile
    def function(x: Any, n: Any) -> Any:
        return ne.fori_loop(0, n, lambda i, x: x + 1, x)

    x = np.zeros(4, np.float32)
    first = function(x, np.int64(1))
    second = function(x, np.int64(2))
    none = function(x, np.int64(0))
    x[:] = 9
    np.testing.assert_array_equal(first, np.ones(4))
    np.testing.assert_array_equal(second, np.full(4, 2))
    np.testing.assert_array_equal(none, np.zeros(4))


def test_no_grad_and_stop_gradient_let_loops_stand_beside_what_is_differentiated() -> None:
    def loop(x: Any) -> Any:
        return ne.while_loop(lambda x: x < 100, lambda x: x * 2, x)

    def function(x: Any) -> Any:
        with ne.no_grad():
            scale = loop(x)
        return x * scale + ne.stop_gradient(loop(x))

    assert ne.compile(ne.grad(function))(np.float32(3)).item() == 192


def test_eager_loops_are_differentiated_step_by_step() -> None:
    slope = ne.grad(lambda x: ne.while_loop(lambda x: x < 100, lambda x: x * x, x))
    assert slope(3.0).item() == 8 * 3**7
