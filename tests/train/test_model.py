"""Model: learning, measuring, using."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import neurona as ne
from neurona import data, nn, optim, random, train
from neurona.core.errors import (
    ArgumentError,
    DataError,
    DTypeError,
    NeuronaError,
    NonFiniteError,
    ShapeError,
)

Arrays = tuple[NDArray[Any], NDArray[Any]]


@pytest.fixture(scope="module")
def digits() -> tuple[Arrays, Arrays]:
    """Training and test part of the embedded digits."""
    whole = data.digits()
    first, second = data.split(whole, (0.8, 0.2), stratify=whole.targets)
    return first.arrays, second.arrays


def classifier(seed: int = 0, dropout: float = 0.0, **options: Any) -> train.Model:
    random.seed(seed)
    network = nn.Sequential(nn.Flatten(), ne.models.MLP(64, (32,), 10, dropout=dropout))
    model = train.Model(network, preprocessing=train.Division(16), **options)
    optimizer = optim.Adam(network.parameters(), learning_rate=3e-3)
    model.compile(optimizer, "cross_entropy", ["accuracy", "top_5_accuracy"])
    return model


def weights(model: train.Model) -> dict[str, NDArray[Any]]:
    return model.network.state_dict()


def same(one: Mapping[str, NDArray[Any]], other: Mapping[str, NDArray[Any]]) -> bool:
    return all(np.array_equal(one[name], other[name]) for name in one)


def test_learns_the_digits(digits: tuple[Arrays, Arrays]) -> None:
    training, test = digits
    model = classifier()
    before = model.evaluate(*test)["accuracy"]
    history = model.fit(*training, epochs=12, validation_data=test, verbose=False)
    scores = model.evaluate(*test)
    assert before < 0.3 < 0.93 < scores["accuracy"] <= scores["top_5_accuracy"]
    assert history.epochs == list(range(12))
    assert not history.interrupted
    assert list(history.values) == [
        *("loss", "accuracy", "top_5_accuracy"),
        *("validation_loss", "validation_accuracy", "validation_top_5_accuracy"),
    ]
    assert history.values["loss"][-1] < 0.3 * history.values["loss"][0]
    assert history.values["validation_accuracy"][-1] == scores["accuracy"]
    assert len(history.samples_per_second) == 12
    assert min(history.samples_per_second) > 0
    assert history.seconds > 0


def test_steps_are_compiled(digits: tuple[Arrays, Arrays]) -> None:
    # The network's Python code runs to be looked at and to be recorded, not for every batch:
    # 1,438 samples are 44 batches of 32 and one of 30.
    training, _ = digits
    calls = []
    model = classifier()
    model.network.register_forward_hook(lambda module, args, output: calls.append(args[0].shape))
    model.fit(*training, epochs=3, batch_size=32, verbose=False)
    assert calls[-2:] == [(32, 8, 8), (30, 8, 8)]
    assert len(calls) == 3


def test_agrees_with_a_loop_by_hand(digits: tuple[Arrays, Arrays]) -> None:
    (x, y), _ = digits
    x, y = x[:150], y[:150]
    model = classifier(seed=5)
    history = model.fit(x, y, epochs=2, batch_size=64, seed=9, verbose=False)
    random.seed(5)
    network = nn.Sequential(nn.Flatten(), ne.models.MLP(64, (32,), 10))
    optimizer = optim.Adam(network.parameters(), learning_rate=3e-3)
    loader = data.Loader(x / np.float32(16), y, batch_size=64, seed=9)
    means = []
    for epoch in range(2):
        total = 0.0
        for inputs, labels in loader.epoch(epoch):
            loss = nn.functional.cross_entropy(network(ne.asarray(inputs)), ne.asarray(labels))
            total += loss.item() * len(inputs)
            loss.backward()
            optimizer.step()
        means.append(total / 150)
    np.testing.assert_allclose(history.values["loss"], means, rtol=1e-5)
    for name, array in network.state_dict().items():
        np.testing.assert_allclose(weights(model)[name], array, rtol=1e-4, atol=1e-5)


def test_the_same_seeds_give_the_same_weights(digits: tuple[Arrays, Arrays]) -> None:
    training, _ = digits
    one, two, other = classifier(dropout=0.3), classifier(dropout=0.3), classifier(dropout=0.3)
    for model, seed in ((one, 1), (two, 1), (other, 2)):
        random.seed(7)
        model.fit(*training, epochs=2, seed=seed, verbose=False)
    assert same(weights(one), weights(two))
    assert not same(weights(one), weights(other))


def test_fitting_in_two_goes_is_one_run(digits: tuple[Arrays, Arrays]) -> None:
    training, _ = digits
    whole, parts = classifier(), classifier()
    whole.fit(*training, epochs=4, verbose=False)
    parts.fit(*training, epochs=1, verbose=False)
    history = parts.fit(*training, epochs=3, verbose=False)
    assert history.epochs == [1, 2, 3]
    assert same(weights(whole), weights(parts))


def test_incomplete_last_batches_count_with_their_size() -> None:
    # A loss that is the mean of x itself shows how batches of 4, 4 and 2 are weighed.
    x = np.arange(10, dtype=np.float32)[:, None]
    model = train.Model(nn.Identity())
    model.compile(loss=lambda output, target: ne.mean(output), metrics=["mean_absolute_error"])
    scores = model.evaluate(x, np.zeros_like(x), batch_size=4)
    assert scores == {"loss": 4.5, "mean_absolute_error": 4.5}


def test_validation_split_is_kept_out(digits: tuple[Arrays, Arrays]) -> None:
    (x, y), _ = digits
    model = classifier()
    history = model.fit(x, y, epochs=2, validation_split=0.25, seed=4, verbose=False)
    part, rest = data.split((x, y), (0.75, 0.25), seed=4)
    by_hand = classifier()
    same_history = by_hand.fit(*part, epochs=2, validation_data=rest, seed=4, verbose=False)
    assert history.values == same_history.values
    assert same(weights(model), weights(by_hand))


def test_predict_and_its_probabilities(digits: tuple[Arrays, Arrays]) -> None:
    training, (x, y) = digits
    model = classifier(dropout=0.5)
    model.fit(*training, epochs=2, verbose=False)
    outputs, shares = model.predict(x), model.predict(x, probabilities=True)
    assert outputs.shape == shares.shape == (len(x), 10)
    assert outputs.dtype == np.float32
    e = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    np.testing.assert_allclose(shares, e / e.sum(axis=1, keepdims=True), rtol=1e-5, atol=1e-7)
    some = model.predict(x[:33], batch_size=8)  # another program: sums in another order
    np.testing.assert_allclose(some, outputs[:33], rtol=1e-5, atol=1e-6)
    assert float((outputs.argmax(axis=1) == y).mean()) == model.evaluate(x, y)["accuracy"]
    assert model.predict(x[:0]).shape == (0, 10)
    assert model.network.training  # the mode is put back


def test_measuring_changes_nothing(digits: tuple[Arrays, Arrays]) -> None:
    training, test = digits
    random.seed(0)
    network = nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, 16),
        nn.BatchNorm1d(16),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(16, 10),
    )
    model = train.Model(network, preprocessing=train.Division(16))
    model.compile("Adam", "cross_entropy")
    model.fit(*training, epochs=1, verbose=False)
    before, state = weights(model), random.DEFAULT.state
    first = model.evaluate(*test)
    model.predict(test[0])
    assert model.evaluate(*test) == first
    assert same(before, weights(model))
    assert random.DEFAULT.state == state


def test_regression_with_standardised_inputs() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(50, 20, (400, 3))
    y = x @ [[0.3], [-0.2], [0.1]] + 4
    model = train.Model(nn.Linear(3, 1), preprocessing=data.Standardizer.fit(x))
    model.compile(
        optim.Adam(model.network.parameters(), learning_rate=0.1),
        nn.MSELoss(),
        [train.RootMeanSquaredError()],
    )
    model.fit(x, y, epochs=120, verbose=False)
    assert model.loss_name == "mean_squared_error"
    assert model.evaluate(x, y)["root_mean_squared_error"] < 0.05


def test_callbacks_are_called_and_may_stop(digits: tuple[Arrays, Arrays]) -> None:
    training, _ = digits
    told: list[Any] = []

    class Watch(train.Callback):
        def on_train_begin(self) -> None:
            told.append("begin")

        def on_epoch_begin(self, epoch: int) -> None:
            told.append(epoch)

        def on_epoch_end(self, epoch: int, values: Mapping[str, float]) -> None:
            told.append(sorted(values))
            self.model.stop_training = epoch == 1

        def on_train_end(self) -> None:
            told.append("end")

    history = classifier().fit(*training, epochs=9, callbacks=[Watch()], verbose=False)
    names = ["accuracy", "loss", "top_5_accuracy"]
    assert told == ["begin", 0, names, 1, names, "end"]
    assert history.epochs == [0, 1]
    assert not history.interrupted


# --- Ctrl-C ---


class Press(train.Callback):
    """Presses Ctrl-C while an epoch runs."""

    def on_epoch_begin(self, epoch: int) -> None:
        if epoch == 2:
            os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupt_keeps_what_was_learnt(
    digits: tuple[Arrays, Arrays], capsys: pytest.CaptureFixture[str]
) -> None:
    training, _ = digits
    model, short = classifier(), classifier()
    start = weights(model)
    history = model.fit(*training, epochs=50, callbacks=[Press()])
    assert history.interrupted
    assert history.epochs == [0, 1]
    assert model.epochs_done == 2
    assert "interrupted: what was learnt so far is kept" in capsys.readouterr().out
    short.fit(*training, epochs=2, verbose=False)
    assert not same(weights(model), start)
    # One step of the third epoch was finished, none was cut in two.
    short.steps.train(*_first_batch(training, epoch=2))
    assert same(weights(model), weights(short))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def _first_batch(training: Arrays, epoch: int) -> Arrays:
    x, y = training
    loader = data.Loader((x / np.float32(16)).astype(np.float32), y, batch_size=32, seed=0)
    first, labels = next(iter(loader.epoch(epoch)))
    return first, labels


def test_fit_works_outside_the_main_thread(digits: tuple[Arrays, Arrays]) -> None:
    training, _ = digits
    histories: list[train.History] = []
    run = threading.Thread(
        target=lambda: histories.append(classifier().fit(*training, epochs=1, verbose=False))
    )
    run.start()
    run.join()
    assert histories[0].epochs == [0]


# --- what does not fit is said before anything is learnt ---


def bad_calls() -> dict[str, tuple[type[NeuronaError], str, Any]]:
    x = np.zeros((20, 8, 8), np.float32)
    y = np.zeros(20, np.int64)
    late = np.where(np.arange(20) == 13, 10, 0)
    nan = x.copy()
    nan[7, 1, 2] = np.nan
    return {
        "lengths": (ShapeError, r"\(20, 8, 8\) and targets \(19,\)", {"x": x, "y": y[:19]}),
        "features": (ShapeError, "must be in_features 64", {"x": x[:, :7], "y": y}),
        "label": (DataError, r"label of sample 13 is 10; the network has 10 outputs", {"y": late}),
        "negative": (DataError, "label of sample 0 is -1", {"y": y - 1}),
        "nan": (DataError, "'training': inputs holds nan at sample 7", {"x": nan}),
        "float labels": (ShapeError, "losses do not broadcast", {"y": y.astype(np.float32)}),
        "text": (DTypeError, "inputs must be numbers", {"x": np.full((20, 8, 8), "a")}),
        "none": (ShapeError, "no samples", {"x": x[:0], "y": y[:0]}),
        "no targets": (ArgumentError, "targets are needed", {"y": None}),
        "epochs": (ArgumentError, "epochs must be", {"epochs": 0}),
        "batch": (ArgumentError, "batch_size", {"batch_size": 0}),
        "split": (ArgumentError, "validation_split", {"validation_split": 1.5}),
        "both": (ArgumentError, "not both", {"validation_split": 0.5, "validation_data": (x, y)}),
        "validation": (DataError, "'validation': the label", {"validation_data": (x, late)}),
        "seed": (ArgumentError, "seed", {"seed": -1}),
    }


@pytest.mark.parametrize("name", bad_calls())
def test_bad_data_is_refused_before_learning(name: str) -> None:
    error, message, changes = bad_calls()[name]
    model = classifier()
    before = weights(model)
    x, y = np.zeros((20, 8, 8), np.float32), np.zeros(20, np.int64)
    with pytest.raises(error, match=message):
        model.fit(**{"x": x, "y": y, "verbose": False, **changes})
    assert same(before, weights(model))
    assert model.epochs_done == 0


def test_labels_that_the_loss_ignores() -> None:
    model = classifier()
    x, y = np.zeros((4, 8, 8)), np.array([1, 255, 2, 255])
    with pytest.raises(DataError, match="label of sample 1 is 255"):
        model.fit(x, y, verbose=False)
    model.compile("Adam", nn.CrossEntropyLoss(ignore_index=255))
    assert model.fit(x, y, verbose=False).values["loss"][0] > 0


def test_class_numbers_for_a_loss_of_vectors() -> None:
    model = classifier()
    model.compile("SGD", "quadratic_cost")
    with pytest.raises(ShapeError, match=r"data.encode_targets\(y, 10\)"):
        model.fit(np.zeros((4, 8, 8)), np.zeros(4, int), verbose=False)


def test_a_loss_that_is_not_finite_changes_nothing() -> None:
    x = np.full((50, 1), 1e30, np.float32)
    model = train.Model(nn.Linear(1, 1))
    optimizer = optim.Adam(model.network.parameters())
    model.compile(optimizer, "mean_squared_error")
    before = weights(model)
    with pytest.raises(
        NonFiniteError, match=r"epoch 0, batch 0 \(samples 0…31 of the epoch's order"
    ):
        model.fit(x, x, epochs=3, verbose=False)
    assert same(before, weights(model))
    assert all(not slot.any() for slot in optimizer.state_dict()["slots"].values())
    assert model.network.training


def test_compile_refuses_what_it_does_not_know() -> None:
    model = classifier()
    with pytest.raises(ArgumentError, match="did you mean 'Adam'"):
        model.compile("adam")
    with pytest.raises(ArgumentError, match="did you mean 'cross_entropy'"):
        model.compile("Adam", "crossentropy")
    with pytest.raises(ArgumentError, match="did you mean 'accuracy'"):
        model.compile("Adam", metrics=["acuracy"])
    with pytest.raises(ArgumentError, match="an Optimizer or a name"):
        model.compile(3)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"is an nn.Module"):
        train.Model(lambda x: x)  # type: ignore[arg-type]
    bare = train.Model(nn.Linear(1, 1))
    with pytest.raises(ArgumentError, match="choose an optimizer first"):
        bare.fit(np.zeros((2, 1)), np.zeros((2, 1)))
    with pytest.raises(ArgumentError, match="choose a loss first"):
        bare.evaluate(np.zeros((2, 1)), np.zeros((2, 1)))
    assert model.optimizer is not None
    assert model.loss_name == "cross_entropy"


def test_an_optimizer_of_other_parameters_is_refused() -> None:
    model = classifier()
    model.network.astype(ne.float64)
    with pytest.raises(ArgumentError, match="not the network's; make the optimizer from"):
        model.fit(np.zeros((4, 8, 8)), np.zeros(4, int), verbose=False)


def test_a_loss_must_be_a_scalar() -> None:
    model = classifier()
    model.compile("Adam", nn.CrossEntropyLoss(reduction="none"))
    with pytest.raises(ShapeError, match=r"a scalar is needed, found shape \(4,\)"):
        model.fit(np.zeros((4, 8, 8)), np.zeros(4, int), verbose=False)


def test_float64_networks_get_float64_data() -> None:
    random.seed(0)
    network = nn.Linear(2, 1, dtype=ne.float64)
    model = train.Model(network)
    model.compile(optim.SGD(network.parameters(), learning_rate=0.1), "mean_squared_error")
    x = np.random.default_rng(0).normal(size=(64, 2))
    model.fit(x, x @ [[1.0], [2.0]], epochs=100, verbose=False)
    np.testing.assert_allclose(network.weight.numpy(), [[1.0, 2.0]], rtol=1e-8)
    assert model.predict(x).dtype == np.float64


# --- batches of all sizes ---


class Small(nn.Module):
    """Layers whose gradients fold over the batch, without matrix products between samples."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(6, 16), nn.LayerNorm(16), nn.GELU(), nn.BatchNorm1d(16), nn.Linear(16, 3)
        )

    def forward(self, x: Any) -> Any:
        return self.layers(x)


def small_model() -> train.Model:
    random.seed(3)
    model = train.Model(Small())
    model.compile(optim.Adam(model.network.parameters(), 0.01), metrics=["accuracy"])
    return model


def programs_of(step: Any) -> int:
    entries = [entry for found in step.entries.values() for entry in found]
    return len({id(entry.program) for entry in entries})


def test_two_programs_a_step_serve_batches_of_all_sizes() -> None:
    """The first size has one of its own, all others share the second; results are eager's."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(203, 6)).astype(np.float32), rng.integers(0, 3, 203)
    model, twin = small_model(), small_model()
    for number, (n, size) in enumerate(((100, 32), (203, 64), (77, 10), (50, 50), (35, 16))):
        model.fit(x[:n], y[:n], batch_size=size, verbose=False, seed=number)
        served = data.Loader(x[:n], y[:n], batch_size=size, seed=number).epoch(number)
        for batch, labels in served:
            twin.steps._train(ne.asarray(batch), ne.asarray(labels))
        for name, value in twin.network.state_dict().items():
            np.testing.assert_allclose(
                model.network.state_dict()[name], value, rtol=2e-3, atol=2e-4, err_msg=name
            )
        found = model.evaluate(x[:n], y[:n], batch_size=size)
        twin.network.eval()
        with ne.no_grad():
            output = twin.network(ne.asarray(x[:n]))
        loss = nn.functional.cross_entropy(output, y[:n]).item()
        np.testing.assert_allclose(found["loss"], loss, rtol=2e-3)
        twin.network.train()
    for n in (1, 2, 3, 64, 203, 11, 100):
        expected = model.network.eval()(ne.asarray(x[:n])).numpy()
        for size in (256, 40):
            predicted = model.predict(x[:n], batch_size=size)
            np.testing.assert_allclose(predicted, expected, rtol=1e-4, atol=1e-5)
    for step in (model.steps.train, model.steps.test, model.steps.predict):
        assert programs_of(step) <= 2
