"""Changes to a configuration from outside: `--set training.epochs=3`."""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from neurona.core.errors import ArgumentError
from neurona.train.experiment.places import TOP, parse_place
from neurona.train.experiment.toml import Place


def change(
    raw: Mapping[str, Any], changes: Iterable[str]
) -> tuple[dict[str, Any], dict[Place, str]]:
    """A copy of nested dictionaries with changes, and the place of each change.

    Tables that are missing are made; what stands at a place is replaced. Raises `ArgumentError`.

    >>> change({"training": {"epochs": 9}}, ["training.epochs=3", "data.name=digits"])[0]
    {'training': {'epochs': 3}, 'data': {'name': 'digits'}}
    """
    changed, places = copy.deepcopy(dict(raw)), {}
    for written in changes:
        key, equals, value = written.partition("=")
        try:
            place = parse_place(key.strip())
        except ArgumentError:
            place = ()
        if not equals or not place:
            raise ArgumentError(
                f"--set {written}: write the place and the value, as in --set training.epochs=3"
            )
        _put(changed, place, _value(value.strip(), written), written)
        places[place] = written
    return changed, places


def _value(text: str, written: str) -> Any:
    """A TOML value; words and paths need no quotes."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        if re.fullmatch(r"[\w./~+-]+", text):
            return text
        raise ArgumentError(
            f"--set {written}: {text!r} is no TOML value; a text needs quotes, "
            f"as in --set '{written.partition('=')[0]}=\"{text}\"'"
        ) from None


def _put(table: Any, place: Place, value: Any, written: str) -> None:
    for depth, part in enumerate(place):
        there = f"--set {written}: {'.'.join(map(str, place[:depth])) or TOP}"
        if isinstance(part, int):
            if not isinstance(table, list) or part >= len(table):
                have = f"has {len(table)} elements" if isinstance(table, list) else "is no list"
                raise ArgumentError(f"{there} {have}, so there is none with number {part}")
        elif not isinstance(table, dict):
            raise ArgumentError(f"{there} is no table, so {part!r} cannot be set in it")
        if depth == len(place) - 1:
            table[part] = value
        else:
            table = table[part] if isinstance(part, int) else table.setdefault(part, {})
