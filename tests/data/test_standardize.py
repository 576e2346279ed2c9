"""Standardizer: the statistics, constant columns, the way back, and its saved state."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from neurona.core.errors import ArgumentError, CheckpointError, DataError, DTypeError, ShapeError
from neurona.data import ArraySource, Loader, Standardizer, StreamLoader, digits

EPS = np.finfo(np.float64).eps


@pytest.mark.parametrize("shape", [(2, 3), (4096, 2), (4097, 2), (10000, 3)])
def test_statistics_are_those_of_numpy(rng: np.random.Generator, shape: tuple[int, int]) -> None:
    x = rng.normal(3, 2, shape)
    standardizer = Standardizer.fit(x)
    np.testing.assert_allclose(standardizer.mean, x.mean(axis=0), rtol=20 * EPS)
    np.testing.assert_allclose(standardizer.scale, x.std(axis=0, ddof=1), rtol=20 * EPS)
    z = standardizer.transform(x)
    # A rounding of x, one eps of its size, weighs size / deviation times as much in z.
    bound = 8 * EPS * (1 + np.abs(x).max(axis=0) / standardizer.scale)
    assert (np.abs(z.mean(axis=0)) < bound).all()
    assert (np.abs(z.std(axis=0, ddof=1) - 1) < bound).all()


@pytest.mark.parametrize("axis", [0, (0, 1, 2)])
def test_a_loader_is_measured_batch_by_batch(rng: np.random.Generator, axis: Any) -> None:
    x = rng.normal(3, 2, (500, 4, 3)).astype(np.float32)
    x[:, 1, 1] = 7
    expected = Standardizer.fit(x, axis=axis)
    plain = Loader(x, np.arange(500), batch_size=32)
    with StreamLoader(ArraySource(x, np.arange(500)), batch_size=7, workers=2) as stream:
        for loader in (plain, stream):
            found = Standardizer.fit(loader, axis=axis)
            np.testing.assert_allclose(found.mean, expected.mean, rtol=50 * EPS)
            np.testing.assert_allclose(found.scale, expected.scale, rtol=50 * EPS)
    x[40, 2, 0] = np.nan
    with pytest.raises(DataError, match=r"holds nan at index \(40, 2, 0\)"):
        Standardizer.fit(Loader(x, batch_size=32, shuffle=False))
    with pytest.raises(ArgumentError, match=r"axes of \(500, 4, 3\), found 3"):
        Standardizer.fit(Loader(x, batch_size=32), axis=3)


def test_divides_by_one_less_than_the_number_of_samples() -> None:
    assert Standardizer.fit(np.array([[1.0], [3.0]])).scale.tolist() == [np.sqrt(2)]


def test_a_large_mean_costs_no_accuracy() -> None:
    x = 1e9 + np.tile([0.0, 1.0, 2.0], 5000)[:, None]
    standardizer = Standardizer.fit(x)
    assert standardizer.mean.tolist() == [1e9 + 1]
    np.testing.assert_allclose(standardizer.scale, np.sqrt(2 / 3 * 15000 / 14999), rtol=1e-12)


def test_constant_columns_become_zero_and_come_back() -> None:
    x = np.array([[0.1, 1.0, 7.0], [0.1, 2.0, 7.0], [0.1, 3.0, 7.0]] * 3000)
    standardizer = Standardizer.fit(x)
    z = standardizer.transform(x)
    assert (z[:, [0, 2]] == 0).all()
    assert standardizer.scale[[0, 2]].tolist() == [1, 1]
    assert (standardizer.inverse(z)[:, [0, 2]] == x[:, [0, 2]]).all()
    # what was constant in training may vary later
    assert standardizer.transform(np.array([[1.1, 2.0, 7.0]]))[0, 0] == pytest.approx(1)


def test_one_sample_is_all_constant() -> None:
    standardizer = Standardizer.fit(np.array([[4.0, 5.0]]))
    assert standardizer.transform(np.array([[4.0, 6.0]])).tolist() == [[0, 1]]


def test_tiny_deviations_do_not_divide_by_zero() -> None:
    x = np.array([[0.0], [5e-324]])  # the square of the deviation underflows
    standardizer = Standardizer.fit(x)
    assert standardizer.scale.tolist() == [1.0]
    assert np.isfinite(standardizer.transform(x)).all()


@given(
    arrays.arrays(
        np.float64,
        st.tuples(st.integers(1, 30), st.integers(1, 4)),
        elements=st.floats(-1e6, 1e6),
    )
)
def test_inverse_undoes_transform(x: NDArray[np.float64]) -> None:
    standardizer = Standardizer.fit(x)
    back = standardizer.inverse(standardizer.transform(x))
    size = np.abs(x).max(axis=0) + np.abs(standardizer.mean)
    assert (np.abs(back - x) <= 4 * EPS * size).all()


@pytest.mark.parametrize(
    ("given", "result"),
    [
        ("float64", "float64"),
        ("float32", "float32"),
        ("float16", "float16"),
        ("uint8", "float32"),
        ("int64", "float32"),
        ("bool", "float32"),
    ],
)
def test_dtypes(given: str, result: str) -> None:
    x = np.array([[0, 1], [1, 1], [1, 0]]).astype(given)
    z = Standardizer.fit(x).transform(x)
    assert z.dtype == np.dtype(result)
    exact = Standardizer.fit(x.astype(np.float64)).transform(x.astype(np.float64))
    np.testing.assert_array_equal(z, exact.astype(result))


def test_float32_years_keep_their_digits() -> None:
    """Rounded to float32 before the subtraction, the mean would be off by 1e-4 deviations."""
    x = (2000 + np.arange(7) / 8).astype(np.float32)[:, None]
    z = Standardizer.fit(x).transform(x)
    exact = (x - x.mean(dtype=np.float64)) / x.std(ddof=1, dtype=np.float64)
    np.testing.assert_allclose(z, exact, rtol=2e-7, atol=1e-12)


def test_shared_statistics_for_all_pixels() -> None:
    images = digits().inputs
    standardizer = Standardizer.fit(images, axis=(0, 1, 2))
    assert standardizer.mean.shape == (1, 1)
    z = standardizer.transform(images).astype(np.float64)
    assert z.mean() == pytest.approx(0, abs=1e-6)
    assert z.std(ddof=1) == pytest.approx(1, rel=1e-6)
    assert standardizer.transform(images[:, :4, :4]).shape == (1797, 4, 4)
    by_pixel = Standardizer.fit(images)
    assert by_pixel.mean.shape == (8, 8)
    assert np.isfinite(by_pixel.transform(images)).all()  # some pixels are always 0


def test_state_survives_json_bit_for_bit(rng: np.random.Generator) -> None:
    x = rng.normal(size=(50, 3))
    first = Standardizer.fit(x)
    text = json.dumps({name: array.tolist() for name, array in first.state().items()})
    for state in (first.state(), json.loads(text)):
        second = Standardizer.from_state(state)
        assert (second.transform(x) == first.transform(x)).all()
    first.state()["mean"][:] = 99  # a copy
    assert (first.mean != 99).all()


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"mean": [0.0]}, r"must hold 'mean' and 'scale', found \['mean'\]"),
        ({"mean": [0.0], "scale": [1.0], "std": [1.0]}, "'std'"),
        ({"mean": [0.0], "scale": [1.0, 2.0]}, r"mean \(1,\) and scale \(2,\)"),
        ({"mean": [0.0], "scale": [0.0]}, "every scale above 0"),
        ({"mean": [float("nan")], "scale": [1.0]}, "must be finite"),
        ({"mean": ["x"], "scale": [1.0]}, "does not hold numbers"),
        ({"mean": [[1.0], [1.0, 2.0]], "scale": [1.0]}, "does not hold numbers"),
    ],
)
def test_foreign_state(state: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        Standardizer.from_state(state)


def test_what_is_refused() -> None:
    x = np.zeros((5000, 2))
    x[4500, 1] = np.nan
    with pytest.raises(DataError, match=r"holds nan at index \(4500, 1\)"):
        Standardizer.fit(x)
    with pytest.raises(DataError, match=r"no values.*\(0, 2\)"):
        Standardizer.fit(np.zeros((0, 2)))
    with pytest.raises(DataError, match="squares exceed float64"):
        Standardizer.fit(np.array([[1e300], [-1e300]]))
    assert Standardizer.fit(np.array([[1e308], [1e308]])).mean.tolist() == [1e308]  # constant
    with pytest.raises(DTypeError, match="<U1"):
        Standardizer.fit(np.array([["a"]]))
    for axis in (1, (0, 2), -1):
        with pytest.raises(ArgumentError, match=r"axis must hold 0 .* \(3, 2\)"):
            Standardizer.fit(np.zeros((3, 2)), axis=axis)
    fitted = Standardizer.fit(np.zeros((3, 2)))
    for shape in ((3, 3), (3,), (3, 2, 1), (3, 1)):
        with pytest.raises(ShapeError, match=r"statistics \(2,\)"):
            fitted.transform(np.zeros(shape))
