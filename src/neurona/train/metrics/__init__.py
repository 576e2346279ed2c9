"""Metrics: what a run is measured by; see `docs/metrics.md`."""

from neurona.train.metrics.base import GatheringMetric, Metric, recorded
from neurona.train.metrics.classification import Accuracy, BinaryAccuracy, TopKAccuracy
from neurona.train.metrics.counts import F1, ConfusionMatrix, IoU, Precision, Recall
from neurona.train.metrics.detection import (
    MeanAveragePrecision,
    average_precision,
    precision_recall,
)
from neurona.train.metrics.perplexity import Perplexity
from neurona.train.metrics.ranking import ROCAUC
from neurona.train.metrics.registry import (
    METRICS,
    describe_metric,
    find_metric,
    find_metrics,
    larger_is_better,
    measure,
)
from neurona.train.metrics.regression import (
    R2,
    MeanAbsoluteError,
    MeanSquaredError,
    RootMeanSquaredError,
)
from neurona.train.metrics.spans import Span, SpanScores, entity_spans, span_scores

__all__ = [
    "F1",
    "METRICS",
    "R2",
    "ROCAUC",
    "Accuracy",
    "BinaryAccuracy",
    "ConfusionMatrix",
    "GatheringMetric",
    "IoU",
    "MeanAbsoluteError",
    "MeanAveragePrecision",
    "MeanSquaredError",
    "Metric",
    "Perplexity",
    "Precision",
    "Recall",
    "RootMeanSquaredError",
    "Span",
    "SpanScores",
    "TopKAccuracy",
    "average_precision",
    "describe_metric",
    "entity_spans",
    "find_metric",
    "find_metrics",
    "larger_is_better",
    "measure",
    "precision_recall",
    "recorded",
    "span_scores",
]
