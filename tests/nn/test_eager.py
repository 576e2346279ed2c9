"""Eager convolution, pooling and attention by compiled kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn
from neurona.core.tensor import Tensor
from neurona.nn import eager, eager_scan
from neurona.nn import functional as F


def found(x: Any, w: Any) -> list[Any]:
    """A convolution, a pooling and their gradients."""
    image, weight = (ne.asarray(a).requires_grad_() for a in (x, w))
    y = F.conv2d(image, weight, padding=1, stride=2)
    pooled = F.max_pool2d(y, 2)
    assert isinstance(pooled, Tensor)
    ne.sum(pooled * pooled).backward()
    return [y.numpy(), pooled.numpy(), image.grad.numpy(), weight.grad.numpy()]


def test_kernels_give_what_numpy_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(2, 3, 9, 8)).astype(np.float32)
    w = rng.normal(size=(4, 3, 3, 3)).astype(np.float32)
    expected = found(x, w)
    monkeypatch.setattr(eager, "LEAST_TIME", 0)
    eager._kernel.cache_clear()
    for one, other in zip(found(x, w), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    assert eager._kernel.cache_info().currsize == 6
    # More shapes than kernels are made for: NumPy again, bit for bit.
    monkeypatch.setattr(eager, "MOST_SHAPES", 1)
    more = np.concatenate([x, x])
    computed = found(more, w)
    monkeypatch.setattr(eager, "LEAST_TIME", float("inf"))
    for one, other in zip(computed, found(more, w), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_has_much_to_do_is_known_from_the_shapes() -> None:
    """LeNet's first layer on a batch is worth a kernel, on one digit it is not."""
    attrs: dict[str, Any] = {
        "strides": (1, 1),
        "padding": ((2, 2), (2, 2)),
        "dilation": (1, 1),
        "groups": 1,
        "layout": "channels first",
    }
    w = np.zeros((6, 1, 5, 5), np.float32)
    times = [
        eager.convolution_time(eager.CONV, np.zeros((n, 1, 28, 28), np.float32), w, **attrs)
        for n in (1, 128)
    ]
    assert times[0] < eager.LEAST_TIME < times[1]


def test_attention_by_a_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    q, k, v = (rng.normal(size=(2, 2, n, 4)).astype(np.float32) for n in (5, 7, 7))

    def attended() -> list[Any]:
        leaves = [ne.asarray(x).requires_grad_() for x in (q, k, v)]
        y = F.scaled_dot_product_attention(*leaves)
        ne.sum(y * y).backward()
        return [y.numpy(), *[leaf.grad.numpy() for leaf in leaves]]

    expected = attended()
    monkeypatch.setattr(eager, "LEAST_TIME", 0)
    before = eager._kernel.cache_info().currsize
    for one, other in zip(attended(), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    assert eager._kernel.cache_info().currsize == before + 2


def test_loops_by_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    ne.random.seed(0)
    layer = nn.GRU(3, 4, bidirectional=True)
    x = np.random.default_rng(4).normal(size=(5, 2, 3)).astype(np.float32)

    def read() -> list[Any]:
        leaf = ne.asarray(x).requires_grad_()
        y, h = layer(leaf, lengths=[5, 3])
        (ne.sum(y * y) + ne.sum(h)).backward()
        slopes = [parameter.grad.numpy() for parameter in layer.parameters()]
        for parameter in layer.parameters():
            parameter.grad = None
        return [y.numpy(), h.numpy(), leaf.grad.numpy(), *slopes]

    expected = read()
    monkeypatch.setattr(eager_scan, "LEAST_TIME", 0)
    monkeypatch.setattr(eager_scan, "LOOPS", {})
    for _ in range(2):
        for one, other in zip(read(), expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
        assert len(eager_scan.LOOPS) == 4  # there and back, in two directions; found again
    monkeypatch.setattr(eager_scan, "MOST_LOOPS", 4)
    layer(x[:4])
    assert len(eager_scan.LOOPS) == 4
