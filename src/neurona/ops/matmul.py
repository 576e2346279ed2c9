"""The matrix product, batched."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurona.core import dtypes
from neurona.core.apply import apply
from neurona.core.errors import ShapeError
from neurona.core.lowering import Contraction, View
from neurona.core.node import Node
from neurona.core.op import Op, Shape, Spec, register
from neurona.core.slots import provide
from neurona.core.tensor import Tensor
from neurona.ops.broadcast import reshape, sum_to
from neurona.ops.operand import broadcast_shapes, operands, require_same_dtype


def _permute_index(
    k: Any, index: tuple[Any, ...], in_shape: Shape, *, axes: tuple[int, ...]
) -> Any:
    return tuple(index[axes.index(i)] for i in range(len(axes)))


PERMUTE_DIMS: Op = register(
    Op(
        "permute_dims",
        infer=lambda x, *, axes: Spec(tuple(x.shape[axis] for axis in axes), x.dtype),
        evaluate=lambda x, *, axes: np.transpose(x, axes),
        vjp=lambda g, out, x, *, axes: (
            apply(PERMUTE_DIMS, g, axes=tuple(axes.index(i) for i in range(len(axes)))),
        ),
        lower=View(_permute_index),
    )
)


@provide
def matrix_transpose(x: Tensor, /) -> Tensor:
    """The last two axes exchanged: (..., m, n) → (..., n, m)."""
    if x.ndim < 2:
        raise ShapeError(f"matrix_transpose: shape {x.shape} has fewer than two axes")
    axes = (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)
    return apply(PERMUTE_DIMS, x, axes=axes)


def _infer(a: Node, b: Node) -> Spec:
    dtype = require_same_dtype("matmul", a, b)
    if a.shape[-1] != b.shape[-2]:
        raise ShapeError(
            f"matmul: shapes {a.shape} and {b.shape}: the last axis of the first has "
            f"{a.shape[-1]} elements, the last but one of the second {b.shape[-2]}"
        )
    batch = broadcast_shapes("matmul", a.shape[:-2], b.shape[:-2])
    return Spec((*batch, a.shape[-2], b.shape[-1]), dtype)


def _evaluate(a: Any, b: Any) -> Any:
    if a.dtype.itemsize == 2 and dtypes.is_float(a.dtype):
        # Half precision accumulates in float32, as the compiled kernels do.
        return np.matmul(a.astype(np.float32), b.astype(np.float32)).astype(a.dtype)
    return np.matmul(a, b)


MATMUL: Op = register(
    Op(
        "matmul",
        _infer,
        _evaluate,
        vjp=lambda g, out, a, b: (
            sum_to(apply(MATMUL, g, matrix_transpose(b)), a.shape) if a.requires_grad else None,
            sum_to(apply(MATMUL, matrix_transpose(a), g), b.shape) if b.requires_grad else None,
        ),
        lower=Contraction(),
    )
)


@provide
def matmul(x1: Any, x2: Any, /) -> Tensor:
    """The matrix product of (..., m, k) and (..., k, n); leading axes broadcast.

    A 1-d operand is a row vector on the left, a column on the right, and its axis is dropped.
    Raises `ShapeError` for 0-d operands and unequal inner axes.
    """
    a, b = operands(x1, x2)
    if not a.ndim or not b.ndim:
        raise ShapeError(f"matmul: shapes {a.shape} and {b.shape}: 0-d operands; use multiply")
    if b.ndim == 1:
        return reshape(matmul(a, reshape(b, (-1, 1))), a.shape[:-1])
    if a.ndim == 1:
        out = matmul(reshape(a, (1, -1)), b)
        return reshape(out, (*out.shape[:-2], out.shape[-1]))
    if b.ndim == 2 and a.ndim > 2 and a.size:
        # One large product instead of many small ones, also in the gradient of b.
        flat = apply(MATMUL, reshape(a, (-1, a.shape[-1])), b)
        return reshape(flat, (*a.shape[:-1], b.shape[-1]))
    return apply(MATMUL, a, b)
