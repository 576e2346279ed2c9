"""Scaled dot-product attention as one op, and its gradient as another.

    y_i = Σ_j p_ij·v_j,   p_i = softmax_j(scale·q_i·k_j + mask_ij)

(Vaswani et al., "Attention is all you need", 2017). Operands have positions before heads, as
projections leave them: queries (batch, L, heads, E), keys (batch, S, heads, E), values (batch, S,
heads, Ev), results (batch, L, heads, Ev). The compiler's kernels never store the L×S scores: beside
the results only lse_i = log Σ_j e^{scores} is kept, from which the gradient computes p again (Dao
et al., "FlashAttention", 2022).

A query that may look at no key has the result 0 and lse ∞, so that its p is 0 in the gradient too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from neurona.core import dtypes
from neurona.core.apply import TAKE_RESULT, apply
from neurona.core.errors import DTypeError, ShapeError
from neurona.core.lowering import Attention
from neurona.core.node import Node
from neurona.core.op import Array, Op, Shape, Spec, register
from neurona.core.tensor import Tensor
from neurona.ops.broadcast import reshape, sum
from neurona.ops.compare import greater_equal, where
from neurona.ops.create import arange
from neurona.ops.matmul import PERMUTE_DIMS, matmul, matrix_transpose
from neurona.ops.operand import require_same_dtype
from neurona.ops.transcendental import exp

BLOCK = 1 << 20
"""Scores that NumPy holds at a time."""


# --- shapes ---


def _checked(who: str, q: Node, k: Node, v: Node, mask: Node | None) -> Spec:
    """What the result is. Raises `ShapeError` and `DTypeError`."""
    dtype = require_same_dtype(who, q, k, v)
    if not dtypes.is_float(dtype):
        raise DTypeError(f"{who}: operands are {dtype}; cast them to a float with ne.astype")
    shapes = f"query {q.shape}, key {k.shape} and value {v.shape}"
    if not len(q.shape) == len(k.shape) == len(v.shape) == 4:
        raise ShapeError(f"{who}: {shapes} must have the axes (batch, positions, heads, width)")
    batch, queries, heads, width = q.shape
    for name, one in (("key", k), ("value", v)):
        if (one.shape[0], one.shape[2]) != (batch, heads):
            raise ShapeError(
                f"{who}: {shapes}: batch and heads of the query are ({batch}, {heads}), of the "
                f"{name} ({one.shape[0]}, {one.shape[2]}); they must be equal"
            )
    if k.shape[3] != width:
        raise ShapeError(
            f"{who}: {shapes}: a query has {width} elements, a key {k.shape[3]}; "
            "their product needs equal widths"
        )
    if v.shape[1] != k.shape[1]:
        raise ShapeError(
            f"{who}: {shapes}: there are {k.shape[1]} keys and {v.shape[1]} values; each key "
            "needs a value"
        )
    if mask is not None:
        _check_mask(who, mask, dtype, (batch, heads, queries, k.shape[1]))
    return Spec((batch, queries, heads, v.shape[3]), dtype)


def _check_mask(who: str, mask: Node, dtype: dtypes.DType, scores: Shape) -> None:
    if mask.dtype not in (dtypes.bool_, dtype):
        raise DTypeError(
            f"{who}: the mask is {mask.dtype}; it must be bool (True takes part) or, to be added, "
            f"{dtype} as the operands are"
        )
    fits = len(mask.shape) == 4 and all(
        m in (1, n) for m, n in zip(mask.shape, scores, strict=True)
    )
    if not fits:
        raise ShapeError(
            f"{who}: mask {mask.shape} does not broadcast to the scores {scores} "
            "(batch, heads, queries, keys)"
        )


def _infer(q: Node, k: Node, v: Node, *mask: Node, scale: float, causal: bool) -> tuple[Spec, ...]:
    spec = _checked("attention", q, k, v, *(mask or (None,)))
    batch, queries, heads, _ = q.shape
    return spec, Spec((batch, heads, queries), spec.dtype)


def _infer_gradient(
    g: Node, y: Node, lse: Node, q: Node, k: Node, v: Node, *mask: Node, scale: float, causal: bool
) -> Spec:
    spec = _checked("attention_gradient", q, k, v, *(mask or (None,)))
    require_same_dtype("attention_gradient", g, y, lse, q)
    if g.shape != spec.shape or y.shape != spec.shape:
        raise ShapeError(
            f"attention_gradient: g {g.shape} and y {y.shape} must be {spec.shape}, as query "
            f"{q.shape} and value {v.shape} give"
        )
    return Spec((math.prod(q.shape) + math.prod(k.shape) + math.prod(v.shape),), spec.dtype)


def places(q: Shape, k: Shape, v: Shape) -> list[tuple[int, Shape]]:
    """Where the gradients of q, k and v lie in the one array that holds them.

    For each the first element and the strides. What has one shape lies side by side position by
    position, (batch, positions, 3, heads, width) or, of k and v, (batch, positions, 2, …), as the
    results of one projection do, whose gradient then needs no putting together.
    """
    found: list[tuple[int, Shape]] = []
    start = 0
    groups = [[q, k, v]] if q == k == v else [[q], [k, v]] if k == v else [[q], [k], [v]]
    for group in groups:
        _, positions, heads, width = group[0]
        row = heads * width
        step = row * len(group)
        for i in range(len(group)):
            found.append((start + i * row, (positions * step, step, width, 1)))
        start += math.prod(group[0]) * len(group)
    return found


def pairs(queries: int, keys: int, causal: bool) -> int:
    """How many pairs of query and key meet."""
    if not causal:
        return queries * keys
    part = min(queries, keys)
    return part * (part + 1) // 2 + (queries - part) * keys


# --- values ---


def _heads_first(x: Array) -> Array:
    return np.swapaxes(x, 1, 2)


def _blocks(q: Array, k: Array) -> Iterator[tuple[slice, slice]]:
    """Parts of the batch and of the queries whose scores keep within `BLOCK`."""
    row = max(k.shape[1] * q.shape[2], 1)
    queries = max(min(BLOCK // row, q.shape[1]), 1)
    batches = max(BLOCK // (row * queries), 1)
    for b in range(0, q.shape[0], batches):
        for i in range(0, q.shape[1], queries):
            yield slice(b, b + batches), slice(i, min(i + queries, q.shape[1]))


def _scores(
    q: Array, k: Array, mask: tuple[Array, ...], b: slice, i: slice, scale: float, causal: bool
) -> Array:
    """The scores (batch, heads, queries, keys) of a part of the batch and of the queries."""
    scores = np.matmul(_heads_first(q[b, i]), k[b].transpose(0, 2, 3, 1)) * q.dtype.type(scale)
    for one in mask:
        part = one[b if one.shape[0] > 1 else slice(None)]
        part = part[:, :, i if one.shape[2] > 1 else slice(None)]
        scores = np.where(part, scores, -np.inf) if part.dtype == np.bool_ else scores + part
    if causal:
        later = np.arange(k.shape[1]) > np.arange(i.start, i.stop)[:, None]
        scores = np.where(later, -np.inf, scores)
    result: Array = scores.astype(q.dtype, copy=False)
    return result


def _wide(*arrays: Array) -> list[Array]:
    """Half precision in float32, in which it is added up."""
    half = arrays[0].dtype.itemsize == 2
    return [x.astype(np.float32) if half and x.dtype != np.bool_ else x for x in arrays]


def _evaluate(
    q: Array, k: Array, v: Array, *mask: Array, scale: float, causal: bool
) -> tuple[Array, Array]:
    dtype = q.dtype
    q, k, v, *rest = _wide(q, k, v, *mask)
    batch, queries, heads, _ = q.shape
    y = np.zeros((batch, queries, heads, v.shape[3]), q.dtype)
    lse = np.full((batch, heads, queries), np.inf, q.dtype)
    for b, i in _blocks(q, k) if k.shape[1] else ():
        scores = _scores(q, k, tuple(rest), b, i, scale, causal)
        top = scores.max(axis=-1, keepdims=True)
        top = np.where(top == -np.inf, 0, top)
        powers = np.exp(scores - top)
        total = powers.sum(axis=-1, keepdims=True)
        none = total == 0
        y[b, i] = _heads_first(np.matmul(powers / np.where(none, 1, total), _heads_first(v[b])))
        lse[b, :, i] = np.where(none, np.inf, top + np.log(np.where(none, 1, total)))[..., 0]
    return y.astype(dtype, copy=False), lse.astype(dtype, copy=False)


def _evaluate_gradient(
    g: Array, y: Array, lse: Array, q: Array, k: Array, v: Array, *mask: Array,
    scale: float, causal: bool,
) -> Array:  # fmt: skip
    dtype = q.dtype
    g, y, lse, q, k, v, *rest = _wide(g, y, lse, q, k, v, *mask)
    flat = np.zeros(q.size + k.size + v.size, q.dtype)
    by_q, by_k, by_v = [
        np.lib.stride_tricks.as_strided(
            flat[start:], x.shape, [step * flat.itemsize for step in strides]
        )
        for x, (start, strides) in zip((q, k, v), places(q.shape, k.shape, v.shape), strict=True)
    ]
    factor = q.dtype.type(scale)
    for b, i in _blocks(q, k) if k.shape[1] else ():
        scores = _scores(q, k, tuple(rest), b, i, scale, causal)
        p = np.exp(scores - lse[b, :, i, None])
        slope = _heads_first(g[b, i])
        meets = np.sum(slope * _heads_first(y[b, i]), axis=-1, keepdims=True)
        s = p * (np.matmul(slope, v[b].transpose(0, 2, 3, 1)) - meets) * factor
        by_q[b, i] = _heads_first(np.matmul(s, _heads_first(k[b])))
        by_k[b] += _heads_first(np.matmul(np.swapaxes(s, 2, 3), _heads_first(q[b, i])))
        by_v[b] += _heads_first(np.matmul(np.swapaxes(p, 2, 3), slope))
    return flat.astype(dtype, copy=False)


# --- derivatives ---


def swap_heads(x: Tensor) -> Tensor:
    """(batch, positions, heads, width) to (batch, heads, positions, width), and back."""
    return apply(PERMUTE_DIMS, x, axes=(0, 2, 1, 3))


def _probabilities(
    q: Tensor, k: Tensor, mask: tuple[Tensor, ...], lse: Tensor, scale: float, causal: bool
) -> Tensor:
    """p (batch, heads, queries, keys), whose derivative is that of the softmax."""
    scores = matmul(swap_heads(q), matrix_transpose(swap_heads(k))) * scale
    for one in mask:
        scores = where(one, scores, -math.inf) if one.dtype == dtypes.bool_ else scores + one
    if causal:
        queries, keys = arange(q.shape[1]), arange(k.shape[1])
        scores = where(greater_equal(reshape(queries, (-1, 1)), keys), scores, -math.inf)
    return exp(scores - reshape(lse, (*lse.shape, 1)))


def gradient_parts(flat: Tensor, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, ...]:
    """The gradients of q, k and v from the array that has all of them (see `places`)."""
    if q.shape == k.shape == v.shape:
        batch, positions, heads, width = q.shape
        whole = reshape(flat, (batch, positions, 3, heads, width))
        return tuple(whole[:, :, i] for i in range(3))
    by_q, rest = reshape(flat[: q.size], q.shape), flat[q.size :]
    if k.shape == v.shape:
        batch, positions, heads, width = k.shape
        both = reshape(rest, (batch, positions, 2, heads, width))
        return by_q, both[:, :, 0], both[:, :, 1]
    return by_q, reshape(rest[: k.size], k.shape), reshape(rest[k.size :], v.shape)


def _vjp(
    g: dict[int, Tensor], out: Tensor, q: Tensor, k: Tensor, v: Tensor, *mask: Tensor,
    scale: float, causal: bool,
) -> tuple[Tensor | None, ...]:  # fmt: skip
    attrs = {"scale": scale, "causal": causal}
    y, lse = [apply(TAKE_RESULT, out, index=i) for i in range(2)]
    found: list[Any] = [None, None, None]
    if 0 in g:
        flat = apply(ATTENTION_GRADIENT, g[0], y, lse, q, k, v, *mask, **attrs)
        found = list(gradient_parts(flat, q, k, v))
    if 1 in g:
        p = _probabilities(q, k, mask, lse, scale, causal)
        s = p * reshape(g[1], (*g[1].shape, 1)) * scale
        more = _of_scores(s, q, k)
        found[:2] = more if found[0] is None else [a + b for a, b in zip(found, more, strict=False)]
    return (*found, *[None] * len(mask))


def _of_scores(s: Tensor, q: Tensor, k: Tensor) -> list[Tensor]:
    """What reaches q and k from the cotangent of their products."""
    by_q = matmul(s, swap_heads(k))
    by_k = matmul(matrix_transpose(s), swap_heads(q))
    return [swap_heads(by_q), swap_heads(by_k)]


def _gradient_vjp(
    c: Tensor, out: Tensor, g: Tensor, y: Tensor, lse: Tensor, q: Tensor, k: Tensor, v: Tensor,
    *mask: Tensor, scale: float, causal: bool,
) -> tuple[Tensor | None, ...]:  # fmt: skip
    """The derivative as a function of g, q, k, v alone: y and lse follow from q, k, v.

    With dp = g·vᵀ and ds = p∘(dp − Σ_j p·dp), the op gives scale·ds·k, scale·dsᵀ·q and pᵀ·g.
    """
    a, b, d = map(swap_heads, gradient_parts(c, q, k, v))
    slope, query, key, value = map(swap_heads, (g, q, k, v))
    p = _probabilities(q, k, mask, lse, scale, causal)
    dp = matmul(slope, matrix_transpose(value))
    centred = dp - sum(p * dp, axis=-1, keepdims=True)
    ds = p * centred
    # The cotangents of ds, dp and p, and that of the scores.
    by_ds = (matmul(a, matrix_transpose(key)) + matmul(query, matrix_transpose(b))) * scale
    mean = sum(by_ds * p, axis=-1, keepdims=True)
    by_dp = p * (by_ds - mean)
    by_p = matmul(slope, matrix_transpose(d)) + by_ds * centred - mean * dp
    by_s = p * (by_p - sum(by_p * p, axis=-1, keepdims=True)) * scale
    ds = ds * scale
    by_g = matmul(p, d) + matmul(by_dp, value)
    by_q = matmul(ds, b) + matmul(by_s, key)
    by_k = matmul(matrix_transpose(ds), a) + matmul(matrix_transpose(by_s), query)
    by_v = matmul(matrix_transpose(by_dp), slope)
    by_g, by_q, by_k, by_v = map(swap_heads, (by_g, by_q, by_k, by_v))
    return (by_g, None, None, by_q, by_k, by_v, *[None] * len(mask))


ATTENTION: Op = register(Op("attention", _infer, _evaluate, _vjp, Attention("y")))
"""(y, lse) from queries, keys, values and perhaps a mask that broadcasts to (batch, heads, L, S).

scale: factor of the products. causal: query i takes part in keys 0 … i alone. mask: bool (True
takes part) or of the operands' dtype, added; no gradient flows to it.
"""

ATTENTION_GRADIENT: Op = register(
    Op("attention_gradient", _infer_gradient, _evaluate_gradient, _gradient_vjp, Attention("qkv"))
)
"""The gradients of q, k and v from that of y, in one array (see `places`)."""
