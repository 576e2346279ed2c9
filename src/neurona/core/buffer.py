"""Where values live. On the CPU a buffer is a NumPy array; another device is another buffer."""

from __future__ import annotations

import ctypes
import itertools
import math
import sys
from collections.abc import Callable

import numpy as np

from neurona.core.op import Array


def _plain_address(array: Array) -> int:
    found: int = array.__array_interface__["data"][0]
    return found


def _quick_address(array: Array) -> int:
    return ctypes.c_int64.from_address(id(array) + object.__basicsize__).value


def _choose_address() -> Callable[[Array], int]:
    # An array object starts with its address (NumPy's C API, PyArrayObject_fields), which can be
    # read six times quicker than asked for; where it is not so, it is asked for.
    if sys.implementation.name != "cpython" or ctypes.sizeof(ctypes.c_void_p) != 8:
        return _plain_address
    samples = [np.arange(8)[i:] for i in range(3)]
    same = all(_quick_address(x) == _plain_address(x) for x in samples)
    return _quick_address if same else _plain_address


address = _choose_address()
"""Where an array's first element lies."""

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
