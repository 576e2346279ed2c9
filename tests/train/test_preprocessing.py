"""Preprocessing, and its way through JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from neurona import data, train
from neurona.core.errors import ArgumentError, CheckpointError, DTypeError, ShapeError
from neurona.train.preprocessing import from_json, to_json


def test_division_keeps_float_dtypes() -> None:
    division = train.Division(4)
    assert division.transform(np.array([[2]], np.uint8)).dtype == np.float32
    assert division.transform(np.array([[True]])).tolist() == [[0.25]]
    wide = division.transform(np.array([[1.0]]))
    assert wide.dtype == np.float64
    assert wide.tolist() == [[0.25]]
    with pytest.raises(DTypeError, match="must be numbers"):
        division.transform(np.array(["a"]))


@pytest.mark.parametrize("divisor", [0, float("nan"), float("inf"), "2", None, True])
def test_division_by_nonsense(divisor: Any) -> None:
    with pytest.raises(ArgumentError, match="divisor"):
        train.Division(divisor)


def test_channels_first(rng: np.random.Generator) -> None:
    pictures = rng.integers(0, 256, (4, 5, 6, 3), dtype=np.uint8)
    whole = train.ChannelsFirst(data.Standardizer.fit(pictures, axis=(0, 1, 2)))
    made = whole.transform(pictures)
    assert made.shape == (4, 3, 5, 6)
    np.testing.assert_allclose(made.mean(axis=(0, 2, 3)), 0, atol=1e-6)
    back = from_json(json.loads(json.dumps(to_json(whole))))
    assert isinstance(back, train.ChannelsFirst)
    np.testing.assert_array_equal(back.transform(pictures), made)
    grey = train.ChannelsFirst().transform(pictures[..., 0])
    np.testing.assert_array_equal(grey[:, 0], pictures[..., 0])
    with pytest.raises(ShapeError, match=r"\(4, 5\) must be pictures"):
        train.ChannelsFirst().transform(pictures[:, :, 0, 0])


def test_round_trips(rng: np.random.Generator) -> None:
    x = rng.normal(3, 2, (20, 4))
    for made in (train.Division(255), data.Standardizer.fit(x)):
        back = from_json(json.loads(json.dumps(to_json(made))))
        assert back is not None
        assert type(back) is type(made)
        np.testing.assert_array_equal(back.transform(x), made.transform(x))
    assert from_json(to_json(None)) is None


@pytest.mark.parametrize(
    "description",
    [
        3,
        {},
        {"kind": 1},
        {"kind": "divison", "divisor": 2},
        {"kind": "division"},
        {"kind": "division", "divisor": 0},
        {"kind": "division", "divisor": 2, "more": 1},
        {"kind": "channels first"},
        {"kind": "channels first", "first": {"kind": "division"}},
        {"kind": "channels first", "first": {"kind": "channels first", "first": None}},
        {"kind": "standardizer", "mean": [0.0]},
        {"kind": "standardizer", "mean": [0.0], "scale": [0.0]},
        {"kind": "standardizer", "mean": [0.0], "scale": ["a"]},
    ],
)
def test_damaged_descriptions(description: Any) -> None:
    with pytest.raises(CheckpointError):
        from_json(description)


def test_kinds_that_are_not_known() -> None:
    class Other:
        def transform(self, inputs: Any) -> Any:
            return inputs

        def state(self) -> dict[str, Any]:
            return {}

    with pytest.raises(ArgumentError, match="Other cannot be kept; there are Division, Standard"):
        to_json(Other())
