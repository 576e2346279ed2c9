"""From LLVM IR text to machine code in this process, objects cached in memory and on disk.

The key of an object is the hash of its IR, the CPU and the versions involved. A file that is
damaged or cannot be written is as good as absent: the object is made anew.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import os
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from neurona.core import config

FORMAT = "2"
"""Counts incompatible changes of the cache's files."""

_LOCK = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_LOCK.acquire, after_in_parent=_LOCK.release, after_in_child=_LOCK.release
    )


@dataclass(frozen=True)
class Target:
    """The CPU programs are made for: its name, features, and the float32 lanes of a vector."""

    cpu: str
    features: str
    lanes: int


@functools.cache
def host() -> Target:
    """The CPU this process runs on."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features()
    lanes = 16 if features.get("avx512f") else 8 if features.get("avx2") else 4
    return Target(llvm.get_host_cpu_name(), features.flatten(), lanes)


@functools.cache
def _machine() -> Any:
    target = host()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=target.cpu, features=target.features, opt=3, reloc="pic", codemodel="small"
    )


@functools.cache
def _jit() -> Any:
    return llvm.create_lljit_compiler(_machine())


_loaded: dict[tuple[str, str], tuple[Any, int]] = {}
_NUMBERS = itertools.count()
"""The name of a library that could not be linked is taken all the same."""


def load(text: str, symbol: str) -> int:
    """The address of function `symbol` of the module `text`, compiled unless that was done before.

    `text` holds definitions without attributes; `#0` stands for those of the target.
    """
    target = host()
    key = _key(text, target)
    with _LOCK:
        if (key, symbol) not in _loaded:
            image = _read(key)
            if image is None:
                image = compile_object(text)
                _write(key, image)
            library = f"{symbol}_{next(_NUMBERS)}"
            tracker = (
                llvm.JITLibraryBuilder()
                .add_object_img(image)
                .export_symbol(symbol)
                .add_current_process()
                .link(_jit(), library)
            )
            _loaded[key, symbol] = (tracker, tracker[symbol])
        return _loaded[key, symbol][1]


def _key(text: str, target: Target) -> str:
    parts = (FORMAT, llvmlite.__version__, target.cpu, target.features, text)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def module(text: str) -> str:
    """`text` with the target's attributes, triple and layout."""
    target = host()
    attributes = " ".join(
        f'"{name}"="{value}"'
        for name, value in (
            ("target-cpu", target.cpu),
            ("target-features", target.features),
            ("prefer-vector-width", target.lanes * 32),
        )
    )
    triple = llvm.get_process_triple()
    return f'target triple = "{triple}"\n{text}\nattributes #0 = {{ nounwind {attributes} }}\n'


def optimised(text: str) -> Any:
    """The parsed, verified and optimised LLVM module."""
    parsed = llvm.parse_assembly(module(text))
    parsed.verify()
    options = llvm.create_pipeline_tuning_options(3)
    options.loop_vectorization = options.slp_vectorization = False
    builder = llvm.create_pass_builder(_machine(), options)
    manager = llvm.create_new_module_pass_manager()
    manager.add_always_inliner_pass()
    manager.add_sroa_pass()
    manager.add_simplify_cfg_pass()
    manager.add_instruction_combine_pass()
    manager.add_loop_rotate_pass()
    manager.add_instruction_combine_pass()
    manager.add_new_gvn_pass()
    manager.add_simplify_cfg_pass()
    manager.run(parsed, builder)
    return parsed


def compile_object(text: str) -> bytes:
    """Machine code of the module as an object image."""
    with _LOCK:
        image: bytes = _machine().emit_object(optimised(text))
        return image


def assembly(text: str) -> str:
    """The module as assembly, for reading."""
    with _LOCK:
        return str(_machine().emit_assembly(optimised(text)))


# --- the cache on disk ---


def _path(key: str) -> Path:
    return config.cache_folder() / key[:2] / f"{key}.o"


def _read(key: str) -> bytes | None:
    try:
        content = _path(key).read_bytes()
    except (OSError, RuntimeError):  # the latter where there is no home folder
        return None
    digest, image = content[:32], content[32:]
    return image if hashlib.sha256(image).digest() == digest else None


def _write(key: str, image: bytes) -> None:
    # A cache that cannot be written only costs time.
    with contextlib.suppress(OSError, RuntimeError):
        path = _path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(image).digest() + image)
            os.replace(temporary, path)
        except OSError:
            os.unlink(temporary)
            raise
