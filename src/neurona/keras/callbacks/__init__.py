"""Callbacks under Keras's names."""

from neurona.keras.callbacks.base import Callback, History, LambdaCallback
from neurona.keras.callbacks.files import CSVLogger, ModelCheckpoint
from neurona.keras.callbacks.monitoring import (
    EarlyStopping,
    LearningRateScheduler,
    ReduceLROnPlateau,
)

__all__ = [
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ReduceLROnPlateau",
]
