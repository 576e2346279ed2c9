"""Precision, recall, F1, confusion matrix, ROC AUC and R² against scikit-learn and known values.

Where scikit-learn is missing the stored values stand; a test holds them against it.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn, train
from neurona.core.errors import ArgumentError
from neurona.train.metrics import Metric
from neurona.train.totals import Totals
from tests.nn.golden import pattern
from tests.train.test_metrics import in_batches

LABELS = np.array([0, 1, 2, 2, 1, 0, 3, 1, 2, 2, 0, 1, 1, 2, 0, 2, 1, 0, 2, 1, 1, 2, 3])
SCORES = np.round(pattern((23, 5), 3) + 1.2 * np.eye(5)[LABELS], 1)
"""(sample, class), with ties; class 3 is rare, class 4 never occurs."""
BINARY = (LABELS == 1).astype(np.int64)
LOGITS = np.round(pattern((23,), 8) + 0.8 * BINARY, 1)
NUMBERS = np.stack([pattern((23,), 1) * 3 + 40, LABELS.astype(float)], axis=1)
GUESSES = NUMBERS + pattern((23, 2), 5, 0.7)


# name → metric, output, target, what scikit-learn's `metrics` module makes of them, stored value.
Case = tuple[Metric, Any, Any, Callable[[Any], Any], Any]


def _several(kind: Callable[..., Metric], average: str | None, value: Any) -> Case:
    name = f"{kind.__name__.lower()}_score"
    chosen = SCORES.argmax(axis=1)
    options: dict[str, Any] = {"average": "macro" if average == "auto" else average}
    if average is None:
        options["labels"] = range(5)
    return (
        kind(average),
        SCORES,
        LABELS,
        lambda m: getattr(m, name)(LABELS, chosen, zero_division=0, **options),
        value,
    )


YES = (pattern((23, 3), 2) > 0.2).astype(np.int64)
ANSWERS = np.round(pattern((23, 3), 6) + 0.5 * YES, 1)
"""Several labels a sample, and scores above 0 for a yes."""


def _labels(metric: Metric, average: str | None, value: Any) -> Case:
    name = f"{type(metric).__name__.lower()}_score"
    return (
        metric,
        ANSWERS,
        YES,
        lambda m: getattr(m, name)(YES, ANSWERS > 0, average=average, zero_division=0),
        value,
    )


def _areas(m: Any, scores: Any) -> list[float]:
    return [m.roc_auc_score(k == LABELS, scores[:, k]) for k in range(4)]


def _softmax(scores: Any) -> Any:
    return np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)


CASES: dict[str, Case] = {
    "precision, macro": _several(train.Precision, "auto", 0.6380952380952382),
    "precision, micro": _several(train.Precision, "micro", 0.782608695652174),
    "precision, weighted": _several(train.Precision, "weighted", 0.8706004140786751),
    "precision, each": _several(
        train.Precision, None, [0.8333333333333334, 0.8571428571428571, 1.0, 0.5, 0.0]
    ),
    "recall, macro": _several(train.Recall, "macro", 0.675),
    "recall, weighted": _several(train.Recall, "weighted", 0.782608695652174),
    "recall, each": _several(train.Recall, None, [1.0, 0.75, 0.625, 1.0, 0.0]),
    "F1, macro": _several(train.F1, "auto", 0.628997668997669),
    "F1, micro": _several(train.F1, "micro", 0.782608695652174),
    "F1, weighted": _several(train.F1, "weighted", 0.8014188709840883),
    "F1, each": _several(
        train.F1, None, [0.9090909090909091, 0.8, 0.7692307692307693, 0.6666666666666666, 0.0]
    ),
    "precision, two classes": (
        train.Precision(threshold=0.0),
        LOGITS,
        BINARY,
        lambda m: m.precision_score(BINARY, LOGITS > 0),
        0.6153846153846154,
    ),
    "recall, two classes": (
        train.Recall(threshold=0.0),
        LOGITS,
        BINARY,
        lambda m: m.recall_score(BINARY, LOGITS > 0),
        1.0,
    ),
    "F1, two outputs": (
        train.F1(),
        np.stack([0 * LOGITS, LOGITS], axis=1),
        BINARY,
        lambda m: m.f1_score(BINARY, LOGITS > 0),
        0.7619047619047619,
    ),
    "F1, two classes, macro": (
        train.F1("macro", threshold=0.3),
        LOGITS,
        BINARY,
        lambda m: m.f1_score(BINARY, LOGITS > 0.3, average="macro"),
        0.7346153846153847,
    ),
    "confusion matrix": (
        train.ConfusionMatrix(),
        SCORES,
        LABELS,
        lambda m: m.confusion_matrix(LABELS, SCORES.argmax(axis=1), labels=range(5)),
        [[5, 0, 0, 0, 0], [0, 6, 0, 2, 0], [1, 1, 5, 0, 1], [0, 0, 0, 2, 0], [0, 0, 0, 0, 0]],
    ),
    "ROC AUC": (
        train.ROCAUC(),
        LOGITS,
        BINARY,
        lambda m: m.roc_auc_score(BINARY, LOGITS),
        0.9208333333333333,
    ),
    "ROC AUC, two outputs": (
        train.ROCAUC(logits=True),
        np.stack([LOGITS * 0.5, LOGITS * 1.5], axis=1),
        BINARY,
        lambda m: m.roc_auc_score(BINARY, LOGITS),
        0.9208333333333333,
    ),
    "ROC AUC, macro": (
        train.ROCAUC(logits=True),
        SCORES[:, :4],
        LABELS,
        lambda m: m.roc_auc_score(LABELS, _softmax(SCORES[:, :4]), multi_class="ovr"),
        0.9666666666666668,
    ),
    "ROC AUC, weighted": (
        train.ROCAUC("weighted", logits=True),
        SCORES[:, :4],
        LABELS,
        lambda m: m.roc_auc_score(
            LABELS, _softmax(SCORES[:, :4]), multi_class="ovr", average="weighted"
        ),
        0.9536231884057973,
    ),
    "ROC AUC, a class missing": (
        train.ROCAUC(),
        SCORES,
        LABELS,
        lambda m: np.mean(_areas(m, SCORES)),
        0.9552083333333333,
    ),
    "ROC AUC, each": (
        train.ROCAUC(None),
        SCORES,
        LABELS,
        lambda m: np.array([*_areas(m, SCORES), math.nan]),
        [1.0, 0.9249999999999999, 0.8958333333333334, 1.0, math.nan],
    ),
    "precision, several labels": _labels(
        train.Precision(threshold=0.0, multi_label=True), "macro", 0.20604395604395606
    ),
    "recall, several labels": _labels(
        train.Recall("weighted", threshold=0.0, multi_label=True), "weighted", 0.26666666666666666
    ),
    "F1, several labels": _labels(
        train.F1("micro", threshold=0.0, multi_label=True), "micro", 0.2318840579710145
    ),
    "F1, each of several labels": _labels(
        train.F1(None, threshold=0.0, multi_label=True),
        None,
        [0.2608695652173913, 0.25, 0.18181818181818182],
    ),
    "ROC AUC, several labels": (
        train.ROCAUC(multi_label=True),
        ANSWERS,
        YES,
        lambda m: m.roc_auc_score(YES, ANSWERS),
        0.15547323047323047,
    ),
    "R², two outputs": (
        train.R2(),
        GUESSES,
        NUMBERS,
        lambda m: m.r2_score(NUMBERS, GUESSES),
        0.817017753309234,
    ),
}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def test_every_metric_of_several_samples_is_here() -> None:
    elsewhere = {"Accuracy", "BinaryAccuracy", "TopKAccuracy", "Metric", "GatheringMetric"}
    elsewhere |= {"IoU", "MeanAveragePrecision", "Perplexity"}
    errors = {"MeanAbsoluteError", "MeanSquaredError", "RootMeanSquaredError"}
    found = {
        name for name, one in inspect.getmembers(train, inspect.isclass) if issubclass(one, Metric)
    }
    assert found - elsewhere - errors == {type(case[0]).__name__ for case in CASES.values()}


@every_case
def test_values(case: Case) -> None:
    metric, output, target, _, value = case
    np.testing.assert_allclose(train.measure(metric, output, target), value, rtol=1e-9)


@every_case
def test_stored_values_are_those_of_scikit_learn(case: Case) -> None:
    reference = case[3](pytest.importorskip("sklearn.metrics"))
    np.testing.assert_allclose(case[4], reference, rtol=1e-9)


@every_case
def test_batches_of_unequal_size(case: Case) -> None:
    metric, output, target, _, value = case
    np.testing.assert_allclose(in_batches(metric, output, target, 9), value, rtol=1e-9)


def test_codes_are_as_good_as_class_numbers() -> None:
    codes = np.eye(5)[LABELS]
    for metric in (train.F1(), train.ConfusionMatrix(), train.ROCAUC()):
        np.testing.assert_array_equal(
            train.measure(metric, SCORES, codes), train.measure(metric, SCORES, LABELS)
        )


def test_places_count_like_samples() -> None:
    places = np.stack([SCORES[:22], SCORES[:22]]).reshape(4, 11, 5).transpose(0, 2, 1)
    labels = np.stack([LABELS[:22], LABELS[:22]]).reshape(4, 11)
    for metric in (train.F1(), train.ConfusionMatrix(), train.ROCAUC(logits=True)):
        twice = 2 if isinstance(metric, train.ConfusionMatrix) else 1
        np.testing.assert_allclose(
            train.measure(metric, places, labels),
            twice * train.measure(metric, SCORES[:22], LABELS[:22]),
        )


def test_nothing_over_nothing_is_nought() -> None:
    output, target = np.array([-1.0, -2.0]), np.array([0, 0])
    for metric in (train.Precision(threshold=0), train.Recall(threshold=0), train.F1(threshold=0)):
        assert train.measure(metric, output, target) == 0


def test_an_area_needs_samples_of_both_kinds() -> None:
    assert math.isnan(train.measure(train.ROCAUC(), np.array([0.1, 0.2]), np.array([1, 1])))
    alone = train.measure(train.ROCAUC(), SCORES[:1], LABELS[:1])
    assert math.isnan(alone)
    assert train.measure(train.ROCAUC(), np.full(4, 0.5), np.array([0, 1, 1, 0])) == 0.5


def test_a_target_that_does_not_vary() -> None:
    same = np.full((1000, 1), 0.1, np.float32)
    assert train.measure(train.R2(), same, same) == 1
    assert train.measure(train.R2(), same + 1, same) == 0
    assert math.isnan(train.measure(train.R2(), same[:1], same[:1]))


def test_a_target_far_from_nought(rng: np.random.Generator) -> None:
    target = 1e4 + rng.standard_normal((500, 1))
    output = target + 0.1 * rng.standard_normal((500, 1))
    error, spread = (output - target).var() + (output - target).mean() ** 2, target.var()
    assert in_batches(train.R2(), output, target, 60) == pytest.approx(1 - error / spread, rel=1e-7)


def test_binary_only_means_two_classes() -> None:
    with pytest.raises(ArgumentError, match="there are 5 classes, not two"):
        train.measure(train.F1("binary"), SCORES, LABELS)


@pytest.mark.parametrize("outputs", [1, 2])
def test_fit_and_evaluate(outputs: int) -> None:
    """Metrics by name know from the loss that outputs are logits."""
    ne.random.seed(1)
    model = train.Model(nn.Linear(5, outputs))
    loss = ("binary_cross_entropy_with_logits", "cross_entropy")[outputs - 1]
    names = ["accuracy", "precision", "recall", "f1", "roc_auc"]
    model.compile("Adam", loss, [*names, {"name": "f1", "average": "macro"}])
    x = SCORES.astype(np.float32)
    y = BINARY[:, None].astype(np.float32) if outputs == 1 else BINARY
    history = model.fit(x, y, epochs=2, batch_size=10, validation_data=(x, y), verbose=False)
    assert history.values.keys() >= {"roc_auc", "validation_macro_f1"}
    values = model.evaluate(x, y, batch_size=7)
    assert history.values["validation_roc_auc"][-1] == pytest.approx(values["roc_auc"])
    probability = model.predict(x, probabilities=True)[:, -1]
    for name in names:
        expected = train.measure(train.METRICS[name](), probability, BINARY)
        assert values[name] == pytest.approx(expected), name


def test_totals_keep_what_is_gathered() -> None:
    totals = Totals([train.ROCAUC()])
    for part in (slice(0, 5), slice(5, 23)):
        output, target = ne.asarray(LOGITS[part]), ne.asarray(BINARY[part])
        totals.count(len(BINARY[part]), totals.record(ne.asarray(0.5), output, target))
    expected = train.measure(train.ROCAUC(), LOGITS, BINARY)
    assert totals.values() == {"loss": 0.5, "roc_auc": expected}


def test_a_saved_model_has_its_metrics_with_their_options(tmp_path: Path) -> None:
    model = train.Model(nn.Linear(5, 3))
    chosen = (
        train.Precision("macro", threshold=0.7),
        train.TopKAccuracy(2),
        train.ROCAUC(logits=True),
        train.R2(),
    )
    model.compile(loss="cross_entropy", metrics=["f1", "accuracy", *chosen])
    model.save(tmp_path / "run")
    again = train.Model.load(tmp_path / "run").metrics
    assert [repr(metric) for metric in again] == [repr(metric) for metric in model.metrics]
    assert [metric.name for metric in again] == [metric.name for metric in model.metrics]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: train.Accuracy("half"), "Accuracy: threshold must be a finite number, not 'half'"),
        (lambda: train.F1(threshold=math.nan), "F1: threshold must be a finite number, not nan"),
        (lambda: train.F1(multi_label="no"), "multi_label must be true or false, not 'no'"),
        (lambda: train.F1("binary", multi_label=True), '"binary" is for two classes, not for'),
        (lambda: train.ROCAUC(logits=1), "logits must be true or false, not 1"),
    ],
)
def test_options_of_the_wrong_kind(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()
