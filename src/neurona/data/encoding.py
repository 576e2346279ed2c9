"""Class indices as target vectors for networks whose outputs end in a sigmoid, tanh or softmax."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from neurona.core.errors import ArgumentError, DataError, DTypeError, ShapeError, nearest

# (value of the other classes, value of the sample's class). A sigmoid reaches 0 and 1, and tanh and
# z/(1+|z|) reach ±1, only at infinity: nearer targets keep the weights finite.
TARGET_CODES = {"one_hot": (0.0, 1.0), "sigmoid": (0.1, 0.9), "tanh": (-0.9, 0.9)}


def encode_targets(
    labels: NDArray[Any], classes: int, *, code: str = "one_hot", dtype: DTypeLike = np.float32
) -> NDArray[Any]:
    """Return targets `(sample, class)` for class indices `labels`, integers `(sample,)`.

    t_nc = high if c is the class of sample n, otherwise low, with (low, high) by `code`:
    `"one_hot"` (0, 1), `"sigmoid"` (0.1, 0.9), `"tanh"` (−0.9, 0.9), also for z/(1+|z|).
    Source: Y. LeCun et al., "Efficient BackProp" (1998), section 4.5.

    Raises DTypeError and ShapeError for labels that are not integers `(sample,)`, DataError for the
    first label outside 0…classes−1, ArgumentError for an unknown code or fewer than 2 classes.

    >>> encode_targets(np.array([2, 0]), 3).tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    >>> encode_targets(np.array([1]), 2, code="tanh", dtype=np.float64).tolist()
    [[-0.9, 0.9]]
    """
    labels = np.asarray(labels)
    if code not in TARGET_CODES:
        raise ArgumentError(
            f"encode_targets: unknown code {code!r}{nearest(code, TARGET_CODES)} "
            f"(known: {', '.join(TARGET_CODES)})"
        )
    if classes < 2:
        raise ArgumentError(f"encode_targets: needs at least 2 classes, found {classes}")
    if labels.dtype.kind not in "iu":
        raise DTypeError(f"encode_targets: labels must be integers, found {labels.dtype}")
    if labels.ndim != 1:
        raise ShapeError(f"encode_targets: labels must be (sample,), found shape {labels.shape}")
    wrong = (labels < 0) | (labels >= classes)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"encode_targets: label {labels[row]} at sample {row} is not in 0…{classes - 1}"
        )
    low, high = TARGET_CODES[code]
    targets = np.full((len(labels), classes), low, dtype=dtype)
    targets[np.arange(len(labels)), labels] = high
    return targets
