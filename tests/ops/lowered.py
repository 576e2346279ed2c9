"""Runs the `Indexed` lowering of an op in NumPy, all elements at once, every read checked."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurona.core.lowering import Indexed
from neurona.core.op import Op, Spec, registry
from tests.ops.record import Array, tensor


class Language:
    """The scalar language over arrays that hold all elements of the result."""

    minimum = staticmethod(np.minimum)
    maximum = staticmethod(np.maximum)
    where = staticmethod(np.where)

    def cast(self, value: Any, dtype: Any) -> Array:
        return np.asarray(value).astype(dtype)

    def constant(self, value: Any, dtype: Any) -> Array:
        return np.asarray(value, dtype)

    def call(self, name: str, *values: Any) -> Array:
        return np.asarray(registry()[name].evaluate(*values))


class Read:
    """An input whose reads must stay in range, also where `where` throws them away."""

    def __init__(self, array: Array) -> None:
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __getitem__(self, index: tuple[Any, ...]) -> Array:
        assert len(index) == len(self.shape)
        for places, extent in zip(index, self.shape, strict=True):
            places = np.asarray(places)
            assert np.issubdtype(places.dtype, np.integer)
            assert not places.size or (places.min() >= 0 and places.max() < extent), "out of range"
        return np.asarray(self.array[index])


def run_indexed(op: Op, *inputs: Array, **attrs: Any) -> Array:
    """The result that the op's lowering describes."""
    assert isinstance(op.lower, Indexed)
    spec = op.infer(*[tensor(x)._node for x in inputs], **attrs)
    assert isinstance(spec, Spec)
    index = tuple(np.indices(spec.shape)) if spec.shape else ()
    with np.errstate(all="ignore"):
        element = op.lower.at(Language(), index, *[Read(x) for x in inputs], **attrs)
    result = np.broadcast_to(np.asarray(element), spec.shape)
    assert result.dtype == spec.dtype
    return result
