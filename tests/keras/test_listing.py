"""The listing of the course, as its page shows it: the imports and two slips differ."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

from neurona import data, keras
from tests.pages import blocks


def test_the_listing_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keras.utils.set_random_seed(0)
    program = tmp_path / "listing.py"
    program.write_text(blocks("keras.md", "python")[0], encoding="utf-8")
    found = runpy.run_path(str(program))
    model, (loss, accuracy) = found["model"], found["score"]
    assert model.count_params() == 6154
    assert [layer.name for layer in model.layers] == [
        "dense",
        "dropout",
        "dense_1",
        "dropout_1",
        "dense_2",
    ]
    assert 0 <= accuracy <= 0.3  # random classes cannot be learnt, only guessed
    losses = model.history.history["loss"]
    assert len(losses) == 20
    assert losses[-1] < losses[0]
    assert abs(loss - np.log(10)) < 0.1
    assert capsys.readouterr().out.count("accuracy") == 20


def test_its_network_learns_what_can_be_learnt() -> None:
    keras.utils.set_random_seed(0)
    digits = data.digits()
    x, y = digits.inputs.reshape(-1, 64) / 16, keras.utils.to_categorical(digits.targets)
    layers = keras.layers
    model = keras.Sequential()
    model.add(layers.Dense(64, activation="relu", input_dim=64))
    model.add(layers.Dropout(0.5))
    model.add(layers.Dense(64, activation="relu"))
    model.add(layers.Dropout(0.5))
    model.add(layers.Dense(10, activation="softmax"))
    sgd = keras.optimizers.SGD(lr=0.01, decay=1e-6, momentum=0.9, nesterov=True)
    model.compile(loss="categorical_crossentropy", optimizer=sgd, metrics=["accuracy"])
    history = model.fit(x, y, epochs=20, validation_split=0.2, verbose=0)
    assert history.history["val_accuracy"][-1] > 0.9
    assert history.epoch == list(range(20))
