"""A model on disk: `weights.safetensors` and `model.json`, which belong together.

`model.json` holds the description and the SHA-256 of the weights. Both are written to temporary
files, brought to the disk and renamed, in an order that leaves a loadable model at every moment:

1. the new weights become `weights.safetensors.new`,
2. the new `model.json`, which names their digest, takes its place: from here the new model holds,
3. `weights.safetensors.new` is renamed to `weights.safetensors`.

Whoever reads takes the weights whose digest `model.json` names, so that a crash between 2 and 3
loses nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import neurona
from neurona.core.errors import ArgumentError, CheckpointError
from neurona.core.op import Array
from neurona.data.files import replacing
from neurona.data.safetensors import from_safetensors, to_safetensors

MODEL = "model.json"
WEIGHTS = "weights.safetensors"
PENDING = "weights.safetensors.new"
FORMAT = "neurona-model"
FORMAT_VERSION = 1
FIELDS: dict[str, tuple[type, ...]] = {
    "network": (dict,),
    "preprocessing": (dict, type(None)),
    "classes": (list,),
    "reader": (dict, type(None)),
    "loss": (str, type(None)),
    "outputs": (str, type(None)),
    "metrics": (list,),
    "epochs": (int,),
}
"""What a description holds, and the types of it."""


def write(folder: Path, description: Mapping[str, Any], weights: Mapping[str, Array]) -> None:
    """Write a model into `folder`, which is made if need be.

    Raises `CheckpointError` when that fails, for a folder that is full or may not be written to;
    an earlier model is then as it was.
    """
    content = to_safetensors(weights)
    head = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "neurona": neurona.__version__,
        "weights": {"file": WEIGHTS, "bytes": len(content), "sha256": _digest(content)},
    }
    text = json.dumps({**head, **description}, indent=2, ensure_ascii=False, allow_nan=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _finish(folder)
        with replacing(folder / PENDING) as file:
            file.write(content)
        with replacing(folder / MODEL) as file:
            file.write(text.encode() + b"\n")
        (folder / PENDING).replace(folder / WEIGHTS)
    except OSError as error:
        raise CheckpointError(f"{folder}: cannot be written: {error.strerror or error}") from None


def _finish(folder: Path) -> None:
    """Take the last step of a write that was cut off after its second."""
    pending = folder / PENDING
    if pending.is_file() and (folder / MODEL).is_file():
        try:
            wanted = _read_json(folder / MODEL)["weights"]["sha256"]
        except (CheckpointError, LookupError, TypeError):
            return
        if _digest(pending.read_bytes()) == wanted:
            pending.replace(folder / WEIGHTS)


def read(folder: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """The description and the weights in `folder`.

    Raises `CheckpointError`, naming the file, when one is missing, damaged, of another format or
    version, or when the weights are others than those the description was written with.
    """
    path = folder / MODEL
    description = _read_json(path)
    if description.get("format") != FORMAT:
        raise CheckpointError(f"{path}: not a model of Neurona: 'format' is not {FORMAT!r}")
    version = description.get("format_version")
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise CheckpointError(
            f"{path}: written in format {version!r}, this Neurona ({neurona.__version__}) reads up "
            f"to {FORMAT_VERSION}; install the Neurona that wrote it, "
            f"{description.get('neurona', 'a newer one')}"
        )
    for name, kinds in FIELDS.items():
        if name not in description or not isinstance(description[name], kinds):
            raise CheckpointError(f"{path}: damaged: {name!r} is missing or of the wrong type")
    for name, kind in (("classes", str), ("metrics", str | dict)):
        if not all(isinstance(one, kind) for one in description[name]):
            raise CheckpointError(f"{path}: damaged: {name!r} must hold names")
    stated = description.get("weights")
    if not isinstance(stated, dict) or not isinstance(stated.get("sha256"), str):
        raise CheckpointError(f"{path}: damaged: 'weights' does not name a digest")
    return description, from_safetensors(*_weights(folder, stated["sha256"]))


def _weights(folder: Path, digest: str) -> tuple[bytes, Path]:
    """The content of the weights file that has the digest, and its path."""
    found = False
    for name in (WEIGHTS, PENDING):
        path = folder / name
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from None
        if _digest(content) == digest:
            return content, path
        found = True
    if not found:
        raise CheckpointError(f"{folder / WEIGHTS}: no such file")
    raise CheckpointError(
        f"{folder / WEIGHTS}: damaged, or not the weights that {MODEL} was written with (their "
        "SHA-256 differs)"
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        hint = "" if path.parent.is_dir() else " and no such folder"
        raise CheckpointError(f"{path}: no such file{hint}") from None
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # not JSON, not UTF-8, nested without end
        raise CheckpointError(f"{path}: damaged, not JSON: {error}") from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: not a model of Neurona: not a JSON object")
    return content


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextmanager
def blaming(path: Path) -> Iterator[None]:
    """Turn what refuses the content of a file into a `CheckpointError` that names the file."""
    try:
        yield
    except (ArgumentError, CheckpointError) as error:
        raise CheckpointError(f"{path}: {' '.join(str(error).split())}") from None
