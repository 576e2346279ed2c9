"""Keras's spelling of `neurona.train`: the same layers, optimisers and steps under its names.

Names, arguments, defaults, weight layouts and what they compute are those of Keras 3; see
`docs/keras.md`.
"""

from neurona.keras import (
    activations,
    callbacks,
    datasets,
    initializers,
    layers,
    losses,
    metrics,
    models,
    optimizers,
    regularizers,
    utils,
)
from neurona.keras.layers import Input
from neurona.keras.models import Model, Sequential

__all__ = [
    "Input",
    "Model",
    "Sequential",
    "activations",
    "callbacks",
    "datasets",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "regularizers",
    "utils",
]
