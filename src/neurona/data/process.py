"""A worker process that reads batches, and its parent's end of it.

The pipe between them carries small messages of `multiprocessing`'s own making (the source once, the
numbers of the samples, shapes and dtypes), only ever between a process and its own child, and the
arrays as raw bytes. It has no name, so a process that is killed leaves nothing behind. The child is
started afresh, not forked: threads and locks of the parent's libraries do not survive a fork.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable
from multiprocessing import connection, resource_tracker
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurona.core import errors
from neurona.core.errors import ArgumentError, DataError, NeuronaError, WorkerError

Work = Callable[[int, NDArray[np.int64]], tuple[NDArray[Any], ...]]

_PATIENCE = 5.0  # seconds for a process whose pipe has ended to end itself
_PIECE = 1 << 20


class WorkerProcess:
    """A child process that does `work(epoch, indices)`; one thread at a time may ask it to."""

    def __init__(self, work: bytes) -> None:
        """Start it. `work`: the callable, as `packed` made it."""
        context = multiprocessing.get_context("spawn")
        self._pipe, remote = context.Pipe()
        self._work: bytes | None = work
        self._ready = False
        self._process = context.Process(
            target=serve, args=(remote,), name="neurona-data", daemon=True
        )
        resource_tracker.ensure_running()  # it unblocks the signal when it is started
        # Ctrl-C goes to all processes of a terminal; the child must not see it while it starts.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            remote.close()

    def __call__(self, epoch: int, indices: NDArray[np.int64]) -> tuple[NDArray[Any], ...]:
        """Have a batch read and return it.

        Raises what the work raised, and WorkerError when the process died over it.
        """
        try:
            if self._work is not None:
                self._pipe.send_bytes(self._work)
                self._work = None
            self._pipe.send((epoch, indices))
            answer = self._pipe.recv()
            self._ready = True
            if isinstance(answer, Failure):
                raise answer.error()
            return tuple(_receive(self._pipe.fileno(), *one) for one in answer)
        except (EOFError, OSError):
            raise self._died() from None

    def kill(self) -> None:
        """End the process at once; it only reads. A call at work then raises WorkerError."""
        self._process.kill()

    def join(self) -> None:
        """Wait until the process is gone, and give back its pipe and descriptors."""
        self._process.join()
        self._process.close()
        self._pipe.close()

    def _died(self) -> WorkerError:
        self._process.join(_PATIENCE)
        code = self._process.exitcode
        if code is None:
            reason = "closed its pipe"
        elif code == -signal.SIGKILL:
            reason = "was killed (SIGKILL); often because memory ran out"
        elif code < 0:
            reason = f"was ended by signal {signal.Signals(-code).name}"
        else:
            reason = f"ended with exit code {code}; what it printed says why"
        if code == 1 and not self._ready:
            reason += (
                ". Its start imports the main program, which must be a file and needs `if __name__ "
                '== "__main__":` around all that it does; kind="threads" needs neither'
            )
        return WorkerError(f"StreamLoader: a worker process (pid {self._process.pid}) {reason}")


class Failure:
    """An error on its way from the child to the parent."""

    def __init__(self, error: Exception) -> None:
        self.kind = type(error).__name__
        self.message = str(error)
        self.trace = traceback.format_exc()

    def error(self) -> NeuronaError:
        """The error of the same name in `core.errors`, with the child's traceback as a note."""
        kind = getattr(errors, self.kind, DataError)
        message = self.message if kind.__name__ == self.kind else f"{self.kind}: {self.message}"
        error: NeuronaError = kind(message)
        error.add_note(f"In the worker process:\n{self.trace}")
        return error


def packed(work: Work) -> bytes:
    """Return `work` as bytes that a child of this process can take.

    Raises ArgumentError for what a fresh process cannot find again, such as a function that was
    defined in another function.
    """
    from multiprocessing.reduction import ForkingPickler

    try:
        return bytes(ForkingPickler.dumps(work))
    except Exception as error:
        raise ArgumentError(
            f"StreamLoader: the source cannot be sent to a worker process: {error}; define its "
            'class and transforms in a module, or take kind="threads"'
        ) from None


def serve(pipe: connection.Connection) -> None:
    """Do the work of a child until its parent closes the pipe or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        try:
            work: Work = pipe.recv()
        except EOFError:
            return
        except Exception as error:
            pipe.recv()
            pipe.send(Failure(ArgumentError(f"the source cannot be made in a worker: {error}")))
            return
        while True:
            epoch, indices = pipe.recv()
            try:
                arrays = work(epoch, indices)
            except Exception as error:
                pipe.send(Failure(error))
                continue
            pipe.send([(array.shape, array.dtype) for array in arrays])
            for array in arrays:
                _send(pipe.fileno(), array)
    except (EOFError, OSError):  # the parent has closed its end
        return


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _send(descriptor: int, array: NDArray[Any]) -> None:
    content = _bytes_of(np.ascontiguousarray(array))
    place = 0
    while place < len(content):
        place += os.write(descriptor, content[place : place + _PIECE])


def _receive(descriptor: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    array = np.empty(shape, dtype)
    content = _bytes_of(array)
    place = 0
    while place < len(content):
        count = os.readv(descriptor, [content[place:]])
        if count == 0:
            raise EOFError
        place += count
    return array


def _bytes_of(array: NDArray[Any]) -> memoryview:
    flat: Any = array.reshape(-1).view(np.uint8)  # no dtype but the plain ones gives its buffer
    return memoryview(flat)
