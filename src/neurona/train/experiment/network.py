"""The network of a configuration: what follows from the data and the layers before is filled in."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from neurona import nn
from neurona.core.dtypes import DType
from neurona.core.errors import ArgumentError, DTypeError, ShapeError
from neurona.core.op import Shape, Spec
from neurona.core.tensor import Tensor
from neurona.core.trace import recording, set_grad_enabled
from neurona.nn.module import Module
from neurona.train.architecture import LAYER, MODULES, build, draw, look_up, required
from neurona.train.experiment.initial import initialise
from neurona.train.experiment.kinds import named_network, takes_tokens
from neurona.train.experiment.schema import NetworkConfig

FOLLOWS = {
    "in_features": -1,
    "normalized_shape": -1,
    "in_channels": 1,
    "num_channels": 1,
    "num_features": 1,
}
"""Arguments that are the extent of the layer's input along an axis, the batch being axis 0."""
OUT = "out_features"

Layers = list[dict[str, Any]]


def check_layers(layers: Sequence[Any], place: str) -> None:
    """Raise `ArgumentError`, with the place, for unknown layers and arguments and missing ones."""
    last = _last(layers)
    for number, layer in enumerate(layers):
        _check(layer, f"{place}[{number}]", number == last)


def _check(layer: Any, place: str, last: bool) -> None:
    cls, given = look_up(layer, place)
    if issubclass(cls, nn.Sequential):
        inside = _numbered(given[MODULES])
        end = _last(list(inside.values())) if last else None
        for number, (name, one) in enumerate(inside.items()):
            _check(one, f"{place}.{MODULES}{name}", number == end)
        return
    for name, value in given.items():
        if isinstance(value, Mapping):
            _check(value, f"{place}.{name}", False)
    follows = {*FOLLOWS, OUT} if last else {*FOLLOWS}
    missing = [name for name in required(cls) if name not in given and name not in follows]
    if missing:
        raise ArgumentError(f"{place}: {cls.__name__} needs {', '.join(missing)}")


def _numbered(modules: Any) -> dict[str, Any]:
    """The layers inside a Sequential by how messages call them."""
    if isinstance(modules, Mapping):
        return {f".{name}": one for name, one in modules.items()}
    return {f"[{number}]": one for number, one in enumerate(modules)}


def _last(layers: Sequence[Any]) -> int | None:
    """The number of the last layer that chooses how many outputs there are."""
    for number, layer in reversed(list(enumerate(layers))):
        if isinstance(layer, Mapping) and isinstance(layer.get(LAYER), str):
            try:
                cls, given = look_up(layer, "network")
            except ArgumentError:  # told, with its place, when the layer is checked
                continue
            if issubclass(cls, nn.Sequential):
                if _last(list(_numbered(given[MODULES]).values())) is not None:
                    return number
            elif OUT in inspect.signature(cls).parameters:
                return number
    return None


def complete(layers: Sequence[Any], inputs: Spec, outputs: int, place: str) -> tuple[Layers, Spec]:
    """Descriptions of layers with all that follows from their inputs filled in, and the output.

    inputs: shape (batch, …) and dtype of what the first layer gets. outputs: how many the last
    layer that can choose has. Raises `ArgumentError` with the place for a layer that does not fit.

    >>> import numpy as np
    >>> layers = [{"layer": "Linear", "out_features": 8}, {"layer": "ReLU"}, {"layer": "Linear"}]
    >>> whole, output = complete(layers, Spec((2, 4), np.dtype(np.float32)), 3, "layers")
    >>> [layer.get("in_features") for layer in whole]
    [4, None, 8]
    >>> output.shape
    (2, 3)
    """
    spec, last, done = inputs, _last(layers), []
    for number, layer in enumerate(layers):
        known = outputs if number == last else None
        one, spec = _complete(layer, spec, known, f"{place}[{number}]")
        done.append(one)
    return done, spec


def _complete(
    layer: Any, inputs: Spec, outputs: int | None, place: str
) -> tuple[dict[str, Any], Spec]:
    """A layer's whole description, and what comes out of it."""
    cls, given = look_up(layer, place)
    if issubclass(cls, nn.Sequential):
        return _complete_inside(layer, given[MODULES], inputs, outputs, place)
    whole = dict(layer)
    for name, value in given.items():
        if isinstance(value, Mapping):
            whole[name], _ = _complete(value, inputs, None, f"{place}.{name}")
    for name in required(cls):
        if name in FOLLOWS and name not in given:
            whole[name] = _extent(cls, name, inputs.shape, place)
        elif name == OUT and name not in given and outputs is not None:
            whole[name] = outputs
    with nn.init.skip():
        layer = build(whole, place)
    return whole, _output(layer, inputs, place)


def _complete_inside(
    layer: Mapping[str, Any], modules: Any, spec: Spec, outputs: int | None, place: str
) -> tuple[dict[str, Any], Spec]:
    inside, done = _numbered(modules), []
    last = _last(list(inside.values())) if outputs is not None else None
    for number, (name, one) in enumerate(inside.items()):
        known = outputs if number == last else None
        whole, spec = _complete(one, spec, known, f"{place}.{MODULES}{name}")
        done.append(whole)
    named = isinstance(modules, Mapping)
    return {**layer, MODULES: dict(zip(modules, done, strict=True)) if named else done}, spec


def _extent(cls: type[Module], name: str, shape: Shape, place: str) -> int:
    axis = FOLLOWS[name]
    if len(shape) < 2:
        raise ArgumentError(
            f"{place}: {cls.__name__} needs {name}; it does not follow from an input of shape "
            f"{_shown(shape)}"
        )
    return shape[axis]


def _output(layer: Module, inputs: Spec, place: str) -> Spec:
    try:
        with recording() as trace, set_grad_enabled(False):
            output = layer(Tensor(trace.input(inputs)))
    except (ShapeError, DTypeError, ArgumentError) as error:
        raise ArgumentError(f"{place}: {error}") from None
    if not isinstance(output, Tensor):
        raise ArgumentError(f"{place}: {type(layer).__name__} does not give one tensor")
    return Spec(output.shape, output.dtype)


def _shown(shape: Shape) -> str:
    """A shape with a batch axis, as messages show it.

    >>> _shown((2, 28, 28))
    '(batch, 28, 28)'
    """
    return f"({', '.join(['batch', *map(str, shape[1:])])})"


def make_network(config: NetworkConfig, inputs: Shape, dtype: DType, outputs: int) -> Module:
    """The network for samples of a shape and dtype, with the configured initial values.

    Parameters come from the default generator. Raises `ArgumentError` with the place, also when
    the output has not the form (batch, outputs).
    """
    spec = Spec((2, *inputs), dtype)
    if config.kind is not None:
        return _named(config, spec, outputs)
    layers, output = complete(config.layers, spec, outputs, "network.layers")
    if len(output.shape) != 2:
        hint = "; a Flatten layer in front makes one axis of them" if len(inputs) > 1 else ""
        raise ArgumentError(
            f"network.layers: the output is {_shown(output.shape)} for inputs "
            f"{_shown(spec.shape)}, (batch, {outputs}) is needed{hint}"
        )
    network = draw({LAYER: "Sequential", MODULES: layers}, "network")
    _initialise(network, config)
    return network


def _named(config: NetworkConfig, spec: Spec, outputs: int) -> Module:
    """The network that a configuration names."""
    place, kind = "network.kind", config.kind or ""
    tokens = takes_tokens(kind)
    if tokens and (len(spec.shape) != 2 or spec.dtype.kind not in "iu"):
        raise ArgumentError(
            f"{place}: tokens (batch, time) of a text are needed, as data.text gives them; the "
            f"inputs are {spec.dtype} {_shown(spec.shape)}"
        )
    if not tokens and len(spec.shape) != 4:
        raise ArgumentError(
            f"{place}: pictures (batch, channel, row, column) are needed, the inputs are "
            f"{_shown(spec.shape)}"
        )
    network = named_network(kind, spec.shape[1:], outputs, place)
    output = _output(network, spec, place)
    wanted = (*spec.shape, outputs) if tokens else (spec.shape[0], outputs)
    if output.shape != wanted:
        raise ArgumentError(
            f"{place}: the output is {_shown(output.shape)}, {_shown(wanted)} is needed"
        )
    _initialise(network, config)
    return network


def _initialise(network: Module, config: NetworkConfig) -> None:
    parameters = list(network.parameters())
    initialise([p for p in parameters if p.ndim > 1], config.weights, "network.weights")
    initialise([p for p in parameters if p.ndim == 1], config.biases, "network.biases")
