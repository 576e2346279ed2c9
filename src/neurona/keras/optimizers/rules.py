"""Optimisers with Keras's arguments: objects that get the parameters when a model is compiled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from neurona.core.errors import ArgumentError, nearest
from neurona.core.variable import Variable
from neurona.keras.named import Configured, arguments, find
from neurona.keras.optimizers import updates
from neurona.keras.optimizers.schedules import SCHEDULES, LearningRateSchedule
from neurona.optim.optimizer import need
from neurona.optim.schedules import Schedule

Rate = float | LearningRateSchedule

COMMON = ("lr", "decay", "weight_decay", "clipnorm", "clipvalue", "global_clipnorm", "name")
ABSENT = {
    "use_ema": False,
    "ema_momentum": 0.99,
    "ema_overwrite_frequency": None,
    "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
}
"""Arguments of Keras's optimisers that are not there, with the values that change nothing."""


class Optimizer(Configured):
    """The base of all optimisers.

    - `learning_rate` (or `lr`, its old name): a number, which can be assigned while training, or
      one of `optimizers.schedules`.
    - `decay`: the rate becomes learning_rate/(1 + decay·t) after t steps.
    - `weight_decay`: λ of θ ← θ − γλθ before each step.
    - `clipnorm`: bound on the norm of each gradient, `global_clipnorm` on that of all together,
      `clipvalue` on every element; one of the three.
    """

    UPDATE: type[updates.Update]

    def __init__(self, learning_rate: Rate, **common: Any) -> None:
        who = type(self).__name__
        for name, value in common.items():
            if name in COMMON or (name in ABSENT and value == ABSENT[name]):
                continue
            if name in ABSENT:
                raise ArgumentError(f"{who}: Keras's argument {name!r} is not there; leave it out")
            known = [*arguments(type(self))[:-1], *COMMON]
            raise ArgumentError(
                f"{who}: no argument {name!r}{nearest(name, known)} (known: {', '.join(known)})"
            )
        if "lr" in common:
            learning_rate = common["lr"]
        if isinstance(learning_rate, Mapping):
            learning_rate = find("schedule", learning_rate, SCHEDULES)
        if isinstance(learning_rate, bool) or not isinstance(
            learning_rate, (int, float, LearningRateSchedule)
        ):
            raise ArgumentError(
                f"{who}: learning_rate is a number or one of keras.optimizers.schedules, not "
                f"{learning_rate!r}"
            )
        self.name = common.get("name") or who.lower()
        self.decay = common.get("decay") or 0.0
        self.weight_decay = common.get("weight_decay") or 0.0
        self.clipnorm = common.get("clipnorm")
        self.clipvalue = common.get("clipvalue")
        self.global_clipnorm = common.get("global_clipnorm")
        need(who, self.decay >= 0, f"decay must not be negative, {self.decay} is")
        need(who, self.weight_decay >= 0, "weight_decay must not be negative")
        clips = [self.clipnorm, self.clipvalue, self.global_clipnorm]
        need(who, sum(one is not None for one in clips) < 2, "give one way of clipping, not two")
        self._rate = learning_rate
        self._now = self.rate_at(0)
        self._made: updates.Update | None = None
        need(who, self._now >= 0, f"learning_rate must not be negative, {self._now} is")

    def options(self) -> dict[str, Any]:
        """The options of the update rule."""
        return {}

    def bind(self, parameters: Iterable[Variable]) -> updates.Update:
        """The optimiser of `neurona.optim`'s kind for these parameters, which starts anew."""
        self._made = self.UPDATE(
            parameters,
            1.0 if self.changes else self._now,
            clipnorm=self.clipnorm,
            weight_decay=self.weight_decay,
            **self.options(),
        )
        return self._made

    @property
    def changes(self) -> bool:
        """Whether the rate depends on the step."""
        return self.decay > 0 or isinstance(self._rate, LearningRateSchedule)

    def rate_at(self, step: int) -> float:
        """The learning rate of a step, 0 for the first."""
        if isinstance(self._rate, LearningRateSchedule):
            return float(self._rate(step))
        return self._rate / (1 + self.decay * step)

    @property
    def schedule(self) -> Schedule | None:
        """What `train.Model` asks for the rate of each step; None where it stays."""
        return Followed(self) if self.changes else None

    @property
    def learning_rate(self) -> float:
        """The rate of the last step by a schedule; else the one given, before `decay`."""
        return self._now if isinstance(self._rate, LearningRateSchedule) else self._rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        if isinstance(self._rate, LearningRateSchedule):
            raise ArgumentError(
                f"{type(self).__name__}: the learning rate follows {self._rate!r}; give a number "
                "to the constructor if it is to be assigned"
            )
        self._rate = self._now = float(value)
        if self._made is not None and not self.changes:
            self._made.learning_rate = self._now

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain data."""
        common = ("name", "decay", "weight_decay", "clipnorm", "clipvalue", "global_clipnorm")
        own = {name: getattr(self, name) for name in arguments(type(self)) if name != "common"}
        return {
            **own,
            "learning_rate": self._rate,
            **{name: getattr(self, name) for name in common},
        }


class Followed(Schedule):
    """The rate of an optimiser as a factor of 1, from which its rule starts."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer

    def factor(self, step: int, steps_per_epoch: int) -> float:
        self.optimizer._now = self.optimizer.rate_at(step)
        return self.optimizer._now


class SGD(Optimizer):
    """Gradient descent; with momentum Δ ← μΔ − γg, θ ← θ + Δ. See `updates.Momentum`.

    >>> from neurona.keras import optimizers
    >>> optimizers.SGD(lr=0.01, decay=1e-6, momentum=0.9, nesterov=True).learning_rate
    0.01
    """

    UPDATE = updates.Momentum

    def __init__(
        self,
        learning_rate: Rate = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, **common)
        need("SGD", 0 <= momentum <= 1, f"momentum must be in 0…1, {momentum} is not")
        self.momentum = momentum
        self.nesterov = nesterov

    def options(self) -> dict[str, Any]:
        return {"momentum": self.momentum, "nesterov": self.nesterov}


class Adam(Optimizer):
    """Adam with ε = 1e-7 beside √v; see `updates.Adam`."""

    UPDATE: type[updates.Update] = updates.Adam

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, **common)
        need(type(self).__name__, 0 <= beta_1 < 1 and 0 <= beta_2 < 1, "betas are in [0, 1)")
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.amsgrad = amsgrad

    def options(self) -> dict[str, Any]:
        betas = (self.beta_1, self.beta_2)
        return {"betas": betas, "epsilon": self.epsilon, "amsgrad": self.amsgrad}


class AdamW(Adam):
    """Adam with a decay of the weights, θ ← θ − γλθ, that does not pass through the moments."""

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(
            learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **common
        )


class Nadam(Optimizer):
    """Adam with Nesterov's momentum; see `updates.Nadam`."""

    UPDATE: type[updates.Update] = updates.Nadam

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, **common)
        need(type(self).__name__, 0 <= beta_1 < 1 and 0 <= beta_2 < 1, "betas are in [0, 1)")
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def options(self) -> dict[str, Any]:
        return {"betas": (self.beta_1, self.beta_2), "epsilon": self.epsilon}


class Adamax(Nadam):
    """Adam with the largest gradient in place of the mean square; see `updates.Adamax`."""

    UPDATE = updates.Adamax


class Lion(Optimizer):
    """Steps of one length, in the sign of the momentum; see `updates.Lion`."""

    UPDATE = updates.Lion

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, **common)
        need("Lion", 0 <= beta_1 < 1 and 0 <= beta_2 < 1, "betas are in [0, 1)")
        self.beta_1 = beta_1
        self.beta_2 = beta_2

    def options(self) -> dict[str, Any]:
        return {"betas": (self.beta_1, self.beta_2)}


class RMSprop(Optimizer):
    """Steps divided by the root of the mean square; see `updates.RMSprop`."""

    UPDATE = updates.RMSprop

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, **common)
        need("RMSprop", 0 <= rho < 1, f"rho must be in [0, 1), {rho} is not")
        self.rho = rho
        self.momentum = momentum
        self.epsilon = epsilon
        self.centered = centered

    def options(self) -> dict[str, Any]:
        names = ("rho", "momentum", "epsilon", "centered")
        return {name: getattr(self, name) for name in names}


class Adagrad(Optimizer):
    """Steps divided by the root of the sum of squares; see `updates.Adagrad`."""

    UPDATE = updates.Adagrad

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, **common)
        self.initial_accumulator_value = initial_accumulator_value
        self.epsilon = epsilon

    def options(self) -> dict[str, Any]:
        start = self.initial_accumulator_value
        return {"initial_accumulator_value": start, "epsilon": self.epsilon}


class Adadelta(Optimizer):
    """Steps in the measure of earlier steps; see `updates.Adadelta`."""

    UPDATE = updates.Adadelta

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-7,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, **common)
        need("Adadelta", 0 <= rho < 1, f"rho must be in [0, 1), {rho} is not")
        self.rho = rho
        self.epsilon = epsilon

    def options(self) -> dict[str, Any]:
        return {"rho": self.rho, "epsilon": self.epsilon}


OPTIMIZERS: dict[str, type[Optimizer]] = {
    cls.__name__.lower(): cls
    for cls in (SGD, Adam, AdamW, Adamax, Nadam, Lion, RMSprop, Adagrad, Adadelta)
}


def get(identifier: Any) -> Optimizer:
    """The optimiser of a name ("sgd", "RMSprop") or a configuration; an object is its own.

    Raises `ArgumentError` with the nearest name.

    >>> from neurona.keras import optimizers
    >>> optimizers.get("rmsprop").learning_rate
    0.001
    """
    known: dict[str, Any] = OPTIMIZERS | {cls.__name__: cls for cls in OPTIMIZERS.values()}
    found = find("optimizer", identifier, known, Optimizer)
    if not isinstance(found, Optimizer):
        raise ArgumentError(
            f"optimizer: one of keras.optimizers or its name is needed, not {identifier!r}"
        )
    return found
