"""Nested tuples, lists and dicts of leaves, taken apart and put together again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from neurona.core.errors import ArgumentError


@dataclass(frozen=True, slots=True)
class Structure:
    """What `flatten` leaves when the leaves are gone; hashable and comparable.

    kind: the container's type, None for a leaf. keys: of a dict, sorted where they can be.
    """

    kind: type | None = None
    keys: tuple[Any, ...] = ()
    children: tuple[Structure, ...] = ()

    def __repr__(self) -> str:
        if self.kind is None:
            return "*"
        if self.kind is dict:
            pairs = zip(self.keys, self.children, strict=True)
            return "{" + ", ".join(f"{key!r}: {child!r}" for key, child in pairs) + "}"
        inner = ", ".join(map(repr, self.children))
        if self.kind is list:
            return f"[{inner}]"
        name = "" if self.kind is tuple else self.kind.__name__
        return f"{name}({inner},)" if not name and len(self.children) == 1 else f"{name}({inner})"


LEAF = Structure()


def flatten(tree: Any) -> tuple[list[Any], Structure]:
    """The leaves of `tree` from left to right and its structure.

    Containers are tuples (named ones too), lists and dicts, exactly of those types; everything
    else, None and modules included, is a leaf.

    >>> flatten({"w": 1, "b": (2, [3])})
    ([2, 3, 1], {'b': (*, [*]), 'w': *})
    """
    leaves: list[Any] = []
    return leaves, _flatten(tree, leaves)


def _flatten(tree: Any, leaves: list[Any]) -> Structure:
    kind = type(tree)
    if kind is dict:
        keys = ordered_keys(tree)
        return Structure(dict, keys, tuple([_flatten(tree[key], leaves) for key in keys]))
    if kind is tuple or kind is list or is_named_tuple(kind):
        return Structure(kind, (), tuple([_flatten(child, leaves) for child in tree]))
    leaves.append(tree)
    return LEAF


def is_named_tuple(kind: type) -> bool:
    return issubclass(kind, tuple) and hasattr(kind, "_fields")


def ordered_keys(mapping: Mapping[Any, Any]) -> tuple[Any, ...]:
    """The keys in the order of the leaves: sorted where they can be."""
    try:
        return tuple(sorted(mapping))
    except TypeError:
        return tuple(mapping)


def unflatten(structure: Structure, leaves: Iterable[Any]) -> Any:
    """The tree of this structure with these leaves. Raises `ArgumentError` on a wrong number.

    >>> unflatten(flatten((0, {"a": 0}))[1], [1, 2])
    (1, {'a': 2})
    """
    rest = iter(leaves)
    try:
        tree = _build(structure, rest)
    except StopIteration:
        raise ArgumentError(f"unflatten: too few leaves for {structure!r}") from None
    if any(True for _ in rest):
        raise ArgumentError(f"unflatten: too many leaves for {structure!r}")
    return tree


def _build(structure: Structure, rest: Iterator[Any]) -> Any:
    kind = structure.kind
    if kind is None:
        return next(rest)
    # A list, not a generator: a StopIteration inside must come out as it is.
    children = [_build(child, rest) for child in structure.children]
    if kind is dict:
        return dict(zip(structure.keys, children, strict=True))
    return kind(*children) if hasattr(kind, "_fields") else kind(children)


def tree_map(function: Callable[[Any], Any], tree: Any) -> Any:
    """`tree` with `function` applied to each leaf."""
    leaves, structure = flatten(tree)
    return unflatten(structure, [function(leaf) for leaf in leaves])


def paths(structure: Structure) -> list[str]:
    """How one gets to each leaf, as Python would write it.

    >>> paths(flatten([0, {"w": (0, 0)}])[1])
    ['[0]', "[1]['w'][0]", "[1]['w'][1]"]
    """
    if structure.kind is None:
        return [""]
    keys: Iterable[Any] = structure.keys or range(len(structure.children))
    return [
        f"[{key!r}]{rest}"
        for key, child in zip(keys, structure.children, strict=True)
        for rest in paths(child)
    ]
