"""Dataset: what it checks, and that it cannot be changed."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest

from neurona.core.errors import ArgumentError, DataError, DTypeError, ShapeError
from neurona.data import Dataset


def make(**changes: Any) -> Dataset:
    arguments: dict[str, Any] = {
        "inputs": np.arange(6.0).reshape(3, 2),
        "targets": np.array([0, 1, 0]),
        "name": "toy",
        "axes": {"country": ("A", "B", "C"), "feature": ("age", "height")},
        "classes": ("no", "yes"),
    }
    return Dataset(**arguments | changes)


def test_what_it_holds() -> None:
    data = make(description="three")
    assert len(data) == 3
    assert data.arrays[0] is data.inputs
    assert data.arrays[1] is data.targets
    assert data.axes == {"country": ("A", "B", "C"), "feature": ("age", "height")}
    assert repr(data) == "Dataset 'toy': inputs (3, 2) float64, targets (3,) int64, 2 classes"


def test_default_axes_have_names() -> None:
    assert list(make(axes={}).axes) == ["sample", "feature"]
    assert list(make(axes={}, inputs=np.zeros((3, 2, 2))).axes) == ["sample", "axis 1", "axis 2"]


def test_it_is_read_only_and_copies_nothing() -> None:
    inputs = np.arange(6.0).reshape(3, 2)
    data = make(inputs=inputs)
    with pytest.raises(FrozenInstanceError):
        data.name = "other"  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        data.inputs[0, 0] = 1
    assert np.shares_memory(data.inputs, inputs)
    inputs[0, 0] = 7  # the caller's array is not locked
    assert data.inputs[0, 0] == 7


def test_take_keeps_labels_with_their_samples() -> None:
    part = make().take([2, 0])
    assert part.inputs.tolist() == [[4, 5], [0, 1]]
    assert part.targets.tolist() == [0, 0]
    assert part.axes == {"country": ("C", "A"), "feature": ("age", "height")}
    assert part.classes == ("no", "yes")
    assert len(make().take([])) == 0
    for wrong in ([3], [-1], [0.5], [[0]], [True, False, True]):
        with pytest.raises(ArgumentError, match="Dataset 'toy'"):
            make().take(wrong)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_the_first_bad_value_is_named(value: float) -> None:
    inputs = np.zeros((9000, 2))
    inputs[5000, 1] = inputs[8000, 0] = value
    message = rf"Dataset 'toy': inputs holds {value} at sample 5000, feature 1 \('height'\)"
    with pytest.raises(DataError, match=message):
        make(
            inputs=inputs,
            targets=np.zeros(9000, dtype=int),
            axes={"sample": None, "feature": ("age", "height")},
        )
    with pytest.raises(DataError, match=r"country 1 \('B'\), feature 0 \('age'\)"):
        make(inputs=[[0.0, 0.0], [value, 0.0], [0.0, value]])
    with pytest.raises(DataError, match=rf"targets holds {value} at sample 2, output 0"):
        make(targets=[[0.0], [1.0], [value]], classes=())
    with pytest.raises(DataError, match="at sample 0, axis 1 1, axis 2 0"):
        make(inputs=np.array([[[0, 0], [value, 0]]] * 3), axes={})


@pytest.mark.parametrize("wrong", [2, -1])
def test_class_indices_out_of_range(wrong: int) -> None:
    with pytest.raises(DataError, match=rf"targets holds class {wrong} at sample 1.*0…1"):
        make(targets=np.array([0, wrong, wrong]))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"targets": [0, 1]}, ShapeError, r"inputs \(3, 2\) and targets \(2,\)"),
        ({"inputs": 3.0}, ShapeError, r"inputs needs a sample axis, found shape \(\)"),
        ({"axes": {"sample": None}}, ShapeError, "has 2 axes, but axes names 1: sample"),
        ({"inputs": [["a"], ["b"], ["c"]]}, DTypeError, "inputs must hold numbers.*encode text"),
        ({"inputs": np.zeros((3, 2), dtype=complex)}, DTypeError, "complex128"),
        ({"inputs": np.zeros((3, 2), dtype=object)}, DTypeError, "object"),
        ({"targets": [0.0, 1.0, 0.0]}, ArgumentError, "must be integers"),
        ({"targets": [[0], [1], [0]]}, ArgumentError, r"shape \(3, 1\)"),
        (
            {"axes": {"sample": None, "feature": ("age",)}},
            ArgumentError,
            r"axis 'feature' of inputs \(3, 2\) has length 2, found 1 labels",
        ),
    ],
)
def test_what_it_refuses(changes: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make(**changes)
