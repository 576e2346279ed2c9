"""Keras's helpers."""

from __future__ import annotations

import random as python_random
from typing import Any

import numpy as np

from neurona import random
from neurona.core.errors import ArgumentError, DataError
from neurona.core.op import Array


def to_categorical(x: Any, num_classes: int | None = None) -> Array:
    """One-hot codes, float32 (…, classes), of class numbers (…) or (…, 1).

    num_classes: by default one more than the largest number.
    Raises `DataError` for what is no class number.

    >>> from neurona import keras
    >>> keras.utils.to_categorical([[0], [2]], num_classes=3)
    array([[1., 0., 0.],
           [0., 0., 1.]], dtype=float32)
    """
    numbers = np.asarray(x)
    if numbers.ndim > 1 and numbers.shape[-1] == 1:
        numbers = numbers[..., 0]
    labels = numbers.astype(np.int64)
    if (labels != numbers).any():
        raise DataError("to_categorical: the class numbers must be whole")
    classes = num_classes or int(labels.max(initial=-1)) + 1
    wrong = (labels < 0) | (labels >= classes)
    if wrong.any():
        raise DataError(
            f"to_categorical: {labels[wrong][0]} is no class: there are 0…{classes - 1}"
        )
    return np.eye(classes, dtype=np.float32)[labels]


def set_random_seed(seed: int) -> None:
    """Seed Neurona's default generator (initial weights, dropout, the order of samples), NumPy's
    and Python's, as Keras does.
    """
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise ArgumentError(f"set_random_seed: the seed is a whole number, not {seed!r}")
    random.seed(seed)
    np.random.seed(seed)
    python_random.seed(seed)
