"""Strides of views and reshapes against NumPy's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import neurona as ne
from neurona.compiler.ir.views import aligned, layout, reshaped_strides, row_major
from neurona.core.node import Node
from neurona.core.op import Spec
from neurona.core.tensor import Tensor
from neurona.core.trace import recording
from tests.compiler.graphs import Array

EXTENTS = st.lists(st.sampled_from((1, 2, 3, 4, 6)), max_size=4)


def shown(base: Array, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0) -> Array:
    """The elements that a layout says, read one by one."""
    flat = base.reshape(-1)
    result = np.empty(shape, base.dtype)
    for index in np.ndindex(*shape):
        result[index] = flat[offset + sum(i * s for i, s in zip(index, strides, strict=True))]
    return result


@given(EXTENTS)
def test_row_major_strides_are_those_of_numpy(extents: list[int]) -> None:
    array = np.zeros(extents, np.int8)
    strides = [s for s, n in zip(row_major(tuple(extents)), extents, strict=True) if n != 1]
    assert strides == [s for s, n in zip(array.strides, extents, strict=True) if n != 1]


@st.composite
def reshapes(draw: st.DrawFn) -> tuple[Array, Array, tuple[int, ...]]:
    """(base, a strided view of it, a shape with as many elements)."""
    shape = tuple(draw(EXTENTS))
    base = np.arange(math.prod(shape)).reshape(shape)
    view = base.transpose(draw(st.permutations(range(len(shape)))))
    key = tuple(slice(None, None, draw(st.sampled_from((1, 1, 2, -1)))) for _ in range(view.ndim))
    view = view[(..., *key)]
    if draw(st.booleans()):
        view = np.broadcast_to(view, (draw(st.sampled_from((1, 2, 3))), *view.shape))
    size, wanted = view.size, []
    while size > 1:
        divisors = [n for n in range(1, size + 1) if size % n == 0]
        wanted.append(draw(st.sampled_from(divisors)))
        size //= wanted[-1]
        assume(len(wanted) < 7)
    return base, view, tuple(draw(st.permutations(wanted)))


@given(reshapes())
def test_reshaped_strides_show_the_same_elements_or_there_are_none(
    case: tuple[Array, Array, tuple[int, ...]],
) -> None:
    base, view, wanted = case
    size = base.itemsize
    strides = tuple(s // size for s in view.strides)
    offset = (view.__array_interface__["data"][0] - base.__array_interface__["data"][0]) // size
    found = reshaped_strides(view.shape, strides, wanted)
    expected = view.reshape(wanted)
    if found is None:
        # NumPy had to copy too.
        assert not np.shares_memory(expected, base)
        return
    np.testing.assert_array_equal(shown(base, wanted, found, offset), expected)


def test_a_reshape_that_numpy_does_without_copying_gets_strides() -> None:
    base = np.arange(24).reshape(4, 6)
    assert reshaped_strides((4, 3), (6, 2), (2, 2, 3)) == (12, 6, 2)
    assert reshaped_strides((6, 4), (1, 6), (24,)) is None
    assert reshaped_strides((), (), (1, 1)) == (0, 0)
    assert np.shares_memory(base[:, ::2].reshape(2, 2, 3), base)


@given(st.sampled_from([(0,), (2, 0), (0, 3), (0, 1)]), st.sampled_from([(0,), (3, 0), (0, 0)]))
def test_nothing_can_be_reshaped_to_nothing(
    shape: tuple[int, ...], wanted: tuple[int, ...]
) -> None:
    assert reshaped_strides(shape, (1,) * len(shape), wanted) == row_major(wanted)


# --- layouts of recorded views ---


def record(function: object, shape: tuple[int, ...]) -> tuple[Node, Node]:
    """(input, result) of a recorded function of an int64 tensor."""
    with recording() as trace:
        place = trace.input(Spec(shape, np.dtype(np.int64)))
        return place, function(Tensor(place))._node  # type: ignore[operator]


CHAINS = {
    "transpose": lambda x: x.T,
    "slice": lambda x: x[1:, ::2],
    "negative step": lambda x: x[::-1, 4:1:-2],
    "flip": lambda x: ne.flip(x, axis=(1,)),
    "new axis": lambda x: x[:, None, 1:],
    "broadcast": lambda x: ne.broadcast_to(x[:1], (4, 6)),
    "broadcast lead": lambda x: ne.broadcast_to(x, (3, 4, 6)),
    "split axis": lambda x: ne.reshape(x, (2, 2, 3, 2)),
    "merge": lambda x: ne.reshape(x, (24,)),
    "transpose and split": lambda x: ne.reshape(x.T, (3, 2, 4)),
    "slice of transpose": lambda x: ne.flip(x.T[::2], axis=0)[:, 1:3],
    "row": lambda x: x[1:2],
    "squeeze": lambda x: ne.squeeze(x[2:3], 0),
    "long": lambda x: ne.permute_dims(ne.broadcast_to(x[None, ::-1, 1::2], (2, 4, 3)), (2, 0, 1)),
}


@pytest.mark.parametrize("name", CHAINS)
def test_chains_of_views_lie_in_their_base(name: str) -> None:
    base, node = record(CHAINS[name], (4, 6))
    found = layout(node, {})
    values = np.arange(24).reshape(4, 6)
    assert found is not None
    assert found.base is base
    expected = CHAINS[name](ne.asarray(values)).numpy()
    np.testing.assert_array_equal(shown(values, node.shape, found.strides, found.offset), expected)
    packed = name in ("split axis", "merge", "squeeze", "row")
    assert found.contiguous(node.shape) is packed


def test_a_merge_of_transposed_axes_has_no_layout() -> None:
    _, node = record(lambda x: ne.reshape(x.T, (24,)), (4, 6))
    assert layout(node, {}) is None


def test_aligned_follows_axes_through_simple_views() -> None:
    base, node = record(lambda x: ne.broadcast_to(x.T[:, None], (6, 5, 4)), (4, 6))
    found, axes = aligned(node)
    assert found is base
    assert axes == (1, None, 0)


@pytest.mark.parametrize("name", ["slice", "flip", "split axis", "merge"])
def test_aligned_says_when_axes_do_not_correspond(name: str) -> None:
    base, node = record(CHAINS[name], (4, 6))
    assert aligned(node) == (base, None)
