"""Layers under Keras's names, with its arguments and defaults."""

from typing import Any

from neurona.core.errors import ArgumentError, nearest
from neurona.keras.layer import Layer
from neurona.keras.layers.activation import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax
from neurona.keras.layers.attention import MultiHeadAttention
from neurona.keras.layers.convolution import (
    Conv1D,
    Conv1DTranspose,
    Conv2D,
    Conv2DTranspose,
    Conv3D,
    DepthwiseConv1D,
    DepthwiseConv2D,
    SeparableConv1D,
    SeparableConv2D,
)
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
from neurona.keras.layers.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    AveragePooling3D,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAveragePooling3D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    GlobalMaxPooling3D,
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
)
from neurona.keras.layers.recurrent import GRU, LSTM, SimpleRNN
from neurona.keras.layers.regularization import Dropout, GaussianNoise
from neurona.keras.layers.reshaping import Flatten, Input, InputLayer, Reshape
from neurona.keras.layers.resizing import (
    Cropping1D,
    Cropping2D,
    Cropping3D,
    UpSampling1D,
    UpSampling2D,
    UpSampling3D,
    ZeroPadding1D,
    ZeroPadding2D,
    ZeroPadding3D,
)
from neurona.keras.layers.wrappers import Bidirectional, TimeDistributed

__all__ = [
    "ELU",
    "GRU",
    "LSTM",
    "Activation",
    "Add",
    "Average",
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "BatchNormalization",
    "Bidirectional",
    "Concatenate",
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Conv3D",
    "Cropping1D",
    "Cropping2D",
    "Cropping3D",
    "Dense",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "Dropout",
    "Embedding",
    "Flatten",
    "GaussianNoise",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAveragePooling3D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GlobalMaxPooling3D",
    "Input",
    "InputLayer",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
    "Maximum",
    "Minimum",
    "MultiHeadAttention",
    "Multiply",
    "PReLU",
    "ReLU",
    "Reshape",
    "SeparableConv1D",
    "SeparableConv2D",
    "SimpleRNN",
    "Softmax",
    "Subtract",
    "TimeDistributed",
    "UpSampling1D",
    "UpSampling2D",
    "UpSampling3D",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "ZeroPadding3D",
]


_ABSENT = ("Cell", "RNN", "Attention")


def __getattr__(name: str) -> Any:
    if name[:1].isupper():
        absent = any(part in name for part in _ABSENT)
        why = "; recurrent cells and attention are in neurona.nn" if absent else ""
        # Not an AttributeError, of which `from … import` would keep only the name.
        raise ArgumentError(
            f"keras.layers: there is no {name}{why or nearest(name, __all__)} "
            f"(there are {', '.join(sorted(__all__))})"
        )
    raise AttributeError(f"module 'neurona.keras.layers' has no attribute {name!r}")
