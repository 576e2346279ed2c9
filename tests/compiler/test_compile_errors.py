"""What compiled functions refuse, how they say it, and that nothing is half done then."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn
from neurona.core.check import ensure
from neurona.core.errors import (
    ArgumentError,
    DataError,
    IndexOutOfRangeError,
    ShapeError,
    TraceError,
)
from tests.compiler.programs import entries

ONES = np.ones(3, np.float32)


def here() -> int:
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


LINES: dict[str, int] = {}


def _asks_for_a_float(x: Any) -> Any:
    LINES["here"] = here() + 1
    y = x * 2
    return float(ne.sum(y))


@pytest.mark.parametrize(
    "ask", [bool, int, float, complex, np.asarray, lambda t: t.item(), lambda t: t.tolist(),
            lambda t: t.numpy(), lambda t: [1, 2][t], range, lambda t: f"{t:3d}"],
)  # fmt: skip
def test_asking_for_a_value(ask: Any) -> None:
    with pytest.raises(TraceError, match=r"is not known while a function is being compiled"):
        ne.compile(lambda x: ask(ne.astype(ne.sum(x), "int64")))(ONES)


def test_asking_for_a_value_names_the_line() -> None:
    with pytest.raises(TraceError) as caught:
        ne.compile(_asks_for_a_float)(ONES)
    assert f"{__file__}:{LINES['here'] + 1}" in str(caught.value)


def test_branches_on_values_say_what_to_use() -> None:
    def branch(x: Any) -> Any:
        return x if ne.sum(x) > 0 else -x

    with pytest.raises(TraceError, match="where, cond"):
        ne.compile(branch)(ONES)


def test_shapes_that_depend_on_values() -> None:
    for function in (lambda x: x[x > 0], ne.nonzero, ne.unique_values):
        with pytest.raises(TraceError):
            ne.compile(function)(ONES)


def test_an_error_while_recording_leaves_nothing_behind() -> None:
    w = ne.Variable(ONES)
    good = True

    def step(x: Any) -> Any:
        w.assign(w + 1)
        if not good:
            raise DataError("mine")
        return x @ ne.ones((3, 2))

    compiled = ne.compile(step)
    good = False
    with pytest.raises(DataError, match="mine"):
        compiled(ONES)
    good = True
    with pytest.raises(ShapeError):
        compiled(np.ones(4, np.float32))
    assert (w.tolist(), w.version) == ([1, 1, 1], 0)
    assert not entries(compiled)
    assert compiled(ONES).shape == (2,)
    assert w.tolist() == [2, 2, 2]


def test_a_tensor_that_leaks_out_of_a_recording() -> None:
    kept: list[Any] = []

    @ne.compile
    def leak(x: Any) -> Any:
        kept.append(x * 2)
        return x

    leak(ONES)
    (leaked,) = kept
    uses = (
        lambda: leaked.numpy(), lambda: leaked + 1, lambda: bool(ne.all(leaked > 0)),
        lambda: ne.compile(lambda x: x + leaked)(ONES), lambda: ne.compile(lambda: leaked)(),
    )  # fmt: skip
    for use in uses:
        with pytest.raises(TraceError):
            use()
    assert "Tensor(" in repr(leaked)


def test_a_check_that_fails_leaves_every_variable_as_it_was() -> None:
    a, b = ne.Variable(ONES), ne.Variable(ONES)

    @ne.compile
    def step(x: Any) -> Any:
        a.assign(a + x)
        ensure(ne.all(x > 0), "x must be positive", DataError)
        b.assign(b * 2 + a)
        return a * 1

    step(ONES)
    for _ in range(2):
        with pytest.raises(DataError, match="x must be positive"):
            step(-ONES)
        assert (a.tolist(), b.tolist()) == ([2, 2, 2], [4, 4, 4])
        assert (a.version, b.version) == (1, 1)
    assert step(ONES).tolist() == [3, 3, 3]


def test_the_first_check_that_fails_speaks() -> None:
    @ne.compile
    def step(x: Any) -> Any:
        ensure(ne.all(x > 0), "first")
        ensure(ne.all(x > 1), "second", DataError)
        return x

    with pytest.raises(ArgumentError, match="first"):
        step(-ONES)
    with pytest.raises(DataError, match="second"):
        step(ONES)
    assert step(ONES * 2).tolist() == [2, 2, 2]


INDEXED = {
    "take": lambda x, i: ne.take(x, i, axis=0),
    "getitem": lambda x, i: x[i],
    "take_along_axis": lambda x, i: ne.take_along_axis(x, i[:, None], axis=0),
    "scatter_add": lambda x, i: ne.scatter_add(x, i, ne.ones((1, 3))),
    "scatter_set": lambda x, i: ne.scatter_set(x, i, ne.ones((1, 3))),
    "dynamic_slice": lambda x, i: ne.dynamic_slice(x, (i[0], 0), (1, 3)),
    "dynamic_update_slice": lambda x, i: ne.dynamic_update_slice(x, ne.ones((1, 3)), (i[0], 0)),
    "one_hot": lambda x, i: ne.one_hot(ne.abs(i), 4),
    "embedding": lambda x, i: nn.functional.embedding(i, x),
}


@pytest.mark.parametrize("index", [4, -5, 10**15, -(10**15), 2**62])
@pytest.mark.parametrize("name", INDEXED)
def test_an_index_out_of_range(name: str, index: int) -> None:
    w = ne.Variable(np.zeros(3, np.float32))
    function = INDEXED[name]

    @ne.compile
    def step(x: Any, i: Any) -> Any:
        w.assign(w + ne.sum(x))
        found = function(x, i)
        w.assign(w + ne.sum(found))
        return found

    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    good = step(x, np.array([1])).numpy()
    before, version = w.tolist(), w.version
    word = "out of range|leave|; the (places|rows) are 0…3"
    with pytest.raises(IndexOutOfRangeError, match=word):
        step(x, np.array([index]))
    assert (w.tolist(), w.version) == (before, version)
    np.testing.assert_array_equal(step(x, np.array([1])).numpy(), good)


X = np.arange(20, dtype=np.float32).reshape(5, 4)
ROWS = r"of shape \(5, 4\) \(-5…4\)"
NAMED: dict[str, tuple[Any, Any, str]] = {
    "take": (
        lambda x, i: ne.take(x, i, axis=0), [[1, 2], [0, 7]],
        rf"index 7 at position \(1, 1\) is out of range for axis 0 {ROWS}",
    ),
    "take of negative ones": (
        lambda x, i: ne.take(x, i, axis=0), [-5, -6],
        rf"index -6 at position \(1,\) is out of range for axis 0 {ROWS}",
    ),
    "take of a computed one": (
        lambda x, i: ne.exp(x)[i * 2], 3, f"index 6 is out of range for axis 0 {ROWS}",
    ),
    "take_along_axis": (
        lambda x, i: ne.take_along_axis(x, i, axis=1), [[3], [2], [1], [0], [4]],
        r"index 4 at position \(4, 0\) is out of range for axis 1 of shape \(5, 4\) \(-4…3\)",
    ),
    "scatter_add": (
        lambda x, i: ne.scatter_add(x, i, ne.ones(4)), [0, 5],
        rf"index 5 at position \(1,\) is out of range for axis 0 {ROWS}",
    ),
    "scatter_set": (
        lambda x, i: ne.scatter_set(x, i, ne.ones(4)), [0, 5],
        rf"index 5 at position \(1,\) is out of range for axis 0 {ROWS}",
    ),
    "dynamic_slice": (
        lambda x, i: ne.dynamic_slice(x, (i, 0), (2, 2)), 4, "2 elements from 4 leave axis 0",
    ),
    "take in a branch": (
        lambda x, i: ne.cond(i[0] > 0, lambda: x[i], lambda: x[i + 1]), [1, 9],
        rf"index 9 at position \(1,\) is out of range for axis 0 {ROWS}",
    ),
    "take in a loop": (
        lambda x, i: ne.fori_loop(0, 9, lambda j, total: total + ne.sum(x[i + j]), 0.0), [2],
        rf"index 5 at position \(0,\) is out of range for axis 0 {ROWS}",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NAMED)
def test_an_index_out_of_range_is_named_with_op_line_and_position(case: str) -> None:
    function, index, message = NAMED[case]
    op = case.partition(" ")[0]
    w = ne.Variable(np.zeros((), np.float32))

    @ne.compile
    def step(x: Any, i: Any) -> None:
        w.assign(w + 1)
        w.assign(w + ne.sum(function(x, i)))

    with pytest.raises(IndexOutOfRangeError, match=rf"^{op} at {__file__}:\d+: {message}"):
        step(X, np.array(index))
    assert w.item() == 0
    with pytest.raises(IndexOutOfRangeError, match=f"^{op}: {message}"):
        function(ne.asarray(X), ne.asarray(index))


def test_an_index_that_a_users_function_gives_is_not_named() -> None:
    """The function is not called again to find out."""
    calls = []

    def double(i: Any) -> Any:
        calls.append(i)
        return i * 2

    @ne.compile
    def step(x: Any, i: Any) -> Any:
        return ne.take(x, ne.numpy_function(double, i, result=((1,), "int64")), axis=0)

    with pytest.raises(IndexOutOfRangeError, match=r"take at .*: an index is out of range"):
        step(X, np.array([3]))
    assert len(calls) == 1


def test_an_exception_between_native_segments() -> None:
    """An op that runs in Python and fails leaves Variables alone, and the next call works."""
    w, v = ne.Variable(np.zeros(3, np.float32)), ne.Variable(np.zeros(3, np.float32))

    def pick(w: Any, i: Any) -> Any:
        if i[0] > 2:
            raise IndexOutOfRangeError("pick")
        return w[i[0]]

    @ne.compile
    def step(x: Any, i: Any) -> Any:
        v.assign(v + x)
        w.assign(w + 1)
        w.assign(w + ne.numpy_function(pick, w, i, result=((), ne.float32)))
        return ne.exp(w)

    first = step(ONES, np.array([2])).tolist()
    state = w.tolist(), v.tolist()
    for _ in range(3):
        with pytest.raises(IndexOutOfRangeError):
            step(ONES, np.array([3]))
        assert (w.tolist(), v.tolist()) == state
        assert (w.version, v.version) == (1, 1)
    (entry,) = entries(step)
    assert not any(memory.objects for memory in entry.program._free)
    assert first != step(ONES, np.array([2])).tolist()


def test_running_out_of_memory_is_an_error_and_the_next_call_works() -> None:
    small = ne.compile(lambda x: x + 1)
    large = ne.compile(lambda x: ne.broadcast_to(x, (1 << 22, 1 << 24)) + 1)
    with pytest.raises(MemoryError):
        large(np.ones(1, np.float32))
    assert small(ONES).tolist() == [2, 2, 2]
