"""The threads that help a running program.

Workers are Python threads that spend their time in native code (`runner`), without the
interpreter's lock. They look for work for a short while after the last and then sleep on a
semaphore. The pool has one owner at a time: a program that finds it taken runs alone, with the same
bits.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable
from threading import get_ident
from typing import Any, cast

from neurona.compiler.run.memory import Memory
from neurona.compiler.run.runner import DESKS, WORKERS, runner, work
from neurona.compiler.run.sharing import ASLEEP, DESK, MAX_WORKERS, STOPPED, WAKING
from neurona.core import config
from neurona.core.buffer import address, aligned_empty
from neurona.core.dtypes import int64

PATIENCE = 80_000
"""Looks at the desk before a worker sleeps: about a millisecond, longer than between two steps."""


class Pool:
    """`workers` helping threads, started when first wanted."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin without threads, as in the child of a fork, which has none of its parent's."""
        # {0: thread}. A dict, since taking it and noting who did cannot be interrupted in between.
        self.owner: dict[int, int] = {}
        self.busy = self.shut = False
        self.workers = -1
        self.threads: list[threading.Thread] = []
        self.bells: list[tuple[int, threading.Semaphore]] = []
        """For each thread its desk's first word, and what wakes it."""
        self.desks = aligned_empty(((MAX_WORKERS + 1) * DESK,), int64)
        self.desks[:] = 0
        self.states: Any = memoryview(cast(Any, self.desks))
        self.address = address(self.desks)

    def start(self) -> None:
        run = work()
        self.workers = 0
        for i in range(min(config.threads() - 1, MAX_WORKERS)):
            bell = threading.Semaphore(0)
            desk = i * DESK
            thread = threading.Thread(
                target=self._serve, args=(run, desk, bell), name=f"neurona-{i}", daemon=True
            )
            try:
                thread.start()
            except RuntimeError:  # The system gives no more; fewer help.
                break
            self.bells.append((desk, bell))
            self.threads.append(thread)
            self.workers += 1

    def _serve(self, run: Callable[[int, int], int], desk: int, bell: threading.Semaphore) -> None:
        place = self.address + desk * self.desks.itemsize
        while True:
            bell.acquire()
            if self.states[desk] == STOPPED or run(place, PATIENCE) == STOPPED:
                return

    def run(self, memory: Memory) -> int:
        """Make a call (see `runner`), with the workers if they are free."""
        words = memory.words
        me = get_ident()
        if self.shut or self.owner.setdefault(0, me) != me or self.busy:
            return alone(memory)
        try:
            self.busy = True
            if self.workers < 0:
                self.start()
            states = self.states
            for desk, bell in self.bells:
                if states[desk] == ASLEEP:
                    states[desk] = WAKING
                    bell.release()
            words[DESKS], words[WORKERS] = self.address, self.workers
            return alone(memory)
        finally:
            words[WORKERS] = 0
            self.busy = False
            self.owner.pop(0, None)

    def stop(self, *, for_good: bool = False) -> None:
        """End the workers; the next run starts new ones, unless it is for good."""
        self.shut = True
        me = get_ident()
        while self.owner.setdefault(0, me) != me:
            time.sleep(0.001)
        for desk, bell in self.bells:
            self.states[desk] = STOPPED
            bell.release()
        for thread in self.threads:
            thread.join()
        self.threads, self.bells, self.workers = [], [], -1
        self.desks[:] = 0
        self.shut = for_good
        self.owner.pop(0, None)


def alone(memory: Memory) -> int:
    """Make a call (see `runner`) without asking for help."""
    try:
        failed: int = runner()(memory.address)
        return failed
    except SystemError as error:
        # A signal's handler raised within native code, where ctypes does not expect it.
        if error.__cause__ is None:
            raise
        raise error.__cause__ from None


POOL = Pool()


# While the interpreter ends, a new thread would never begin to run.
atexit.register(POOL.stop, for_good=True)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=POOL.reset)
