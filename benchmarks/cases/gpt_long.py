"""A GPT that looks far back: 4 layers, d = 256, 512 positions, AdamW."""

from __future__ import annotations

from benchmarks.case import Case, Tolerance
from benchmarks.networks.gpt import Sizes, gpt_case

LEARNING_RATE = 3e-4


def case_of(*, batch: int, layers: int, heads: int, features: int, length: int) -> Case:
    """The case, with thinner layers and shorter sequences for tests."""
    return gpt_case(
        "gpt-long",
        Sizes(layers=layers, heads=heads, features=features, context=length),
        batch=batch,
        learning_rate=LEARNING_RATE,
        tolerance=Tolerance(steps=8, loss=1e-4, change=1e-2),
    )


CASE = case_of(batch=4, layers=4, heads=8, features=256, length=512)
