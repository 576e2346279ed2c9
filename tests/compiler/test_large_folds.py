"""Folding everything: shared by the threads, and as exact as a sum in blocks is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona.compiler.lower.fusion import LARGE

SHAPES = [(LARGE,), (LARGE + 3,), (1, 5 * LARGE + 1), (7, LARGE // 7 + 1), (3, 1, LARGE // 4, 2)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_large_folds_are_cut_into_chunks(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).integers(-3, 4, shape).astype(np.int32)
    x.flat[[5, -1]] = 9, -8
    for name in ("sum", "max", "min"):
        fold = ne.compile(getattr(ne, name))
        assert fold(x).numpy() == getattr(np, name)(x), name
        assert fold.explain(x).kernels[0].chunks > 1


@pytest.mark.parametrize("size", [1 << 20, 3_000_001])
@pytest.mark.parametrize("made", ["random", "normal"])
def test_large_sums_are_right_to_a_few_roundings(size: int, made: str) -> None:
    x = getattr(np.random.default_rng(1), made)(size=size).astype(np.float32)
    total, terms = x.sum(dtype=np.float64), np.abs(x).sum(dtype=np.float64)
    for f in (ne.sum, lambda x: ne.sum(ne.reshape(x, (1, -1)), axis=-1)[0]):
        assert abs(float(ne.compile(f)(x)) - total) <= 4 * 2.0**-24 * terms


@pytest.mark.parametrize("rows", [1, 3])
def test_softmax_of_long_rows(rows: int) -> None:
    x = np.random.default_rng(2).normal(size=(rows, 2 * LARGE + 5)).astype(np.float32)
    exact = np.exp(x.astype(np.float64) - x.max(-1, keepdims=True))
    exact /= exact.sum(-1, keepdims=True)
    softmax = ne.compile(lambda x: ne.nn.functional.softmax(x, dim=-1))
    np.testing.assert_allclose(softmax(x).numpy(), exact, rtol=16 * 2.0**-24)
    assert all(k.chunks >= min(rows, 2) for k in softmax.explain(x).kernels if k.bytes > 4 * LARGE)


FOLLOWERS: dict[str, Callable[[Any], Any]] = {
    "mean": lambda x: ne.mean(x),
    "spread": lambda x: x - ne.mean(x),
    "variance": lambda x: ne.mean((x - ne.mean(x)) ** 2),
    "two": lambda x: (ne.max(x), ne.sum(x), ne.sum(x, axis=0)),
    "gradient": lambda x: ne.grad(lambda y: ne.mean(y * y) / ne.max(y))(x),
}


@pytest.mark.parametrize("f", FOLLOWERS.values(), ids=FOLLOWERS.keys())
def test_what_follows_a_large_fold(f: Callable[[Any], Any]) -> None:
    x = ne.asarray(np.random.default_rng(3).uniform(1, 2, (13, LARGE // 13 + 1)), dtype=ne.float64)
    eager, compiled = f(x), ne.compile(f)(x)
    pairs = zip(eager, compiled, strict=True) if isinstance(eager, tuple) else [(eager, compiled)]
    for expected, actual in pairs:
        np.testing.assert_allclose(actual.numpy(), expected.numpy(), rtol=1e-12, atol=1e-13)
