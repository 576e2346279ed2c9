"""What programs know from one run to the next: their memory, and the Variables' they use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from neurona.compiler.run.runner import SLOTS
from neurona.core.buffer import address, aligned_empty
from neurona.core.dtypes import DType
from neurona.core.op import Array, Shape

if TYPE_CHECKING:
    from neurona.compiler.program import Program


class Held:
    """Where the values of Variables lie, and which they are, at one time.

    arrays: their memory, row-major, kept alive by this. versions: of those that seldom change.
    """

    def __init__(self, arrays: Sequence[Array], versions: tuple[int, ...]) -> None:
        self.arrays = arrays
        self.versions = versions


NOTHING = Held((), ())
Maker = tuple[int, Callable[[Shape, DType], Array], Shape, DType]


class Kept:
    """The results of a program's prologue for one state of its fixed inputs."""

    def __init__(self, size: int, versions: tuple[int, ...]) -> None:
        self.versions = versions
        self.memory = aligned_empty((size,), np.dtype(np.uint8))


class Memory:
    """What one run needs for itself: the arena and the words of its calls (see `runner`).

    handles: those words that name the inputs and the results. held, kept, n: what the words have
    from the last run. makers: what makes the results of this n (see `sizes`).
    """

    def __init__(self, program: Program) -> None:
        self.arena = aligned_empty((0,), np.dtype(np.uint8))
        count = len(program.input_slots) + len(program.result_specs)
        words = np.zeros(SLOTS + program.slot_count + count, np.int64)
        # A memoryview takes Python's integers quicker than the array does.
        self.words: Any = memoryview(cast(Any, words))
        self.slots = self.words[SLOTS:]
        self.handles = self.slots[program.slot_count :]
        self.address = address(words)
        for slot, array in program.constants:
            self.slots[slot] = address(array)
        self.held: Held | None = None
        self.kept: Kept | None = None
        self.objects: dict[int, Any] = {}
        self.makers: list[Maker] = []
        self.n = -1

    def arrange(self, program: Program, n: int) -> None:
        """Give every piece of the arena its place for this n."""
        places, size = program.places(n)
        if size > self.arena.size:
            try:
                self.arena = aligned_empty((size,), np.dtype(np.uint8))
            except MemoryError:
                raise MemoryError(
                    f"a compiled program needs {size / 2**30:.2f} GiB for the values between its "
                    "inputs and its results; a smaller batch, or checkpoint, needs less"
                ) from None
        start = address(self.arena)
        for slot, offset in places:
            self.slots[slot] = start + offset
        self.makers = program.makers(n)
        self.slots[0] = self.n = n
