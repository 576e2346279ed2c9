"""Archives like those of `torch.save`, made by hand."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import pytest

from neurona.core.errors import CheckpointError
from neurona.interop import load_torch

ORDERED = b"ccollections\nOrderedDict\n)R"


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def integer(value: int) -> bytes:
    return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)


def numbers(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(integer(value) for value in values) + b"t"


def storage(key: str = "0", length: int = 4, kind: str = "FloatStorage") -> bytes:
    reference = text("storage") + f"ctorch\n{kind}\n".encode() + text(key) + text("cpu")
    return b"(" + reference + integer(length) + b"tQ"


def tensor(
    shape: tuple[int, ...], stride: tuple[int, ...], offset: int = 0, source: bytes | None = None
) -> bytes:
    arguments = (source or storage()) + integer(offset) + numbers(shape) + numbers(stride)
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + b"\x89" + ORDERED + b"tR"


def archive(
    path: Path,
    pickle: bytes,
    records: dict[str, bytes] | None = None,
    compression: int = zipfile.ZIP_STORED,
) -> Path:
    """Write an archive with `pickle` (without frame: protocol and stop are put around it)."""
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("archive/data.pkl", b"\x80\x02" + pickle + b".")
        for name, content in (records or {"data/0": bytes(16)}).items():
            file.writestr(f"archive/{name}", content)
    return path


def refusal(path: Path) -> str:
    """What `load_torch` says against a file."""
    with pytest.raises(CheckpointError) as caught:
        load_torch(path)
    assert str(path) in str(caught.value)
    return str(caught.value)
