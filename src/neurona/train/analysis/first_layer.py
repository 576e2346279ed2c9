"""The weights of the first layer: as pictures, or by the features of a table."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurona.nn.module import Module
from neurona.train.analysis.layers import Layer
from neurona.train.analysis.material import LeftOut, Material, as_pictures, picture_layout

UNITS = 32
"""So many units are shown, those of the largest weights."""
FEATURES = 20

Found = dict[str, Any]
Arrays = dict[str, NDArray[Any]]


def first_weights(material: Material, layers: list[Layer]) -> tuple[Found, Arrays]:
    """The weights that meet the input first. Raises `LeftOut` where they say nothing to the eye."""
    modules = dict(material.network.named_modules())
    for layer in layers:
        weight = getattr(modules[layer.path], "weight", None)
        if weight is None or weight.ndim < 2:
            continue
        values = weight.numpy().astype(np.float64)
        name = f"{layer.path}.weight" if layer.path else "weight"
        if not np.isfinite(values).all():
            raise LeftOut(f"{name} holds values that are not finite")
        return _shown(material, layer.kind, modules[layer.path], name, values)
    raise LeftOut("no layer has a matrix of weights")


def _shown(
    material: Material, kind: str, module: Module, name: str, values: NDArray[Any]
) -> tuple[Found, Arrays]:
    head: Found = {"name": name, "kind": kind, "shape": list(values.shape)}
    if kind == "Embedding":
        raise LeftOut(f"{name} holds a vector for each word, no picture")
    if kind.startswith("Conv") and values.ndim == 4:
        # A filter sees all channels: in colour if there are three, else their mean.
        filters = np.moveaxis(values, 1, -1)
        pictures = filters if filters.shape[-1] == 3 else filters.mean(axis=-1)
        return _pictures(head, values, pictures)
    if kind != "Linear" or values.ndim != 2:
        raise LeftOut(f"{name} of a {kind} is no picture of the input")
    shape = material.inputs.shape[1:]
    layout = picture_layout(shape)
    if layout is not None and math.prod(shape) == values.shape[1]:
        pictures = as_pictures(values.reshape(len(values), *shape), layout)
        return _pictures(head, values, pictures)
    if len(shape) == 1 and shape[0] == values.shape[1]:
        return head | _features(material, values), {}
    raise LeftOut(f"{name} does not see the input itself")


def _pictures(head: Found, values: NDArray[Any], pictures: NDArray[Any]) -> tuple[Found, Arrays]:
    norms = np.linalg.norm(values.reshape(len(values), -1), axis=1)
    units = np.argsort(-norms, kind="stable")[:UNITS]
    found = head | {"show": "pictures", "units": units.tolist(), "of": len(values)}
    return found, {"first_layer": pictures[units].astype(np.float32)}


def _features(material: Material, values: NDArray[Any]) -> Found:
    norms = np.linalg.norm(values, axis=0)
    effects = norms * material.inputs.std(axis=0, dtype=np.float64)
    largest = np.argsort(-effects, kind="stable")[:FEATURES]
    names = material.names or tuple(f"feature {i}" for i in range(values.shape[1]))
    rows = [[names[i], float(norms[i]), float(effects[i])] for i in largest]
    return {"show": "features", "features": rows, "of": values.shape[1]}
