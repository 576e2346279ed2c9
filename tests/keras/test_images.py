"""Layers for images: configurations, formats, errors, learning."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import data, keras
from neurona.core.errors import ArgumentError, NeuronaError, ShapeError
from neurona.keras import layers
from neurona.keras.layers.spatial import Spatial
from tests.keras.cases import pattern

SIZES = (6, 5, 7)
KINDS = [
    member
    for _, member in inspect.getmembers(layers, inspect.isclass)
    if issubclass(member, Spatial)
]


def made(kind: Any, **options: Any) -> Any:
    """A layer with what it needs at least."""
    needed = [
        one
        for one in inspect.signature(kind).parameters.values()
        if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD
    ]
    return kind(*[2] * len(needed), **options)


@pytest.mark.parametrize("kind", KINDS)
def test_a_configuration_makes_the_same_layer(kind: Any) -> None:
    x = pattern((2, *SIZES[: kind.RANK], 2), 1)
    layer = made(kind, name="it")
    again = kind.from_config(layer.get_config())
    y = layer(x)
    again(x)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(x).numpy(), y.numpy())
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize("kind", [k for k in KINDS if k is not layers.UpSampling1D])
def test_channels_may_stand_first(kind: Any) -> None:
    x = pattern((2, *SIZES[: kind.RANK], 2), 1)
    last, first = made(kind), made(kind, data_format="channels_first")
    y, turned = last(x), first(np.moveaxis(x, -1, 1))
    if last.get_weights():
        first.set_weights(last.get_weights())
        turned = first(np.moveaxis(x, -1, 1))
    np.testing.assert_allclose(np.moveaxis(turned.numpy(), 1, -1), y.numpy(), atol=1e-6)


def test_a_network_learns_digits_and_is_saved(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    digits = data.digits()
    x, y = digits.inputs[..., None] / np.float32(16), digits.targets
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, batch_size=60, epochs=5, validation_split=0.2, verbose=0)
    assert history.history["val_accuracy"][-1] > 0.75
    model.save(tmp_path / "model")
    again = keras.models.load_model(tmp_path / "model")
    np.testing.assert_allclose(
        again.predict(x[:5], verbose=0), model.predict(x[:5], verbose=0), rtol=1e-6
    )


def test_a_compiled_network_exchanges_no_axes() -> None:
    """Keras's order of axes is the one that is computed in, from the data to the last layer."""
    model = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.Conv2D(20, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Conv2DTranspose(20, 2, strides=2),
            layers.GlobalAveragePooling2D(),
        ]
    )
    network = model.network.train()

    @ne.compile
    def gradients(x: Any) -> Any:
        ne.sum(network(x)).backward()
        return [p.grad for p in network.parameters()]

    graph = str(gradients.explain(pattern((4, 6, 6, 2), 1)).graph)
    assert "conv_weight_gradient" in graph
    moved = [line for line in graph.splitlines() if "permute_dims" in line]
    assert not [line for line in moved if "[4, " in line], moved


WRONG: list[tuple[Any, type[NeuronaError], str]] = [
    (
        lambda: layers.Conv2D(4, 5)(keras.Input((28, 3, 1))),
        ShapeError,
        r"^Conv2D: weight \(4, 1, 5, 5\) does .*⌊\(3 \+ 0 \+ 0 − 1·\(5 − 1\) − 1\)/1⌋ \+ 1 = -1",
    ),
    (
        lambda: layers.Conv2D(4, 5)(keras.Input((28, 28))),
        ShapeError,
        r"Conv2D: the input must be \(batch, height, width, channels\), not \(None, 28, 28\)",
    ),
    (
        lambda: layers.Conv1D(4, 5, groups=3)(keras.Input((28, 2))),
        ArgumentError,
        "groups 3 must divide the 2 channels",
    ),
    (lambda: layers.Conv2D(4, 5, padding="causal"), ArgumentError, "one of 'valid', 'same', not"),
    (lambda: layers.Conv2D(4, (5, 5, 5)), ArgumentError, "kernel_size must be a whole number"),
    (lambda: layers.Conv2D(4, 5, data_format="NCHW"), ArgumentError, "data_format is one of"),
    (
        lambda: layers.Conv2DTranspose(4, 5, strides=2, output_padding=2),
        ArgumentError,
        "output_padding 2 must be less than strides",
    ),
    (
        lambda: layers.MaxPooling2D(9)(np.ones((1, 8, 8, 1), np.float32)),
        ShapeError,
        r"pool_size \(9, 9\) does not fit into x \(1, 8, 8, 1\).*⌊\(8 − 9\)/9⌋ \+ 1 < 1",
    ),
    (
        lambda: layers.Cropping1D(4)(np.ones((1, 8, 1), np.float32)),
        ShapeError,
        "leaves nothing of axis 1",
    ),
    (lambda: layers.ZeroPadding2D((1, 2, 3)), ArgumentError, "padding is a whole number, or one"),
    (
        lambda: layers.UpSampling2D(interpolation="cubic"),
        ArgumentError,
        "interpolation is one of 'nearest', 'bilinear'",
    ),
]


@pytest.mark.parametrize(("wrong", "error", "message"), WRONG)
def test_what_does_not_fit_is_said(wrong: Any, error: type[NeuronaError], message: str) -> None:
    with pytest.raises(error, match=message):
        wrong()
