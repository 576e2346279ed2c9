"""Slices with computed starts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from neurona.compiler import compile
from neurona.core.errors import DTypeError, IndexOutOfRangeError, ShapeError
from neurona.core.trace import recording
from neurona.core.variable import Variable
from neurona.ops.dynamic import (
    DYNAMIC_SLICE,
    DYNAMIC_UPDATE_SLICE,
    dynamic_slice,
    dynamic_update_slice,
)
from tests.ops.derivatives import check_gradients
from tests.ops.lowered import run_indexed
from tests.ops.record import Array, tensor
from tests.ops.samples import strided

Rng = np.random.Generator


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
@pytest.mark.parametrize("strides", [False, True])
def test_slice_and_update(rng: Rng, dtype: Any, strides: bool) -> None:
    x = rng.normal(size=(4, 1, 6))
    x = strided(x) if strides else x
    for starts, size in (
        ((0, 0, 0), (4, 1, 6)),
        ((1, 0, 2), (2, 1, 4)),
        ((3, 0, 5), (1, 1, 1)),
        ((4, 1, 6), (0, 0, 0)),
    ):
        key = tuple(slice(first, first + n) for first, n in zip(starts, size, strict=True))
        places = [np.array(first, dtype) for first in starts]
        for given in (starts, [tensor(p) for p in places], np.array(starts, dtype)):
            np.testing.assert_array_equal(dynamic_slice(tensor(x), given, size).numpy(), x[key])
        np.testing.assert_array_equal(run_indexed(DYNAMIC_SLICE, x, *places, size=size), x[key])

        update, expected = rng.normal(size=size), x.copy()
        expected[key] = update
        result = dynamic_update_slice(tensor(x), update, starts)
        np.testing.assert_array_equal(result.numpy(), expected)
        lowered = run_indexed(DYNAMIC_UPDATE_SLICE, x, update, *places)
        np.testing.assert_array_equal(lowered, expected)


def test_negative_starts_count_from_the_end(rng: Rng) -> None:
    x = rng.normal(size=5)
    place = np.array(-3)
    assert dynamic_slice(x, [-3], (2,)).tolist() == x[2:4].tolist()
    assert run_indexed(DYNAMIC_SLICE, x, place, size=(2,)).tolist() == x[2:4].tolist()
    expected = [*x[:2], 0, 0, x[4]]
    assert dynamic_update_slice(x, [0.0, 0.0], [-3]).tolist() == expected
    assert run_indexed(DYNAMIC_UPDATE_SLICE, x, np.zeros(2), place).tolist() == expected


def test_scalars() -> None:
    assert dynamic_slice(3.0, [], ()).tolist() == 3
    assert dynamic_update_slice(3.0, 4.0, []).tolist() == 4
    assert run_indexed(DYNAMIC_UPDATE_SLICE, np.array(3.0), np.array(4.0)) == 4


def test_gradients(rng: Rng) -> None:
    x, starts = rng.normal(size=(4, 5)), [tensor(np.array(1)), 2]
    check_gradients(lambda t: dynamic_slice(t, starts, (2, 3)), x)
    check_gradients(lambda t, u: dynamic_update_slice(t, u, starts), x, rng.normal(size=(3, 2)))


@pytest.mark.parametrize("start", [4, -1, -6, 100])
def test_out_of_range(start: int) -> None:
    x = tensor(np.zeros((5, 2)))
    message = rf"2 elements from {start} leave axis 0 of shape \(5, 2\); .* at most 3"
    with pytest.raises(IndexOutOfRangeError, match=f"dynamic_slice: {message}"):
        dynamic_slice(x, [start, 0], (2, 1))
    with pytest.raises(IndexOutOfRangeError, match=f"dynamic_update_slice: {message}"):
        dynamic_update_slice(x, np.ones((2, 1)), [start, 0])
    assert not x.numpy().any()
    # Compiled code reads inside all the same; its check fails.
    places = [np.array(start), np.array(0)]
    assert run_indexed(DYNAMIC_SLICE, x.numpy(), *places, size=(2, 1)).shape == (2, 1)
    lowered = run_indexed(DYNAMIC_UPDATE_SLICE, x.numpy(), np.ones((2, 1)), *places)
    assert lowered.shape == (5, 2)


@pytest.mark.parametrize("wrong", [4, -1, 2**62])
def test_out_of_range_when_compiled_writes_nothing(wrong: int) -> None:
    written = Variable(np.zeros(2))

    @compile
    def step(x: Any, start: Any) -> Any:
        part = dynamic_slice(x, [start], (2,))
        written.assign(part)
        return dynamic_update_slice(x, part + 1, [start])

    x = tensor(np.arange(5.0))
    assert step(x, tensor(np.array(3))).tolist() == [0, 1, 2, 4, 5]
    assert written.tolist() == [3, 4]
    with pytest.raises(IndexOutOfRangeError, match=r"2 elements .* leave axis 0 of shape \(5,\)"):
        step(x, tensor(np.array(wrong)))
    assert written.tolist() == [3, 4]
    assert step(x, tensor(np.array(-5))).tolist() == [1, 2, 2, 3, 4]


@pytest.mark.parametrize("update", [False, True])
def test_a_recorded_slice_checks_its_starts(update: bool) -> None:
    start, x = tensor(np.array(3)), np.zeros((5, 2))
    with recording() as trace:
        if update:
            dynamic_update_slice(x, np.zeros((2, 2)), [start, 0])
        else:
            dynamic_slice(x, [start, 0], (2, 2))
        with pytest.raises(IndexOutOfRangeError, match="2 elements from 1 leave axis 1"):
            dynamic_slice(x, [start, 1], (2, 2))
    (place,) = [node for handle, node in trace.captures.values() if handle is start]
    # The second one is from before the number 1 was found to be wrong.
    assert len(trace.checks) == 2

    def value(node: Any, start: Array) -> Any:
        if node is place:
            return start
        if node.value is not None:
            return node.array
        return node.op.evaluate(*[value(x, start) for x in node.inputs], **node.attrs)

    ok, error = trace.checks[0]
    assert isinstance(error, IndexOutOfRangeError)
    assert "2 elements from a computed start leave axis 0 of shape (5, 2)" in str(error)
    held = {first: bool(value(ok, np.array(first))) for first in range(-7, 7)}
    assert [first for first, fits in held.items() if fits] == [-5, -4, -3, -2, 0, 1, 2, 3]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: dynamic_slice(x, [0], (2, 1)), ShapeError, "1 starts and 2 sizes"),
        (lambda x: dynamic_slice(x, [0, 0], (6, 1)), ShapeError, r"\(6, 1\) is larger"),
        (lambda x: dynamic_slice(x, [0, 0.0], (1, 1)), DTypeError, "a 0-d integer, not float32"),
        (lambda x: dynamic_slice(x, [[0], 0], (1, 1)), DTypeError, r"of shape \(1,\)"),
        (lambda x: dynamic_slice(x, tensor(np.zeros((2, 2), int)), (1, 1)), ShapeError, "starts"),
        (lambda x: dynamic_slice(x, [0, 0], (1, -1)), ShapeError, "negative extent"),
        (lambda x: dynamic_update_slice(x, np.zeros(1), [0, 0]), ShapeError, "1 sizes"),
    ],
)
def test_errors(call: Callable[[Any], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(np.zeros((5, 2)))
