"""Weights in safetensors files, also in several with an index."""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from neurona.core.errors import CheckpointError
from neurona.core.op import Array
from neurona.data.files import replacing
from neurona.data.safetensors import METADATA, from_safetensors, header, to_safetensors
from neurona.interop.state import as_arrays, content_of
from neurona.nn import Module

INDEX = ".index.json"


def save_safetensors(
    path: str | PathLike[str],
    state: Mapping[str, Any] | Module,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write arrays by name, or the `state_dict` of a module, to one safetensors file.

    The file appears whole or not at all. PyTorch reads it with
    `safetensors.torch.load_file(path)`.

    state: name → array or tensor, or a module.
    metadata: texts by name, kept in the head of the file; see `read_metadata`.
    Raises `ArgumentError` for what is no array or has a dtype that Neurona does not have,
    `CheckpointError` when the file cannot be written.

    >>> from neurona import interop, nn
    >>> network = nn.Linear(3, 2)
    >>> interop.save_safetensors("linear.safetensors", network, {"trained on": "digits"})
    >>> sorted(interop.load_safetensors("linear.safetensors"))
    ['bias', 'weight']
    >>> network.load_state_dict(interop.load_safetensors("linear.safetensors"))
    LoadResult(missing_keys=[], unexpected_keys=[])
    """
    content = to_safetensors(as_arrays("save_safetensors", state), metadata)
    write_whole(Path(path), content)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that appears whole or not at all."""
    try:
        with replacing(path) as file:
            file.write(content)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be written: {error.strerror or error}") from None


def load_safetensors(path: str | PathLike[str]) -> dict[str, Array]:
    """The arrays of a safetensors file by name, in memory of their own.

    path: a `.safetensors` file, or the `….safetensors.index.json` of several files in its folder.
    Raises `CheckpointError`, naming the file, when it is missing or damaged, names an array twice
    or has a dtype that Neurona does not have (8-bit floats).
    """
    path = Path(path)
    if path.name.endswith(INDEX):
        return _load_several(path)
    return from_safetensors(content_of(path), path)


def read_metadata(path: str | PathLike[str]) -> dict[str, str]:
    """The texts by name in the head of a safetensors file.

    Raises `CheckpointError`, naming the file, when it is missing or damaged.

    >>> import numpy as np
    >>> from neurona import interop
    >>> interop.save_safetensors("w.safetensors", {"w": np.zeros(3)}, {"licence": "CC0"})
    >>> interop.read_metadata("w.safetensors")
    {'licence': 'CC0'}
    """
    path = Path(path)
    content = content_of(path)
    from_safetensors(content, path)
    return dict(header(content, path).get(METADATA) or {})


def _load_several(index: Path) -> dict[str, Array]:
    """The arrays of all files that an index names."""
    try:
        places = json.loads(content_of(index))["weight_map"]
        known = all(isinstance(part, str) for item in places.items() for part in item)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        known = False
    if not known:
        raise CheckpointError(f"{index}: damaged: no 'weight_map' of names and files")
    arrays: dict[str, Array] = {}
    for file in sorted(set(places.values())):
        if file in ("", ".", "..") or "/" in file or "\\" in file or "\0" in file:
            raise CheckpointError(f"{index}: names a file outside of its folder: {file!r}")
        place = index.with_name(file)
        found = from_safetensors(content_of(place), place)
        wanted = [name for name, where in places.items() if where == file]
        lacking = [name for name in wanted if name not in found]
        if lacking:
            raise CheckpointError(f"{place}: lacks {lacking[0]!r}, which {index.name} places there")
        arrays.update((name, found[name]) for name in wanted)
    return {name: arrays[name] for name in places}
