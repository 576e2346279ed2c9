"""Where values live. On the CPU a buffer is a NumPy array; another device is another buffer."""

from __future__ import annotations

import itertools
import math

import numpy as np

from neurona.core.op import Array

ALIGNMENT = 64
PAGE = 4096
COLOUR = 7 * ALIGNMENT


class Buffer:
    """Memory of one value: `device`, `array` (row-major or strided) and its address."""

    __slots__ = ("_pointer", "array")
    device = "cpu"

    def __init__(self, array: Array) -> None:
        self.array = array
        self._pointer = -1

    @property
    def pointer(self) -> int:
        if self._pointer < 0:
            self._pointer = address(self.array)
        return self._pointer

    @property
    def nbytes(self) -> int:
        return self.array.nbytes


def address(array: Array) -> int:
    """Where the first element lies (quicker than `array.ctypes.data`)."""
    found: int = array.__array_interface__["data"][0]
    return found


_colour = itertools.count()


def aligned_empty(shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Array:
    """An uninitialised row-major array whose first element lies on a cache line.

    Large arrays start at different places of a page: streams that all start at the same one (as
    fresh pages do) would fight for the same few lines of the cache.
    """
    nbytes = math.prod(shape) * dtype.itemsize
    shift = 0 if nbytes < PAGE else next(_colour) * COLOUR % PAGE
    raw = np.empty(nbytes + ALIGNMENT + shift, np.uint8)
    start = -address(raw) % ALIGNMENT + shift
    return raw[start : start + nbytes].view(dtype).reshape(shape)
