"""Convolutions among their neighbours, in whatever order their axes lie, against eager mode."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import neurona as ne
from neurona import nn
from neurona.core.tensor import Tensor

functional = nn.functional


class Network:
    """A chain of layers drawn at random; the first entries of a step say which one."""

    def __init__(self, draw: Any) -> None:
        self.rng = np.random.default_rng(draw(st.integers(0, 1 << 20)))
        self.batch = draw(st.sampled_from((1, 2, 3, 17)))
        self.shape = (
            self.batch,
            draw(st.integers(1, 20)),
            draw(st.integers(3, 12)),
            draw(st.integers(3, 12)),
        )
        kinds = (
            "convolve", "widen", "normalise", "activate", "pool", "mean_pool", "residual", "concat",
            "pad", "scale", "crop", "turn", "double", "resize", "flatten_and_back",
        )  # fmt: skip
        self.steps = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=6))
        self.parameters: list[Tensor] = []
        self.place = 0

    def parameter(self, *shape: int) -> Tensor:
        if self.place == len(self.parameters):
            values = self.rng.normal(size=shape, scale=1 / np.sqrt(np.prod(shape[1:]) + 1))
            self.parameters.append(ne.asarray(values.astype(np.float32)))
        self.place += 1
        return self.parameters[self.place - 1]

    def __call__(self, x: Tensor) -> Tensor:
        self.place = 0
        x = self.convolve(x)
        for step in self.steps:
            x = getattr(self, step)(x)
        return x

    def convolve(self, x: Tensor) -> Tensor:
        w = self.parameter(7, x.shape[1], 3, 2)
        return functional.conv2d(x, w, self.parameter(7), padding=1)

    def widen(self, x: Tensor) -> Tensor:
        w = self.parameter(33, x.shape[1], 3, 3)
        return functional.conv2d(x, w, padding=1, stride=2)

    def normalise(self, x: Tensor) -> Tensor:
        if x.shape[0] * x.shape[2] * x.shape[3] < 4:
            return x
        gamma, beta = self.parameter(x.shape[1]), self.parameter(x.shape[1])
        return functional.batch_norm(x, None, None, gamma, beta, training=True, eps=0.1)

    def activate(self, x: Tensor) -> Tensor:
        return functional.silu(x)

    def pool(self, x: Tensor) -> Tensor:
        return functional.max_pool2d(x, 2, stride=1, padding=1)

    def mean_pool(self, x: Tensor) -> Tensor:
        return functional.avg_pool2d(x, 2, stride=1, padding=1)

    def residual(self, x: Tensor) -> Tensor:
        w = self.parameter(x.shape[1], x.shape[1], 1, 1)
        return functional.relu(x + functional.conv2d(x, w))

    def concat(self, x: Tensor) -> Tensor:
        return ne.concat([x, x * 2], axis=1) if x.shape[1] < 40 else x

    def pad(self, x: Tensor) -> Tensor:
        return ne.pad(x, ((0, 0), (0, 1), (1, 0), (0, 2)))

    def scale(self, x: Tensor) -> Tensor:
        gate = ne.sigmoid(ne.mean(x, axis=(2, 3), keepdims=True))
        return x * gate + self.parameter(x.shape[3])

    def crop(self, x: Tensor) -> Tensor:
        return x[:, :, 1:, ::2] if min(x.shape[2:]) > 2 else x

    def turn(self, x: Tensor) -> Tensor:
        return ne.permute_dims(x, (0, 1, 3, 2))

    def double(self, x: Tensor) -> Tensor:
        w = self.parameter(x.shape[1], 5, 2, 2)
        return functional.conv_transpose2d(x, w, stride=2)

    def resize(self, x: Tensor) -> Tensor:
        return functional.interpolate(x, (5, 4), mode="bilinear")

    def flatten_and_back(self, x: Tensor) -> Tensor:
        return ne.reshape(ne.reshape(x, (x.shape[0], -1)) * 0.5, x.shape)


def close(found: Any, wanted: Any) -> None:
    scale = max(1.0, float(np.max(np.abs(wanted), initial=0)))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=3e-4 * scale)


@given(st.data())
def test_random_networks_compiled_and_eagerly(data: st.DataObject) -> None:
    network = Network(data.draw)
    x = ne.asarray(network.rng.normal(size=network.shape).astype(np.float32))
    weights = ne.asarray(network.rng.normal(size=network(x).shape).astype(np.float32))

    def run(x: Tensor, weights: Tensor, *parameters: Tensor) -> list[Tensor]:
        def loss(x: Tensor, *parameters: Tensor) -> Tensor:
            network.parameters = list(parameters)
            return ne.sum(network(x) * weights)

        places = tuple(range(1 + len(parameters)))
        gradients = ne.grad(loss, places)(x, *parameters)
        return [loss(x, *parameters), *gradients]

    parameters = list(network.parameters)
    wanted = [y.numpy() for y in run(x, weights, *parameters)]
    found = [y.numpy() for y in ne.compile(run)(x, weights, *parameters)]
    for a, b in zip(found, wanted, strict=True):
        close(a, b)
