"""Threads and processes that read batches.

A team is a pool of threads. For processes each thread has one at the end of a pipe: it sends the
numbers of the samples, and receives the arrays as raw bytes into fresh memory. The pipe's messages
about them are of `multiprocessing`'s own making, and go between a process and its own children
only. Pipes have no names, so nothing is left behind by a process that is killed.
"""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurona.core.errors import DataError
from neurona.data.loader import Batch
from neurona.data.source import Source, sample_generator

KINDS = ("threads", "processes")


class BatchReader:
    """Makes a batch of a source's samples, the same in whatever thread or process."""

    def __init__(self, source: Source, seed: int, dtype: np.dtype[Any] | None) -> None:
        self.source = source
        self.seed = seed
        self.dtype = dtype

    def __call__(self, epoch: int, indices: NDArray[np.int64]) -> Batch:
        generators = (sample_generator(self.seed, epoch, index) for index in indices.tolist())
        return tuple(
            self._cast(np.asarray(array)) for array in self.source.read_batch(indices, generators)
        )

    def _cast(self, array: NDArray[Any]) -> NDArray[Any]:
        if array.dtype.kind == "O":
            raise DataError(f"{self.source!r}: gives Python objects; a sample holds numbers")
        if self.dtype is None or array.dtype.kind != "f" or array.dtype == self.dtype:
            return array
        try:
            with np.errstate(over="raise"):
                return array.astype(self.dtype)
        except FloatingPointError:
            raise DataError(
                f"{self.source!r}: holds values too large for {self.dtype}; standardise it or "
                "pass another dtype"
            ) from None


class Team:
    """Threads that read batches beside the consumer; `close` stops them."""

    def __init__(self, reader: BatchReader, workers: int, kind: str) -> None:
        self._reader = reader
        self._owner = os.getpid()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="neurona-data")

    @property
    def alive(self) -> bool:
        """Whether its threads are there; a process forked later has none of them."""
        return self._owner == os.getpid()

    def submit(self, epoch: int, indices: NDArray[np.int64]) -> Future[Batch]:
        """Have a batch read."""
        return self._pool.submit(self._reader, epoch, indices)

    def close(self) -> None:
        """Drop what is not begun, wait for what is."""
        if self.alive:
            self._pool.shutdown(wait=True, cancel_futures=True)
