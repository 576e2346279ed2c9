"""Masks, means and maxima over the steps of sequences of several lengths."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona.core.errors import ArgumentError, DTypeError, ShapeError
from neurona.nn import functional as F

BOTH = pytest.mark.parametrize("pool", [F.mean_over_time, F.max_over_time])


def alone(pool: Any, sequence: np.ndarray) -> np.ndarray:
    """What a sequence (time, features) gives without padding."""
    return sequence.mean(axis=0) if pool is F.mean_over_time else sequence.max(axis=0)


@BOTH
@pytest.mark.parametrize("batch_first", [False, True])
def test_padding_does_not_count(pool: Any, batch_first: bool, rng: np.random.Generator) -> None:
    lengths = np.array([4, 1, 3])
    x = rng.standard_normal((3, 4, 2)) - 3  # below 0, so that zeros would win
    expected = np.stack([alone(pool, one[:n]) for one, n in zip(x, lengths, strict=True)])
    for row, n in zip(x, lengths, strict=True):
        row[n:] = np.nan  # not even this does harm
    given = x if batch_first else x.transpose(1, 0, 2)
    run = ne.compile(lambda x, n: pool(x, n, batch_first=batch_first))
    np.testing.assert_allclose(pool(given, lengths, batch_first=batch_first).numpy(), expected)
    np.testing.assert_allclose(run(given, lengths).numpy(), expected, rtol=1e-12)


@BOTH
def test_without_lengths_all_steps_count(pool: Any, rng: np.random.Generator) -> None:
    x = rng.standard_normal((5, 2, 3))
    np.testing.assert_allclose(pool(x).numpy(), alone(pool, x))


@BOTH
def test_gradients(pool: Any, rng: np.random.Generator) -> None:
    x = rng.standard_normal((2, 3, 2))
    weights = rng.standard_normal((2, 2))
    lengths = np.array([2, 3])
    ne.check_gradients(lambda z: ne.sum(pool(z, lengths, batch_first=True) * weights), x)
    slope = ne.grad(lambda z: ne.sum(pool(z, lengths, batch_first=True)))(x)
    assert not slope.numpy()[0, 2].any()  # padding learns nothing


@BOTH
def test_lengths_that_do_not_fit(pool: Any) -> None:
    name, x = pool.__name__, np.ones((3, 2, 4), np.float32)
    with pytest.raises(ArgumentError, match=rf"{name}: lengths\[1\] is 0; a sequence has 1…3"):
        pool(x, [3, 0])
    with pytest.raises(ArgumentError, match=r"lengths\[0\] is 4"):
        ne.compile(lambda x, n: pool(x, n))(x, np.array([4, 1]))
    with pytest.raises(ShapeError, match=r"lengths \(3,\) must be one a sequence, \(2,\)"):
        pool(x, [1, 2, 3])
    with pytest.raises(DTypeError, match="lengths are integers, not float32"):
        pool(x, [1.0, 2.0])
    with pytest.raises(ShapeError, match=r"x \(3, 2\) must be \(time, batch, features\)"):
        pool(x[:, :, 0])
    with pytest.raises(ShapeError, match="has no steps"):
        pool(x[:0])


def test_mask() -> None:
    assert F.sequence_mask(np.array([2, 0], np.int32), 2).tolist() == [[True] * 2, [False] * 2]
    assert F.sequence_mask([0], 0).shape == (1, 0)
    with pytest.raises(ShapeError, match=r"lengths \(1, 1\) must be \(batch,\)"):
        F.sequence_mask([[1]], 2)
    with pytest.raises(
        ArgumentError, match="length must be a whole number of at least 0, found -1"
    ):
        F.sequence_mask([1], -1)
    with pytest.raises(ArgumentError, match=r"lengths\[0\] is 3; they lie in 0…2, the steps"):
        F.sequence_mask([3, 1], 2)
