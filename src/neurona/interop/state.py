"""States as arrays by name, and files as their content."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from neurona.core.dtypes import as_dtype
from neurona.core.errors import ArgumentError, CheckpointError, DTypeError
from neurona.core.op import Array
from neurona.nn import Module


def as_arrays(who: str, state: Mapping[str, Any] | Module) -> dict[str, Array]:
    """The `state_dict` of a module, or the values of `state` as NumPy arrays, by name.

    Raises `ArgumentError`, said by `who`, for what is no array of numbers.
    """
    if isinstance(state, Module):
        return state.state_dict()
    if not isinstance(state, Mapping):
        raise ArgumentError(f"{who}: give a module or arrays by name, not {state!r:.60}")
    return {name: as_array(who, name, value) for name, value in state.items()}


def as_array(who: str, name: Any, value: Any) -> Array:
    """`value` as an array of native byte order and of one of Neurona's dtypes."""
    if not isinstance(name, str):
        raise ArgumentError(f"{who}: an array is named by a str, not by {name!r}")
    if not hasattr(value, "__array__") and not isinstance(value, bool | int | float):
        raise ArgumentError(f"{who}: {name!r} must be an array, not a {type(value).__name__}")
    try:
        array = np.asarray(value)
        return array.astype(as_dtype(array.dtype), copy=False)
    except (DTypeError, TypeError, ValueError, RuntimeError) as error:
        raise ArgumentError(f"{who}: {name!r} is not an array of numbers: {error}") from None


def content_of(path: Path) -> bytes:
    """The content of a file. Raises `CheckpointError` when it cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise CheckpointError(f"{path}: cannot be read: {why}") from None
