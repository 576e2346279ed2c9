"""Networks that a configuration names, with what follows from the data filled in."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from neurona.core.errors import ArgumentError, choices
from neurona.core.op import Shape
from neurona.nn.module import Module
from neurona.train.architecture import LAYER, MODULES, draw, look_up, parameters_of


def known_networks() -> Mapping[str, tuple[type[Module], dict[str, Any]]]:
    """The networks by name: a class, and the options that the name stands for."""
    # The networks stand above this layer of the code.
    networks: Mapping[str, Any] = importlib.import_module("neurona.models").NETWORKS
    return networks


def named_class(kind: str | dict[str, Any], place: str) -> tuple[type[Module], dict[str, Any]]:
    """The class of a named network and its options.

    Raises `ArgumentError`, with the place, for unknown names and options, with the nearest ones.
    """
    name, given = name_and_options(kind, place)
    networks = known_networks()
    if name not in networks:
        raise ArgumentError(f"{place}: unknown name {name!r}{choices(name, networks)}")
    cls, fixed = networks[name]
    known = [option for option in parameters_of(cls) if option not in fixed]
    for option in given:
        if option not in known:
            raise ArgumentError(f"{place}: {name} has no option {option!r}{choices(option, known)}")
    return cls, {**fixed, **given}


def named_network(kind: str | dict[str, Any], inputs: Shape, outputs: int, place: str) -> Module:
    """A network by name for samples (channel, row, column) or (time,), its parameters drawn.

    Raises `ArgumentError`, with the place, for unknown names and options and for refused values.
    """
    cls, options = named_class(kind, place)
    follows = {"num_classes": outputs, "in_channels": inputs[0]}
    follows |= {"vocabulary_size": outputs, "context": inputs[0]}
    if len(inputs) == 3 and inputs[1] == inputs[2]:
        follows["image_size"] = inputs[1]
    known = parameters_of(cls)
    wanted = {name: value for name, value in follows.items() if name in known}
    return draw({LAYER: cls.__name__, **wanted, **options}, place)


def takes_tokens(kind: str | dict[str, Any]) -> bool:
    """Whether a network by name is a language model, from tokens (batch, time) to scores."""
    return "vocabulary_size" in parameters_of(named_class(kind, "network.kind")[0])


def takes_pictures(kind: str | dict[str, Any] | None, layers: Sequence[Any]) -> bool:
    """Whether a network wants (channel, row, column): one by name, or one with a layer for such.

    >>> takes_pictures(None, [{"layer": "Conv2d"}, {"layer": "Flatten"}])
    True
    >>> takes_pictures(None, [{"layer": "Flatten"}, {"layer": "Linear"}])
    False
    """
    if kind is not None:
        return not takes_tokens(kind)
    for layer in layers:
        cls, given = look_up(layer, "network.layers")
        if cls.__name__.endswith("2d") or "in_channels" in parameters_of(cls):
            return True
        modules = given.get(MODULES, [])
        inside = list(modules.values()) if isinstance(modules, Mapping) else list(modules)
        inside += [
            value for value in given.values() if isinstance(value, Mapping) and LAYER in value
        ]
        if takes_pictures(None, inside):
            return True
    return False


def name_and_options(value: str | dict[str, Any], place: str) -> tuple[str, dict[str, Any]]:
    """What a name, or a table of `name` and options, says. Raises `ArgumentError` without a name.

    >>> name_and_options({"name": "SGD", "momentum": 0.9}, "training.optimizer")
    ('SGD', {'momentum': 0.9})
    """
    if isinstance(value, str):
        return value, {}
    if not isinstance(value.get("name"), str):
        raise ArgumentError(f"{place}: 'name' is missing, as in {{ name = \"Adam\" }}")
    return value["name"], {key: option for key, option in value.items() if key != "name"}
