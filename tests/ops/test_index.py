"""`x[key]` and `x[key] = value`: NumPy is the reference, over randomly drawn keys."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurona.core import dtypes
from neurona.core.errors import (
    DTypeError,
    IndexOutOfRangeError,
    ShapeError,
    TraceError,
)
from neurona.core.tensor import Tensor
from neurona.core.trace import recording
from neurona.core.variable import Variable
from neurona.ops.index import UPDATE_SLICE, apply, getitem, nonzero, setitem
from tests.ops.derivatives import check_gradients
from tests.ops.lowered import run_indexed
from tests.ops.record import Array, tensor

Draw = Callable[[st.SearchStrategy[Any]], Any]


@st.composite
def slices(draw: Draw, extent: int) -> slice:
    bound = st.none() | st.integers(-extent - 2, extent + 2)
    step = st.none() | st.sampled_from([-3, -2, -1, 1, 2, 3])
    return slice(draw(bound), draw(bound), draw(step))


@st.composite
def index_arrays(draw: Draw, extent: int, shape: tuple[int, ...]) -> Array:
    if extent == 0:
        shape = (*shape[:-1], 0) if shape else (0,)
    numbers = st.integers(-extent, extent - 1) if extent else st.nothing()
    size = math.prod(shape)
    values = draw(st.lists(numbers, min_size=size, max_size=size)) if size else []
    dtype = draw(st.sampled_from([np.int8, np.int64]))
    return np.array(values, dtype).reshape(shape)


@st.composite
def masks(draw: Draw, shape: tuple[int, ...]) -> Array:
    size = math.prod(shape)
    return np.array(draw(st.lists(st.booleans(), min_size=size, max_size=size)), bool).reshape(
        shape
    )


@st.composite
def cases(draw: Draw, *, arrays: bool = True, masked: bool = True) -> tuple[Array, Any]:
    """An array and a key that NumPy accepts for it."""
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=4)))
    x = np.arange(1.0, math.prod(shape) + 1).reshape(shape)
    if draw(st.booleans()):
        x = np.asfortranarray(x)
    common = draw(st.sampled_from([(), (1,), (2,), (2, 3)]))
    key: list[Any] = []
    axis = 0
    ellipsis = False
    while axis < len(shape) or draw(st.booleans()):
        kinds = ["new"] if len(key) < 6 else []
        kinds += [] if ellipsis else ["ellipsis"]
        if axis < len(shape):
            kinds += ["slice", "slice", "int"]
            kinds += [] if ellipsis else ["rest"]
            kinds += ["array", "array"] if arrays else []
        kinds += ["mask"] if masked else []
        if not kinds:
            break
        kind = draw(st.sampled_from(kinds))
        extent = shape[axis] if axis < len(shape) else 0
        if kind == "rest":
            break
        if kind == "new":
            key.append(None)
        elif kind == "ellipsis":
            key.append(Ellipsis)
            ellipsis = True
            axis += draw(st.integers(0, len(shape) - axis))
        elif kind == "slice":
            key.append(draw(slices(extent)))
            axis += 1
        elif kind == "int" and extent:
            index = draw(st.integers(-extent, extent - 1))
            key.append(draw(st.sampled_from([index, np.int8(index), np.array(index)])))
            axis += 1
        elif kind == "array":
            index_shape = draw(st.sampled_from([common, (1,) * len(common), common[1:]]))
            key.append(draw(index_arrays(extent, index_shape)))
            axis += 1
        elif kind == "mask":
            width = draw(st.integers(0, min(2, len(shape) - axis)))
            key.append(draw(masks(shape[axis : axis + width])))
            axis += width
    single = len(key) == 1 and draw(st.booleans())
    return x, key[0] if single else tuple(key)


def with_tensors(key: Any) -> Any:
    """The key with its arrays as tensors."""
    if isinstance(key, tuple):
        return tuple(with_tensors(part) for part in key)
    return tensor(key) if isinstance(key, np.ndarray) else key


def of_numpy(function: Callable[[], Any]) -> Any:
    """NumPy's answer, or None if it refuses the key."""
    try:
        return function()
    except (IndexError, ValueError):
        return None


@given(cases())
def test_getitem_is_numpys(case: tuple[Array, Any]) -> None:
    x, key = case
    expected = of_numpy(lambda: x[key])
    if expected is None:
        with pytest.raises((IndexOutOfRangeError, ShapeError)):
            getitem(tensor(x), key)
        return
    for given_key in (key, with_tensors(key)):
        result = getitem(tensor(x), given_key)
        assert result.shape == np.shape(expected)
        assert result.dtype == x.dtype
        np.testing.assert_array_equal(result.numpy(), expected)


def updated(x: Array, key: Any, value: Array) -> Array:
    """`x[key] = value`, element by element in row-major order of the value."""
    places = np.arange(x.size).reshape(x.shape)[key]
    value = value.reshape(value.shape[max(value.ndim - places.ndim, 0) :])
    flat = np.array(x).reshape(-1)
    for place, element in zip(
        places.reshape(-1), np.broadcast_to(value, places.shape).reshape(-1), strict=True
    ):
        flat[place] = element
    return flat.reshape(x.shape)


@given(cases(), st.data())
def test_setitem_is_numpys(case: tuple[Array, Any], data: st.DataObject) -> None:
    x, key = case
    chosen = of_numpy(lambda: x[key])
    if chosen is None:
        with pytest.raises((IndexOutOfRangeError, ShapeError)):
            setitem(tensor(x), key, 0)
        return
    shape = [data.draw(st.sampled_from([n, 1])) for n in np.shape(chosen)]
    shape = shape[data.draw(st.integers(0, len(shape))) :] or [1] * data.draw(st.integers(0, 2))
    value = -1.0 - np.arange(math.prod(shape)).reshape(shape)
    expected = updated(x, key, value)
    before = x.copy()
    result = setitem(tensor(x), with_tensors(key), value)
    assert result.dtype == x.dtype
    np.testing.assert_array_equal(result.numpy(), expected)
    np.testing.assert_array_equal(x, before)


@given(cases(arrays=False, masked=False))
def test_update_slice_lowering(case: tuple[Array, Any]) -> None:
    x, key = case
    result = setitem(tensor(x), key, tensor(np.array(-1.0)))
    expected = x.copy()
    expected[key] = -1.0
    np.testing.assert_array_equal(result.numpy(), expected)


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3, st.integers(1, 3)), max_size=3))
def test_update_slice_primitive(axes: list[tuple[int, int, int, int]]) -> None:
    size = tuple(n for n, _, _, _ in axes)
    start = tuple(first for _, first, _, _ in axes)
    step = tuple(by for _, _, _, by in axes)
    shape = tuple(first + max(n - 1, 0) * by + 1 + more for n, first, more, by in axes)
    base, update = np.zeros(shape), np.arange(1.0, math.prod(size) + 1).reshape(size)
    expected = base.copy()
    expected[tuple(slice(f, f + n * by, by) for n, f, _, by in axes)] = update
    attrs = {"start": start, "step": step}
    eager = apply(UPDATE_SLICE, tensor(base), tensor(update), **attrs)
    np.testing.assert_array_equal(eager.numpy(), expected)
    np.testing.assert_array_equal(run_indexed(UPDATE_SLICE, base, update, **attrs), expected)


def test_update_slice_refuses_to_leave_the_base() -> None:
    base, update = tensor(np.zeros(4)), tensor(np.zeros(2))
    for start, step in (((3,), (1,)), ((-1,), (1,)), ((0,), (4,)), ((0,), (0,))):
        with pytest.raises(ShapeError, match="leaves shape"):
            apply(UPDATE_SLICE, base, update, start=start, step=step)
    with pytest.raises(DTypeError):
        apply(UPDATE_SLICE, base, tensor(np.zeros(2, int)), start=(0,), step=(1,))


# --- handles ---


def test_results_are_handles_of_their_own() -> None:
    x = tensor(np.arange(4.0))
    for key in (..., slice(None), (), slice(None, None, -1)):
        y = x[key]
        y[0] = 9.0
        assert x.tolist() == [0, 1, 2, 3]
        assert y.tolist()[0] == 9
    x[1] = x[2]
    x[2:] += 1
    assert x.tolist() == [0, 2, 3, 4]


def test_setitem_through_the_operator_keeps_the_history() -> None:
    w = tensor(np.arange(3.0), requires_grad=True)
    x = w * 2
    x[0] = 5.0
    x[1:] *= w[1:]
    x.backward(tensor(np.ones(3)))
    assert w.grad is not None
    assert w.grad.tolist() == [0, 4, 8]


def test_setitem_writes_a_variable() -> None:
    w = Variable([1.0, 2.0, 3.0])
    y = w * 2
    w[0] = 9.0
    w += 1
    assert w.tolist() == w.numpy().tolist() == (w * 1).tolist() == [10, 3, 4]
    assert w.version == 2
    assert y.tolist() == [2, 4, 6]
    y.backward(tensor(np.ones(3, np.float32)))
    assert w.grad is not None
    assert w.grad.tolist() == [2, 2, 2]
    with recording() as trace:
        w[1] = 0.0
    assert set(trace.writes) == {w}
    assert w.tolist() == [10, 3, 4]


@pytest.mark.parametrize("dtype", dtypes.ALL)
def test_every_dtype(dtype: Any) -> None:
    x = np.array([1, 0, 1, 1]).astype(dtype)
    t = tensor(x)
    np.testing.assert_array_equal(t[[0, 2]].numpy(), x[[0, 2]])
    np.testing.assert_array_equal(t[::-1].numpy(), x[::-1])
    t[1] = tensor(np.array(1, dtype))
    t[np.array([True, False, False, False])] = False
    assert t.dtype == dtype
    np.testing.assert_array_equal(t.numpy(), np.array([0, 1, 1, 1]).astype(dtype))


@pytest.mark.parametrize(
    ("target", "value"),
    [
        ("float32", np.float64(2.5)),
        ("float32", np.array([1, 2])),
        ("int8", np.array([1, 2])),
        ("float16", True),
        ("int64", False),
        ("bfloat16", 3),
    ],
)
def test_values_that_fit_are_cast(target: str, value: Any) -> None:
    x = tensor(np.zeros((2,), dtypes.as_dtype(target)))
    x[:] = value
    assert x.dtype == dtypes.as_dtype(target)
    np.testing.assert_array_equal(x.numpy().astype(np.float64), np.broadcast_to(value, (2,)))


@pytest.mark.parametrize(
    ("target", "value"), [("int32", 0.5), ("int32", np.zeros(2)), ("bool", 1), ("bool", 0.0)]
)
def test_values_that_do_not_fit(target: str, value: Any) -> None:
    x = tensor(np.zeros((2,), target))
    with pytest.raises(DTypeError, match=f"values do not fit a tensor of dtype {target}"):
        x[:] = value
    with pytest.raises(OverflowError):
        tensor(np.zeros(2, np.int8))[0] = 300


# --- tracing ---


def test_masks_while_recording() -> None:
    mask = tensor(np.array([True, False, True]))
    x = tensor(np.arange(3.0))
    with recording():
        for call in (lambda: x[mask], lambda: setitem(x, mask, np.zeros(2)), lambda: nonzero(mask)):
            with pytest.raises(TraceError, match=r"at .*test_index.py:\d+: .* use where"):
                call()
        assert x[np.array([True, False, True])].shape == (2,)
        assert setitem(x, mask, 0.0).shape == (3,)
        assert setitem(x, (..., mask), np.zeros((1,))).shape == (3,)
        pair = tensor(np.zeros((4, 3, 2)))
        assert setitem(pair, (slice(1), mask), np.zeros((1, 1, 2))).shape == (4, 3, 2)
        assert x[tensor(np.array(1))].shape == ()


def test_symbolic_slice_bounds_are_refused() -> None:
    x = tensor(np.arange(3.0))
    with recording():
        end = tensor(np.array(2)) + 0
        with pytest.raises(TraceError, match="use dynamic_slice"):
            x[:end]
        with pytest.raises(TraceError):
            x[::end]
    assert x[: tensor(np.array(2))].tolist() == [0, 1]


# --- gradients ---


@pytest.mark.parametrize(
    "key",
    [
        1,
        (slice(None, None, -2), None, 0),
        ([0, 0, 2], slice(1, 3)),
        (slice(None), [1, 1], [0, -1]),
        (0, slice(None), np.array([[1, 1], [0, 1]])),
        np.array([True, False, True]),
        (slice(0, 0),),
        (..., np.array([[True, False], [False, True], [True, True], [False, False]])),
    ],
)
def test_gradients(key: Any, rng: np.random.Generator) -> None:
    x = rng.normal(size=(3, 4, 2))
    check_gradients(lambda t: getitem(t, key), x)
    check_gradients(lambda t, v: setitem(t, key, v), x, rng.normal(size=x[key].shape))
    check_gradients(lambda t, v: setitem(t, key, v), x, rng.normal(size=()))


# --- errors ---


@pytest.mark.parametrize(
    ("key", "error", "message"),
    [
        (3, IndexOutOfRangeError, r"index 3 is out of range for axis 0 of shape \(3, 4\) \(-3…2\)"),
        ((0, -5), IndexOutOfRangeError, "index -5 is out of range for axis 1"),
        ([0, 3], IndexOutOfRangeError, r"index 3 at position \(1,\) is out of range for axis 0"),
        ((0, 0, 0), ShapeError, r"the key is for 3 axes, but the shape is \(3, 4\)"),
        ((..., 0, ...), ShapeError, "at most one ellipsis"),
        (np.array([True, False]), ShapeError, r"a mask of shape \(2,\) does not fit the axes"),
        (([0, 1], [0, 1, 2]), ShapeError, "index arrays: shapes"),
        (0.5, DTypeError, "not 0.5"),
        (np.zeros(2), DTypeError, "not a float64 array"),
        ("a", DTypeError, "not 'a'"),
        (slice(None, None, 0), ShapeError, "step of a slice must not be 0"),
    ],
)
def test_errors(key: Any, error: type[Exception], message: str) -> None:
    x = tensor(np.zeros((3, 4)))
    with pytest.raises(error, match=f"getitem: .*{message}|take: .*{message}"):
        x[key]
    with pytest.raises(error):
        x[key] = 1.0
    assert not x.numpy().any()


def test_values_of_the_wrong_shape() -> None:
    x = tensor(np.zeros((3, 4)))
    for key, value in (
        (0, np.zeros(3)),
        (slice(0, 2), np.zeros((2, 1, 4))),
        (np.array([True, False, True]), np.zeros((3, 4))),
        ([0, 1], np.zeros((3, 4))),
    ):
        with pytest.raises(ShapeError):
            x[key] = value


def test_iteration_ends() -> None:
    assert [row.tolist() for row in tensor(np.arange(4).reshape(2, 2))] == [[0, 1], [2, 3]]
    assert isinstance(tensor(np.arange(3))[0], Tensor)


# --- nonzero ---


def test_nonzero(rng: np.random.Generator) -> None:
    for dtype in dtypes.ALL:
        x = rng.integers(0, 2, (3, 4)).astype(dtype)
        for found, expected in zip(nonzero(tensor(x)), np.nonzero(x), strict=True):
            assert found.dtype == np.int64
            np.testing.assert_array_equal(found.numpy(), expected)
    assert [len(places) for places in nonzero(np.zeros((0, 2)))] == [0, 0]
    assert nonzero([float("nan"), -0.0])[0].tolist() == [0]
    with pytest.raises(ShapeError, match="0-d tensor"):
        nonzero(3)
