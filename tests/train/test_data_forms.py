"""fit, evaluate and predict on arrays, data sets and loaders; callbacks and early stopping."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import data, nn, optim, random, train
from neurona.core.errors import ArgumentError, DataError, ShapeError

DIGITS = data.digits().take(np.arange(120))
REST = data.digits().take(np.arange(120, 180))


def classifier(rate: float = 3e-3, metrics: Any = ("accuracy",)) -> train.Model:
    random.seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
    model = train.Model(network, preprocessing=train.Division(16))
    model.compile(optim.Adam(network.parameters(), learning_rate=rate), metrics=metrics)
    return model


def test_all_forms_are_the_same_run() -> None:
    models = [classifier() for _ in range(3)]
    x, y = DIGITS.arrays
    histories = [
        models[0].fit(
            x, y, epochs=2, batch_size=60, seed=3, validation_data=REST.arrays, verbose=False
        ),
        models[1].fit(DIGITS, epochs=2, batch_size=60, seed=3, validation_data=REST, verbose=False),
        models[2].fit(
            data.Loader(x, y, batch_size=60, seed=3),
            epochs=2,
            validation_data=data.Loader(*REST.arrays, batch_size=60, shuffle=False),
            verbose=False,
        ),
    ]
    ordered = data.Loader(*REST.arrays, batch_size=7, shuffle=False)
    for model, history in zip(models, histories, strict=True):
        assert history.values == histories[0].values
        for name, array in model.network.state_dict().items():
            np.testing.assert_array_equal(array, models[0].network.state_dict()[name])
    model = models[0]
    assert model.evaluate(REST, batch_size=7) == model.evaluate(*REST.arrays, batch_size=7)
    assert model.evaluate(ordered) == model.evaluate(REST, batch_size=7)
    predicted = model.predict(REST.inputs, batch_size=7)
    np.testing.assert_array_equal(model.predict(ordered), predicted)
    np.testing.assert_array_equal(model.predict(REST, batch_size=7), predicted)


class Slow:
    """A loader of one's own, which makes the consumer wait."""

    samples, batch_size, seed = 6, 2, 0
    waited = 0.0

    def __init__(self, x: Any, y: Any) -> None:
        self.x, self.y = x, y
        self.served: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return 3

    def epoch(self, epoch: int, *, start_batch: int = 0) -> Iterator[tuple[Any, ...]]:
        self.waited = 0.0
        for k in range(start_batch, 3):
            self.waited += 10.0
            self.served.append((epoch, k))
            yield self.x[2 * k : 2 * k + 2], self.y[2 * k : 2 * k + 2]

    def peek(self) -> tuple[Any, ...]:
        return self.x[:2], self.y[:2]

    def close(self) -> None: ...


def test_a_loader_of_ones_own(capsys: pytest.CaptureFixture[str]) -> None:
    loader = Slow(*DIGITS.arrays)
    history = classifier().fit(loader, epochs=2)
    assert loader.served == [(e, k) for e in range(2) for k in range(3)]
    assert history.waiting[0] > 1  # it says thirty seconds were waited
    assert "waiting for data" in capsys.readouterr().out


def test_what_does_not_fit_is_seen_before_learning() -> None:
    x, y = DIGITS.arrays
    with pytest.raises(ShapeError, match="must be in_features 64"):
        classifier().fit(Slow(x[:, :7], y), verbose=False)
    with pytest.raises(DataError, match="label of sample 0 is 10"):
        classifier().fit(Slow(x, y + 10), verbose=False)
    for options in ({"y": y}, {"sample_weight": y}, {"validation_split": 0.5}):
        with pytest.raises(ArgumentError, match="give no y, sample_weight or validation_split"):
            classifier().fit(Slow(x, y), verbose=False, **options)
    with pytest.raises(ArgumentError, match="a Dataset has its targets"):
        classifier().fit(DIGITS, y, verbose=False)
    one = data.Loader(x, batch_size=10)
    with pytest.raises(ArgumentError, match="serves 1 arrays"):
        classifier().fit(one, verbose=False)
    with pytest.raises(ArgumentError, match="the loader shuffles"):
        classifier().predict(data.Loader(x, y, batch_size=10))


# --- callbacks ---


def test_a_callback_may_stop_within_an_epoch() -> None:
    class Three(train.Callback):
        def on_step_end(self, step: int, loss: ne.Tensor) -> None:
            self.model.stop_training = step == 2

    model = classifier()
    history = model.fit(DIGITS, epochs=5, callbacks=[Three()], verbose=False)
    assert (model.steps_done, model.epochs_done, history.epochs) == (3, 0, [])
    assert history.stopped
    assert not history.interrupted


def stopping(values: list[float], **options: Any) -> tuple[train.EarlyStopping, list[int]]:
    """Early stopping told of these values, and the epochs it was told of."""
    model = classifier()
    stop = train.EarlyStopping(**{"monitor": "loss", **options})
    stop.model = model
    model.stop_training = False
    stop.on_train_begin()
    told = []
    for epoch, value in enumerate(values):
        model.network[3].bias.assign(np.full(10, epoch, np.float32))  # type: ignore[index]
        told.append(epoch)
        stop.on_epoch_end(epoch, {"loss": value, "accuracy": value})
        if model.stop_training:
            break
    stop.on_train_end()
    return stop, told


def bias(stop: train.EarlyStopping) -> float:
    return float(stop.model.network.state_dict()["3.bias"][0])


def test_early_stopping() -> None:
    stop, told = stopping([3, 2, 2, 1.9, 2, 2, 1, 0], patience=2)
    assert told == [0, 1, 2, 3, 4, 5]
    assert (stop.best, stop.best_epoch, stop.stopped_epoch, bias(stop)) == (1.9, 3, 5, 3.0)
    stop, told = stopping([3, 2, 1.95, 1.92, 1.85], patience=3, minimum_delta=0.1)
    assert (told, stop.best_epoch) == ([0, 1, 2, 3, 4], 4)
    stop, told = stopping([1, 2, 3], monitor="accuracy", patience=1)
    assert (told, stop.best_epoch, stop.stopped_epoch) == ([0, 1, 2], 2, None)
    stop, told = stopping([1, 2, 3], monitor="accuracy", mode="minimum", patience=1)
    assert (told, stop.best_epoch, bias(stop)) == ([0, 1], 0, 0.0)
    stop, told = stopping([3, 2, 4], patience=1, restore_best=False)
    assert bias(stop) == 2.0
    stop, told = stopping([float("nan")] * 3, patience=2)
    assert (told, stop.best_epoch) == ([0, 1], None)


def test_early_stopping_in_a_run() -> None:
    model = classifier(rate=0.0)
    stop = train.EarlyStopping("validation_accuracy", patience=2)
    before = model.network.state_dict()
    history = model.fit(DIGITS, epochs=50, validation_data=REST, callbacks=[stop], verbose=False)
    assert history.epochs == [0, 1, 2]
    assert history.stopped
    np.testing.assert_array_equal(model.network.state_dict()["1.weight"], before["1.weight"])
    with pytest.raises(ArgumentError, match=r"no value 'validation_los'.*did you mean"):
        model.fit(DIGITS, callbacks=[train.EarlyStopping("validation_los")], verbose=False)
    with pytest.raises(ArgumentError, match="give fit validation_data or validation_split"):
        model.fit(DIGITS, callbacks=[train.EarlyStopping()], verbose=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patience": 0}, "patience is 1 epoch or more"),
        ({"minimum_delta": -1}, "minimum_delta must be finite"),
        ({"mode": "min"}, 'mode is "minimum" or "maximum"'),
    ],
)
def test_early_stopping_refuses(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        train.EarlyStopping(**options)


@pytest.mark.parametrize("watching", [True, False])
def test_a_wish_before_an_epoch_ends_the_run_after_it(watching: bool) -> None:
    class Last(train.Callback):
        def on_epoch_begin(self, epoch: int) -> None:
            self.model.stop_training = True

    class Watching(Last):
        def on_step_end(self, step: int, loss: ne.Tensor) -> None:
            pass

    callback = Watching() if watching else Last()
    history = classifier().fit(DIGITS, epochs=3, callbacks=[callback], verbose=False)
    assert history.epochs == [0]
    assert history.stopped


def test_a_loader_that_serves_less_than_it_says() -> None:
    class Short(data.Loader):
        def epoch(self, epoch: int, *, start_batch: int = 0) -> Any:
            return list(super().epoch(epoch, start_batch=start_batch))[:-1]

    model = classifier()
    model.compile("SGD", accumulate=3)
    loader = Short(DIGITS.inputs, DIGITS.targets, batch_size=40)
    with pytest.raises(DataError, match="served 2 batches of 3"):
        model.fit(loader, verbose=False)
