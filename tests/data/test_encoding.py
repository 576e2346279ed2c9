"""Target codes of the curriculum."""

from __future__ import annotations

import numpy as np
import pytest

from neurona.core.errors import ArgumentError, DataError, DTypeError, ShapeError
from neurona.data import encode_targets


@pytest.mark.parametrize(
    ("code", "low", "high"), [("one_hot", 0, 1), ("sigmoid", 0.1, 0.9), ("tanh", -0.9, 0.9)]
)
def test_codes(code: str, low: float, high: float) -> None:
    labels = np.array([2, 0, 1, 2], dtype=np.uint8)
    targets = encode_targets(labels, 3, code=code, dtype=np.float64)
    assert targets.tolist() == [
        [low, low, high],
        [high, low, low],
        [low, high, low],
        [low, low, high],
    ]
    assert (targets.argmax(axis=1) == labels).all()


def test_dtype_and_empty() -> None:
    assert encode_targets(np.array([1]), 2).dtype == np.float32
    assert encode_targets(np.array([], dtype=np.int64), 4).shape == (0, 4)


def test_what_is_refused() -> None:
    for label in (-1, 3):
        with pytest.raises(DataError, match=rf"label {label} at sample 2 is not in 0…2"):
            encode_targets(np.array([0, 1, label, label]), 3)
    with pytest.raises(ArgumentError, match=r"'tan'; did you mean 'tanh'\?.*one_hot"):
        encode_targets(np.array([0]), 2, code="tan")
    with pytest.raises(ArgumentError, match="at least 2 classes, found 1"):
        encode_targets(np.array([0]), 1)
    with pytest.raises(DTypeError, match="float64"):
        encode_targets(np.array([0.0]), 2)
    with pytest.raises(ShapeError, match=r"\(1, 1\)"):
        encode_targets(np.array([[0]]), 2)
