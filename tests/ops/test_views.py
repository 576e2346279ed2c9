"""Compositions of reshapes, permutations, slices and flips against NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, basic_indices

import neurona as ne
from neurona.compiler import compile

Array = np.ndarray[Any, Any]
Step = tuple[str, Callable[[Any], Any], Callable[[Array], Array]]
"""What it does, on a Tensor and on a NumPy array."""


def factorised(size: int, draw: Any) -> tuple[int, ...]:
    """A shape of `size` elements."""
    if size == 0:
        return draw(st.permutations((0, 2, 3)).map(tuple))
    shape = []
    while size > 1 and len(shape) < 3:
        divisors = [d for d in range(1, size + 1) if size % d == 0]
        shape.append(draw(st.sampled_from(divisors)))
        size //= shape[-1]
    return (*shape, size)


def reshaping(draw: Any, shape: tuple[int, ...]) -> Step:
    to = factorised(math.prod(shape), draw)
    return f"reshape{to}", lambda x: ne.reshape(x, to), lambda x: x.reshape(to)


def permuting(draw: Any, shape: tuple[int, ...]) -> Step:
    axes = tuple(draw(st.permutations(range(len(shape)))))
    return f"permute{axes}", lambda x: ne.permute_dims(x, axes), lambda x: x.transpose(axes)


def indexing(draw: Any, shape: tuple[int, ...]) -> Step:
    key = draw(basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
    return f"[{key}]", lambda x: x[key], lambda x: np.asarray(x[key])


def flipping(draw: Any, shape: tuple[int, ...]) -> Step:
    axes = tuple(draw(st.sets(st.integers(0, len(shape) - 1)))) if shape else ()
    return f"flip{axes}", lambda x: ne.flip(x, axis=axes), lambda x: np.flip(x, axes)


def widening(draw: Any, shape: tuple[int, ...]) -> Step:
    extent = draw(st.integers(0, 2))
    to = (extent, *(3 if n == 1 else n for n in shape))
    return f"widen{to}", lambda x: ne.broadcast_to(x, to), lambda x: np.broadcast_to(x, to)


def rolling(draw: Any, shape: tuple[int, ...]) -> Step:
    by = draw(st.integers(-5, 5))
    axis = draw(st.integers(0, len(shape) - 1)) if shape else None
    return f"roll{by, axis}", lambda x: ne.roll(x, by, axis=axis), lambda x: np.roll(x, by, axis)


def squeezing(draw: Any, shape: tuple[int, ...]) -> Step:
    units = [axis for axis, n in enumerate(shape) if n == 1]
    axes = tuple(draw(st.sets(st.sampled_from(units)))) if units else ()
    return f"squeeze{axes}", lambda x: ne.squeeze(x, axes), lambda x: np.squeeze(x, axes)


STEPS = (reshaping, permuting, indexing, flipping, widening, rolling, squeezing)


@st.composite
def chains(draw: Any) -> tuple[tuple[int, ...], list[Step]]:
    """A shape, and steps that fit it one after another."""
    shape = draw(array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5))
    array, steps = np.zeros(shape), []
    for _ in range(draw(st.integers(1, 5))):
        step = draw(st.sampled_from(STEPS))(draw, array.shape)
        array = step[2](array)
        steps.append(step)
        if array.ndim > 5 or array.size > 500:
            break
    return shape, steps


def ours(steps: list[Step], x: Any) -> Any:
    for _, step, _ in steps:
        x = step(x)
    return x


def theirs(steps: list[Step], x: Array) -> Array:
    for _, _, step in steps:
        x = step(x)
    return x


def numbered(shape: tuple[int, ...]) -> Array:
    return np.arange(math.prod(shape), dtype=np.float64).reshape(shape)


@given(chains())
def test_values(chain: tuple[tuple[int, ...], list[Step]]) -> None:
    shape, steps = chain
    x = numbered(shape)
    result = ours(steps, ne.asarray(x))
    np.testing.assert_array_equal(result.numpy(), theirs(steps, x), [s[0] for s in steps], True)


@given(chains())
def test_gradients_go_back_to_where_elements_came_from(
    chain: tuple[tuple[int, ...], list[Step]],
) -> None:
    shape, steps = chain
    x = ne.asarray(numbered(shape)).requires_grad_()
    result = ours(steps, x)
    weights = np.asarray(np.arange(1.0, 1 + result.size).reshape(result.shape))
    (found,) = ne.gradients(result, [x], ne.asarray(weights))
    places = theirs(steps, numbered(shape)).astype(np.int64).ravel()
    wanted = np.bincount(places, weights.ravel(), math.prod(shape)).reshape(shape)
    np.testing.assert_array_equal(found.numpy(), wanted)


@given(chains())
def test_compiled(chain: tuple[tuple[int, ...], list[Step]]) -> None:
    shape, steps = chain
    x = numbered(shape)
    result = compile(lambda y: ours(steps, y + 1) * 2)(ne.asarray(x))
    np.testing.assert_array_equal(result.numpy(), theirs(steps, x + 1) * 2, str(steps), True)


def test_compiled_views_of_nothing() -> None:
    result = compile(lambda x: ne.permute_dims(x + 1, (1, 0)) * 2)(ne.zeros((0, 2)))
    assert result.shape == (2, 0)


@given(st.data())
def test_writing_into_a_slice(data: st.DataObject) -> None:
    """`x[key] = v` rebinds the handle; what it was before, and other handles, stay."""
    shape = data.draw(array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5))
    key = data.draw(basic_indices(shape, allow_ellipsis=True))
    wanted = numbered(shape)
    value = -numbered(np.asarray(wanted[key]).shape)
    x = ne.asarray(wanted)
    before = x + 0
    other = ne.reshape(x, shape)
    wanted[key] = value
    x[key] = ne.asarray(value)
    np.testing.assert_array_equal(x.numpy(), wanted)
    np.testing.assert_array_equal(before.numpy(), numbered(shape))
    np.testing.assert_array_equal(other.numpy(), numbered(shape))


def test_a_key_for_too_many_axes_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"getitem: the key is for 2 axes, but the shape is \(3,\)"
    ):
        ne.asarray([1.0, 2.0, 3.0])[0, 0]
