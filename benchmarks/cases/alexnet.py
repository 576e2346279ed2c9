"""AlexNet in one column on 3×227×227, without dropout, SGD with momentum."""

from __future__ import annotations

from functools import partial

from benchmarks.case import Case, Tolerance
from benchmarks.networks import described, modules
from benchmarks.vision import picture_batches, vision_case

LEARNING_RATE = 0.001


def case_of(*, batch: int, side: int, classes: int = 1000, divide: int = 1) -> Case:
    """The case, with pictures of another size and thinner layers for tests."""
    sizes = {"side": side, "classes": classes, "divide": divide}
    return vision_case(
        "alexnet",
        f"AlexNet ungrouped on 3×{side}×{side}, softmax cross-entropy, SGD 0.001 momentum 0.9,"
        f" batch {batch}",
        described.alexnet(**sizes),
        partial(modules.alexnet, **sizes),
        learning_rate=LEARNING_RATE,
        batch=batch,
        make_batches=partial(picture_batches, count=8, batch=batch, side=side, classes=classes),
        gain=1.0,  # poolings make numbers larger, and nothing makes them smaller again
        # As in `resnet18`: after 4 steps PyTorch's two layouts are 1e-5 and 2e-2 apart; a learning
        # rate wrong by 1 % shows as 2e-3 in the loss.
        tolerance=Tolerance(steps=5, loss=2e-4, change=1e-1),
    )


CASE = case_of(batch=32, side=227)
