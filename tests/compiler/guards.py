"""Memory of programs with guards around it, so that a write beyond an end does not go unseen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from neurona.compiler import program
from neurona.compiler.run import memory
from neurona.core import variable
from neurona.core.buffer import ALIGNMENT

Array = np.ndarray[Any, Any]
GUARD = 1024
MARK = 0xFF
"""Read as a float it is NaN, so that a read beyond an end, or of what nobody wrote, shows too."""


class Guarded:
    """Allocates arrays with marked bytes on both sides, and NumPy's other functions as they are."""

    def __init__(self) -> None:
        self.blocks: list[tuple[Array, int, int]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Array:
        kind = np.dtype(dtype)
        # Arrays without elements have room for one, as NumPy's have.
        nbytes = max(1, int(np.prod(shape, dtype=np.int64))) * kind.itemsize
        block = np.full(nbytes + 2 * GUARD + ALIGNMENT, MARK, np.uint8)
        start = GUARD + -(block.ctypes.data + GUARD) % ALIGNMENT
        self.blocks.append((block, start, start + nbytes))
        return np.ndarray(shape, kind, block, start)

    def check(self) -> None:
        for block, start, end in self.blocks:
            before, after = (
                np.flatnonzero(block[:start] != MARK),
                np.flatnonzero(block[end:] != MARK),
            )
            assert not before.size, f"{end - start} bytes: {start - before[0]} bytes before"
            assert not after.size, f"{end - start} bytes: written {after[-1] + 1} bytes beyond"


@contextmanager
def guarded() -> Iterator[None]:
    """Programs and Variables made in the body write nowhere but in their memory."""
    blocks = Guarded()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(program, "np", blocks)
        patch.setattr(program, "result_empty", blocks.empty)
        for module in (memory, variable):
            patch.setattr(module, "aligned_empty", blocks.empty)
        yield
    blocks.check()
