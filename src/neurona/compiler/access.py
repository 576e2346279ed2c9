"""Programs on Variables, from several threads at once.

Programs that write Variables exclude each other. One that only reads takes the Variables' memory
while nobody writes and then runs beside others; a writer that finds somebody reading leaves that
memory as it is and goes on in memory of its own.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from neurona.compiler.program import Program
from neurona.compiler.run.memory import Held
from neurona.core.errors import NeuronaError
from neurona.core.op import Array
from neurona.core.variable import WRITING, Changes, Variable

_READING: set[object] = set()
"""One ticket for each run that is reading Variables."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_READING.clear)


class _Writer:
    """Whether a program is writing. Set before `_READING` is looked at, and the other way round."""

    busy = False


class Access:
    """How a program gets at Variables: what it holds of them is looked up again if they changed.

    reads: those whose memory it takes, after its other inputs. writes: those of them that it
    writes, whose versions count that. steady: those that it only reads. n: see `sizes`.
    """

    def __init__(
        self,
        program: Program,
        reads: Sequence[Variable],
        writes: Sequence[Variable],
        steady: Sequence[Variable],
        n: int = 0,
    ) -> None:
        self.program = program
        self.reads = reads
        self.writes = writes
        self.n = n
        # What it prepares from those that it only reads depends on their versions.
        self.prepared = steady if program.prologue else ()
        self._held = Held((), ())
        self._moved = self._written = -1

    def run(self, arrays: list[Array]) -> list[Array]:
        """The program's results for these arrays and the Variables' values of now."""
        if self.writes:
            with WRITING:
                return self._write(arrays)
        ticket = object()
        try:
            _READING.add(ticket)
            if _Writer.busy or self._moved != Changes.moved or self._written != Changes.written:
                with WRITING:
                    held = self._look()
            else:
                held = self._held
            return self.program.run(arrays, held, self.n)
        finally:
            _READING.discard(ticket)

    def _write(self, arrays: list[Array]) -> list[Array]:
        before, _Writer.busy = _Writer.busy, True
        try:
            if _READING or self._moved != Changes.moved:
                for variable in self.writes:
                    variable.own(afresh=bool(_READING))
            held = self._look()
            # Counted first: an interrupt must not leave a new value under an old number.
            self._count(1)
            try:
                return self.program.run(arrays, held, self.n)
            except (NeuronaError, MemoryError):
                # Nothing was written.
                self._count(-1)
                raise
        finally:
            _Writer.busy = before

    def _look(self) -> Held:
        """What there is to hold now. To be called with `WRITING` held."""
        versions = tuple([variable.version for variable in self.prepared])
        if self._moved != Changes.moved or versions != self._held.versions:
            self._moved = -1
            self._held = Held([variable.buffer.array for variable in self.reads], versions)
            self._moved = Changes.moved
        self._written = Changes.written
        return self._held

    def _count(self, by: int) -> None:
        Changes.written += 1
        for variable in self.writes:
            variable.version += by
