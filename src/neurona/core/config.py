"""Settings from the environment. No other file reads environment variables.

| variable          | meaning                                  | default                    |
|-------------------|------------------------------------------|----------------------------|
| `NEURONA_DATA`    | folder of data sets, also for downloads  | `~/.cache/neurona/data`    |
| `NEURONA_CACHE`   | folder of compiled object code           | `~/.cache/neurona/objects` |
| `NEURONA_THREADS` | threads of a compiled program, 1 or more | the CPUs this process has  |

Variables are read when the value is asked for. An empty variable counts as unset.
"""

from __future__ import annotations

import os
from pathlib import Path

from neurona.core.errors import ArgumentError


def data_folder() -> Path:
    """Return the folder in which data sets are looked for and to which they are downloaded."""
    return _folder("NEURONA_DATA", "data")


def cache_folder() -> Path:
    """Return the folder in which compiled object code is kept between processes."""
    return _folder("NEURONA_CACHE", "objects")


def threads() -> int:
    """Return how many threads a compiled program may use.

    Raises ArgumentError when `NEURONA_THREADS` is not a whole number of at least 1.
    """
    text = os.environ.get("NEURONA_THREADS", "").strip()
    if text:
        if not (text.isascii() and text.isdigit() and int(text) >= 1):
            raise ArgumentError(
                f"NEURONA_THREADS: must be a whole number of at least 1, found {text!r}"
            )
        return int(text)
    if hasattr(os, "sched_getaffinity"):  # honours containers and taskset; not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _folder(variable: str, leaf: str) -> Path:
    text = os.environ.get(variable, "").strip()
    return Path(text).expanduser() if text else Path.home() / ".cache" / "neurona" / leaf
