"""Weights of samples and classes: what they mean, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import data, nn, optim, random, train
from neurona.core.errors import ArgumentError, DataError, NeuronaError, ShapeError
from neurona.train.weighting import ClassTable

RNG = np.random.default_rng(4)
X = RNG.normal(size=(23, 5)).astype(np.float32)
LABELS = RNG.integers(0, 3, 23)
WEIGHTS = RNG.uniform(0, 3, 23)


def linear(loss: Any = "cross_entropy", outputs: int = 3, **options: Any) -> train.Model:
    random.seed(2)
    network = nn.Linear(5, outputs)
    model = train.Model(network, classes=["a", "b", "c"] if outputs == 3 else [])
    model.compile(optim.SGD(network.parameters(), learning_rate=0.5), loss, **options)
    return model


def losses_by_hand(model: train.Model) -> Any:
    output = model.network(ne.asarray(X))
    return nn.functional.cross_entropy(output, ne.asarray(LABELS), reduction="none").numpy()


def test_the_loss_is_the_mean_of_weight_times_loss() -> None:
    model = linear()
    each = losses_by_hand(model)
    found = model.evaluate(X, LABELS, sample_weight=WEIGHTS, batch_size=8)["loss"]
    np.testing.assert_allclose(found, np.mean(WEIGHTS * each), rtol=1e-5)
    plain, ones = model.evaluate(X, LABELS), model.evaluate(X, LABELS, sample_weight=np.ones(23))
    np.testing.assert_allclose(plain["loss"], ones["loss"], rtol=1e-6)


def test_a_sample_of_weight_two_is_a_sample_twice() -> None:
    # The mean divides by the number of samples, so that the rate is to be scaled by 46/23.
    once, twice = linear(), linear()
    once.fit(X, LABELS, batch_size=23, sample_weight=np.full(23, 2.0), verbose=False)
    twice.optimizer.learning_rate = 1.0  # type: ignore[union-attr]
    twice.fit(
        np.concatenate([X, X]), np.concatenate([LABELS, LABELS]), batch_size=46, verbose=False
    )
    for name, array in once.network.state_dict().items():
        np.testing.assert_allclose(array, twice.network.state_dict()[name], rtol=1e-5, atol=1e-6)


def test_samples_of_weight_nought_are_not_there() -> None:
    model, few = linear(), linear()
    some = LABELS > 0
    model.fit(X, LABELS, batch_size=23, sample_weight=some * 23 / some.sum(), verbose=False)
    few.fit(X[some], LABELS[some], batch_size=23, verbose=False)
    for name, array in model.network.state_dict().items():
        np.testing.assert_allclose(array, few.network.state_dict()[name], rtol=1e-4, atol=1e-6)
    nothing = linear()
    before = nothing.network.state_dict()
    history = nothing.fit(X, LABELS, sample_weight=np.zeros(23), verbose=False)
    assert history.values["loss"] == [0.0]
    np.testing.assert_array_equal(nothing.network.state_dict()["weight"], before["weight"])


@pytest.mark.parametrize("loss", ["mean_squared_error", "quadratic_cost", nn.MSELoss()])
def test_losses_of_numbers_too(loss: Any) -> None:
    model, target = linear(loss, outputs=2), RNG.normal(size=(23, 2)).astype(np.float32)
    error = model.network(ne.asarray(X)).numpy() - target
    each = (error**2).sum(axis=1) / 2  # both the mean of two squares and half their sum
    found = model.evaluate(X, target, sample_weight=WEIGHTS)["loss"]
    np.testing.assert_allclose(found, np.mean(WEIGHTS * each), rtol=1e-5)


def test_class_weights_are_sample_weights() -> None:
    by_class, by_sample, by_loader = linear(), linear(), linear()
    of = {"b": 3.0, 2: 0.5}
    weights = np.array([1.0, 3.0, 0.5])[LABELS]
    by_class.fit(X, LABELS, class_weight=of, sample_weight=WEIGHTS, batch_size=8, verbose=False)
    by_sample.fit(X, LABELS, sample_weight=weights * WEIGHTS, batch_size=8, verbose=False)
    loader = data.Loader(X, LABELS, WEIGHTS, batch_size=8)
    by_loader.fit(loader, class_weight=of, verbose=False)
    for name, array in by_class.network.state_dict().items():
        np.testing.assert_allclose(array, by_sample.network.state_dict()[name], rtol=1e-6)
        np.testing.assert_allclose(array, by_loader.network.state_dict()[name], rtol=1e-6)


def test_the_classes_of_all_kinds_of_targets() -> None:
    table = ClassTable({0: 2.0, 1: 5.0}, (), (1,))
    assert table.of(np.array([0, 1, 1])).tolist() == [2, 5, 5]
    assert table.of(np.array([[0.0], [1.0]])).tolist() == [2, 5]
    codes = ClassTable({2: 7}, (), (3,)).of(np.eye(3))
    assert codes.tolist() == [1, 1, 7]
    assert table.of(np.array([-100, 1])).tolist() == [1, 5]


def refusals() -> dict[str, tuple[type[NeuronaError], str, dict[str, Any]]]:
    late = np.where(np.arange(23) == 9, -0.5, 1.0)
    return {
        "number": (ShapeError, r"one weight a sample, \(23,\), found \(22,\)", weigh(WEIGHTS[1:])),
        "negative": (DataError, "weight of sample 9 is -0.5", weigh(late)),
        "nan": (DataError, "weight of sample 9 is nan", weigh(np.where(late < 0, np.nan, 1.0))),
        "text": (DataError, "weights must be numbers", weigh(np.full(23, "a"))),
        "class": (ArgumentError, "no class 'bb'; did you mean 'b'", {"class_weight": {"bb": 1}}),
        "label": (ArgumentError, r"no class 3 \(classes: a, b, c", {"class_weight": {3: 1.0}}),
        "less": (ArgumentError, "of class 1 must be finite", {"class_weight": {1: -1.0}}),
        "list": (ArgumentError, "a weight by class is needed", {"class_weight": [1, 2, 3]}),
    }


def weigh(weights: Any) -> dict[str, Any]:
    return {"sample_weight": weights}


@pytest.mark.parametrize("name", refusals())
def test_what_is_refused(name: str) -> None:
    error, message, options = refusals()[name]
    model = linear()
    before = model.network.state_dict()["weight"]
    with pytest.raises(error, match=message):
        model.fit(X, LABELS, verbose=False, **options)
    np.testing.assert_array_equal(model.network.state_dict()["weight"], before)


def test_a_loss_of_ones_own_must_take_weights() -> None:
    def own(output: Any, target: Any) -> Any:
        return nn.functional.cross_entropy(output, target)

    model = linear(own)
    model.fit(X, LABELS, verbose=False)
    for options in ({"sample_weight": WEIGHTS}, {"class_weight": {0: 2.0}}):
        with pytest.raises(ArgumentError, match="the loss 'own' cannot weigh samples"):
            model.fit(X, LABELS, verbose=False, **options)


@pytest.mark.parametrize("targets", [[-1.0, 1.0], [[0.1], [0.9]], [0, 1], [[False], [True]]])
def test_the_classes_of_one_output(targets: Any) -> None:
    table = ClassTable({0: 2.0, 1: 5.0}, (), (1,))
    assert table.of(np.array(targets)).tolist() == [2, 5]
