"""Arrays by name as the content of a safetensors file, and back."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from neurona.core.dtypes import bfloat16
from neurona.core.errors import ArgumentError, CheckpointError
from neurona.core.op import Array

METADATA = "__metadata__"

_DTYPES = {
    "BOOL": np.dtype(np.bool_),
    "BF16": bfloat16,
    **{f"F{bits}": np.dtype(f"float{bits}") for bits in (16, 32, 64)},
    **{f"I{bits}": np.dtype(f"int{bits}") for bits in (8, 16, 32, 64)},
    **{f"U{bits}": np.dtype(f"uint{bits}") for bits in (8, 16, 32, 64)},
}


def to_safetensors(arrays: Mapping[str, Array], metadata: Mapping[str, str] | None = None) -> bytes:
    """Arrays by name, and texts by name as `metadata`, as the content of a safetensors file.

    Raises `ArgumentError` for metadata that are no texts.

    >>> content = to_safetensors({"w": np.ones((2, 3), np.float32)})
    >>> from_safetensors(content, Path("w.safetensors"))["w"].shape
    (2, 3)
    """
    from safetensors.numpy import save

    if METADATA in arrays:
        raise ArgumentError(f"safetensors: {METADATA!r} cannot name an array")
    texts = {} if metadata is None else metadata
    if not isinstance(texts, Mapping) or not all(
        isinstance(text, str) for item in texts.items() for text in item
    ):
        raise ArgumentError(f"safetensors: metadata must be texts by name, not {metadata!r:.80}")
    whole = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    return save(whole, dict(texts) or None)


def from_safetensors(content: bytes, path: Path) -> dict[str, Array]:
    """The arrays of a safetensors file; they own their memory.

    Raises `CheckpointError`, naming `path`, for content that is damaged, names an array twice or
    has a dtype unknown here.
    """
    from safetensors import SafetensorError, deserialize

    try:
        entries: Any = deserialize(content)  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise CheckpointError(f"{path}: not a whole safetensors file: {error}") from None
    header(content, path)
    arrays = {}
    for name, entry in entries:
        dtype = _DTYPES.get(entry["dtype"])
        if dtype is None:
            raise CheckpointError(
                f"{path}: {name!r} has the dtype {entry['dtype']!r}, which Neurona does not have"
            )
        arrays[name] = array_of(entry["data"], dtype, entry["shape"], f"{path}: {name!r}")
    return arrays


def header(content: bytes, path: Path) -> dict[str, Any]:
    """What the JSON at the head of whole safetensors content says, array by array.

    Raises `CheckpointError` for a name given twice, of which readers would pick one or the other.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        for name, times in Counter(name for name, _ in pairs).items():
            if times > 1:
                raise CheckpointError(f"{path}: damaged: {name!r} is there {times} times")
        return dict(pairs)

    size = int.from_bytes(content[:8], "little")
    try:
        found = json.loads(content[8 : 8 + size], object_pairs_hook=unique)
    except CheckpointError:
        raise
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: not a whole safetensors file: {error}") from None
    return dict(found)


def array_of(data: bytes | bytearray, dtype: np.dtype[Any], shape: Any, who: str) -> Array:
    """The array whose elements lie row by row in `data`; a `bytearray` becomes its memory.

    Raises `CheckpointError`, said by `who`, for a shape NumPy cannot have and for booleans that are
    neither 0 nor 1.
    """
    try:
        array: Array = np.frombuffer(data, dtype).reshape(shape)
    except ValueError as error:
        raise CheckpointError(f"{who} has a shape that NumPy cannot have: {error}") from None
    if dtype == np.bool_ and array.view(np.uint8).max(initial=0) > 1:
        raise CheckpointError(f"{who}: damaged: it holds booleans that are neither 0 nor 1")
    return array if isinstance(data, bytearray) else array.copy()
