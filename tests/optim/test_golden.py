"""Numbers of the notes that an optimiser alone must reproduce."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn, optim


def quartic(x: Any) -> Any:
    return x * x * x * x - 2 * x * x + x - 1


@pytest.mark.parametrize(
    ("start", "place", "value"), [(0.3, 0.83757, -1.07334), (0.0, -1.10716, -3.05617)]
)
def test_gradient_descent_finds_the_minimum_of_its_side(
    start: float, place: float, value: float
) -> None:
    x = ne.Variable(np.float64(start))
    optimizer = optim.SGD([x], 0.05)
    for _ in range(300):
        quartic(x).backward()
        optimizer.step()
    assert round(x.item(), 5) == place
    assert round(quartic(x).item(), 5) == value


def test_momentum_rolls_over_the_bump_into_the_global_minimum() -> None:
    x = ne.Variable(np.float64(2.0))
    optimizer = optim.SGD([x], 0.01, momentum=0.9)
    for _ in range(500):
        quartic(x).backward()
        optimizer.step()
    assert round(x.item(), 5) == -1.10716


def test_descent_on_a_parabola() -> None:
    x = ne.Variable(np.float64(3.0))
    optimizer = optim.SGD([x], 0.1)
    for _ in range(5):
        (x * x).backward()
        optimizer.step()
    np.testing.assert_allclose(x.item(), 3 * 0.8**5, rtol=1e-14)


def test_life_expectancy_on_births(data_folder: Path) -> None:
    rows = np.genfromtxt(
        data_folder / "birth_life_2010.txt", delimiter="\t", skip_header=1, usecols=(1, 2)
    )
    assert rows.shape == (190, 2)
    model = nn.Linear(1, 1).astype(ne.float64)
    for parameter in model.parameters():
        nn.init.zeros(parameter)
    optimizer = optim.SGD(model.parameters(), 0.001)

    @ne.compile
    def step(x: Any, y: Any) -> Any:
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    samples = [(row[None, :1].copy(), row[None, 1:].copy()) for row in rows]
    for _ in range(100):
        losses = [step(x, y).item() for x, y in samples]
    assert round(model.weight.item(), 4) == -6.0702
    assert round(model.bias.item(), 4) == 84.9295
    assert round(float(np.mean(losses)), 4) == 30.0355
