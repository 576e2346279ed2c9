"""LeNet-5 with ReLU on digits: two 5×5 convolutions, max-pooling, 120-84-10; SGD with momentum."""

from __future__ import annotations

import numpy as np

from benchmarks.case import Batch, Case, Tolerance
from benchmarks.dense import digit_batches
from benchmarks.networks import described, modules
from benchmarks.vision import vision_case

BATCH = 128
LEARNING_RATE = 0.01


def make_batches(rng: np.random.Generator) -> list[Batch]:
    batches = digit_batches(rng, count=16, batch=BATCH)
    return [(x.reshape(BATCH, 1, 28, 28), labels) for x, labels in batches]


def case_of() -> Case:
    """The case."""
    return vision_case(
        "lenet",
        "LeNet-5 ReLU on 1×28×28, softmax cross-entropy, SGD 0.01 momentum 0.9, batch 128",
        described.lenet(),
        modules.lenet,
        learning_rate=LEARNING_RATE,
        batch=BATCH,
        make_batches=make_batches,
        tolerance=Tolerance(steps=30, loss=1e-4, change=1e-3),
    )


CASE = case_of()
