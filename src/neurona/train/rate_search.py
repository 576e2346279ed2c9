"""Finding a learning rate: a short run in which it grows until the loss explodes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurona.core.errors import ArgumentError, NonFiniteError
from neurona.core.variable import Variable
from neurona.ops.generator import DEFAULT, Generator
from neurona.optim.optimizer import Optimizer
from neurona.train.parts import Part
from neurona.train.selection import training_mode

if TYPE_CHECKING:
    from neurona.train.model import Model

SMOOTHING = 0.9
EXPLODED = 4.0


@dataclass(frozen=True)
class RateSearch:
    """What `find_learning_rate` saw.

    - `rates`, `losses`: (step,), the rate of each step and the loss of its batch, before the step.
    - `smoothed`: (step,), the losses' exponential mean, by which the search is judged.
    - `suggestion`: a tenth of the rate at which that was least: it still fell fast, and there is
      room before it rises.
    """

    rates: NDArray[Any]
    losses: NDArray[Any]
    smoothed: NDArray[Any]
    suggestion: float


def find_learning_rate(
    model: Model,
    x: Any,
    y: Any = None,
    *,
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 100,
    batch_size: int = 32,
    seed: int = 0,
) -> RateSearch:
    """Train for some steps at rates that grow by the same factor each, and look at the loss.

    model: compiled, with an optimizer; groups with rates of their own keep their ratio to the
        first. x, y, batch_size, seed: as for `Model.fit`; data may be served several times.
    It ends early when the smoothed loss is over four times its least value, or not finite.
    Afterwards weights, running statistics, optimizer and random numbers are, to the bit, as they
    were.

    Smith, "Cyclical learning rates for training neural networks" (2017), section 3.3.
    Raises `ArgumentError`, also when the loss is not finite at the lowest rate.

    >>> import numpy as np
    >>> from neurona import nn, train
    >>> model = train.Model(nn.Linear(1, 1))
    >>> model.compile("SGD", "mean_squared_error")
    >>> x = np.linspace(-1, 1, 64)[:, None]
    >>> found = train.find_learning_rate(model, x, 3 * x)
    >>> 0.01 < found.suggestion < 1
    True
    """
    optimizer = model.optimizer
    if optimizer is None:
        raise ArgumentError(
            "find_learning_rate: choose an optimizer first, as in model.compile('Adam', …)"
        )
    if not (0 < lowest < highest and math.isfinite(highest)):
        raise ArgumentError(
            f"find_learning_rate: lowest must be positive and below highest, found {lowest} and "
            f"{highest}"
        )
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 10:
        raise ArgumentError(
            f"find_learning_rate: steps must be a whole number of at least 10, not {steps!r}"
        )
    part = model.part(x if y is None else (x, y), "training", batch_size=batch_size, seed=seed)
    rates = np.geomspace(lowest, highest, steps)
    with _as_before(model, optimizer), training_mode(model.network, model.frozen):
        losses = list(_losses(model, optimizer, part, rates))
    if not losses:
        raise ArgumentError(
            "find_learning_rate: the loss is not finite at the first step, whatever the rate"
        )
    smoothed = smooth(losses)
    best = float(rates[int(np.argmin(smoothed))])
    return RateSearch(rates[: len(losses)], np.array(losses), smoothed, best / 10)


def _losses(model: Model, optimizer: Optimizer, part: Part, rates: NDArray[Any]) -> Iterator[float]:
    """The loss before the step at each rate, up to where it explodes."""
    initial = [float(rate.numpy()) for rate in optimizer.rates]
    ratios = [one / initial[0] if initial[0] else 1.0 for one in initial]
    batches = (batch for epoch in count() for batch in part.epoch(epoch))
    seen: list[float] = []
    for number, batch in zip(rates, batches, strict=False):
        for rate, ratio in zip(optimizer.rates, ratios, strict=True):
            rate.assign(np.float64(number * ratio))
        try:
            loss, *_ = model.steps.train(*batch)
        except NonFiniteError:
            return
        seen.append(loss.item())
        yield seen[-1]
        smoothed = smooth(seen)
        if smoothed[-1] > EXPLODED * smoothed.min():
            return


def smooth(losses: list[float]) -> NDArray[Any]:
    """mₜ = 0.9·mₜ₋₁ + 0.1·lₜ, divided by 1 − 0.9ᵗ, so that the first is the first loss."""
    mean, found = 0.0, []
    for t, loss in enumerate(losses, 1):
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        found.append(mean / (1 - SMOOTHING**t))
    return np.array(found)


@contextmanager
def _as_before(model: Model, optimizer: Optimizer) -> Iterator[None]:
    """Whatever steps change gets its old value at the end."""
    variables: list[Variable] = [
        *model.network.parameters(),
        *model.network.buffers(),
        *optimizer.rates,
        *[slot for group in optimizer.groups for slots in group.slots for slot in slots.values()],
    ]
    generators = {DEFAULT} | {
        value
        for module in model.network.modules()
        for value in vars(module).values()
        if isinstance(value, Generator)
    }
    old = [variable.numpy() for variable in variables]
    states = [(generator, generator.state) for generator in generators]
    try:
        yield
    finally:
        for variable, value in zip(variables, old, strict=True):
            variable.assign(value)
        for generator, state in states:
            generator.state = state
        model.steps.training.reset()
        optimizer.zero_grad()
