"""NAdam."""

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
from neurona.optim.adam import adam_slots, check_adam, one_minus_power
from neurona.optim.optimizer import Optimizer, Slots, need


class NAdam(Optimizer):
    """NAdam, Adam with Nesterov's momentum: m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g²,
    m̂ = (1 − μₜ)/(1 − Πₜ)·g + μₜ₊₁/(1 − Πₜμₜ₊₁)·m, θ ← θ − γ·m̂/(√v̂ + ε), v̂ = v/(1 − β₂ᵗ).

    θ is the parameter, γ `learning_rate`, β₁ and β₂ `betas`, ε `eps`, t the number of steps that
    the parameter itself has seen, μₜ = β₁(1 − ½·0.96^(tψ)) with ψ `momentum_decay`, and Πₜ the
    product of all μ up to μₜ.
    weight_decay: λ; g ← g + λθ.

    Dozat, "Incorporating Nesterov momentum into Adam" (2016), algorithm 2 with the schedule of μ
    of its section 2; the defaults are PyTorch's.
    """

    def __init__(
        self,
        parameters: Iterable[Variable] | Iterable[Mapping[str, Any]],
        learning_rate: float = 2e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        momentum_decay: float = 4e-3,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            parameters,
            learning_rate,
            betas=tuple(betas),
            eps=eps,
            momentum_decay=momentum_decay,
            weight_decay=weight_decay,
        )

    def check(self, options: Any) -> None:
        check_adam("NAdam", options)
        need("NAdam", options.momentum_decay >= 0, "momentum_decay must not be negative")

    def init_single(self, parameter: Tensor, options: Any) -> Mapping[str, Array]:
        return {**adam_slots(parameter), "momentum_product": np.ones((), np.float64)}

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
        # The factors are near 1 and near 0: in float64 whatever the parameter is.
        time = cast(t, float64) * options.momentum_decay
        μ = β1 * (1 - 0.5 * 0.96**time)
        next_μ = β1 * (1 - 0.5 * 0.96 ** (time + options.momentum_decay))
        product = slots["momentum_product"] * μ
        of_g = cast((1 - μ) / (1 - product), θ.dtype)
        of_m = cast(next_μ / (1 - product * next_μ), θ.dtype)
        scale = 1 / sqrt(one_minus_power(β2, t, θ))
        θ = θ - options.learning_rate * (of_g * g + of_m * m) / (sqrt(v) * scale + options.eps)
        new = {"first_moment": m, "second_moment": v, "step": t, "momentum_product": product}
        return θ, new
