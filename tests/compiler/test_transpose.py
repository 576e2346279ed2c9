"""Copies that put another axis innermost."""

from __future__ import annotations

import numpy as np
import pytest

import neurona as ne
from neurona.compiler.machine.transpose import Transposition, transposition
from neurona.core import dtypes
from tests.compiler.guards import guarded
from tests.compiler.programs import program_of
from tests.compiler.test_matmul import at_end_of_memory

CASES = [
    ((17, 40), (1, 0)),
    ((32, 1, 5, 9), (1, 2, 3, 0)),
    ((3, 7, 9, 33), (3, 0, 1, 2)),
    ((2, 35, 4, 5), (0, 2, 3, 1)),
    ((4, 3, 16, 16), (3, 1, 0, 2)),
]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
@pytest.mark.parametrize(("shape", "axes"), CASES)
def test_every_element_arrives(shape: tuple[int, ...], axes: tuple[int, ...], dtype: str) -> None:
    x = at_end_of_memory(np.arange(np.prod(shape)).reshape(shape).astype(dtype))
    copy = ne.compile(lambda x: ne.permute_dims(x, axes))
    with guarded():
        np.testing.assert_array_equal(copy(x).numpy(), x.transpose(axes))
    (task,) = program_of(copy, x).plan.tasks
    assert isinstance(task.along, Transposition)


@pytest.mark.parametrize("axes", [(1, 0), (0, 2, 1), (2, 1, 0)])
def test_batches_of_many_sizes(axes: tuple[int, ...]) -> None:
    """Also of fewer images than a block has, and one size after the other."""
    copy = ne.compile(lambda x: ne.permute_dims(x, axes))
    for n in (50, 40, 3, 1, 64):
        x = np.random.default_rng(n).normal(size=(n, 20, 33)[: len(axes)]).astype(np.float32)
        with guarded():
            np.testing.assert_array_equal(copy(x).numpy(), x.transpose(axes))


def test_what_loops_do_as_well_is_left_to_them() -> None:
    def of(shape: tuple[int, ...], strides: tuple[int, ...]) -> Transposition | None:
        return transposition(shape, strides, 0, dtypes.float32, 16)

    assert of((64, 64), (1, 64)) is not None
    assert of((64, 3), (1, 64)) is None  # less than a block
    assert of((4, 64, 32), (32, 128, 1)) is None  # the innermost axis stays
    assert of((64, 64), (2, 128)) is None  # nothing lies along memory


def test_neighbours_in_both_orders_are_one_axis() -> None:
    copy = transposition((1, 28, 28, 128), (784, 28, 1, 784), 0, dtypes.float32, 16)
    assert copy is not None
    assert (copy.shape, copy.strides, copy.along) == ((784, 128), (1, 784), 0)
