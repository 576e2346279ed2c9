"""A small GPT by character: 4 layers, d = 128, 64 positions, AdamW."""

from __future__ import annotations

from benchmarks.case import Case, Tolerance
from benchmarks.networks.gpt import Sizes, gpt_case

LEARNING_RATE = 1e-3
SIZES = Sizes(layers=4, heads=4, features=128, context=64)


def case_of(*, batch: int, layers: int, heads: int, features: int, length: int) -> Case:
    """The case, with thinner layers and shorter sequences for tests."""
    return gpt_case(
        "gpt",
        Sizes(layers=layers, heads=heads, features=features, context=length),
        batch=batch,
        learning_rate=LEARNING_RATE,
        tolerance=Tolerance(steps=20, loss=1e-4, change=1e-2),
    )


CASE = case_of(batch=12, layers=4, heads=4, features=128, length=64)
