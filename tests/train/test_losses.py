"""Losses by name and options, and back to what a model file holds."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn, train
from neurona.core.errors import ArgumentError
from neurona.train.losses import LOSSES, describe_loss, find_loss, name_of

OPTIONS: dict[str, dict[str, Any]] = {
    "binary_cross_entropy": {"reduction": "batchmean"},
    "binary_cross_entropy_with_logits": {"pos_weight": [2.0, 0.5]},
    "cross_entropy": {"weight": [1.0, 0.1], "ignore_index": -1, "label_smoothing": 0.2},
    "hinge": {"margin": 0.5},
    "huber": {"delta": 2.0},
    "kl_divergence": {"reduction": "batchmean"},
    "negative_log_likelihood": {"weight": [3.0, 0.5]},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options_go_into_a_file_and_come_back(name: str) -> None:
    given = {"name": name, **OPTIONS[name]}
    loss = find_loss(given)
    assert name_of(given) == name_of(loss) == name
    kept = json.loads(json.dumps(describe_loss(loss)))
    again = describe_loss(find_loss(kept))
    assert again == kept
    assert kept.keys() == given.keys()
    for option, value in OPTIONS[name].items():
        if not isinstance(value, str):
            np.testing.assert_allclose(kept[option], value, rtol=1e-7)


@pytest.mark.parametrize("name", LOSSES)
def test_plain_losses_are_their_names(name: str) -> None:
    assert describe_loss(find_loss(name)) == describe_loss(find_loss({"name": name})) == name


def test_what_has_no_name() -> None:
    class CrossEntropyLoss(nn.CrossEntropyLoss):
        pass

    assert describe_loss(CrossEntropyLoss()) is None
    assert describe_loss(lambda output, target: output) is None
    assert describe_loss(nn.MSELoss(reduction="sum")) is None


def test_options_count() -> None:
    output, target = ne.asarray([[2.0], [0.0]]), ne.asarray([[0.0], [0.0]])
    assert find_loss({"name": "huber", "delta": 0.5})(output, target).item() == 0.4375


def test_cross_entropy_of_probabilities(rng: np.random.Generator) -> None:
    ne.random.seed(1)
    scores = nn.Linear(3, 4)
    shares = nn.Sequential(scores, nn.Softmax(dim=1))
    x, y = rng.standard_normal((20, 3)).astype(np.float32), rng.integers(0, 4, 20)
    one, other = train.Model(scores), train.Model(shares)
    one.compile(loss="cross_entropy", metrics=["accuracy", "roc_auc"])
    other.compile(loss="cross_entropy_of_probabilities", metrics=["accuracy", "roc_auc"])
    expected = one.evaluate(x, y)
    assert other.evaluate(x, y) == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(
        other.predict(x, probabilities=True), one.predict(x, probabilities=True), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("crossentropy", "loss: unknown name 'crossentropy'; did you mean 'cross_entropy'"),
        ({"delta": 1}, "loss: unknown name None"),
        ({"name": "huber", "dleta": 1}, "huber has no option 'dleta'; did you mean 'delta'"),
        ({"name": "cross_entropy_of_probabilities", "weight": [1]}, "has no option 'weight'"),
        ({"name": "huber", "delta": "1"}, "delta must be a number, not '1'"),
        ({"name": "huber", "delta": math.inf}, "delta must be a number, not inf"),
        ({"name": "cross_entropy", "weight": ["1"]}, "weight must be a list of numbers"),
        ({"name": "huber", "reduction": 1}, "reduction must be a word, not 1"),
        ({"name": "huber", "reduction": "sum"}, "reduction 'sum' is no mean over the samples"),
        ({"name": "huber", "reduction": "average"}, "loss: HuberLoss: "),
    ],
)
def test_mistakes_are_named(given: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        find_loss(given)
