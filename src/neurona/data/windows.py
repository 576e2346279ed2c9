"""Consecutive windows of a text, for a network that carries its state from one to the next."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurona.core.arguments import whole
from neurona.core.errors import ArgumentError, ShapeError
from neurona.data.token_windows import IGNORED, checked_ids

Pair = tuple[NDArray[np.int64], NDArray[np.int64]]


class WindowLoader:
    """What `windows` returns: a loader of inputs and targets, int64 `(batch_size, length)` each.

    Row b of a batch goes on where row b of the batch before it ended.
    """

    shuffle = False
    seed = 0
    waited = 0.0

    def __init__(self, ids: NDArray[np.int64], batch_size: int, length: int, drop_last: bool):
        targets = len(ids) - 1
        stream = targets // batch_size if drop_last else -(-targets // batch_size)
        self._windows = stream // length if drop_last else -(-stream // length)
        self.arrays = (ids,)
        self.batch_size = batch_size
        self.length = length
        self.samples = self._windows * batch_size
        self._stream = stream

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return self._windows

    def epoch(self, epoch: int, *, start_batch: int = 0) -> Iterator[Pair]:
        """Return an iterator over the windows, from `start_batch` on; every epoch is the same."""
        if epoch < 0 or not 0 <= start_batch <= len(self):
            raise ArgumentError(
                f"windows: epoch {epoch} or start_batch {start_batch} out of range; there are "
                f"{len(self)} batches"
            )
        return map(self._window, range(start_batch, len(self)))

    def peek(self) -> Pair:
        """Return the first one or two rows."""
        x, y = self._window(0)
        return x[:2], y[:2]

    def close(self) -> None:
        """Do nothing: arrays in memory hold no threads or files."""

    def _window(self, number: int) -> Pair:
        (ids,) = self.arrays
        place = number * self.length + np.arange(self.length)  # in a stream
        at = np.arange(self.batch_size)[:, None] * self._stream + place
        inside = (place < self._stream) & (at < len(ids) - 1)
        at = np.where(inside, at, 0)
        return np.where(inside, ids[at], 0), np.where(inside, ids[at + 1], IGNORED)

    def __repr__(self) -> str:
        return (
            f"WindowLoader: {len(self)} batches ({self.batch_size}, {self.length}) of "
            f"{len(self.arrays[0])} tokens"
        )


def windows(
    ids: ArrayLike, *, batch_size: int, length: int, drop_last: bool = False
) -> WindowLoader:
    """Serve a text as `batch_size` streams side by side, cut into windows of `length` tokens.

    The text is cut into `batch_size` parts of one length; a batch holds the next `length` tokens
    of each part, and as targets the tokens that follow each. So a network that goes on from the
    state in which a batch left it reads each part from its begin to its end:
    `model.fit(data.windows(…), carry_state=True)`, truncated backpropagation through time.

    - `ids`: integers `(token,)`.
    - `drop_last`: leave out what does not fill a batch. Otherwise every token but the first is a
      target exactly once, and what is filled up has targets of −100, which losses of tokens leave
      out: for measuring.

    Raises `ShapeError` for a text that is too short, `DTypeError` for ids that are no integers.

    >>> for x, y in windows(np.arange(10), batch_size=2, length=3).epoch(0):
    ...     print(x.tolist(), y.tolist())
    [[0, 1, 2], [5, 6, 7]] [[1, 2, 3], [6, 7, 8]]
    [[3, 4, 0], [8, 0, 0]] [[4, 5, -100], [9, -100, -100]]
    """
    tokens = checked_ids("windows", ids)
    batch_size = whole("windows", "batch_size", batch_size)
    length = whole("windows", "length", length)
    least = batch_size * length + 1 if drop_last else batch_size + 1
    if len(tokens) < least:
        raise ShapeError(
            f"windows: a text of {len(tokens)} tokens is too short for {batch_size} streams"
            f"{f' of windows of {length}' if drop_last else ''}, which need {least}"
        )
    return WindowLoader(tokens, batch_size, length, drop_last)
