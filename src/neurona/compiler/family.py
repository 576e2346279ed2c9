"""One program for many sizes.

The first call of a function gets a program for its very sizes, with every extent static. When
arguments of another size come (the last batch of an epoch, a server's requests), the two recordings
are generalised and a second program is made, which serves every size from then on; each new one is
still recorded, to see whether it fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from neurona.compiler.generalise import Differs, Pairing
from neurona.compiler.ir.sizes import NotAffine
from neurona.compiler.program import Program
from neurona.compiler.stages import Stages
from neurona.core.errors import NeuronaError
from neurona.core.node import Node

MOST = 3
"""Recordings that are kept to be generalised; a function that resists gets a program a size."""


@dataclass(frozen=True, eq=False)
class Recording:
    """A function's graph. `extents`: those of all its arguments, which tell its sizes."""

    extents: tuple[int, ...]
    inputs: Sequence[Node]
    results: Sequence[Node]
    writes: Sequence[tuple[Node, Node]]
    checks: Sequence[tuple[Node, NeuronaError]]
    fixed: Sequence[Node]
    stages: Stages

    def compile(self) -> Program:
        return Program(
            self.inputs, self.results, self.writes, self.checks, self.fixed, stages=self.stages
        )

    @property
    def ends(self) -> list[Node]:
        writes = [new for _, new in self.writes]
        return [*self.results, *writes, *[ok for ok, _ in self.checks]]

    def paired(self, other: Recording, n: tuple[int | None, int]) -> Recording:
        """What this one and `other` have in common. Raises `Differs`."""
        walk = Pairing(n)
        inputs = walk.inputs(self.inputs, other.inputs)
        ends = walk.nodes(self.ends, other.ends)
        place = {id(node): new for node, new in zip(self.inputs, inputs, strict=True)}
        count = len(self.results)
        news, oks = ends[count : count + len(self.writes)], ends[count + len(self.writes) :]
        same = len(self.writes) == len(other.writes) and len(self.fixed) == len(other.fixed)
        if not same or len(self.results) != len(other.results):
            raise Differs
        return Recording(
            other.extents,
            inputs,
            ends[:count],
            [(place[id(old)], new) for (old, _), new in zip(self.writes, news, strict=True)],
            [(ok, error) for ok, (_, error) in zip(oks, other.checks, strict=True)],
            [place[id(node)] for node in self.fixed],
            other.stages,
        )


class Family:
    """The programs of a function for arguments that are alike but for their extents."""

    def __init__(self) -> None:
        self.recordings: list[Recording] = []
        self.common: tuple[Recording, Program, int] | None = None

    def program(self, new: Recording) -> tuple[Program, int]:
        """A program for the recording, and its n."""
        if self.common is None and len(self.recordings) < MOST:
            for old in self.recordings:
                self.common = self.common or _generalise(old, new)
            self.recordings.append(new)
        if self.common is not None:
            recording, program, place = self.common
            n = new.extents[place] if place < len(new.extents) else 0
            with suppress(Differs):
                recording.paired(new, (None, n))
                return program, n
        return new.compile(), 0


def _generalise(old: Recording, new: Recording) -> tuple[Recording, Program, int] | None:
    pairs = list(zip(old.extents, new.extents, strict=False))
    place = next((i for i, (a, b) in enumerate(pairs) if a != b), None)
    if place is None or len(old.extents) != len(new.extents):
        return None
    try:
        recording = old.paired(new, pairs[place])
        return recording, recording.compile(), place
    except (Differs, NotAffine):
        return None
