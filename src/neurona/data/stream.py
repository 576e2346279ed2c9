"""Batches of a source that is read while the consumer computes."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from neurona.core.errors import ArgumentError, nearest
from neurona.data.loader import Batch
from neurona.data.order import BatchOrder
from neurona.data.source import Source
from neurona.data.workers import KINDS, BatchReader, Team


class StreamLoader(BatchOrder):
    """Reads a source batch by batch, ahead of its consumer.

    - `batch_size`, `shuffle`, `seed`, `drop_last`, `difficulty`, `dtype`: as for `Loader`, which
      serves the same order.
    - `workers`: how many batches are read at a time beside the consumer's work. 0: none, a batch is
      read when it is asked for.
    - `prefetch`: how many batches are read ahead at most; None: two for each worker. So much memory
      is needed for them, and one more for the batch that the consumer has.
    - `kind`: "threads", right where the time goes into the disk, Pillow or NumPy, which let other
      threads run; or "processes", for transforms written in Python. Processes are started afresh
      (not forked), so a program that uses them has its main part under
      `if __name__ == "__main__":`, and source and transforms are found by their modules.

    What is served does not depend on `workers`, `prefetch` and `kind`: batches come in the epoch's
    order, and a sample's randomness is a function of seed, epoch and its number
    (`sample_generator`). Who reads epoch after epoch, or the same again, finds the next one begun
    when it comes: its first batches are read while the last ones are used.

    `waited` is the time in seconds that the consumer has waited for batches in the current epoch.

    Workers start with the first epoch and stay until `close`, or the end of a `with` block; an
    iterator that is left early stops its own. Processes go when this one goes, however it ends.

    Raises ArgumentError for arguments out of range; in an epoch what reading raises, with the
    sample's name, and WorkerError when a worker process dies.

    >>> from neurona.data import ArraySource
    >>> source = ArraySource(np.arange(10.0), np.arange(10))
    >>> with StreamLoader(source, batch_size=4, seed=1, workers=2) as loader:
    ...     batches = list(loader.epoch(3))
    >>> from neurona.data import Loader
    >>> same = Loader(np.arange(10), batch_size=4, seed=1)
    >>> [y.tolist() for x, y in batches] == [y.tolist() for (y,) in same.epoch(3)]
    True
    """

    def __init__(
        self,
        source: Source,
        *,
        batch_size: int,
        shuffle: bool = True,
        seed: int = 0,
        workers: int = 2,
        prefetch: int | None = None,
        kind: str = "threads",
        drop_last: bool = False,
        difficulty: ArrayLike | None = None,
        dtype: DTypeLike | None = np.float32,
    ) -> None:
        if not isinstance(source, Source):
            raise ArgumentError(
                f"StreamLoader: needs a data.Source, found {type(source).__name__}; for arrays in "
                "memory use Loader"
            )
        super().__init__(
            len(source),
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            drop_last=drop_last,
            difficulty=difficulty,
        )
        if workers < 0:
            raise ArgumentError(f"StreamLoader: workers must not be negative, found {workers}")
        if prefetch is not None and prefetch < 1:
            raise ArgumentError(f"StreamLoader: prefetch must be at least 1, found {prefetch}")
        if kind not in KINDS:
            raise ArgumentError(
                f"StreamLoader: unknown kind {kind!r}{nearest(str(kind), KINDS)} "
                f"(known: {', '.join(KINDS)})"
            )
        if kind == "processes" and os.name != "posix":
            raise ArgumentError(
                'StreamLoader: kind="processes" needs Linux or macOS; take "threads"'
            )
        self.source = source
        self.workers = workers
        self.prefetch = 2 * workers if prefetch is None else prefetch
        self.kind = kind
        self.waited = 0.0
        self._reader = BatchReader(source, seed, None if dtype is None else np.dtype(dtype))
        self._idle: list[Team] = []
        self._busy: set[Team] = set()
        self._asked: int | None = None
        self._begun: _Ahead | None = None

    def epoch(self, epoch: int, *, start_batch: int = 0) -> Iterator[Batch]:
        """Return an iterator over the batches of an epoch, from `start_batch` on.

        Raises ArgumentError when `epoch` is negative or `start_batch` is not in 0…len(loader).
        """
        self._check_place(epoch, start_batch)
        self.waited = 0.0
        step = None if self._asked is None else epoch - self._asked
        self._asked = epoch
        if self.workers == 0:
            return self._read_now(epoch, self._parts(epoch, start_batch))
        return self._read_ahead(epoch, start_batch, epoch + step if step in (0, 1) else None)

    def peek(self) -> Batch:
        """Return the first one or two samples in natural order, as epoch 0 serves them."""
        return self._reader(0, np.arange(min(2, self.samples)))

    def close(self) -> None:
        """Stop all workers. An epoch begun later starts new ones."""
        for team in [*self._idle, *self._busy]:
            team.close()
        self._idle.clear()
        self._busy.clear()
        self._begun = None

    def __enter__(self) -> StreamLoader:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _read_now(self, epoch: int, parts: Iterator[NDArray[np.int64]]) -> Iterator[Batch]:
        for indices in parts:
            start = time.perf_counter()
            batch = self._reader(epoch, indices)
            self.waited += time.perf_counter() - start
            yield batch

    def _parts(self, epoch: int, start_batch: int = 0) -> Iterator[NDArray[np.int64]]:
        """The sample numbers of each batch."""
        order, size = self.order(epoch), self.batch_size
        for number in range(start_batch, len(self)):
            yield order[number * size : (number + 1) * size]

    def _read_ahead(self, epoch: int, start_batch: int, following: int | None) -> Iterator[Batch]:
        """The batches of an epoch; following: the epoch that is likely to be asked for then."""
        now = self._take_begun(epoch, start_batch)
        if now is None:
            now = _Ahead(epoch, self._parts(epoch, start_batch), self._hire())
        team, after = now.team, None
        if following is not None:
            after = _Ahead(following, self._parts(following), team)
        complete = False
        try:
            now.fill(self.prefetch)
            while now.futures:
                if team not in self._busy:
                    raise CancelledError
                start = time.perf_counter()
                batch = now.futures.popleft().result()
                now.fill(self.prefetch)
                if after is not None and now.done:
                    after.fill(self.prefetch - len(now.futures))
                self.waited += time.perf_counter() - start
                yield batch
            complete = True
        except CancelledError:
            raise ArgumentError("StreamLoader: was closed while an epoch was being read") from None
        finally:
            self._dismiss(team, complete, after)

    def _take_begun(self, epoch: int, start_batch: int) -> _Ahead | None:
        """The epoch that was begun ahead, if it is this one; it is given up otherwise."""
        begun, self._begun = self._begun, None
        if begun is None or (begun.team.alive and begun.epoch == epoch and start_batch == 0):
            return begun
        for future in begun.futures:
            future.cancel()
        self._dismiss(begun.team, True, None)
        return None

    def _hire(self) -> Team:
        while self._idle:
            team = self._idle.pop()
            if team.alive:
                break
        else:
            team = Team(self._reader, self.workers, self.kind)
        self._busy.add(team)
        return team

    def _dismiss(self, team: Team, complete: bool, after: _Ahead | None) -> None:
        if team not in self._busy:  # the loader was closed
            return
        if complete and after is not None and self._begun is None:
            self._begun = after
            return
        self._busy.remove(team)
        if complete:
            self._idle.append(team)
        else:
            team.close()


class _Ahead:
    """An epoch whose batches a team reads ahead."""

    def __init__(self, epoch: int, parts: Iterator[NDArray[np.int64]], team: Team) -> None:
        self.epoch = epoch
        self.team = team
        self.futures: deque[Future[Batch]] = deque()
        self.done = False
        self._parts = parts

    def fill(self, count: int) -> None:
        """Have batches read until so many are on their way or none is left."""
        while len(self.futures) < count and not self.done:
            indices = next(self._parts, None)
            if indices is None:
                self.done = True
            else:
                self.futures.append(self.team.submit(self.epoch, indices))
