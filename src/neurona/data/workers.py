"""The team of threads or processes behind a stream of batches."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurona.core.errors import DataError
from neurona.data.loader import Batch
from neurona.data.process import Work, WorkerProcess, packed
from neurona.data.source import SampleGenerators, Source

KINDS = ("threads", "processes")


class BatchReader:
    """Makes a batch of a source's samples, the same in whatever thread or process."""

    def __init__(self, source: Source, seed: int, dtype: np.dtype[Any] | None) -> None:
        self.source = source
        self.seed = seed
        self.dtype = dtype

    def __call__(self, epoch: int, indices: NDArray[np.int64]) -> Batch:
        generators = SampleGenerators(self.seed, epoch, indices)
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
    """A pool of threads that read batches beside the consumer; `close` stops them.

    For processes, each thread asks one of as many processes and waits for its answer.
    """

    def __init__(self, reader: BatchReader, workers: int, kind: str) -> None:
        self._owner = os.getpid()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="neurona-data")
        self._processes: list[WorkerProcess] = []
        if kind == "processes":
            sent = packed(reader)
            self._processes += [WorkerProcess(sent) for _ in range(workers)]
        self._free: SimpleQueue[Work] = SimpleQueue()
        for number in range(workers):
            self._free.put(self._processes[number] if self._processes else reader)

    @property
    def alive(self) -> bool:
        """Whether its threads are there; a process forked later has none of them."""
        return self._owner == os.getpid()

    def submit(self, epoch: int, indices: NDArray[np.int64]) -> Future[Batch]:
        """Have a batch read."""
        return self._pool.submit(self._read, epoch, indices)

    def close(self) -> None:
        """Drop what is not begun, wait for what threads have begun, end processes."""
        if not self.alive:
            return
        for process in self._processes:
            process.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)
        for process in self._processes:
            process.join()
        self._processes.clear()

    def _read(self, epoch: int, indices: NDArray[np.int64]) -> Batch:
        reader = self._free.get()
        try:
            return reader(epoch, indices)
        finally:
            self._free.put(reader)
