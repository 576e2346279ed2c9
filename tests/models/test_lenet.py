"""LeNet-5 as it was: its sub-sampling, its sparse convolution, its outputs; and as it is."""

from __future__ import annotations

import numpy as np
import pytest

import neurona as ne
from neurona import models, nn
from neurona.core.errors import ArgumentError, ShapeError
from neurona.models.digit_codes import CODES
from neurona.models.lenet import CONNECTED, ConnectedConv2d, RadialBasis, SubSampling, squash


def parameters(network: nn.Module) -> int:
    return sum(parameter.size for parameter in network.parameters())


def test_the_layers_of_the_first_lenet() -> None:
    network = models.OriginalLeNet5()
    counts = {name: parameters(layer) for name, layer in network.named_children()}
    assert counts == {
        "c1": 156, "s2": 12, "c3": 1516, "s4": 32, "c5": 48_120, "f6": 10_164, "output": 0,
    }  # fmt: skip
    # Six maps of three, nine of four, one of all; each map of S2 is seen by ten of C3.
    assert [len(seen) for seen in CONNECTED] == [3] * 6 + [4] * 9 + [6]
    assert [sum(i in seen for seen in CONNECTED) for i in range(6)] == [10] * 6
    assert len(set(CONNECTED)) == 16


def test_subsampling_is_a_weighted_sum_of_four(rng: np.random.Generator) -> None:
    layer = SubSampling(2, dtype=ne.float64)
    layer.weight.assign(np.array([0.5, -2.0]).reshape(2, 1, 1))
    layer.bias.assign(np.array([1.0, 3.0]).reshape(2, 1, 1))
    x = rng.standard_normal((3, 2, 4, 6))
    sums = x.reshape(3, 2, 2, 2, 3, 2).sum(axis=(3, 5))
    wanted = sums * layer.weight.numpy() + layer.bias.numpy()
    np.testing.assert_allclose(layer(x).numpy(), wanted, rtol=1e-12)


def test_kernels_that_are_not_there_are_zeros(rng: np.random.Generator) -> None:
    layer = ConnectedConv2d(3, ((0, 2), (1,)), 2, dtype=ne.float64)
    kernels = rng.standard_normal((3, 2, 2))
    layer.weight.assign(kernels)
    x = rng.standard_normal((2, 3, 4, 5))
    dense = np.zeros((2, 3, 2, 2))
    dense[0, 0], dense[0, 2], dense[1, 1] = kernels
    wanted = nn.functional.conv2d(x, dense, layer.bias)
    np.testing.assert_allclose(layer(x).numpy(), wanted.numpy(), rtol=1e-12)
    ne.sum(layer(x) ** 2).backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.shape == (3, 2, 2)


def test_outputs_are_distances_from_the_digits() -> None:
    codes = np.asarray(CODES)
    assert codes.shape == (10, 84)
    assert set(np.unique(codes)) == {-1.0, 1.0}
    layer = RadialBasis(CODES)
    y = layer(codes.astype(np.float32)).numpy()
    assert (np.diag(y) == 0).all()
    # Any two digits differ in seven dots or more, each worth (1 − −1)² = 4.
    assert y[~np.eye(10, dtype=bool)].max() <= -28
    with pytest.raises(ShapeError, match=r"must be \(batch, 84\)"):
        layer(np.zeros((2, 3), np.float32))


def test_squash() -> None:
    np.testing.assert_allclose(squash(ne.asarray([-1.0, 0.0, 1.0])).numpy(), [-1, 0, 1], atol=1e-4)


def test_the_first_lenet_takes_pictures_of_both_sizes(rng: np.random.Generator) -> None:
    network = models.OriginalLeNet5()
    x = rng.random((2, 1, 28, 28)).astype(np.float32)
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)))
    np.testing.assert_array_equal(network(x).numpy(), network(padded).numpy())


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu"])
def test_activations(activation: str) -> None:
    network = models.LeNet5(activation=activation, pooling="average")
    assert network(ne.zeros((2, 1, 28, 28))).shape == (2, 10)


def test_wrong_options() -> None:
    with pytest.raises(ArgumentError, match="did you mean 'max'"):
        models.LeNet5(pooling="maxi")
    with pytest.raises(ArgumentError, match="depth is one of 18, 34"):
        models.ResNet(depth=20)
    with pytest.raises(ArgumentError, match="did you mean 'cifar'"):
        models.resnet18(stem="cifar10")
    with pytest.raises(ArgumentError, match="depth is one of 11, 13, 16, 19"):
        models.VGG(depth=12)
