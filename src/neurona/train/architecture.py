"""Networks as plain data and back: layer names and constructor arguments, fit for JSON and TOML.

A description is `{"layer": "Linear", "in_features": 4, "out_features": 3}`; arguments that have
their default are left out, a layer inside a layer is a description in its place, and a `Sequential`
lists its own under "modules". Only classes that are known by name are built: all layers of
`neurona.nn`, the networks of `neurona.models`, and what `register` was given.
"""

from __future__ import annotations

import importlib
import inspect
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from neurona import nn
from neurona.core.dtypes import DEFAULT_FLOAT, is_float
from neurona.core.errors import ArgumentError, NeuronaError, nearest
from neurona.core.variable import Variable
from neurona.nn.loss import Loss
from neurona.nn.module import Module
from neurona.ops.generator import DEFAULT

LAYER = "layer"
MODULES = "modules"
OMITTED = ("generator",)
"""Constructor arguments that are not part of what a network computes."""

_registered: dict[str, type[Module]] = {}

Class = TypeVar("Class", bound=type[Module])


def register(cls: Class) -> Class:
    """Make a network class known by its name, so that it can be saved, loaded and configured.

    Each constructor argument must be kept as an attribute of the same name: a number, string, bool,
    None, a tuple of these, or a module. A class that no arguments describe has a method
    `description()`, a dictionary fit for JSON, and a class method `from_description` that makes the
    network of it. Use it as a decorator. Raises `ArgumentError` when another class has the name.

    >>> from neurona import nn, train
    >>> @train.register
    ... class Doubled(nn.Module):
    ...     def __init__(self, features):
    ...         self.features = features
    ...         self.body = nn.Linear(features, 2 * features)
    ...     def forward(self, x):
    ...         return self.body(x)
    >>> train.describe(Doubled(3))
    {'layer': 'Doubled', 'features': 3}
    """
    name = cls.__name__
    other = _known().get(name)
    if other is not None and (other.__module__, other.__qualname__) != (
        cls.__module__,
        cls.__qualname__,
    ):
        raise ArgumentError(f"register: {name!r} is already the name of {other.__module__}.{name}")
    _registered[name] = cls
    return cls


def _known() -> dict[str, type[Module]]:
    layers = {name: getattr(nn, name) for name in nn.__all__}
    return {
        name: layer
        for name, layer in layers.items()
        if isinstance(layer, type) and issubclass(layer, Module) and not issubclass(layer, Loss)
        if layer is not Module
    } | _registered


def layer_class(name: str, place: str) -> type[Module]:
    """The class known as `name`. Raises `ArgumentError` with the nearest name."""
    known = _known()
    if name not in known:
        # The networks stand above this layer of the code and register themselves when imported.
        for package in ("neurona.models", "neurona.keras"):
            importlib.import_module(package)
        known = _known()
    if name not in known:
        hint = nearest(name, known) or (
            "; a class of your own must be imported and given to neurona.train.register first"
        )
        raise ArgumentError(f"{place}: unknown layer {name!r}{hint}")
    return known[name]


# --- from a network ---


def describe(network: Module) -> dict[str, Any]:
    """The description of a network.

    Raises `ArgumentError` when a class is not known, keeps an argument under another name, was
    changed after it was made, or is used in two places (its weights would be kept twice).

    >>> from neurona import nn
    >>> describe(nn.Sequential(nn.Linear(4, 3), nn.ReLU()))["modules"]
    [{'layer': 'Linear', 'in_features': 4, 'out_features': 3}, {'layer': 'ReLU'}]
    """
    description = _describe(network, "network", set())
    with nn.init.skip():
        rebuilt = build(description)
    here, there = _outline(network), _outline(rebuilt)
    if here != there:
        odd = next(name for name in {**here, **there} if here.get(name) != there.get(name))
        raise ArgumentError(
            f"describe: {type(network).__name__} is not what its constructor makes: {odd!r} is "
            f"{here.get(odd, 'absent')}, the constructor gives {there.get(odd, 'none')}; write the "
            "change as a class of its own and give it to neurona.train.register"
        )
    return description


def _outline(network: Module) -> dict[str, str]:
    outline = {path: type(module).__name__ for path, module in network.named_modules()}
    state = network.state_dict()
    return outline | {name: f"{array.dtype} {array.shape}" for name, array in state.items()}


def _describe(module: Module, place: str, seen: set[int]) -> dict[str, Any]:
    cls = type(module)
    if id(module) in seen:
        raise ArgumentError(f"describe: {place} is used in two places, which is not supported")
    seen.add(id(module))
    if layer_class(cls.__name__, place) is not cls:
        raise ArgumentError(f"describe: {place} is another {cls.__name__} than the known one")
    if hasattr(module, "description"):
        return {LAYER: cls.__name__, **module.description()}
    if isinstance(module, nn.Sequential):
        return {LAYER: cls.__name__, MODULES: _describe_children(module, place, seen)}
    description: dict[str, Any] = {LAYER: cls.__name__}
    for name, parameter in parameters_of(cls).items():
        value = _argument(module, name, parameter)
        if isinstance(value, Module):
            default = isinstance(value, nn.Identity) and parameter.default is None
            if not default:
                description[name] = _describe(value, f"{place}.{name}", seen)
        elif value is inspect.Parameter.empty:
            if parameter.default is inspect.Parameter.empty:
                raise ArgumentError(
                    f"describe: {place} ({cls.__name__}) does not keep its argument {name!r} as an "
                    "attribute of that name"
                )
        elif value != parameter.default or type(value) is not type(parameter.default):
            description[name] = _plain(value, f"{place}.{name}")
    return description


def _describe_children(module: Module, place: str, seen: set[int]) -> Any:
    children = {
        name: _describe(child, f"{place}.{name}", seen) for name, child in module.named_children()
    }
    numbered = list(children) == [str(i) for i in range(len(children))]
    return list(children.values()) if numbered else children


def parameters_of(cls: type[Module]) -> dict[str, inspect.Parameter]:
    """The constructor arguments of a layer that a description may hold, by name."""
    found = inspect.signature(cls).parameters
    plain = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {n: p for n, p in found.items() if p.kind in plain and n not in OMITTED}


def _argument(module: Module, name: str, parameter: inspect.Parameter) -> Any:
    """The value of a constructor argument; `Parameter.empty` where it leaves no trace."""
    if name == "dtype":
        dtypes = {v.dtype for v in module.parameters() if is_float(v.dtype)}
        return None if dtypes <= {DEFAULT_FLOAT} else dtypes.pop().name
    value = getattr(module, name, inspect.Parameter.empty)
    if isinstance(parameter.default, bool) and (value is None or isinstance(value, Variable)):
        return value is not None
    return inspect.Parameter.empty if isinstance(value, Variable) else value


def _plain(value: Any, place: str) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(element, place) for element in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise ArgumentError(f"describe: {place} is {value!r}, which JSON and TOML cannot hold")


# --- to a network ---


def build(description: Any, place: str = "network") -> Module:
    """The network of a description, its parameters drawn anew. Random state stays as it is.

    place: what messages call the description, as "network.modules[2]".
    Raises `ArgumentError`, with the place, for unknown layers and arguments and for values that a
    layer refuses.

    >>> build({"layer": "Linear", "in_features": 4, "out_feature": 3})
    Traceback (most recent call last):
        ...
    neurona.core.errors.ArgumentError: network: Linear has no argument 'out_feature'; did you mean \
'out_features'?
    """
    with _random_state_kept():
        return draw(description, place)


def draw(description: Any, place: str = "network") -> Module:
    """Like `build`, with parameters from the default generator, which moves on."""
    cls, given = look_up(description, place)
    if hasattr(cls, "from_description"):
        try:
            described: Module = cls.from_description(given)
        except NeuronaError as error:
            raise ArgumentError(f"{place}: {error}") from None
        return described
    if issubclass(cls, nn.Sequential):
        return _sequential(cls, given, place)
    missing = [name for name in required(cls) if name not in given]
    if missing:
        raise ArgumentError(f"{place}: {cls.__name__} needs {', '.join(missing)}")
    arguments = {name: _value(value, f"{place}.{name}") for name, value in given.items()}
    try:
        return cls(**arguments)
    except (TypeError, ValueError, OverflowError, MemoryError) as error:
        raise ArgumentError(f"{place}: {error or type(error).__name__}") from None


def look_up(description: Any, place: str) -> tuple[type[Module], dict[str, Any]]:
    """The class of a description and the arguments that it gives; what is inside is not looked at.

    Raises `ArgumentError`, with the place, for no description, unknown layers and arguments.
    """
    if not isinstance(description, Mapping):
        raise ArgumentError(f"{place}: a layer is a table with {LAYER!r}, not {description!r}")
    if not isinstance(description.get(LAYER), str):
        raise ArgumentError(f"{place}: {LAYER!r} with the name of a layer is missing")
    cls = layer_class(description[LAYER], place)
    given = {name: value for name, value in description.items() if name != LAYER}
    if hasattr(cls, "from_description"):
        return cls, given
    if issubclass(cls, nn.Sequential):
        if set(given) != {MODULES} or not isinstance(given[MODULES], (list, Mapping)):
            found = ", ".join(map(repr, given)) or "nothing"
            raise ArgumentError(f"{place}: {cls.__name__} needs a list {MODULES!r}, found {found}")
        return cls, given
    parameters = parameters_of(cls)
    for name in given:
        if name not in parameters:
            raise ArgumentError(
                f"{place}: {cls.__name__} has no argument {name!r}{nearest(name, parameters)}"
            )
    for name, value in given.items():
        wants_layer = "Module" in str(parameters[name].annotation)
        if wants_layer and not (value is None or isinstance(value, Mapping)):
            raise ArgumentError(f"{place}.{name}: a layer is a table with {LAYER!r}, not {value!r}")
    return cls, given


def required(cls: type[Module]) -> list[str]:
    """The constructor arguments of a layer that have no default."""
    return [n for n, p in parameters_of(cls).items() if p.default is inspect.Parameter.empty]


def _sequential(cls: type[nn.Sequential], given: Mapping[str, Any], place: str) -> Module:
    inside = given[MODULES]
    if isinstance(inside, Mapping):
        made = {name: draw(one, f"{place}.{MODULES}.{name}") for name, one in inside.items()}
        return cls(made)
    return cls(*[draw(one, f"{place}.{MODULES}[{i}]") for i, one in enumerate(inside)])


def _value(value: Any, place: str) -> Any:
    if isinstance(value, Mapping):
        return draw(value, place)
    return tuple(_value(element, place) for element in value) if isinstance(value, list) else value


@contextmanager
def _random_state_kept() -> Iterator[None]:
    before = DEFAULT.state
    try:
        yield
    finally:
        DEFAULT.state = before
