"""Least and greatest values of loops, with NaN, infinities and zeros in any place."""

from __future__ import annotations

import numpy as np
import pytest

import neurona as ne
from neurona.core import dtypes
from neurona.core.dtypes import DType

LENGTHS = (1, 2, 15, 16, 17, 31, 33, 64, 65, 127, 129, 300)


@pytest.mark.parametrize("dtype", [dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64])
@pytest.mark.parametrize("name", ["max", "min"])
def test_nan_wins_wherever_it_stands(name: str, dtype: DType) -> None:
    rng = np.random.default_rng(0)
    fold, reference = getattr(ne, name), getattr(np, name)
    for length in LENGTHS:
        x = rng.normal(size=(length + 4, length)).astype(dtype)
        # One NaN in each row but the last ones, by turns of either sign.
        places = np.arange(length)
        x[places, places] = np.where(places % 2, np.nan, -np.nan).astype(dtype)
        x[length] = np.inf
        x[length + 1] = -np.inf
        expected = reference(x.astype(np.float64), axis=1)
        along = ne.compile(lambda x: fold(x, axis=1))(ne.asarray(x)).numpy()
        np.testing.assert_array_equal(along.astype(np.float64), expected)
        across = ne.compile(lambda x: fold(x, axis=0))(ne.asarray(x.T.copy())).numpy()
        np.testing.assert_array_equal(across.astype(np.float64), expected)
        for part in (x, x[length:]):
            every = ne.compile(lambda x: fold(x))(ne.asarray(part)).numpy()
            np.testing.assert_array_equal(
                every.astype(np.float64), reference(part.astype(np.float64))
            )


@pytest.mark.parametrize("name", ["max", "min"])
def test_infinities_are_not_taken_for_nan(name: str) -> None:
    x = np.full((3, 40), np.inf, np.float32)
    x[1, 7], x[2] = -np.inf, -np.inf
    result = ne.compile(lambda x: getattr(ne, name)(x, axis=1))(x).numpy()
    np.testing.assert_array_equal(result, getattr(np, name)(x, axis=1))
