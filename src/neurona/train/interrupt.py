"""Ctrl-C as a wish that a loop grants between two steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupt:
    """requested: whether Ctrl-C was pressed."""

    def __init__(self) -> None:
        self.requested = False


@contextmanager
def deferred_interrupt() -> Iterator[Interrupt]:
    """Let the first Ctrl-C only set `requested`, so that a step is never cut in two.

    A second one interrupts at once, as usual. Outside the main thread, and where somebody else
    handles the signal, nothing is changed.
    """
    interrupt = Interrupt()
    mine = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT) if mine else None
    if before is not signal.default_int_handler:
        yield interrupt
        return

    def note(_: int, __: FrameType | None) -> None:
        interrupt.requested = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, note)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
