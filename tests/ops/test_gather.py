"""Reading and writing at places given by tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from neurona.autodiff.reverse import gradients
from neurona.compiler import compile
from neurona.core import dtypes
from neurona.core.errors import ArgumentError, DTypeError, IndexOutOfRangeError, ShapeError
from neurona.core.trace import recording
from neurona.core.variable import Variable
from neurona.ops.gather import (
    ADD_ALONG_AXIS,
    SCATTER_ADD,
    SCATTER_SET,
    TAKE,
    TAKE_ALONG_AXIS,
    apply,
    scatter_add,
    scatter_set,
    take,
    take_along_axis,
)
from tests.ops.derivatives import check_gradients
from tests.ops.lowered import run_indexed
from tests.ops.record import Array, tensor
from tests.ops.samples import strided

Rng = np.random.Generator

INDEX_SHAPES = [(), (1,), (4,), (2, 3), (0,), (2, 0)]


def draw_index(rng: Rng, shape: tuple[int, ...], extent: int, dtype: Any = np.int64) -> Array:
    least = 0 if np.dtype(dtype).kind == "u" else -extent
    return np.asarray(rng.integers(least, extent, shape)).astype(dtype)


@pytest.mark.parametrize("index_shape", INDEX_SHAPES)
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("dtype", dtypes.ALL)
def test_take(rng: Rng, dtype: Any, axis: int, index_shape: tuple[int, ...]) -> None:
    x = rng.integers(0, 2, (3, 5, 4)).astype(dtype)
    index = draw_index(rng, index_shape, x.shape[axis])
    result = take(x, index, axis=axis)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result.numpy(), np.take(x, index, axis))


@pytest.mark.parametrize("dtype", dtypes.SIGNED + dtypes.UNSIGNED)
def test_index_dtypes(rng: Rng, dtype: Any) -> None:
    # More rows than an int8 can count.
    x = rng.normal(size=(200, 2))
    index = np.array([0, 127, 100], dtype)
    np.testing.assert_array_equal(take(x, index, axis=0).numpy(), x[[0, 127, 100]])
    added = scatter_add(np.zeros((200, 2)), index, x[:3], axis=0).numpy()
    np.testing.assert_array_equal(added[[0, 127, 100]], x[:3])
    if dtype in dtypes.SIGNED:
        np.testing.assert_array_equal(take(x, -index, axis=0).numpy(), x[[0, -127, -100]])


def test_take_of_strided_and_single_and_empty_axes(rng: Rng) -> None:
    x = rng.normal(size=(3, 4))
    index = draw_index(rng, (5,), 3)
    np.testing.assert_array_equal(take(tensor(strided(x)), index, axis=0).numpy(), x[index])
    np.testing.assert_array_equal(take(x, tensor(index[::2]), axis=0).numpy(), x[index[::2]])
    np.testing.assert_array_equal(take(x[:1], [0, -1, 0], axis=0).numpy(), x[[0, 0, 0]])
    assert take(np.zeros((0, 3)), np.zeros((0,), int), axis=0).shape == (0, 3)
    assert take(np.zeros((4, 0)), [1, 2], axis=0).shape == (2, 0)
    assert take([1, 2, 3], 1).tolist() == 2


@pytest.mark.parametrize(
    ("axes", "position"), [((0, 1), 0), ((1, 2), 1), ((2, 0), 0), ((0, 2), 1), ((2,), 0), ((0,), 2)]
)
def test_take_along_several_axes(rng: Rng, axes: tuple[int, ...], position: int) -> None:
    x = rng.normal(size=(3, 4, 5))
    indices = [draw_index(rng, (2, 3), x.shape[axis]) for axis in axes]
    key: list[Any] = [slice(None)] * 3
    for axis, index in zip(axes, indices, strict=True):
        key[axis] = index.reshape(-1)
    # One by one, so that the reference does not share NumPy's rules for several index arrays.
    rest = [n for axis, n in enumerate(x.shape) if axis not in axes]
    expected = np.empty((6, *rest))
    for i in range(6):
        expected[i] = x[tuple(k if isinstance(k, slice) else k[i] for k in key)]
    expected = np.moveaxis(expected.reshape(2, 3, *rest), (0, 1), (position, position + 1))
    attrs = {"axes": axes, "position": position}
    actual = apply(TAKE, tensor(x), *map(tensor, indices), **attrs)
    np.testing.assert_array_equal(actual.numpy(), expected)
    np.testing.assert_array_equal(run_indexed(TAKE, x, *indices, **attrs), expected)

    base, updates = rng.normal(size=x.shape), rng.normal(size=expected.shape)
    inputs = [tensor(base), tensor(updates), *map(tensor, indices)]
    flat = np.moveaxis(updates, (position, position + 1), (0, 1)).reshape(6, *rest)
    added, put = base.copy(), base.copy()
    for i in range(6):
        place = tuple(k if isinstance(k, slice) else k[i] for k in key)
        added[place] += flat[i]
        put[place] = flat[i]
    np.testing.assert_allclose(apply(SCATTER_ADD, *inputs, **attrs).numpy(), added, rtol=1e-14)
    np.testing.assert_array_equal(apply(SCATTER_SET, *inputs, **attrs).numpy(), put)


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int64])
def test_lowerings(rng: Rng, dtype: Any) -> None:
    x = rng.normal(size=(3, 5, 4))
    for shape in INDEX_SHAPES:
        index = draw_index(rng, shape, 5, dtype)
        attrs: dict[str, Any] = {"axes": (1,), "position": 1}
        np.testing.assert_array_equal(run_indexed(TAKE, x, index, **attrs), np.take(x, index, 1))
    index = draw_index(rng, (3, 2, 4), 5, dtype)
    np.testing.assert_array_equal(
        run_indexed(TAKE_ALONG_AXIS, x, index, axis=1), np.take_along_axis(x, index.astype(int), 1)
    )


@pytest.mark.parametrize("wrong", [5, -6, 2**62, -(2**63)])
def test_lowerings_never_read_outside(wrong: int, rng: Rng) -> None:
    # What they read instead is of no account, since the program's check fails.
    index = np.array([wrong])
    assert run_indexed(TAKE, rng.normal(size=5), index, axes=(0,), position=0).shape == (1,)
    assert run_indexed(TAKE_ALONG_AXIS, rng.normal(size=5), index, axis=0).shape == (1,)
    assert run_indexed(TAKE, np.zeros((0,)), index, axes=(0,), position=0).shape == (1,)
    assert run_indexed(TAKE_ALONG_AXIS, np.zeros((0,)), index, axis=0).shape == (1,)
    huge = np.array([2**64 - 1], np.uint64)
    assert run_indexed(TAKE, rng.normal(size=5), huge, axes=(0,), position=0).shape == (1,)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize(
    ("shape", "index_shape"),
    [
        ((3, 4, 5), (3, 4, 5)),
        ((3, 4, 5), (1, 1, 1)),
        ((1, 4, 5), (3, 4, 1)),
        ((3, 1, 2), (3, 7, 2)),
        ((2, 3, 0), (2, 3, 0)),
    ],
)
def test_take_along_axis(
    rng: Rng, shape: tuple[int, ...], index_shape: tuple[int, ...], axis: int
) -> None:
    x = rng.normal(size=shape)
    index = draw_index(rng, index_shape, max(shape[axis], 1))
    others = [i for i in range(3) if i != axis % 3]
    fits = all(1 in (shape[i], index_shape[i]) or shape[i] == index_shape[i] for i in others)
    if shape[axis] == 0 and index.size:
        with pytest.raises(IndexOutOfRangeError):
            take_along_axis(x, index, axis=axis)
    elif not fits:
        with pytest.raises(ShapeError):
            take_along_axis(x, index, axis=axis)
    else:
        expected = np.take_along_axis(x, index, axis)
        np.testing.assert_array_equal(take_along_axis(x, index, axis=axis).numpy(), expected)
        strided_inputs = tensor(strided(x)), tensor(strided(index))
        np.testing.assert_array_equal(take_along_axis(*strided_inputs, axis=axis).numpy(), expected)


@pytest.mark.parametrize("dtype", [d for d in dtypes.ALL if d != dtypes.bool_])
def test_scatter_add(rng: Rng, dtype: Any) -> None:
    base = rng.integers(0, 5, (4, 3)).astype(dtype)
    index, updates = np.array([[1, -1, 1], [0, 1, 3]]), rng.integers(0, 5, (2, 3, 3)).astype(dtype)
    expected = base.astype(np.int64)
    np.add.at(expected, index, updates.astype(np.int64))
    result = scatter_add(base, index, updates)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result.numpy().astype(np.int64), expected)
    sideways = scatter_add(base.T, index, np.moveaxis(updates, 2, 0), axis=1).numpy()
    np.testing.assert_array_equal(sideways.astype(np.int64), expected.T)


def test_scatter_add_in_half_precision_accumulates_in_single() -> None:
    # One by one, 2048 + 1 stays 2048 in float16.
    result = scatter_add(np.zeros(1, np.float16), np.zeros(4096, int), np.ones((), np.float16))
    assert result.dtype == np.float16
    assert result.tolist() == [4096]


def test_scatter_add_of_special_values() -> None:
    updates = np.array([np.inf, -np.inf, np.nan, np.inf, 1.0])
    result = scatter_add(np.zeros(4), [0, 0, 1, 2, 3], updates).tolist()
    assert np.isnan(result[:2]).all()
    assert result[2:] == [np.inf, 1.0]


def test_scatter_set_keeps_the_last() -> None:
    result = scatter_set(np.zeros((3, 2)), [[2, 0], [2, -1]], np.arange(8.0).reshape(2, 2, 2))
    assert result.tolist() == [[2, 3], [0, 0], [6, 7]]
    assert scatter_set([False, False], [1], [True]).tolist() == [False, True]


def test_scatters_leave_their_inputs_alone(rng: Rng) -> None:
    for base in (rng.normal(size=(3, 2)), np.asfortranarray(rng.normal(size=(3, 2)))):
        x, before = tensor(base), base.copy()
        scatter_add(x, [0, 0], 1.0)
        scatter_set(x, [0, 0], 1.0)
        index = tensor(np.array([[0, 1]]))
        apply(ADD_ALONG_AXIS, x, tensor(np.ones((1, 2))), index, axis=0)
        np.testing.assert_array_equal(x.numpy(), before)


def test_add_along_axis(rng: Rng) -> None:
    for axis in (0, 1, 2):
        base = strided(rng.normal(size=(3, 4, 5)))
        shape = [3, 4, 5]
        shape[axis] = 7
        index, updates = draw_index(rng, tuple(shape), base.shape[axis]), rng.normal(size=shape)
        expected = base.copy()
        for place in np.ndindex(*shape):
            target = (*place[:axis], index[place], *place[axis + 1 :])
            expected[target] += updates[place]
        result = apply(ADD_ALONG_AXIS, tensor(base), tensor(updates), tensor(index), axis=axis)
        np.testing.assert_allclose(result.numpy(), expected, rtol=1e-13)


def test_updates_broadcast_and_promote() -> None:
    assert scatter_add(np.zeros((3, 2), np.float32), [0, 2], 1).tolist() == [[1, 1], [0, 0], [1, 1]]
    wide = scatter_add(np.zeros(2, np.float32), [0], np.ones(1))
    assert wide.dtype == np.float64


# --- gradients ---


def test_gradient_of_take(rng: Rng) -> None:
    index = np.array([[0, -1, 0], [2, 2, 2]])
    for axis in (0, 1):
        check_gradients(lambda x, axis=axis: take(x, index, axis=axis), rng.normal(size=(3, 4)))
    check_gradients(lambda x: take(x, np.zeros((0,), int), axis=0), rng.normal(size=(3, 4)))
    two = [tensor(np.array([0, 1, 0])), tensor(np.array([3, 3, 3]))]
    check_gradients(
        lambda x: apply(TAKE, x, *two, axes=(2, 0), position=1), rng.normal(size=(4, 2, 2))
    )


def test_gradient_of_take_along_axis(rng: Rng) -> None:
    index = np.array([[0, -1, 0], [1, 1, 1]])
    check_gradients(lambda x: take_along_axis(x, index), rng.normal(size=(2, 4)))
    check_gradients(lambda x: take_along_axis(x, index, axis=0), rng.normal(size=(2, 3)))
    check_gradients(lambda x: take_along_axis(x, index), rng.normal(size=(1, 4)))


def test_gradient_of_scatters(rng: Rng) -> None:
    index = np.array([[0, -1, 0], [1, 1, 1]])
    base, updates = rng.normal(size=(3, 2)), rng.normal(size=(2, 3, 2))
    for axis, put in ((0, updates), (1, rng.normal(size=(3, 1, 3)))):
        check_gradients(lambda b, u, axis=axis: scatter_add(b, index, u, axis=axis), base, put)
        check_gradients(lambda b, u, axis=axis: scatter_set(b, index, u, axis=axis), base, put)
    indices = tensor(index[:, :2])
    check_gradients(lambda b, u: apply(ADD_ALONG_AXIS, b, u, indices, axis=0), base, updates[:, 0])


def test_overwritten_updates_get_no_gradient() -> None:
    base = tensor(np.zeros(3), requires_grad=True)
    updates = tensor(np.ones(4), requires_grad=True)
    result = scatter_set(base, [2, 0, 2, 0], updates)
    found = gradients(result, [base, updates], tensor(np.array([1.0, 2.0, 3.0])))
    assert [g.tolist() for g in found] == [[0, 2, 0], [0, 0, 3, 1]]


def test_no_gradient_for_indices_and_integers() -> None:
    x = tensor(np.arange(3), requires_grad=False)
    assert not take(x, [0]).requires_grad
    leaf = tensor(np.ones(3), requires_grad=True)
    index = tensor(np.array([0]))
    assert take(leaf, index).requires_grad
    assert not index.requires_grad


# --- errors ---


@pytest.mark.parametrize("wrong", [3, -4])
def test_out_of_range(wrong: int) -> None:
    x, index = np.zeros((3, 2)), np.array([[0, 1], [wrong, 0]])
    message = rf"index {wrong} at position \(1, 0\) is out of range for axis 0 of shape \(3, 2\)"
    calls: list[tuple[str, Callable[[], Any]]] = [
        ("take", lambda: take(x, index, axis=0)),
        ("take_along_axis", lambda: take_along_axis(x, index, axis=0)),
        ("scatter_add", lambda: scatter_add(x, index, 1.0)),
        ("scatter_set", lambda: scatter_set(x, index, 1.0)),
    ]
    for name, call in calls:
        with pytest.raises(IndexOutOfRangeError, match=f"{name}: {message}") as caught:
            call()
        assert isinstance(caught.value, IndexError)
        assert isinstance(caught.value, ArgumentError)
    with pytest.raises(IndexOutOfRangeError):
        take(x, np.array([2**63 + 5], np.uint64), axis=0)
    with pytest.raises(IndexOutOfRangeError):
        take(np.zeros((0, 2)), [0], axis=0)


@pytest.mark.parametrize("wrong", [3, -4, 2**62])
@pytest.mark.parametrize("function", [take, take_along_axis, scatter_add, scatter_set])
def test_out_of_range_when_compiled_writes_nothing(function: Any, wrong: int) -> None:
    written = Variable(np.zeros((2, 2)))

    @compile
    def step(x: Any, index: Any) -> Any:
        if function in (take, take_along_axis):
            result = function(x, index, axis=0)
        else:
            result = function(x, index[:, 0], 1.0, axis=0)
        written.assign(result[:2] if result.ndim == 2 else result[0])
        return result

    x, index = tensor(np.ones((3, 2))), np.array([[0, -1], [2, -3]])
    step(x, tensor(index))
    before = written.numpy()
    with pytest.raises(
        IndexOutOfRangeError, match=f"{function.__name__}.* out of range for axis 0"
    ):
        step(x, tensor(np.array([[0, 0], [wrong, 0]])))
    np.testing.assert_array_equal(written.numpy(), before)
    assert written.version == 1
    step(x, tensor(index))
    assert written.version == 2


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: take(x, [0.0], axis=0), DTypeError, "take: indices are integers, not float32"),
        (lambda x: take(x, [True], axis=0), DTypeError, "take: indices are integers, not bool"),
        (lambda x: take(x, [0]), ShapeError, "axis is needed"),
        (lambda x: take(x, [0], axis=2), ShapeError, "axis 2 is out of range"),
        (lambda x: take(np.float32(1), [0], axis=0), ShapeError, "out of range"),
        (lambda x: take_along_axis(x, [0]), ShapeError, "must have as many axes"),
        (lambda x: take_along_axis(x, np.zeros((2, 2), int)), ShapeError, "do not broadcast"),
        (lambda x: take_along_axis(x, [[0.5]]), DTypeError, "indices are integers"),
        (lambda x: scatter_add(x, [0.0], x[:1]), DTypeError, "scatter_add: indices are integers"),
        (lambda x: scatter_add(x, [0, 1], np.zeros((3, 2))), ShapeError, "do not broadcast"),
        (lambda x: scatter_add([True], [0], [True]), DTypeError, "not bool"),
        (lambda x: scatter_set(x, [0], np.zeros((2, 1, 2))), ShapeError, "do not broadcast to"),
    ],
)
def test_errors(call: Callable[[Array], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(np.zeros((3, 2)))


def test_primitives_check_their_operands() -> None:
    x, i = tensor(np.zeros((3, 2))), tensor(np.zeros((1,), int))
    two = tensor(np.zeros((2,), int))
    for call, error in (
        (lambda: apply(TAKE, x, i, two, axes=(0, 1), position=0), ShapeError),
        (lambda: apply(TAKE, x, i, i, axes=(0, 0), position=0), ShapeError),
        (lambda: apply(TAKE, x, i, axes=(0,), position=2), ShapeError),
        (lambda: apply(TAKE, x, x, axes=(0,), position=0), DTypeError),
        (lambda: apply(SCATTER_ADD, x, x, i, axes=(0,), position=0), ShapeError),
        (lambda: apply(TAKE_ALONG_AXIS, x, x, axis=0), DTypeError),
        (lambda: apply(ADD_ALONG_AXIS, x, x, tensor(np.zeros((1, 2), int)), axis=0), ShapeError),
    ):
        with pytest.raises(error):
            call()


def test_recording_knows_the_shape_only() -> None:
    with recording():
        result = take(np.zeros((3, 2)), np.array([[0, 7]]), axis=0)
    assert result.shape == (1, 2, 2)
