"""Random orders that depend on nothing but their numbers: the same on every machine and library."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurona.core.errors import ArgumentError, ShapeError

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


class BatchOrder:
    """Which samples are in which batch of which epoch; the part that all loaders share."""

    def __init__(
        self,
        samples: int,
        *,
        batch_size: int,
        shuffle: bool,
        seed: int,
        drop_last: bool,
        difficulty: ArrayLike | None,
    ) -> None:
        self._who = who = type(self).__name__
        if samples == 0:
            raise ShapeError(f"{who}: there are no samples")
        for name, number in (("batch_size", batch_size), ("seed", seed)):
            if isinstance(number, bool) or not isinstance(number, int | np.integer):
                raise ArgumentError(f"{who}: {name} must be a whole number, found {number!r}")
        if batch_size < 1:
            raise ArgumentError(f"{who}: batch_size must be at least 1, found {batch_size}")
        if drop_last and batch_size > samples:
            raise ArgumentError(
                f"{who}: batch_size {batch_size} with drop_last leaves no batch of the "
                f"{samples} samples"
            )
        if not 0 <= seed <= _WORD:
            raise ArgumentError(f"{who}: seed must be in 0…2**64−1, found {seed}")
        self.samples = samples
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.drop_last = drop_last
        self._scores = None if difficulty is None else self._checked_scores(difficulty)

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        whole, rest = divmod(self.samples, self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Return the sample numbers of an epoch, `(sample,)`, in the order they are served.

        Batch k holds `order(epoch)[k * batch_size : (k + 1) * batch_size]`.
        """
        if self.shuffle:
            order = permutation(self.samples, seed=self.seed, stream=epoch)
        else:
            order = np.arange(self.samples, dtype=np.int64)
        if self._scores is not None:
            order = order[np.argsort(self._scores[order], kind="stable")]
        return order

    def _check_place(self, epoch: int, start_batch: int) -> None:
        if epoch < 0:
            raise ArgumentError(f"{self._who}: epoch must not be negative, found {epoch}")
        if not 0 <= start_batch <= len(self):
            raise ArgumentError(
                f"{self._who}: start_batch must be in 0…{len(self)}, found {start_batch}"
            )

    def _checked_scores(self, difficulty: ArrayLike) -> NDArray[Any]:
        scores = np.asarray(difficulty)
        if scores.shape != (self.samples,):
            raise ShapeError(
                f"{self._who}: difficulty must hold one score for each of {self.samples} samples, "
                f"shape ({self.samples},), found {scores.shape}"
            )
        if scores.dtype.kind not in "biuf" or not np.isfinite(scores).all():
            raise ArgumentError(f"{self._who}: difficulty must hold finite numbers")
        return scores.copy()
