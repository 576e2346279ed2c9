"""Models: wiring, weights, what compile checks, files, and messages."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import keras, nn, train
from neurona.core.errors import ArgumentError, CheckpointError, DataError, NeuronaError, ShapeError
from neurona.keras import layers
from tests.keras.cases import classes, dense, pattern, set_weights
from tests.keras.part_cases import wired


def test_weights_have_keras_layouts_and_order() -> None:
    model = keras.Sequential([layers.Dense(3, input_dim=2), layers.BatchNormalization()])
    assert [w.shape for w in model.get_weights()] == [(2, 3), (3,), (3,), (3,), (3,), (3,)]
    assert model.count_params() == 21
    assert sum(one.size for one in model.trainable_weights) == 15
    kernel = np.arange(6, dtype=np.float32).reshape(2, 3)
    model.layers[0].set_weights([kernel, np.zeros(3)])
    np.testing.assert_array_equal(model.layers[0].get_weights()[0], kernel)
    first = keras.Sequential(model.layers[:1])
    first.build((None, 2))
    np.testing.assert_array_equal(first.predict(np.eye(2)), kernel)


def test_initial_weights_are_glorots() -> None:
    keras.utils.set_random_seed(3)
    kernel, bias = layers.Dense(200, input_dim=100), None
    keras.Sequential([kernel])
    weights, bias = kernel.get_weights()
    limit = np.sqrt(6 / 300)
    assert 0.99 * limit < np.abs(weights).max() < limit
    assert abs(weights.std() - limit / np.sqrt(3)) < 1e-3
    assert not bias.any()


def test_a_layer_used_twice_has_one_set_of_weights() -> None:
    model = wired(keras)
    assert [layer.name for layer in model.layers][:3] == ["left", "right", "dense"]
    assert model.count_params() == 15 + 16 + 8 + 24 * 2 + 2
    assert model.input_shape == [(None, 4), (None, 4)]
    assert model.output_shape == (None, 2)


def test_whole_numbers_and_floats_together() -> None:
    number, vector = keras.Input((2,), dtype="int64"), keras.Input((3,))
    looked_up = layers.Flatten()(layers.Embedding(7, 4)(number))
    model = keras.Model([number, vector], layers.Concatenate()([looked_up, vector]))
    table = pattern((7, 4), 1)
    model.set_weights([table])
    x = np.array([[6, 0], [3, 3], [1, 5]])
    found = model.predict([x, np.ones((3, 3))])
    np.testing.assert_array_equal(found, np.hstack([table[x].reshape(3, 8), np.ones((3, 3))]))
    with pytest.raises(ValueError, match="whole numbers"):
        model.predict([x + 0.5, np.ones((3, 3))])


def test_a_model_without_a_shape_takes_it_from_the_data() -> None:
    model = keras.Sequential([layers.Dense(4, activation="relu"), layers.Dense(1)])
    assert not model.built
    model.compile("sgd", "mse")
    model.fit(np.ones((8, 3)), np.ones(8), verbose=0)
    assert [w.shape for w in model.get_weights()] == [(3, 4), (4,), (4, 1), (1,)]


def test_frozen_layers_stay() -> None:
    model = dense(keras)
    model.layers[0].trainable = False
    before = model.get_weights()
    x, y = classes()
    model.compile("sgd", "categorical_crossentropy")
    model.fit(x, y, verbose=0)
    changed = [bool((a != b).any()) for a, b in zip(before, model.get_weights(), strict=True)]
    assert changed == [False, False, True, True, True, True]
    assert [w.shape for w in model.non_trainable_weights] == [w.shape for w in model.weights[:2]]


def test_train_and_test_on_batch() -> None:
    model, (x, y) = dense(keras), classes()
    model.compile(keras.optimizers.SGD(0.1), "categorical_crossentropy", metrics=["accuracy"])
    first = model.test_on_batch(x, y)
    assert model.train_on_batch(x, y) == first
    again = model.train_on_batch(x, y, return_dict=True)
    assert again["loss"] < first[0]
    assert list(again) == ["loss", "accuracy"]
    np.testing.assert_allclose(model.predict_on_batch(x), model.predict(x), rtol=1e-5)


def test_a_model_on_disk(tmp_path: Path) -> None:
    model = wired(keras)
    set_weights(model)
    rule = keras.optimizers.SGD(lr=0.1, momentum=0.5, decay=1e-3)
    model.compile(rule, "binary_crossentropy", metrics=["accuracy", keras.metrics.Precision()])
    model.save(tmp_path / "model")
    again = keras.models.load_model(tmp_path / "model")
    x, y = [pattern((9, 4), 1), pattern((9, 4), 2)], np.ones((9, 2))
    np.testing.assert_array_equal(model.predict(x), again.predict(x))
    assert again.evaluate(x, y) == model.evaluate(x, y)
    assert again.metrics_names == ["loss", "accuracy", "precision"]
    assert repr(again.optimizer) == repr(rule)
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]

    model.save_weights(tmp_path / "some.safetensors")
    for source in ("some.safetensors", "model"):
        fresh = keras.models.model_from_json(model.to_json())
        assert fresh.predict(x).tolist() != model.predict(x).tolist()
        fresh.load_weights(tmp_path / source)
        np.testing.assert_array_equal(model.predict(x), fresh.predict(x))
    with pytest.raises(CheckpointError, match="dense"):
        dense(keras).load_weights(tmp_path / "some.safetensors")


def test_a_sequential_comes_back_as_one_and_train_reads_it(tmp_path: Path) -> None:
    model = dense(keras)
    model.save(tmp_path)
    again = keras.models.load_model(tmp_path)
    assert isinstance(again, keras.Sequential)
    again.add(layers.Dense(2))
    assert again.output_shape == (None, 2)
    x, _ = classes()
    plain = train.Model.load(tmp_path)
    np.testing.assert_array_equal(plain.predict(x), model.predict(x))
    other = train.Model(nn.Linear(2, 2))
    other.save(tmp_path / "other")
    with pytest.raises(CheckpointError, match="Linear"):
        keras.models.load_model(tmp_path / "other")


@train.register
class Scaled(keras.layers.Layer):
    """A layer of one's own."""

    def __init__(self, start: float = 1.0, **common: Any) -> None:
        super().__init__(**common)
        self.start = start

    def build(self, shape: Any) -> None:
        self.factor = ne.Variable(np.full(shape[1:], self.start, np.float32))

    def forward(self, x: Any) -> Any:
        return self.factor * x


def test_recurrent_layers_are_saved(tmp_path: Path) -> None:
    model = keras.Sequential(
        [
            keras.Input((6,), dtype="int64"),
            layers.Embedding(5, 3),
            layers.Bidirectional(layers.LSTM(4, return_sequences=True, name="inner"), "sum"),
            layers.TimeDistributed(layers.Dense(3)),
            layers.GRU(2, reset_after=False, return_sequences=True),
        ]
    )
    _, h = layers.GRU(3, return_state=True)(model.output)
    model = keras.Model(model.inputs, layers.SimpleRNN(3)(model.output, initial_state=h))
    x = np.arange(12).reshape(2, 6) % 5
    model.save(tmp_path)
    again = keras.models.load_model(tmp_path)
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]
    assert again.layers[2].backward_layer.name == "backward_inner"
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


def test_states_go_on_while_learning_too(tmp_path: Path) -> None:
    """Against steps written out: eager, each from the state that the one before left."""
    x = np.random.default_rng(0).normal(size=(6, 4, 3)).astype(np.float32)
    y = x.mean(axis=(1, 2), keepdims=True)[:, 0]
    model = keras.Sequential([keras.Input((4, 3)), layers.LSTM(3, stateful=True), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.5), "mse")
    lstm, dense = layers.LSTM(3, return_state=True), layers.Dense(1)
    state: Any = [ne.zeros((2, 3))] * 2
    dense(lstm(x[:2])[0])
    for ours, theirs in zip((lstm, dense), model.layers, strict=True):
        ours.set_weights(theirs.get_weights())
    weights = [one for layer in (lstm, dense) for one in layer.parameters()]
    losses = []
    for i in [0, 2, 4] * 2:
        last, *after = lstm(x[i : i + 2], initial_state=state)
        loss = ne.mean((dense(last) - y[i : i + 2]) ** 2)
        state = [part.detach() for part in after]
        for weight, slope in zip(weights, ne.gradients(loss, weights), strict=True):
            weight.assign(weight - 0.5 * slope)
        losses.append(loss.item())
    history = model.fit(x, y, batch_size=2, epochs=2, shuffle=False, verbose=0).history
    expected = np.reshape(losses, (2, 3)).mean(axis=1)
    np.testing.assert_allclose(history["loss"], expected, rtol=1e-5)

    keeper = model.layers[0]
    model.save(tmp_path)
    fresh = keras.models.load_model(tmp_path)  # keeps no state of before
    assert fresh.layers[0].stateful
    on = model.predict(x, batch_size=2, verbose=0)
    assert (on != fresh.predict(x, batch_size=2, verbose=0)).any()
    keeper.reset_states([part.numpy() for part in state])
    np.testing.assert_allclose(model.predict(x, batch_size=2, verbose=0), on, rtol=1e-4)
    keeper.reset_states()
    both = [keeper(x[:2]).numpy() for _ in range(2)]
    assert (both[0] != both[1]).any()
    for batch_size, message in ((4, "no multiple of batch_size=4"), (3, "states of 2 sequences")):
        with pytest.raises(ShapeError, match=message):
            model.predict(x, batch_size=batch_size)
    with pytest.raises(ShapeError, match=r"must be 2 of \(batch, units\) \(1, 3\)"):
        keeper.reset_states([np.zeros((1, 3))])
    with pytest.raises(ArgumentError, match="states are a list of arrays, not 3"):
        keeper.reset_states(3)
    with pytest.raises(ArgumentError, match="batch_size must be a whole number"):
        keras.Input((4, 3), batch_size=0)
    with pytest.raises(ArgumentError, match="it keeps no states"):
        lstm.reset_states()


def test_attention_is_saved_with_what_each_call_was_told(tmp_path: Path) -> None:
    x, attention = keras.Input((5, 4)), layers.MultiHeadAttention(2, 3, dropout=0.5, seed=1)
    y, scores = attention(x, x, use_causal_mask=True, return_attention_scores=True)
    y = attention(y, x)
    model = keras.Model(x, layers.Concatenate()([layers.Flatten()(one) for one in (y, scores)]))
    given = np.random.default_rng(0).normal(size=(3, 5, 4)).astype(np.float32)
    model.save(tmp_path)
    again = keras.models.load_model(tmp_path)
    found = again.predict(given, verbose=0)
    np.testing.assert_array_equal(found, model.predict(given, verbose=0))
    weights = found[:, 20:].reshape(3, 2, 5, 5)
    np.testing.assert_array_equal(weights, np.tril(weights))
    np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-6)
    first, second = [attention(given, given, training=True).numpy() for _ in range(2)]
    assert (first != second).any()


def test_a_layer_of_ones_own_learns_and_is_saved(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((3,)), Scaled(0.5), layers.Dropout(0.0)])
    model.compile(keras.optimizers.SGD(0.1), lambda t, y: ne.mean((t - y) * (t - y), axis=-1))
    model.fit(np.ones((20, 3)), np.full((20, 3), 2.0), epochs=9, verbose=0)
    (factor,) = model.get_weights()
    assert (factor > 0.9).all()
    model.save(tmp_path)
    again = keras.models.load_model(tmp_path)
    assert again.optimizer is None  # its loss is known to this program alone
    np.testing.assert_array_equal(again.predict(np.ones((1, 3)))[0], factor)


def test_called_directly_a_model_is_not_in_training() -> None:
    model = keras.Sequential([layers.Dropout(0.5, input_dim=400, seed=1), layers.Dense(1)])
    x = np.ones((1, 400))
    out = model(x)
    assert out.shape == (1, 1)
    np.testing.assert_allclose(out.numpy(), model.predict(x), rtol=1e-6)
    assert model(x, training=True).item() != out.item()
    assert model(x).item() == out.item()
    kept = layers.Dropout(0.5)(x, training=True).numpy()
    assert set(kept.ravel().tolist()) == {0.0, 2.0}


def test_the_output_of_a_layer_inside() -> None:
    model = keras.Sequential([layers.Dense(4, input_dim=3, name="hidden"), layers.Dense(2)])
    inside = keras.Model(model.input, model.get_layer("hidden").output)
    x = pattern((5, 3), 1)
    kernel, bias = model.layers[0].get_weights()
    np.testing.assert_allclose(inside.predict(x), x @ kernel + bias, rtol=1e-5)
    with pytest.raises(ArgumentError, match="2 times"):
        assert wired(keras).get_layer("dense").output


@pytest.mark.slow
def test_a_run_leaves_its_folder(tmp_path: Path) -> None:
    model, (x, y) = dense(keras), classes()
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=2, validation_split=0.2, verbose=0, run=tmp_path / "run")
    assert "layers.dense.linear.weight" in (tmp_path / "run" / "report.html").read_text("utf-8")
    again = keras.models.load_model(tmp_path / "run")
    assert again.metrics_names == ["loss", "accuracy"]
    assert again.evaluate(x, y)[1] >= 0


def test_a_frozen_model_inside_another_uses_its_statistics() -> None:
    base = keras.Sequential([layers.Dense(4, input_dim=3), layers.BatchNormalization()])
    base.trainable = False
    start = keras.Input((3,))
    model = keras.Model(start, layers.Dense(1)(base(start)))
    model.compile("sgd", "mse")
    before = base.get_weights()
    model.fit(pattern((30, 3), 1), np.ones(30), verbose=0)
    for old, new in zip(before, base.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert sum(one.size for one in model.trainable_weights) == 5


@pytest.mark.parametrize(
    "spoil",
    [
        lambda config: config.pop("calls"),
        lambda config: config.update(output=99),
        lambda config: config["layers"][1].update(class_name="Any"),
        lambda config: config["layers"][1].update(class_name="Sequential"),
        lambda config: config["layers"][1]["config"].update(units="many"),
        lambda config: config["layers"][1]["config"].update(units=1 << 50),
        lambda config: config["layers"][1]["config"].update(activation="os.system"),
        lambda config: config["calls"][0].__setitem__(1, [7]),
    ],
)
def test_spoilt_descriptions_are_refused(spoil: Callable[[Any], Any]) -> None:
    config = json.loads(dense(keras).to_json())
    spoil(config)
    with pytest.raises(ArgumentError):
        keras.models.model_from_json(json.dumps(config))


def test_the_area_of_several_outputs_is_that_of_all_in_one_list() -> None:
    scores = np.abs(pattern((40, 6), 10))
    targets = np.eye(6)[np.argmax(pattern((40, 6), 11) + scores, axis=-1)]
    found = train.measure(keras.metrics.AUC(), scores, targets)
    # keras.metrics.AUC(num_thresholds=20_000) of Keras 3.15
    assert found == pytest.approx(0.68006, abs=1e-4)
    assert found == train.measure(train.ROCAUC(), scores.reshape(-1), targets.reshape(-1))
    assert keras.metrics.get("AUC").name == "AUC"


def test_a_rectifier_is_above_its_threshold_not_at_it() -> None:
    x = np.array([[0.5, 1.0, 1.5]], np.float32)
    found = layers.ReLU(threshold=1.0, negative_slope=0.1)(x).numpy()
    np.testing.assert_allclose(found, [[-0.05, 0.0, 1.5]], rtol=1e-6)  # as Keras 3.15 gives


def test_probabilities_at_their_ends() -> None:
    """Keras's numbers in float32: 1 − 1e-7 is rounded there."""
    target, output = np.float32([[0], [1], [0], [1]]), np.float32([[0], [0], [1], [1]])
    found = keras.losses.binary_crossentropy(target, output)
    np.testing.assert_allclose(found.numpy(), [1e-7, 16.118, 15.942, 1.1921e-7], rtol=1e-4)


def last(units: int, loss: Any, **options: Any) -> Callable[[], Any]:
    return lambda: keras.Sequential([layers.Dense(units, input_dim=3, name="out")]).compile(
        "sgd", loss, **options
    )


def fit(x: Any, y: Any, loss: str = "mse", **options: Any) -> Callable[[], Any]:
    def run() -> Any:
        model = keras.Sequential([layers.Dense(4, input_dim=3, name="out")])
        model.compile("sgd", loss)
        return model.fit(x, y, **options)

    return run


X = np.ones((5, 3))
S = np.ones((2, 5, 3))
WRONG: list[tuple[Callable[[], Any], type[NeuronaError], str]] = [
    (lambda: layers.Attention, ArgumentError, "no Attention; .* are in neurona.nn .*Dense"),
    (
        lambda: layers.LSTM(4)(np.ones((2, 5, 3)), initial_state=[X]),
        ShapeError,
        r"initial_state of shapes \[\(5, 3\)\] must be 2 of \(batch, units\) \(2, 4\)",
    ),
    (lambda: layers.GRU(4, input_dim=3)(X), ShapeError, r"GRU: the input must be .*\(None, 3\)"),
    (lambda: layers.Bidirectional(layers.Dense(3)), ArgumentError, "needs a SimpleRNN, LSTM or G"),
    (lambda: layers.MultiHeadAttention(0, 3), ArgumentError, "num_heads must be a positive whole"),
    (
        lambda: layers.MultiHeadAttention(2, 3)(X, X),
        ShapeError,
        r"query must be \(batch, time, ",
    ),
    (
        lambda: layers.MultiHeadAttention(2, 3)(S, S, attention_mask=np.ones((4, 5)) > 0),
        ShapeError,
        r"attn_mask \(4, 5\) does not broadcast to \(2, 2, 5, 5\)",
    ),
    (
        lambda: layers.MultiHeadAttention(2, 3, sliding_window=2),
        ArgumentError,
        "Keras's argument 'sliding_window' is not there",
    ),
    (lambda: layers.Bidirectional(layers.GRU(3), "max"), ArgumentError, "one of concat, sum"),
    (lambda: layers.TimeDistributed(layers.Dense), ArgumentError, "needs a layer, not type"),
    (lambda: layers.Conv2d, ArgumentError, "no Conv2d; did you mean 'Conv2D'"),
    (lambda: layers.Dense(3, unit=2), ArgumentError, "'unit'; did you mean 'units'"),
    (lambda: layers.Dense(3, kernel_constraint="x"), ArgumentError, "'kernel_constraint' is not"),
    (lambda: layers.Dense(0), ArgumentError, "units must be a positive"),
    (lambda: layers.Dense(3, activation="rely"), ArgumentError, "did you mean 'relu'"),
    (lambda: keras.Sequential([layers.Flatten]), ArgumentError, r"make it, as in Flatten\(\)"),
    (lambda: keras.Sequential().network, ArgumentError, "input_dim"),
    (
        lambda: keras.Sequential([layers.Dense(4, input_dim=3), layers.Reshape((3, 2))]),
        ShapeError,
        r"Reshape 'reshape': a sample of shape \(4,\) .*\(3, 2\)",
    ),
    (
        lambda: keras.Sequential([layers.Dense(4, input_dim=3), layers.Embedding(5, 2), wired]),
        ArgumentError,
        "a layer is needed",
    ),
    (last(1, "categorical_crossentropy"), ShapeError, r"Dense 'out' gives \(None, 1\)"),
    (last(4, "categorical_crossentropi"), ArgumentError, "did you mean"),
    (last(4, "mse", metrics=["acuracy"]), ArgumentError, "did you mean 'accuracy'"),
    (
        last(4, "mse", metrics=["sparse_categorical_accuracy"]),
        ShapeError,
        "takes class numbers",
    ),
    (last(4, None), ArgumentError, "choose a loss"),
    (last(4, "mse", run_eagerly=True), ArgumentError, "'run_eagerly' is not there"),
    (lambda: dense(keras).predict(X, callbacks=[1]), ArgumentError, "'callbacks' is not there"),
    (fit(X, np.ones((5, 2))), ShapeError, r"\(5, 2\) .*\(None, 4\) of Dense 'out'"),
    (fit(X, np.ones(5), "categorical_crossentropy"), ShapeError, "to_categorical"),
    (fit(X, np.eye(5)[:, :4], "sparse_categorical_crossentropy"), ShapeError, "one-hot"),
    (fit(X, [0, 1, 2, 3, 4], "sparse_categorical_crossentropy"), DataError, "sample 4 is 4"),
    (fit(X[:, :2], np.ones((5, 4))), ShapeError, r"takes \(None, 3\), found \(5, 2\)"),
    (fit(X, np.ones((4, 4))), ShapeError, "5"),
    (fit(X * np.nan, np.ones((5, 4))), DataError, "nan"),
    (fit(X, np.ones((5, 4)), steps_per_epoch=2), ArgumentError, "steps_per_epoch"),
    (fit(X, np.ones((5, 4)), epochs=2, initial_epoch=2), ArgumentError, "initial_epoch"),
    (lambda: keras.optimizers.SGD(use_ema=True), ArgumentError, "'use_ema' is not there"),
    (lambda: keras.optimizers.SGD(rate=3), ArgumentError, "no argument 'rate'"),
    (lambda: dense(keras).save("model.keras"), ArgumentError, "does not write Keras's files"),
    (lambda: dense(keras).fit(X, X), ArgumentError, "compile"),
    (lambda: keras.Model(keras.Input((3,)), layers.Flatten()), ArgumentError, "KerasTensor"),
    (
        lambda: keras.Model(keras.Input((3,)), layers.Dense(2)(keras.Input((3,), name="other"))),
        ArgumentError,
        "InputLayer 'other'",
    ),
]


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_mistakes_have_one_clear_message(number: int) -> None:
    attempt, kind, words = WRONG[number]
    with pytest.raises(kind, match=words):
        attempt()


def test_the_summary() -> None:
    shown: list[str] = []
    dense(keras).summary(print_fn=shown.append)
    lines = shown[0].splitlines()
    assert lines[0] == 'Model: "sequential"'
    assert lines[4].split() == ["dense", "(Dense)", "(None,", "64)", "1,344"]
    assert "Total params: 6,154 (24.04 KB)" in lines
