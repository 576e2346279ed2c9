"""The units of N1, each with its own learning rule."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import neurona as ne
from neurona import data
from neurona.core.errors import ArgumentError, DataError, ShapeError
from neurona.models import (
    Adaline,
    Hebb,
    LinearDiscriminant,
    LogisticDiscriminant,
    McCullochPitts,
    Perceptron,
)

Points = NDArray[np.float64]
BITS = np.array(list(itertools.product([0.0, 1.0], repeat=2)))


# --- McCulloch and Pitts ---


@pytest.mark.parametrize(
    ("unit", "truth"),
    [
        (McCullochPitts([1, 1], threshold=2), [0, 0, 0, 1]),
        (McCullochPitts([1, 1], threshold=1), [0, 1, 1, 1]),
        (McCullochPitts([1, -1], threshold=1), [0, 0, 1, 0]),
        (McCullochPitts([-1, -1], threshold=0), [1, 0, 0, 0]),
    ],
    ids=["and", "or", "but not", "nor"],
)
def test_logic_of_one_unit(unit: McCullochPitts, truth: list[int]) -> None:
    assert unit(BITS).tolist() == truth


def test_inhibition_is_absolute() -> None:
    unit = McCullochPitts([1, 1, 1, -1], threshold=1)
    assert unit(np.array([[1.0, 1, 1, 0], [1, 1, 1, 1]])).tolist() == [1, 0]


def test_exclusive_or_takes_two_layers() -> None:
    first, second = McCullochPitts([1, -1], threshold=1), McCullochPitts([-1, 1], threshold=1)
    hidden = ne.stack([first(BITS), second(BITS)], axis=1)
    assert McCullochPitts([1, 1], threshold=1)(hidden).tolist() == [0, 1, 1, 0]


def test_units_without_sense() -> None:
    with pytest.raises(ArgumentError, match="synapses"):
        McCullochPitts([1, 2], threshold=1)
    with pytest.raises(ShapeError, match=r"x \(4, 2\) must be \(batch, 3\)"):
        McCullochPitts([1, 1, 1], threshold=1)(BITS)


# --- Hebb ---


def test_hebb_recalls_orthonormal_patterns(rng: np.random.Generator) -> None:
    patterns = np.linalg.qr(rng.standard_normal((6, 6)))[0][:4]
    answers = rng.standard_normal((4, 3))
    memory = Hebb(6, 3, dtype=ne.float64)
    memory.fit(patterns, answers, epochs=1)
    np.testing.assert_allclose(memory(patterns).numpy(), answers, atol=1e-14)
    np.testing.assert_allclose(memory.weight.numpy(), answers.T @ patterns, atol=1e-14)


def test_hebb_mixes_patterns_that_are_alike(rng: np.random.Generator) -> None:
    x = rng.choice([-1.0, 1.0], (3, 50)) / np.sqrt(50)
    t = np.eye(3)
    memory = Hebb(50, 3, dtype=ne.float64)
    memory.fit(x, t, epochs=1)
    np.testing.assert_allclose(memory(x).numpy(), x @ x.T @ t, atol=1e-14)  # crosstalk x·x′


# --- Rosenblatt ---


def separable(rng: np.random.Generator, margin: float) -> tuple[Points, Points, float]:
    """Points on both sides of a line, the labels ±1, and the bound (R/γ)² of Novikoff."""
    normal = rng.standard_normal(4)
    normal /= np.linalg.norm(normal)
    x = rng.uniform(-1, 1, (300, 3))
    φ = np.column_stack([x, np.ones(300)]) @ normal
    kept = np.abs(φ) >= margin
    x, φ = x[kept], φ[kept]
    radius = np.sqrt((x * x).sum(axis=1) + 1).max()
    return x, np.sign(φ)[:, None], float((radius / np.abs(φ).min()) ** 2)


@pytest.mark.parametrize("seed", range(5))
def test_the_perceptron_converges_within_the_bound(seed: int) -> None:
    x, t, bound = separable(np.random.default_rng(seed), 0.1)
    unit = Perceptron(3)
    corrections = unit.fit(x, t, epochs=1000, seed=seed)
    assert corrections[-1] == 0
    assert 0 < sum(corrections) <= bound
    assert (unit(x).numpy() == t).all()


def test_the_perceptron_corrects_only_what_is_wrong() -> None:
    # By hand: samples in file order, ρ = 1, from zero weights.
    unit = Perceptron(2)
    x, t = np.array([[1.0, 2.0], [-1.0, 1.0], [2.0, 0.0]]), np.array([[1.0], [-1.0], [1.0]])
    unit.learn(x[:1], t[:1])  # φ = 0: wrong, w = (1, 2), b = 1
    unit.learn(x[1:2], t[1:2])  # φ = 2: wrong, w = (2, 1), b = 0
    unit.learn(x[2:], t[2:])  # φ = 4: right
    assert unit.weight.numpy().tolist() == [[2.0, 1.0]]
    assert unit.bias.numpy().tolist() == [0.0]


def test_the_perceptron_cannot_learn_exclusive_or() -> None:
    unit = Perceptron(2)
    corrections = unit.fit(BITS, [[-1], [1], [1], [-1]], epochs=200)
    assert len(corrections) == 200
    assert min(corrections) > 0


def test_the_rate_of_a_perceptron_only_scales() -> None:
    x, t, _ = separable(np.random.default_rng(7), 0.2)
    one, two = Perceptron(3), Perceptron(3, learning_rate=4.0)
    assert one.fit(x, t) == two.fit(x, t)
    np.testing.assert_allclose(4 * one.weight.numpy(), two.weight.numpy(), rtol=1e-6)


# --- Widrow and Hoff ---


def test_adaline_comes_to_the_least_squares_solution(rng: np.random.Generator) -> None:
    x = rng.standard_normal((200, 3))
    t = x @ [[1.0], [-2.0], [0.5]] + 3 + 0.1 * rng.standard_normal((200, 1))
    unit = Adaline(3, learning_rate=0.002, dtype=ne.float64)
    record = unit.fit(x, t, epochs=300)
    rows = np.column_stack([x, np.ones(200)])
    best = np.linalg.lstsq(rows, t)[0][:, 0]
    found = np.append(unit.weight.numpy()[0], unit.bias.numpy())
    np.testing.assert_allclose(found, best, atol=5e-3)
    assert record[-1] < 1.05 * float(((t - rows @ best[:, None]) ** 2).sum()) < record[0]


def test_the_life_expectancy_of_the_notes(data_folder: Path) -> None:
    births = data.birth_life_2010(data_folder)
    # The notes descend (t − φ)², whose derivative is twice that of Widrow and Hoff: rate 2·0.001.
    unit = Adaline(1, learning_rate=0.002, dtype=ne.float64)
    record = unit.fit(births.inputs, births.targets, epochs=100, shuffle=False)
    assert unit.weight.numpy().item() == pytest.approx(-6.0702, abs=5e-5)
    assert unit.bias.numpy().item() == pytest.approx(84.9295, abs=5e-5)
    assert record[-1] / 190 == pytest.approx(30.0355, abs=5e-5)


# --- least squares at once ---


def test_the_linear_discriminant_solves_least_squares(data_folder: Path) -> None:
    births = data.birth_life_2010(data_folder)
    line = LinearDiscriminant(1, dtype=ne.float64)
    left = line.fit(births.inputs, births.targets)
    assert line.weight.numpy().item() == pytest.approx(-5.7188, abs=5e-5)
    assert line.bias.numpy().item() == pytest.approx(85.7135, abs=5e-5)
    assert left == pytest.approx(float(((line(births.inputs).numpy() - births.targets) ** 2).sum()))


def test_the_linear_discriminant_reads_digits() -> None:
    whole = data.digits()
    training, test = data.split(whole, (0.8, 0.2), stratify=whole.targets)
    network = LinearDiscriminant(64, 10)
    x, t = training.inputs.reshape(-1, 64), data.encode_targets(training.targets, 10)
    network.fit(x, t)
    said = network(test.inputs.reshape(-1, 64)).numpy().argmax(axis=1)
    assert (said == test.targets).mean() > 0.92


def test_dependent_columns_have_the_shortest_solution() -> None:
    x = np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
    plane = LinearDiscriminant(2, dtype=ne.float64)
    plane.fit(x, 2 * x[:, :1])
    np.testing.assert_allclose(plane.weight.numpy(), [[1.0, 1.0]], atol=1e-12)


# --- logistic ---


def test_the_numbers_of_the_notes_on_one_neuron() -> None:
    # w0 = 4.1, w = (−1.15, −0.21): (0, 6) → .9448, (6, 8) → .0112
    unit = LogisticDiscriminant(2, dtype=ne.float64)
    unit.weight.assign([[-1.15, -0.21]])
    unit.bias.assign([4.1])
    y = unit(np.array([[0.0, 6.0], [6.0, 8.0]])).numpy()[:, 0]
    np.testing.assert_allclose(y, [0.9448, 0.0112], atol=5e-5)


@pytest.mark.parametrize("classes", [1, 3])
def test_the_logistic_rule_is_descent_of_the_cross_entropy(
    rng: np.random.Generator, classes: int
) -> None:
    x = rng.standard_normal((20, 4))
    labels = rng.integers(0, max(classes, 2), 20)
    t = labels[:, None].astype(float) if classes == 1 else np.eye(3)[labels]
    unit = LogisticDiscriminant(4, classes, learning_rate=0.5, dtype=ne.float64)
    unit.weight.assign(rng.standard_normal((classes, 4)))
    before, bias = unit.weight.numpy(), unit.bias.numpy()
    loss_of = (
        ne.nn.functional.binary_cross_entropy_with_logits
        if classes == 1
        else ne.nn.functional.cross_entropy
    )
    loss_of(unit.potential(x), ne.asarray(t)).backward()
    slope, slope_b = unit.weight.grad.numpy(), unit.bias.grad.numpy()  # type: ignore[union-attr]
    unit.learn(x, t)
    np.testing.assert_allclose(unit.weight.numpy(), before - 0.5 * slope, rtol=1e-12)
    np.testing.assert_allclose(unit.bias.numpy(), bias - 0.5 * slope_b, rtol=1e-12, atol=1e-16)


def test_logistic_outputs_are_posteriors(rng: np.random.Generator) -> None:
    # Two Gaussians of one variance: the posterior is exactly logistic, w = (μ₁ − μ₀)/σ².
    labels = rng.integers(0, 2, 20_000)
    x = rng.normal(np.where(labels, 1.0, -1.0), 1.0)[:, None]
    unit = LogisticDiscriminant(1, learning_rate=1.0)
    unit.fit(x, labels[:, None], epochs=200, batch_size=20_000)
    points = np.linspace(-3, 3, 13)[:, None]
    posterior = 1 / (1 + np.exp(-2 * points))
    np.testing.assert_allclose(unit(points).numpy(), posterior, atol=0.02)


# --- what all share ---


def test_bad_data_is_refused() -> None:
    unit = Perceptron(2)
    with pytest.raises(ShapeError, match=r"t \(4, 2\) must be \(sample, 2\) and \(sample, 1\)"):
        unit.fit(BITS, np.ones((4, 2)))
    with pytest.raises(ShapeError, match=r"x \(4, 3\) and t \(4, 1\) must be \(sample, 2\)"):
        unit.fit(np.ones((4, 3)), np.ones((4, 1)))
    with pytest.raises(ShapeError, match=r"Perceptron: x \(4, 3\) must be \(batch, 2\)"):
        unit(np.ones((4, 3)))
    with pytest.raises(DataError, match="inputs holds nan at sample 1"):
        unit.fit(np.where(BITS == 1, np.nan, 0), np.ones((4, 1)))
    with pytest.raises(ArgumentError, match="learning_rate must be positive"):
        Adaline(2, learning_rate=0.0)
    with pytest.raises(ShapeError, match=r"LinearDiscriminant.fit: x \(4, 2\) and t \(4,\)"):
        LinearDiscriminant(2).fit(BITS, np.ones(4))
    assert not unit.weight.numpy().any()
