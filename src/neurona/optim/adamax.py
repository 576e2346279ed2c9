"""AdaMax."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from neurona.core.op import Array
from neurona.core.tensor import Tensor
from neurona.core.variable import Variable
from neurona.ops.arithmetic import abs, maximum
from neurona.optim.adam import check_adam, one_minus_power
from neurona.optim.optimizer import Optimizer, Slots, zeros


class AdaMax(Optimizer):
    """AdaMax: m ← β₁m + (1 − β₁)g, u ← max(β₂u, |g| + ε), θ ← θ − γ/(1 − β₁ᵗ)·m/u.

    θ is the parameter, γ `learning_rate`, β₁ and β₂ `betas`, t the number of steps that the
    parameter itself has seen. Adam with the largest gradient of late in place of the root of the
    mean square. ε, `eps`, is not in the paper; it keeps 0/0 out, as in PyTorch.
    weight_decay: λ; g ← g + λθ.

    Kingma and Ba, "Adam: a method for stochastic optimization" (2015), algorithm 2.
    """

    def __init__(
        self,
        parameters: Iterable[Variable] | Iterable[Mapping[str, Any]],
        learning_rate: float = 2e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            parameters, learning_rate, betas=tuple(betas), eps=eps, weight_decay=weight_decay
        )

    def check(self, options: Any) -> None:
        check_adam("AdaMax", options)

    def init_single(self, parameter: Tensor, options: Any) -> Mapping[str, Array]:
        return {
            "first_moment": zeros(parameter),
            "largest": zeros(parameter),
            "step": np.zeros((), np.int64),
        }

    def apply_single(
        self, parameter: Tensor, gradient: Tensor, slots: Slots, options: Any
    ) -> tuple[Tensor, Slots]:
        θ, g = parameter, gradient
        if options.weight_decay:
            g = g + options.weight_decay * θ
        β1, β2 = options.betas
        t = slots["step"] + 1
        m = β1 * slots["first_moment"] + (1 - β1) * g
        u = maximum(β2 * slots["largest"], abs(g) + options.eps)
        θ = θ - options.learning_rate / one_minus_power(β1, t, θ) * m / u
        return θ, {"first_moment": m, "largest": u, "step": t}
