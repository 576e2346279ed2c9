"""Random orders that depend on nothing but their numbers: the same on every machine and library."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neurona.core.errors import ArgumentError

_WORD = (1 << 64) - 1


def permutation(length: int, *, seed: int, stream: int = 0) -> NDArray[np.int64]:
    """Return 0…length−1 in an order that depends only on `seed` and `stream` (the epoch, say).

    Sample i gets the i-th word of the counter-based generator Philox-4x64 keyed by (seed, stream);
    the samples are sorted by these words, whose low bits are replaced by i so that no two are
    equal. NumPy keeps the words of Philox the same between versions, which it does not promise for
    `Generator.permutation`.
    Source: J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011).

    Raises ArgumentError when `seed` or `stream` is not in 0…2**64−1.

    >>> permutation(5, seed=0).tolist() == permutation(5, seed=0).tolist()
    True
    >>> sorted(permutation(5, seed=0, stream=1).tolist())
    [0, 1, 2, 3, 4]
    """
    for name, value in (("seed", seed), ("stream", stream)):
        if not 0 <= value <= _WORD:
            raise ArgumentError(f"permutation: {name} must be in 0…2**64−1, found {value}")
    words = np.random.Philox(key=np.array([seed, stream], dtype=np.uint64)).random_raw(length)
    low = np.uint64((1 << max(length - 1, 1).bit_length()) - 1)
    keys = (words & ~low) | np.arange(length, dtype=np.uint64)
    keys.sort()
    return (keys & low).astype(np.int64)
