"""Every optimiser: PyTorch's path, recorded and compiled, and what all share."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn, optim
from neurona.core.errors import ArgumentError, CheckpointError
from tests.nn.golden import stored
from tests.nn.replay import recorded
from tests.optim.cases import OPTIMIZERS, STEPS, OptimizerCase

every_case = pytest.mark.parametrize("case", OPTIMIZERS, ids=lambda case: case.name)
ALGORITHMS = [
    found
    for _, found in inspect.getmembers(optim, inspect.isclass)
    if issubclass(found, optim.Optimizer) and found is not optim.Optimizer
]
every_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda a: a.__name__)


def test_every_algorithm_has_a_case() -> None:
    names = {case.name.partition(",")[0] for case in OPTIMIZERS}
    assert names == {algorithm.__name__ for algorithm in ALGORITHMS}


@every_case
def test_the_path_is_that_of_pytorch_or_the_paper(case: OptimizerCase) -> None:
    expected = stored("optimizers", case.name) if case.torch else case.from_formula()
    for name, path in case.run().items():
        assert len(path) == STEPS
        np.testing.assert_allclose(path, expected[name], rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("case", [c for c in OPTIMIZERS if c.torch], ids=lambda case: case.name)
def test_the_stored_path_is_still_that_of_pytorch(case: OptimizerCase) -> None:
    pytest.importorskip("torch")
    expected = case.from_torch()
    for name, path in stored("optimizers", case.name).items():
        np.testing.assert_allclose(path, expected[name], rtol=1e-11, atol=1e-13)


@every_case
def test_the_recorded_path_is_the_eager_one(case: OptimizerCase) -> None:
    expected = case.run(dtype=np.float32)
    for name, path in case.run(recorded, np.float32).items():
        np.testing.assert_array_equal(path, expected[name])


@every_case
def test_the_compiled_path_is_the_eager_one(case: OptimizerCase) -> None:
    expected = case.run(dtype=np.float32)
    for name, path in case.run(ne.compile, np.float32).items():
        np.testing.assert_allclose(path, expected[name], rtol=1e-4, atol=1e-5)


def descend(optimizer: optim.Optimizer, loss: Any) -> None:
    loss.backward()
    optimizer.step()


# Their steps shrink, begin tiny, or are a share of the parameter's size.
RATES = {"Adagrad": 1.0, "Adadelta": 8.0, "LARS": 20.0}


@every_algorithm
def test_a_bowl_is_descended(algorithm: Any) -> None:
    w = ne.Variable([3.0, -2.0])
    optimizer = algorithm([w], RATES.get(algorithm.__name__, 0.05))
    for _ in range(300):
        descend(optimizer, ne.sum(w * w))
    assert np.abs(w.numpy()).max() < 0.05


@every_algorithm
def test_gradients_are_cleared_and_the_frozen_stay(algorithm: Any) -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    optimizer = algorithm(model.parameters(), 0.1)
    x = np.ones((3, 2), np.float32)
    model[0].freeze()
    before, slots = model.state_dict(), optimizer.state_dict()["slots"]
    descend(optimizer, ne.sum(model(x)))
    after = model.state_dict()
    for name in before:
        assert (before[name] == after[name]).all() == name.startswith("0."), name
    for name, array in optimizer.state_dict()["slots"].items():
        if name.startswith(("0.", "1.")):
            np.testing.assert_array_equal(array, slots[name])
    assert all(parameter.grad is None for parameter in model.parameters())


@every_algorithm
@pytest.mark.parametrize("dtype", [ne.float16, ne.bfloat16], ids=str)
def test_half_floats_are_updated_in_float32(algorithm: Any, dtype: Any) -> None:
    w = ne.Variable(np.array([3.0, -2.0]), dtype=dtype)
    optimizer = algorithm([w], 0.25)
    descend(optimizer, ne.sum(w * w))
    wide = ne.Variable([3.0, -2.0])
    other = algorithm([wide], 0.25)
    descend(other, ne.sum(wide * wide))
    assert w.dtype == dtype
    np.testing.assert_array_equal(w.numpy(), wide.numpy().astype(dtype))
    for name, array in optimizer.state_dict()["slots"].items():
        assert array.dtype == other.state_dict()["slots"][name].dtype


@every_algorithm
def test_a_saved_optimiser_goes_on_as_if_it_had_not_stopped(algorithm: Any) -> None:
    def make() -> tuple[Any, Any]:
        w = ne.Variable([3.0, -2.0])
        return w, algorithm([w], 0.05)

    def steps(w: Any, optimizer: Any, count: int) -> None:
        for _ in range(count):
            descend(optimizer, ne.sum(w * w * w * w))

    w, optimizer = make()
    optimizer.learning_rate = 0.03
    steps(w, optimizer, 3)
    state, weights = optimizer.state_dict(), w.numpy()
    steps(w, optimizer, 3)
    again, other = make()
    again.assign(weights)
    other.load_state_dict(state)
    steps(again, other, 3)
    np.testing.assert_array_equal(again.numpy(), w.numpy())


@pytest.mark.parametrize("rates", [{}, {3: 0.02, 7: 0.2}])
def test_nesterov_looks_ahead(rates: dict[int, float]) -> None:
    """v ← ρv − α∇f(x + ρv), x ← x + v, also when α changes: θ is the point x + ρv."""
    θ = ne.Variable(np.array([3.0, -2.0]))
    optimizer = optim.Momentum([θ], 0.05, momentum=0.8, nesterov=True)
    x, v, α, ρ = np.array([3.0, -2.0]), np.zeros(2), 0.05, 0.8
    for i in range(12):
        if i in rates:
            optimizer.learning_rate = α = rates[i]
        descend(optimizer, ne.sum(θ * θ))
        v = ρ * v - α * 2 * (x + ρ * v)
        x = x + v
        np.testing.assert_allclose(θ.numpy(), x + ρ * v, rtol=1e-12, atol=1e-15)


def test_the_two_forms_of_momentum_part_when_the_rate_changes() -> None:
    inside, outside = (ne.Variable(np.array([3.0, -2.0])) for _ in range(2))
    one = optim.Momentum([inside], 0.05, momentum=0.8)
    other = optim.SGD([outside], 0.05, momentum=0.8)
    for i in range(10):
        if i == 5:
            np.testing.assert_allclose(inside.numpy(), outside.numpy(), rtol=1e-13)
            one.learning_rate = other.learning_rate = 0.005
        descend(one, ne.sum(inside * inside))
        descend(other, ne.sum(outside * outside))
    assert np.abs(inside.numpy() - outside.numpy()).min() > 0.1


@every_algorithm
def test_nothing_moves_without_a_slope(algorithm: Any) -> None:
    """A gradient of 0 at the first step, also of a parameter that is 0: no NaN."""
    w, zero = ne.Variable([3.0, -2.0]), ne.Variable(np.zeros(2, np.float32))
    optimizer = algorithm([w, zero], 0.5)
    if "weight_decay" in optimizer.groups[0].options:
        optimizer.set_options(weight_decay=0.0)
    descend(optimizer, ne.sum(w * 0.0) + ne.sum(zero * 0.0))
    np.testing.assert_array_equal(w.numpy(), [3, -2])
    np.testing.assert_array_equal(zero.numpy(), 0)
    descend(optimizer, ne.sum(zero))
    assert np.isfinite(zero.numpy()).all()
    assert (zero.numpy() < 0).all()


def test_a_new_learning_rate_needs_no_new_recording() -> None:
    w = ne.Variable([1.0])
    optimizer = optim.SGD([w], 0.5)
    recordings = []

    @ne.compile
    def step() -> Any:
        recordings.append(1)
        loss = ne.sum(w)
        descend(optimizer, loss)
        return loss

    step()
    optimizer.learning_rate = 0.25
    step()
    np.testing.assert_array_equal(w.numpy(), [0.25])
    assert len(recordings) == 1
    optimizer.set_options(weight_decay=1.0)
    step()
    assert len(recordings) == 2
    np.testing.assert_array_equal(w.numpy(), [-0.0625])


def test_groups_have_options_of_their_own() -> None:
    a, b = ne.Variable([1.0]), ne.Variable([1.0])
    optimizer = optim.SGD(
        [{"parameters": [a]}, {"parameters": [b], "learning_rate": 0.25, "weight_decay": 2.0}], 0.5
    )
    descend(optimizer, ne.sum(a + b))
    np.testing.assert_array_equal(a.numpy(), [0.5])
    np.testing.assert_array_equal(b.numpy(), [0.25])
    optimizer.learning_rate = 0.125
    descend(optimizer, ne.sum(a + b))
    np.testing.assert_array_equal(a.numpy(), [0.375])
    optimizer.set_options(group=0, momentum=0.5)
    assert [group.options["momentum"] for group in optimizer.groups] == [0.5, 0.0]
    descend(optimizer, ne.sum(a))
    descend(optimizer, ne.sum(a))
    np.testing.assert_array_equal(a.numpy(), [0.375 - 0.125 - 0.125 * 1.5])


def test_the_frozen_begin_with_their_own_count_of_steps() -> None:
    late, early = ne.Variable([1.0]), ne.Variable([1.0])
    optimizer = optim.Adam([late, early], 0.1)
    late.requires_grad = False
    for _ in range(50):
        descend(optimizer, ne.sum(late + early))
    late.requires_grad = True
    descend(optimizer, ne.sum(late + early))
    # The first step of Adam is as long as the learning rate, also after 50 steps of the others.
    np.testing.assert_allclose(late.numpy(), [0.9], rtol=1e-6)


def test_gradients_can_be_summed_or_thrown_away() -> None:
    w = ne.Variable([1.0])
    optimizer = optim.SGD([w], 0.5)
    ne.sum(w).backward()
    ne.sum(w).backward()
    optimizer.step()
    np.testing.assert_array_equal(w.numpy(), [0])
    ne.sum(w).backward()
    optimizer.zero_grad()
    with pytest.raises(ArgumentError, match=r"call loss\.backward\(\) before"):
        optimizer.step()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optim.SGD(ne.Variable([1.0])), r"give model\.parameters\(\)"),
        (lambda: optim.SGD(nn.Linear(1, 1)), r"not a Linear; give model\.parameters\(\)"),
        (lambda: optim.SGD([]), "no parameters to learn"),
        (lambda: optim.SGD([np.ones(2)]), "a parameter is a Variable, not a ndarray"),
        (lambda: optim.SGD([ne.Variable(np.ones(2, np.int64), "n")]), "'n' is int64; only floats"),
        (lambda: optim.SGD([ne.Variable([1.0], "w")] * 2), "'w' is given twice"),
        (lambda: optim.SGD([{"params": []}]), 'a group is a dictionary with "parameters"'),
        (
            lambda: optim.SGD([{"parameters": [ne.Variable([1.0])], "momentun": 1}]),
            "did you mean 'momentum'",
        ),
        (lambda: optim.SGD([ne.Variable([1.0])], -1.0), "learning_rate must be finite and not"),
        (lambda: optim.SGD([ne.Variable([1.0])], float("nan")), "learning_rate must be finite"),
        (lambda: optim.SGD([ne.Variable([1.0])], momentum=-1), "momentum must not be negative"),
        (lambda: optim.SGD([ne.Variable([1.0])], weight_decay=-1), "weight_decay must not be"),
        (lambda: optim.SGD([ne.Variable([1.0])], nesterov=True), "nesterov needs a momentum"),
        (lambda: optim.Adam([ne.Variable([1.0])], betas=(0.9, 1.0)), r"betas must be in \[0, 1\)"),
        (lambda: optim.AdamW([ne.Variable([1.0])], betas=(0.9,)), "AdamW: betas are two numbers"),
        (lambda: optim.Momentum([ne.Variable([1.0])], momentum=-1), "momentum must not be"),
        (lambda: optim.Adagrad([ne.Variable([1.0])], initial_sum=-1), "initial_sum must not be"),
        (lambda: optim.Adadelta([ne.Variable([1.0])], rho=1.0), r"rho must be in \[0, 1\)"),
        (lambda: optim.Adadelta([ne.Variable([1.0])], eps=0), "eps must be positive, or nothing"),
        (lambda: optim.RMSProp([ne.Variable([1.0])], rho=-0.1), r"rho must be in \[0, 1\)"),
        (lambda: optim.RMSProp([ne.Variable([1.0])], momentum=-1), "momentum must not be"),
        (lambda: optim.AdaMax([ne.Variable([1.0])], eps=-1), "AdaMax: eps must not be negative"),
        (lambda: optim.NAdam([ne.Variable([1.0])], momentum_decay=-1), "momentum_decay must not"),
        (lambda: optim.LARS([ne.Variable([1.0])], trust_coefficient=0), "trust_coefficient must"),
        (lambda: optim.LARS([ne.Variable([1.0])], momentum=-1), "LARS: momentum must not be"),
        (lambda: optim.LAMB([ne.Variable([1.0])], betas=(1.0, 0.9)), "LAMB: betas must be in"),
        (lambda: optim.Lion([ne.Variable([1.0])], betas=(1.0, 0.9)), "Lion: betas must be in"),
        (lambda: optim.RAdam([ne.Variable([1.0])], eps=-1), "RAdam: eps must not be"),
        (lambda: optim.Adam([ne.Variable([1.0])], eps=-1), "eps must not be negative"),
        (lambda: optim.Adam([ne.Variable([1.0])]).set_options(beta=1), "did you mean 'betas'"),
    ],
)
def test_mistakes_are_named(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()


def test_a_state_that_does_not_fit_changes_nothing() -> None:
    w = ne.Variable([1.0, 2.0])
    adam = optim.Adam([w], 0.5)
    good = adam.state_dict()
    slots = good["slots"]
    for state, message in (
        ({}, "it lacks algorithm, groups, slots"),
        (optim.SGD([w]).state_dict(), "it is of SGD"),
        ({**good, "groups": good["groups"] * 2}, r"its groups have \[1, 1\] parameters"),
        ({**good, "slots": {**slots, "0.step": np.zeros(3)}}, r"0.step: shape \(3,\)"),
        ({**good, "slots": {"0.step": slots["0.step"]}}, "missing: 0.first_moment"),
        ({**good, "groups": [{**good["groups"][0], "eps": -1.0}]}, "eps must not be negative"),
        ({**good, "groups": [{**good["groups"][0], "extra": 1}]}, "'extra' is no option"),
        ({**good, "groups": [{"parameters": 1}]}, "group 0 lacks betas, eps, learning_rate"),
    ):
        with pytest.raises(CheckpointError, match=message):
            adam.load_state_dict(state)
        assert adam.state_dict()["groups"] == good["groups"]
        np.testing.assert_array_equal(adam.state_dict()["slots"]["0.step"], 0)


def test_repr() -> None:
    text = repr(optim.SGD([ne.Variable([1.0])], 0.1, momentum=0.9))
    assert text == (
        "SGD(learning_rate=0.1, momentum=0.9, dampening=0.0, weight_decay=0.0, nesterov=False)"
    )
