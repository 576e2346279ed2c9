"""Data, weights and counts that the dense cases share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from benchmarks.case import Arrays, Batch

FLOAT_BYTES = 4


def dense_flops(batch: int, widths: Sequence[int]) -> int:
    """FLOPs of one training step of a dense network, contractions only.

    Each layer multiplies three times (forward, weight gradient, input gradient) at
    2 · batch · in · out; the first layer needs no input gradient.
    """
    products = [inner * outer for inner, outer in pairwise(widths)]
    return 2 * batch * (3 * sum(products) - products[0])


def update_traffic(parameters: int, slots: int) -> int:
    """Least bytes an optimiser moves: parameters and slots read and written once.

    Gradients are left out: a fused step can use each one where it is produced.
    """
    return 2 * FLOAT_BYTES * parameters * (1 + slots)


def count_parameters(widths: Sequence[int]) -> int:
    """Weights and biases of a dense network."""
    return sum((inner + 1) * outer for inner, outer in pairwise(widths))


def layer_weights(
    rng: np.random.Generator, shapes: Mapping[str, tuple[int, int]], scale: float | None = None
) -> Arrays:
    """Weights and biases of linear layers, N(0, scale²); scale is 1/√in where it is not given.

    `shapes` maps a layer's name in the network to (out, in), PyTorch's layout.
    """
    arrays: Arrays = {}
    for name, (outer, inner) in shapes.items():
        deviation = inner**-0.5 if scale is None else scale
        arrays[f"{name}.weight"] = rng.normal(0, deviation, (outer, inner)).astype(np.float32)
        arrays[f"{name}.bias"] = rng.normal(0, deviation, outer).astype(np.float32)
    return arrays


def digit_batches(rng: np.random.Generator, *, count: int, batch: int) -> list[Batch]:
    """Pictures as sparse and as bright as MNIST's: (batch, 784) float32 in [0, 1], labels int64.

    Ten random pictures, one a class, each example a noisy copy of its class's. Every batch comes
    twice, a third of its labels drawn anew each time: nothing can learn that by heart, so that
    losses and gradients keep an ordinary size however many steps are timed.
    """
    prototypes = rng.random((10, 784)) * (rng.random((10, 784)) < 0.2)
    batches: list[Batch] = []
    for _ in range(count // 2):
        classes = rng.integers(0, 10, batch)
        noise = rng.normal(0, 0.3, (batch, 784)) * (rng.random((batch, 784)) < 0.2)
        images = np.clip(prototypes[classes] + noise, 0, 1).astype(np.float32)
        for _ in range(2):
            labels = np.where(rng.random(batch) < 1 / 3, rng.integers(0, 10, batch), classes)
            batches.append((images.copy(), labels))
    return batches
