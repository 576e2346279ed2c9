"""Where values live. On the CPU a buffer is a NumPy array; another device is another buffer."""

from __future__ import annotations

import ctypes
import itertools
import math
import os
import sys
import threading
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
DATA = object.__basicsize__ if address is _quick_address else None
"""Bytes from the start of an array object to its address; None where that is not known."""
handle: Callable[[Array], int] = _plain_address if DATA is None else id
"""What native code takes for an array: the object (see `DATA`), which costs least, or its address.
"""

ALIGNMENT = 64
PAGE = 4096
COLOUR = 7 * ALIGNMENT


class Buffer:
    """Memory of one value: `device` and `array` (row-major or strided)."""

    __slots__ = ("array",)
    device = "cpu"

    def __init__(self, array: Array) -> None:
        self.array = array

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
    return _placed(np.empty(_with_margin(nbytes), np.uint8), shape, dtype, nbytes)


def _with_margin(nbytes: int) -> int:
    """Bytes of a block in which an array of `nbytes` can be placed."""
    return nbytes + ALIGNMENT + (0 if nbytes < PAGE else PAGE)


def _placed(raw: Array, shape: tuple[int, ...], dtype: np.dtype[np.generic], nbytes: int) -> Array:
    shift = 0 if nbytes < PAGE else next(_colour) * COLOUR % PAGE
    start = -address(raw) % ALIGNMENT + shift
    return raw[start : start + nbytes].view(dtype).reshape(shape)


_probe = [np.empty(0)]
_ALONE = sys.getrefcount(_probe[0]) if hasattr(sys, "getrefcount") else -1
"""What `sys.getrefcount` says of an array that only a list holds; never so without CPython."""

RECYCLED = 1 << 16
"""Bytes from which results are recycled; the C library itself soon reuses less."""
KNOWN = 4
"""Blocks of one size that a recycler knows at most."""


class Recycler:
    """Blocks for large results, used again once nobody has their memory any more.

    Fresh memory costs a page fault for every page, which takes longer than the arithmetic on it.
    A recycler knows the last few blocks of each size that it gave away. Every array, view,
    memoryview or DLPack capsule of a result holds a reference to its block, so one to which the
    recycler has the only reference is free. It knows of at most `limit` bytes, in use or free; a
    block that it has forgotten is freed by whoever lets go of it last.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.nbytes = 0
        # The size least recently asked for comes first; of a size the block given away last does.
        self._blocks: dict[int, list[Array]] = {}
        self._lock = threading.RLock()
        if hasattr(os, "register_at_fork"):
            # The blocks are as good in a child; the lock must not be held by a thread it has not.
            os.register_at_fork(
                before=self._lock.acquire,
                after_in_parent=self._lock.release,
                after_in_child=self._lock.release,
            )

    def block(self, nbytes: int) -> Array:
        """Uninitialised memory that nobody else has."""
        with self._lock:
            blocks = self._blocks[nbytes] = self._blocks.pop(nbytes, [])
            for i in range(len(blocks)):
                if sys.getrefcount(blocks[i]) == _ALONE:
                    blocks.insert(0, blocks.pop(i))
                    return blocks[0]
            try:
                made = np.empty(nbytes, np.uint8)
            except MemoryError:
                self.clear()
                return np.empty(nbytes, np.uint8)
            blocks.insert(0, made)
            self.nbytes += nbytes
            if len(blocks) > KNOWN:
                self._forget(nbytes)
            while self.nbytes > self.limit:
                self._forget(next(iter(self._blocks)))
            return made

    def clear(self) -> None:
        """Forget all blocks; the memory of the free ones goes back to the system."""
        with self._lock:
            self._blocks.clear()
            self.nbytes = 0

    def _forget(self, nbytes: int) -> None:
        blocks = self._blocks[nbytes]
        blocks.pop()
        self.nbytes -= nbytes
        if not blocks:
            del self._blocks[nbytes]


RECYCLER = Recycler(512 << 20)
"""Of the results of compiled functions."""


def result_empty(shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Array:
    """Uninitialised memory for a result; large ones are as `aligned_empty`'s and recycled."""
    nbytes = math.prod(shape) * dtype.itemsize
    if nbytes < RECYCLED:
        return np.empty(shape, dtype)
    return _placed(RECYCLER.block(_with_margin(nbytes)), shape, dtype, nbytes)
