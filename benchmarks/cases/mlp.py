"""A multilayer perceptron on digits: 784-512-512-10 ReLU, softmax cross-entropy, Adam."""

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

BATCH = 128
WIDTHS = (784, 512, 512, 10)
LEARNING_RATE = 1e-3


def make_weights(rng: np.random.Generator) -> Arrays:
    return layer_weights(rng, {"0": (512, 784), "2": (512, 512), "4": (10, 512)})


def make_batches(rng: np.random.Generator) -> list[Batch]:
    return digit_batches(rng, count=16, batch=BATCH)


def build_neurona(problem: Problem, options: Mapping[str, Any]) -> Training:
    import neurona as ne
    from neurona import nn, optim

    model = nn.Sequential(
        nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
    )
    model.load_state_dict(problem.weights)
    optimizer = optim.Adam(model.parameters(), learning_rate=LEARNING_RATE)
    batches = problem.batches

    @ne.compile
    def train(x, labels):
        loss = nn.functional.cross_entropy(model(x), labels)
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

    model = nn.Sequential(
        nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
    )
    optimizer_of = partial(torch.optim.Adam, lr=LEARNING_RATE)
    return torch_training(problem, options, model, nn.functional.cross_entropy, optimizer_of)


def build_jax(problem: Problem, options: Mapping[str, Any]) -> Training:
    import jax

    from benchmarks.jax_training import adam, cross_entropy, jax_training

    def loss_of(p, buffers, x, labels):
        x = jax.nn.relu(x @ p["0.weight"].T + p["0.bias"])
        x = jax.nn.relu(x @ p["2.weight"].T + p["2.bias"])
        return cross_entropy(x @ p["4.weight"].T + p["4.bias"], labels), buffers

    return jax_training(problem, options, loss_of, adam(LEARNING_RATE))


CASE = Case(
    name="mlp",
    description="784-512-512-10 ReLU, softmax cross-entropy, Adam 1e-3, batch 128",
    batch=BATCH,
    flops=dense_flops(BATCH, WIDTHS),
    traffic=update_traffic(count_parameters(WIDTHS), slots=2) + FLOAT_BYTES * BATCH * (784 + 2),
    # Adam's bias correction in float32 is right to 1e-5 where 1 − βᵗ is computed plainly; a ReLU
    # that flips for it leads to 1e-4 in the loss and 7e-3 in the weights. A learning rate wrong by
    # 1 % shows as 2.5e-3 and 0.13.
    tolerance=Tolerance(steps=30, loss=5e-4, change=2e-2),
    make_weights=make_weights,
    make_batches=make_batches,
    builds={"neurona": build_neurona, "torch": build_torch, "jax": build_jax},
)
