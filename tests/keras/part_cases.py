"""Programs on layers, losses and metrics; see `cases`."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.keras.cases import (
    STEPS,
    Numbers,
    case,
    classes,
    dense,
    learnt,
    numbers,
    pattern,
    set_weights,
)


def outputs(keras: Any, layer: Any, x: Any, start: Any = None) -> list[float]:
    """What a layer gives for some inputs, in evaluation."""
    inside = [keras.Input(x.shape[1:]), layer] if start is None else [start, layer]
    model = keras.Sequential(inside)
    set_weights(model)
    given = [np.asarray(one, float).tolist() for one in model.predict(x, verbose=0)]
    return list(np.ravel(given))


@case
def layer_outputs(keras: Any) -> Numbers:
    layers, x = keras.layers, pattern((3, 4), 5) * 3
    deep = pattern((3, 2, 4), 6) * 3
    found = {
        "dense without bias": outputs(keras, layers.Dense(2, use_bias=False), x),
        "dense on two axes": outputs(keras, layers.Dense(2, "sigmoid"), deep),
        "relu": outputs(keras, layers.ReLU(max_value=2, negative_slope=0.1, threshold=0.5), x),
        "leaky relu": outputs(keras, layers.LeakyReLU(), x),
        "elu": outputs(keras, layers.ELU(0.7), x),
        "prelu": outputs(keras, layers.PReLU(), deep),
        "softmax": outputs(keras, layers.Softmax(), deep),
        "softmax along an axis": outputs(keras, layers.Softmax(axis=1), deep),
        "flatten": outputs(keras, layers.Flatten(), deep),
        "reshape": outputs(keras, layers.Reshape((4, -1)), deep),
        "dropout": outputs(keras, layers.Dropout(0.5), x),
        "noise": outputs(keras, layers.GaussianNoise(0.5), x),
        "layer norm": outputs(keras, layers.LayerNormalization(), deep),
        "layer norm without scale": outputs(keras, layers.LayerNormalization(scale=False), x),
        "batch norm without centre": outputs(keras, layers.BatchNormalization(center=False), x * 0),
        "embedding": outputs(
            keras,
            layers.Embedding(5, 3),
            np.array([[0, 4], [2, 2], [1, 3]]),
            keras.Input((2,), dtype="int64"),
        ),
    }
    names = [
        "elu",
        "exponential",
        "gelu",
        "hard_sigmoid",
        "hard_silu",
        "leaky_relu",
        "linear",
        "log_sigmoid",
        "log_softmax",
        "mish",
        "relu",
        "relu6",
        "selu",
        "sigmoid",
        "silu",
        "softmax",
        "softplus",
        "softsign",
        "swish",
        "tanh",
    ]
    return found | {name: outputs(keras, layers.Activation(name), x) for name in names}


@case
def recurrent_outputs(keras: Any) -> Numbers:
    layers, x = keras.layers, pattern((2, 5, 3), 8) * 2
    inside = layers.Dense(2, activation="tanh")
    backward = layers.LSTM(2, go_backwards=True, return_sequences=True)
    found = {
        "simple": layers.SimpleRNN(4, "relu", return_sequences=True),
        "simple, backwards": layers.SimpleRNN(4, go_backwards=True, return_sequences=True),
        "lstm": layers.LSTM(4, use_bias=False, recurrent_activation="hard_sigmoid"),
        "lstm, all steps": layers.LSTM(4, return_sequences=True, dropout=0.5),
        "gru": layers.GRU(4, return_sequences=True),
        "gru, backwards": layers.GRU(4, go_backwards=True, recurrent_dropout=0.5),
        "gru, resets first": layers.GRU(4, reset_after=False, return_sequences=True),
        "both ways": layers.Bidirectional(layers.GRU(4, return_sequences=True)),
        "both ways, last": layers.Bidirectional(layers.LSTM(4), merge_mode="ave"),
        "two layers": layers.Bidirectional(
            layers.SimpleRNN(2, return_sequences=True), "mul", backward_layer=backward
        ),
        "every step": layers.TimeDistributed(inside),
    }
    return {name: outputs(keras, layer, x) for name, layer in found.items()}


@case
def recurrent_learning(keras: Any) -> Numbers:
    layers = keras.layers
    tokens = np.random.default_rng(0).integers(0, 6, (20, 7))
    model = keras.Sequential(
        [
            keras.Input((7,), dtype="int64"),
            layers.Embedding(6, 3),
            layers.Bidirectional(layers.LSTM(4, return_sequences=True, kernel_regularizer="l2")),
            layers.GRU(3),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    set_weights(model)
    model.compile(optimizer=keras.optimizers.Adam(0.05), loss="binary_crossentropy")
    y = (tokens[:, :1] > 2).astype(np.float32)
    return numbers(model.fit(tokens, y, batch_size=10, epochs=4, shuffle=False, verbose=0))


@case
def recurrent_states(keras: Any) -> Numbers:
    """One sequence is read, another written from the state in which that ended."""
    layers = keras.layers
    source, target = keras.Input((5, 3)), keras.Input((4, 2))
    _, h, c = layers.LSTM(4, return_state=True)(source)
    y, last, _ = layers.LSTM(4, return_sequences=True, return_state=True)(
        target, initial_state=[h, c]
    )
    y = layers.SimpleRNN(4)(y, initial_state=last)
    model = keras.Model([source, target], layers.Dense(2)(y))
    set_weights(model)
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
    x = [pattern((6, 5, 3), 8), pattern((6, 4, 2), 9)]
    return numbers(model.fit(x, pattern((6, 2), 7), epochs=4, shuffle=False, verbose=0))


@case
def recurrent_stateful(keras: Any) -> Numbers:
    """Windows of two sequences side by side; then from the start again."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((4, 3), batch_size=2),
            layers.LSTM(3, stateful=True, return_sequences=True),
            layers.GRU(2, stateful=True, go_backwards=True),
            layers.Dense(1),
        ]
    )
    set_weights(model)
    model.compile(loss="mse")
    x, y = pattern((6, 4, 3), 8) * 2, pattern((6, 1), 7)

    def predicted() -> list[float]:
        return list(np.asarray(model.predict(x, batch_size=2, verbose=0), float).ravel())

    found = {"first": predicted(), "on": predicted()}
    for layer in model.layers[-3:-1]:
        layer.reset_states()
    found["again"] = predicted()
    found["evaluated"] = [float(model.evaluate(x, y, batch_size=2, verbose=0))]
    return found


@case
def attention_outputs(keras: Any) -> Numbers:
    layers = keras.layers
    inputs = [keras.Input(shape) for shape in ((4, 6), (5, 3), (5, 7), (4, 5))]
    q, v, k, seen = inputs
    x = [pattern((2, *one.shape[1:]), number) for number, one in enumerate(inputs)]
    x[3] = np.maximum(np.sign(x[3]), 0).astype(np.float32)
    x[3][..., 1] = 1
    found: Numbers = {}
    for name, options, call in (
        ("self", {}, {"query": q, "value": q, "use_causal_mask": True}),
        ("across", {"value_dim": 4, "use_bias": False}, {"query": q, "value": v}),
        ("of keys", {"output_shape": 2, "dropout": 0.5}, {"query": q, "value": v, "key": k}),
        ("masked", {}, {"query": q, "value": v, "attention_mask": seen}),
        (
            "masked and causal",
            {"dropout": 0.2},
            {"query": q, "value": v, "key": k, "attention_mask": seen, "use_causal_mask": True},
        ),
    ):
        layer = layers.MultiHeadAttention(2, 3, **options)
        y, scores = layer(**call, return_attention_scores=True)
        for part, result in (("", y), (", scores", scores)):
            model = keras.Model(inputs, layers.Concatenate()([layers.Flatten()(result), *[
                layers.Flatten()(one) for one in inputs]]))  # fmt: skip
            set_weights(model)
            given = np.asarray(model.predict(x, verbose=0), float)
            found[name + part] = list(given[:, : -sum(one[0].size for one in x)].ravel())
    return found


@case
def attention_learning(keras: Any) -> Numbers:
    layers = keras.layers
    x = keras.Input((5, 4))
    attention = layers.MultiHeadAttention(
        2, 3, kernel_regularizer=keras.regularizers.L2(0.01), bias_regularizer="l2"
    )
    h = layers.Add()([x, attention(x, x, use_causal_mask=True)])
    h = layers.LayerNormalization()(layers.Add()([h, attention(h, x)]))
    model = keras.Model(x, layers.Dense(1)(layers.Flatten()(h)))
    set_weights(model)
    model.compile(optimizer=keras.optimizers.SGD(0.05), loss="mse")
    given, y = pattern((8, 5, 4), 8), pattern((8, 1), 7)
    return numbers(model.fit(given, y, epochs=5, shuffle=False, verbose=0))


def wired(keras: Any) -> Any:
    """Two inputs, a layer used twice, several ways of merging, a model inside."""
    layers = keras.layers
    a, b = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    shared = layers.Dense(3, activation="tanh")
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(4), layers.LayerNormalization()])
    one, two = inner(shared(a)), inner(shared(b))
    merged = [
        layers.Add()([one, two]),
        layers.Multiply()([a, b]),
        layers.Subtract()([one, b]),
        layers.Average()([a, b, two]),
        layers.Maximum()([a, two]),
        layers.Minimum()([b, one]),
    ]
    out = layers.Dense(2, activation="sigmoid")(layers.Concatenate()(merged))
    return keras.Model([a, b], out)


@case
def functional(keras: Any) -> Numbers:
    model = wired(keras)
    set_weights(model)
    x = [pattern((32, 4), 7), pattern((32, 4), 8)]
    y = np.stack([x[0].sum(1) > 0, x[1].sum(1) > 0], axis=1).astype(np.float32)
    metrics = ["accuracy", keras.metrics.Precision(), keras.metrics.Recall(), "mae"]
    model.compile(keras.optimizers.Adam(0.03), "binary_crossentropy", metrics=metrics)
    history = model.fit(x, y, batch_size=32, epochs=STEPS, verbose=0)
    return numbers(history) | {"shapes": [n for w in model.get_weights() for n in w.shape]}


@case
def loss_values(keras: Any) -> Numbers:
    p = np.abs(pattern((6, 3), 9)) + 0.05
    shares = p / p.sum(axis=-1, keepdims=True)
    t = np.eye(3, dtype=np.float32)[[0, 2, 1, 1, 0, 2]]
    names = [
        "mean_squared_error",
        "mean_absolute_error",
        "mean_absolute_percentage_error",
        "poisson",
        "huber",
        "mean_squared_logarithmic_error",
        "log_cosh",
        "hinge",
        "squared_hinge",
        "categorical_hinge",
        "kl_divergence",
        "cosine_similarity",
        "binary_crossentropy",
        "categorical_crossentropy",
    ]
    losses = keras.losses
    found = {name: losses.get(name)(t, p * 1.1) for name in names}
    found |= {
        "logits": losses.CategoricalCrossentropy(from_logits=True)(t, p),
        "smoothed": losses.CategoricalCrossentropy(label_smoothing=0.1)(t, shares),
        "sparse": losses.SparseCategoricalCrossentropy()(np.array([0, 2, 1, 1, 0, 2]), shares),
        "binary logits": losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.2)(t, p),
        "huber": losses.Huber(delta=0.3)(t, p),
        "sum": losses.MeanSquaredError(reduction="sum")(t, p),
        "weighted": losses.MeanSquaredError()(t, p, sample_weight=p[:, 0]),
    }
    return {name: [float(np.mean(_plain(value)))] for name, value in found.items()}


def _plain(value: Any) -> Any:
    return np.asarray(value.detach() if hasattr(value, "detach") else value)


@case
def metric_values(keras: Any) -> Numbers:
    p = np.abs(pattern((40, 6), 10))
    shares = p / p.sum(axis=-1, keepdims=True)
    labels = np.argmax(pattern((40, 6), 11) + p, axis=-1)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Activation("linear")])
    k = keras.metrics
    found: dict[str, float] = {}
    for loss, y, wanted in (
        ("sparse_categorical_crossentropy", labels, ["acc", k.SparseTopKCategoricalAccuracy(k=3)]),
        (
            "categorical_crossentropy",
            np.eye(6)[labels],
            ["accuracy", "mse", k.TopKCategoricalAccuracy(k=2), k.RootMeanSquaredError()],
        ),
        (
            "binary_crossentropy",
            np.eye(6)[labels],
            [k.BinaryAccuracy(threshold=0.2), k.Precision(thresholds=0.2, name="p"), "mape"],
        ),
    ):
        model.compile("sgd", loss, metrics=wanted)
        values = model.evaluate(shares, y, batch_size=16, return_dict=True, verbose=0)
        found |= {f"{loss} {name}": value for name, value in values.items()}
    return {name: [value] for name, value in found.items()}


@case
def batch_norm(keras: Any) -> Numbers:
    """The moving statistics follow and are used in evaluation."""
    layers, (x, y) = keras.layers, classes(count=3)
    model = keras.Sequential(
        [
            keras.Input((20,)),
            layers.Dense(8, use_bias=False),
            layers.BatchNormalization(momentum=0.8),
            layers.ReLU(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    set_weights(model)
    model.layers[1].set_weights([np.ones(8), np.zeros(8), np.zeros(8), np.ones(8)])
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "categorical_crossentropy")
    history = model.fit(
        x, y, batch_size=len(x), epochs=STEPS, verbose=0, validation_data=(x[:20] * 2, y[:20])
    )
    _, beta, mean, variance = model.layers[1].get_weights()
    return numbers(history) | {
        name: [float(one) for one in array]
        for name, array in (("beta", beta), ("mean", mean), ("variance", variance))
    }


@case
def regularised(keras: Any) -> Numbers:
    penalty = keras.regularizers.L1L2(l1=0.001, l2=0.01)
    model = dense(keras, kernel_regularizer=penalty, bias_regularizer="l2")
    return learnt(keras, model, keras.optimizers.SGD(0.1))
