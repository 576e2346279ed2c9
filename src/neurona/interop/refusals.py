"""Files that look like checkpoints and are none, and the commands that convert them."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import IO

from neurona.core.errors import CheckpointError

ZIP = b"PK\x03\x04"
LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""The number with which `torch.save` began its files before PyTorch 1.6."""


def refuse_others(file: IO[bytes], path: Path) -> None:
    """Raise `CheckpointError` for a file that by its first bytes is no zip checkpoint."""
    head = file.read(512)
    if not head.startswith(ZIP):
        raise CheckpointError(_reason(head, path))


def _reason(head: bytes, path: Path) -> str:
    if not head:
        return "the file is empty"
    if head.startswith(LEGACY) or head[257:262] == b"ustar":
        return (
            "in the format of PyTorch before 1.6, which is not read here; save it anew where "
            f"PyTorch is installed: {_saved_anew(path)}"
        )
    if head.startswith(b"version https://git-lfs"):
        return "a pointer of Git LFS, not the file itself; fetch it with git lfs pull"
    if head[:1] == b"\x80":
        return "a pickle, which is not read: loading one runs code from the file"
    if head[8:9] == b"{":
        return "looks like a safetensors file; use interop.load_safetensors"
    if head.lstrip()[:1] == b"<":
        return "a web page, not a checkpoint; download the file itself"
    return "not a checkpoint of PyTorch: it does not begin like a zip archive"


def refusal_of(name: str, path: Path) -> str:
    """Why a file that asks for an object of the `name` is not read, and what to do."""
    shown = name if name.isprintable() and len(name) <= 100 else f"{name[:100]!r}"
    return (
        f"asks for {shown}, which is not among the tensors, numbers and texts read here, and "
        "nothing in the file is run; if you trust it, convert it where PyTorch is installed: "
        f"{command_for(path)}"
    )


def command_for(
    path: Path, load: str = 'torch.load({0}, map_location="cpu", weights_only=False)'
) -> str:
    """The command that turns a file's tensors into a safetensors file by means of PyTorch."""
    target = _text(path.with_suffix(".safetensors"))
    return _python(
        f"import torch; from safetensors.torch import save_file; x = {load.format(_text(path))}; "
        'x = x.state_dict() if hasattr(x, "state_dict") else x; '
        'x = next((x[k] for k in ("state_dict", "model_state_dict", "model") if k in x), x); '
        "x = {k: v.contiguous().clone() for k, v in x.items() if torch.is_tensor(v)}; "
        f"save_file(x, {target})"
    )


def _saved_anew(path: Path) -> str:
    target = path.with_name(f"{path.stem}-new{path.suffix}")
    load = f'torch.load({_text(path)}, map_location="cpu", weights_only=True)'
    return _python(f"import torch; torch.save({load}, {_text(target)})")


def _python(program: str) -> str:
    return f"python -c {shlex.quote(program)}"


def _text(path: Path) -> str:
    """A path as a text in a Python program."""
    return json.dumps(str(path))
