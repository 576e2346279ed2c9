"""Dtypes: names, promotion, weak numbers."""

from __future__ import annotations

import itertools

import ml_dtypes
import numpy as np
import pytest

from neurona.core import dtypes
from neurona.core.dtypes import as_dtype, promote, promote_pair, weak_dtype
from neurona.core.errors import DTypeError


@pytest.mark.parametrize("dtype", dtypes.ALL)
def test_every_dtype_is_known_by_name_type_and_itself(dtype: dtypes.DType) -> None:
    assert as_dtype(dtype) is dtype
    assert as_dtype(dtype.name) == dtype
    assert as_dtype(dtype.type) == dtype


def test_python_types_are_the_defaults() -> None:
    assert (as_dtype(float), as_dtype(int), as_dtype(bool)) == ("float32", "int64", "bool")
    assert as_dtype(ml_dtypes.bfloat16) == dtypes.bfloat16


def test_foreign_byte_order_becomes_the_machine_s() -> None:
    assert as_dtype(np.dtype(">f8")) == dtypes.float64
    assert as_dtype(np.dtype(">f8")).isnative


@pytest.mark.parametrize("wrong", [complex, "complex64", "U3", object, np.str_, 3])
def test_other_dtypes_are_refused_by_name(wrong: object) -> None:
    with pytest.raises(DTypeError, match="is not one of Neurona's: bool, int8"):
        as_dtype(wrong)


def test_promotion_of_standard_dtypes_is_that_of_numpy() -> None:
    """NumPy follows the standard's table, where that has an entry."""
    kinds = (
        [d for d in dtypes.ALL if dtypes.is_integer(d)],
        [dtypes.float16, dtypes.float32, dtypes.float64],
        [dtypes.bool_],
    )
    for kind in kinds:
        for a, b in itertools.product(kind, repeat=2):
            if dtypes.uint64 in (a, b) and (a in dtypes.SIGNED or b in dtypes.SIGNED):
                with pytest.raises(DTypeError, match="no common integer type"):
                    promote_pair(a, b)
            else:
                assert promote_pair(a, b) == np.promote_types(a, b), (a, b)


def test_promotion_beyond_the_standard() -> None:
    assert promote_pair(dtypes.float16, dtypes.bfloat16) == dtypes.float32
    for integer in (*dtypes.SIGNED, *dtypes.UNSIGNED, dtypes.bool_):
        for floating in dtypes.FLOATS:
            assert promote_pair(integer, floating) == floating == promote_pair(floating, integer)
        assert promote_pair(integer, dtypes.bool_) == integer


def test_promotion_is_commutative_and_associative_among_floats() -> None:
    for a, b, c in itertools.product(dtypes.FLOATS, repeat=3):
        assert promote((a, b)) == promote((b, a))
        assert promote((a, b, c)) == promote((c, b, a))


@pytest.mark.parametrize(
    ("own", "other", "result"),
    [
        ("float32", "float16", "float16"),
        ("float32", "float64", "float64"),
        ("float32", "int8", "float32"),
        ("int64", "uint8", "uint8"),
        ("int64", "bfloat16", "bfloat16"),
        ("int64", "bool", "int64"),
        ("bool", "int8", "int8"),
        ("bool", "bool", "bool"),
    ],
)
def test_weak_dtypes_take_the_other_s_unless_it_is_of_a_lower_kind(
    own: str, other: str, result: str
) -> None:
    assert weak_dtype(as_dtype(own), as_dtype(other)) == result
