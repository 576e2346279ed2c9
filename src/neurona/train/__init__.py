"""Training for people: models that are fitted, measured, used and kept."""

from neurona.train.architecture import build, describe, register
from neurona.train.callbacks import Callback
from neurona.train.early_stopping import EarlyStopping
from neurona.train.history import History
from neurona.train.losses import LOSSES
from neurona.train.metrics import (
    F1,
    METRICS,
    R2,
    ROCAUC,
    Accuracy,
    BinaryAccuracy,
    ConfusionMatrix,
    GatheringMetric,
    IoU,
    MeanAbsoluteError,
    MeanAveragePrecision,
    MeanSquaredError,
    Metric,
    Perplexity,
    Precision,
    Recall,
    RootMeanSquaredError,
    Span,
    SpanScores,
    TopKAccuracy,
    average_precision,
    entity_spans,
    measure,
    precision_recall,
    span_scores,
)
from neurona.train.model import Model
from neurona.train.plateau import ReduceOnPlateau
from neurona.train.preprocessing import ChannelsFirst, Division
from neurona.train.rate_search import RateSearch, find_learning_rate
from neurona.train.selection import parameter_groups
from neurona.train.watch import WatchLayers

__all__ = [
    "F1",
    "LOSSES",
    "METRICS",
    "R2",
    "ROCAUC",
    "Accuracy",
    "BinaryAccuracy",
    "Callback",
    "ChannelsFirst",
    "ConfusionMatrix",
    "Division",
    "EarlyStopping",
    "GatheringMetric",
    "History",
    "IoU",
    "MeanAbsoluteError",
    "MeanAveragePrecision",
    "MeanSquaredError",
    "Metric",
    "Model",
    "Perplexity",
    "Precision",
    "RateSearch",
    "Recall",
    "ReduceOnPlateau",
    "RootMeanSquaredError",
    "Span",
    "SpanScores",
    "TopKAccuracy",
    "WatchLayers",
    "average_precision",
    "build",
    "describe",
    "entity_spans",
    "find_learning_rate",
    "measure",
    "parameter_groups",
    "precision_recall",
    "register",
    "span_scores",
]
