"""Broadcasting against NumPy, on shapes Hypothesis makes up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, mutually_broadcastable_shapes

import neurona as ne
from neurona.core.errors import ShapeError

Shape = tuple[int, ...]
anything = array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3)


def numbered(shape: Shape, start: int = 1) -> np.ndarray[Any, Any]:
    return np.arange(start, start + int(np.prod(shape)), dtype=np.float64).reshape(shape)


def fitting(count: int) -> Any:
    return mutually_broadcastable_shapes(num_shapes=count, max_dims=4, min_side=0, max_side=3)


@given(fitting(3))
def test_values_meet_as_in_numpy(shapes: Any) -> None:
    a, b, c = (numbered(shape, 1 + 7 * i) for i, shape in enumerate(shapes.input_shapes))
    result = ne.asarray(a) * ne.asarray(b) - ne.asarray(c)
    assert result.shape == shapes.result_shape
    np.testing.assert_array_equal(result.numpy(), a * b - c)
    condition = a % 2 == 0
    chosen = ne.where(ne.asarray(condition), ne.asarray(b), ne.asarray(c))
    np.testing.assert_array_equal(chosen.numpy(), np.where(condition, b, c))
    for ours, theirs in zip(
        ne.broadcast_arrays(*map(ne.asarray, (a, b, c))), np.broadcast_arrays(a, b, c), strict=True
    ):
        np.testing.assert_array_equal(ours.numpy(), theirs)


@given(anything, anything)
def test_the_same_shapes_are_refused(first: Shape, second: Shape) -> None:
    try:
        wanted = np.broadcast_shapes(first, second)
    except ValueError:
        with pytest.raises(ShapeError) as caught:
            ne.add(numbered(first), numbered(second))
        assert str(first) in str(caught.value)
        assert str(second) in str(caught.value)
    else:
        assert ne.add(numbered(first), numbered(second)).shape == wanted


@given(fitting(2))
def test_gradients_sum_over_what_was_repeated(shapes: Any) -> None:
    """∂/∂a Σ w·(a·b) is w·b summed where a was repeated: counted place by place."""
    a, b = (numbered(shape, 1 + 5 * i) for i, shape in enumerate(shapes.input_shapes))
    weights = numbered(shapes.result_shape, 3)
    x, y = (ne.asarray(value).requires_grad_() for value in (a, b))
    found = ne.gradients(x * y, [x, y], ne.asarray(weights))
    wide = np.broadcast_arrays(a, b)
    for i, (array, got) in enumerate(zip((a, b), found, strict=True)):
        place = np.arange(array.size).reshape(array.shape)
        places = np.broadcast_to(place, shapes.result_shape).ravel()
        terms = (weights * wide[1 - i]).ravel()
        wanted = np.bincount(places, terms, array.size).reshape(array.shape)
        np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-14)


@given(anything, st.data())
def test_broadcast_to(shape: Shape, data: st.DataObject) -> None:
    lead = data.draw(array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3))
    wanted = lead + tuple(
        data.draw(st.integers(0, 3)) if extent == 1 else extent for extent in shape
    )
    x = numbered(shape)
    result = ne.broadcast_to(ne.asarray(x), wanted)
    np.testing.assert_array_equal(result.numpy(), np.broadcast_to(x, wanted))
