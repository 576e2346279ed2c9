"""Objects by name and back to plain data, as Keras's `get` and `get_config` do."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

from neurona.core.errors import ArgumentError, nearest


class Configured:
    """An object whose constructor's arguments are its attributes of the same names."""

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as plain data."""
        return {name: plain(self, name) for name in arguments(type(self))}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """The object that has this `get_config()`."""
        return cls(**config)

    def __repr__(self) -> str:
        given = (f"{name}={getattr(self, name)!r}" for name in arguments(type(self)))
        return f"{type(self).__name__}({', '.join(given)})"


def arguments(cls: type) -> list[str]:
    """The names of a constructor's arguments, without what it takes as `**common`."""
    found = list(inspect.signature(cls).parameters.values())
    return [one.name for one in found if one.kind is not inspect.Parameter.VAR_KEYWORD]


def plain(owner: Any, name: str) -> Any:
    """An attribute as numbers, strings, lists and dictionaries.

    Raises `ArgumentError` for what only Python code can say, such as a function of one's own.
    """
    value = getattr(owner, name)
    if isinstance(value, (list, tuple)):
        value = list(value)
    if isinstance(value, Configured):
        return described(value)
    if value is None or isinstance(value, (bool, int, float, str, list)):
        return value
    raise ArgumentError(
        f"{type(owner).__name__}: {name} is {value!r}, which a file cannot hold; use one that is "
        "known by name"
    )


def snake(name: str) -> str:
    """Keras's name for the first layer of a class.

    >>> snake("BatchNormalization"), snake("ReLU"), snake("PReLU")
    ('batch_normalization', 're_lu', 'p_re_lu')
    """
    spaced = re.sub(r"([A-Z])([A-Z][a-z0-9]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", spaced).lower()


def described(value: Any) -> dict[str, Any]:
    """An object's class name and configuration. Raises `ArgumentError` if it has none."""
    if not isinstance(value, Configured):
        raise ArgumentError(f"{value!r} is described by code alone")
    return {"class_name": type(value).__name__, "config": value.get_config()}


def find(what: str, given: Any, known: Mapping[str, Any], kind: type | None = None) -> Any:
    """The object that a name, a configuration, a class or the object itself stands for.

    what: of which there are some, for the message. known: classes and objects by name.
    kind: what is taken as it is, besides functions.
    Raises `ArgumentError` with the nearest name.
    """
    options: Mapping[str, Any] = {}
    if isinstance(given, Mapping) and "class_name" in given:
        given, options = given["class_name"], given.get("config", {})
    if isinstance(given, str):
        if given not in known:
            raise ArgumentError(f"{what}: unknown name {given!r}{nearest(given, known)}")
        given = known[given]
        return given(**options) if isinstance(given, type) else given
    if isinstance(given, type) and kind is not None and issubclass(given, kind):
        return given()
    if callable(given) or (kind is not None and isinstance(given, kind)):
        return given
    raise ArgumentError(f"{what}: a name or an object is needed, not {given!r}")
