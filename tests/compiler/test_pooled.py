"""Rectifiers that move behind maxima over windows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn
from neurona.core.apply import apply
from neurona.graph.order import topological
from neurona.ops.window import WINDOW_MAX
from tests.compiler.graphs import Array
from tests.compiler.programs import program_of

F = nn.functional


def whole(shape: tuple[int, ...], seed: int = 0) -> Array:
    """Small whole numbers: sums are exact, and many are equal."""
    return np.random.default_rng(seed).integers(-2, 3, shape).astype(np.float32)


def pooled(compiled: Any, *args: Any) -> list[str]:
    """What the maxima over windows are taken of, each by its op."""
    nodes = topological(program_of(compiled, *args).outputs)
    return [node.inputs[0].op.name for node in nodes if node.op.name == "window_max"]


def check(function: Any, *arrays: Array) -> Any:
    """The compiled gradients by all arguments, which are just those of the eager function."""

    def slopes(*args: Any) -> Any:
        value, gradients = ne.value_and_grad(function, argnums=tuple(range(len(args))))(*args)
        return [value, *gradients]

    compiled = ne.compile(slopes)
    expected = slopes(*map(ne.asarray, arrays))
    for found, exact in zip(compiled(*arrays), expected, strict=True):
        np.testing.assert_array_equal(found.numpy(), exact.numpy())
    return compiled


@pytest.mark.parametrize("window", [(2, 2, 0), (3, 2, 1), (3, 1, 1)])
def test_bias_and_rectifier_follow(window: tuple[int, int, int]) -> None:
    """Also where windows overlap, where all of one is negative, and where maxima are equal."""
    size, stride, padding = window

    def function(x: Any, w: Any, b: Any, scale: Any) -> Any:
        y = F.relu(F.conv2d(x, w, b, padding=1))
        y = F.max_pool2d(y, size, stride, padding)
        return ne.sum(y * scale[:, :, : y.shape[2], : y.shape[3]])

    arrays = whole((3, 2, 8, 8)), whole((4, 2, 3, 3), 1), whole((4,), 2), whole((3, 4, 8, 8), 3)
    compiled = check(function, *arrays)
    assert pooled(compiled, *arrays) == ["conv"]


def test_what_differs_within_a_window_stays_before_it() -> None:
    def function(x: Any, b: Any) -> Any:
        return ne.sum(F.max_pool2d(F.relu(x + b), 2) ** 2)

    arrays = whole((2, 3, 6, 6)), whole((3, 6, 6), 1)
    assert pooled(check(function, *arrays), *arrays) == ["add"]


def test_a_rectified_value_with_other_readers_stays() -> None:
    def function(x: Any) -> Any:
        y = F.relu(x)
        return ne.sum(F.max_pool2d(y, 2)) + ne.sum(y**3)

    x = whole((2, 3, 6, 6))
    assert pooled(check(function, x), x) == ["where"]


def test_windows_in_the_padding_alone_count_as_before() -> None:
    """Their maximum is −∞, which no rectifier may change."""
    along = {"window": (1, 1, 2), "strides": (1, 1, 2), "dilation": (1, 1, 1)}
    padding = ((0, 0), (0, 0), (2, 0))
    function = ne.compile(lambda x: apply(WINDOW_MAX, F.relu(x), padding=padding, **along))
    x = whole((2, 3, 6))
    expected = np.concatenate(
        [np.full((2, 3, 1), -np.inf), np.maximum(x, 0).reshape(2, 3, 3, 2).max(3)], axis=2
    )
    np.testing.assert_array_equal(function(x).numpy(), expected)


def test_nan_and_infinity_keep_their_meaning() -> None:
    x, b = whole((1, 2, 4, 4)), np.asarray([[[1.0]], [[-1.0]]], np.float32)
    x[0, 0, 0, 0], x[0, 0, 2, 2], x[0, 1, 3, 3] = np.nan, np.inf, -np.inf
    function = ne.compile(lambda x, b: F.max_pool2d(F.relu(x + b), 2))
    rectified = np.where(x + b <= 0, 0, x + b)
    expected = rectified.reshape(1, 2, 2, 2, 2, 2).max(axis=(3, 5))
    np.testing.assert_array_equal(function(x, b).numpy(), expected)
    assert pooled(function, x, b) == ["input"]
