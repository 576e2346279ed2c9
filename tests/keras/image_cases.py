"""Programs on layers for series, images and volumes; see `cases`."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.keras.cases import Numbers, case, numbers, pattern, set_weights
from tests.keras.part_cases import outputs

STEPS = 20


@case
def windows(keras: Any) -> Numbers:
    layers = keras.layers
    row, image, volume = (pattern((1, *(4, 5, 3)[:n], 2), 20 + n) for n in (1, 2, 3))
    found = {
        "conv 1": layers.Conv1D(3, 2, padding="causal", dilation_rate=2),
        "conv 2": layers.Conv2D(2, (3, 2), strides=(2, 1), padding="same", activation="relu"),
        "conv 2, groups": layers.Conv2D(4, 2, groups=2, use_bias=False),
        "conv 3": layers.Conv3D(2, 2, strides=2, padding="same"),
        "transposed 1": layers.Conv1DTranspose(3, 3, strides=2, padding="same"),
        "transposed 2": layers.Conv2DTranspose(1, (4, 2), strides=(2, 3), padding="valid"),
        "transposed 2, more": layers.Conv2DTranspose(
            1, 4, strides=2, padding="same", output_padding=(0, 1)
        ),
        "depthwise 1": layers.DepthwiseConv1D(3, strides=2),
        "depthwise 2": layers.DepthwiseConv2D(2, depth_multiplier=2, padding="same"),
        "separable 1": layers.SeparableConv1D(3, 2),
        "separable 2": layers.SeparableConv2D(3, 2, depth_multiplier=2, strides=2, padding="same"),
        "maximum 1": layers.MaxPooling1D(2, padding="same"),
        "maximum 2": layers.MaxPooling2D((2, 3), strides=2, padding="same"),
        "maximum 3": layers.MaxPooling3D(),
        "mean 1": layers.AveragePooling1D(3, strides=1),
        "mean 2": layers.AveragePooling2D((2, 3), strides=1),
        "mean 3": layers.AveragePooling3D(2),
        "maximum of all 1": layers.GlobalMaxPooling1D(),
        "maximum of all 2": layers.GlobalMaxPooling2D(keepdims=True),
        "maximum of all 3": layers.GlobalMaxPooling3D(),
        "mean of all 1": layers.GlobalAveragePooling1D(),
        "mean of all 2": layers.GlobalAveragePooling2D(),
        "mean of all 3": layers.GlobalAveragePooling3D(keepdims=True),
        "larger 1": layers.UpSampling1D(3),
        "larger 2": layers.UpSampling2D((1, 2)),
        "larger 2, bilinear": layers.UpSampling2D(2, interpolation="bilinear"),
        "larger 3": layers.UpSampling3D(),
        "zeros 1": layers.ZeroPadding1D((2, 0)),
        "zeros 2": layers.ZeroPadding2D((1, 2)),
        "zeros 3": layers.ZeroPadding3D(((0, 1), (1, 0), (2, 1))),
        "cropped 1": layers.Cropping1D(),
        "cropped 2": layers.Cropping2D(((1, 0), (0, 2))),
        "cropped 3": layers.Cropping3D((1, 1, 1)),
    }
    inputs = {"1": row, "2": image, "3": volume}
    return {
        name: outputs(keras, layer, inputs[name.split(",")[0][-1]]) for name, layer in found.items()
    }


def learnt(keras: Any, layers: list[Any], y: Any, loss: str) -> Numbers:
    """A step an epoch on all of 16 images of 8 × 8 × 2."""
    model = keras.Sequential([keras.Input((8, 8, 2)), *layers])
    set_weights(model)
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), loss)
    history = model.fit(pattern((16, 8, 8, 2), 30), y, batch_size=16, epochs=STEPS, verbose=0)
    shapes = [float(n) for weight in model.get_weights() for n in weight.shape]
    return numbers(history) | {"shapes": shapes}


@case
def convolutional_network(keras: Any) -> Numbers:
    layers = keras.layers
    y = np.eye(3, dtype=np.float32)[np.arange(16) % 3]
    parts = [
        layers.Conv2D(4, 3, padding="same", activation="relu", kernel_regularizer="l2"),
        layers.BatchNormalization(),
        layers.MaxPooling2D(),
        layers.SeparableConv2D(6, 3, padding="same", activation="tanh"),
        layers.AveragePooling2D(2),
        layers.Flatten(),
        layers.Dense(3, activation="softmax"),
    ]
    return learnt(keras, parts, y, "categorical_crossentropy")


@case
def image_to_image(keras: Any) -> Numbers:
    layers = keras.layers
    parts = [
        layers.Conv2D(4, 3, strides=2, padding="same", activation="elu"),
        layers.DepthwiseConv2D(3, padding="same"),
        layers.Conv2DTranspose(3, 3, strides=2, padding="same", activation="tanh"),
        layers.UpSampling2D(),
        layers.MaxPooling2D(3, strides=2, padding="same"),
        layers.ZeroPadding2D(1),
        layers.Conv2D(2, 3),
    ]
    return learnt(keras, parts, pattern((16, 8, 8, 2), 31) / 2, "mse")
