"""Keras's update rules, where they are not those of `neurona.optim`.

The differences are in where the learning rate and ε stand, so no choice of arguments turns one
into the other: a rate inside the velocity, ε beside √v without v's bias correction, ε under the
root.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from neurona import optim
from neurona.core.dtypes import float64
from neurona.core.op import Array
from neurona.core.tensor import Tensor
from neurona.core.variable import Variable
from neurona.ops.arithmetic import abs, maximum, sign, sqrt
from neurona.ops.operand import cast
from neurona.optim.adam import one_minus_power
from neurona.optim.optimizer import Optimizer, Slots, zeros


class Update(Optimizer):
    """What all rules share: decay of the weights, θ ← θ − γλθ before the rule, and clipping.

    clipnorm: bound on the norm of each gradient by itself.
    """

    def __init__(
        self,
        parameters: Iterable[Variable],
        learning_rate: float,
        *,
        clipnorm: float | None = None,
        **options: Any,
    ) -> None:
        self.clipnorm = clipnorm
        super().__init__(parameters, learning_rate, **options)

    def step(self) -> None:
        """Clip, then update the parameters with their gradients, and clear these."""
        for parameter in self.parameters:
            if self.clipnorm is not None and parameter.grad is not None:
                optim.clip_gradient_norm([parameter], self.clipnorm)
        super().step()

    def apply_single(
        self, parameter: Tensor, gradient: Tensor, slots: Slots, options: Any
    ) -> tuple[Tensor, Slots]:
        θ = parameter
        if options.weight_decay:
            θ = θ - options.learning_rate * options.weight_decay * θ
        return self.moved(θ, gradient, slots, options)

    def moved(self, θ: Tensor, g: Tensor, slots: Slots, options: Any) -> tuple[Tensor, Slots]:
        """The parameter and its slots after the rule."""
        raise NotImplementedError(f"{type(self).__name__} must define moved")


class Momentum(Update):
    """Δ ← μΔ − γg, θ ← θ + Δ; with `nesterov` θ ← θ + μΔ − γg.

    γ `learning_rate`, μ `momentum`. The rate stands inside Δ, as in Polyak (1964): after a change
    of the rate the old steps keep their length. `optim.SGD` has PyTorch's form.
    """

    def init_single(self, parameter: Tensor, options: Any) -> Mapping[str, Array]:
        return {"velocity": zeros(parameter)} if options.momentum else {}

    def moved(self, θ: Tensor, g: Tensor, slots: Slots, options: Any) -> tuple[Tensor, Slots]:
        γ, μ = options.learning_rate, options.momentum
        if not μ:
            return θ - γ * g, {}
        Δ = μ * slots["velocity"] - γ * g
        return θ + (μ * Δ - γ * g if options.nesterov else Δ), {"velocity": Δ}


class Adam(Update):
    """m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², θ ← θ − γ√(1 − β₂ᵗ)/(1 − β₁ᵗ)·m/(√v + ε).

    ε stands beside √v without its bias correction: the form that Kingma and Ba (2015) give at the
    end of their section 2. With `amsgrad` the largest v so far takes v's place.
    """

    def init_single(self, parameter: Tensor, options: Any) -> Mapping[str, Array]:
        slots = {"first_moment": zeros(parameter), "second_moment": zeros(parameter)}
        if options.amsgrad:
            slots["largest"] = zeros(parameter)
        return {**slots, "step": np.zeros((), np.int64)}

    def moved(self, θ: Tensor, g: Tensor, slots: Slots, options: Any) -> tuple[Tensor, Slots]:
        β1, β2 = options.betas
        t = slots["step"] + 1
        m = slots["first_moment"] + (1 - β1) * (g - slots["first_moment"])
        v = slots["second_moment"] + (1 - β2) * (g * g - slots["second_moment"])
        kept = {"first_moment": m, "second_moment": v, "step": t}
        if options.amsgrad:
            v = kept["largest"] = maximum(slots["largest"], v)
        α = options.learning_rate * sqrt(one_minus_power(β2, t, θ)) / one_minus_power(β1, t, θ)
        return θ - α * m / (sqrt(v) + options.epsilon), kept


class Adamax(Update):
    """m ← β₁m + (1 − β₁)g, u ← max(β₂u, |g|), θ ← θ − γ/(1 − β₁ᵗ)·m/(u + ε)."""

    def init_single(self, parameter: Tensor, options: Any) -> Mapping[str, Array]:
        start = zeros(parameter)
        return {"first_moment": start, "norm": start, "step": np.zeros((), np.int64)}

    def moved(self, θ: Tensor, g: Tensor, slots: Slots, options: Any) -> tuple[Tensor, Slots]:
        β1, β2 = options.betas
        t = slots["step"] + 1
        m = slots["first_moment"] + (1 - β1) * (g - slots["first_moment"])
        u = maximum(β2 * slots["norm"], abs(g))
        γ = options.learning_rate / one_minus_power(β1, t, θ)
        return θ - γ * m / (u + options.epsilon), {"first_moment": m, "norm": u, "step": t}


class Nadam(Update):
    """Adam with Nesterov's momentum, μₜ = β₁(1 − ½·0.96ᵗ): m and v as in Adam,
    m̂ = μₜ₊₁m/(1 − Πμ) + (1 − μₜ)g/(1 − Πμ), the first product up to t + 1, the second up to t,
    θ ← θ − γm̂/(√v̂ + ε) with v̂ = v/(1 − β₂ᵗ).

    Dozat, "Incorporating Nesterov momentum into Adam" (2016).
    """

    def init_single(self, parameter: Tensor, options: Any) -> Mapping[str, Array]:
        start = zeros(parameter)
        counted = {"step": np.zeros((), np.int64), "product": np.ones(())}
        return {"first_moment": start, "second_moment": start, **counted}

    def moved(self, θ: Tensor, g: Tensor, slots: Slots, options: Any) -> tuple[Tensor, Slots]:
        β1, β2 = options.betas
        t = slots["step"] + 1
        μ, μ_next = (β1 * (1 - 0.5 * 0.96 ** cast(n, float64)) for n in (t, t + 1))
        product = slots["product"] * μ
        m = slots["first_moment"] + (1 - β1) * (g - slots["first_moment"])
        v = slots["second_moment"] + (1 - β2) * (g * g - slots["second_moment"])
        of_m = cast(μ_next / (1 - product * μ_next), θ.dtype)
        of_g = cast((1 - μ) / (1 - product), θ.dtype)
        root = sqrt(v / one_minus_power(β2, t, θ))
        θ = θ - options.learning_rate * (of_m * m + of_g * g) / (root + options.epsilon)
        return θ, {"first_moment": m, "second_moment": v, "step": t, "product": product}


class Lion(Update):
    """θ ← θ − γ·sign(β₁m + (1 − β₁)g), m ← β₂m + (1 − β₂)g.

    Chen and others, "Symbolic discovery of optimization algorithms" (2023).
    """

    def init_single(self, parameter: Tensor, options: Any) -> Mapping[str, Array]:
        return {"first_moment": zeros(parameter)}

    def moved(self, θ: Tensor, g: Tensor, slots: Slots, options: Any) -> tuple[Tensor, Slots]:
        β1, β2 = options.betas
        m = slots["first_moment"]
        step = options.learning_rate * sign(β1 * m + (1 - β1) * g)
        return θ - step, {"first_moment": β2 * m + (1 - β2) * g}


class RMSprop(Update):
    """v ← ρv + (1 − ρ)g², d = γg/√(v + ε), θ ← θ − d, or with momentum Δ ← μΔ + d, θ ← θ − Δ.

    ε stands under the root. With `centered` the square of the mean gradient is taken off v.
    """

    def init_single(self, parameter: Tensor, options: Any) -> Mapping[str, Array]:
        names = ["square"] + ["mean"] * options.centered + ["velocity"] * bool(options.momentum)
        return {name: zeros(parameter) for name in names}

    def moved(self, θ: Tensor, g: Tensor, slots: Slots, options: Any) -> tuple[Tensor, Slots]:
        ρ, μ = options.rho, options.momentum
        v = ρ * slots["square"] + (1 - ρ) * g * g
        kept = {"square": v}
        if options.centered:
            mean = kept["mean"] = ρ * slots["mean"] + (1 - ρ) * g
            v = v - mean * mean
        d = options.learning_rate * g / sqrt(v + options.epsilon)
        if μ:
            d = kept["velocity"] = μ * slots["velocity"] + d
        return θ - d, kept


class Adagrad(Update):
    """s ← s + g² from `initial_accumulator_value`, θ ← θ − γg/√(s + ε)."""

    def init_single(self, parameter: Tensor, options: Any) -> Mapping[str, Array]:
        return {"sum": zeros(parameter) + parameter.dtype.type(options.initial_accumulator_value)}

    def moved(self, θ: Tensor, g: Tensor, slots: Slots, options: Any) -> tuple[Tensor, Slots]:
        s = slots["sum"] + g * g
        return θ - options.learning_rate * g / sqrt(s + options.epsilon), {"sum": s}


class Adadelta(Update):
    """s ← ρs + (1 − ρ)g², d = g√(u + ε)/√(s + ε), u ← ρu + (1 − ρ)d², θ ← θ − γd."""

    def init_single(self, parameter: Tensor, options: Any) -> Mapping[str, Array]:
        return {"square": zeros(parameter), "steps": zeros(parameter)}

    def moved(self, θ: Tensor, g: Tensor, slots: Slots, options: Any) -> tuple[Tensor, Slots]:
        ρ, ε = options.rho, options.epsilon
        s = ρ * slots["square"] + (1 - ρ) * g * g
        d = g * sqrt(slots["steps"] + ε) / sqrt(s + ε)
        u = ρ * slots["steps"] + (1 - ρ) * d * d
        return θ - options.learning_rate * d, {"square": s, "steps": u}
