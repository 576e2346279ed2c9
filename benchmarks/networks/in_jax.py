"""The networks in JAX, their pictures in either layout."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from benchmarks.networks.layers import Description

MOMENTUM = 0.1  # of the running statistics, PyTorch's sense
EPSILON = 1e-5
Arrays = Mapping[str, jax.Array]


def forward(
    net: Description, parameters: Arrays, buffers: Arrays, x: jax.Array, layout: str
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """The result in training mode and the new running statistics; `x` is (batch, channels, …).

    `layout` is "NCHW" or "NHWC", the order of axes inside.
    """
    last = layout == "NHWC"
    values = [x.transpose(0, 2, 3, 1) if last else x]
    statistics: dict[str, jax.Array] = {}
    for layer in net.layers[1:]:
        x = values[layer.inputs[0]]
        if layer.kind == "conv":
            x = jax.lax.conv_general_dilated(
                x,
                parameters[f"{layer.name}.weight"],
                (layer.stride, layer.stride),
                [(layer.padding, layer.padding)] * 2,
                dimension_numbers=(layout, "OIHW", layout),
            )
            if layer.bias:
                x = x + _channels(parameters[f"{layer.name}.bias"], last)
        elif layer.kind == "norm":
            x, new = _norm(parameters, buffers, layer.name, x, last)
            statistics |= new
        elif layer.kind == "relu":
            x = jax.nn.relu(x)
        elif layer.kind == "max_pool":
            size = (layer.window, layer.window)
            steps, pad = (layer.stride, layer.stride), (layer.padding, layer.padding)
            window, stride = ((1, *s, 1) if last else (1, 1, *s) for s in (size, steps))
            none = (0, 0)
            pads = (none, pad, pad, none) if last else (none, none, pad, pad)
            x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, stride, pads)
        elif layer.kind == "mean":
            x = jnp.mean(x, axis=(1, 2) if last else (2, 3))
        elif layer.kind == "linear":
            if x.ndim == 4:
                x = (x.transpose(0, 3, 1, 2) if last else x).reshape(len(x), -1)
            x = x @ parameters[f"{layer.name}.weight"].T + parameters[f"{layer.name}.bias"]
        else:  # add
            x = x + values[layer.inputs[1]]
        values.append(x)
    return values[-1], statistics


def _channels(value: jax.Array, last: bool) -> jax.Array:
    return value if last else value[:, None, None]


def _norm(
    parameters: Arrays, buffers: Arrays, name: str, x: jax.Array, last: bool
) -> tuple[jax.Array, dict[str, jax.Array]]:
    axes = (0, 1, 2) if last else (0, 2, 3)
    mean, variance = jnp.mean(x, axis=axes), jnp.var(x, axis=axes)
    count = x.size // mean.size
    statistics = {}
    for part, new in (("mean", mean), ("var", variance * (count / (count - 1)))):
        old = buffers[f"{name}.running_{part}"]
        statistics[f"{name}.running_{part}"] = old + MOMENTUM * (new - old)
    scale = parameters[f"{name}.weight"] * jax.lax.rsqrt(variance + EPSILON)
    shift = parameters[f"{name}.bias"] - mean * scale
    return x * _channels(scale, last) + _channels(shift, last), statistics
