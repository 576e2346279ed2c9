"""Scaled dot-product attention."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from neurona.core import dtypes
from neurona.core.apply import apply_many
from neurona.core.arguments import is_real, whole
from neurona.core.errors import ArgumentError, DTypeError, ShapeError
from neurona.core.op import Shape
from neurona.core.tensor import Tensor
from neurona.nn.functional.checks import float_input, same_dtype
from neurona.nn.functional.dropout import check_probability, dropout
from neurona.nn.running import RUNNING, path_of, who
from neurona.ops.arithmetic import clip, maximum
from neurona.ops.attention import ATTENTION, swap_heads
from neurona.ops.broadcast import broadcast_to, reshape, sum
from neurona.ops.compare import where
from neurona.ops.create import arange
from neurona.ops.gather import take_along_axis
from neurona.ops.inspect import finfo
from neurona.ops.matmul import matmul, matrix_transpose
from neurona.ops.operand import broadcast_shapes, cast, operand
from neurona.ops.reduce import max
from neurona.ops.shape import expand_dims
from neurona.ops.transcendental import exp

if TYPE_CHECKING:
    from neurona.nn.module import Module

WIDEST = 512
"""Elements of a query or a value that the op `attention` takes."""


class _Watched(threading.local):
    """maps: where the weights go while somebody watches, with the path of the layer at work."""

    maps: list[tuple[str, Tensor]] | None = None


WATCHED = _Watched()


@contextmanager
def watched_attention() -> Iterator[list[tuple[str, Tensor]]]:
    """Inside, every attention enters its weights (…, queries, keys), with its layer's path.

    They are then computed and kept, which the fused op otherwise avoids.

    >>> from neurona.nn import functional as F
    >>> with watched_attention() as maps:
    ...     y = F.scaled_dot_product_attention([[1.0]], [[1.0], [1.0]], [[3.0], [5.0]])
    >>> maps
    [('', Tensor([[0.5, 0.5]], dtype=float32))]
    """
    before = WATCHED.maps
    found = WATCHED.maps = []
    try:
        yield found
    finally:
        WATCHED.maps = before


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """softmax(scale·Q Kᵀ + mask) V: each query takes the mean of the values, weighted by its keys.

    Vaswani et al., "Attention is all you need" (2017), equation 1.

    query: (…, L, E). key: (…, S, E). value: (…, S, Ev). The axes before broadcast.
    attn_mask: broadcasts to (…, L, S). Bools: True takes part. Floats are added to the scores.
        A query that sees no key gets 0.
    dropout_p: the probability that a weight is 0 (others are scaled up); 0 outside of training.
    is_causal: query i sees the keys 0…i only; not together with attn_mask.
    scale: 1/√E by default.
    Result: (…, L, Ev). Without dropout, in float32 and half precision, the (…, L, S) weights are
        never stored, nor for the gradients of query, key and value.
    Raises `ShapeError` that states the shapes which do not fit, `DTypeError`, `ArgumentError`.

    >>> from neurona.nn import functional as F
    >>> values = [[1.0, 0.0], [0.0, 1.0]]
    >>> F.scaled_dot_product_attention([[1.0, 0.0]], [[5.0, 0.0], [5.0, 9.0]], values)
    Tensor([[0.5, 0.5]], dtype=float32)
    """
    function = "scaled_dot_product_attention"
    check_probability(function, dropout_p)
    if scale is not None and not (is_real(scale) and math.isfinite(scale)):
        raise ArgumentError(f"{who(function)}: scale must be a finite number, not {scale!r}")
    q, k, v = (float_input(function, x) for x in (query, key, value))
    mask = None if attn_mask is None else operand(attn_mask)
    fits = q.ndim > 1 < k.ndim and q.shape[-1] == k.shape[-1] and q.dtype == k.dtype == v.dtype
    watched = WATCHED.maps is not None
    if (
        fits
        and not (dropout_p or watched)
        and v.shape[-2:-1] == k.shape[-2:-1]
        and _suits(q, k, v, mask)
    ):
        factor = 1 / math.sqrt(q.shape[-1] or 1) if scale is None else float(scale)
        return _fused(q, k, v, _checked_mask(q, k, mask, is_causal), is_causal, factor)
    weights = attention_weights(q, k, mask, is_causal, scale)
    if v.ndim < 2 or v.shape[-2] != weights.shape[-1]:
        raise ShapeError(
            f"{who(function)}: value {v.shape} must be (…, S, Ev) with S {weights.shape[-1]} as "
            "in key"
        )
    same_dtype(function, weights, v, "value")
    return matmul(dropout(weights, dropout_p), v)


def _suits(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> bool:
    """Whether the op `attention`, which never stores the scores, takes these."""
    narrow = q.shape[-1] <= WIDEST >= v.shape[-1]
    learnt = mask is not None and mask.requires_grad
    return narrow and q.dtype != dtypes.float64 and not learnt


def _fused(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool, factor: float
) -> Tensor:
    """The op on (batch, positions, heads, width); half precision is computed in float32."""
    function, dtype = "scaled_dot_product_attention", q.dtype
    lead = broadcast_shapes(function, q.shape[:-2], k.shape[:-2], v.shape[:-2])
    batch = (*lead, 1) if len(lead) == 1 else lead if len(lead) > 1 else (1, 1)

    def by_head(x: Tensor) -> Tensor:
        x = broadcast_to(cast(x, dtypes.float32), (*lead, *x.shape[-2:]))
        return swap_heads(reshape(x, (math.prod(batch[:-1]), batch[-1], *x.shape[-2:])))

    inputs = [by_head(x) for x in (q, k, v)]
    if mask is not None:
        mask = mask if mask.dtype == dtypes.bool_ else cast(mask, dtypes.float32)
        axes = len(lead) + 2
        if len(lead) > 2:
            mask = broadcast_to(mask, (*lead, q.shape[-2], k.shape[-2]))
        mask = reshape(mask, (*[1] * (axes - mask.ndim), *mask.shape))
        ends = mask.shape[-2:]
        first = math.prod(mask.shape[: len(batch) - 1]) if lead else 1
        inputs.append(reshape(mask, (first, math.prod(mask.shape[len(batch) - 1 : -2]), *ends)))
    y, _ = apply_many(ATTENTION, *inputs, scale=factor, causal=causal)
    return cast(reshape(swap_heads(y), (*lead, q.shape[-2], v.shape[-1])), dtype)


def attention_weights(
    query: Any,
    key: Any,
    attn_mask: Any = None,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """softmax(scale·Q Kᵀ + mask), (…, L, S): how much each query takes of each value.

    Arguments and errors as in `scaled_dot_product_attention`.

    >>> from neurona.nn.functional import attention_weights
    >>> attention_weights([[0.0], [0.0]], [[1.0], [2.0]], is_causal=True)
    Tensor([[1. , 0. ],
            [0.5, 0.5]], dtype=float32)
    """
    function = "scaled_dot_product_attention"
    q, k = float_input(function, query), float_input(function, key)
    same_dtype(function, q, k, "key")
    if q.ndim < 2 or k.ndim < 2 or q.shape[-1] != k.shape[-1]:
        raise ShapeError(
            f"{who(function)}: query {q.shape} and key {k.shape} must be (…, L, E) and (…, S, E) "
            "with the same last axis"
        )
    mask = _checked_mask(q, k, None if attn_mask is None else operand(attn_mask), is_causal)
    factor = 1 / math.sqrt(q.shape[-1] or 1) if scale is None else scale
    scores = matmul(q * factor, matrix_transpose(k))
    if is_causal:
        mask = causal_mask(*scores.shape[-2:])
    return masked_softmax(scores, mask, RUNNING.stack[-1] if RUNNING.stack else None)


def masked_softmax(scores: Tensor, mask: Tensor | None, layer: Module | None) -> Tensor:
    """softmax(scores + mask) over the keys: the weights of a layer's attention, to be watched.

    scores: (…, queries, keys). mask: broadcasts to that; of bools True takes part, floats are
    added. A query that sees nothing gets 0.
    """
    if mask is not None:
        boolean = mask.dtype == dtypes.bool_
        scores = where(mask, scores, -math.inf) if boolean else scores + cast(mask, scores.dtype)
    least = float(finfo(scores.dtype).min)  # of a query that sees nothing
    top = maximum(max(scores, axis=-1, keepdims=True), least) if scores.shape[-1] else scores
    powers = exp(scores - top.detach())
    total = sum(powers, axis=-1, keepdims=True)
    weights = powers * (1 / where(total == 0, 1, total))
    if WATCHED.maps is not None:
        WATCHED.maps.append(("" if layer is None else path_of(layer), weights))
    return weights


def causal_mask(queries: int, keys: int) -> Tensor:
    """(queries, keys) of bools, True where key ≤ query: what a step may see of the others.

    >>> from neurona.nn.functional import causal_mask
    >>> causal_mask(2, 3)
    Tensor([[ True, False, False],
            [ True,  True, False]], dtype=bool)
    """
    queries = whole("causal_mask", "queries", queries, 0)
    keys = whole("causal_mask", "keys", keys, 0)
    return reshape(arange(queries), (queries, 1)) >= arange(keys)


def _checked_mask(q: Tensor, k: Tensor, mask: Tensor | None, causal: bool) -> Tensor | None:
    """The mask, if it fits the scores of q and k and is no second one."""
    function = "scaled_dot_product_attention"
    if mask is None:
        return None
    if causal:
        raise ArgumentError(
            f"{who(function)}: give attn_mask or is_causal=True, not both; join the mask with "
            "causal_mask"
        )
    lead = broadcast_shapes(function, q.shape[:-2], k.shape[:-2])
    fit_mask(function, mask.shape, (*lead, q.shape[-2], k.shape[-2]))
    if mask.dtype != dtypes.bool_ and not dtypes.is_float(mask.dtype):
        raise DTypeError(
            f"{who(function)}: attn_mask is {mask.dtype}; it must be bool (True takes part) or "
            "float (added)"
        )
    return mask


def fit_mask(function: str, mask: Shape, scores: Shape, name: str = "attn_mask") -> None:
    """Raise `ShapeError` unless a mask broadcasts to the shape of the scores."""
    try:
        fits = broadcast_shapes(function, mask, scores) == scores
    except ShapeError:
        fits = False
    if not fits:
        raise ShapeError(
            f"{who(function)}: {name} {mask} does not broadcast to {scores}, (…, queries, keys)"
        )


def write_steps(cache: Tensor, new: Tensor, positions: Tensor) -> Tensor:
    """The cache with the keys or values of new steps at their positions, which are consecutive.

    cache: (batch, heads, context, features). new: (batch, heads, time, features). positions:
    integers (batch, time), for each sample its own.
    """
    batch, _, time, _ = new.shape
    offset = arange(cache.shape[2]) - positions[:, :1]  # (batch, context), 0 at the first step
    inside = reshape((offset >= 0) & (offset < time), (batch, 1, -1, 1))
    if time > 1:
        row = reshape(clip(offset, 0, time - 1), (batch, 1, -1, 1))
        new = take_along_axis(new, broadcast_to(row, cache.shape), axis=2)
    return where(inside, new, cache)


def seen_steps(positions: Tensor, context: int) -> Tensor:
    """(batch, 1, time, context) of bools: which places of a cache steps at `positions` may see.

    positions: integers (batch, time). Each step sees itself and what was written before.
    """
    return expand_dims(expand_dims(positions, axis=2) >= arange(context), axis=1)
