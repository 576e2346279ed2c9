"""Activation maps: what the convolutions and pooling layers make of a few pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurona.core.tensor import Tensor
from neurona.core.trace import no_grad
from neurona.nn.module import Module
from neurona.train.analysis.layers import observing
from neurona.train.analysis.material import (
    LeftOut,
    Material,
    as_pictures,
    picture_layout,
    to_bytes,
)

SAMPLES = 3
LAYERS = 8
CHANNELS = 8
SIDE = 32
"""Larger maps are made smaller by taking means."""

Found = dict[str, Any]
Arrays = dict[str, NDArray[Any]]


def activation_maps(material: Material) -> tuple[Found, Arrays]:
    """The maps of a few samples, layer by layer. Raises `LeftOut` where no layer makes any.

    Of layers in a row whose maps have the same shape the last is shown, so that of convolution,
    normalisation and activation it is the activation; of the channels those that vary most.
    """
    layout = picture_layout(material.raw.shape[1:])
    if layout is None:
        raise LeftOut("the samples are no pictures")
    chosen = _samples(material)
    stages = _stages(material.network, material.inputs[chosen])
    if not stages:
        raise LeftOut("no layer makes maps (channel, row, column)")
    if len(stages) > LAYERS:
        kept = np.linspace(0, len(stages) - 1, LAYERS).round().astype(int)
        stages = [stages[place] for place in kept]
    layers: list[Found] = []
    arrays: Arrays = {}
    for number, (path, kind, values) in enumerate(stages):
        channels = _liveliest(values)
        layers.append(
            {
                "path": path,
                "kind": kind,
                "shape": list(values.shape[1:]),
                "channels": channels.tolist(),
            }
        )
        arrays[f"maps.{number}"] = _levels(_smaller(values[:, channels]))
    raw = material.raw
    low, high = min(float(raw.min()), 0.0), float(raw.max())
    arrays["maps"] = to_bytes(as_pictures(raw[chosen], layout), low, high)
    samples = [int(material.samples.indices[i]) for i in chosen]
    return {"samples": samples, "layers": layers}, arrays


def _samples(material: Material) -> list[int]:
    """The first samples of different classes, as far as there are classes."""
    targets, count = material.samples.targets, min(SAMPLES, len(material.inputs))
    if targets.ndim == 1 and targets.dtype.kind in "iu":
        first = np.sort(np.unique(targets, return_index=True)[1])[:count]
        if len(first) == count:
            return [int(place) for place in first]
    return list(range(count))


def _stages(network: Module, inputs: NDArray[Any]) -> list[tuple[str, str, NDArray[Any]]]:
    """Path, kind and maps of the last of the layers in a row that give maps of one shape."""
    stages: list[tuple[str, str, NDArray[Any]]] = []

    def observe(module: Module, path: str, _: tuple[Any, ...], output: Any) -> None:
        if next(module.children(), None) is not None:
            return
        if not isinstance(output, Tensor) or output.ndim != 4 or output.dtype.kind != "f":
            return
        if stages and stages[-1][2].shape == output.shape:
            stages.pop()
        stages.append((path, type(module).__name__, output.numpy()))

    with observing(observe), no_grad():
        network(inputs)
    # Maps of a single place are a vector, and no picture.
    return [stage for stage in stages if min(stage[2].shape[2:]) > 1]


def _liveliest(values: NDArray[Any]) -> NDArray[np.intp]:
    """The channels that vary most over all samples and places, in their own order."""
    spread = np.nan_to_num(values.astype(np.float64)).std(axis=(0, 2, 3))
    order: NDArray[np.intp] = np.sort(np.argsort(-spread, kind="stable")[:CHANNELS])
    return order


def _smaller(values: NDArray[Any]) -> NDArray[np.float64]:
    """Maps with no side above `SIDE`: means of squares of places."""
    values = np.nan_to_num(values.astype(np.float64))
    step = -(-max(values.shape[2:]) // SIDE)
    rows, columns = (max(extent // step, 1) * step for extent in values.shape[2:])
    if step == 1 or rows > values.shape[2] or columns > values.shape[3]:
        return values
    shape = (*values.shape[:2], rows // step, step, columns // step, step)
    small: NDArray[np.float64] = values[:, :, :rows, :columns].reshape(shape).mean(axis=(3, 5))
    return small


def _levels(values: NDArray[np.float64]) -> NDArray[np.int8]:
    """Each channel from −127 to 127, its largest value of all samples at one of them."""
    largest = np.abs(values).max(axis=(0, 2, 3), keepdims=True)
    shares = values / np.where(largest > 0, largest, 1.0)
    levels: NDArray[np.int8] = (127 * shares).round().astype(np.int8)
    return levels
