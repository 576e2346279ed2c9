"""What depends only on Variables that seldom change is computed when they have, and only then."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn, optim
from tests.compiler.programs import entries, program_of

X = np.random.default_rng(0).normal(size=(5, 40)).astype(np.float32)


def network() -> nn.Module:
    ne.random.seed(0)
    return nn.Sequential(nn.Linear(40, 30), nn.ReLU(), nn.Linear(30, 4))


def weights_of(model: nn.Module) -> list[ne.Variable]:
    return [value for _, value in model.named_parameters()]


def train(model: nn.Module) -> None:
    optimizer = optim.SGD(model.parameters(), learning_rate=0.1)

    @ne.compile
    def step() -> None:
        loss = ne.mean(model(X) ** 2)
        loss.backward()
        optimizer.step()

    step()


CHANGES: dict[str, Callable[[nn.Module], Any]] = {
    "a compiled step": train,
    "assign": lambda m: weights_of(m)[0].assign(weights_of(m)[0] * 0.5),
    "an array": lambda m: weights_of(m)[2].assign(np.full((4, 30), 0.25, np.float32)),
    "one element": lambda m: weights_of(m)[0].__setitem__((0, 0), 9.0),
    "in place": lambda m: weights_of(m)[2].__iadd__(1.0),
    "loaded weights": lambda m: m.load_state_dict(
        {name: np.asarray(value) * 2 for name, value in m.state_dict().items()}
    ),
    "a transposed view": lambda m: weights_of(m)[2].assign(ne.asarray(np.ones((30, 4), "f4")).T),
}


ONCE = ("one element", "an array", "a transposed view")
"""What changes nothing more when it is done again."""


@pytest.mark.parametrize("name", CHANGES)
def test_changed_weights_are_seen(name: str) -> None:
    model = network()
    predict = ne.compile(model)
    for _ in range(1 if name in ONCE else 2):
        before = predict(X).numpy()
        CHANGES[name](model)
        after = predict(X).numpy()
        np.testing.assert_allclose(after, model(ne.asarray(X)).numpy(), rtol=1e-4, atol=1e-5)
        assert not np.array_equal(before, after)


def test_weights_are_packed_once() -> None:
    model = network()
    predict = ne.compile(model)
    program = program_of(predict, X)
    assert program.plan.prologue
    kept = program._kept
    for _ in range(3):
        predict(X + 1)
    assert program._kept is kept
    weights_of(model)[0].assign(weights_of(model)[0] * 2)
    predict(X)
    assert program._kept is not kept


def test_a_training_step_keeps_nothing_of_the_weights_it_writes() -> None:
    model = network()
    optimizer = optim.SGD(model.parameters(), learning_rate=0.1)
    target = ne.Variable(np.ones((5, 4), np.float32), requires_grad=False)

    @ne.compile
    def step(x: Any) -> Any:
        loss = ne.mean((model(x) - ne.exp(target * 0.1)) ** 2)
        loss.backward()
        optimizer.step()
        return loss

    losses = [step(X).item() for _ in range(20)]
    assert all(later < sooner for sooner, later in itertools.pairwise(losses))
    first = step(X).item()
    target.assign(target * 30)
    assert step(X).item() > 2 * first


def test_each_shape_has_its_own() -> None:
    model = network()
    predict = ne.compile(model)
    for rows in (1, 5, 64):
        predict(np.ones((rows, 40), np.float32))
    weights_of(model)[0].assign(weights_of(model)[0] * 2)
    for rows in (1, 5, 64):
        x = np.ones((rows, 40), np.float32)
        expected = model(ne.asarray(x)).numpy()
        np.testing.assert_allclose(predict(x).numpy(), expected, rtol=1e-5, atol=1e-6)
    assert len(entries(predict)) == 3


def test_constants_of_the_code_are_prepared_once() -> None:
    table = np.arange(12, dtype=np.float32).reshape(4, 3)
    function = ne.compile(lambda x: x @ ne.exp(ne.full((4, 3), 0.5)) + ne.asarray(table)[0])
    x = np.ones((2, 4), np.float32)
    for _ in range(2):
        np.testing.assert_allclose(
            function(x).numpy(), np.full((2, 3), 4 * np.exp(0.5)) + table[0], rtol=1e-6
        )
