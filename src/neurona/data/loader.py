"""What serves batches, and the loader of arrays in memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from neurona.core.errors import DataError, ShapeError
from neurona.data.order import BatchOrder

Batch = tuple[NDArray[Any], ...]


@runtime_checkable
class Batches(Protocol):
    """What training asks of a loader. `Loader` and `StreamLoader` are ones; so is any such object.

    A batch is a tuple of arrays `(batch, …)`: inputs and targets, and weights if there are any.
    What is served depends on `seed`, the epoch and the sample alone.

    - `len(loader)`: batches in an epoch.
    - `samples`, `batch_size`, `seed`: what it was made with.
    - `waited`: seconds that the consumer has waited for data since the current epoch began.

    >>> isinstance(Loader(np.zeros(3), batch_size=1), Batches)
    True
    """

    @property
    def samples(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def seed(self) -> int: ...
    @property
    def waited(self) -> float: ...

    def __len__(self) -> int: ...

    def epoch(self, epoch: int, *, start_batch: int = 0) -> Iterator[Batch]:
        """Return an iterator over the batches of an epoch, from `start_batch` on."""

    def peek(self) -> Batch:
        """Return the first one or two samples in natural order, for checks before training."""

    def close(self) -> None:
        """Give back threads, processes and files; a loader that is closed twice is closed."""


class Loader(BatchOrder):
    """Cuts arrays of the same length into batches, epoch by epoch.

    - `arrays`: one or more arrays `(sample, …)`: inputs, targets and, if samples count
      differently, weights.
    - `batch_size`: samples in a batch; the last batch is shorter unless `drop_last`.
    - `shuffle`: a new order each epoch, a function of `seed` and the epoch's number alone, so that
      a run can be resumed anywhere and workers cannot change it. Otherwise the arrays' own order.
    - `difficulty`: a finite score for each sample, `(sample,)`: easy ones (low scores) come first,
      in every epoch; samples of the same score are shuffled among themselves if `shuffle`.
      Source: Y. Bengio et al., "Curriculum learning" (2009).
    - `dtype`: floating arrays of another dtype are cast to it, once, when the loader is made, since
      layers raise on a dtype mismatch. None leaves them alone. Integers are never cast.

    A batch is a tuple of arrays `(batch, …)`. In the arrays' own order it holds views, and a batch
    costs less than a slice; otherwise each array is gathered by one `take`. Arrays that are not
    contiguous are copied once.

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
        super().__init__(
            len(arrays[0]),
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            drop_last=drop_last,
            difficulty=difficulty,
        )
        self.waited = 0.0
        self._arrays = tuple(_prepare(array, dtype) for array in arrays)

    def epoch(self, epoch: int, *, start_batch: int = 0) -> Iterator[Batch]:
        """Return an iterator over the batches of an epoch, from `start_batch` on.

        Raises ArgumentError when `epoch` is negative or `start_batch` is not in 0…len(loader).
        """
        self._check_place(epoch, start_batch)
        if not self.shuffle and self._scores is None:
            return zip(*[self._cut(array, start_batch) for array in self._arrays], strict=True)
        order = self.order(epoch)
        served = []
        for array in self._arrays:
            take: Any = array.take
            # The order is in range by construction, and "clip" spares take a buffered second copy.
            options = repeat(0), repeat(None), repeat("clip")
            served.append(map(take, self._cut(order, start_batch), *options))
        return zip(*served, strict=True)

    def peek(self) -> Batch:
        """Return views of the first one or two samples in natural order."""
        return tuple([array[:2] for array in self._arrays])

    def close(self) -> None:
        """Do nothing: arrays in memory hold no threads or files."""

    def _cut(self, array: NDArray[Any], start_batch: int) -> Iterator[NDArray[Any]]:
        """The batches of a contiguous array; rows of a matrix cost half as much as slices."""
        size = self.batch_size
        whole = self.samples // size
        batches = array[: whole * size].reshape(whole, size, *array.shape[1:])
        rest = [array[whole * size :]] if start_batch <= whole < len(self) else []
        return chain(batches[start_batch:], rest)


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
