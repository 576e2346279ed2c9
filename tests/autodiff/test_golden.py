"""The numbers of the course's notes on tensors, graphs and differentiation, recomputed.

Where the notes slip, the right number stands here with a word on the slip.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona.autodiff import check_gradients, grad, gradients, jacobian, value_and_grad


def v(value: Any) -> ne.Variable:
    return ne.Variable(value, dtype=ne.float64)


def close(actual: Any, expected: Any, digits: int = 12) -> None:
    np.testing.assert_allclose(np.asarray(actual), expected, rtol=0, atol=0.5001 * 10.0**-digits)


def test_linear_neuron_step_by_step() -> None:
    """z = w·x; y = z + b; e = y − t; l = e² [B]."""
    w, b, x, t = v(2.0), v(1.0), 3.0, 9.0
    z = w * x
    y = z + b
    e = y - t
    loss = e**2
    loss.backward()
    close([z.numpy(), y.numpy(), e.numpy(), loss.numpy()], [6, 7, -2, 4])
    close(w.grad, -12)
    close(b.grad, -4)


def test_two_layer_network_by_hand() -> None:
    """Squared error of a hidden and an output unit, both linear [A3.6]."""
    x, w1, b1, w2, b2, t = np.array([1.0, -2.0]), v([3.0, 2.0]), v(2.0), v(4.0), v(-1.0), 2.0
    z = ne.sum(w1 * x) + b1
    y = w2 * z + b2
    loss = (y - t) ** 2
    close([z.numpy(), y.numpy()], [1, 3])
    dy, db2, dw2, dz, db1, dw1 = gradients(loss, [y, b2, w2, z, b1, w1])
    close([g.numpy() for g in (dy, db2, dw2, dz, db1)], [2, 2, 2, 8, 8])
    close(dw1, [8, -16])


def test_circuit_of_sum_and_product() -> None:
    """f = (x + y)·z at (−2, 5, −4) [C2.4]."""
    value, slopes = value_and_grad(lambda x, y, z: (x + y) * z, (0, 1, 2))(-2.0, 5.0, -4.0)
    close(value, -12)
    close([slope.numpy() for slope in slopes], [-4, -4, 3])


def test_gates() -> None:
    """Add passes the gradient on, multiply swaps the inputs, max routes it [C2.4]."""
    close(grad(lambda x, y: x * y, (0, 1))(4.0, -3.0), [-3, 4])
    close(grad(lambda x, y: 2 * (x + y), (0, 1))(4.0, -3.0), [2, 2])
    # The notes write max(x + y) for max(x, y).
    close(grad(lambda x, y: 2 * ne.maximum(x, y), (0, 1))(4.0, -3.0), [2, 0])
    # At a tie each input gets half, here and in reductions.
    close(grad(lambda x, y: 2 * ne.maximum(x, y), (0, 1))(3.0, 3.0), [1, 1])
    close(grad(lambda x: 3 * ne.max(x))(np.array([1.0, 2.0, 2.0])), [0, 1.5, 1.5])


def test_sensitivity_of_a_product() -> None:
    """f = x·y at (4, −3) grows by 4 times the change in y, not by that change [C2.4]."""
    h = 1e-6
    f: Callable[[Any, Any], Any] = lambda x, y: x * y  # noqa: E731
    close((f(4.0, -3.0 + h) - f(4.0, -3.0)) / h, 4, 6)
    close(grad(f, 1)(4.0, -3.0), 4)


def test_sigmoid_gate() -> None:
    """σ(w₀x₀ + w₁x₁ + w₂) at w = (2, −3, −3), x = (−1, −2) [C2.4]."""

    def neuron(w: Any, x: Any) -> Any:
        return ne.sigmoid(w[0] * x[0] + w[1] * x[1] + w[2])

    w, x = np.array([2.0, -3.0, -3.0]), np.array([-1.0, -2.0])
    value, (dw, dx) = value_and_grad(neuron, (0, 1))(w, x)
    close(value, 0.7311, 4)
    close(dw, [-0.1966, -0.3932, 0.1966], 4)
    close(dx, [0.3932, -0.5898], 4)
    check_gradients(neuron, w, x, order=2)


def dag(w1: Any, w2: Any, x: Any, squash: Callable[[Any], Any]) -> tuple[Any, Any, Any]:
    """Two paths from x to ŷ, and w₁ used in two places [B]."""
    z1 = w1 * x
    z2 = w2 * (z1 + x)
    return z1, z2, w1 * squash(z1 + z2)


def test_dag_network() -> None:
    w1, w2 = v(2.0), v(3.0)
    z1, z2, y = dag(w1, w2, 1.0, lambda z: z)
    close([z1.numpy(), z2.numpy(), y.numpy()], [2, 9, 22])
    # dŷ/dw₁ has the direct term too: (z₁ + z₂) + w₁·(x + w₂·x); ∂z₁/∂w₁ is x.
    close([g.numpy() for g in gradients(y, [w1, w2])], [19, 6])
    close(gradients(z1, [w1])[0], 1)


def test_dag_network_with_a_sigmoid_and_mean_squared_error() -> None:
    w1, w2, t = v(2.0), v(3.0), 1.0
    z1, z2, y = dag(w1, w2, 1.0, ne.sigmoid)
    loss = (y - t) ** 2
    s = 1 / (1 + np.exp(-11.0))
    close(y, 2 * s)
    error = 2 * (2 * s - t)
    # By hand: the direct term σ(z₁+z₂) and, through the sum, w₁·σ′·(x + w₂·x).
    by_w1 = error * (s + 2 * s * (1 - s) * (1 + 3))
    by_w2 = error * 2 * s * (1 - s) * 3
    close([g.numpy() for g in gradients(loss, [w1, w2])], [by_w1, by_w2])
    close(z1 + z2, 11)
    check_gradients(
        lambda w1, w2, x: (dag(w1, w2, x, ne.sigmoid)[2] - t) ** 2, 0.2, -0.3, 1.0, order=2
    )


def test_chain_rule() -> None:
    """d/dx (6x² + 2)⁴ = 4(6x² + 2)³·12x; the notes lack the cube [B]."""
    close(grad(lambda x: (6 * x**2 + 2) ** 4)(1.0), 24_576)


def test_perceptron_and_neuron() -> None:
    def perceptron(x: Any) -> Any:
        return ne.sigmoid(4.1 + ne.sum(np.array([-1.15, -0.21]) * ne.asarray(x)))

    close(perceptron([0.0, 6.0]), 0.9448, 4)
    close(perceptron([6.0, 8.0]), 0.0112, 4)
    total = ne.sum(ne.asarray([5.0, 2.0, 1.0]) * ne.asarray([2.0, 4.0, -3.0]))
    close(total, 15)
    close(ne.sigmoid(total), 1, 6)


def test_exclusive_or_network_before_training() -> None:
    """Two hidden and one output sigmoid without biases, and its binary cross-entropy [B]."""
    x = ne.asarray([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=ne.float64)
    t = ne.asarray([0, 1, 1, 0], dtype=ne.float64)
    w1, w2 = v([[0.96, 0.89], [0.28, 0.73]]), v([0.60, 0.22])
    y = ne.sigmoid(ne.sigmoid(x @ w1) @ w2)
    close(y, [0.6011, 0.6201, 0.6433, 0.6568], 4)
    loss = -(t * ne.log(y) + (1 - t) * ne.log(1 - y))
    close(loss, [0.919, 0.478, 0.441, 1.069], 3)


def softmax(z: Any) -> Any:
    powers = ne.exp(z - ne.max(z))
    return powers / ne.sum(powers)


def test_softmax_and_quadratic_cost() -> None:
    z = np.array([5.0, 6.0, 11.0, 7.0])
    y = softmax(ne.asarray(z))
    close(y, [0.0024, 0.0066, 0.9732, 0.0178], 4)
    # Its derivative is the full Jacobian diag(y) − y·yᵀ, not only the diagonal y(1 − y).
    s = y.numpy()
    close(jacobian(softmax)(z), np.diag(s) - np.outer(s, s))
    out = ne.asarray([0.9, 0.1, 0.1, 0.2, 0.1, 0.1, 0.0, 0.0, 0.0, 0.0], dtype=ne.float64)
    target = np.eye(10)[0]
    norm = ne.sum((out - target) ** 2)
    close(norm, 0.09)
    close(norm / 2, 0.045)


def descend(f: Callable[[Any], Any], start: float, rate: float = 0.02, steps: int = 2000) -> Any:
    x = v(start)
    for _ in range(steps):
        x.grad = None
        f(x).backward()
        assert x.grad is not None
        x.assign(x - rate * x.grad)
    return x


def test_gradient_descent_on_a_parabola() -> None:
    close(descend(lambda x: x**2, 0.3, rate=0.1, steps=200), 0)
    # One step multiplies x by 1 − 2·rate: beyond rate 1 it grows.
    close(descend(lambda x: x**2, 1.0, rate=0.1, steps=3), 0.512)
    close(descend(lambda x: x**2, 1.0, rate=1.1, steps=3), -1.728)


@pytest.mark.parametrize(
    ("start", "place", "value"), [(0.3, 0.83757, -1.07334), (0.0, -1.10716, -3.05617)]
)
def test_gradient_descent_finds_a_local_or_the_global_minimum(
    start: float, place: float, value: float
) -> None:
    def f(x: Any) -> Any:
        return x**4 - 2 * x**2 + x - 1

    x = descend(f, start, rate=0.02, steps=1000)
    close(x, place, 5)
    close(f(x), value, 5)


def test_sigmoids_let_the_gradient_vanish() -> None:
    """σ′ ≤ 1/4, so three layers pass at most 1/64 of the gradient (times the weights) [B]."""
    z = np.linspace(-8, 8, 401)
    slope = grad(lambda z: ne.sum(ne.sigmoid(z)))(z).numpy()
    assert slope.max() == slope[200] == 0.25

    def layers(z: Any) -> Any:
        for _ in range(3):
            z = ne.sigmoid(z - 0.5)
        return ne.sum(z)

    assert np.abs(grad(layers)(z).numpy()).max() <= 0.015625
    # At 0.5 all three layers stand at σ′ = 1/4, and the bound is reached.
    close(grad(layers)(0.5), 0.015625, 8)


@pytest.fixture(scope="module")
def births_and_lives(data_folder: Path) -> Any:
    path = data_folder / "birth_life_2010.txt"
    if not path.is_file():
        pytest.skip(f"no data: {path} is missing")
    table = np.loadtxt(path, delimiter="\t", skiprows=1, usecols=(1, 2), encoding="utf-8")
    assert table.shape == (190, 2)
    return table


def test_life_expectancy_on_births(births_and_lives: Any) -> None:
    """Single samples in file order, rate 0.001 (the comment there says 0.01), 100 epochs [C3.3]."""
    w, b = v(0.0), v(0.0)
    losses = []
    for _ in range(100):
        losses.clear()
        for birth, life in births_and_lives.tolist():
            loss = (life - (w * birth + b)) ** 2
            w.grad = b.grad = None
            loss.backward()
            w.assign(w - 0.001 * w.grad)
            b.assign(b - 0.001 * b.grad)
            losses.append(float(loss))
    close(w, -6.0702, 4)
    close(b, 84.9295, 4)
    close(np.mean(losses), 30.0355, 4)


def test_least_squares_of_life_expectancy(births_and_lives: Any) -> None:
    """The same line by Newton's method: one step with the Hessian, from anywhere."""
    births, lives = births_and_lives.T

    def cost(p: Any) -> Any:
        return ne.mean((lives - (p[0] * births + p[1])) ** 2)

    start = np.array([3.0, -1.0])
    matrix = ne.hessian(cost)(start).numpy()
    best = start - np.linalg.solve(matrix, grad(cost)(start).numpy())
    close(best, [-5.7188, 85.7135], 4)
    close(grad(cost)(best), [0, 0], 9)
