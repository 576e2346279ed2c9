"""What the training cases on pictures share: data, and the builds for each framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from benchmarks.case import Batch, Case, Problem, Tolerance, Training
from benchmarks.dense import FLOAT_BYTES, update_traffic
from benchmarks.networks.layers import Description
from benchmarks.peers import Variant

MOMENTUM = 0.9
# Beside each peer's own variants.
LAYOUTS = {
    "torch": (
        Variant("channels-last", {"channels_last": True}),
        Variant("channels-last fused", {"channels_last": True, "fused": True}),
    ),
    "torch-compile": (
        Variant(
            "channels-last fused", {"compile": "forward", "fused": True, "channels_last": True}
        ),
        Variant("channels-last whole step", {"compile": "step", "channels_last": True}),
    ),
    "jax": (Variant("NHWC", {"layout": "NHWC"}),),
}


def picture_batches(
    rng: np.random.Generator, *, count: int, batch: int, side: int, classes: int
) -> list[Batch]:
    """Pictures (batch, 3, side, side), mean 0 and variance 1, and labels int64.

    Ten random pictures, one a class, each example a noisy copy of its class's. Every batch comes
    twice, a third of its labels drawn anew each time, so that nothing can learn them by heart.
    """
    shape = (3, side, side)
    prototypes = rng.standard_normal((10, *shape), dtype=np.float32)
    batches: list[Batch] = []
    for _ in range(count // 2):
        kinds = rng.integers(0, 10, batch)
        noise = rng.standard_normal((batch, *shape), dtype=np.float32)
        images = np.sqrt(np.float32(0.5)) * (prototypes[kinds] + noise)
        for _ in range(2):
            labels = np.where(rng.random(batch) < 1 / 3, rng.integers(0, 10, batch), kinds)
            batches.append((images, labels * (classes // 10)))
    return batches


def vision_case(
    name: str,
    description: str,
    net: Description,
    network: Callable[[Any], Any],
    *,
    learning_rate: float,
    batch: int,
    make_batches: Callable[[np.random.Generator], list[Batch]],
    tolerance: Tolerance,
    gain: float = 2.0,
    variants: Mapping[str, tuple[Variant, ...]] = LAYOUTS,
) -> Case:
    """A case of softmax cross-entropy and SGD with momentum.

    `network(nn)` makes the module from `neurona.nn` or `torch.nn`; `net` describes the same. `gain`
    is that of the initial weights.
    """

    def build_neurona(problem: Problem, options: Mapping[str, Any]) -> Training:
        import neurona as ne
        from neurona import nn, optim

        model = network(nn)
        model.load_state_dict(problem.weights, strict=False)  # but for num_batches_tracked
        optimizer = optim.SGD(model.parameters(), learning_rate=learning_rate, momentum=MOMENTUM)
        batches = problem.batches

        @ne.compile
        def train(x: Any, labels: Any) -> Any:
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
        import torch

        from benchmarks.torch_training import torch_training

        optimizer_of = partial(torch.optim.SGD, lr=learning_rate, momentum=MOMENTUM)
        loss_of = torch.nn.functional.cross_entropy
        return torch_training(problem, options, network(torch.nn), loss_of, optimizer_of)

    def build_jax(problem: Problem, options: Mapping[str, Any]) -> Training:
        from benchmarks.jax_training import cross_entropy, jax_training, momentum
        from benchmarks.networks.in_jax import forward

        layout = options.get("layout", "NCHW")

        def loss_of(p: Any, buffers: Any, x: Any, labels: Any) -> Any:
            logits, statistics = forward(net, p, buffers, x, layout)
            return cross_entropy(logits, labels), statistics

        rule = momentum(learning_rate, MOMENTUM)
        return jax_training(problem, options, loss_of, rule, net.buffers())

    pictures = int(np.prod(net.layers[0].shape))
    return Case(
        name=name,
        description=description,
        batch=batch,
        flops=net.training_flops(batch),
        traffic=update_traffic(net.parameters(), slots=1) + FLOAT_BYTES * batch * (pictures + 2),
        tolerance=tolerance,
        make_weights=partial(net.weights, gain=gain),
        make_batches=make_batches,
        builds={"neurona": build_neurona, "torch": build_torch, "jax": build_jax},
        variants=variants,
    )
