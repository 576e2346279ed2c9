"""Writing checkpoints that PyTorch reads with `torch.load(path, weights_only=True)`."""

from __future__ import annotations

import math
import struct
import sys
import zipfile
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from neurona.core.dtypes import DType
from neurona.core.errors import ArgumentError, CheckpointError
from neurona.core.op import Array
from neurona.data.files import replacing
from neurona.interop.pickles import MAX_DEPTH
from neurona.interop.state import as_array
from neurona.interop.torch_file import DTYPES, STORAGES
from neurona.nn import Module

_TYPED: dict[DType, str] = {DTYPES[dtype]: name for name, dtype in STORAGES.items() if dtype}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}


def save_torch(path: str | PathLike[str], state: Mapping[str, Any] | Module) -> None:
    """Write what PyTorch reads with `torch.load(path, weights_only=True)`.

    Arrays become tensors; dicts, lists, tuples, numbers and texts stay what they are. The file
    appears whole or not at all.

    state: a module, whose `state_dict` is written, or a dict of arrays, numbers and texts, which
        may be nested.
    Raises `ArgumentError` for anything else, `CheckpointError` when the file cannot be written.

    >>> from neurona import interop, nn
    >>> interop.save_torch("linear.pt", nn.Linear(3, 2))
    >>> {name: array.shape for name, array in interop.load_torch("linear.pt").items()}
    {'weight': (2, 3), 'bias': (2,)}
    """
    path = Path(path)
    if not isinstance(state, Mapping | Module):
        raise ArgumentError(f"save_torch: give a module or a dict, not {state!r:.60}")
    writer = _Writer()
    writer.write(state.state_dict() if isinstance(state, Module) else state, "state", 0)
    head = {
        "data.pkl": b"\x80\x02" + b"".join(writer.parts) + b".",
        "byteorder": sys.byteorder.encode(),
        "version": b"3\n",
    }
    try:
        with replacing(path) as file, zipfile.ZipFile(file, "w") as archive:
            for name, content in head.items():
                archive.writestr(zipfile.ZipInfo(f"archive/{name}"), content)
            for i, array in enumerate(writer.arrays):
                archive.writestr(zipfile.ZipInfo(f"archive/data/{i}"), array.tobytes())
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be written: {error.strerror or error}") from None


class _Writer:
    """The operations of a pickle, and the arrays that it refers to by number."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.arrays: list[Array] = []

    def write(self, value: Any, where: str, depth: int) -> None:
        if depth >= MAX_DEPTH:
            raise ArgumentError(f"save_torch: {where} is nested more than {MAX_DEPTH} deep")
        match value:
            case None | bool():
                self.parts.append({None: b"N", True: b"\x88", False: b"\x89"}[value])
            case int():
                self._int(value, where)
            case float():
                self.parts.append(b"G" + struct.pack(">d", value))
            case str():
                self._text(value, where)
            case list() | tuple():
                self.parts.append(b"](" if isinstance(value, list) else b"(")
                for i, item in enumerate(value):
                    self.write(item, f"{where}[{i}]", depth + 1)
                self.parts.append(b"e" if isinstance(value, list) else b"t")
            case Mapping():
                self.parts.append(b"}(")
                for key, item in value.items():
                    if not isinstance(key, str | int):
                        raise ArgumentError(f"save_torch: {where} has {key!r} for a key")
                    self.write(key, where, depth + 1)
                    self.write(item, f"{where}[{key!r}]", depth + 1)
                self.parts.append(b"u")
            case _:
                self._tensor(as_array("save_torch", where, value))

    def _int(self, value: int, where: str) -> None:
        if -(2**31) <= value < 2**31:
            self.parts.append(b"J" + struct.pack("<i", value))
            return
        size = value.bit_length() // 8 + 1
        if size > 255:
            raise ArgumentError(f"save_torch: {where} is too large a number")
        self.parts.append(b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True))

    def _text(self, value: str, where: str) -> None:
        try:
            content = value.encode()
        except UnicodeEncodeError:
            raise ArgumentError(f"save_torch: {where} has a text that is not Unicode") from None
        self.parts.append(b"X" + struct.pack("<I", len(content)) + content)

    def _tuple(self, numbers: Iterable[int]) -> None:
        self.write(tuple(numbers), "shape", 0)

    def _tensor(self, array: Array) -> None:
        """A call of the function that PyTorch itself writes for a tensor."""
        typed = _TYPED.get(array.dtype)
        version, place = ("2", "torch") if typed else ("3", "torch.storage")
        self.parts.append(b"ctorch._utils\n_rebuild_tensor_v%s\n((" % version.encode())
        self._text("storage", "")
        self.parts.append(f"c{place}\n{typed or 'UntypedStorage'}\n".encode())
        self._text(str(len(self.arrays)), "")
        self._text("cpu", "")
        self._int(array.size if typed else array.nbytes, "size")
        self.parts.append(b"tQK\x00")
        self._tuple(array.shape)
        self._tuple(math.prod(array.shape[axis + 1 :]) for axis in range(array.ndim))
        self.parts.append(b"\x89ccollections\nOrderedDict\n)R")
        if not typed:
            self.parts.append(f"ctorch\n{_NAMES[array.dtype]}\n".encode())
        self.parts.append(b"tR")
        self.arrays.append(array)
