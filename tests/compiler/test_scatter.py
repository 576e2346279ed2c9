"""Scatters as loops: native throughout, in order, the same bits whatever the threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona.core import dtypes
from tests.compiler.programs import program_of
from tests.ops.closeness import assert_close

Rng = np.random.Generator


def added(base: Any, index: Any, updates: Any, axis: int) -> Any:
    """NumPy's sum and that of the sizes, in float64."""
    moved = np.moveaxis(updates, range(axis, axis + index.ndim), range(index.ndim))
    found = []
    for part, terms in ((base, moved), (np.abs(base), np.abs(moved))):
        front = np.moveaxis(np.array(part, np.float64), axis, 0)
        np.add.at(front, index, np.asarray(terms, np.float64))
        found.append(np.moveaxis(front, 0, axis))
    return found


@pytest.mark.parametrize("dtype", dtypes.FLOATS)
@pytest.mark.parametrize(
    ("shape", "axis", "index_shape"),
    [
        ((50, 300), 0, (700,)),  # columns cut into chunks
        ((50, 70), 0, (20, 30)),
        ((40, 30, 65), 1, (100,)),  # an axis before the indexed one
        ((30, 40, 20), 2, (200,)),  # no columns
        ((37,), 0, (5000,)),
        ((9, 1, 8), 1, (4,)),
    ],
)
def test_large_sums(rng: Rng, dtype: Any, shape: Any, axis: int, index_shape: Any) -> None:
    index = rng.integers(-shape[axis], shape[axis], index_shape)
    base = rng.normal(size=shape).astype(dtype)
    updates = rng.normal(size=(*shape[:axis], *index_shape, *shape[axis + 1 :])).astype(dtype)
    function = ne.compile(lambda b, i, u: ne.scatter_add(b, i, u, axis=axis))
    expected, sizes = added(base, index, updates, axis)
    terms = max(1, index.size // shape[axis])
    found = function(base, index, updates).numpy()
    assert_close(found, expected.astype(dtype), 2 * terms + 1, sizes, "scatter_add")
    assert program_of(function, base, index, updates).native


@pytest.mark.parametrize("index_dtype", [np.int8, np.uint16, np.int64])
def test_the_last_update_stays(rng: Rng, index_dtype: Any) -> None:
    x = rng.normal(size=(100, 130)).astype(np.float32)
    index = rng.integers(0, 100, (40, 50)).astype(index_dtype)
    updates = rng.normal(size=(40, 50, 130)).astype(np.float32)
    expected = x.copy()
    for place, row in zip(index.reshape(-1), updates.reshape(-1, 130), strict=True):
        expected[place] = row
    found = ne.compile(ne.scatter_set)(x, index, updates)
    np.testing.assert_array_equal(found.numpy(), expected)


CASES: dict[str, Callable[[Any, Any, Any], Any]] = {
    "rows": lambda x, i, u: ne.scatter_add(x, i, u),
    "planes": lambda x, i, u: ne.scatter_add(x, i % 80, u, axis=1),
    "set": lambda x, i, u: ne.scatter_set(x, i, u),
    "half": lambda x, i, u: ne.scatter_add(ne.astype(x, ne.float16), i, ne.astype(u, ne.float16)),
    "lookup": lambda x, i, u: ne.grad(lambda w: ne.sum(w[i] * u))(x),
    "along": lambda x, i, u: ne.grad(
        lambda w: ne.sum(ne.take_along_axis(w, ne.broadcast_to(i[:, None], u.shape), axis=0) * u)
    )(x),
}


@pytest.mark.parametrize("case", CASES)
def test_same_bits_with_any_number_of_threads(rng: Rng, case: str, threads: Any) -> None:
    function = CASES[case]
    if case == "planes":
        x, u = rng.normal(size=(8, 80, 64)), rng.normal(size=(8, 3000, 64))
    else:
        x, u = rng.normal(size=(500, 256)), rng.normal(size=(3000, 256))
    i = rng.integers(0, 500, 3000)
    arguments = [x.astype(np.float32), i, u.astype(np.float32)]
    compiled = ne.compile(function)
    found = []
    for count in (1, 2, 3):
        threads(count)
        found.append(compiled(*arguments).numpy())
    assert len({one.tobytes() for one in found}) == 1
    program = program_of(compiled, *arguments)
    assert program.native
    assert program.parallel
    eager = function(*map(ne.asarray, arguments)).numpy()
    np.testing.assert_allclose(found[0], eager, rtol=2e-2 if case == "half" else 1e-4, atol=1e-2)


def test_a_base_that_is_still_wanted_stays(rng: Rng) -> None:
    x = rng.normal(size=(5, 3)).astype(np.float32)
    function = ne.compile(lambda x, i: (x + ne.scatter_add(x, i, ne.ones((2, 3))), x * 2))
    found, double = function(x, np.array([4, 4]))
    expected = 2 * x
    np.testing.assert_array_equal(double.numpy(), expected)
    expected[4] += 2
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


def test_every_run_begins_with_the_base(rng: Rng) -> None:
    """Also where the base depends on Variables alone, which the prologue sees once."""
    w = ne.Variable(rng.normal(size=(5, 3)).astype(np.float32))
    function = ne.compile(lambda i: ne.scatter_add(w * 2, i, ne.ones((2, 3))))
    for i in ([1, 1], [0, 4], [0, 4]):
        expected = 2 * w.numpy()
        np.add.at(expected, i, 1)
        np.testing.assert_allclose(function(np.array(i)).numpy(), expected, rtol=1e-6)


def test_explain_shows_no_python(rng: Rng) -> None:
    table = ne.Variable(rng.normal(size=(20, 4)).astype(np.float32))

    @ne.compile
    def step(i: Any) -> Any:
        loss = ne.sum(ne.take(table, i, axis=0) ** 2)
        loss.backward()
        table.assign(table - 0.1 * table.grad)
        return loss

    i = np.array([[1, 2, 2], [7, 1, 0]])
    explained = step.explain(i)
    assert {kernel.kind for kernel in explained.kernels} == {"loops"}
    assert "scatter_add" in str(explained)


@pytest.mark.parametrize("shape", [(20, 64), (3, 20, 64)])
def test_rows_are_read_and_written_as_runs(rng: Rng, shape: Any) -> None:
    """Lookups and their gradients move vectors, not element by element."""
    axis = len(shape) - 2
    function = ne.compile(lambda x, i: ne.grad(lambda x: ne.sum(ne.take(x, i, axis=axis) ** 2))(x))
    explained = function.explain(rng.normal(size=shape), np.array([3, 3, 9]))
    for i in range(len(explained.kernels)):
        assert not any(name in explained.llvm(i) for name in ("masked.gather", "masked.scatter"))
