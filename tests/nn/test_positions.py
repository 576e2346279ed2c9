"""Positions: the papers' formulas, positions of each sample's own, and the table's end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn
from neurona.core.errors import ArgumentError, DTypeError, IndexOutOfRangeError, ShapeError
from tests.nn.golden import pattern

X = pattern((2, 3, 6), 1)
PLACES = np.array([[4, 5, 6], [0, 1, 2]])


@pytest.mark.parametrize("features", [6, 5])
def test_sines_and_cosines(features: int) -> None:
    table = nn.SinusoidalPosition(8, features, dtype=ne.float64)(np.zeros((8, features))).numpy()
    for p in range(8):
        for i in range(features):
            angle = p / 10000 ** (2 * (i // 2) / features)
            assert abs(table[p, i] - (np.cos if i % 2 else np.sin)(angle)) < 1e-15


@pytest.mark.parametrize("interleaved", [False, True])
def test_rotations(interleaved: bool) -> None:
    found = nn.RotaryPosition(8, 6, interleaved=interleaved, dtype=ne.float64)(X, PLACES).numpy()
    for b in range(2):
        for t in range(3):
            for i in range(3):
                pair = [2 * i, 2 * i + 1] if interleaved else [i, i + 3]
                turn = np.exp(1j * PLACES[b, t] / 10000 ** (2 * i / 6))
                a, c = X[b, t, pair]
                expected = (a + 1j * c) * turn
                np.testing.assert_allclose(
                    found[b, t, pair], [expected.real, expected.imag], rtol=1e-12
                )


def test_products_of_turned_vectors_depend_on_their_distance() -> None:
    turn = nn.RotaryPosition(30, 4, dtype=ne.float64)
    query, key = pattern((1, 1, 4), 1), pattern((1, 1, 4), 2)
    products = {
        (i, j): ne.sum(turn(query, [[i]]) * turn(key, [[j]])).item()
        for i, j in ((7, 2), (25, 20), (7, 7), (0, 0))
    }
    assert abs(products[7, 2] - products[25, 20]) < 1e-12
    assert abs(products[7, 7] - products[0, 0]) < 1e-12
    assert abs(products[7, 2] - products[0, 0]) > 1e-3


LAYERS = {
    "sinusoidal": nn.SinusoidalPosition,
    "learned": nn.LearnedPosition,
    "rotary": nn.RotaryPosition,
}


@pytest.mark.parametrize("kind", LAYERS)
def test_positions_of_each_sample(kind: str) -> None:
    layer = LAYERS[kind](8, 6, dtype=ne.float64)
    wide = pattern((2, 7, 6), 2)
    wide[0, 4:], wide[1, :3] = X
    whole = layer(wide).numpy()
    found = layer(X, PLACES).numpy()
    np.testing.assert_array_equal(found, [whole[0, 4:], whole[1, :3]])


def test_heads_are_turned_alike() -> None:
    layer = nn.RotaryPosition(8, 6, dtype=ne.float64)
    several = np.stack([X, X[::-1]], 1)  # (batch, heads, time, features)
    found = layer(several, PLACES).numpy()
    np.testing.assert_array_equal(found[:, 0], layer(X, PLACES).numpy())
    np.testing.assert_array_equal(found[:, 1], layer(X[::-1], PLACES).numpy())
    np.testing.assert_array_equal(layer(several).numpy()[:, 0], layer(X).numpy())


@pytest.mark.parametrize("kind", LAYERS)
def test_the_end_of_the_table(kind: str) -> None:
    layer: Any = LAYERS[kind](2, 6, dtype=ne.float64)
    with pytest.raises(ShapeError, match=r"3 steps \(of \(2, 3, 6\)\) are more .* context 2"):
        layer(X)
    wrong = r"positions\[0, 0\] is 4; the positions are 0…1"
    with pytest.raises(IndexOutOfRangeError, match=wrong):
        layer(X, PLACES)
    with pytest.raises(ShapeError, match=r"positions \(2, 2\) must be .* with time 3"):
        layer(X, PLACES[:, :2])
    with pytest.raises(ShapeError, match=r"x \(2, 3, 5\) must be \(…, time, 6\)"):
        layer(X[..., :5])
    with pytest.raises(DTypeError, match="positions are integers"):
        layer(X, 0.5 * PLACES)
    with pytest.raises(ArgumentError, match="context must be a positive whole number"):
        LAYERS[kind](0, 6)
    if kind == "rotary":
        with pytest.raises(ArgumentError, match="features must be even, not 5"):
            LAYERS[kind](4, 5)
