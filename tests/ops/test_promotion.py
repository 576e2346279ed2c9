"""Type promotion against the array API standard's tables, written out."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neurona as ne
from neurona.core import dtypes
from neurona.core.errors import DTypeError

# "Type promotion rules", array API standard 2024.12: signed, unsigned, mixed, floats.
TABLE = """
     i1 i2 i4 i8
i1   i1 i2 i4 i8
i2   i2 i2 i4 i8
i4   i4 i4 i4 i8
i8   i8 i8 i8 i8

     u1 u2 u4 u8
u1   u1 u2 u4 u8
u2   u2 u2 u4 u8
u4   u4 u4 u4 u8
u8   u8 u8 u8 u8

     u1 u2 u4
i1   i2 i4 i8
i2   i2 i4 i8
i4   i4 i4 i8
i8   i8 i8 i8

     f4 f8
f4   f4 f8
f8   f8 f8
"""

# Beyond the standard: half floats, bool, and integers with floats.
OURS = """
     f2 bf f4 f8
f2   f2 f4 f4 f8
bf   f4 bf f4 f8
f4   f4 f4 f4 f8
f8   f8 f8 f8 f8

     ?  i1 i8 u1 u8 f2 bf f4 f8
?    ?  i1 i8 u1 u8 f2 bf f4 f8

     f2 bf f4 f8
i1   f2 bf f4 f8
i8   f2 bf f4 f8
u1   f2 bf f4 f8
u8   f2 bf f4 f8
"""


def named(name: str) -> dtypes.DType:
    return {"bf": dtypes.bfloat16, "?": dtypes.bool_}.get(name) or np.dtype(name)


def cells(text: str) -> list[tuple[dtypes.DType, dtypes.DType, dtypes.DType]]:
    found = []
    for block in text.strip("\n").split("\n\n"):
        header, *rows = block.splitlines()
        for row in rows:
            first, *results = row.split()
            for second, result in zip(header.split(), results, strict=True):
                found.append((named(first), named(second), named(result)))
    return found


def one(dtype: dtypes.DType) -> ne.Tensor:
    return ne.asarray(np.ones(2, dtype))


TWO_SIDED: list[Callable[[Any, Any], ne.Tensor]] = [
    ne.maximum,
    lambda a, b: ne.where(ne.asarray([True, False]), a, b),
    lambda a, b: ne.concat([a, b]),
    lambda a, b: ne.asarray(np.zeros(0, ne.result_type(a, b))),
]


@pytest.mark.parametrize("text", [TABLE, OURS], ids=["standard", "beyond"])
def test_tables(text: str) -> None:
    for first, second, result in cells(text):
        for a, b in ((first, second), (second, first)):
            functions = TWO_SIDED if result != dtypes.bool_ else TWO_SIDED[1:]
            for function in functions:
                assert function(one(a), one(b)).dtype == result, (a, b)
            assert ne.equal(one(a), one(b)).dtype == dtypes.bool_
            # 0-d tensors are not weak.
            assert ne.where(ne.asarray(True), one(a)[0], one(b)).dtype == result, (a, b)


@pytest.mark.parametrize("signed", dtypes.SIGNED)
def test_uint64_and_signed_have_no_common_type(signed: dtypes.DType) -> None:
    for a, b in ((dtypes.uint64, signed), (signed, dtypes.uint64)):
        with pytest.raises(DTypeError, match=f"{a} and {b} have no common integer type"):
            ne.add(one(a), one(b))


@given(st.lists(st.sampled_from(dtypes.FLOATS), min_size=1, max_size=5), st.randoms())
def test_order_does_not_matter_among_floats(kinds: list[dtypes.DType], random: Any) -> None:
    # float16 with bfloat16 gives float32, which absorbs both, so the order of pairs is free.
    shuffled = list(kinds)
    random.shuffle(shuffled)
    assert ne.result_type(*kinds) == ne.result_type(*shuffled)


@pytest.mark.parametrize(
    ("scalar", "taken_up"),
    [
        (True, {"bool": "bool", "int": "own", "float": "own"}),
        (2, {"bool": "int64", "int": "own", "float": "own"}),
        (0.5, {"bool": "float32", "int": "float32", "float": "own"}),
    ],
    ids=["bool", "int", "float"],
)
def test_python_scalars_are_weak(scalar: Any, taken_up: dict[str, str]) -> None:
    """A Python scalar takes the tensor's dtype unless it is of a higher kind."""
    for dtype in dtypes.ALL:
        kind = ("bool", "int", "float")[dtypes.category(dtype)]
        wanted = dtype if taken_up[kind] == "own" else np.dtype(taken_up[kind])
        condition = ne.asarray([True, False])
        assert ne.where(condition, one(dtype), scalar).dtype == wanted
        assert ne.where(condition, scalar, one(dtype)).dtype == wanted
        if dtype != dtypes.bool_ and scalar is not True:
            assert (one(dtype) * scalar).dtype == wanted
            assert (scalar * one(dtype)).dtype == wanted


@pytest.mark.parametrize("dtype", [*dtypes.SIGNED, *dtypes.UNSIGNED])
def test_python_integers_that_do_not_fit_are_refused(dtype: dtypes.DType) -> None:
    info = np.iinfo(dtype)
    assert (one(dtype) * 0 + int(info.max)).tolist() == [info.max] * 2
    for value in (int(info.max) + 1, int(info.min) - 1):
        with pytest.raises(OverflowError, match=f"{value} does not fit {dtype}"):
            ne.add(one(dtype), value)


@pytest.mark.parametrize(("a", "b"), list(itertools.product(dtypes.ALL, repeat=2)))
def test_operands_are_cast_before_the_operation(a: dtypes.DType, b: dtypes.DType) -> None:
    if a == b == dtypes.bool_ or ({a, b} & set(dtypes.SIGNED) and dtypes.uint64 in (a, b)):
        return
    rng = np.random.default_rng(3)
    x, y = (rng.integers(0, 2 if d == dtypes.bool_ else 100, 7).astype(d) for d in (a, b))
    common = ne.result_type(a, b)
    result = ne.subtract(ne.asarray(x), ne.asarray(y))
    assert result.dtype == common
    np.testing.assert_array_equal(result.numpy(), x.astype(common) - y.astype(common))
