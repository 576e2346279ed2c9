"""Sums of which one term counts are looked up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurona as ne

ROWS, COLUMNS = 7, 37


def picks(x: Any, labels: Any) -> Any:
    columns = ne.arange(COLUMNS)
    return ne.sum(ne.where(ne.expand_dims(labels, axis=-1) == columns, x * 2, 0.0), axis=-1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32], ids=str)
@pytest.mark.parametrize("kind", [np.int64, np.int32], ids=str)
def test_one_element_of_each_row(dtype: Any, kind: Any) -> None:
    x = np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS).astype(dtype)
    labels = np.array([0, COLUMNS - 1, 5, -1, COLUMNS, -100, 2**31 - 1], kind)
    expected = [2 * x[i, j] if 0 <= j < COLUMNS else 0 for i, j in enumerate(labels)]
    found = ne.compile(picks)
    np.testing.assert_array_equal(found(x, labels).numpy(), expected)
    np.testing.assert_array_equal(picks(ne.asarray(x), ne.asarray(labels)).numpy(), expected)
    if kind == np.int64:
        assert "for c0" not in str(found.explain(x, labels).loops(0))


def test_other_elements_do_not_count() -> None:
    x = np.full((ROWS, COLUMNS), np.nan, np.float32)
    labels = np.arange(ROWS)
    x[labels, labels] = [1.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, 3.0]
    found = ne.compile(picks)(x, labels).numpy()
    np.testing.assert_array_equal(found, picks(ne.asarray(x), ne.asarray(labels)).numpy())
    assert not np.signbit(found[1])


def test_cross_entropy_passes_over_its_logits_twice() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(64, 100)).astype(np.float32)
    labels = rng.integers(0, 100, 64)
    labels[3] = -100
    loss = ne.compile(ne.nn.functional.cross_entropy)
    explained = loss.explain(logits, labels)
    texts = [str(explained.loops(i)) for i in range(len(explained.kernels))]
    assert max(text.count("for c0") for text in texts) == 2
    exact = logits.astype(np.float64)
    exact = np.log(np.exp(exact).sum(-1)) - exact[np.arange(64), np.maximum(labels, 0)]
    np.testing.assert_allclose(float(loss(logits, labels)), exact[labels >= 0].mean(), rtol=1e-6)
