"""Mistakes of users: one error that names the mend, before anything is learnt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from neurona import data, nn, train
from neurona.core.errors import ArgumentError, NeuronaError, ShapeError

X = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
Y = np.arange(12) % 3


def model(loss: Any = "cross_entropy", metrics: Any = ()) -> train.Model:
    made = train.Model(nn.Sequential(nn.Linear(4, 3)))
    made.compile("SGD", loss, metrics)
    return made


def fit(x: Any = X, y: Any = Y, **options: Any) -> Callable[[train.Model], Any]:
    return lambda model: model.fit(x, y, **{"epochs": 1, "verbose": False, **options})


STOP = train.EarlyStopping("validation_loss")
MISTAKES: dict[str, tuple[Callable[[train.Model], Any], type[NeuronaError], str]] = {
    "batch size": (fit(batch_size=2.5), ArgumentError, "batch_size must be a whole number.*2.5"),
    "text size": (fit(batch_size="8"), ArgumentError, "batch_size must be a whole number.*'8'"),
    "seed": (fit(seed=1.5), ArgumentError, "seed must be a whole number, found 1.5"),
    "one part": (fit(validation_data=(X,)), ArgumentError, r"give \(x, y\) or.*found 1 things"),
    "four parts": (fit(validation_data=(X, Y, Y, Y)), ArgumentError, "found 4 things"),
    "no callback": (fit(callbacks=[3]), ArgumentError, "subclasses of train.Callback, not 3"),
    "a class": (fit(callbacks=[train.EarlyStopping]), ArgumentError, "objects made of subclasses"),
    "no list": (fit(callbacks=STOP), ArgumentError, "callbacks is a list"),
    "no validation": (
        fit(callbacks=[STOP]),
        ArgumentError,
        "EarlyStopping watches 'validation_loss', but nothing is validated; give fit",
    ),
    "ragged rows": (fit([[1, 2], [3]], [0, 1]), ShapeError, "inputs are no array: .*inhomogeneous"),
    "ragged labels": (fit(X[:2], [[1, 2], [3]]), ShapeError, "targets are no array"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_nothing_is_learnt(name: str) -> None:
    mistake, kind, message = MISTAKES[name]
    made = model()
    before = made.network.state_dict()
    with pytest.raises(kind, match=message):
        mistake(made)
    for path, array in made.network.state_dict().items():
        np.testing.assert_array_equal(array, before[path])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: model("mse"), "loss: unknown name 'mse' .known: .*mean_squared_error"),
        (lambda: model(metrics=["acc"]), "metrics: unknown name 'acc' .known: accuracy"),
        (lambda: model(metrics="accuracy"), r"a list of names is needed, as in \['accuracy'\]"),
        (lambda: train.Model(nn.Linear(4, 3)).compile("zebra"), "unknown name 'zebra' .known: "),
        (lambda: data.Loader(X, batch_size=True), "batch_size must be a whole number"),
    ],
)
def test_names_and_numbers_are_checked(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()
