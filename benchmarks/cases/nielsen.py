"""The first network of Nielsen's book: 784-30-10 sigmoid, quadratic cost, plain SGD.

A step is 0.96 MFLOP: what is measured is the cost of a framework's step, not arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.case import Arrays, Batch, Case, Problem, Tolerance, Training
from benchmarks.dense import (
    FLOAT_BYTES,
    count_parameters,
    dense_flops,
    digit_batches,
    layer_weights,
    update_traffic,
)

BATCH = 10
WIDTHS = (784, 30, 10)
LEARNING_RATE = 3.0


def make_weights(rng: np.random.Generator) -> Arrays:
    return layer_weights(rng, {"0": (30, 784), "2": (10, 30)}, scale=1.0)


def make_batches(rng: np.random.Generator) -> list[Batch]:
    one_hot = np.eye(10, dtype=np.float32)
    return [(x, one_hot[y]) for x, y in digit_batches(rng, count=64, batch=BATCH)]


def build_neurona(problem: Problem, options: Mapping[str, Any]) -> Training:
    import neurona as ne
    from neurona import nn, optim

    model = nn.Sequential(nn.Linear(784, 30), nn.Sigmoid(), nn.Linear(30, 10), nn.Sigmoid())
    model.load_state_dict(problem.weights)
    optimizer = optim.SGD(model.parameters(), learning_rate=LEARNING_RATE)
    batches = problem.batches

    @ne.compile
    def train(x, target):
        loss = nn.functional.mse_loss(model(x), target, reduction="sum") * (0.5 / BATCH)
        loss.backward()
        optimizer.step()
        return loss

    return Training(
        step=lambda i: train(*batches[i % len(batches)]),
        state=model.state_dict,
        step_memory=lambda: train.explain(*batches[0]).memory.total,
    )


def build_torch(problem: Problem, options: Mapping[str, Any]) -> Training:
    from functools import partial

    import torch
    from torch import nn

    from benchmarks.torch_training import torch_training

    def loss_of(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return nn.functional.mse_loss(output, target, reduction="sum") * (0.5 / BATCH)

    model = nn.Sequential(nn.Linear(784, 30), nn.Sigmoid(), nn.Linear(30, 10), nn.Sigmoid())
    optimizer_of = partial(torch.optim.SGD, lr=LEARNING_RATE)
    return torch_training(problem, options, model, loss_of, optimizer_of)


def build_jax(problem: Problem, options: Mapping[str, Any]) -> Training:
    import jax
    import jax.numpy as jnp

    from benchmarks.jax_training import jax_training, sgd

    def loss_of(p, buffers, x, target):
        hidden = jax.nn.sigmoid(x @ p["0.weight"].T + p["0.bias"])
        output = jax.nn.sigmoid(hidden @ p["2.weight"].T + p["2.bias"])
        return jnp.sum((output - target) ** 2) * (0.5 / BATCH), buffers

    return jax_training(problem, options, loss_of, sgd(LEARNING_RATE))


CASE = Case(
    name="nielsen",
    description="784-30-10 sigmoid, quadratic cost, SGD 3.0, batch 10",
    batch=BATCH,
    flops=dense_flops(BATCH, WIDTHS),
    traffic=update_traffic(count_parameters(WIDTHS), slots=0) + FLOAT_BYTES * BATCH * (784 + 10),
    tolerance=Tolerance(steps=50, loss=1e-4, change=1e-3),
    make_weights=make_weights,
    make_batches=make_batches,
    builds={"neurona": build_neurona, "torch": build_torch, "jax": build_jax},
)
