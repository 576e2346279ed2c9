"""Softmax regression on digits: 784→10, cross-entropy, SGD. Bound by reading the batch."""

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

BATCH = 256
WIDTHS = (784, 10)
LEARNING_RATE = 0.1


def make_weights(rng: np.random.Generator) -> Arrays:
    layer = layer_weights(rng, {"0": (10, 784)})
    return {"weight": layer["0.weight"], "bias": layer["0.bias"]}


def make_batches(rng: np.random.Generator) -> list[Batch]:
    return digit_batches(rng, count=16, batch=BATCH)


def build_neurona(problem: Problem, options: Mapping[str, Any]) -> Training:
    import neurona as ne
    from neurona import nn, optim

    model = nn.Linear(784, 10)
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

    from benchmarks.torch_training import torch_training

    model = torch.nn.Linear(784, 10)
    optimizer_of = partial(torch.optim.SGD, lr=LEARNING_RATE)
    loss_of = torch.nn.functional.cross_entropy
    return torch_training(problem, options, model, loss_of, optimizer_of)


def build_jax(problem: Problem, options: Mapping[str, Any]) -> Training:
    from benchmarks.jax_training import cross_entropy, jax_training, sgd

    def loss_of(p, buffers, x, labels):
        return cross_entropy(x @ p["weight"].T + p["bias"], labels), buffers

    return jax_training(problem, options, loss_of, sgd(LEARNING_RATE))


CASE = Case(
    name="logistic",
    description="784→10, softmax cross-entropy, SGD 0.1, batch 256",
    batch=BATCH,
    flops=dense_flops(BATCH, WIDTHS),
    traffic=update_traffic(count_parameters(WIDTHS), slots=0) + FLOAT_BYTES * BATCH * (784 + 2),
    tolerance=Tolerance(steps=50, loss=1e-4, change=1e-3),
    make_weights=make_weights,
    make_batches=make_batches,
    builds={"neurona": build_neurona, "torch": build_torch, "jax": build_jax},
)
