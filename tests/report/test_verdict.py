"""The verdict, on curves made for each rule and on real runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurona import data, nn, optim, random, train
from neurona.report.page import verdict
from neurona.report.record import read
from neurona.report.verdict import Finding, judge

from .runs import trained


def curves(
    training: Sequence[float], validation: Sequence[float] = (), **metrics: Sequence[float]
) -> list[dict[str, float]]:
    columns = {"loss": training, "validation_loss": validation, **metrics}
    columns = {name: values for name, values in columns.items() if len(values)}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def kinds(findings: Sequence[Finding]) -> dict[str, str]:
    return {finding.kind: finding.level for finding in findings}


GUESS = {"loss": 2.3, "accuracy": 0.1, "class": "3"}
GOOD = [2.0, 1.0, 0.6, 0.45, 0.4, 0.38, 0.37, 0.365, 0.362, 0.36]


def test_a_good_fit() -> None:
    findings = judge(curves(GOOD, [v + 0.05 for v in GOOD]), baseline=GUESS)
    assert kinds(findings) == {"good": "good"}
    assert "from 2 to 0.36," in findings[0].text
    assert "84 % of the loss of guessing is gone" in findings[0].text


def test_overfitting() -> None:
    training = [2.0, 1.0, 0.5, 0.3, 0.2, 0.1, 0.05, 0.03]
    validation = [2.0, 1.2, 0.8, 0.7, 0.75, 0.9, 1.1, 1.3]
    accuracy = [0.5, 0.6, 0.8, 0.9, 0.95, 0.97, 0.99, 0.999]
    below = [0.5, 0.6, 0.7, 0.75, 0.74, 0.74, 0.73, 0.72]
    run = curves(training, validation, accuracy=accuracy, validation_accuracy=below)
    findings = judge(run, baseline=GUESS)
    assert kinds(findings) == {"overfitting": "warning"}
    assert findings[0].title == "Overfitting since epoch 5"
    assert "least in epoch 4 (0.7) and rose to 1.2 by epoch 8" in findings[0].text
    assert "(accuracy 99.9 % and 72.0 %)" in findings[0].text


def test_a_small_rise_at_the_end_is_not_overfitting() -> None:
    validation = [2.0, 0.5, 0.2, 0.1, 0.09, 0.08, 0.09, 0.095]
    assert "overfitting" not in kinds(judge(curves(GOOD[:8], validation), baseline=GUESS))


def test_a_gap_without_a_rise() -> None:
    validation = [2.0, 1.5, 1.1, 0.95, 0.9, 0.88, 0.87, 0.87, 0.87, 0.87]
    assert kinds(judge(curves(GOOD, validation), baseline=GUESS)) == {"gap": "warning"}
    below = {"accuracy": [0.9] * 10, "validation_accuracy": [0.8] * 10}
    assert "gap" in kinds(judge(curves(GOOD, GOOD, **below)))


def test_underfitting_and_a_rate_that_is_too_small() -> None:
    line = np.linspace(2.3, 2.0, 10)
    found = kinds(judge(curves(line, line + 0.01), baseline=GUESS))
    assert found == {"underfitting": "warning", "slow": "warning", "improving": "note"}
    flat = [2.0, 1.9, 1.85, 1.84, 1.84, 1.84, 1.84, 1.84]
    assert kinds(judge(curves(flat, flat), baseline=GUESS)) == {"underfitting": "warning"}
    nothing = [2.31, 2.3, 2.3, 2.3, 2.3]
    assert kinds(judge(curves(nothing, nothing), baseline=GUESS))["underfitting"] == "problem"
    accuracies = {"accuracy": [0.25] * 8, "validation_accuracy": [0.25] * 8}
    plain = judge(curves(flat, flat, **accuracies), baseline={"accuracy": 0.1})
    assert kinds(plain) == {"underfitting": "warning"}


def test_still_improving() -> None:
    losses = [2.0, 1.6, 1.3, 1.1, 0.95, 0.85, 0.76, 0.69, 0.63, 0.58]
    findings = judge(curves(losses, losses), baseline=GUESS)
    assert kinds(findings) == {"good": "good", "improving": "note"}
    assert "fell by 15.9 % in the last 2 epochs, to 0.58" in findings[1].text


@pytest.mark.parametrize("training", [[1.0, math.nan], [1.0, 0.8, 2.0, 30.0, 500.0]])
def test_diverged(training: list[float]) -> None:
    assert kinds(judge(curves(training))) == {"diverged": "problem"}


def test_unstable() -> None:
    training = [2.0, 1.0, 1.3, 0.8, 1.1, 0.7, 0.9, 0.6, 0.8, 0.5]
    assert kinds(judge(curves(training, GOOD), baseline=GUESS))["unstable"] == "warning"


def test_leakage() -> None:
    training = [2.0, 1.5, 1.2, 1.0, 0.9, 0.85, 0.8, 0.8, 0.8, 0.8]
    dropout = [0.6 * v for v in training]
    assert kinds(judge(curves(training, dropout), baseline=GUESS)) == {"good": "good"}
    leaking = [0.4 * v for v in training]
    assert kinds(judge(curves(training, leaking), baseline=GUESS)) == {"leakage": "warning"}


def test_little_to_go_by() -> None:
    assert kinds(judge([])) == {"empty": "problem"}
    found = kinds(judge(curves([1.0, 0.5])))
    assert found == {"good": "good", "short": "note", "unvalidated": "note"}


def test_guessing() -> None:
    always = np.array([[0, 20], [0, 60]])
    run = curves(GOOD, GOOD)
    guess = {"accuracy": 0.75, "class": "yes"}
    findings = judge(
        run, baseline=guess, confusion=always, classes=["no", "yes"], part="validation"
    )
    assert kinds(findings) == {"guessing": "problem", "imbalance": "warning"}
    assert (
        "75.0 % of 80 answers on the validation part are right; always answering 'yes' gives 75.0 %"
        in findings[0].text
    )
    assert "found of 1 classes: 'no' (0 %)" in findings[1].text
    better = np.array([[18, 2], [4, 56]])
    found = kinds(judge(run, baseline=guess, confusion=better, classes=["no", "yes"]))
    assert found == {"good": "good", "guessing": "note", "imbalance": "note"}
    mean = kinds(judge(curves([4.0, 3.0, 2.0, 1.99, 1.99, 1.99]), baseline={"loss": 2.0}))
    assert mean["guessing"] == "problem"


def test_waiting_and_alarms() -> None:
    run = curves(GOOD, GOOD, waiting=[0.5] * 10)
    alarm = {"kind": "dead", "text": "9 of 10 units are 0", "rule": "more than 40 %"}
    findings = judge(run, baseline=GUESS, alarms=[alarm])
    assert kinds(findings) == {"dead": "warning", "waiting": "note"}
    assert "50 % of the time" in findings[1].text


def test_many_alarms_are_one_finding() -> None:
    alarms = [
        {"kind": "vanishing", "layer": f"{i}.weight", "text": f"Text {i}.", "rule": "a rule"}
        for i in range(20)
    ]
    findings = judge(curves(GOOD, GOOD), baseline=GUESS, alarms=alarms)
    assert kinds(findings) == {"vanishing": "warning"}
    assert findings[0].text == (
        "Text 0. Text 1. The same holds for 2.weight, 3.weight, 4.weight, 5.weight, 6.weight, "
        "7.weight, … (18 in all)."
    )


def test_every_finding_states_its_rule() -> None:
    runs: list[Any] = [curves([1.0, math.nan]), curves(GOOD, GOOD), curves(GOOD), []]
    assert all(f.rule and f.text and f.title for run in runs for f in judge(run))


@pytest.mark.parametrize(
    ("kind", "hidden", "rate", "samples", "epochs"),
    [
        ("underfitting", (), 1e-4, 960, 5),
        ("good", (32,), 5e-3, 1408, 8),
        ("overfitting", (64,), 1e-2, 64, 30),
    ],
)
def test_real_runs(
    kind: str,
    hidden: tuple[int, ...],
    rate: float,
    samples: int,
    epochs: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Too small a rate, a good run, and a large network on sixty samples with wrong labels."""
    monkeypatch.setattr("neurona.train.analysis.timing.BUDGET", -1)
    digits = data.digits()
    part, rest = data.split(digits, (0.8, 0.2), stratify=digits.targets)
    targets = part.targets[:samples].copy()
    if kind == "overfitting":
        targets[::5] = (targets[::5] + 1) % 10
    random.seed(0)
    layers: list[nn.Module] = [nn.Flatten()]
    for width, into in zip(hidden, (64, *hidden), strict=False):
        layers += [nn.Linear(into, width), nn.ReLU()]
    network = nn.Sequential(*layers, nn.Linear((64, *hidden)[-1], 10))
    model = train.Model(network, preprocessing=train.Division(16), classes=digits.classes)
    optimizer = optim.Adam(network.parameters(), learning_rate=rate)
    model.compile(optimizer, "cross_entropy", ["accuracy"])
    training = part.inputs[:samples], targets
    validation = rest.inputs[:352], rest.targets[:352]  # whole batches need fewer programs
    found = verdict(read(trained(tmp_path, model, training, validation, epochs)))
    assert kind in kinds(found), found
    if kind == "good":
        assert {f.level for f in found} <= {"good", "note"}, found


def test_a_weighted_training_loss_is_no_measure() -> None:
    training, validation = np.geomspace(9, 0.9, 12), np.geomspace(2, 0.3, 12)
    run = curves(training, validation)
    assert "leakage" in kinds(judge(run, baseline=GUESS))
    assert kinds(judge(run, baseline=GUESS, weighted=True)).keys() <= {"good", "improving"}
    small = judge(curves(training / 1000), baseline=GUESS, weighted=True)
    assert not any("guessing" in finding.text for finding in small)
