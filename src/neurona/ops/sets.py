"""Distinct elements. How many there are depends on the values: eager mode only."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from neurona.core import dtypes
from neurona.core.errors import TraceError
from neurona.core.op import Array
from neurona.core.tensor import Tensor
from neurona.core.trace import STATE, caller
from neurona.ops.operand import operand


class UniqueAll(NamedTuple):
    """What `unique_all` returns."""

    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCounts(NamedTuple):
    """What `unique_counts` returns."""

    values: Tensor
    counts: Tensor


class UniqueInverse(NamedTuple):
    """What `unique_inverse` returns."""

    values: Tensor
    inverse_indices: Tensor


def _known(who: str, x: Any) -> Array:
    tensor = operand(x)
    if STATE.trace is not None:
        line = caller()
        raise TraceError(
            f"{who}{f' at {line[0]}:{line[1]}' if line else ''}: how many elements differ is not "
            "known while a function is being compiled; use sort and compare neighbours, "
            "or call it before"
        )
    return tensor._concrete(who)


def _unique(who: str, x: Any) -> UniqueAll:
    array = _known(who, x)
    # bfloat16 sorts as float32, which holds it exactly.
    plain = array.astype(np.float32) if array.dtype == dtypes.bfloat16 else array
    found = np.unique_all(plain)
    return UniqueAll(
        operand(found.values.astype(array.dtype)),
        operand(found.indices.astype(np.int64)),
        operand(found.inverse_indices.astype(np.int64)),
        operand(found.counts.astype(np.int64)),
    )


def unique_all(x: Any, /) -> UniqueAll:
    """The distinct elements in ascending order, with where and how often they occur.

    values (k,): each NaN counts as an element of its own. indices (k,): of the first occurrence in
    the flattened `x`. inverse_indices, of x's shape: values[inverse_indices] is `x`. counts (k,).
    Raises `TraceError` while a function is being compiled.

    >>> unique_all([3, 1, 3]).counts
    Tensor([1, 2], dtype=int64)
    """
    return _unique("unique_all", x)


def unique_counts(x: Any, /) -> UniqueCounts:
    """The distinct elements and how often each occurs; see `unique_all`."""
    found = _unique("unique_counts", x)
    return UniqueCounts(found.values, found.counts)


def unique_inverse(x: Any, /) -> UniqueInverse:
    """The distinct elements, and for each element of `x` which one it is; see `unique_all`."""
    found = _unique("unique_inverse", x)
    return UniqueInverse(found.values, found.inverse_indices)


def unique_values(x: Any, /) -> Tensor:
    """The distinct elements; see `unique_all`.

    >>> unique_values([3, 1, 3])
    Tensor([1, 3], dtype=int64)
    """
    return _unique("unique_values", x).values
