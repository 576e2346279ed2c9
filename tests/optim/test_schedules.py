"""Schedules: PyTorch's, closed formulas where it has none, and options by name."""

from __future__ import annotations

import inspect
import math
import warnings
from typing import Any

import numpy as np
import pytest

from neurona import optim
from neurona.core.errors import ArgumentError
from neurona.optim import schedules as s
from neurona.optim.schedules import Schedule, make_schedule

STEPS = 14


def factors(schedule: Schedule, steps_per_epoch: int = 1, steps: int = STEPS) -> list[float]:
    return [schedule.factor(step, steps_per_epoch) for step in range(steps)]


# name → ours, PyTorch's (from its module and an optimiser), the factors they both give.
CASES: dict[str, tuple[Schedule, Any, list[float]]] = {
    "step": (
        s.StepDecay(cut=0.5, every=4),
        lambda m, o: m.StepLR(o, 4, 0.5),
        [1.0] * 4 + [0.5] * 4 + [0.25] * 4 + [0.125] * 2,
    ),
    "milestones": (
        s.StepDecay(milestones=[2, 5, 11]),
        lambda m, o: m.MultiStepLR(o, [2, 5, 11]),
        [1.0] * 2 + [0.1] * 3 + [0.01] * 6 + [0.001] * 3,
    ),
    "exponential": (
        s.Exponential(decay=0.8),
        lambda m, o: m.ExponentialLR(o, 0.8),
        [0.8**k for k in range(STEPS)],
    ),
    "inverse time": (
        s.InverseTime(decay=0.1),
        lambda m, o: m.LambdaLR(o, lambda k: 1 / (1 + 0.1 * k)),
        [10 / (10 + k) for k in range(STEPS)],
    ),
    "straight line": (
        s.Polynomial(epochs=10, end=0.2),
        lambda m, o: m.LinearLR(o, 1.0, 0.2, 10),
        [max(0.2, 1 - 0.08 * k) for k in range(STEPS)],
    ),
    "polynomial": (
        s.Polynomial(steps=10, power=2),
        lambda m, o: m.PolynomialLR(o, 10, 2),
        [max(0.0, 1 - k / 10) ** 2 for k in range(STEPS)],
    ),
    "cosine": (
        s.Cosine(epochs=13, end=0.1),
        lambda m, o: m.CosineAnnealingLR(o, 13, 0.1),
        [0.55 + 0.45 * math.cos(math.pi * k / 13) for k in range(STEPS)],
    ),
    "cosine with restarts": (
        s.Cosine(steps=4, restarts=True),
        lambda m, o: m.CosineAnnealingWarmRestarts(o, 4),
        [0.5 + 0.5 * math.cos(math.pi * (k % 4) / 4) for k in range(STEPS)],
    ),
    "cosine with longer and longer rounds": (
        s.Cosine(epochs=2, restarts=True, stretch=2),
        lambda m, o: m.CosineAnnealingWarmRestarts(o, 2, 2),
        [
            0.5 + 0.5 * math.cos(math.pi * t)
            for t in (0, 1 / 2, 0, 1 / 4, 2 / 4, 3 / 4, *(k / 8 for k in range(8)))
        ],
    ),
    "one cycle": (
        s.OneCycle(steps=STEPS),
        lambda m, o: m.OneCycleLR(o, 1.0, STEPS, cycle_momentum=False),
        [
            0.04,
            0.253326288150591,
            0.703688047535243,
            0.990776934593551,
            0.983647496929789,
            0.919044376269711,
            0.811745653949763,
            0.672683836480545,
            0.516027724682673,
            0.357738775739657,
            0.213944814172236,
            0.0992967918932656,
            0.0254760246061597,
            4e-06,
        ],
    ),
    "warm-up before a cosine": (
        s.WarmUp(steps=3, then=s.Cosine(steps=11)),
        lambda m, o: m.SequentialLR(
            o, [m.LinearLR(o, 1 / 4, 1.0, 3), m.CosineAnnealingLR(o, 11)], [3]
        ),
        [0.25, 0.5, 0.75, *(0.5 + 0.5 * math.cos(math.pi * k / 11) for k in range(11))],
    ),
}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def test_every_schedule_has_a_case() -> None:
    found = {one for _, one in inspect.getmembers(s, inspect.isclass) if issubclass(one, Schedule)}
    bases = {Schedule, s.Span, s.Constant}
    assert found - bases == {type(ours) for ours, _, _ in CASES.values()}
    assert found - bases - {s.WarmUp} | {s.Constant} == set(optim.SCHEDULES.values())


@every_case
def test_values(case: Any) -> None:
    ours, _, expected = case
    np.testing.assert_allclose(factors(ours), expected, rtol=1e-12, atol=1e-15)


@every_case
def test_values_are_those_of_pytorch(case: Any) -> None:
    torch = pytest.importorskip("torch")
    ours, make, _ = case
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    with warnings.catch_warnings():  # SequentialLR's own step() passes what PyTorch deprecates
        warnings.simplefilter("ignore")
        scheduler = make(torch.optim.lr_scheduler, optimizer)
        theirs = []
        for _ in range(STEPS):
            theirs.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if len(theirs) < STEPS:
                scheduler.step()
    np.testing.assert_allclose(factors(ours), theirs, rtol=1e-12, atol=1e-15)


def test_epochs_are_counted_in_steps() -> None:
    assert factors(s.StepDecay(every=2), 3, 13) == factors(s.StepDecay(every=6), 1, 13)
    assert factors(s.StepDecay(milestones=[1.5]), 2, 4) == [1, 1, 1, 0.1]
    for kind in (s.Cosine, s.Polynomial, s.OneCycle):
        assert factors(kind(epochs=2), 5) == factors(kind(steps=10), 3)
    assert factors(s.Exponential(decay=0.5), 2, 3) == pytest.approx([1, math.sqrt(0.5), 0.5])
    assert factors(s.InverseTime(decay=1.0), 7, 3) == pytest.approx([1, 1 / 2, 1 / 3])
    warm = s.WarmUp(epochs=1, then=s.StepDecay(every=1))
    assert factors(warm, 2, 6) == pytest.approx([1 / 3, 2 / 3, 1, 1, 0.1, 0.1])
    assert factors(s.WarmUp(epochs=1), 2, 4) == pytest.approx([1 / 3, 2 / 3, 1, 1])


@pytest.mark.parametrize("schedule", [case[0] for case in CASES.values()], ids=CASES.keys())
def test_far_behind_the_end(schedule: Schedule) -> None:
    late = [schedule.factor(step, 10) for step in (10_000, 1_000_000)]
    assert all(0 <= factor <= 1 for factor in late)


def test_by_name() -> None:
    assert make_schedule("constant") == s.Constant()
    assert make_schedule({"name": "step", "milestones": [3, 4]}) == s.StepDecay(milestones=(3, 4))
    assert make_schedule({"name": "cosine", "epochs": 4, "restarts": True}) == s.Cosine(
        epochs=4, restarts=True
    )
    warm = make_schedule({"name": "inverse_time", "decay": 1, "warm_up_epochs": 0.5})
    assert warm == s.WarmUp(epochs=0.5, then=s.InverseTime(decay=1))
    assert make_schedule(warm) is warm
    for name, kind in optim.SCHEDULES.items():
        assert kind.name == name


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (3, "training.schedule: a name of constant, cosine"),
        ({"epochs": 3}, "a name of constant, cosine"),
        ("cosin", "training.schedule: unknown name 'cosin'; did you mean 'cosine'"),
        ({"name": "step", "evry": 3}, "step has no option 'evry'; did you mean 'every'"),
        ({"name": "constant", "warmup": 3}, "did you mean 'warm_up'"),
        ("step", "training.schedule: StepDecay: give the epochs between cuts, every=, or"),
        ({"name": "step", "every": 1, "milestones": [1]}, "one of both"),
        ({"name": "step", "milestones": [2, 1]}, "milestones must rise"),
        ({"name": "step", "milestones": 2}, "milestones must be a list of numbers, not 2"),
        ({"name": "step", "every": 0}, "every must be positive, not 0"),
        ({"name": "step", "every": 1, "cut": 0}, "cut must be positive, not 0"),
        ({"name": "cosine"}, "Cosine: give its length as epochs= or steps="),
        ({"name": "cosine", "epochs": 1, "steps": 1}, "one of both"),
        ({"name": "cosine", "epochs": -1}, "the length must be positive, not -1"),
        (
            {"name": "cosine", "epochs": "ten"},
            "schedule: epochs must be a finite number, not 'ten'",
        ),
        ({"name": "cosine", "epochs": math.nan}, "epochs must be a finite number, not nan"),
        ({"name": "cosine", "steps": 1.5}, "steps must be a whole number, not 1.5"),
        ({"name": "cosine", "epochs": 1, "restarts": 1}, "restarts must be true or false, not 1"),
        ({"name": "cosine", "epochs": 1, "end": -1}, "end must not be negative"),
        ({"name": "cosine", "epochs": 1, "stretch": 0.5}, "stretch must be at least 1"),
        ({"name": "cosine", "epochs": 1, "warm_up": 0.5}, "warm_up must be a whole number"),
        ({"name": "cosine", "epochs": 1, "warm_up": 0}, "WarmUp: the length must be positive"),
        ({"name": "constant", "warm_up": 1, "warm_up_epochs": 1}, "one of both"),
        ({"name": "polynomial", "epochs": 1, "power": 0}, "power must be positive"),
        ({"name": "exponential", "decay": 0}, "decay must be positive"),
        ({"name": "inverse_time", "decay": -1}, "decay must not be negative"),
        ({"name": "one_cycle", "epochs": 1, "rise": 2}, "rise must be in 0…1"),
    ],
)
def test_mistakes_are_named(given: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make_schedule(given, "training.schedule")
