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
def nadam(keras: Any) -> Numbers:
    return learnt(keras, dense(keras), keras.optimizers.Nadam(0.01))


@case
def lion(keras: Any) -> Numbers:
    return learnt(keras, dense(keras), keras.optimizers.Lion(0.001, weight_decay=0.01))


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


# --- batches, weights, splits ---


def several(
    keras: Any,
    optimizer: Any = "sgd",
    last: str = "softmax",
    samples: int = 90,
    **options: Any,
) -> Numbers:
    """Four epochs of six batches in the data's order."""
    x, y = classes(samples)
    model = dense(keras, last=last)
    loss = "categorical_crossentropy" if last == "softmax" else "mse"
    model.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"])
    options = {"batch_size": 15, "epochs": 4, "shuffle": False, "verbose": 0} | options
    history = model.fit(x, y, **options)
    found = numbers(history)
    found["evaluated"] = [
        float(one)
        for one in model.evaluate(x, y, batch_size=15, sample_weight=SHARE[:samples], verbose=0)
    ]
    return found


SHARE = np.abs(pattern((100,), 12)) * 2


@case
def batches(keras: Any) -> Numbers:
    """The last one is short."""
    return several(keras, samples=80)


@case
def class_weights(keras: Any) -> Numbers:
    return several(keras, class_weight={0: 3.0, 2: 0.0, 7: 0.5})


@case
def sample_weights(keras: Any) -> Numbers:
    return several(keras, keras.optimizers.Adam(0.01), sample_weight=SHARE[:90])


@case
def validation_split(keras: Any) -> Numbers:
    """Keras takes the last share, and its weights with it."""
    return several(keras, validation_split=0.33, sample_weight=SHARE[:90])


@case
def validation_data(keras: Any) -> Numbers:
    x, y = classes(samples=40)
    return several(keras, last="linear", validation_data=(x, y, SHARE[:40]), initial_epoch=2)


@case
def schedules(keras: Any) -> Numbers:
    given = keras.optimizers.schedules
    rules = {
        "exponential": given.ExponentialDecay(0.1, 10, 0.7),
        "stairs": given.ExponentialDecay(0.1, 10, 0.7, staircase=True),
        "inverse time": given.InverseTimeDecay(0.1, 10, 0.7),
        "inverse stairs": given.InverseTimeDecay(0.1, 10, 0.7, staircase=True),
        "pieces": given.PiecewiseConstantDecay([5, 20], [0.3, 0.2, 0.1]),
        "polynomial": given.PolynomialDecay(0.1, 12, 0.01, power=2.0),
        "cycles": given.PolynomialDecay(0.1, 12, 0.01, cycle=True),
        "cosine": given.CosineDecay(0.1, 20, alpha=0.1),
        "warm-up": given.CosineDecay(0.0, 20, warmup_target=0.2, warmup_steps=8),
    }
    return {
        name: [float(rule(step)) for step in (0, 1, 5, 6, 8, 10, 12, 13, 20, 24, 25, 30)]
        for name, rule in rules.items()
    }


@case
def decay_of_the_listing(keras: Any) -> Numbers:
    """Keras 3 has a schedule in the place of `decay`, which ours has too."""
    if keras.__name__ == "keras":
        rate = keras.optimizers.schedules.InverseTimeDecay(0.2, decay_steps=1, decay_rate=0.3)
        optimizer = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True)
    else:
        optimizer = keras.optimizers.SGD(lr=0.2, decay=0.3, momentum=0.9, nesterov=True)
    return several(keras, optimizer)
