"""`neurona info`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import neurona
from neurona.cli.output import print_json, print_pairs
from neurona.core import config


def info(as_json: bool) -> None:
    """Print versions, the processor and the folders in use."""
    from llvmlite import binding as llvm

    from neurona.compiler.machine.native import host
    from neurona.train.environment import environment

    target, here = host(), environment()
    name = here.pop("processor")
    found: dict[str, Any] = {
        **here,
        "folder": str(Path(neurona.__file__).parent),
        "llvm": ".".join(map(str, llvm.llvm_version_info)),
        "processor": {"name": name, "llvm_name": target.cpu, "lanes": target.lanes},
        "cache": _used(config.cache_folder()),
        "data": _used(config.data_folder()),
    }
    if as_json:
        print_json(found)
        return
    processor = found["processor"]
    print_pairs(
        {
            "neurona": f"{found['neurona']} in {found['folder']}",
            "python": f"{found['python']} on {found['platform']}",
            "packages": ", ".join(f"{name} {one}" for name, one in found["packages"].items()),
            "llvm": found["llvm"],
            "processor": f"{processor['name']} ({target.cpu}, {target.lanes} float32 lanes)",
            "threads": f"{found['threads']} of {found['processors']} processors (NEURONA_THREADS)",
            "object cache": f"{_in_words(found['cache'])} (NEURONA_CACHE)",
            "data": f"{_in_words(found['data'])} (NEURONA_DATA)",
        }
    )


def _used(folder: Path) -> dict[str, Any]:
    files = [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []
    return {
        "folder": str(folder),
        "exists": folder.is_dir(),
        "files": len(files),
        "bytes": sum(path.stat().st_size for path in files),
    }


def _in_words(used: dict[str, Any]) -> str:
    if not used["exists"]:
        return f"{used['folder']}, not made yet"
    return f"{used['folder']}, {used['files']} files, {used['bytes'] / 1e6:.1f} MB"
