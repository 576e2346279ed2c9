"""Sizes known at run time: one program for many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn, optim
from neurona.compiler.ir.sizes import NotAffine, Size, at, spelled, stray
from neurona.compiler.program import Program
from neurona.core.errors import IndexOutOfRangeError
from tests.compiler.programs import order_in_python

SIZES = (5, 7, 1, 2, 64, 100, 33, 1000, 20_000)
rng = np.random.default_rng(0)


def normal(*shape: int) -> Any:
    return rng.normal(size=shape).astype(np.float32)


# --- Sizes as numbers ---


def test_sums_and_multiples_of_sizes_are_sizes() -> None:
    n = Size(1)
    assert repr(2 * n + 3 - n) == '%"n+3"'
    assert at((n * 4, 3 - n, -n, (6 * n + 4) // 2), 10) == (40, -7, -10, 32)
    assert type(n - n) is int
    assert ((6 * n) % 3, (6 * n) // (2 * n), (6 * n + 2) % 3, n - n) == (0, 3, 2, 0)


@pytest.mark.parametrize(
    "ask",
    [
        lambda n: n * n,
        lambda n: n // 2,
        lambda n: n % 2,
        lambda n: 7 // n,
        lambda n: n / 2,
        lambda n: n**2,
        lambda n: int(n),
        lambda n: float(n),
        lambda n: divmod(n, 2),
        lambda n: n & 1,
        lambda n: n << 1,
    ],
)
def test_what_is_no_multiple_is_refused(ask: Callable[[Size], object]) -> None:
    with pytest.raises(NotAffine):
        ask(Size(1))


def test_sizes_in_messages_are_spelled_as_numbers() -> None:
    assert spelled(f"shape ({Size(1)}, {Size(2, 3)}, {Size(-1, 5)})", 4) == "shape (4, 11, 1)"


def test_a_size_that_became_a_number_is_recognised() -> None:
    assert stray(f"add i64 %x, {int.__int__(Size(3, 7))}")
    assert not any(stray(f"add i64 %x, {1 << power}") for power in range(70))


# --- programs ---


def programs(compiled: Any) -> list[Program]:
    found = [entry.program for entries in compiled.entries.values() for entry in entries]
    return list({id(program): program for program in found}.values())


def agree(function: Callable[..., Any], make: Callable[[int], Sequence[Any]], most: int) -> None:
    """The function compiled gives eager's results for all sizes, with at most so many programs."""
    compiled = ne.compile(function)
    for n in SIZES:
        arrays = make(n)
        got, wanted = compiled(*arrays), function(*map(ne.asarray, arrays))
        pairs = zip(*[x if isinstance(x, tuple) else (x,) for x in (got, wanted)], strict=True)
        for a, b in pairs:
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=2e-4, atol=2e-4, err_msg=f"n={n}")
    assert len(programs(compiled)) <= most


def softmax_and_sums(x: Any) -> Any:
    return nn.functional.softmax(x, dim=-1), ne.sum(x, axis=0), ne.mean(x), ne.max(x, axis=1)


def gradient(x: Any) -> Any:
    return ne.grad(lambda z: ne.mean(ne.tanh(z) * z))(x), ne.var(x, axis=0), ne.std(x, axis=1)


def moved(x: Any) -> Any:
    return (
        ne.concat([x, 2 * x], axis=0),
        ne.reshape(x, (-1,)),
        ne.flip(x, axis=0),
        ne.permute_dims(x, (1, 0)),
    )


def counted(x: Any) -> Any:
    n = x.shape[0]
    return ne.arange(n), ne.zeros((n, 2)), ne.ones(3) * n, x / n, x[-1], x[: n - 1], ne.eye(n, 4)


def activation(x: Any) -> Any:
    return ne.tanh(x) * 2 + 1


@pytest.mark.parametrize(
    ("function", "rest", "most"),
    [
        (activation, (), 2),
        (activation, (37,), 2),
        (softmax_and_sums, (37,), 2),
        (gradient, (16,), 2),
        (moved, (10,), 2),
        (counted, (3,), 3),
        (lambda x: (ne.sum(x, axis=1), ne.sum(x, axis=(0, 2))), (4, 6), 2),
    ],
)
def test_one_program_serves_all_sizes_but_the_first(
    function: Callable[..., Any], rest: tuple[int, ...], most: int
) -> None:
    agree(function, lambda n: [normal(n, *rest)], most)


def test_a_square_of_the_size_gets_a_program_a_size() -> None:
    agree(lambda x: x[None] + x[:, None], lambda n: [normal(min(n, 50))], len(SIZES))


def layers(x: Any, y: Any) -> Any:
    hidden = nn.functional.relu(x @ W + B)
    return nn.functional.cross_entropy(hidden @ V, y), hidden


W, B, V = ne.Variable(normal(30, 20)), ne.Variable(normal(20)), ne.Variable(normal(20, 10))


def test_products_with_rows_of_any_number() -> None:
    agree(layers, lambda n: [normal(n, 30), rng.integers(0, 10, n)], 2)


def test_gradients_whose_products_are_of_any_depth() -> None:
    def slopes(x: Any, y: Any) -> Any:
        return tuple(ne.gradients(layers(x, y)[0], [W, B, V]))

    agree(slopes, lambda n: [normal(n, 30), rng.integers(0, 10, n)], 3)


def test_batches_of_products() -> None:
    def attention(q: Any, k: Any, v: Any) -> Any:
        return nn.functional.softmax(q @ ne.permute_dims(k, (0, 1, 3, 2)), dim=-1) @ v

    agree(attention, lambda n: [normal(min(n, 300), 2, 17, 8) for _ in range(3)], 2)


def test_a_mode_between_sizes_is_another_program() -> None:
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.5))
    compiled = ne.compile(model)
    for training in (True, False, True, False):
        model.train(training)
        for n in (5, 9, 2, 30):
            x = normal(n, 4)
            got = compiled(x).numpy()
            assert got.shape == (n, 6)
            if not training:
                np.testing.assert_allclose(got, model(ne.asarray(x)).numpy(), rtol=1e-5, atol=1e-6)


def test_the_size_may_stand_behind_other_axes() -> None:
    agree(lambda x: (ne.sum(x, axis=1), ne.mean(x, axis=(0, 2))), lambda n: [normal(3, n, 10)], 2)


def test_several_arguments_of_one_size() -> None:
    def loss(x: Any, y: Any) -> Any:
        return nn.functional.cross_entropy(x, y), ne.argmax(x, axis=1), ne.sum(x[:, 0] * y)

    agree(loss, lambda n: [normal(n, 10), rng.integers(0, 10, n)], 2)


def test_a_function_that_asks_for_the_size_keeps_its_word() -> None:
    def half(x: Any) -> Any:
        return x[::2] * 3 if x.shape[0] % 2 == 0 else x + x.shape[0] ** 2

    agree(half, lambda n: [normal(n, 6)], len(SIZES))


def test_sorts_and_scans_and_scatters() -> None:
    def lengthwise(x: Any) -> Any:
        order = ne.argsort(x, axis=0)
        return ne.take_along_axis(x, order, axis=0), ne.cumulative_sum(x, axis=0)

    def across(x: Any) -> Any:
        return ne.sort(x), ne.cumulative_sum(x, axis=1), ne.cumulative_prod(x[:, ::-1], axis=1)

    def looked_up(x: Any, i: Any) -> Any:
        return ne.grad(lambda w: ne.sum(w[i] ** 2))(x), ne.scatter_set(x, i, 1.0, axis=1)

    agree(lengthwise, lambda n: [normal(n, 3)], 2)
    agree(lengthwise, lambda n: [normal(n)], 2)
    for rest in (1, 3, 16, 37, 300):
        agree(across, lambda n, rest=rest: [normal(min(n, 1000), rest)], 2)
    agree(looked_up, lambda n: [normal(50, 70), rng.integers(-50, 50, n)], 2)
    agree(looked_up, lambda n: [normal(max(n, 5), 6), rng.integers(-5, 5, 7)], 2)


def test_a_python_op_gets_the_size_of_its_call() -> None:
    agree(lambda x: order_in_python(x.T) + 1, lambda n: [normal(n, 3)], len(SIZES))


def test_an_index_out_of_range_names_the_shape_of_the_call() -> None:
    pick = ne.compile(lambda x, i: ne.take(x, i, axis=0))
    for n in (4, 6, 9):
        assert pick(normal(n, 2), np.array([0, n - 1])).shape == (2, 2)
    with pytest.raises(IndexOutOfRangeError, match=r"index 9 at position \(1,\).*shape \(9, 2\)"):
        pick(normal(9, 2), np.array([0, 9]))


def test_several_threads_with_several_sizes() -> None:
    import threading

    f = ne.compile(lambda x: ne.sum(ne.exp(x) * x, axis=0))
    arrays = [normal(n, 50) for n in (3, 10, 400, 77, 2000, 1)]
    wanted = [f(x).numpy() for x in arrays]
    wrong: list[int] = []

    def work(first: int) -> None:
        for i in range(first, first + 200):
            if not np.array_equal(f(arrays[i % 6]).numpy(), wanted[i % 6]):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize(
    "function",
    [
        lambda x, y: ne.broadcast_to(x, (6, 3)) * 2,
        lambda x, y: x + y,
        lambda x, y: ne.where(y > 0, x, y),
        lambda x, y: x[:, None] @ y[:, :, None],
        lambda x, y: ne.sum(x[:-1] * y[:-1] if x.shape[0] > 1 else x * y[:5], axis=0),
    ],
)
def test_one_is_spread_over_an_extent_that_other_sizes_equal(function: Any) -> None:
    compiled, y = ne.compile(function), normal(6, 3)
    for n in (6, 1, 6, 1):
        x = normal(n, 3)
        expected = function(ne.asarray(x), ne.asarray(y)).numpy()
        np.testing.assert_allclose(compiled(x, y).numpy(), expected, rtol=1e-5, atol=1e-6)


TABLE = normal(20, 5)


@pytest.mark.parametrize(
    "function",
    [
        lambda x, table: table[: len(x)] * x + ne.sum(table[: len(x)]),
        lambda x, table: table[-len(x) :] * x,
        lambda x, table: ne.sum(ne.exp(table[len(x) :]), axis=0) + x,
        lambda x, table: ne.concat([table[: len(x)], x * 2]),
        lambda x, table: ne.exp(table[1 : 1 + len(x)]) @ ne.ones((5, 2)),
    ],
)
def test_so_much_of_a_table_as_there_are_rows(function: Any) -> None:
    compiled = ne.compile(function)
    for n in (5, 7, 3, 18, 2, 6, 19):
        x = normal(n, 5)
        expected = function(ne.asarray(x), ne.asarray(TABLE)).numpy()
        np.testing.assert_allclose(compiled(x, TABLE).numpy(), expected, rtol=1e-5, atol=1e-5)
    assert len(programs(compiled)) == 2


def test_other_variables_of_one_kind_are_not_taken_for_each_other() -> None:
    odd, even = ne.Variable(normal(40)), ne.Variable(normal(40))

    def scale(x: Any) -> Any:
        return x * ne.exp(odd if x.shape[0] % 2 else even)

    agree(scale, lambda n: [normal(n, 40)], len(SIZES))


def test_a_replaced_weight_is_seen_by_all_sizes() -> None:
    layer = nn.Linear(30, 20)
    forward = ne.compile(lambda x: layer(x) @ ne.exp(layer.weight))
    for _ in range(3):
        for n in (5, 7, 9, 5):
            x = normal(n, 30)
            w = layer.weight.numpy()
            expected = (x @ w.T + layer.bias.numpy()) @ np.exp(w)
            np.testing.assert_allclose(forward(x).numpy(), expected, rtol=1e-4, atol=1e-4)
        layer.weight = ne.Variable(normal(20, 30))


def test_a_training_step_of_any_batch_size() -> None:
    def make() -> tuple[Any, Any]:
        ne.random.seed(1)
        model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3))
        optimizer = optim.SGD(model.parameters(), learning_rate=1e-2, momentum=0.9)

        def step(x: Any, y: Any) -> Any:
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        return model, step

    model, step = make()
    twin, eager = make()
    compiled = ne.compile(step)
    for n in (32, 20, 32, 7, 50, 2, 128, 20):
        x, y = normal(n, 6), rng.integers(0, 3, n)
        a, b = compiled(x, y), eager(ne.asarray(x), ne.asarray(y))
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, err_msg=str(n))
    for name, value in twin.state_dict().items():
        np.testing.assert_allclose(model.state_dict()[name], value, rtol=1e-3, atol=1e-4)
