"""A deep network on digits: 784-256, nineteen layers 256-256, 256-10, tanh, SGD."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
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

BATCH = 512
DEPTH = 20
WIDTHS = (784, *[256] * DEPTH, 10)
LEARNING_RATE = 0.01


def make_weights(rng: np.random.Generator) -> Arrays:
    pairs = enumerate(pairwise(WIDTHS))
    return layer_weights(rng, {str(2 * i): (outer, inner) for i, (inner, outer) in pairs})


def make_batches(rng: np.random.Generator) -> list[Batch]:
    return digit_batches(rng, count=16, batch=BATCH)


def build_neurona(problem: Problem, options: Mapping[str, Any]) -> Training:
    import neurona as ne
    from neurona import nn, optim

    layers: list[nn.Module] = []
    for inner, outer in pairwise(WIDTHS):
        layers += [nn.Linear(inner, outer), nn.Tanh()]
    model = nn.Sequential(*layers[:-1])
    model.load_state_dict(problem.weights)
    optimizer = optim.SGD(model.parameters(), learning_rate=LEARNING_RATE)
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

    layers: list[nn.Module] = []
    for inner, outer in pairwise(WIDTHS):
        layers += [nn.Linear(inner, outer), nn.Tanh()]
    model = nn.Sequential(*layers[:-1])
    optimizer_of = partial(torch.optim.SGD, lr=LEARNING_RATE)
    return torch_training(problem, options, model, nn.functional.cross_entropy, optimizer_of)


def build_jax(problem: Problem, options: Mapping[str, Any]) -> Training:
    import jax.numpy as jnp

    from benchmarks.jax_training import cross_entropy, jax_training, sgd

    def loss_of(p, buffers, x, labels):
        for i in range(DEPTH):
            x = jnp.tanh(x @ p[f"{2 * i}.weight"].T + p[f"{2 * i}.bias"])
        logits = x @ p[f"{2 * DEPTH}.weight"].T + p[f"{2 * DEPTH}.bias"]
        return cross_entropy(logits, labels), buffers

    return jax_training(problem, options, loss_of, sgd(LEARNING_RATE))


CASE = Case(
    name="deep",
    description="784-256, 19 × 256-256, 256-10 tanh, softmax cross-entropy, SGD 0.01, batch 512",
    batch=BATCH,
    flops=dense_flops(BATCH, WIDTHS),
    traffic=update_traffic(count_parameters(WIDTHS), slots=0) + FLOAT_BYTES * BATCH * (784 + 2),
    tolerance=Tolerance(steps=30, loss=1e-4, change=1e-3),
    make_weights=make_weights,
    make_batches=make_batches,
    builds={"neurona": build_neurona, "torch": build_torch, "jax": build_jax},
)
