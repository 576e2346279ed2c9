"""Group, instance and local response norm, and dropout of whole channels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn
from neurona.core.errors import ArgumentError, ShapeError
from neurona.nn import functional as F

RNG = np.random.default_rng(0)


def test_group_norm_lies_between_layer_norm_and_instance_norm() -> None:
    x = RNG.normal(size=(3, 4, 5, 2))
    whole, single = nn.GroupNorm(1, 4).astype(ne.float64), nn.GroupNorm(4, 4).astype(ne.float64)
    layer = nn.LayerNorm((4, 5, 2), elementwise_affine=False)
    np.testing.assert_allclose(whole(x).numpy(), layer(x).numpy(), rtol=1e-12)
    np.testing.assert_allclose(single(x).numpy(), nn.InstanceNorm2d(4)(x).numpy(), rtol=1e-12)


def test_local_response_norm_is_that_of_the_paper() -> None:
    """b_i = a_i/(k + α·Σ a_j²)^β over j from max(0, i − n/2) to min(N − 1, i + n/2)."""
    a = RNG.normal(size=(1, 9, 2, 2))
    k, n, alpha, beta = 2.0, 5, 1e-4, 0.75
    expected = np.empty_like(a)
    for i in range(9):
        near = a[:, max(0, i - n // 2) : min(8, i + n // 2) + 1]
        expected[:, i] = a[:, i] / (k + alpha * (near**2).sum(1)) ** beta
    found = F.local_response_norm(a, n, n * alpha, beta, k)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)


def test_local_response_norm_agrees_with_pytorch_to_the_second_derivative() -> None:
    torch = pytest.importorskip("torch")
    x, factor = RNG.normal(size=(2, 6, 3)), RNG.normal(size=(2, 6, 3))
    theirs = torch.tensor(x, requires_grad=True)
    y = torch.nn.functional.local_response_norm(theirs, 3, 2.0, 0.75, 1.5)
    (first,) = torch.autograd.grad((y * torch.tensor(factor)).sum(), theirs, create_graph=True)
    (second,) = torch.autograd.grad((first**2).sum(), theirs)
    gradient = ne.grad(lambda x: ne.sum(F.local_response_norm(x, 3, 2.0, 0.75, 1.5) * factor))
    np.testing.assert_allclose(gradient(x).numpy(), first.detach().numpy(), rtol=1e-10, atol=1e-12)
    twice = ne.grad(lambda x: ne.sum(gradient(x) ** 2))
    np.testing.assert_allclose(twice(x).numpy(), second.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("layer", "shape", "axes"),
    [
        (nn.Dropout1d(0.5), (8, 50, 3), (2,)),
        (nn.Dropout2d(0.5), (50, 3, 2), (1, 2)),
        (nn.Dropout3d(0.5), (4, 50, 2, 1, 2), (2, 3, 4)),
    ],
    ids=["1", "2, one sample", "3"],
)
def test_channels_are_dropped_whole(layer: Any, shape: tuple[int, ...], axes: Any) -> None:
    ne.random.seed(0)
    y = layer(np.ones(shape, np.float32)).numpy()
    assert (y == y.max(axes, keepdims=True)).all()
    assert set(np.unique(y)) == {0.0, 2.0}
    np.testing.assert_array_equal(layer.eval()(np.ones(shape, np.float32)).numpy(), 1)


@pytest.mark.parametrize("layer", [nn.AlphaDropout(0.3), nn.FeatureAlphaDropout(0.3)])
def test_alpha_dropout_keeps_mean_and_variance(layer: Any) -> None:
    ne.random.seed(0)
    x = RNG.normal(size=(400, 100, 2)).astype(np.float32)
    y = layer(x).numpy()
    assert abs(y.mean()) < 0.02
    assert abs(y.var() - 1) < 0.03
    _, counts = np.unique(y, return_counts=True)
    assert abs(counts.max() / y.size - 0.3) < 0.01  # all that is dropped has one value
    np.testing.assert_array_equal(layer.eval()(x).numpy(), x)


def test_errors() -> None:
    x = np.ones((2, 6, 4), np.float32)
    with pytest.raises(ArgumentError, match="num_channels 6 cannot be divided into 4 groups"):
        nn.GroupNorm(4, 6)
    with pytest.raises(ShapeError, match=r"the 6 channels \(axis 1\) of x \(2, 6, 4\) cannot be"):
        F.group_norm(x, 4)
    with pytest.raises(ShapeError, match=r"GroupNorm: x \(2, 6, 4\) must be .* with 3 channels"):
        nn.GroupNorm(3, 3)(x)
    with pytest.raises(ShapeError, match="weight has shape"):
        F.group_norm(x, 2, np.ones(3, np.float32))
    with pytest.raises(
        ShapeError, match=r"InstanceNorm2d: x \(2, 6, 4\) must be .* with 6 channels"
    ):
        nn.InstanceNorm2d(6)(x)
    with pytest.raises(ShapeError, match="has 1 value; its variance needs more"):
        nn.InstanceNorm1d(6)(x[:, :, :1])
    with pytest.raises(ArgumentError, match="without use_input_stats"):
        F.instance_norm(x, use_input_stats=False)
    with pytest.raises(ShapeError, match="local_response_norm: x"):
        F.local_response_norm(x[0], 3)
    with pytest.raises(
        ShapeError, match=r"Dropout2d: x \(2, 6\) must be \(batch, channels, height"
    ):
        nn.Dropout2d()(x[:, :, 0])
