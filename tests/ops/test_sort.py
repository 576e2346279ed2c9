"""Order along an axis, and distinct elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurona.core import dtypes
from neurona.core.errors import ArgumentError, DTypeError, ShapeError, TraceError
from neurona.core.trace import recording
from neurona.ops.sets import unique_all, unique_counts, unique_inverse, unique_values
from neurona.ops.sort import argsort, searchsorted, sort, top_k
from tests.ops.derivatives import check_gradients
from tests.ops.record import Array, tensor
from tests.ops.samples import strided

Rng = np.random.Generator


def order(values: list[Any], descending: bool) -> list[int]:
    """A stable order by Python's sort; NaN counts as larger than all numbers."""

    def key(i: int) -> tuple[bool, Any]:
        nan = values[i] != values[i]
        return (nan, 0 if nan else values[i])

    if descending:
        # A reversed sort of the reversed list keeps equal elements in order.
        return sorted(range(len(values)), key=key, reverse=True)
    return sorted(range(len(values)), key=key)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("dtype", dtypes.ALL)
def test_sort(rng: Rng, dtype: Any, descending: bool) -> None:
    x = rng.integers(0, 6, (4, 3, 9)).astype(dtype)
    if dtypes.is_float(dtype):
        x[0, 0, :4] = [np.nan, -np.inf, np.inf, np.nan]
        x -= np.asarray(3, dtype)
    for axis in (0, 1, -1):
        lines = np.moveaxis(x, axis, -1).reshape(-1, x.shape[axis])
        expected = np.array([order(line.astype(float).tolist(), descending) for line in lines])
        moved = np.moveaxis(x, axis, -1).shape
        expected = np.moveaxis(expected.reshape(moved), -1, axis)
        for given_x in (x, strided(x)):
            found = argsort(tensor(given_x), axis=axis, descending=descending)
            assert found.dtype == np.int64
            np.testing.assert_array_equal(found.numpy(), expected)
            result = sort(tensor(given_x), axis=axis, descending=descending)
            assert result.dtype == dtype
            sorted_x = np.take_along_axis(x, expected, axis)
            np.testing.assert_array_equal(
                result.numpy().astype(np.float64), sorted_x.astype(np.float64)
            )


@pytest.mark.parametrize("shape", [(0,), (1,), (2, 0), (0, 3), (3, 1)])
def test_empty_and_single(shape: tuple[int, ...]) -> None:
    x = np.ones(shape)
    assert sort(x).shape == shape
    np.testing.assert_array_equal(argsort(x, descending=True).numpy(), np.argsort(x))


def test_signed_zeros_are_equal() -> None:
    for descending in (False, True):
        assert argsort([0.0, -0.0, 0.0], descending=descending).tolist() == [0, 1, 2]
    largest = np.array([2**63, 2**64 - 1, 0], np.uint64)
    assert argsort(largest, descending=True).tolist() == [1, 0, 2]


@pytest.mark.parametrize("k", [0, 1, 3, 5])
def test_top_k(rng: Rng, k: int) -> None:
    x = rng.integers(0, 4, (4, 5)).astype(np.float32)
    values, indices = top_k(x, k)
    expected = np.array([order(line.tolist(), True)[:k] for line in x]).reshape(4, k)
    assert indices.dtype == np.int64
    np.testing.assert_array_equal(indices.numpy(), expected)
    np.testing.assert_array_equal(values.numpy(), np.take_along_axis(x, expected.astype(int), 1))
    across, _ = top_k(x.T, k, axis=0)
    np.testing.assert_array_equal(across.numpy(), values.numpy().T)


def test_gradients(rng: Rng) -> None:
    x = rng.permutation(12).astype(float).reshape(3, 4) / 3
    check_gradients(lambda t: sort(t, axis=0), x)
    check_gradients(lambda t: sort(t, descending=True), x)
    check_gradients(lambda t: top_k(t, 2)[0], x)
    assert not argsort(tensor(x, requires_grad=True)).requires_grad


@given(
    st.lists(st.integers(-4, 4), max_size=8),
    st.lists(st.integers(-5, 5), max_size=8),
    st.sampled_from(["left", "right"]),
)
def test_searchsorted(edges: list[int], values: list[int], side: str) -> None:
    ordered = np.array(sorted(edges), np.float32)
    found = searchsorted(ordered, np.array(values, np.float32), side=side)
    count = [sum(e < v if side == "left" else e <= v for e in edges) for v in values]
    assert found.dtype == np.int64
    assert found.tolist() == count
    shuffled = np.array(edges, np.float32)
    sorter = argsort(tensor(shuffled))
    grid = np.array(values, np.float32).reshape(-1, 1)
    again = searchsorted(shuffled, grid, side=side, sorter=sorter)
    assert again.tolist() == [[c] for c in count]


def test_searchsorted_in_every_dtype() -> None:
    for dtype in dtypes.ALL[1:]:
        edges = np.array([1, 2, 2, 5]).astype(dtype)
        assert searchsorted(edges, np.array([2, 6]).astype(dtype)).tolist() == [1, 4]
    assert searchsorted([1.0, np.inf], [np.nan, np.inf], side="right").tolist() == [2, 2]


# --- distinct elements ---


@pytest.mark.parametrize("dtype", dtypes.ALL)
def test_unique(rng: Rng, dtype: Any) -> None:
    x = rng.integers(0, 5, (4, 6)).astype(dtype)
    found = unique_all(tensor(strided(x)))
    flat = x.reshape(-1).tolist()
    distinct = sorted(set(flat))
    assert found.values.dtype == dtype
    assert found.values.tolist() == distinct
    assert found.indices.tolist() == [flat.index(v) for v in distinct]
    assert found.counts.tolist() == [flat.count(v) for v in distinct]
    assert found.inverse_indices.shape == x.shape
    np.testing.assert_array_equal(found.values.numpy()[found.inverse_indices.numpy()], x)
    assert {t.dtype for t in found[1:]} == {np.dtype(np.int64)}
    assert unique_values(x).tolist() == distinct
    assert unique_counts(x).counts.tolist() == found.counts.tolist()
    assert unique_inverse(x).inverse_indices.tolist() == found.inverse_indices.tolist()


def test_unique_of_special_values() -> None:
    for dtype in (np.float32, ml_dtypes.bfloat16):
        found = unique_counts(np.array([np.nan, 1, np.nan, np.inf], dtype))
        assert found.counts.tolist() == [1, 1, 1, 1]
        assert np.isnan(found.values.numpy().astype(float)).tolist() == [False, False, True, True]
    assert len(unique_values([0.0, -0.0])) == 1
    assert unique_values(np.zeros((0, 2))).shape == (0,)
    assert unique_inverse(3).inverse_indices.shape == ()


def test_unique_while_recording() -> None:
    with recording(), pytest.raises(TraceError, match=r"unique_values at .*test_sort.py:\d+: "):
        unique_values(tensor(np.zeros(3)))


# --- errors ---


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: argsort(3.0), ShapeError, "a 0-d tensor"),
        (lambda x: sort(x, axis=2), ShapeError, "axis 2 is out of range"),
        (lambda x: top_k(x, 5), ArgumentError, r"k is 5, but axis 1 of shape \(3, 4\) has 4"),
        (lambda x: top_k(x, -1), ArgumentError, "k is -1"),
        (lambda x: searchsorted(x, x), ShapeError, "must have one axis"),
        (lambda x: searchsorted(x[0], x, side="up"), ArgumentError, "'left' or 'right'"),
        (lambda x: searchsorted([True], [True]), DTypeError, "not bool"),
    ],
)
def test_errors(call: Callable[[Array], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(np.zeros((3, 4)))
