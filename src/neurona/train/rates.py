"""Learning rates that follow a schedule."""

from __future__ import annotations

import math

import numpy as np

from neurona.core.errors import ArgumentError
from neurona.core.variable import Variable
from neurona.optim.optimizer import Optimizer
from neurona.optim.schedules import Schedule


class Rates:
    """The initial learning rates of an optimiser, and the schedule they follow."""

    def __init__(self, optimizer: Optimizer, schedule: Schedule | None) -> None:
        self.optimizer = optimizer
        self.schedule = schedule
        self.initial = [float(rate.numpy()) for rate in optimizer.rates]
        self._factor: float | None = None

    def set(self, step: int, steps_per_epoch: int) -> None:
        """Set the rates of a step, 0 for the first of the run.

        Raises `ArgumentError` for a factor that is negative or not finite.
        """
        if self.schedule is None:
            return
        factor = float(self.schedule.factor(step, steps_per_epoch))
        if factor == self._factor:
            return
        if not (factor >= 0 and math.isfinite(factor)):
            raise ArgumentError(
                f"schedule: {self.schedule!r} gives the factor {factor} at step {step}; it must be "
                "finite and not negative"
            )
        for rate, initial in self.with_initial():
            rate.assign(np.float64(initial * factor))
        self._factor = factor

    def with_initial(self) -> list[tuple[Variable, float]]:
        """Each learning rate with what it was at the beginning."""
        return list(zip(self.optimizer.rates, self.initial, strict=True))

    def now(self) -> float:
        """The first learning rate."""
        return float(self.optimizer.rates[0].numpy())
