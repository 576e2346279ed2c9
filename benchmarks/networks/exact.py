"""What convolutions and whole networks give in float64, and how far float32 may be from it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from benchmarks.networks.layers import Convolution, Description
from benchmarks.operation import EPSILON, Expected

# Independent roundings add up to a normal distribution: 5 standard deviations, and 2 for what the
# average over a channel hides.
DEVIATIONS = 10


def conv(shape: Convolution, x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The convolution of x (batch, in, rows, columns) with w (out, in, window, window)."""
    matrix = w.reshape(len(w), -1).T
    results = np.stack([_patches(shape, image) @ matrix for image in x])
    return np.ascontiguousarray(results.transpose(0, 2, 1)).reshape(len(x), *shape.result)


def conv_input_gradient(shape: Convolution, g: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The gradient of x, given that of the result, g (batch, out, rows, columns)."""
    _, rows, columns = shape.result
    step, pad = shape.stride, shape.padding
    padded = np.zeros((len(g), shape.inputs, shape.rows + 2 * pad, shape.columns + 2 * pad))
    for i in range(shape.window):
        for j in range(shape.window):
            place = padded[:, :, i : i + step * rows : step, j : j + step * columns : step]
            place += np.einsum("oc,bohw->bchw", w[:, :, i, j], g, optimize=True)
    return padded[:, :, pad : pad + shape.rows, pad : pad + shape.columns]


def conv_weight_gradient(shape: Convolution, x: np.ndarray, g: np.ndarray) -> np.ndarray:
    """The gradient of w, given that of the result, g (batch, out, rows, columns)."""
    total = sum(
        of_result.reshape(shape.outputs, -1) @ _patches(shape, image)
        for image, of_result in zip(x, g, strict=True)
    )
    return np.asarray(total).reshape(shape.weight)


def answer(net: Description, weights: Mapping[str, np.ndarray], x: np.ndarray) -> Expected:
    """The network's result in float64, and what roundings in float32 may lead to.

    Each contraction rounds by ε·Σ|terms|, and passes on the errors of its input as independent
    errors add up: √(Σ w² error²). Both are averaged over the places of a channel, and so over the
    windows of a pooling; the last layer's is multiplied by `DEVIATIONS`.
    """
    exact = {name: value.astype(np.float64) for name, value in weights.items()}
    values = [x.astype(np.float64)]
    errors = [np.zeros(x.shape[1])]  # variance for every channel or feature
    last_use = {place: number for number, layer in enumerate(net.layers) for place in layer.inputs}
    for number, layer in enumerate(net.layers[1:], start=1):
        places = layer.inputs
        value, error = values[places[0]], errors[places[0]]
        if layer.kind in ("conv", "linear"):
            w = exact[f"{layer.name}.weight"]
            b = exact[f"{layer.name}.bias"] if layer.bias else np.zeros(len(w))
            if layer.kind == "conv":
                size = np.abs(value).mean(axis=(0, 2, 3))
                value = conv(net.convolution(layer), value, w) + b[:, None, None]
                flat = w.reshape(*w.shape[:2], -1)
            else:
                spread = np.prod(value.shape[1:], dtype=int) // len(error)
                value = value.reshape(len(value), -1)
                size, error = np.abs(value).mean(axis=0), np.repeat(error, spread)
                value, flat = value @ w.T + b, w[:, :, None]
            terms = np.abs(flat).sum(axis=2) @ size + np.abs(b)
            error = (flat**2).sum(axis=2) @ error + (EPSILON * terms) ** 2
        elif layer.kind == "norm":
            value, error = _norm(exact, layer.name, value, error)
        elif layer.kind == "relu":
            axes = tuple(axis for axis in range(value.ndim) if axis != 1)
            error = error * (value > 0).mean(axis=axes)
            value = np.maximum(value, 0)
        elif layer.kind == "max_pool":
            value = _max_pool(value, layer.window, layer.stride, layer.padding)
        elif layer.kind == "mean":
            error = error / np.prod(value.shape[2:], dtype=int)
            value = value.mean(axis=(2, 3))
        else:  # add
            value, error = value + values[places[1]], error + errors[places[1]]
        values.append(value)
        errors.append(error)
        for place in places:
            if last_use[place] == number:
                values[place] = np.empty(0)
    return Expected(values[-1], DEVIATIONS * np.sqrt(errors[-1]))


def _norm(
    exact: Mapping[str, np.ndarray], name: str, value: np.ndarray, error: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    parts = ("weight", "bias", "running_mean", "running_var")
    weight, bias, mean, variance = (exact[f"{name}.{part}"] for part in parts)
    scale = weight / np.sqrt(variance + 1e-5)
    shift = bias - mean * scale
    size = np.abs(value).mean(axis=(0, 2, 3)) + np.abs(mean)
    error = scale**2 * (error + (EPSILON * size) ** 2) + (EPSILON * bias) ** 2
    return value * scale[:, None, None] + shift[:, None, None], error


def _max_pool(x: np.ndarray, window: int, stride: int, padding: int) -> np.ndarray:
    pads = ((0, 0), (0, 0), (padding, padding), (padding, padding))
    padded = np.pad(x, pads, constant_values=-np.inf)
    windows = sliding_window_view(padded, (window, window), axis=(2, 3))
    return windows[:, :, ::stride, ::stride].max(axis=(4, 5))


def _patches(shape: Convolution, image: np.ndarray) -> np.ndarray:
    """(rows · columns of the result, in · window · window) of one image."""
    pad, step = shape.padding, shape.stride
    padded = np.pad(image, ((0, 0), (pad, pad), (pad, pad)))
    windows = sliding_window_view(padded, (shape.window, shape.window), axis=(1, 2))
    patches = windows[:, ::step, ::step].transpose(1, 2, 0, 3, 4)
    return patches.reshape(-1, shape.inputs * shape.window**2)
