"""Resampling: each element of the result is a weighted sum of a few elements along one axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurona.core import dtypes
from neurona.core.apply import apply
from neurona.core.errors import DTypeError, ShapeError
from neurona.core.lowering import Indexed
from neurona.core.node import Node
from neurona.core.op import Array, Op, Shape, Spec, register
from neurona.core.tensor import Tensor
from neurona.ops.gather import within
from neurona.ops.operand import operand


def _infer(
    x: Node, places: Node, weights: Node, back_places: Node, back_weights: Node, *, axis: int
) -> Spec:
    tables = ((places, weights), (back_places, back_weights))
    for at, by in tables:
        if len(at.shape) != 2 or at.shape != by.shape or not at.shape[1]:
            raise ShapeError(
                f"resample: places {at.shape} and weights {by.shape} must be (extent, terms)"
            )
        if not dtypes.is_integer(at.dtype):
            raise DTypeError(f"resample: places are integers, not {at.dtype}")
        if by.dtype != _wide(x.dtype):
            raise DTypeError(
                f"resample: weights for {x.dtype} are {_wide(x.dtype)}, not {by.dtype}"
            )
    if x.shape[axis] != back_places.shape[0]:
        raise ShapeError(
            f"resample: axis {axis} of x {x.shape} has {x.shape[axis]} elements, the way back "
            f"gives {back_places.shape[0]}"
        )
    return Spec(_resized(x.shape, axis, places.shape[0]), x.dtype)


def _wide(dtype: dtypes.DType) -> dtypes.DType:
    """Half precision adds up in float32."""
    return dtypes.float32 if dtype.itemsize == 2 else dtype


def _resized(shape: Shape, axis: int, extent: int) -> Shape:
    return (*shape[:axis], extent, *shape[axis + 1 :])


def _evaluate(x: Array, places: Array, weights: Array, *_: Array, axis: int) -> Array:
    at = within("resample", places, axis, x.shape)
    spread = (-1, *[1] * (x.ndim - axis - 1))
    total: Any = None
    for place, weight in zip(at.T, weights.T, strict=True):
        term = np.take(x, place, axis).astype(weights.dtype) * weight.reshape(spread)
        total = term if total is None else total + term
    return np.asarray(total).astype(x.dtype)


def _vjp(
    g: Tensor,
    out: Tensor,
    x: Tensor,
    places: Tensor,
    weights: Tensor,
    back_places: Tensor,
    back_weights: Tensor,
    *,
    axis: int,
) -> tuple[Tensor | None, ...]:
    back = apply(RESAMPLE, g, back_places, back_weights, places, weights, axis=axis)
    return (back, None, None, None, None)


def _at(
    k: Any, index: tuple[Any, ...], x: Any, places: Any, weights: Any, *_: Any, axis: int
) -> Any:
    if 0 in x.shape:
        return k.constant(0, x.dtype)
    total: Any = None
    for term in range(places.shape[1]):
        place = k.cast(places[index[axis], term], dtypes.int64)
        place = k.minimum(k.maximum(place, 0), x.shape[axis] - 1)
        element = x[(*index[:axis], place, *index[axis + 1 :])]
        product = k.cast(element, weights.dtype) * weights[index[axis], term]
        total = product if total is None else total + product
    return k.cast(total, x.dtype)


RESAMPLE: Op = register(Op("resample", _infer, _evaluate, _vjp, Indexed(_at)))
"""Σ_t weights[i, t]·x[places[i, t]] for each i of one axis.

The second table is the same linear map transposed: the places of the result that an element of x
reaches. So the op is its own transpose with the tables exchanged, and no derivative scatters.
"""


def resample(x: Tensor, places: Array, weights: Array, *, axis: int) -> Tensor:
    """Σ_t weights[i, t]·x[places[i, t]] for each i of one axis.

    places, weights: (extent, terms) arrays; x: a float tensor.
    """
    wide = _wide(x.dtype)
    tables = (places, weights, *transposed(places, weights, x.shape[axis]))
    constants = [operand(t if i % 2 == 0 else t.astype(wide)) for i, t in enumerate(tables)]
    return apply(RESAMPLE, x, *constants, axis=axis)


def transposed(places: Array, weights: Array, extent: int) -> tuple[Array, Array]:
    """The table of the transposed map, from the result to the `extent` places.

    Unused terms have weight 0 and repeat a place of their row, so that what they read is read
    anyhow.
    """
    reached: list[dict[int, float]] = [{} for _ in range(extent)]
    for i, (row, row_weights) in enumerate(zip(places, weights, strict=True)):
        for place, weight in zip(row.tolist(), row_weights.tolist(), strict=True):
            reached[place][i] = reached[place].get(i, 0.0) + weight
    terms = max([1, *map(len, reached)])
    back = np.zeros((extent, terms), np.int64)
    back_weights = np.zeros((extent, terms))
    for place, results in enumerate(reached):
        if results:
            back[place] = [*results, *[next(iter(results))] * (terms - len(results))]
            back_weights[place, : len(results)] = list(results.values())
    return back, back_weights
