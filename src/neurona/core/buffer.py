"""Where values live. On the CPU a buffer is a NumPy array; another device is another buffer."""

from __future__ import annotations

import numpy as np

from neurona.core.op import Array

ALIGNMENT = 64


class Buffer:
    """Memory of one value: `device`, `array` (row-major or strided) and its address."""

    __slots__ = ("array",)
    device = "cpu"

    def __init__(self, array: Array) -> None:
        self.array = array

    @property
    def pointer(self) -> int:
        return int(self.array.ctypes.data)

    @property
    def nbytes(self) -> int:
        return self.array.nbytes


def aligned_empty(shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Array:
    """An uninitialised row-major array whose first element lies on a cache line."""
    nbytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    raw = np.empty(nbytes + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + nbytes].view(dtype).reshape(shape)
