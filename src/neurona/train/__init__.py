"""Training for people: models that are fitted, measured, used and kept."""

from neurona.train.architecture import build, describe, register
from neurona.train.callbacks import Callback
from neurona.train.history import History
from neurona.train.losses import LOSSES
from neurona.train.metrics import (
    METRICS,
    Accuracy,
    BinaryAccuracy,
    MeanAbsoluteError,
    Metric,
    RootMeanSquaredError,
    TopKAccuracy,
    measure,
)
from neurona.train.model import Model
from neurona.train.preprocessing import Division

__all__ = [
    "LOSSES",
    "METRICS",
    "Accuracy",
    "BinaryAccuracy",
    "Callback",
    "Division",
    "History",
    "MeanAbsoluteError",
    "Metric",
    "Model",
    "RootMeanSquaredError",
    "TopKAccuracy",
    "build",
    "describe",
    "measure",
    "register",
]
