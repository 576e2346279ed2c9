"""Resident memory of this process, now and at its peak.

Linux keeps the peak per address space in /proc/self/status (VmHWM); getrusage's `ru_maxrss` starts
there at the parent's size and is used only where /proc is missing.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def resident() -> int:
    """Bytes of physical memory this process holds."""
    return _read("VmRSS:")


def peak() -> int:
    """The most bytes it held since the last `reset_peak`, or since it began."""
    return _read("VmHWM:")


def reset_peak() -> None:
    """Let the peak start anew from here, where the system allows it."""
    if _STATUS.exists():
        Path("/proc/self/clear_refs").write_text("5")


def _read(field: str) -> int:
    if not _STATUS.exists():
        scale = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
    for line in _STATUS.read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise OSError(f"{_STATUS} has no line {field}")
