"""Kernels of attention and its gradient: short vectors, blocks, threads, what is read in place.

The records in tests/ops compare more shapes and masks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona.compiler.machine import attention, attention_gradient, native
from neurona.core.apply import apply, apply_many
from neurona.nn import functional as F
from neurona.ops.attention import ATTENTION, ATTENTION_GRADIENT
from tests.compiler.programs import entries, program_of
from tests.ops.records.attention import Case, drawn, gradient_reference, reference

CASES: tuple[Case, ...] = (
    # batch, queries, keys, heads, width, width of values, causal, mask and its kind
    (2, 37, 53, 2, 20, 9, True, (2, 1, 1, 53), "bool"),
    (1, 53, 37, 1, 9, 40, False, (1, 1, 53, 37), "float"),
    (1, 3, 19, 1, 9, 17, False, (1, 1, 3, 19), "bool"),
)

EPSILON = float(np.finfo(np.float32).eps)


def compared(case: Case) -> list[Any]:
    """The results and gradients of a compiled program, found to be near those of float64."""
    inputs, causal = drawn(np.random.default_rng(5), case, np.dtype(np.float32))
    return compared_for(*inputs, causal=causal)


def compared_for(q: Any, k: Any, v: Any, *mask: Any, causal: bool) -> list[Any]:
    attrs = {"scale": 0.4, "causal": causal}
    rng = np.random.default_rng(6)
    g = rng.normal(size=(*q.shape[:3], v.shape[3])).astype(np.float32)

    @ne.compile
    def both(g: Any, *inputs: Any) -> Any:
        y, lse = apply_many(ATTENTION, *inputs, **attrs)
        return y, lse, apply(ATTENTION_GRADIENT, g, y, lse, *inputs, **attrs)

    found = [x.numpy() for x in both(g, q, k, v, *mask)]
    wide = [x.astype(np.float64) for x in (q, k, v)]
    y, lse = reference(*wide, *mask, **attrs)
    flat = gradient_reference(g, y, lse, *wide, *mask, **attrs)
    # A score is off by some epsilons of its terms, and a power by as much, relatively.
    terms = 1 + np.abs(q).sum(axis=-1).max() * np.abs(k).max() * attrs["scale"]
    for one, exact in zip(found, (y, lse, flat), strict=True):
        size = np.abs(exact[np.isfinite(exact)]).max()
        np.testing.assert_allclose(one, exact, rtol=0, atol=EPSILON * size * terms)
    return found


@pytest.mark.parametrize("lanes", [4, 8])
def test_shorter_vectors(lanes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if lanes > native.host().lanes:
        pytest.skip("needs vectors of that length")
    target = replace(native.host(), lanes=lanes)
    monkeypatch.setattr(native, "host", lambda: target)
    for case in CASES:
        compared(case)


def test_many_blocks_of_keys_and_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with thousands of keys: sums are scaled down on the way, gradients added up."""
    monkeypatch.setattr(attention, "KEYS", 16)
    monkeypatch.setattr(attention_gradient, "KEYS", 16)
    monkeypatch.setattr(attention_gradient, "QUERIES", 16)
    for case in CASES[:2]:
        compared(case)


def test_keys_behind_the_last_that_a_mask_shows_are_passed_over() -> None:
    """Of sequences that are padded: none seen, a few, whole vectors, all."""
    lengths = np.asarray([0, 1, 16, 18, 37])
    rng = np.random.default_rng(7)
    q, k, v = (rng.normal(size=(5, n, 1, 4)).astype(np.float32) for n in (18, 37, 37))
    mask = (np.arange(37) < lengths[:, None]).reshape(5, 1, 1, 37)
    compared_for(q, k, v, mask, causal=True)


def test_any_number_of_threads_gives_the_same_bits(
    threads: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (attention, attention_gradient):
        monkeypatch.setattr(module, "CHUNK_FLOPS", 1 << 10)
    case: Case = (3, 40, 40, 2, 8, 8, True, None, "")
    threads(1)
    alone = compared(case)
    threads(3)
    for one, other in zip(alone, compared(case), strict=True):
        np.testing.assert_array_equal(one, other)


def test_queries_that_see_nothing_and_what_is_not_finite() -> None:
    q, k, v = (np.ones((1, 6, 20, 4), np.float32) for _ in range(3))
    mask = np.ones((1, 6, 20, 20), bool)
    mask[:, :, 3] = False
    q[0, 1, 5] = np.nan
    mask[:, 2, :, 7] = False
    v[0, 2, 7] = 0

    @ne.compile
    def attend(q: Any, k: Any, v: Any, mask: Any) -> Any:
        loss = lambda q: ne.sum(F.scaled_dot_product_attention(q, k, v, attn_mask=mask))  # noqa: E731
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask), ne.grad(loss)(q)

    y, slope = (x.numpy().copy() for x in attend(q, k, v, mask))
    assert not y[:, :, 3].any()
    assert not slope[:, :, 3].any()
    assert np.isnan(y[0, 1, 5]).all()
    y[0, 1, 5] = y[:, :, 3] = slope[0, 1, 5] = 0
    np.testing.assert_allclose(y[y != 0], 1, rtol=1e-6)
    assert np.abs(slope).max() < 1e-6


def projected(x: Any, w: Any, heads: int, *, split: bool) -> Any:
    """Self-attention of one projection, whose parts come by a split or by an index."""
    batch, time, features = x.shape
    together = ne.reshape(x, (-1, features)) @ w
    shape = (batch, time, 3, heads, features // heads)
    if split:
        parts = ne.reshape(together, (batch, time, 3 * features))
        q, k, v = (
            ne.permute_dims(ne.reshape(part, (*shape[:2], *shape[3:])), (0, 2, 1, 3))
            for part in (parts[..., i * features : (i + 1) * features] for i in range(3))
        )
    else:
        parts = ne.permute_dims(ne.reshape(together, shape), (2, 0, 3, 1, 4))
        q, k, v = parts[0], parts[1], parts[2]
    y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    return ne.reshape(ne.permute_dims(y, (0, 2, 1, 3)), (batch * time, features))


@pytest.mark.parametrize("split", [True, False])
def test_parts_of_one_projection_are_read_and_written_in_place(split: bool) -> None:
    """Also the results lie as the next product reads them, and the gradients as one array."""
    rng = np.random.default_rng(1)
    w = rng.normal(size=(8, 24)).astype(np.float32)

    @ne.compile
    def slope(x: Any, w: Any) -> Any:
        def loss(x: Any, w: Any) -> Any:
            return ne.sum(projected(x, w, 2, split=split) @ w) / 2

        by_x, by_w = ne.grad(loss, argnums=(0, 1))(x, w)
        return by_x * 2, by_w * 2

    x = rng.normal(size=(3, 18, 8)).astype(np.float32)
    names = [str(task) for task in program_of(slope, x, w).plan.tasks]
    assert sum("attention" in name for name in names) == 2
    assert not any(part in name for name in names for part in ("copy", "pad", "join"))
    for n in (5, 2, 4):
        x = rng.normal(size=(n, 18, 8)).astype(np.float32)
        leaves = [ne.asarray(a).requires_grad_() for a in (x, w)]
        ne.sum(projected(*leaves, 2, split=split) @ leaves[1]).backward()
        for one, other in zip(slope(x, w), leaves, strict=True):
            np.testing.assert_allclose(one.numpy(), other.grad.numpy(), rtol=1e-4, atol=1e-4)
    assert len({id(entry.program) for entry in entries(slope)}) == 2
