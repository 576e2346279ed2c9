"""Data for a network: arrays of the right shape and dtype, several inputs in one array."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neurona.core.dtypes import float32, is_float
from neurona.core.errors import ArgumentError, DataError, DTypeError, ShapeError
from neurona.core.op import Array
from neurona.core.tensor import Tensor
from neurona.keras.models.network import KerasNetwork
from neurona.keras.symbolic import KerasTensor

EXACT = 1 << 24
"""Whole numbers up to here are exact in float32."""


def inputs_for(network: KerasNetwork, x: Any, part: str) -> Array:
    """The data (sample, …) for a network; numbers are cast to the dtype of its inputs.

    part: what messages call the data. x: an array, or a list of one for each input.
    Raises `ShapeError`, `DTypeError` or `DataError` that names the input and both shapes.
    """
    wanted = network.inputs
    given = list(x) if isinstance(x, (list, tuple)) and len(wanted) > 1 else [x]
    if isinstance(x, Mapping):
        raise ArgumentError(f"{part}: give the inputs in a list, not in a dictionary")
    if len(given) != len(wanted):
        raise ShapeError(f"{part}: the model has {len(wanted)} inputs, found {len(given)}")
    arrays = [_one(one, array, part) for one, array in zip(wanted, given, strict=True)]
    if len({len(array) for array in arrays}) > 1:
        found = [array.shape for array in arrays]
        raise ShapeError(f"{part}: the inputs must have the same number of samples, not {found}")
    return arrays[0] if len(arrays) == 1 else _packed(arrays, part)


def _one(wanted: KerasTensor, x: Any, part: str) -> Array:
    array = x.numpy() if isinstance(x, Tensor) else np.asarray(x)
    who = f"{part}: {wanted.layer.title}"
    if array.dtype.kind not in "biuf":
        raise DTypeError(f"{who} takes numbers, not {array.dtype}")
    if array.ndim == len(wanted.shape) - 1 and wanted.shape[-1] == 1:
        array = array[..., np.newaxis]
    if array.shape[1:] != wanted.shape[1:] or not array.ndim:
        raise ShapeError(f"{who} takes {wanted.shape}, found {array.shape}")
    if is_float(wanted.dtype) or array.dtype.kind != "f":
        return array.astype(wanted.dtype, copy=False)
    whole = array.astype(wanted.dtype)
    if (whole != array).any():
        raise DataError(f"{who} takes whole numbers ({wanted.dtype}), found others")
    return whole


def _packed(arrays: list[Array], part: str) -> Array:
    """Several inputs in one array (sample, values), which `KerasNetwork.unpack` takes apart."""
    flat = [array.reshape(len(array), -1) for array in arrays]
    if len({array.dtype for array in flat}) == 1:
        return np.concatenate(flat, axis=1)
    for array in flat:
        if array.dtype.kind != "f" and array.size and np.abs(array).max() > EXACT:
            raise DataError(
                f"{part}: whole numbers beside floats go up to {EXACT}, found {np.abs(array).max()}"
            )
    return np.concatenate([array.astype(float32) for array in flat], axis=1)
