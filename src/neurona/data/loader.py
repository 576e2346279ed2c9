"""Batches of arrays in memory, in an order that depends only on seed and epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from neurona.core.errors import ArgumentError, DataError, ShapeError
from neurona.data.order import permutation


class Loader:
    """Cuts arrays of the same length into batches, epoch by epoch.

    - `arrays`: one or more arrays `(sample, …)`.
    - `batch_size`: samples in a batch; the last batch is shorter unless `drop_last`.
    - `shuffle`: a new order each epoch, a function of `seed` and the epoch's number alone, so that
      a run can be resumed anywhere and workers cannot change it. Otherwise the arrays' own order.
    - `difficulty`: a finite score for each sample, `(sample,)`: easy ones (low scores) come first,
      in every epoch; samples of the same score are shuffled among themselves if `shuffle`.
      Source: Y. Bengio et al., "Curriculum learning" (2009).
    - `dtype`: floating arrays of another dtype are cast to it, once, when the loader is made, since
      layers raise on a dtype mismatch. None leaves them alone. Integers are never cast.

    A batch is a tuple of arrays `(batch, …)`. In the arrays' own order it holds views, and a batch
    costs a slice; otherwise each array is gathered by one `take`. Arrays that are not contiguous
    are copied once.

    Raises ShapeError for arrays of different lengths or no samples, ArgumentError for other
    arguments out of range, DataError for a value too large for `dtype`.

    >>> x, y = np.arange(10.0), np.arange(10)
    >>> loader = Loader(x, y, batch_size=4, seed=1)
    >>> len(loader), [len(batch_y) for batch_x, batch_y in loader.epoch(0)]
    (3, [4, 4, 2])
    >>> first, second, third = loader.epoch(7)
    >>> (resumed,) = loader.epoch(7, start_batch=2)
    >>> bool((resumed[1] == third[1]).all())
    True
    """

    def __init__(
        self,
        *arrays: NDArray[Any],
        batch_size: int,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
        difficulty: ArrayLike | None = None,
        dtype: DTypeLike | None = np.float32,
    ) -> None:
        if len({np.shape(array)[:1] for array in arrays}) != 1 or not np.ndim(arrays[0]):
            raise ShapeError(
                "Loader: needs arrays of one length on their first axis, found shapes "
                f"{[np.shape(array) for array in arrays]}"
            )
        self._length = len(arrays[0])
        if self._length == 0:
            raise ShapeError("Loader: the arrays hold no samples")
        if batch_size < 1:
            raise ArgumentError(f"Loader: batch_size must be at least 1, found {batch_size}")
        if drop_last and batch_size > self._length:
            raise ArgumentError(
                f"Loader: batch_size {batch_size} with drop_last leaves no batch of the "
                f"{self._length} samples"
            )
        if not 0 <= seed < 1 << 64:
            raise ArgumentError(f"Loader: seed must be in 0…2**64−1, found {seed}")
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.drop_last = drop_last
        self._arrays = tuple(_prepare(array, dtype) for array in arrays)
        self._rank = None if difficulty is None else _ranks(difficulty, self._length)

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        whole, rest = divmod(self._length, self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Return the sample numbers of an epoch, `(sample,)`, in the order they are served.

        Batch k holds `order(epoch)[k * batch_size : (k + 1) * batch_size]`.
        """
        if self.shuffle:
            order = permutation(self._length, seed=self.seed, stream=epoch)
        else:
            order = np.arange(self._length, dtype=np.int64)
        if self._rank is not None:
            order = order[np.argsort(self._rank[order], kind="stable")]
        return order

    def epoch(self, epoch: int, *, start_batch: int = 0) -> Iterator[tuple[NDArray[Any], ...]]:
        """Return an iterator over the batches of an epoch, from `start_batch` on.

        Raises ArgumentError when `epoch` is negative or `start_batch` is not in 0…len(loader).
        """
        if epoch < 0:
            raise ArgumentError(f"Loader: epoch must not be negative, found {epoch}")
        if not 0 <= start_batch <= len(self):
            raise ArgumentError(
                f"Loader: start_batch must be in 0…{len(self)}, found {start_batch}"
            )
        if not self.shuffle and self._rank is None:
            return self._slices(start_batch)
        return self._gathers(self.order(epoch), start_batch)

    def _slices(self, start_batch: int) -> Iterator[tuple[NDArray[Any], ...]]:
        size = self.batch_size
        for start in range(start_batch * size, len(self) * size, size):
            yield tuple([array[start : start + size] for array in self._arrays])

    def _gathers(
        self, order: NDArray[np.int64], start_batch: int
    ) -> Iterator[tuple[NDArray[Any], ...]]:
        size = self.batch_size
        for start in range(start_batch * size, len(self) * size, size):
            chosen = order[start : start + size]
            # The order is in range by construction, and "clip" spares take a buffered second copy.
            yield tuple([array.take(chosen, 0, None, "clip") for array in self._arrays])


def _prepare(array: NDArray[Any], dtype: DTypeLike | None) -> NDArray[Any]:
    array = np.asarray(array)
    if dtype is not None and array.dtype.kind == "f" and array.dtype != np.dtype(dtype):
        try:
            with np.errstate(over="raise"):
                array = array.astype(dtype)
        except FloatingPointError:
            raise DataError(
                f"Loader: an array of {array.dtype} holds values too large for {np.dtype(dtype)}; "
                "standardise it first or pass another dtype"
            ) from None
    # take copies the whole of a non-contiguous array at every call
    return np.ascontiguousarray(array)


def _ranks(difficulty: ArrayLike, length: int) -> NDArray[Any]:
    scores = np.asarray(difficulty)
    if scores.shape != (length,):
        raise ShapeError(
            f"Loader: difficulty must hold one score for each of {length} samples, shape "
            f"({length},), found {scores.shape}"
        )
    if scores.dtype.kind not in "biuf" or not np.isfinite(scores).all():
        raise ArgumentError("Loader: difficulty must hold finite numbers")
    return scores.copy()
