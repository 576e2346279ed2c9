"""Products with a vector: rows folded four at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona.compiler.machine.abreast import ABREAST, suits
from neurona.compiler.machine.native import host
from tests.compiler.programs import program_of

RNG = np.random.default_rng(0)


def draw(*shape: int) -> Any:
    return RNG.standard_normal(shape).astype(np.float32)


def is_abreast(f: Any, *args: Any) -> bool:
    tasks = program_of(f, *args).plan.tasks
    return any(task.kernel is not None and suits(task.kernel, host().lanes) for task in tasks)


@pytest.mark.parametrize("rows", [1, 3, 4, 5, 11, 64, 1023])
@pytest.mark.parametrize("columns", [32, 37, 200])
def test_a_matrix_times_a_vector(rows: int, columns: int) -> None:
    w, x, b = draw(rows, columns), draw(1, columns), draw(rows)
    f = ne.compile(lambda w, x, b: ne.tanh(x @ w.T + b))
    wanted = np.tanh(x.astype(np.float64) @ w.T.astype(np.float64) + b)
    np.testing.assert_allclose(f(w, x, b).numpy(), wanted, rtol=1e-5, atol=1e-5)
    assert is_abreast(f, w, x, b) == (rows > 1)


def test_two_products_of_one_kernel() -> None:
    w, v, x, h = draw(50, 48), draw(50, 48), draw(48), draw(48)
    f = ne.compile(lambda w, v, x, h: w @ x + v @ h)
    np.testing.assert_allclose(f(w, v, x, h).numpy(), w @ x + v @ h, rtol=1e-4, atol=1e-5)
    assert is_abreast(f, w, v, x, h)


def test_a_row_is_summed_in_the_same_order_wherever_it_lies() -> None:
    row, x = draw(1, 100), draw(100)
    f = ne.compile(lambda w, x: w @ x)
    found = f(np.repeat(row, 4 * ABREAST + 3, axis=0), x).numpy()
    np.testing.assert_array_equal(found, found[0])


def test_sums_of_rows_alone_are_not() -> None:
    """Nothing is shared by the rows, and one stream is read at a time."""
    w = draw(64, 64)
    f = ne.compile(lambda w: ne.sum(w * w, axis=1))
    np.testing.assert_allclose(f(w).numpy(), (w * w).sum(1), rtol=1e-5)
    assert not is_abreast(f, w)
