"""checkpoint: the values and derivatives of the function itself, with less memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona.autodiff import check_gradients, checkpoint, grad, gradients
from neurona.autodiff.function import Function, numpy_function
from neurona.compiler import compile
from neurona.core.check import ensure
from neurona.core.errors import ArgumentError, TraceError
from neurona.core.subgraph import topological
from neurona.core.tensor import Tensor
from neurona.core.trace import recording
from neurona.ops.broadcast import sum
from neurona.ops.operand import operand
from neurona.ops.transcendental import exp, sin, tanh
from neurona.random import Generator, uniform


def variable(value: Any, **options: Any) -> ne.Variable:
    return ne.Variable(value, dtype=ne.float64, **options)


def close(actual: Any, expected: Any) -> None:
    assert actual is not None
    np.testing.assert_allclose(np.asarray(actual), np.asarray(expected), rtol=1e-12, atol=1e-12)


class Network:
    """A function with every kind of input: arguments, Variables, outside tensors, state."""

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        self.w = variable(random.normal(size=(3, 3)))
        self.outside = operand(random.normal(size=3)).requires_grad_()
        self.calls = variable(0.0, requires_grad=False)
        self.x = operand(random.normal(size=(4, 3))).requires_grad_()

    def __call__(self, x: Any, options: dict[str, Any]) -> Any:
        self.calls.assign(self.calls + 1)
        hidden = sin(x @ self.w) * options["scale"] + self.outside
        return {"y": hidden, "more": (exp(hidden * 0.1), options["name"])}

    def loss(self, wrap: Callable[..., Any], x: Any = None) -> Any:
        out = wrap(self)(self.x if x is None else x, {"scale": 3.0, "name": "block"})
        assert out["more"][1] == "block"
        return sum(out["y"] * out["more"][0])


@pytest.fixture
def network() -> Network:
    return Network()


def plain(fn: Callable[..., Any]) -> Callable[..., Any]:
    return fn


def test_values_and_gradients(network: Network) -> None:
    leaves = [network.x, network.w, network.outside]
    expected = gradients(network.loss(plain), leaves)
    loss = network.loss(checkpoint)
    close(loss, network.loss(plain))
    for found, wanted in zip(gradients(loss, leaves), expected, strict=True):
        close(found, wanted)
    loss.backward()
    for leaf, wanted in zip(leaves, expected, strict=True):
        close(leaf.grad, wanted)


def test_variables_are_written_once(network: Network) -> None:
    loss = network.loss(checkpoint)
    close(network.calls, 1)
    loss.backward()
    close(network.calls, 1)


def test_second_derivatives(network: Network) -> None:
    def penalty(wrap: Callable[..., Any]) -> Callable[..., Any]:
        return lambda x: sum(grad(lambda x: network.loss(wrap, x))(x) ** 2)

    close(grad(penalty(checkpoint))(network.x), grad(penalty(plain))(network.x))
    (found,) = gradients(penalty(checkpoint)(network.x), [network.w])
    (wanted,) = gradients(penalty(plain)(network.x), [network.w])
    close(found, wanted)
    check_gradients(checkpoint(lambda x: tanh(x) * x), np.array([0.3, -0.7]), order=2)


def test_nested(network: Network) -> None:
    inner = checkpoint(lambda x: sin(x) * network.w)
    outer = checkpoint(lambda x: inner(inner(x)) + x)
    close(
        grad(lambda x: sum(outer(x)))(network.w),
        grad(lambda x: sum(sin(sin(x) * network.w) * network.w + x))(network.w),
    )


def test_random_draws_repeat() -> None:
    generator = Generator(3)
    w = variable(np.ones(1000))

    def noisy(w: Any) -> Any:
        noise = uniform((1000,), dtype="float64", generator=generator)
        return sum(w * w * noise), noise

    loss, noise = checkpoint(noisy)(w)
    loss.backward()
    close(w.grad, 2 * noise.numpy())
    _, again = checkpoint(noisy)(w)
    assert not np.array_equal(again.numpy(), noise.numpy())


def test_what_fn_computes_without_gradient_stays_so() -> None:
    def fn(x: Any) -> Any:
        with ne.no_grad():
            y = x * x
        return x * y

    close(grad(checkpoint(fn))(operand(np.array(3.0))), 9)


def test_results_that_are_arguments_or_integers() -> None:
    w = variable([1.0, -2.0])
    same, positive = checkpoint(lambda x: (x, x > 0))(w * 1)
    sum(same * 3).backward()
    close(w.grad, [3, 3])
    assert positive.tolist() == [True, False]


def test_without_gradients_it_is_the_function_itself(network: Network) -> None:
    with ne.no_grad():
        assert checkpoint(lambda x: float(x) > 0)(operand(2.0)) is True
    assert not checkpoint(lambda x: x * 2)(operand(2.0)).requires_grad


def test_asking_for_a_value_and_backward_inside_are_errors() -> None:
    w = variable(2.0)
    with pytest.raises(TraceError, match="value of"):
        checkpoint(lambda x: x if x > 0 else -x)(w * 1)
    with pytest.raises(TraceError, match=r"backward\(\) was called"):
        checkpoint(lambda x: (x * w).backward())(w * 1)


def test_checks_hold() -> None:
    def positive(x: Any) -> Any:
        ensure(x > 0, "x must be positive")
        return x * x

    w = variable(2.0)
    checkpoint(positive)(w).backward()
    close(w.grad, 4)
    w.assign(-1.0)
    with pytest.raises(ArgumentError, match="x must be positive"):
        checkpoint(positive)(w)


def test_users_functions_inside() -> None:
    class Cube(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            square = x * x
            ctx.save(x, square)
            return square * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 3 * ctx.saved[1]

    def fn(x: Any) -> Any:
        y = Cube.apply(sin(x))
        return numpy_function(
            np.square, y, result=(y.shape, y.dtype), vjp=lambda g, out, y: g * 2 * y
        )

    x = operand(np.array(0.5))
    close(grad(checkpoint(fn))(x), 6 * np.sin(0.5) ** 5 * np.cos(0.5))
    close(checkpoint(fn)(x), np.sin(0.5) ** 6)


def test_memory_is_saved() -> None:
    w = variable(np.ones(20_000))

    def block(x: Any) -> Any:
        for _ in range(20):
            x = sin(x)
        return x

    def held(wrap: Callable[..., Any]) -> float:
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        y: Any = w
        for _ in range(4):
            y = wrap(block)(y)
        forward = tracemalloc.get_traced_memory()[0] - before
        sum(y).backward()
        peak = tracemalloc.get_traced_memory()[1] - before
        tracemalloc.stop()
        assert forward < peak
        return peak / w.nbytes

    assert held(plain) > 80
    assert held(checkpoint) < 30


# --- recorded and compiled ---


def test_recorded_inline_with_barriers(network: Network) -> None:
    with recording() as trace:
        loss = network.loss(checkpoint)
        slopes = gradients(loss, [network.w])
        names = [node.op.name for node in topological([slopes[0]._node])]
        assert len(trace.writes) == 1
    # The sine and the product of the forward pass, and again behind the barriers.
    assert names.count("sin") == 2
    assert "barrier" in names


def test_compiled_as_eager(network: Network) -> None:
    weights = [variable(np.random.default_rng(i).normal(size=(3, 3))) for i in range(3)]

    def loss(wrap: Callable[..., Any]) -> Any:
        x: Any = network.x
        for w in weights:
            x = wrap(lambda x, w: sin(x @ w) * exp(x * 0.1))(x, w)
        return sum(x * x)

    @compile
    def step() -> list[Tensor]:
        value = loss(checkpoint)
        return [value, *gradients(value, weights)]

    expected = loss(plain)
    for found, wanted in zip(step(), [expected, *gradients(expected, weights)], strict=True):
        np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-9)


def test_memory_is_saved_when_compiled() -> None:
    weights = [variable(np.eye(8) * 0.5) for _ in range(6)]
    x = np.ones((512, 8))

    def block(x: Any, w: Any) -> Any:
        for _ in range(3):
            x = tanh(x @ w) + x
        return x

    def arena(wrap: Callable[..., Any]) -> int:
        @compile
        def step(x: Any) -> list[Tensor]:
            for w in weights:
                x = wrap(block)(x, w)
            return gradients(sum(x * x), weights)

        step(x)
        (entries,) = step.entries.values()
        return entries[0].program.size

    # A barrier waits for the cotangent, so the recomputation is not done in advance.
    assert arena(checkpoint) < 0.6 * arena(plain)
