"""Derivatives of splits are put together by copies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurona as ne
from tests.compiler.test_control_flow import program_of


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("sections", [2, 4, [8, 24], [3, 0, 29]])
def test_gradients_of_splits(axis: int, sections: Any) -> None:
    def loss(x: Any) -> Any:
        parts = ne.split(ne.sin(x), sections, axis=axis)
        return sum(ne.sum(ne.exp(part) * (i + 1)) for i, part in enumerate(parts))

    x = np.random.default_rng(0).normal(size=(32, 32, 32)).astype(np.float32)
    for dtype in (np.float32, np.float64, np.float16):
        function = ne.compile(ne.grad(loss))
        found, expected = function(x.astype(dtype)), ne.grad(loss)(ne.asarray(x.astype(dtype)))
        np.testing.assert_allclose(found, expected, rtol=1e-5 if dtype != np.float16 else 1e-2)


def test_one_kernel_copies_the_parts() -> None:
    def loss(x: Any) -> Any:
        a, b, c = ne.split(x, [16, 48, 16], axis=1)
        return ne.sum(ne.sin(a)) + ne.sum(ne.exp(b)) + ne.sum(c[::-1] * 2)

    function = ne.compile(ne.grad(loss))
    x = np.random.default_rng(0).normal(size=(5, 80)).astype(np.float32)
    np.testing.assert_allclose(function(x), ne.grad(loss)(ne.asarray(x)), rtol=1e-6)
    assert "join" in [str(task) for task in program_of(function).plan.tasks]


def test_overlapping_and_missing_parts_are_added() -> None:
    def loss(x: Any) -> Any:
        return ne.sum(x[:20] ** 2) + ne.sum(x[18:40] ** 3) + ne.sum(x[44:] * 2)

    x = np.random.default_rng(0).normal(size=(64,)).astype(np.float32)
    found = ne.compile(ne.grad(loss))(x)
    np.testing.assert_allclose(found, ne.grad(loss)(ne.asarray(x)), rtol=1e-5)
