"""A language model of two GRU layers by character: 64 steps in time, Adam."""

from __future__ import annotations

from benchmarks.case import Case, Tolerance
from benchmarks.networks.recurrent import Sizes, recurrent_case

LEARNING_RATE = 1e-3


def case_of(*, batch: int, length: int, features: int) -> Case:
    """The case, with thinner layers and shorter sequences for tests."""
    return recurrent_case(
        "gru",
        Sizes("GRU", features, layers=2),
        batch=batch,
        length=length,
        learning_rate=LEARNING_RATE,
        tolerance=Tolerance(steps=20, loss=1e-4, change=1e-2),
    )


CASE = case_of(batch=32, length=64, features=256)
