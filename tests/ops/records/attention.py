"""Records of attention and its gradient."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from neurona.core import dtypes
from neurona.core.apply import apply, apply_many
from neurona.core.errors import DTypeError, ShapeError
from neurona.ops.attention import ATTENTION, ATTENTION_GRADIENT, places
from neurona.ops.operand import operand
from tests.ops.record import FLOATS, Array, Failure, OpRecord, Sample
from tests.ops.samples import Rng, ordinary, strided

Shape = tuple[int, ...]
Case = tuple[int, int, int, int, int, int, bool, Shape | None, str]
CASES: tuple[Case, ...] = (
    # batch, queries, keys, heads, width, width of values, causal, mask and its kind
    (2, 7, 5, 2, 4, 3, False, None, ""),
    (2, 19, 18, 2, 5, 17, True, None, ""),
    (2, 5, 6, 2, 3, 2, False, (1, 1, 5, 6), "float"),
    (1, 18, 3, 2, 2, 2, False, (1, 2, 18, 1), "bool"),
    (1, 1, 17, 1, 4, 2, False, (1, 1, 1, 17), "bool"),
    (1, 1, 1, 1, 1, 1, False, None, ""),
    (0, 2, 3, 1, 2, 2, False, None, ""),
    (1, 2, 0, 1, 2, 2, False, None, ""),
    (1, 0, 2, 1, 2, 2, False, None, ""),
    (1, 2, 3, 1, 0, 2, False, None, ""),
)
SMALL: tuple[Case, ...] = (
    (1, 2, 3, 2, 2, 2, True, None, ""),
    (1, 2, 2, 1, 1, 1, False, (1, 1, 2, 2), "bool"),
)
SCALE = 0.7


def drawn(rng: Rng, case: Case, dtype: dtypes.DType) -> tuple[tuple[Array, ...], bool]:
    """Queries, keys, values and perhaps a mask; whether it is causal."""
    batch, queries, keys, heads, width, value_width, causal, mask, kind = case
    shapes = [
        (batch, queries, heads, width),
        (batch, keys, heads, width),
        (batch, keys, heads, value_width),
    ]
    inputs = [ordinary(rng, shape, dtype) for shape in shapes]
    if mask is not None:
        seen = rng.random(mask) < 0.6
        added = np.where(seen, ordinary(rng, mask, dtype), np.array(-np.inf, dtype))
        inputs.append(seen if kind == "bool" else added.astype(dtype))
    return tuple(inputs), causal


def seen_by(b: int, h: int, i: int, keys: int, mask: tuple[Array, ...], causal: bool) -> Array:
    """What is added to the scores of a query."""
    added = np.zeros(keys)
    for one in mask:
        row = np.broadcast_to(one, (max(b + 1, one.shape[0]), max(h + 1, one.shape[1]),
                                    max(i + 1, one.shape[2]), keys))[b, h, i]  # fmt: skip
        added = added + (np.where(row, 0, -np.inf) if one.dtype == np.bool_ else row.astype(float))
    if causal:
        added[i + 1 :] = -np.inf
    return added


def probabilities(
    q: Array, k: Array, mask: tuple[Array, ...], scale: float, causal: bool
) -> tuple[Array, Array]:
    """p (batch, heads, queries, keys) and the logarithms of the sums, query by query."""
    batch, queries, heads, _ = q.shape
    keys = k.shape[1]
    p, lse = np.zeros((batch, heads, queries, keys)), np.full((batch, heads, queries), np.inf)
    for b, h, i in itertools.product(range(batch), range(heads), range(queries)):
        products = np.sum(k[b, :, h].astype(float) * q[b, i, h].astype(float), axis=-1)
        scores = products * scale + seen_by(b, h, i, keys, mask, causal)
        if np.any(scores > -np.inf):
            lse[b, h, i] = np.logaddexp.reduce(scores)
            p[b, h, i] = np.exp(scores - lse[b, h, i])
    return p, lse


def reference(
    q: Array, k: Array, v: Array, *mask: Array, scale: float, causal: bool
) -> tuple[Array, Array]:
    p, lse = probabilities(q, k, mask, scale, causal)
    return np.einsum("bhij,bjhe->bihe", p, v.astype(float)), lse


def sizes(q: Array, k: Array, v: Array, *mask: Array, **attrs: Any) -> tuple[Any, Any]:
    """How large what is added up for the results can be."""
    terms = 1 + np.sum(np.abs(q.astype(float)), axis=-1).max(initial=0) * size(k)
    return terms * size(v), terms


def size(x: Array) -> float:
    return 1 + float(np.max(np.abs(x.astype(float)), initial=0))


def gradient_reference(
    g: Array, y: Array, lse: Array, q: Array, k: Array, v: Array, *mask: Array, **attrs: Any
) -> Array:
    p, _ = probabilities(q, k, mask, **attrs)
    g, q, k, v = [x.astype(float) for x in (g, q, k, v)]
    dp = np.einsum("bihe,bjhe->bhij", g, v)
    ds = p * (dp - np.sum(p * dp, axis=-1, keepdims=True)) * attrs["scale"]
    found = [
        np.einsum("bhij,bjhe->bihe", ds, k),
        np.einsum("bhij,bihe->bjhe", ds, q),
        np.einsum("bhij,bihe->bjhe", p, g),
    ]
    flat = np.zeros(sum(x.size for x in found))
    for x, (start, strides) in zip(found, places(q.shape, k.shape, v.shape), strict=True):
        at = np.indices(x.shape)
        flat[start + sum(i * step for i, step in zip(at, strides, strict=True))] = x
    return flat


def gradient_sizes(
    g: Array, y: Array, lse: Array, q: Array, k: Array, v: Array, *mask: Array, **attrs: Any
) -> Any:
    count = 1 + max(q.shape[1], k.shape[1]) * v.shape[3]
    return sizes(q, k, v)[1] * size(g) * size(v) * max(size(k), size(q)) * count


def samples(cases: tuple[Case, ...], rng: Rng, dtype: dtypes.DType) -> list[Sample]:
    found = []
    for case in cases:
        inputs, causal = drawn(rng, case, dtype)
        found.append(Sample(inputs, {"scale": SCALE, "causal": causal}))
    return [*found, Sample(tuple(strided(x) for x in found[0].inputs), found[0].attrs)]


def gradient_samples(cases: tuple[Case, ...], rng: Rng, dtype: dtypes.DType) -> list[Sample]:
    found = []
    for sample in samples(cases, rng, dtype):
        y, lse = (x.astype(dtype) for x in reference(*sample.inputs, **sample.attrs))
        found.append(Sample((ordinary(rng, y.shape, dtype), y, lse, *sample.inputs), sample.attrs))
    return found


def _zeros(*shape: int, dtype: Any = np.float32) -> Any:
    return operand(np.zeros(shape, dtype))


def _attention(*inputs: Any) -> Any:
    return apply_many(ATTENTION, *inputs, scale=1.0, causal=False)


RECORD = OpRecord(
    "attention",
    FLOATS,
    lambda rng, dtype: samples(CASES, rng, dtype),
    reference,
    ulps=16,
    scale=sizes,
    gradient=2,
    gradient_samples=lambda rng: samples(SMALL, rng, dtypes.float64),
    differentiable=(0, 1, 2),
    failures=(
        Failure(
            lambda: _attention(_zeros(2, 3, 4), _zeros(2, 3, 4), _zeros(2, 3, 4)),
            ShapeError,
            "attention: query (2, 3, 4), key (2, 3, 4) and value (2, 3, 4) must have the axes",
        ),
        Failure(
            lambda: _attention(_zeros(1, 3, 2, 4), _zeros(1, 5, 2, 6), _zeros(1, 5, 2, 4)),
            ShapeError,
            "a query has 4 elements, a key 6",
        ),
        Failure(
            lambda: _attention(_zeros(1, 3, 2, 4), _zeros(1, 5, 3, 4), _zeros(1, 5, 2, 4)),
            ShapeError,
            "batch and heads of the query are (1, 2), of the key (1, 3)",
        ),
        Failure(
            lambda: _attention(_zeros(1, 3, 2, 4), _zeros(1, 5, 2, 4), _zeros(1, 6, 2, 4)),
            ShapeError,
            "there are 5 keys and 6 values",
        ),
        Failure(
            lambda: _attention(*[_zeros(1, 3, 2, 4)] * 3, _zeros(1, 1, 3, 4)),
            ShapeError,
            "mask (1, 1, 3, 4) does not broadcast to the scores (1, 2, 3, 3)",
        ),
        Failure(
            lambda: _attention(*[_zeros(1, 3, 2, 4)] * 3, _zeros(1, 1, 3, 3, dtype=np.int64)),
            DTypeError,
            "the mask is int64; it must be bool",
        ),
        Failure(
            lambda: _attention(*[_zeros(1, 3, 2, 4, dtype=np.int64)] * 3),
            DTypeError,
            "operands are int64; cast them to a float",
        ),
    ),
)
GRADIENT = OpRecord(
    "attention_gradient",
    FLOATS,
    lambda rng, dtype: gradient_samples(CASES, rng, dtype),
    gradient_reference,
    ulps=16,
    scale=gradient_sizes,
    gradient=2,
    gradient_samples=lambda rng: gradient_samples(SMALL, rng, dtypes.float64),
    differentiable=(0,),  # as a function of q, k, v it is the second order of attention
    failures=(
        Failure(
            lambda: apply(
                ATTENTION_GRADIENT,
                _zeros(1, 2, 2, 4),
                _zeros(1, 3, 2, 4),
                _zeros(1, 2, 3),
                *[_zeros(1, 3, 2, 4)] * 3,
                scale=1.0,
                causal=False,
            ),
            ShapeError,
            "attention_gradient: g (1, 2, 2, 4) and y (1, 3, 2, 4) must be (1, 3, 2, 4)",
        ),
    ),
)
