"""Callbacks in Keras's words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from neurona import keras
from neurona.core.errors import ArgumentError
from tests.keras.cases import classes, dense

callbacks = keras.callbacks


def learn(*given: Any, epochs: int = 4, rate: float = 0.1, **options: Any) -> Any:
    model, (x, y) = dense(keras), classes()
    model.compile(keras.optimizers.SGD(rate), "categorical_crossentropy", metrics=["accuracy"])
    options = {"validation_data": (x[:9], y[:9]), "verbose": 0, **options}
    model.fit(x, y, epochs=epochs, callbacks=list(given), **options)
    return model


class Fixed(callbacks.Callback):
    """Puts given values in place of the validation loss."""

    def __init__(self, values: list[float]) -> None:
        self.values = values

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs["val_loss"] = self.values[epoch]


def test_epochs_and_names_are_keras_own() -> None:
    seen: list[Any] = []
    told = callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: seen.append(epoch),
        on_train_end=lambda logs: seen.append("end"),
    )
    model = learn(told, epochs=5, initial_epoch=3)
    assert seen == [3, 4, "end"]
    assert model.history.epoch == [3, 4]
    assert set(model.history.history) == {"loss", "accuracy", "val_loss", "val_accuracy"}


def test_early_stopping_waits_and_restores() -> None:
    kept: list[Any] = []
    stop = callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    watch = callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: kept.append(stop.model.get_weights()[0])
    )
    model = learn(Fixed([3, 1, 2, 1.5, 0, 0]), stop, watch, epochs=6)
    assert model.history.epoch == [0, 1, 2, 3]
    assert (stop.best, stop.best_epoch, stop.stopped_epoch) == (1, 1, 3)
    assert (model.get_weights()[0] == kept[1]).all()
    assert (model.get_weights()[0] != kept[3]).any()


def test_early_stopping_knows_what_is_better() -> None:
    stop = callbacks.EarlyStopping("accuracy", min_delta=2.0)
    assert learn(stop).history.epoch == [0, 1]
    add = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(mine=1.0))
    with pytest.raises(ArgumentError, match="mode='max'"):
        learn(add, callbacks.EarlyStopping("mine"))
    with pytest.raises(ArgumentError, match="no 'val_loss'"):
        learn(callbacks.EarlyStopping(), validation_data=None)


def test_steps_are_told_and_may_end_the_run() -> None:
    seen: list[Any] = []

    def stop(batch: int, logs: Any) -> None:
        seen.append((batch, logs["loss"] > 0))
        told.model.stop_training = len(seen) == 3

    told = callbacks.LambdaCallback(on_train_batch_end=stop)
    learn(told, batch_size=32)
    assert seen == [(0, True), (1, True), (0, True)]


def test_methods_that_would_never_be_called_are_refused() -> None:
    class Old(callbacks.Callback):
        def on_batch_end(self, batch: int, logs: Any = None) -> None:
            """Keras's name before version 3."""

    with pytest.raises(ArgumentError, match="on_batch_end would never be called"):
        learn(Old())


def test_rates_by_epoch_and_on_plateaus() -> None:
    model = learn(callbacks.LearningRateScheduler(lambda epoch, rate: rate / (epoch + 1)))
    rates = model.history.history["learning_rate"]
    assert rates == pytest.approx([0.1, 0.05, 0.1 / 6, 0.1 / 24])
    values = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    cut = callbacks.ReduceLROnPlateau(factor=0.5, patience=2, cooldown=1, min_lr=0.03)
    rates = learn(Fixed(values), cut, epochs=7).history.history["learning_rate"]
    assert rates == pytest.approx([0.1, 0.1, 0.1, 0.05, 0.05, 0.03, 0.03])


def test_checkpoints_and_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save = callbacks.ModelCheckpoint(
        tmp_path / "{epoch:02d}-{val_loss:.1f}.safetensors",
        save_best_only=True,
        save_weights_only=True,
    )
    table = callbacks.CSVLogger(tmp_path / "log.csv")
    model = learn(Fixed([3, 4, 2, 5]), save, table, verbose=2)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["01-3.0.safetensors", "03-2.0.safetensors", "log.csv"]
    model.load_weights(tmp_path / names[0])
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert lines[0] == "epoch,accuracy,loss,val_accuracy,val_loss"
    assert len(lines) == 5
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "Epoch 1/4"
    assert shown[1].startswith("2/2 - ")
    assert "val_loss: " in shown[1]
