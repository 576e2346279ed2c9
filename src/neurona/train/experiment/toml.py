"""TOML beyond the standard library: on which line a value stands, and values as text."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any

Place = tuple[str | int, ...]
"""Where a value stands: ("network", "layers", 2, "p")."""

WIDTH = 100


# --- lines ---


def lines_of(text: str) -> dict[Place, int]:
    """The line, from 1, of every key, table and list element in a text that is valid TOML.

    >>> lines_of("seed = 1\\n[data]\\nname = 'digits'\\n")
    {('seed',): 1, ('data',): 2, ('data', 'name'): 3}
    """
    scan = _Scan(text)
    scan.document()
    return scan.lines


class _Scan:
    """A walk over the text that notes places and skips values."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Place, int] = {}

    def document(self) -> None:
        table: Place = ()
        counts: dict[Place, int] = {}  # of arrays of tables
        while self.blank():
            if self.text[self.at] == "[":
                several = self.text.startswith("[[", self.at)
                self.at += 2 if several else 1
                table = self.within(self.key(), counts)
                if several:
                    counts[table] = counts.get(table, -1) + 1
                    self.note(table)
                    table = (*table, counts[table])
                self.at = self.text.index("]", self.at) + (2 if several else 1)
                self.note(table)
            else:
                self.pair(table)

    def within(self, key: Place, counts: Mapping[Place, int]) -> Place:
        """The place of a table's header, inside the last elements of arrays of tables."""
        place: Place = ()
        for part in key[:-1]:
            place = (*place, part)
            if place in counts:
                place = (*place, counts[place])
        return (*place, key[-1])

    def note(self, place: Place) -> None:
        self.lines.setdefault(place, self.text.count("\n", 0, self.at) + 1)

    def blank(self) -> bool:
        """Skip blanks, line ends and comments; whether anything is left."""
        while self.at < len(self.text):
            if self.text[self.at] == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            elif self.text[self.at].isspace():
                self.at += 1
            else:
                return True
        return False

    def key(self) -> Place:
        parts: list[str | int] = []
        while True:
            self.blank()
            if self.text[self.at] in "\"'":
                start = self.at
                self.string()
                parts.append(self.text[start + 1 : self.at - 1])
            else:
                start = self.at
                while self.text[self.at].isalnum() or self.text[self.at] in "_-":
                    self.at += 1
                parts.append(self.text[start : self.at])
            self.blank()
            if self.text[self.at] != ".":
                return tuple(parts)
            self.at += 1

    def pair(self, table: Place) -> None:
        self.blank()
        start = self.at
        key = self.key()
        end, self.at = self.at, start
        for depth in range(len(key)):
            self.note((*table, *key[: depth + 1]))
        self.at = self.text.index("=", end) + 1
        self.value((*table, *key))

    def value(self, place: Place) -> None:
        self.blank()
        opening = self.text[self.at]
        if opening in "\"'":
            self.string()
        elif opening in "[{":
            self.at += 1
            self.members(place, "]" if opening == "[" else "}")
        else:
            while self.at < len(self.text) and self.text[self.at] not in ",]}#\n":
                self.at += 1

    def members(self, place: Place, closing: str) -> None:
        number = 0
        while self.blank() and self.text[self.at] != closing:
            if closing == "}":
                self.pair(place)
            else:
                self.note((*place, number))
                self.value((*place, number))
                number += 1
            self.blank()
            if self.text[self.at] == ",":
                self.at += 1
        self.at += 1

    def string(self) -> None:
        quote = self.text[self.at]
        ending = quote * 3 if self.text.startswith(quote * 3, self.at) else quote
        self.at += len(ending)
        while not self.text.startswith(ending, self.at):
            self.at += 2 if quote == '"' and self.text[self.at] == "\\" else 1
        self.at += len(ending)
        if len(ending) == 3:  # up to two quotes may stand before the ending
            while self.text.startswith(quote, self.at):
                self.at += 1


# --- text ---


def to_toml(tables: Mapping[str, Any]) -> str:
    """Nested dictionaries as TOML: plain values first, then a table each.

    >>> print(to_toml({"seed": 1, "data": {"name": "digits"}}), end="")
    seed = 1
    <BLANKLINE>
    [data]
    name = "digits"
    """
    plain = {k: v for k, v in tables.items() if not isinstance(v, Mapping)}
    blocks = [_pairs(plain)] if plain else []
    for name, table in tables.items():
        if isinstance(table, Mapping):
            blocks.append(f"[{_key(name)}]\n{_pairs(table)}")
    return "\n".join(blocks)


def _pairs(table: Mapping[str, Any]) -> str:
    return "".join(f"{_key(name)} = {_long(value)}\n" for name, value in table.items())


def _long(value: Any) -> str:
    """A value of a table; a list that is too long for a line, one element a line."""
    text = _text(value)
    if isinstance(value, list) and len(text) > WIDTH - 20:
        return "[\n" + "".join(f"    {_text(one)},\n" for one in value) + "]"
    return text


def _text(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case float() if not math.isfinite(value):
            return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf")
        case int() | float():
            return repr(value)
        case datetime() | date() | time():
            return value.isoformat()
        case Mapping():
            inside = ", ".join(f"{_key(name)} = {_text(one)}" for name, one in value.items())
            return f"{{ {inside} }}" if inside else "{}"
        case _:
            return "[" + ", ".join(_text(one) for one in value) + "]"


def _key(name: str) -> str:
    bare = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if bare else _text(name)
