"""Programs on Variables, from several threads at once.

Programs that write Variables exclude each other. One that only reads takes the Variables' memory
while nobody writes and then runs beside others; a writer that finds somebody reading leaves that
memory as it is and goes on in memory of its own.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from neurona.compiler.program import Program
from neurona.core.errors import NeuronaError
from neurona.core.op import Array
from neurona.core.variable import WRITING, Variable

_READING: set[object] = set()
"""One ticket for each run that is reading Variables."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_READING.clear)


def run(
    program: Program,
    arrays: list[Array],
    reads: Sequence[Variable],
    writes: Sequence[Variable],
    steady: Sequence[Variable],
    n: int = 0,
) -> list[Array]:
    """The program's results; its inputs are `arrays` and the values of `reads`.

    writes: the Variables it writes, whose versions count that. steady: those it only reads.
    """
    if not reads:
        return program.run(arrays, n=n)
    if writes:
        with WRITING:
            return _run_writing(program, arrays, reads, writes, steady, n)
    ticket = object()
    try:
        with WRITING:
            _READING.add(ticket)
            buffers = [variable.buffer for variable in reads]
            versions = tuple([variable.version for variable in steady])
        return program.run(arrays, buffers, versions, n)
    finally:
        _READING.discard(ticket)


def _run_writing(
    program: Program,
    arrays: list[Array],
    reads: Sequence[Variable],
    writes: Sequence[Variable],
    steady: Sequence[Variable],
    n: int,
) -> list[Array]:
    read_by_others = bool(_READING)
    for variable in writes:
        variable.own(afresh=read_by_others)
    buffers = [variable.buffer for variable in reads]
    versions = tuple([variable.version for variable in steady])
    # Counted first: an interrupt must not leave a new value under an old number.
    _count(writes, 1)
    try:
        return program.run(arrays, buffers, versions, n)
    except (NeuronaError, MemoryError):
        # Nothing was written.
        _count(writes, -1)
        raise


def _count(writes: Sequence[Variable], by: int) -> None:
    for variable in writes:
        variable.version += by
