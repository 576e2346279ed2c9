"""Metrics by name, and measuring with one."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from neurona.core.errors import ArgumentError, choices, nearest
from neurona.ops.operand import operand
from neurona.train.metrics.base import GatheringMetric, Metric, recorded
from neurona.train.metrics.classification import Accuracy, BinaryAccuracy, TopKAccuracy
from neurona.train.metrics.counts import F1, ConfusionMatrix, IoU, Precision, Recall
from neurona.train.metrics.detection import MeanAveragePrecision
from neurona.train.metrics.perplexity import Perplexity
from neurona.train.metrics.ranking import ROCAUC
from neurona.train.metrics.regression import (
    R2,
    MeanAbsoluteError,
    MeanSquaredError,
    RootMeanSquaredError,
)

METRICS: dict[str, type[Metric]] = {
    "accuracy": Accuracy,
    "binary_accuracy": BinaryAccuracy,
    "confusion_matrix": ConfusionMatrix,
    "f1": F1,
    "mean_absolute_error": MeanAbsoluteError,
    "mean_average_precision": MeanAveragePrecision,
    "mean_iou": IoU,
    "mean_squared_error": MeanSquaredError,
    "perplexity": Perplexity,
    "precision": Precision,
    "r2": R2,
    "recall": Recall,
    "roc_auc": ROCAUC,
    "root_mean_squared_error": RootMeanSquaredError,
    "top_5_accuracy": TopKAccuracy,
}

# Losses whose outputs are logits, logarithms or margins: one output is class 1 above 0.
LOGITS = (
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "hinge",
    "negative_log_likelihood",
    "token_cross_entropy",
)


def find_metric(metric: str | Mapping[str, Any] | Metric, loss: str | None = None) -> Metric:
    """The metric of a name, or of {"name": …, and options}; a metric is its own.

    loss: the name of the loss that the outputs belong to; where these are logits, `threshold` is 0
    and `logits` is True if nothing else is said.
    Raises `ArgumentError` with the nearest name.

    >>> find_metric({"name": "recall", "average": "macro"}, "binary_cross_entropy_with_logits")
    Recall(average='macro', threshold=0.0, multi_label=False)
    """
    if isinstance(metric, Metric):
        return metric
    options: dict[str, Any] = {}
    name: Any = metric
    if isinstance(metric, Mapping):
        options = {key: value for key, value in metric.items() if key != "name"}
        name = metric.get("name")
    if not isinstance(name, str):
        raise ArgumentError(f"metrics: a name or a Metric is needed, not {metric!r}")
    if name not in METRICS:
        raise ArgumentError(f"metrics: unknown name {name!r}{choices(str(name), METRICS)}")
    known = [key for key in inspect.signature(METRICS[name]).parameters if key != "self"]
    for option in options:
        if option not in known:
            raise ArgumentError(
                f"metrics: {name} has no option {option!r}{nearest(option, known)} "
                f"(known: {', '.join(known) or 'none'})"
            )
    if loss in LOGITS:
        given: dict[str, Any] = {"threshold": 0.0, "logits": True}
        options = {key: given[key] for key in known if key in given} | options
    return METRICS[name](**options)


def describe_metric(metric: Metric, loss: str | None = None) -> str | dict[str, Any] | None:
    """What `find_metric` makes the metric of, fit for JSON: its name, and options if it has any.

    None for a class that is not in `METRICS`.

    >>> describe_metric(Recall("macro")), describe_metric(Accuracy(0.0), "hinge")
    ({'name': 'recall', 'average': 'macro'}, 'accuracy')
    """
    names = [name for name, kind in METRICS.items() if kind is type(metric)]
    if not names:
        return None
    usual = vars(find_metric(names[0], loss))
    options = {
        key: value
        for key, value in vars(metric).items()
        if key != "name" and usual.get(key) != value
    }
    return {"name": names[0], **options} if options else names[0]


def find_metrics(
    metrics: Iterable[str | Mapping[str, Any] | Metric], loss: str | None = None
) -> tuple[Metric, ...]:
    """The metrics of a run; see `find_metric`.

    Raises `ArgumentError` for two of the same name, and for those that are no single number.
    """
    if isinstance(metrics, str):
        raise ArgumentError(f"metrics: a list of names is needed, as in [{metrics!r}]")
    found: dict[str, Metric] = {}
    for given in metrics:
        metric = find_metric(given, loss)
        if not metric.is_number:
            raise ArgumentError(
                f"metrics: {metric!r} is not a single number; measure it afterwards, as in "
                f"train.measure(train.{metric!r}, model.predict(x), y)"
            )
        if metric.name in found or metric.name == "loss":
            raise ArgumentError(f"metrics: two are called {metric.name!r}; give one another name")
        found[metric.name] = metric
    return tuple(found.values())


def larger_is_better(name: str, metrics: Iterable[Metric]) -> bool:
    """Whether a value of an epoch is the better the larger it is, by its name.

    metrics: those of the run; "validation_" in front changes nothing. Raises `ArgumentError` with
    the nearest name.
    """
    known = {"loss": False} | {metric.name: metric.larger_is_better for metric in metrics}
    plain = name.removeprefix("validation_")
    if plain not in known:
        both = [*known, *[f"validation_{one}" for one in known]]
        raise ArgumentError(
            f"there is no value {name!r} to watch{nearest(name, both)} (measured: "
            f"{', '.join(known)}, and the same with 'validation_' in front)"
        )
    return known[plain]


def measure(metric: Metric, output: Any, target: Any) -> Any:
    """The metric of outputs and targets that are at hand, (sample, …) each.

    A number, or an array where the metric has no average.
    """
    dtype = None if isinstance(metric, GatheringMetric) else np.float64
    parts = recorded(metric, operand(output), operand(target))
    return metric.value([np.asarray(part, dtype) for part in parts])
