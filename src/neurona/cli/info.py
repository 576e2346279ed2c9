"""`neurona info`."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

import neurona
from neurona.core import config

PACKAGES = ("numpy", "llvmlite", "ml_dtypes", "safetensors", "typer", "rich", "matplotlib")


def info() -> None:
    """Print versions, the processor and the folders in use."""
    from llvmlite import binding as llvm

    from neurona.compiler.machine.native import host

    target = host()
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    rows = {
        "neurona": f"{neurona.__version__} in {Path(neurona.__file__).parent}",
        "python": f"{platform.python_version()} on {platform.platform()}",
        "packages": packages,
        "llvm": ".".join(map(str, llvm.llvm_version_info)),
        "processor": f"{_processor()} ({target.cpu}, {target.lanes} float32 lanes)",
        "threads": f"{config.threads()} of {os.cpu_count()} processors (NEURONA_THREADS)",
        "object cache": f"{_used(config.cache_folder())} (NEURONA_CACHE)",
        "data": f"{_used(config.data_folder())} (NEURONA_DATA)",
    }
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"{name:{width}}  {value}")


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    if path.is_file():
        found = re.search(r"^model name\s*:\s*(.+)$", path.read_text(), flags=re.MULTILINE)
        if found:
            return found[1]
    return platform.processor() or platform.machine()


def _used(folder: Path) -> str:
    if not folder.is_dir():
        return f"{folder}, not made yet"
    files = [path for path in folder.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    return f"{folder}, {len(files)} files, {size / 1e6:.1f} MB"
