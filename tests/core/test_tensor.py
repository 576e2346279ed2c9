"""Tensor: values that never change, handles that do, conversion, printing."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona.core.errors import ArgumentError, DTypeError, ShapeError
from neurona.core.tensor import to_array


def test_attributes() -> None:
    x = ne.zeros((2, 3), dtype=ne.float16)
    assert (x.shape, x.ndim, x.size, x.nbytes) == ((2, 3), 2, 6, 12)
    assert (x.dtype, x.device, x.requires_grad, x.grad) == (ne.float16, "cpu", False, None)
    assert x.to_device("cpu") is x
    with pytest.raises(ArgumentError, match="'cuda'"):
        x.to_device("cuda")


# --- immutability and handles ---


def test_numpy_memory_is_copied_and_the_view_is_read_only() -> None:
    source = np.zeros(3, np.float32)
    x = ne.asarray(source)
    source[0] = 1
    assert x.tolist() == [0, 0, 0]
    view = x.numpy()
    assert np.shares_memory(view, x.numpy())
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(x)[0] = 1
    writable = np.array(x, copy=True)
    writable[0] = 1
    assert x.tolist() == [0, 0, 0]


def test_update_rebinds_one_handle_only() -> None:
    x = ne.asarray([1.0, 2.0, 3.0])
    y, z = x, copy.copy(x)
    before = x.numpy()
    x += 1
    x[0] = 9
    assert y is x
    assert y.tolist() == [9, 3, 4]
    assert z.tolist() == [1, 2, 3]
    assert before.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    "function",
    [
        ne.positive,
        lambda x: ne.reshape(x, x.shape),
        lambda x: ne.broadcast_to(x, x.shape),
        lambda x: ne.astype(x, x.dtype, copy=False),
        lambda x: ne.sum(x, axis=()),
        lambda x: ne.clip(x),
        lambda x: ne.roll(x, 0, axis=0),
        lambda x: ne.concat([x]),
        lambda x: ne.asarray(x),
        lambda x: ne.flip(x, axis=()),
        lambda x: ne.pad(x, 0),
        lambda x: ne.squeeze(x, ()),
        lambda x: ne.conj(x),
        lambda x: ne.broadcast_arrays(x)[0],
        lambda x: ne.split(x, 1)[0],
    ],
)
@pytest.mark.parametrize("make", [ne.asarray, ne.Variable])
def test_functions_with_nothing_to_do_return_a_handle_of_its_own(
    function: Callable[[Any], ne.Tensor], make: Callable[[Any], ne.Tensor]
) -> None:
    x = make([1.0, 2.0])
    y = function(x)
    assert type(y) is ne.Tensor
    y += 1
    assert x.tolist() == [1, 2]
    x += 10
    assert y.tolist() == [2, 3]


def test_in_place_results_keep_shape_and_dtype() -> None:
    x = ne.asarray([1, 2])
    with pytest.raises(ShapeError, match=r"shape \(2, 2\), the tensor \(2,\)"):
        x += ne.ones((2, 2), dtype=ne.int64)
    with pytest.raises(DTypeError, match="the result is float32, the tensor int64"):
        x /= 2
    assert x.tolist() == [1, 2]


def test_pickling_is_refused_with_a_pointer() -> None:
    for value in (ne.zeros(2), ne.Variable([1.0])):
        with pytest.raises(TypeError, match=r"not pickled.*Model.save"):
            pickle.dumps(value)


def test_deepcopy_has_memory_of_its_own() -> None:
    x = ne.asarray([1.0])
    y = copy.deepcopy(x)
    assert y.tolist() == [1]
    assert not np.shares_memory(x.numpy(), y.numpy())


# --- Python's conversions ---


def test_scalars_convert() -> None:
    assert (int(ne.asarray(2.7)), float(ne.asarray(True)), bool(ne.asarray([[0.0]]))) == (2, 1, 0)
    assert complex(ne.asarray(1.5)) == 1.5
    assert "abc"[ne.asarray(1)] == "b"
    assert ne.asarray([[7]]).item() == 7
    assert isinstance(ne.asarray(7).item(), int)


def test_what_is_no_scalar_does_not_convert() -> None:
    pair = ne.asarray([1, 2])
    for convert in (int, float, complex, bool):
        with pytest.raises(TypeError, match=r"shape \(2,\)"):
            convert(pair)
    with pytest.raises(TypeError, match="integer"):
        "abc"[ne.asarray(1.0)]
    with pytest.raises(ShapeError, match=r"\(2,\)"):
        pair.item()
    with pytest.raises(TypeError, match="0-d"):
        len(ne.asarray(1))
    with pytest.raises(TypeError, match="0-d"):
        list(ne.asarray(1))


def test_iteration_goes_over_the_first_axis() -> None:
    rows = list(ne.asarray([[1, 2], [3, 4]]))
    assert [row.tolist() for row in rows] == [[1, 2], [3, 4]]
    assert len(ne.zeros((3, 0))) == 3


def test_tensors_hash_by_identity_and_compare_by_element() -> None:
    x = ne.asarray([1, 2])
    assert {x: "x"}[x] == "x"
    assert (x == x).tolist() == [True, True]
    assert (x == "x") is False
    assert (x != None) is True  # noqa: E711


def test_numpy_s_operators_give_way() -> None:
    x, array = ne.asarray([1.0, 2.0]), np.asarray([3.0, 4.0])
    for result in (array + x, x + array, array * x, np.float64(2) * x, array @ x):
        assert type(result) is ne.Tensor
    assert (array > x).tolist() == [True, True]


def test_foreign_operands_are_refused() -> None:
    for other in ("a", [1, 2], None, {}):
        with pytest.raises(TypeError, match="unsupported operand"):
            ne.zeros(2) + other
        with pytest.raises(TypeError, match="unsupported operand"):
            other - ne.zeros(2)


# --- weak numbers ---


@pytest.mark.parametrize(
    ("dtype", "number", "result"),
    [
        ("float16", 2.5, "float16"),
        ("bfloat16", 2, "bfloat16"),
        ("float64", 0.1, "float64"),
        ("int8", 3, "int8"),
        ("int8", 1.5, "float32"),
        ("bool", 3, "int64"),
        ("uint8", True, "uint8"),
    ],
)
def test_numbers_take_the_dtype_they_meet(dtype: str, number: Any, result: str) -> None:
    x = ne.ones(2, dtype=dtype)
    assert (x * number).dtype == (number * x).dtype == result
    assert ne.where(x == x, x, number).dtype == result


def test_zero_dimensional_tensors_are_not_weak() -> None:
    assert (ne.ones(2, dtype=ne.float16) * ne.asarray(2.0)).dtype == ne.float32
    assert (ne.ones(2, dtype=ne.float16) * ne.exp(0.0)).dtype == ne.float32


def test_numbers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(OverflowError, match=r"300 does not fit uint8 \(0…255\)"):
        ne.ones(2, dtype=ne.uint8) + 300
    assert (ne.ones(1, dtype=ne.float64) * 0.1).item() == 0.1


# --- from Python and NumPy ---


def test_lists_become_the_default_dtypes() -> None:
    assert ne.asarray([1.0, 2]).dtype == ne.float32
    assert ne.asarray([1, True]).dtype == ne.int64
    assert ne.asarray([True]).dtype == ne.bool
    assert ne.asarray([]).dtype == ne.float32
    assert ne.asarray(np.float64(1)).dtype == ne.float64
    assert ne.asarray(np.zeros(1)).dtype == ne.float64


def test_integers_that_do_not_fit_are_refused() -> None:
    for value, dtype in (
        ([300], "uint8"),
        (-1, "uint64"),
        ([2**63], None),
        (2**63, None),
        ([2**70], None),
    ):
        with pytest.raises(OverflowError, match="does not fit"):
            ne.asarray(value, dtype=dtype)
    assert ne.asarray([2**63], dtype="uint64").item() == 2**63
    assert ne.asarray([2**70], dtype="float64").item() == 2.0**70


@pytest.mark.parametrize("value", ["text", ["1"], None, [None], 1j, [1j], {}, object(), b"1"])
def test_what_holds_no_numbers_is_refused(value: Any) -> None:
    with pytest.raises(DTypeError):
        to_array(value)


def test_ragged_lists_are_refused() -> None:
    with pytest.raises(ShapeError, match="list is not rectangular"):
        ne.asarray([[1], [1, 2]])


def test_buffers_and_foreign_byte_order() -> None:
    assert ne.asarray(memoryview(b"ab")).tolist() == [97, 98]
    assert ne.asarray(np.arange(3, dtype=">i2")).tolist() == [0, 1, 2]
    assert ne.asarray(np.arange(3, dtype=">i2")).dtype == ne.int16


# --- printing ---


def test_printing() -> None:
    assert repr(ne.asarray([1.0, -0.5])) == "Tensor([ 1. , -0.5], dtype=float32)"
    assert repr(ne.asarray([[1], [2]])) == "Tensor([[1],\n        [2]], dtype=int64)"
    assert repr(ne.asarray(True)) == "Tensor(True, dtype=bool)"
    assert repr(ne.zeros((2, 0))) == "Tensor([], shape=(2, 0), dtype=float32)"
    assert repr(ne.asarray([1.5, 2], dtype=ne.bfloat16)) == "Tensor([1.5, 2. ], dtype=bfloat16)"
    assert repr(ne.Variable([1.0], name="w")).startswith("Variable([1.]")
    assert "..." in repr(ne.zeros((100, 100)))
    assert f"{ne.asarray(1.23456):.2f}" == "1.23"
    assert f"{ne.asarray([1])}" == "Tensor([1], dtype=int64)"
