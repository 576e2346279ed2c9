"""Layers under Keras's names, with its arguments and defaults."""

from typing import Any

from neurona.core.errors import ArgumentError, nearest
from neurona.keras.layer import Layer
from neurona.keras.layers.activation import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax
from neurona.keras.layers.dense import Dense, Embedding
from neurona.keras.layers.merging import (
    Add,
    Average,
    Concatenate,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
)
from neurona.keras.layers.normalization import BatchNormalization, LayerNormalization
from neurona.keras.layers.regularization import Dropout, GaussianNoise
from neurona.keras.layers.reshaping import Flatten, Input, InputLayer, Reshape

__all__ = [
    "ELU",
    "Activation",
    "Add",
    "Average",
    "BatchNormalization",
    "Concatenate",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GaussianNoise",
    "Input",
    "InputLayer",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "Maximum",
    "Minimum",
    "Multiply",
    "PReLU",
    "ReLU",
    "Reshape",
    "Softmax",
    "Subtract",
]


_LATER = ("Conv", "Pool", "LSTM", "GRU", "RNN", "Recurrent", "Bidirectional", "Attention")


def __getattr__(name: str) -> Any:
    if name[:1].isupper():
        later = any(part in name for part in _LATER)
        why = "; convolution, recurrent and attention layers come later" if later else ""
        # Not an AttributeError, of which `from … import` would keep only the name.
        raise ArgumentError(
            f"keras.layers: there is no {name}{why or nearest(name, __all__)} "
            f"(there are {', '.join(sorted(__all__))})"
        )
    raise AttributeError(f"module 'neurona.keras.layers' has no attribute {name!r}")
