"""Learning-rate schedules: by what number the rate is multiplied at each step.

A schedule is a few numbers and a function of the step; it keeps nothing, so a run that is taken up
again goes on where it was. The lengths of all of them count from the first step of the run, those
of a schedule behind a warm-up from the warm-up's end.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from neurona.core.errors import ArgumentError, choices, nearest


class Schedule:
    """The base of all schedules; a new one defines `factor`.

    >>> from neurona import optim
    >>> class EveryOther(optim.schedules.Schedule):
    ...     def factor(self, step, steps_per_epoch):
    ...         return 1.0 if step % 2 == 0 else 0.5
    >>> [EveryOther().factor(step, 100) for step in range(3)]
    [1.0, 0.5, 1.0]
    """

    name: ClassVar[str] = "schedule"

    def factor(self, step: int, steps_per_epoch: int) -> float:
        """What the initial rates are multiplied by at a step, 0-based over the whole run."""
        raise NotImplementedError(f"{type(self).__name__} must define factor")


@dataclass(frozen=True, kw_only=True)
class Constant(Schedule):
    """1: the rate stays."""

    name = "constant"

    def factor(self, step: int, steps_per_epoch: int) -> float:
        return 1.0


@dataclass(frozen=True, kw_only=True)
class StepDecay(Schedule):
    """factorᵏ: the rate is cut every `every` epochs, or at the epochs in `milestones`.

    k is how many cuts there have been, ⌊epoch / every⌋ or the number of milestones reached.
    """

    name = "step"
    cut: float = 0.1
    every: float | None = None
    milestones: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        _need(self, self.cut > 0, f"cut must be positive, not {self.cut}")
        given = self.milestones
        if (self.every is None) == (given is None):
            raise _error(self, "give the epochs between cuts, every=, or milestones=, one of both")
        if self.every is not None:
            _need(self, self.every > 0, f"every must be positive, not {self.every}")
        if given is not None:
            object.__setattr__(self, "milestones", tuple(given))
            _need(self, list(given) == sorted(given), f"milestones must rise: {given}")

    def factor(self, step: int, steps_per_epoch: int) -> float:
        epoch = step / steps_per_epoch
        if self.every is not None:
            return self.cut ** math.floor(epoch / self.every)
        return self.cut ** bisect_right(self.milestones or (), epoch)


@dataclass(frozen=True, kw_only=True)
class Exponential(Schedule):
    """decay^epoch, smoothly: the epoch is a fraction between its ends."""

    name = "exponential"
    decay: float = 0.95

    def __post_init__(self) -> None:
        _need(self, self.decay > 0, f"decay must be positive, not {self.decay}")

    def factor(self, step: int, steps_per_epoch: int) -> float:
        return float(self.decay ** (step / steps_per_epoch))


@dataclass(frozen=True, kw_only=True)
class InverseTime(Schedule):
    """1 / (1 + decay·step): the `decay` of Keras's earlier optimisers."""

    name = "inverse_time"
    decay: float = 1e-4

    def __post_init__(self) -> None:
        _need(self, self.decay >= 0, f"decay must not be negative, not {self.decay}")

    def factor(self, step: int, steps_per_epoch: int) -> float:
        return 1 / (1 + self.decay * step)


@dataclass(frozen=True, kw_only=True)
class Span(Schedule):
    """The base of schedules with a length, in epochs or in steps."""

    epochs: float | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        if (self.epochs is None) == (self.steps is None):
            raise _error(self, "give its length as epochs= or steps=, one of both")
        length = self.steps if self.epochs is None else self.epochs
        _need(self, length is not None and length > 0, f"the length must be positive, not {length}")

    def length(self, steps_per_epoch: int) -> float:
        """In steps."""
        return (self.epochs or 0) * steps_per_epoch if self.steps is None else self.steps


@dataclass(frozen=True, kw_only=True)
class Polynomial(Span):
    """end + (1 − end)(1 − t)^power, with t from 0 to 1 over the length; `end` after it.

    power 1 is a straight line down.
    """

    name = "polynomial"
    power: float = 1.0
    end: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _need(self, self.power > 0, f"power must be positive, not {self.power}")
        _need(self, self.end >= 0, f"end must not be negative, not {self.end}")

    def factor(self, step: int, steps_per_epoch: int) -> float:
        left = max(0.0, 1 - step / self.length(steps_per_epoch))
        return float(self.end + (1 - self.end) * left**self.power)


@dataclass(frozen=True, kw_only=True)
class Cosine(Span):
    """end + (1 − end)·(1 + cos πt)/2, with t from 0 to 1 over the length.

    Afterwards it stays at `end`, or with `restarts` starts again from 1, each round `stretch` times
    as long as the one before.

    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts" (2017), eq. 5.
    """

    name = "cosine"
    end: float = 0.0
    restarts: bool = False
    stretch: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _need(self, self.end >= 0, f"end must not be negative, not {self.end}")
        _need(self, self.stretch >= 1, f"stretch must be at least 1, not {self.stretch}")

    def factor(self, step: int, steps_per_epoch: int) -> float:
        length = self.length(steps_per_epoch)
        place = float(step)
        if self.restarts:
            while place >= length:
                if self.stretch == 1:
                    place %= length
                else:
                    place, length = place - length, length * self.stretch
        return _swing(1.0, self.end, place / length)


@dataclass(frozen=True, kw_only=True)
class OneCycle(Span):
    """From `start` up to 1 and down to `end`, both along half a cosine.

    rise: the share of the length that goes up. The learning rate of the optimiser is the top.

    Smith and Topin, "Super-convergence: very fast training of neural networks using large learning
    rates" (2018); the shape and the defaults are PyTorch's, whose momentum this leaves alone.
    """

    name = "one_cycle"
    rise: float = 0.3
    start: float = 1 / 25
    end: float = 1 / 25e4

    def __post_init__(self) -> None:
        super().__post_init__()
        _need(self, 0 <= self.rise <= 1, f"rise must be in 0…1, not {self.rise}")
        _need(self, self.start >= 0 and self.end >= 0, "start and end must not be negative")

    def factor(self, step: int, steps_per_epoch: int) -> float:
        length = self.length(steps_per_epoch)
        top, last = self.rise * length - 1, length - 1
        if step < top:
            return _swing(self.start, 1.0, step / top)
        return _swing(1.0, self.end, (step - top) / (last - top) if last > top else 1.0)


@dataclass(frozen=True, kw_only=True)
class WarmUp(Span):
    """(step + 1)/(n + 1) for n steps, then the schedule `then`, whose own step 0 is step n.

    n: `steps`, or as many as `epochs` have.

    Goyal et al., "Accurate, large minibatch SGD" (2017), section 2.2.

    >>> from neurona.optim.schedules import Cosine, WarmUp
    >>> schedule = WarmUp(steps=3, then=Cosine(epochs=2))
    >>> [round(schedule.factor(step, 2), 3) for step in range(8)]
    [0.25, 0.5, 0.75, 1.0, 0.854, 0.5, 0.146, 0.0]
    """

    name = "warm_up"
    then: Schedule = Constant()

    def factor(self, step: int, steps_per_epoch: int) -> float:
        steps = round(self.length(steps_per_epoch))
        if step < steps:
            return (step + 1) / (steps + 1)
        return self.then.factor(step - steps, steps_per_epoch)


SCHEDULES: dict[str, type[Schedule]] = {
    kind.name: kind
    for kind in (Constant, Cosine, Exponential, InverseTime, OneCycle, Polynomial, StepDecay)
}

_WARM_UP = {"warm_up": "steps", "warm_up_epochs": "epochs"}


def make_schedule(given: str | Mapping[str, Any] | Schedule, place: str = "schedule") -> Schedule:
    """The schedule of a name, or of {"name": …, and its arguments}; a schedule is its own.

    "warm_up" (steps) or "warm_up_epochs" puts a `WarmUp` in front of any of them.
    Raises `ArgumentError`, with the place, for names and arguments that are not known.

    >>> from neurona import optim
    >>> optim.make_schedule({"name": "cosine", "epochs": 10, "warm_up": 500})
    WarmUp(epochs=None, steps=500, then=Cosine(epochs=10, steps=None, end=0.0, restarts=False, \
stretch=1.0))
    """
    if isinstance(given, Schedule):
        return given
    options: dict[str, Any] = dict(given) if isinstance(given, Mapping) else {}
    name = options.pop("name", None) if isinstance(given, Mapping) else given
    if not isinstance(name, str):
        raise ArgumentError(
            f"{place}: a name of {', '.join(SCHEDULES)} is needed, with arguments as in "
            f'{{"name": "step", "every": 30}}, not {given!r}'
        )
    if name not in SCHEDULES:
        raise ArgumentError(f"{place}: unknown name {name!r}{choices(name, SCHEDULES)}")
    kind: Any = SCHEDULES[name]
    warm_up = {_WARM_UP[key]: options.pop(key) for key in _WARM_UP if key in options}
    known = [field.name for field in fields(kind)]
    for option, value in options.items():
        if option not in known:
            every = [*known, *_WARM_UP]
            raise ArgumentError(
                f"{place}: {name} has no option {option!r}{nearest(option, every)} "
                f"(known: {', '.join(every)})"
            )
        _check_kind(f"{place}: {option}", option, value)
    for option, value in warm_up.items():
        _check_kind(f"{place}: warm_up", option, value)
    try:
        made: Schedule = kind(**options)
        return WarmUp(**warm_up, then=made) if warm_up else made
    except ArgumentError as error:
        raise ArgumentError(f"{place}: {error}") from None


def _check_kind(place: str, option: str, value: Any) -> None:
    """Raise `ArgumentError` for a value of another kind than the option has."""
    if option == "restarts":
        right, wanted = isinstance(value, bool), "true or false"
    elif option == "milestones":
        right = isinstance(value, (list, tuple)) and all(_is_number(one) for one in value)
        wanted = "a list of numbers"
    elif option == "steps":
        right, wanted = isinstance(value, int) and not isinstance(value, bool), "a whole number"
    else:
        right, wanted = _is_number(value), "a finite number"
    if not right:
        raise ArgumentError(f"{place} must be {wanted}, not {value!r}")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _swing(first: float, last: float, t: float) -> float:
    """From one number to another along half a cosine, t from 0 to 1."""
    return last + (first - last) * (1 + math.cos(math.pi * min(t, 1.0))) / 2


def _error(schedule: Schedule, text: str) -> ArgumentError:
    return ArgumentError(f"{type(schedule).__name__}: {text}")


def _need(schedule: Schedule, condition: bool, text: str) -> None:
    if not condition:
        raise _error(schedule, text)
