"""Adam."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from neurona.core.dtypes import float64
from neurona.core.op import Array
from neurona.core.tensor import Tensor
from neurona.core.variable import Variable
from neurona.ops.arithmetic import sqrt
from neurona.ops.operand import cast
from neurona.optim.optimizer import Optimizer, Slots, need, zeros


class Adam(Optimizer):
    """Adam: m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g²,
    θ ← θ − γ·m̂/(√v̂ + ε) with m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ).

    θ is the parameter, γ `learning_rate`, β₁ and β₂ `betas`, ε `eps`, t the number of steps that
    the parameter itself has seen. Defaults are the paper's.
    weight_decay: λ; g ← g + λθ, which the paper does not have; see `AdamW`.

    Kingma and Ba, "Adam: a method for stochastic optimization" (2015), algorithm 1.
    """

    def __init__(
        self,
        parameters: Iterable[Variable] | Iterable[Mapping[str, Any]],
        learning_rate: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            parameters, learning_rate, betas=tuple(betas), eps=eps, weight_decay=weight_decay
        )

    def check(self, options: Any) -> None:
        check_adam("Adam", options)

    def init_single(self, parameter: Tensor, options: Any) -> Mapping[str, Array]:
        return adam_slots(parameter)

    def apply_single(
        self, parameter: Tensor, gradient: Tensor, slots: Slots, options: Any
    ) -> tuple[Tensor, Slots]:
        θ, g = parameter, gradient
        if options.weight_decay:
            g = g + options.weight_decay * θ
        β1, β2 = options.betas
        t = slots["step"] + 1
        m = β1 * slots["first_moment"] + (1 - β1) * g
        v = β2 * slots["second_moment"] + (1 - β2) * g * g
        rate = options.learning_rate / one_minus_power(β1, t, θ)
        scale = 1 / sqrt(one_minus_power(β2, t, θ))
        θ = θ - rate * m / (sqrt(v) * scale + options.eps)
        return θ, {"first_moment": m, "second_moment": v, "step": t}


def one_minus_power(beta: float, t: Tensor, like: Tensor) -> Tensor:
    """1 − βᵗ in the dtype of `like`; computed in float64, since βᵗ is near 1 at first."""
    return cast(1 - beta ** cast(t, float64), like.dtype)


def adam_slots(parameter: Tensor) -> dict[str, Array]:
    """The moments and the number of steps, all 0."""
    return {
        "first_moment": zeros(parameter),
        "second_moment": zeros(parameter),
        "step": np.zeros((), np.int64),
    }


def check_adam(who: str, options: Any) -> None:
    """Raise `ArgumentError` for betas outside [0, 1) and negative eps and weight_decay."""
    need(who, len(options.betas) == 2, f"betas are two numbers, not {options.betas}")
    need(who, all(0 <= beta < 1 for beta in options.betas), "betas must be in [0, 1)")
    need(who, options.eps >= 0, "eps must not be negative")
    need(who, options.weight_decay >= 0, "weight_decay must not be negative")
