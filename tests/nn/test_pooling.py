"""Pooling: golden numbers, values and both derivatives against PyTorch, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn
from neurona.core.errors import ArgumentError, DTypeError, ShapeError
from neurona.nn import functional as F

CASES: tuple[tuple[str, tuple[int, ...], dict[str, Any]], ...] = (
    ("max_pool1d", (2, 3, 11), {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    ("max_pool2d", (2, 2, 7, 9), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ("max_pool2d", (1, 2, 8, 7), {"kernel_size": (2, 3), "dilation": (3, 2), "stride": 1}),
    ("max_pool2d", (2, 6, 5), {"kernel_size": 2, "ceil_mode": True}),
    ("max_pool2d", (1, 1, 12, 11), {"kernel_size": (11, 9), "stride": 1, "padding": (3, 4)}),
    ("max_pool3d", (1, 2, 4, 5, 3), {"kernel_size": (2, 3, 1), "stride": (1, 2, 1)}),
    ("avg_pool1d", (2, 3, 10), {"kernel_size": 4, "stride": 3, "padding": 2, "ceil_mode": True}),
    ("avg_pool2d", (2, 2, 7, 6), {"kernel_size": 3, "stride": 2, "padding": 1}),
    (
        "avg_pool2d",
        (1, 2, 6, 7),
        {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False},
    ),
    ("avg_pool2d", (2, 5, 5), {"kernel_size": (5, 2), "divisor_override": 7}),
    ("avg_pool2d", (1, 1, 12, 11), {"kernel_size": (11, 9), "stride": 1}),
    ("avg_pool3d", (1, 2, 3, 4, 5), {"kernel_size": (3, 2, 2), "ceil_mode": True}),
    ("adaptive_avg_pool2d", (2, 2, 7, 10), {"output_size": (3, 5)}),
    ("adaptive_avg_pool3d", (1, 2, 3, 5, 4), {"output_size": (4, 2, None)}),
    ("adaptive_max_pool1d", (2, 2, 9), {"output_size": 3}),
    ("adaptive_max_pool2d", (2, 7, 10), {"output_size": (3, 5)}),
    ("adaptive_max_pool3d", (1, 2, 3, 5, 4), {"output_size": 1}),
)


def with_ties(shape: tuple[int, ...], seed: int = 0) -> Any:
    """Small whole numbers, so that many maxima are equal."""
    return np.random.default_rng(seed).integers(-3, 3, shape).astype(np.float64)


@pytest.mark.parametrize(("name", "shape", "options"), CASES)
def test_pytorch_agrees_to_the_second_derivative(
    name: str, shape: tuple[int, ...], options: dict[str, Any]
) -> None:
    torch = pytest.importorskip("torch")
    x = with_ties(shape)
    ours, theirs = ne.asarray(x).requires_grad_(), torch.tensor(x, requires_grad=True)
    y, wanted = (
        getattr(F, name)(ours, **options),
        getattr(torch.nn.functional, name)(theirs, **options),
    )
    np.testing.assert_allclose(y.numpy(), wanted.detach().numpy(), rtol=1e-14)
    weights = with_ties(y.shape, 1)
    # Σ w·y³ has a second derivative that depends on which places were chosen.
    (first,) = torch.autograd.grad(
        (wanted**3 * torch.tensor(weights)).sum(), theirs, create_graph=True
    )
    (second,) = torch.autograd.grad((first * first).sum(), theirs)
    gradient = ne.grad(lambda x: ne.sum(getattr(F, name)(x, **options) ** 3 * weights))
    np.testing.assert_allclose(gradient(x).numpy(), first.detach().numpy(), rtol=1e-12, atol=1e-12)
    twice = ne.grad(lambda x: ne.sum(gradient(x) ** 2))
    np.testing.assert_allclose(twice(x).numpy(), second.numpy(), rtol=1e-12, atol=1e-10)
    if "max" in name:
        _, places = getattr(F, name)(x, **options, return_indices=True)
        _, known = getattr(torch.nn.functional, name)(theirs, **options, return_indices=True)
        np.testing.assert_array_equal(places.numpy(), known.numpy())


def test_pooling_2_by_2_with_stride_2_keeps_a_quarter() -> None:
    x = ne.zeros((1, 64, 224, 224))
    assert nn.MaxPool2d(2, stride=2)(x).size / x.size == 0.25
    assert nn.MaxPool2d(2, stride=2)(x).shape == (1, 64, 112, 112)


def test_nan_is_the_maximum_and_gets_the_gradient() -> None:
    x = ne.asarray([[1.0, np.nan, 5.0, 2.0, 2.0]]).requires_grad_()
    y = F.max_pool1d(x, 2, 1)
    np.testing.assert_array_equal(y.numpy(), [[np.nan, np.nan, 5, 2]])
    y.backward(ne.asarray([[1.0, 10.0, 100.0, 1000.0]]))
    np.testing.assert_array_equal(x.grad.numpy(), [[0, 11, 100, 1000, 0]])


POOLS: dict[str, Any] = {
    "max": lambda x: F.max_pool2d(x, 3, 2, 1),
    "max, dilated": lambda x: F.max_pool2d(x, 2, 1, dilation=2),
    "average": lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
    "global": lambda x: F.adaptive_avg_pool2d(x, 1),
    "adaptive": lambda x: F.adaptive_max_pool2d(x, (2, 3)),
}


@pytest.mark.parametrize("name", POOLS)
def test_one_program_serves_all_batches(name: str) -> None:
    def loss(x: Any) -> Any:
        return ne.sum(POOLS[name](x) ** 2)

    run = ne.compile(ne.grad(loss))
    for batch in (3, 5, 2):
        x = with_ties((batch, 2, 7, 6), batch).astype(np.float32)
        np.testing.assert_allclose(run(x), ne.grad(loss)(x).numpy(), rtol=1e-5, atol=1e-5)
    found = {id(entry.program) for entries in run.entries.values() for entry in entries}
    assert len(found) == 2


def test_whole_numbers_are_pooled_too() -> None:
    x = np.arange(16, dtype=np.uint8).reshape(1, 4, 4)
    assert F.max_pool2d(x, 2).tolist() == [[[5, 7], [13, 15]]]


def test_errors() -> None:
    x = np.ones((2, 3, 5, 4), np.float32)
    with pytest.raises(ShapeError) as caught:
        nn.Sequential(nn.Identity(), nn.MaxPool2d((2, 6)))(x)
    assert str(caught.value) == (
        "MaxPool2d '1': kernel_size 6 does not fit axis 3 of x (2, 3, 5, 4): "
        "⌊(4 + 2·0 − 1·(6 − 1) − 1)/6⌋ + 1 = 0; use a smaller kernel or more padding"
    )
    with pytest.raises(ShapeError, match=r"avg_pool1d: x \(2, 3, 5, 4\) must be \(batch, channels"):
        F.avg_pool1d(x, 2)
    with pytest.raises(ArgumentError, match="MaxPool2d: padding 2 is more than half of a window"):
        nn.MaxPool2d(3, padding=2)(x)
    with pytest.raises(
        ArgumentError, match="max_pool2d: stride must be a whole number of at least"
    ):
        F.max_pool2d(x, 2, 0)
    with pytest.raises(ArgumentError, match="AvgPool2d: divisor_override must not be 0"):
        nn.AvgPool2d(2, divisor_override=0)(x)
    with pytest.raises(ArgumentError, match="AdaptiveAvgPool2d: output_size must be a positive"):
        nn.AdaptiveAvgPool2d((0, 1))(x)
    with pytest.raises(ShapeError, match=r"AdaptiveMaxPool2d: x \(2, 3, 0, 4\) has an empty axis"):
        nn.AdaptiveMaxPool2d(1)(x[:, :, :0])
    with pytest.raises(DTypeError, match="AvgPool2d: x is int64; cast it to a float"):
        nn.AvgPool2d(2)(np.ones((1, 4, 4), np.int64))
    with pytest.raises(DTypeError, match="MaxPool2d: x is bool"):
        nn.MaxPool2d(2)(np.ones((1, 4, 4), np.bool_))
    with pytest.raises(
        ShapeError, match=r"BatchNorm2d: x \(2, 3, 5\) must be \(batch, channels, h"
    ):
        nn.BatchNorm2d(3)(x[:, :, :, 0])
