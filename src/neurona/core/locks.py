"""Locks of single objects that a forked child finds free.

A child has one thread, that which forked. What others held in the parent nobody would release.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any

_LOCKS: weakref.WeakSet[Any] = weakref.WeakSet()


def object_lock() -> Any:
    """A reentrant lock; in the child of a fork it is held by the thread that forked or by nobody.

    >>> lock = object_lock()
    >>> with lock, lock:
    ...     pass
    """
    lock = threading.RLock()
    _LOCKS.add(lock)
    return lock


def _release() -> None:
    for lock in list(_LOCKS):
        if not lock._is_owned():
            lock._at_fork_reinit()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_release)
