"""Where a run took place: versions, processor, threads."""

from __future__ import annotations

import os
import platform
import re
import shlex
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import neurona
from neurona.core import config

PACKAGES = (
    "numpy",
    "llvmlite",
    "ml_dtypes",
    "safetensors",
    "Pillow",
    "matplotlib",
    "typer",
    "rich",
)


def environment() -> dict[str, Any]:
    """What may matter for speed and rounding, fit for JSON.

    >>> sorted(environment())
    ['neurona', 'packages', 'platform', 'processor', 'processors', 'python', 'threads']
    """
    return {
        "neurona": neurona.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "processors": os.cpu_count(),
        "threads": config.threads(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def command() -> str:
    """The command line of this process, without the folders of the program."""
    program, *arguments = sys.argv or [""]
    return shlex.join([Path(program).name, *arguments])


def _processor() -> str:
    """The name of the processor."""
    path = Path("/proc/cpuinfo")
    if path.is_file():
        found = re.search(r"^model name\s*:\s*(.+)$", path.read_text(), flags=re.MULTILINE)
        if found:
            return found[1]
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
