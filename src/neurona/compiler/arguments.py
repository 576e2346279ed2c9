"""The arguments of a compiled function: which program they need and the arrays they bring.

A signature is a flat tuple: each array is its shape and dtype, each container its type and what
tells how many of the next belong to it, each other value its type and, unless it is a number, the
value itself. So two calls have equal signatures only if their arguments are of the same kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from neurona.core.buffer import Buffer
from neurona.core.dtypes import as_dtype, number_dtype
from neurona.core.errors import ArgumentError
from neurona.core.op import Array, Spec
from neurona.core.tensor import Tensor
from neurona.core.trace import Trace
from neurona.core.tree import is_named_tuple, ordered_keys, tree_map


def without_extents(key: tuple[Any, ...]) -> tuple[Any, ...]:
    """The signature but for the arrays' extents, of which the number stays."""
    return tuple(
        len(part) if isinstance(part, tuple) and isinstance(after, np.dtype) else part
        for part, after in zip(key, (*key[1:], None), strict=True)
    )


def describe(values: Iterable[Any], key: list[Any], arrays: list[Array]) -> None:
    """Add what these arguments are to `key`, and their arrays, row-major, to `arrays`."""
    for value in values:
        kind = type(value)
        if kind is np.ndarray:
            array = value
        elif kind is Tensor or isinstance(value, Tensor):
            node = value._node
            known = type(node.value) is Buffer  # else the error says why there is no value
            array = node.value.array if known else value._concrete("compile")
            if node.requires_grad:
                key.append(Tensor)
            key += (node.shape, node.dtype)
            arrays.append(array if array.flags.c_contiguous else np.ascontiguousarray(array))
            continue
        elif kind is dict:
            key.append(kind)
            describe_mapping(value, key, arrays)
            continue
        elif kind is tuple or kind is list or is_named_tuple(kind):
            key.append(kind)
            key.append(len(value))
            describe(value, key, arrays)
            continue
        elif isinstance(value, (int, float)) and kind is not bool:
            key.append(kind)
            arrays.append(np.array(value, number_dtype(value)))
            continue
        elif isinstance(value, (np.ndarray, np.generic)):
            array = np.asanyarray(value)
        else:
            key.append(kind)
            key.append(_static(value))
            continue
        key.append(array.shape)
        key.append(array.dtype)
        arrays.append(array if array.flags.c_contiguous else np.ascontiguousarray(array))


def describe_mapping(values: Mapping[Any, Any], key: list[Any], arrays: list[Array]) -> None:
    """The same for arguments with names."""
    keys = ordered_keys(values)
    key.append(keys)
    describe([values[name] for name in keys], key, arrays)


def _static(value: Any) -> Any:
    try:
        hash(value)
    except TypeError:
        raise ArgumentError(
            f"compile: an argument of type {type(value).__name__} is neither a tensor, an array, a "
            "number nor hashable; pass its parts or close over it"
        ) from None
    return value


def in_native_order(tree: Any) -> Any:
    """The arguments with arrays of the machine's byte order in place of those of the other."""

    def convert(leaf: Any) -> Any:
        foreign = isinstance(leaf, (np.ndarray, np.generic)) and not leaf.dtype.isnative
        return leaf.astype(as_dtype(leaf.dtype)) if foreign else leaf

    return tree_map(convert, tree)


def symbol(leaf: Any, trace: Trace) -> Any:
    """What the function sees in place of an argument while it is recorded."""
    if isinstance(leaf, bool):
        return leaf
    if isinstance(leaf, (int, float)):
        return Tensor(trace.input(Spec((), number_dtype(leaf)), weak=True))
    if isinstance(leaf, (Tensor, np.ndarray, np.generic)):
        dtype = as_dtype(leaf.dtype)
        requires_grad = isinstance(leaf, Tensor) and leaf.requires_grad
        return Tensor(trace.input(Spec(tuple(leaf.shape), dtype), requires_grad=requires_grad))
    return leaf
