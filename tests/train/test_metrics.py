"""Metrics against plain NumPy, and their sums over batches."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import train
from neurona.core.errors import ArgumentError, ShapeError
from neurona.train.metrics import METRICS, Metric, find_metric, find_metrics
from neurona.train.totals import Totals


def in_batches(metric: Metric, output: Any, target: Any, size: int) -> float:
    """The metric as `fit` takes it: sums by compiled batches, added up."""
    totals = Totals([metric])
    step = ne.compile(lambda y, t: totals.record(ne.asarray(0.0), y, t))
    for i in range(0, len(output), size):
        gathered = step(output[i : i + size], target[i : i + size])
        totals.count(len(output[i : i + size]), gathered)
    return totals.values()[metric.name]


@pytest.mark.parametrize("size", [1, 7, 50])
def test_accuracy(rng: np.random.Generator, size: int) -> None:
    output = rng.standard_normal((50, 4)).astype(np.float32)
    labels = rng.integers(0, 4, 50)
    expected = float((output.argmax(axis=1) == labels).mean())
    assert in_batches(train.Accuracy(), output, labels, size) == pytest.approx(expected)
    codes = np.eye(4, dtype=np.float32)[labels]
    assert in_batches(train.Accuracy(), output, codes, size) == pytest.approx(expected)


def test_accuracy_of_places(rng: np.random.Generator) -> None:
    output = rng.standard_normal((5, 3, 6)).astype(np.float32)
    labels = rng.integers(0, 3, (5, 6))
    expected = float((output.argmax(axis=1) == labels).mean())
    assert train.measure(train.Accuracy(), output, labels) == pytest.approx(expected)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_top_k(rng: np.random.Generator, k: int) -> None:
    output = rng.standard_normal((64, 8)).astype(np.float32)
    labels = rng.integers(0, 8, 64)
    best = np.argsort(-output, axis=1)[:, :k]
    expected = float((best == labels[:, None]).any(axis=1).mean())
    assert in_batches(train.TopKAccuracy(k), output, labels, 10) == pytest.approx(expected)


def test_top_k_counts_ties_as_hits() -> None:
    assert train.measure(train.TopKAccuracy(1), np.zeros((2, 3), np.float32), np.array([1, 2])) == 1


def test_binary_accuracy() -> None:
    output, target = np.array([[0.2], [0.7], [0.9]], np.float32), np.array([[0], [0], [1]])
    assert train.measure(train.BinaryAccuracy(), output, target) == pytest.approx(2 / 3)
    logits, signs = np.array([-3.0, 2.0, -1.0, 4.0]), np.array([-1, 1, 1, 1])
    assert train.measure(train.BinaryAccuracy(0), logits, signs) == pytest.approx(3 / 4)


@pytest.mark.parametrize("size", [1, 8, 30])
def test_errors_of_numbers(rng: np.random.Generator, size: int) -> None:
    output = rng.standard_normal((30, 2)).astype(np.float32)
    target = rng.standard_normal((30, 2)).astype(np.float32)
    error = output.astype(np.float64) - target
    mse = in_batches(train.MeanSquaredError(), output, target, size)
    assert mse == pytest.approx((error**2).mean(), rel=1e-6)
    mae = in_batches(train.MeanAbsoluteError(), output, target, size)
    rmse = in_batches(train.RootMeanSquaredError(), output, target, size)
    assert mae == pytest.approx(np.abs(error).mean(), rel=1e-6)
    assert rmse == pytest.approx(math.sqrt((error**2).mean()), rel=1e-6)


@pytest.mark.parametrize(
    ("metric", "output", "target"),
    [
        (train.Accuracy(), np.zeros((3, 2)), np.zeros(4, int)),
        (train.Accuracy(), np.zeros((3, 2)), np.zeros(3)),
        (train.Accuracy(), np.zeros(3, int), np.zeros(3, int)),
        (train.Accuracy(), np.zeros((3, 2), int), np.zeros(3, int)),
        (train.F1(), np.zeros((3, 1)), np.zeros(3)),
        (train.ConfusionMatrix(), np.zeros((3, 4)), np.zeros(2, int)),
        (train.ROCAUC(), np.zeros((3, 2)), np.zeros(2, int)),
        (train.ROCAUC(), np.zeros(3), np.zeros(2)),
        (train.R2(), np.zeros((3, 1)), np.zeros(3)),
        (train.TopKAccuracy(2), np.zeros((3, 2)), np.zeros((3, 1), int)),
        (train.BinaryAccuracy(), np.zeros((3, 1)), np.zeros(3)),
        (train.MeanAbsoluteError(), np.zeros((3, 1)), np.zeros(3)),
        (train.RootMeanSquaredError(), np.zeros((3, 1)), np.zeros((1, 1))),
    ],
)
def test_shapes_that_do_not_fit(metric: Metric, output: Any, target: Any) -> None:
    with pytest.raises(ShapeError, match=metric.name):
        train.measure(metric, output, target)


def test_one_output_stands_for_two_classes(rng: np.random.Generator) -> None:
    output, labels = rng.standard_normal((40, 1)), rng.integers(0, 2, (40, 1))
    expected = float(((output > 0) == labels).mean())
    for target in (labels, labels.astype(bool), 0.1 + 0.8 * labels, 2.0 * labels - 1):
        assert in_batches(train.Accuracy(0.0), output, target, 7) == pytest.approx(expected)


def test_ignored_labels_do_not_count() -> None:
    output = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    labels = np.array([0, 2, -100, -100])
    assert train.measure(train.Accuracy(), output, labels) == 0.5
    assert train.measure(train.TopKAccuracy(1), output, labels) == 0.5
    assert train.measure(train.ConfusionMatrix(), output, labels).sum() == 2
    assert train.measure(train.Precision("micro"), output, labels) == 0.5
    assert train.measure(train.ROCAUC(None), output, labels)[0] == 1


def test_names() -> None:
    for name in METRICS:
        assert find_metric(name).name == name
    with pytest.raises(ArgumentError, match="did you mean 'accuracy'"):
        find_metric("acuracy")
    with pytest.raises(ArgumentError, match="a name or a Metric"):
        find_metric(3)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="at least 1"):
        train.TopKAccuracy(0)
    with pytest.raises(ArgumentError, match="precision has no option 'averag'; did you mean"):
        find_metric({"name": "precision", "averag": "macro"})
    with pytest.raises(ArgumentError, match="unknown average 'makro'; did you mean 'macro'"):
        find_metric({"name": "f1", "average": "makro"})
    with pytest.raises(ArgumentError, match="two are called 'recall'"):
        find_metrics(["recall", train.Recall(threshold=0.3)])
    with pytest.raises(ArgumentError, match="not a single number; measure it afterwards"):
        find_metrics(["confusion_matrix"])
    with pytest.raises(NotImplementedError, match="must define sums"):
        Metric().sums(ne.asarray(0.0), ne.asarray(0.0))


def test_top_k_of_outputs_that_are_not_finite() -> None:
    output = np.array([[-np.inf, 1, 2], [np.nan, np.nan, np.nan], [1, -np.inf, 0]], np.float32)
    target = np.array([0, 1, 0])
    assert train.measure(train.TopKAccuracy(1), output, target) == pytest.approx(1 / 3)
    assert train.measure(train.TopKAccuracy(3), output, target) == pytest.approx(2 / 3)
