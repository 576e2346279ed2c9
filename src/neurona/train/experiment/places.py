"""Messages with the place of a mistake: the file and its line, or the `--set` it came from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from neurona.core.errors import ArgumentError
from neurona.train.experiment.toml import Place

TOP = "the top"
"""What messages call the place of the tables."""


def parse_place(text: str) -> Place:
    """A place as it is written in messages and on the command line.

    Raises `ArgumentError` if it is none.

    >>> parse_place("network.layers[2].p")
    ('network', 'layers', 2, 'p')
    """
    place: list[str | int] = []
    for part in text.split("."):
        found = re.fullmatch(r"([\w-]+)((?:\[\d+\])*)", part)
        if not found:
            raise ArgumentError(f"{text!r} is no place; one is training.epochs or a.b[0].c")
        place += [found[1], *(int(number) for number in re.findall(r"\d+", found[2]))]
    return tuple(place)


class Origins:
    """Where the values of a configuration come from.

    lines: by place, see `lines_of`. changes: the place of each change, and how it was written.
    """

    def __init__(self, path: str, lines: Mapping[Place, int], changes: Mapping[Place, str]) -> None:
        self.path = path
        self.lines = lines
        self.changes = changes

    @contextmanager
    def named(self) -> Iterator[None]:
        """Put where it stands in front of an `ArgumentError` that begins with a place.

        As in "network.layers[2]: …"; a quoted word in it ('…') may be the key that is meant.
        """
        try:
            yield
        except ArgumentError as error:
            raise ArgumentError(f"{self.of(str(error))}: {error}") from None

    def of(self, message: str) -> str:
        """The origin of what a message complains of, as "file:line"."""
        begin = message.partition(":")[0]
        try:
            place = () if begin == TOP else parse_place(begin)
        except ArgumentError:
            return self.path
        quoted = re.search(r"'([^']+)'", message)
        word = quoted[1] if quoted else ""
        table, place = place, (*place, word) if word else place
        within = []
        for changed, written in self.changes.items():
            if place[: len(changed)] == changed:
                return f"--set {written}"
            if changed[: len(table)] == table:
                if word and word in written:
                    return f"--set {written}"
                within.append(f"--set {written}")
        while place and place not in self.lines:
            place = place[:-1]
        line = f"{self.path}:{self.lines[place]}" if place else self.path
        return ", ".join([line, *(within if table else [])])
