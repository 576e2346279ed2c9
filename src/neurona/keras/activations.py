"""Activations by Keras's names, as functions of a tensor; softmax goes along the last axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from neurona.core.tensor import Tensor
from neurona.keras.named import find
from neurona.nn import functional
from neurona.nn.functional import (
    elu,
    gelu,
    log_softmax,
    mish,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    softmax,
    softplus,
    softsign,
    tanh,
)
from neurona.ops.operand import operand
from neurona.ops.transcendental import exp

Activation = Callable[[Any], Tensor]


def linear(x: Any) -> Tensor:
    """x itself."""
    return operand(x)


def exponential(x: Any) -> Tensor:
    """e^x."""
    return exp(x)


def leaky_relu(x: Any, negative_slope: float = 0.2) -> Tensor:
    """x where x > 0, else negative_slope·x."""
    return functional.leaky_relu(x, negative_slope)


ACTIVATIONS: dict[str, Activation] = {
    "elu": elu,
    "exponential": exponential,
    "gelu": gelu,
    "hard_sigmoid": functional.hardsigmoid,
    "hard_silu": functional.hardswish,
    "hard_swish": functional.hardswish,
    "leaky_relu": leaky_relu,
    "linear": linear,
    "log_sigmoid": functional.logsigmoid,
    "log_softmax": lambda x: log_softmax(x, -1),
    "mish": mish,
    "relu": relu,
    "relu6": relu6,
    "selu": selu,
    "sigmoid": sigmoid,
    "silu": silu,
    "softmax": lambda x: softmax(x, -1),
    "softplus": softplus,
    "softsign": softsign,
    "swish": silu,
    "tanh": tanh,
}


def name_of(identifier: str | Activation | None) -> str | Activation | None:
    """The name of a function that has one, so that it can be kept in a file."""
    if callable(identifier):
        return next((name for name, one in ACTIVATIONS.items() if one is identifier), identifier)
    return identifier


def get(identifier: str | Activation | None) -> Activation:
    """The function of a name; None is "linear" and a function is its own.

    Raises `ArgumentError` with the nearest name.

    >>> from neurona.keras import activations
    >>> activations.get("rely")
    Traceback (most recent call last):
        ...
    neurona.core.errors.ArgumentError: activation: unknown name 'rely'; did you mean 'relu'?
    """
    found: Activation = find("activation", identifier or "linear", ACTIVATIONS)
    return found
