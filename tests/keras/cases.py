"""Programs that run on `neurona.keras` and on Keras alike, and give numbers to compare.

Each takes the package, `neurona.keras` or `keras`, and returns lists of numbers by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Numbers = dict[str, list[float]]
Case = Callable[[Any], Numbers]

CASES: dict[str, Case] = {}
STEPS = 24


def case(function: Case) -> Case:
    CASES[function.__name__] = function
    return function


def pattern(shape: tuple[int, ...], number: int) -> Any:
    """Numbers within ±1 that look random and are the same everywhere."""
    return np.random.default_rng([number, *shape]).uniform(-1, 1, shape).astype(np.float32)


def set_weights(model: Any) -> None:
    """The same small weights for every library, by their shapes and places."""
    given = []
    for number, weight in enumerate(model.get_weights()):
        scale = 1 / np.sqrt(weight.shape[0]) if weight.ndim > 1 else 0.1
        value = pattern(weight.shape, number) * scale
        given.append(np.abs(value) + 0.5 if weight.ndim == 1 and number > 90 else value)
    model.set_weights(given)


def numbers(history: Any) -> Numbers:
    return {name: [float(one) for one in values] for name, values in history.history.items()}


def classes(samples: int = 64, inputs: int = 20, count: int = 10) -> tuple[Any, Any]:
    """Inputs and one-hot targets that can be learnt."""
    x = pattern((samples, inputs), 1)
    labels = np.argmax(x @ pattern((inputs, count), 2), axis=1)
    return x, np.eye(count, dtype=np.float32)[labels]


def dense(keras: Any, *, last: str = "softmax", units: int = 10, **options: Any) -> Any:
    """The network of the listing without dropout."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((20,)),
            layers.Dense(64, activation="relu", **options),
            layers.Dense(64, activation="tanh"),
            layers.Dense(units, activation=last),
        ]
    )
    set_weights(model)
    return model


def learnt(keras: Any, model: Any, optimizer: Any, **options: Any) -> Numbers:
    """A step an epoch on all samples."""
    x, y = classes()
    model.compile(optimizer=optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, batch_size=len(x), epochs=STEPS, verbose=0, **options)
    return numbers(history)


@case
def sgd(keras: Any) -> Numbers:
    return learnt(keras, dense(keras), keras.optimizers.SGD(learning_rate=0.1))


@case
def sgd_momentum(keras: Any) -> Numbers:
    return learnt(keras, dense(keras), keras.optimizers.SGD(0.05, momentum=0.9))


@case
def sgd_nesterov(keras: Any) -> Numbers:
    return learnt(keras, dense(keras), keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True))


@case
def sgd_decay(keras: Any) -> Numbers:
    """Keras 3 has a schedule in the place of the listing's `decay`."""
    if hasattr(keras.optimizers, "schedules"):
        rate = keras.optimizers.schedules.InverseTimeDecay(0.2, decay_steps=1, decay_rate=0.3)
        optimizer = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True)
    else:
        optimizer = keras.optimizers.SGD(lr=0.2, decay=0.3, momentum=0.9, nesterov=True)
    return learnt(keras, dense(keras), optimizer)


@case
def adam(keras: Any) -> Numbers:
    return learnt(keras, dense(keras), keras.optimizers.Adam(0.01))


@case
def adam_amsgrad_clipped(keras: Any) -> Numbers:
    rule = keras.optimizers.Adam(0.01, beta_1=0.8, epsilon=1e-2, amsgrad=True, clipnorm=0.05)
    return learnt(keras, dense(keras), rule)


@case
def adamw(keras: Any) -> Numbers:
    rule = keras.optimizers.AdamW(0.01, weight_decay=0.1, global_clipnorm=0.1)
    return learnt(keras, dense(keras), rule)


@case
def adamax(keras: Any) -> Numbers:
    return learnt(keras, dense(keras), keras.optimizers.Adamax(0.01, clipvalue=0.01))


@case
def rmsprop(keras: Any) -> Numbers:
    return learnt(keras, dense(keras), "rmsprop")


@case
def rmsprop_centered(keras: Any) -> Numbers:
    rule = keras.optimizers.RMSprop(0.003, momentum=0.5, centered=True, epsilon=1e-3)
    return learnt(keras, dense(keras), rule)


@case
def adagrad(keras: Any) -> Numbers:
    return learnt(keras, dense(keras), keras.optimizers.Adagrad(0.05))


@case
def adadelta(keras: Any) -> Numbers:
    return learnt(keras, dense(keras), keras.optimizers.Adadelta(1.0, weight_decay=0.01))
