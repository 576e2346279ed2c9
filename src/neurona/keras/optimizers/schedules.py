"""Learning-rate schedules with Keras's names: functions step → rate, counted in steps from 0."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence

from neurona.core.errors import ArgumentError
from neurona.keras.named import Configured


class LearningRateSchedule(Configured):
    """The base of all schedules; one of your own defines `__call__(step)` with plain numbers."""

    def __call__(self, step: int) -> float:
        raise NotImplementedError(f"{type(self).__name__} must define __call__(self, step)")


class ExponentialDecay(LearningRateSchedule):
    """initial·decay_rate^(step/decay_steps); staircase: the exponent is rounded down.

    >>> from neurona.keras.optimizers import schedules
    >>> halved = schedules.ExponentialDecay(0.1, decay_steps=100, decay_rate=0.5, staircase=True)
    >>> [halved(step) for step in (0, 99, 100, 250)]
    [0.1, 0.1, 0.05, 0.025]
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
    ) -> None:
        _need(self, decay_steps > 0, f"decay_steps must be positive, not {decay_steps}")
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase

    def __call__(self, step: int) -> float:
        return self.initial_learning_rate * float(self.decay_rate ** self.passed(step))

    def passed(self, step: int) -> float:
        """How many times `decay_steps` are over."""
        times = step / self.decay_steps
        return math.floor(times) if self.staircase else times


class InverseTimeDecay(ExponentialDecay):
    """initial/(1 + decay_rate·step/decay_steps); staircase: the quotient is rounded down."""

    def __call__(self, step: int) -> float:
        return self.initial_learning_rate / (1 + self.decay_rate * self.passed(step))


class PiecewiseConstantDecay(LearningRateSchedule):
    """values[0] up to the step boundaries[0], values[1] up to boundaries[1], and so on."""

    def __init__(self, boundaries: Sequence[int], values: Sequence[float]) -> None:
        self.boundaries = list(boundaries)
        self.values = list(values)
        _need(self, len(self.values) == len(self.boundaries) + 1, "one value more is needed")
        _need(self, self.boundaries == sorted(self.boundaries), "boundaries must rise")

    def __call__(self, step: int) -> float:
        return float(self.values[bisect_left(self.boundaries, step)])


class PolynomialDecay(LearningRateSchedule):
    """From the initial rate to the end in decay_steps, (1 − t)^power; cycle: again and again.

    A cycle begins higher than the end and is as long as all before it, as in Keras.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
    ) -> None:
        _need(self, decay_steps > 0, f"decay_steps must be positive, not {decay_steps}")
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.end_learning_rate = end_learning_rate
        self.power = power
        self.cycle = cycle

    def __call__(self, step: int) -> float:
        length = self.decay_steps
        if self.cycle:
            length *= max(1, math.ceil(step / length))
        left = 1 - min(step, length) / length
        span = self.initial_learning_rate - self.end_learning_rate
        return float(span * left**self.power + self.end_learning_rate)


class CosineDecay(LearningRateSchedule):
    """Half a cosine from the initial rate to alpha times it in decay_steps.

    With `warmup_target` the rate first rises to that in `warmup_steps` and falls from there.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        *,
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        _need(self, decay_steps > 0, f"decay_steps must be positive, not {decay_steps}")
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.alpha = alpha
        self.warmup_target = warmup_target
        self.warmup_steps = warmup_steps

    def __call__(self, step: int) -> float:
        top = self.initial_learning_rate
        if self.warmup_target is not None:
            if step < self.warmup_steps:
                return top + (self.warmup_target - top) * step / self.warmup_steps
            top, step = self.warmup_target, step - self.warmup_steps
        share = 0.5 * (1 + math.cos(math.pi * min(step, self.decay_steps) / self.decay_steps))
        return top * ((1 - self.alpha) * share + self.alpha)


def _need(schedule: LearningRateSchedule, condition: bool, text: str) -> None:
    if not condition:
        raise ArgumentError(f"{type(schedule).__name__}: {text}")


SCHEDULES: dict[str, type[LearningRateSchedule]] = {
    cls.__name__: cls
    for cls in (
        CosineDecay,
        ExponentialDecay,
        InverseTimeDecay,
        PiecewiseConstantDecay,
        PolynomialDecay,
    )
}
