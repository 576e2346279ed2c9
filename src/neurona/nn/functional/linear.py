"""Linear and bilinear maps, and the embedding look-up."""

from __future__ import annotations

from typing import Any

from neurona.core import dtypes
from neurona.core.errors import ArgumentError, DTypeError, ShapeError
from neurona.core.tensor import Tensor
from neurona.nn.functional.checks import check_index, float_input, same_dtype
from neurona.nn.running import who
from neurona.ops.broadcast import reshape, sum
from neurona.ops.compare import where
from neurona.ops.gather import take
from neurona.ops.matmul import matmul, matrix_transpose
from neurona.ops.operand import operand
from neurona.ops.shape import expand_dims, permute_dims


def linear(x: Any, weight: Any, bias: Any = None) -> Tensor:
    """y = x Wᵀ + b.

    x: (…, in_features). weight: (out_features, in_features). bias: (out_features,) or None.
    Result: (…, out_features). Raises `ShapeError` and `DTypeError` when they do not fit.

    >>> from neurona.nn import functional as F
    >>> F.linear([1.0, 2.0], [[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
    Tensor([1., 3., 4.], dtype=float32)
    """
    z, w = float_input("linear", x), operand(weight)
    same_dtype("linear", z, w)
    if w.ndim != 2 or z.ndim == 0 or z.shape[-1] != w.shape[1]:
        features = w.shape[1] if w.ndim == 2 else f"{w.shape}[1], with two axes"
        raise ShapeError(
            f"{who('linear')}: last axis of x {z.shape} must be in_features {features}"
        )
    product = matmul(z, matrix_transpose(w))
    if bias is None:
        return product
    b = operand(bias)
    if b.shape != w.shape[:1]:
        raise ShapeError(f"{who('linear')}: bias {b.shape} must be (out_features,) {w.shape[:1]}")
    return product + b


def bilinear(x1: Any, x2: Any, weight: Any, bias: Any = None) -> Tensor:
    """yₖ = x₁ᵀ Wₖ x₂ + bₖ.

    x1: (…, in1_features). x2: (…, in2_features), the other axes equal.
    weight: (out_features, in1_features, in2_features). bias: (out_features,) or None.
    Result: (…, out_features).
    """
    a, b, w = float_input("bilinear", x1), float_input("bilinear", x2), operand(weight)
    same_dtype("bilinear", a, w)
    same_dtype("bilinear", b, w)
    out, in1, in2 = w.shape
    if a.shape[:-1] != b.shape[:-1] or a.shape[-1:] != (in1,) or b.shape[-1:] != (in2,):
        raise ShapeError(
            f"{who('bilinear')}: x1 {a.shape} and x2 {b.shape} must be (…, {in1}) and (…, {in2}) "
            "with the same other axes"
        )
    left = matmul(a, reshape(permute_dims(w, (1, 0, 2)), (in1, out * in2)))
    split = reshape(left, (*a.shape[:-1], out, in2))
    result = sum(split * expand_dims(b, axis=-2), axis=-1)
    return result if bias is None else result + bias


def embedding(x: Any, weight: Any, padding_idx: int | None = None) -> Tensor:
    """Row x of the weight for every index in x.

    x: integers of any shape in 0…num_embeddings−1. weight: (num_embeddings, embedding_dim).
    padding_idx: an index whose row gets no gradient.
    Result: (*x.shape, embedding_dim). Raises `IndexOutOfRangeError` naming the position.

    >>> from neurona.nn import functional as F
    >>> F.embedding([2, 0], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    Tensor([[5., 6.],
            [1., 2.]], dtype=float32)
    """
    index, w = operand(x), operand(weight)
    if not dtypes.is_integer(index.dtype):
        raise DTypeError(f"{who('embedding')}: x holds indices and must be integer, {index.dtype}")
    if w.ndim != 2:
        raise ShapeError(
            f"{who('embedding')}: weight {w.shape} must be (num_embeddings, embedding_dim)"
        )
    count = w.shape[0]
    if padding_idx is not None and not -count <= padding_idx < count:
        raise ArgumentError(
            f"{who('embedding')}: padding_idx {padding_idx} is out of range ({-count}…{count - 1})"
        )
    check_index("embedding", index, count, "x", "rows")
    rows = take(w, index, axis=0)
    if padding_idx is None:
        return rows
    padding = expand_dims(index == padding_idx % count, axis=-1)
    return where(padding, rows.detach(), rows)
