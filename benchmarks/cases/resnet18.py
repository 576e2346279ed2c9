"""ResNet-18 for small pictures: 3×32×32, batch normalisation, SGD with momentum."""

from __future__ import annotations

from functools import partial

from benchmarks.case import Case, Tolerance
from benchmarks.networks import described, modules
from benchmarks.vision import picture_batches, vision_case

LEARNING_RATE = 0.001
CLASSES = 10


def case_of(*, batch: int, side: int, divide: int = 1) -> Case:
    """The case, with pictures of another size and thinner layers for tests."""
    sizes = {"side": side, "classes": CLASSES, "divide": divide}
    return vision_case(
        "resnet18",
        f"ResNet-18 on 3×{side}×{side}, softmax cross-entropy, SGD 0.001 momentum 0.9,"
        f" batch {batch}",
        described.resnet18(**sizes),
        partial(modules.resnet18, **sizes),
        learning_rate=LEARNING_RATE,
        batch=batch,
        make_batches=partial(picture_batches, count=16, batch=batch, side=side, classes=CLASSES),
        # Rounding that turns a ReLU on or off changes gradients by some 5e-3, and every step
        # carries that on: PyTorch's two layouts are 2e-5 (loss) and 2e-2 (weights) apart after 6
        # steps, float64 is about as far. Fast convolutions that round ten times as much are let
        # through; a learning rate wrong by 1 % shows as 7e-4 in the loss.
        tolerance=Tolerance(steps=6, loss=3e-4, change=1e-1),
    )


CASE = case_of(batch=64, side=32)
