"""How much each sample counts by its class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neurona.core.errors import ArgumentError, ShapeError
from neurona.core.op import Array


def with_classes(arrays: tuple[Array, ...], class_weight: Any) -> tuple[Array, ...]:
    """Inputs, targets and weights, where a sample's weight is also that of its class.

    arrays: inputs, targets, and weights (sample,) if there are any. class_weight: {class number:
    weight}, 1 for classes that are not named; None changes nothing.
    Raises `ArgumentError` or `ShapeError` for what gives no class and no weight.
    """
    if class_weight is None:
        return arrays
    if not isinstance(class_weight, Mapping):
        raise ArgumentError(
            f"fit: class_weight maps class numbers to weights, as in {{0: 1.0, 1: 5.0}}, not "
            f"{class_weight!r}"
        )
    inputs, targets, *given = arrays
    labels = _labels(targets)
    weights = given[0].copy() if given else np.ones(len(labels), np.float32)
    for label, weight in class_weight.items():
        if not (np.isfinite(weight) and weight >= 0):
            raise ArgumentError(f"fit: the weight of class {label} must not be {weight}")
        weights[labels == label] *= weight
    return inputs, targets, weights


def _labels(targets: Array) -> Array:
    """The class number of each sample: of codes (sample, classes) the place of the largest."""
    if targets.ndim > 2:
        raise ShapeError(f"fit: class_weight needs one class a sample, not targets {targets.shape}")
    if targets.ndim == 2 and targets.shape[1] > 1:
        found: Array = targets.argmax(axis=1)
        return found
    return targets.reshape(len(targets)).round().astype(np.int64)
