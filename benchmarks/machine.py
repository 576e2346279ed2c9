"""The machine a run took place on, for the record."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

PACKAGES = ("neurona", "numpy", "llvmlite", "torch", "jax", "jaxlib", "onnxruntime")


def describe_machine() -> dict[str, Any]:
    """Processor, system, versions, date, and the load before the run."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "last_level_cache_mb": last_level_cache() / 1e6,
        "memory_gb": _memory_gb(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES if _version(name)},
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "load_before": load(),
    }


def last_level_cache() -> int:
    """Bytes of the largest cache of processor 0; 32 MiB where the system does not say."""
    sizes = Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")
    known = [
        int(text[:-1]) << 10 for path in sizes if (text := path.read_text().strip())[-1] == "K"
    ]
    return max(known, default=32 << 20)


def load() -> float | None:
    """Processes running or waiting, averaged over the last minute."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_gb() -> float:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
