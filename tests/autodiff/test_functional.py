"""Derivatives of functions: values, nesting, structures, errors, and what is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona.autodiff import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from neurona.core.errors import ArgumentError, DTypeError, ShapeError
from neurona.core.node import constant
from neurona.core.subgraph import topological
from neurona.core.tensor import Tensor
from neurona.core.trace import recording
from neurona.ops.broadcast import sum
from neurona.ops.operand import operand
from neurona.ops.transcendental import cos, exp, sin, tanh


def tensor(value: Any) -> Tensor:
    return Tensor(constant(np.array(value, np.float64)))


def cube(x: Any) -> Any:
    return x * x * x


def close(actual: Any, expected: Any, rtol: float = 1e-12) -> None:
    np.testing.assert_allclose(np.asarray(actual), expected, rtol=rtol, atol=1e-12)


# --- values and orders ---


def test_first_to_third_derivative() -> None:
    x = tensor(0.7)
    derivatives = [lambda x: sin(x) * exp(x)]
    for _ in range(3):
        derivatives.append(grad(derivatives[-1]))
    expected = [
        np.sin(0.7),
        np.sin(0.7) + np.cos(0.7),
        2 * np.cos(0.7),
        2 * (np.cos(0.7) - np.sin(0.7)),
    ]
    for derivative, value in zip(derivatives, expected, strict=True):
        close(derivative(x), value * np.exp(0.7))


def test_chain_rule_with_its_cube() -> None:
    # d/dx (6x² + 2)⁴ = 4·(6x² + 2)³·12x, not 4·(6x² + 2)·12x.
    close(grad(lambda x: (6 * x * x + 2) ** 4)(tensor(1.0)), 24_576)


def test_no_perturbation_confusion() -> None:
    # d/dx x·(d/dy (x + y)) = 1; confusing the two derivatives gives 2.
    close(grad(lambda x: x * grad(lambda y: x + y)(tensor(1.0)))(tensor(2.0)), 1)
    # d/dx x·(d/dy x·y² at y = x) = d/dx 2x³ = 6x².
    close(grad(lambda x: x * grad(lambda y: x * y * y)(x))(tensor(2.0)), 24)
    # The same with forward derivatives inside and outside.
    one = tensor(1.0)
    _, outer = jvp(lambda x: x * jvp(lambda y: x + y, [one], [one])[1], [tensor(2.0)], [one])
    close(outer, 1)


def test_inner_derivative_sees_only_its_argument() -> None:
    w = ne.Variable(3.0, dtype=ne.float64)
    close(grad(lambda x: w * x * x)(tensor(2.0)), 12)
    close(grad(lambda x: grad(lambda v: v * v * x)(w))(tensor(2.0)), 6)


def test_jvp_is_the_directional_derivative() -> None:
    x, v = tensor([[0.1, 0.2], [0.3, 0.4]]), tensor([[1.0, -1.0], [0.5, 2.0]])
    y, change = jvp(lambda x: tanh(x @ x), [x], [v])
    a, b = x.numpy(), v.numpy()
    close(y, np.tanh(a @ a))
    close(change, (1 - np.tanh(a @ a) ** 2) * (a @ b + b @ a))


def test_jvp_of_grad_and_grad_of_jvp() -> None:
    x, one = tensor(0.5), tensor(1.0)
    close(jvp(grad(sin), [x], [one])[1], -np.sin(0.5))
    close(grad(lambda x: jvp(sin, [x], [x])[1])(x), np.cos(0.5) - 0.5 * np.sin(0.5))
    # Its derivative by the tangent is the gradient.
    close(grad(lambda v: jvp(sin, [x], [v])[1])(one), np.cos(0.5))


def test_hvp_hessian_and_jacobian_agree() -> None:
    def f(x: Any) -> Any:
        return sum(exp(x) * x) * sum(x * x)

    x, v = tensor([0.3, -0.2, 0.5]), tensor([1.0, 2.0, -1.0])
    matrix = hessian(f)(x).numpy()
    close(matrix, matrix.T)
    (product,) = hvp(f, [x], [v])
    close(product, matrix @ v.numpy(), 1e-10)
    close(jacobian(grad(f))(x), matrix)


def test_hessian_of_several_arguments() -> None:
    blocks = hessian(lambda x, y: x * x * y, (0, 1))(tensor(3.0), tensor(5.0))
    close([[block.numpy() for block in row] for row in blocks], [[10, 6], [6, 0]])
    close(hvp(lambda x, y: x * x * y, [tensor(3.0), tensor(5.0)], [tensor(1.0), tensor(0.0)])[1], 6)


def test_jacobian_shapes_and_structure() -> None:
    a, b = tensor(np.arange(6.0).reshape(2, 3)), tensor([1.0, 2.0, 3.0])
    found = jacobian(lambda a, b: {"y": a @ b, "b": [b * b]}, (0, 1))(a, b)
    assert set(found) == {"y", "b"}
    by_a, by_b = found["y"]
    assert by_a.shape == (2, 2, 3)
    assert by_b.shape == (2, 3)
    close(by_a, np.einsum("ij,k->ijk", np.eye(2), b.numpy()))
    close(by_b, a.numpy())
    close(found["b"][0][1], np.diag(2 * b.numpy()))
    close(found["b"][0][0], np.zeros((3, 2, 3)))


def test_jacobian_of_nothing() -> None:
    x = tensor(np.zeros((0, 3)))
    assert jacobian(lambda x: x * 2)(x).shape == (0, 3, 0, 3)
    assert jacobian(lambda x: sum(x, axis=0))(x).shape == (3, 0, 3)


# --- arguments and structures ---


def test_argnums_and_structures() -> None:
    params = {"w": tensor([1.0, 2.0]), "b": [tensor(3.0), (tensor(4.0),)]}

    def f(x: Any, p: Any, scale: float = 1.0) -> Any:
        return sum(p["w"] * x) * p["b"][0] * scale

    slope = grad(f, 1)(tensor(2.0), params, scale=10.0)
    close(slope["w"], [60, 60])
    close(slope["b"][0], 60)
    close(slope["b"][1][0], 0)
    value, (by_x, by_p) = value_and_grad(f, (0, 1))(tensor(2.0), params)
    close(value, 18)
    close(by_x, 9)
    close(by_p["b"][0], 6)
    close(grad(f, -1)(tensor(2.0), params)["w"], [6, 6])


def test_numbers_and_arrays_are_arguments() -> None:
    assert grad(cube)(2.0).dtype == ne.float32
    assert grad(cube)(np.float64(2.0)).dtype == ne.float64
    assert grad(lambda x: sum(cube(x)))(np.array([1.0, 2.0])).dtype == ne.float64


def test_aux() -> None:
    def f(x: Any) -> Any:
        return x * x, {"twice": 2 * x, "note": "kept"}

    slope, aux = grad(f, has_aux=True)(tensor(3.0))
    close(slope, 6)
    close(aux["twice"], 6)
    assert aux["note"] == "kept"
    assert not aux["twice"].requires_grad
    (value, _), slope = value_and_grad(f, has_aux=True)(tensor(3.0))
    close(value, 9)
    _, pullback, aux = vjp(lambda x: (x * x, x), tensor(3.0), has_aux=True)
    close(pullback(tensor(2.0))[0], 12)
    close(aux, 3)


def test_vjp_with_structures() -> None:
    outputs, pullback = vjp(lambda x, y: (x * y, {"s": x + y}), tensor(2.0), tensor(5.0))
    close(outputs[0], 10)
    close(pullback((tensor(1.0), {"s": tensor(10.0)})), [15, 12])
    close(pullback((None, {"s": 10.0})), [10, 10])
    close(pullback((1.0, {"s": None})), [5, 2])


def test_unused_arguments_and_constant_functions_have_gradient_zero() -> None:
    x, y = tensor([1.0, 2.0]), tensor(3.0)
    slope = grad(lambda x, y: y * y)(x, y)
    close(slope, [0, 0])
    assert slope.dtype == ne.float64
    close(grad(lambda x: tensor(5.0))(x), [0, 0])
    _, change = jvp(lambda x: y * 1.0, [x], [x])
    close(change, 0)


ERRORS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: grad(cube)(3), DTypeError, "argument 0 is int64"),
    (lambda: grad(cube)(True), DTypeError, "argument 0 is bool"),
    (lambda: grad(cube)(None), ArgumentError, "argument 0 has None"),
    (lambda: grad(cube)({"a": object()}), ArgumentError, "has a object in it"),
    (lambda: grad(cube, 1)(3.0), ArgumentError, "argnums 1 must name"),
    (lambda: grad(cube, (0, 0))(3.0), ArgumentError, "different ones"),
    (lambda: grad(lambda x: 1.0)(3.0), ArgumentError, "returned 1.0, not a tensor"),
    (lambda: grad(lambda x: None)(3.0), ArgumentError, "returned None, not a tensor"),
    (lambda: grad(lambda x: x > 0)(3.0), DTypeError, "returned a bool tensor"),
    (lambda: grad(lambda x: (x, x))(3.0), ArgumentError, "returned 2 tensors"),
    (lambda: grad(lambda x: x)([1.0, 2.0]), ArgumentError, "returned 2 tensors"),
    (lambda: grad(lambda x: x)(np.ones(2)), ShapeError, r"shape \(2,\), not one element"),
    (lambda: grad(lambda x: x, has_aux=True)(1.0), ArgumentError, "returns a pair"),
    (lambda: vjp(cube, 1.0)[1]((1.0,)), ArgumentError, r"structure \(\*,\), the outputs \*"),
    (lambda: vjp(cube, 1.0)[1](np.ones(2)), ShapeError, "the cotangent is"),
    (lambda: vjp(lambda x: x, np.ones(2))[1](), ShapeError, "not one element"),
    (lambda: jvp(cube, [1.0], [np.ones(2)]), ShapeError, "the tangent is"),
    (lambda: jvp(cube, [1.0], []), ArgumentError, "the tangents have the structure"),
    (lambda: jvp(cube, [1.0], [None]), ArgumentError, "a tangent is None"),
]


@pytest.mark.parametrize(("call", "error", "text"), ERRORS, ids=[text for _, _, text in ERRORS])
def test_errors(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


# --- what is kept ---


def test_results_are_plain_values_where_nothing_outside_is_differentiable() -> None:
    value, slope = value_and_grad(cube)(tensor(2.0))
    assert not value.requires_grad
    assert not slope.requires_grad
    assert not slope._node.inputs
    outputs, pullback = vjp(cube, tensor(2.0))
    assert not outputs.requires_grad
    close(pullback(tensor(1.0))[0], 12)
    close(pullback(tensor(2.0))[0], 24)


def test_results_can_be_differentiated_by_variables() -> None:
    w = ne.Variable(3.0, dtype=ne.float64)
    # The gradient penalty of a network: the derivative of a derivative by a parameter.
    slope = grad(lambda x: w * w * x)(tensor(2.0))
    assert slope.requires_grad
    slope.backward()
    assert w.grad is not None
    close(w.grad, 6)


def test_a_pullback_of_a_differentiable_cotangent() -> None:
    u = ne.Variable(5.0, dtype=ne.float64)
    _, pullback = vjp(cube, tensor(2.0))
    (pulled,) = pullback(u * 1)
    pulled.backward()
    assert u.grad is not None
    close(u.grad, 12)


def test_no_grad_outside_keeps_nothing_but_computes() -> None:
    w = ne.Variable(3.0, dtype=ne.float64)
    with ne.no_grad():
        slope = grad(lambda x: w * x * x)(tensor(2.0))
        close(jvp(cube, [tensor(2.0)], [tensor(1.0)])[1], 12)
    close(slope, 12)
    assert not slope.requires_grad


def test_no_grad_inside_is_a_constant() -> None:
    def f(x: Any) -> Any:
        with ne.no_grad():
            y = x * x
        return x * y

    close(grad(f)(tensor(3.0)), 9)


# --- under a recording ---


def run(node: Any, given: dict[int, np.ndarray]) -> np.ndarray:
    """The value of a recorded node, computed by the ops' own `evaluate`."""
    values = dict(given)
    for each in topological([node]):
        if id(each) in values:
            continue
        values[id(each)] = (
            each.array
            if each.value is not None
            else np.asarray(
                each.op.evaluate(*[values[id(x)] for x in each.inputs], **each.attrs), each.dtype
            )
        )
    return values[id(node)]


@pytest.mark.parametrize(
    ("derivative", "expected"),
    [
        (grad(cube), 12.0),
        (grad(grad(cube)), 12.0),
        (grad(grad(grad(cube))), 6.0),
        (lambda x: jvp(cube, [x], [x])[1], 24.0),
        (hessian(cube), 12.0),
        (lambda x: hvp(cube, [x], [x])[0], 24.0),
        (lambda x: grad(lambda v: cube(v) * x)(x), 24.0),
    ],
)
def test_recorded_as_eager(derivative: Callable[[Any], Any], expected: float) -> None:
    close(derivative(tensor(2.0)), expected)
    with recording() as trace:
        place = trace.input(operand(tensor(0.0))._node.spec)
        result = derivative(Tensor(place))
    assert result._node.value is None
    close(run(result._node, {id(place): np.array(2.0)}), expected)


def test_argument_differentiated_outside_and_inside() -> None:
    x = ne.Variable(2.0, dtype=ne.float64)
    (grad(cube)(x) * cos(x * 0)).backward()
    assert x.grad is not None
    close(x.grad, 12)
