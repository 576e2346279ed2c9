"""Activations: kinks, NaN, extremes, derivatives to second order, the numbers of the notes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn
from neurona.core.errors import ArgumentError, ShapeError
from neurona.nn import functional as F
from tests.nn.cases import ACTIVATIONS
from tests.nn.layer_case import LayerCase

SMOOTH = [case for case in ACTIVATIONS if case.differentiable]
every_activation = pytest.mark.parametrize("case", ACTIVATIONS, ids=lambda case: case.name)


def derivative(function: Any, x: Any) -> Any:
    z = ne.asarray(np.asarray(x, np.float64)).requires_grad_()
    ne.sum(function(z)).backward()
    return z.grad.numpy()


@every_activation
def test_nan_flows(case: LayerCase) -> None:
    x = np.full(case.output, np.nan)
    assert np.isnan(case.layer()(x).numpy()).all()


@pytest.mark.parametrize(
    ("name", "at_zero"),
    [
        ("relu", 0),
        ("relu6", 0),
        ("leaky_relu", 0.01),
        ("elu", 1),
        ("selu", nn.functional.activation.SELU_SCALE * nn.functional.activation.SELU_ALPHA),
        ("softsign", 1),
        ("sigmoid", 0.25),
        ("tanh", 1),
        ("gelu", 0.5),
        ("silu", 0.5),
        ("softplus", 0.5),
        ("hardsigmoid", 1 / 6),
    ],
)
def test_the_derivative_at_zero(name: str, at_zero: float) -> None:
    np.testing.assert_allclose(derivative(getattr(F, name), [0.0]), [at_zero], rtol=1e-14)


@pytest.mark.parametrize(
    ("function", "places"),
    [(F.relu6, [0.0, 6.0]), (F.hardtanh, [-1.0, 1.0]), (F.hardsigmoid, [-3.0, 3.0])],
)
def test_the_derivative_at_the_ends_is_zero(function: Any, places: list[float]) -> None:
    np.testing.assert_array_equal(derivative(function, places), [0, 0])


@pytest.mark.parametrize("case", SMOOTH, ids=lambda case: case.name)
def test_far_from_zero_nothing_overflows(case: LayerCase) -> None:
    for far in (-1e4, 1e4):
        x = ne.asarray(np.full(case.output, far)).requires_grad_()
        output = case.layer()(x)
        output.backward(ne.ones(case.output, dtype=ne.float64))
        assert np.isfinite(output.numpy()).all()
        assert np.isfinite(x.grad.numpy()).all()


@pytest.mark.parametrize("case", SMOOTH, ids=lambda case: case.name)
def test_derivatives_to_second_order(case: LayerCase) -> None:
    """First and second derivatives against differences, away from kinks."""
    layer = case.layer().freeze()
    (x,) = case.arguments()
    u = np.cos(np.arange(x.size) + 1.0).reshape(x.shape)

    def first(z: Any) -> Any:
        return ne.sum(layer(z) * u)

    def second(z: Any) -> Any:
        (g,) = ne.gradients(first(z), [z])
        return ne.sum(g * u)

    for order, function in enumerate((first, second)):
        z = ne.asarray(x).requires_grad_()
        value = function(z)
        if not value.requires_grad:  # pieces of straight lines
            assert order == 1
            continue
        (found,) = ne.gradients(value, [z])
        h = 1e-5
        differences = np.zeros_like(x)
        for i in np.ndindex(x.shape):
            sides = []
            for sign in (1, -1):
                moved = x.copy()
                moved[i] += sign * h
                sides.append(function(ne.asarray(moved).requires_grad_()).item())
            differences[i] = (sides[0] - sides[1]) / (2 * h)
        np.testing.assert_allclose(found.numpy(), differences, rtol=1e-6, atol=1e-8)


def test_step_and_sign_pass_nothing_back() -> None:
    x = ne.asarray([-1.0, 0.0, 2.0]).requires_grad_()
    assert F.step(x).tolist() == [0, 1, 1]
    assert F.sign(x).tolist() == [-1, 0, 1]
    assert not F.step(x).requires_grad
    assert not F.sign(x).requires_grad


def test_integers_become_floats() -> None:
    for function in (F.relu, F.sigmoid, F.step, F.softsign, F.gelu):
        assert function(np.array([1, 2])).dtype == np.float32


def test_mistakes_are_named() -> None:
    with pytest.raises(ArgumentError, match="did you mean 'tanh'"):
        F.gelu([1.0], "tahn")
    with pytest.raises(ArgumentError, match="GELU: approximate is one of"):
        nn.GELU("erf")
    with pytest.raises(ShapeError, match=r"PReLU: weight has shape \(4,\), x \(2, 3\)"):
        nn.PReLU(4)(np.ones((2, 3), np.float32))
    with pytest.raises(ShapeError, match="has 3 elements, which 2 pieces do not divide"):
        F.maxout(np.ones((2, 3)))
    with pytest.raises(ShapeError, match="axis 2 is out of range"):
        F.softmax(np.ones((2, 3)), 2)


# --- what the notes say ---


def test_derivatives_of_the_notes() -> None:
    z = np.linspace(-4, 4, 101)
    s = 1 / (1 + np.exp(-z))
    np.testing.assert_allclose(derivative(F.sigmoid, z), s * (1 - s), rtol=1e-12)
    np.testing.assert_allclose(derivative(F.tanh, z), 1 - np.tanh(z) ** 2, rtol=1e-12)
    np.testing.assert_allclose(derivative(F.softsign, z), 1 / (1 + np.abs(z)) ** 2, rtol=1e-12)
    np.testing.assert_allclose(F.tanh(z).numpy(), 2 * F.sigmoid(2 * z).numpy() - 1, atol=1e-15)


def test_three_sigmoid_layers_pass_at_most_a_sixty_fourth_of_the_gradient() -> None:
    z = np.linspace(-8, 8, 1001)
    assert derivative(F.sigmoid, z).max() == 0.25
    assert derivative(lambda x: F.sigmoid(F.sigmoid(F.sigmoid(x))), z).max() <= 0.015625


def test_softmax_of_the_notes() -> None:
    shares = F.softmax(np.array([5.0, 6.0, 11.0, 7.0]), 0).numpy()
    np.testing.assert_array_equal(np.round(shares, 4), [0.0024, 0.0066, 0.9732, 0.0178])


def test_the_derivative_of_softmax_is_the_whole_jacobian() -> None:
    x = np.array([0.5, -1.0, 2.0])
    s = F.softmax(x, 0).numpy()
    for i in range(3):
        row = derivative(lambda z, i=i: F.softmax(z, 0)[i], x)
        np.testing.assert_allclose(row, s[i] * (np.eye(3)[i] - s), rtol=1e-12)


def test_selu_keeps_mean_and_variance() -> None:
    z = ne.random.normal((200_000,), dtype=ne.float64, generator=ne.random.Generator(1))
    output = F.selu(z).numpy()
    assert abs(output.mean()) < 0.01
    assert abs(output.std() - 1) < 0.01


def test_leaky_relu_is_the_larger_of_both_lines() -> None:
    z = np.linspace(-2, 2, 41)
    for slope in (0.01, 0.1):
        np.testing.assert_array_equal(F.leaky_relu(z, slope).numpy(), np.maximum(slope * z, z))


def test_maxout_with_a_zero_piece_is_relu() -> None:
    layer = nn.Maxout(4, 3).astype(ne.float64)
    weight, bias = layer.weight.numpy(), layer.bias.numpy()
    weight[0::2], bias[0::2] = 0, 0
    layer.weight.assign(weight)
    layer.bias.assign(bias)
    x = np.sin(np.arange(20.0)).reshape(5, 4)
    expected = F.relu(F.linear(x, weight[1::2], bias[1::2]))
    np.testing.assert_allclose(layer(x).numpy(), expected.numpy(), rtol=1e-14)


def test_maxout_of_three_lines() -> None:
    layer = nn.Maxout(1, 1, pieces=3).astype(ne.float64)
    layer.weight.assign(np.array([[-1.0], [0.0], [2.0]]))
    layer.bias.assign(np.array([0.0, 1.0, -1.0]))
    x = np.linspace(-3, 3, 13).reshape(-1, 1)
    expected = np.maximum(np.maximum(-x, 1), 2 * x - 1)
    np.testing.assert_array_equal(layer(x).numpy(), expected)


def test_the_perceptron_of_the_notes() -> None:
    points = np.array([[0.0, 6.0], [6.0, 8.0]])
    output = F.sigmoid(F.linear(points, np.array([[-1.15, -0.21]]), np.array([4.1])))
    np.testing.assert_allclose(output.numpy().ravel(), [0.9448, 0.0112], atol=5e-5)
    neuron = F.linear(np.array([5.0, 2.0, 1.0]), np.array([[2.0, 4.0, -3.0]]))
    assert neuron.item() == 15
    np.testing.assert_allclose(F.sigmoid(neuron).item(), 1, atol=1e-6)


def test_the_xor_network_of_the_notes() -> None:
    network = nn.Sequential(
        nn.Linear(2, 2, bias=False), nn.Sigmoid(), nn.Linear(2, 1, bias=False), nn.Sigmoid()
    ).astype(ne.float64)
    # w1 of the notes counts inputs first; a row of ours is a unit.
    network[0].weight.assign(np.array([[0.96, 0.89], [0.28, 0.73]]).T)
    network[2].weight.assign(np.array([[0.60, 0.22]]))
    x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    output = network(x)
    np.testing.assert_allclose(
        output.numpy().ravel(), [0.6011, 0.6201, 0.6433, 0.6568], rtol=0, atol=5e-5
    )
    target = np.array([[0.0], [1.0], [1.0], [0.0]])
    loss = F.binary_cross_entropy(output, target, reduction="none").numpy().ravel()
    np.testing.assert_allclose(loss, [0.919, 0.478, 0.441, 1.069], rtol=0, atol=5e-4)
