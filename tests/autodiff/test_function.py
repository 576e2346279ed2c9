"""Operations written by the user: Function and numpy_function."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona.autodiff import Function, check_gradients, grad, numpy_function, stop_gradient, vjp
from neurona.compiler import compile
from neurona.core.errors import ArgumentError, DTypeError, ShapeError
from neurona.core.op import Spec
from neurona.ops.broadcast import sum
from neurona.ops.operand import operand
from neurona.ops.transcendental import cos, exp, sin


def close(actual: Any, expected: Any) -> None:
    np.testing.assert_allclose(np.asarray(actual), expected, rtol=1e-12, atol=1e-12)


def tensor(value: Any) -> Any:
    return operand(np.array(value, np.float64))


class Multiply(Function):
    """The MultiplyGate of the notes, with the lacking `self` not needed."""

    @staticmethod
    def forward(ctx: Any, x: Any, y: Any) -> Any:
        ctx.save(x, y)
        return x * y

    @staticmethod
    def backward(ctx: Any, dz: Any) -> Any:
        x, y = ctx.saved
        return dz * y, dz * x


class Sine(Function):
    """A sine that saves its input, its result or something between."""

    @staticmethod
    def forward(ctx: Any, x: Any, *, save: str) -> Any:
        y = sin(x)
        ctx.kind = save
        ctx.save({"input": x, "result": y, "between": cos(x), "cut": stop_gradient(cos(x))}[save])
        return y

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (saved,) = ctx.saved
        if ctx.kind == "input":
            return g * cos(saved)
        return g * ((1 - saved * saved) ** 0.5 if ctx.kind == "result" else saved)


def test_multiply_gate() -> None:
    close(Multiply.apply(4.0, -3.0), -12)
    assert [float(g) for g in grad(Multiply.apply, (0, 1))(4.0, -3.0)] == [-3.0, 4.0]
    report = check_gradients(Multiply.apply, np.ones(3) * 2, np.array([1.0, -2.0, 0.5]), order=2)
    assert report.checked == 12


@pytest.mark.parametrize("save", ["input", "result"])
def test_higher_derivatives(save: str) -> None:
    derivative: Callable[..., Any] = lambda x: Sine.apply(x, save=save)  # noqa: E731
    for expected in (np.sin(0.5), np.cos(0.5), -np.sin(0.5), -np.cos(0.5)):
        close(derivative(tensor(0.5)), expected)
        derivative = grad(derivative)


def test_second_derivative_through_something_between_is_refused() -> None:
    close(grad(lambda x: Sine.apply(x, save="between"))(tensor(0.5)), np.cos(0.5))
    with pytest.raises(ArgumentError, match="Sine: a second derivative needs"):
        grad(grad(lambda x: Sine.apply(x, save="between")))(tensor(0.5))
    # Cut off on purpose, it counts as a constant.
    close(grad(grad(lambda x: Sine.apply(x, save="cut")))(tensor(0.5)), 0)


def test_backward_need_not_be_the_derivative() -> None:
    class Reverse(Function):
        """Gradient reversal: the identity forward, minus one backward."""

        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return -g

    close(grad(lambda x: Reverse.apply(x) * 3)(tensor(1.0)), -3)


def test_several_results_and_inputs_without_gradient() -> None:
    class Both(Function):
        @staticmethod
        def forward(ctx: Any, x: Any, n: Any) -> Any:
            ctx.save(x, n)
            return x * n, x > 0, sin(x)

        @staticmethod
        def backward(ctx: Any, g: Any, of_integers: Any, h: Any) -> Any:
            x, n = ctx.saved
            assert of_integers.shape == x.shape
            return g * n + h * cos(x), None

    x = tensor([0.5, -0.5])
    product, positive, sine = Both.apply(x, 3)
    assert positive.tolist() == [True, False]
    # Only the last result is used: the cotangent of the first is zero.
    close(grad(lambda x: sum(Both.apply(x, 3)[2]))(x), np.cos([0.5, -0.5]))
    close(grad(lambda x: sum(Both.apply(x, 3)[0]))(x), [3, 3])
    close(sine, np.sin([0.5, -0.5]))
    close(product, [1.5, -1.5])


def test_forward_keeps_nothing_and_changes_nothing_outside() -> None:
    class InPlace(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            x += 1
            ctx.save(x)
            return x * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2 * ctx.saved[0]

    w = ne.Variable(2.0)
    y = InPlace.apply(w)
    close(w, 2)
    y.backward()
    close(w.grad, 6)


def test_nothing_leaks() -> None:
    gc.collect()
    gc.disable()
    try:
        x = ne.Variable(np.ones(3))
        y = Sine.apply(x, save="result")
        node = weakref.ref(y._node)
        loss = sum(y * y)
        del y
        loss.backward()
        del loss
        assert node() is None
    finally:
        gc.enable()


def test_compiled() -> None:
    @compile
    def step(x: Any) -> Any:
        return grad(lambda x: sum(Sine.apply(Multiply.apply(x, x), save="result")))(x)

    x = np.array([0.5, 0.25])
    np.testing.assert_allclose(step(x).numpy(), 2 * x * np.cos(x * x), rtol=1e-9)


def bad(result: Callable[[Any, Any], Any], keep: Any = None) -> type[Function]:
    class Bad(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            if keep is not None:
                ctx.save(keep)
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return result(ctx, g)

    return Bad


@pytest.mark.parametrize(
    ("function", "error", "text"),
    [
        (bad(lambda ctx, g: (g, g)), ArgumentError, "returned 2 cotangents for 1 inputs"),
        (bad(lambda ctx, g: 2.0), ArgumentError, "cotangent 0 is 2.0, not a tensor"),
        (bad(lambda ctx, g: sum(g)), ShapeError, r"has shape \(\), its input \(2,\)"),
        (bad(lambda ctx, g: g > 0), DTypeError, "is bool, its input float64"),
        (bad(lambda ctx, g: g, keep=3), ArgumentError, "ctx.save keeps tensors, not 3"),
    ],
)
def test_errors_in_users_functions(function: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        grad(lambda x: sum(function.apply(x)))(tensor([1.0, 2.0]))


def test_tensors_are_saved_not_set() -> None:
    class Sets(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.x = x
            return x

    with pytest.raises(ArgumentError, match=r"tensors are kept with ctx\.save"):
        Sets.apply(tensor(1.0))


def test_forward_returns_tensors() -> None:
    class Number(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return 3.0

    with pytest.raises(ArgumentError, match=r"Number\.forward returned 3\.0, not a tensor"):
        Number.apply(tensor(1.0))
    with pytest.raises(NotImplementedError, match="needs the static method forward"):
        Function.apply(tensor(1.0))


# --- numpy_function ---


def numpy_sine(x: Any) -> Any:
    return numpy_function(
        np.sin,
        x,
        result=(x.shape, x.dtype),
        vjp=lambda g, y, x: g
        * numpy_function(np.cos, x, result=(x.shape, x.dtype), vjp=lambda g, y, x: -g * sin(x)),
    )


def test_numpy_function_and_its_derivatives() -> None:
    x = tensor([0.5, -1.0])
    close(numpy_sine(x), np.sin([0.5, -1.0]))
    check_gradients(numpy_sine, x, order=2)


def test_numpy_function_compiled() -> None:
    @compile
    def step(x: Any) -> Any:
        return exp(numpy_sine(x * 2)) + 1, grad(lambda x: sum(numpy_sine(x) * x))(x)

    x = np.array([0.5, -1.0])
    value, slope = step(x)
    np.testing.assert_allclose(value.numpy(), np.exp(np.sin(2 * x)) + 1, rtol=1e-9)
    np.testing.assert_allclose(slope.numpy(), np.sin(x) + x * np.cos(x), rtol=1e-9)


def test_two_functions_of_one_name_stay_apart_when_compiled() -> None:
    def made(factor: float) -> Callable[[Any], Any]:
        return lambda x: x * factor

    @compile
    def both(x: Any) -> Any:
        spec = (x.shape, x.dtype)
        return [numpy_function(made(k), x, result=spec) for k in (2.0, 3.0)]

    first, second = both(np.array([1.0, 2.0]))
    close(first, [2, 4])
    close(second, [3, 6])


def test_several_results() -> None:
    def parts(x: Any) -> Any:
        spec = Spec(x.shape, x.dtype)
        return numpy_function(
            np.modf, x, result=[spec, spec], vjp=lambda g, outputs, x: g[0] + 0 * outputs[1]
        )

    fraction, whole = parts(tensor([1.5, -2.25]))
    close(fraction, [0.5, -0.25])
    close(whole, [1, -2])
    _, pullback = vjp(parts, tensor([1.5, -2.25]))
    close(pullback((np.array([1.0, 2.0]), None))[0], [1, 2])


def test_results_are_copied_and_arguments_read_only() -> None:
    memory = np.zeros(2)

    def shared(x: Any) -> Any:
        memory[...] = x
        return memory

    first = numpy_function(shared, tensor([1.0, 2.0]), result=((2,), "float64"))
    numpy_function(shared, tensor([3.0, 4.0]), result=((2,), "float64"))
    close(first, [1, 2])
    with pytest.raises(ValueError, match="read-only"):
        numpy_function(lambda x: x.sort(), tensor([2.0, 1.0]), result=((2,), "float64"))


def test_it_may_use_tensors_inside() -> None:
    found = numpy_function(
        lambda x: (operand(x) * 2).numpy(), tensor([1.0]), result=((1,), "float64")
    )
    close(found, [2])


@pytest.mark.parametrize(
    ("fn", "result", "error", "text"),
    [
        (np.sum, ((2,), "float64"), ShapeError, r"'sum' returned shape \(\), declared is \(2,\)"),
        (np.sin, ((2,), "float32"), DTypeError, "returned float64, declared is float32"),
        (np.sin, [((2,), "float64")], ArgumentError, "1 results are declared"),
        (np.sin, "float64", ArgumentError, r"result must be \(shape, dtype\)"),
        (np.sin, ((-2,), "float64"), ShapeError, "negative"),
        (np.sin, ((2,), "complex64"), DTypeError, "complex64"),
    ],
)
def test_declared_results(fn: Any, result: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        numpy_function(fn, tensor([1.0, 2.0]), result=result)


def test_without_vjp_a_derivative_is_an_error() -> None:
    def f(x: Any) -> Any:
        return numpy_function(np.sin, x, result=(x.shape, x.dtype)) * x

    with pytest.raises(ArgumentError, match="'sin' has no vjp"):
        grad(f)(tensor(1.0))
    x = tensor(1.0)
    cut = lambda x: stop_gradient(numpy_function(np.sin, x, result=((), x.dtype))) * x  # noqa: E731
    close(grad(cut)(x), np.sin(1.0))
