"""One step of Adam over 10 million parameters whose gradients are already there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.operation import EPSILON, Call, Expected, Group, Inputs, Operation
from benchmarks.peers import Variant
from benchmarks.sizes import normal

COUNT, SIZE = 10, 1000  # ten matrices of a million
LEARNING_RATE = 1e-3
STEPS = 3


def make_inputs(rng: np.random.Generator) -> Inputs:
    """Ten parameters and two sets of gradients, which take turns.

    With a single set m̂/√v̂ would be ±1 and the check blind to the moments.
    """
    return [normal(rng, SIZE, SIZE) for _ in range(3 * COUNT)]


def gradients_of(inputs: Inputs) -> list[Inputs]:
    return [inputs[COUNT : 2 * COUNT], inputs[2 * COUNT :]]


def expect(inputs: Inputs) -> list[Expected]:
    expected = []
    for start, *turns in zip(inputs[:COUNT], *gradients_of(inputs), strict=True):
        value = start.astype(np.float64)
        m = v = 0.0
        for t in range(1, STEPS + 1):
            g = turns[(t - 1) % 2].astype(np.float64)
            m = 0.9 * m + 0.1 * g
            v = 0.999 * v + 0.001 * g * g
            rate = LEARNING_RATE / (1 - 0.9**t)
            value -= rate * m / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        # 1 − βᵗ, computed plainly in float32, is right to 1e-4.
        allowed = 1e-4 * LEARNING_RATE * STEPS + STEPS * EPSILON * np.abs(start)
        expected.append(Expected(value, allowed))
    return expected


def build_neurona(inputs: Inputs, options: Mapping[str, Any]) -> Call:
    import neurona as ne
    from neurona import optim

    parameters = [ne.Variable(array) for array in inputs[:COUNT]]
    optimizer = optim.Adam(parameters, learning_rate=LEARNING_RATE)
    gradients = gradients_of(inputs)

    @ne.compile
    def update(given: Inputs) -> None:
        for parameter, gradient in zip(parameters, given, strict=True):
            parameter.grad = gradient
        optimizer.step()

    return Call(
        run=lambda i: update(gradients[i % 2]),
        arrays=lambda result: [parameter.numpy() for parameter in parameters],
    )


def build_torch(inputs: Inputs, options: Mapping[str, Any]) -> Call:
    import torch

    parameters = [torch.nn.Parameter(torch.tensor(array)) for array in inputs[:COUNT]]
    fused = True if options.get("fused") else None
    optimizer = torch.optim.Adam(parameters, lr=LEARNING_RATE, fused=fused)
    gradients = [[torch.from_numpy(array) for array in turn] for turn in gradients_of(inputs)]

    def update(i: int) -> None:
        for parameter, gradient in zip(parameters, gradients[i % 2], strict=True):
            parameter.grad = gradient
        optimizer.step()

    return Call(run=update, arrays=lambda result: [p.detach().numpy() for p in parameters])


SOURCE = Group(
    "adam",
    "an optimiser's update",
    (
        Operation(
            name="10M",
            description="Adam over 10 matrices of (1000, 1000), gradients given",
            make_inputs=make_inputs,
            expect=expect,
            builds={"neurona": build_neurona, "torch": build_torch},
            # The gradient is read; parameter and two moments are read and written.
            traffic=4 * COUNT * SIZE * SIZE * 7,
            checked_calls=STEPS,
            beside_copy=True,
            variants={"torch": (Variant("default", {}), Variant("fused", {"fused": True}))},
        ),
    ),
)
