"""Random bits: Threefry-2x32 with 20 rounds, a function of key and counter.

Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011), section 4.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from neurona.core.apply import apply
from neurona.core.dtypes import DType, as_dtype, uint32, uint64
from neurona.core.errors import ShapeError
from neurona.core.lowering import Indexed
from neurona.core.node import Node
from neurona.core.op import Op, Shape, Spec, register
from neurona.core.tensor import Tensor

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = 0x1BD11BDA
LANES = 16
"""Words of 32 bits come in groups of 2·LANES: the first words of LANES blocks, then the second."""
CHUNK = 1 << 13
"""Blocks that the NumPy evaluation does at a time, so that they stay in the cache."""


def threefry(x0: Any, x1: Any, k0: Any, k1: Any, word: Callable[[int], Any]) -> tuple[Any, Any]:
    """The block of the counter words (x0, x1) under the key words (k0, k1).

    All are 32-bit unsigned and wrap; `word` makes such a constant. NumPy and the compiler both
    run this text: `+=` and `^=` write into NumPy arrays and rebind the compiler's values.
    """
    keys = (k0, k1, k0 ^ k1 ^ word(PARITY))
    x0 = x0 + k0
    x1 = x1 + k1
    for group in range(1, 6):
        for rotation in ROTATIONS[(group - 1) % 2]:
            x0 += x1
            x1 = (x1 << word(rotation)) | (x1 >> word(32 - rotation))
            x1 ^= x0
        x0 += keys[group % 3]
        x1 += keys[(group + 1) % 3] + word(group)
    return x0, x1


def blocks_of(shape: Shape, dtype: DType) -> int:
    """How many blocks `random_bits` of this shape and dtype uses."""
    size = math.prod(shape)
    return size if dtype == uint64 else LANES * -(-size // (2 * LANES))


def _infer(key: Node, counter: Node, *, shape: Shape, dtype: str) -> Spec:
    if key.spec != Spec((2,), uint32) or counter.spec != Spec((), uint64):
        raise ShapeError(
            f"random_bits: the key is {key.dtype} {key.shape}, the counter {counter.dtype} "
            f"{counter.shape}; they must be uint32 (2,) and uint64 ()"
        )
    return Spec(tuple(shape), as_dtype(dtype))


def _evaluate(key: Any, counter: Any, *, shape: Shape, dtype: str) -> Any:
    k0, k1 = key[:1], key[1:]
    blocks = blocks_of(shape, as_dtype(dtype))
    words = np.empty((2, blocks), np.uint32)
    for start in range(0, blocks, CHUNK):
        count = np.arange(start, min(start + CHUNK, blocks), dtype=np.uint64) + counter
        low, high = count.astype(np.uint32), (count >> np.uint64(32)).astype(np.uint32)
        words[:, start : start + CHUNK] = threefry(low, high, k0, k1, np.uint32)
    if dtype == "uint64":
        wide = words[0] | (words[1].astype(np.uint64) << np.uint64(32))
        return wide.reshape(shape)
    grouped = words.reshape(2, -1, LANES).transpose(1, 0, 2).reshape(-1)
    return grouped[: math.prod(shape)].reshape(shape)


def _at(k: Any, index: tuple[Any, ...], key: Any, counter: Any, *, shape: Shape, dtype: str) -> Any:
    place: Any = 0
    for i, extent in zip(index, shape, strict=True):
        place = place * extent + i
    block = place if dtype == "uint64" else place // (2 * LANES) * LANES + place % LANES
    count = counter[()]
    if shape:
        count = count + k.cast(block, uint64)
    low = k.cast(count, uint32)
    high = k.cast(count >> k.constant(32, uint64), uint32)
    x0, x1 = threefry(low, high, key[(0,)], key[(1,)], lambda value: k.constant(value, uint32))
    if dtype == "uint64":
        return k.cast(x0, uint64) | (k.cast(x1, uint64) << k.constant(32, uint64))
    return k.where(place // LANES % 2 == 1, x1, x0) if shape else x0


RANDOM_BITS = register(Op("random_bits", _infer, _evaluate, lower=Indexed(_at)))
"""Random words from key (2,) and counter ().

uint64: element i is the block of counter + i, (x0 | x1·2^32). uint32: element i is word
⌊i/16⌋ mod 2 of block counter + 16·⌊i/32⌋ + i mod 16, so that vector code uses both words. The
block's input words are the low and the high 32 bits of the counter; the counter wraps.
"""


def random_bits(key: Tensor, counter: Tensor, shape: Shape, dtype: DType) -> Tensor:
    return apply(RANDOM_BITS, key, counter, shape=shape, dtype=dtype.name)
