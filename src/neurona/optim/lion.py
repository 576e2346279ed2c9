"""Lion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from neurona.core.op import Array
from neurona.core.tensor import Tensor
from neurona.core.variable import Variable
from neurona.ops.arithmetic import sign
from neurona.optim.optimizer import Optimizer, Slots, need, zeros


class Lion(Optimizer):
    """Lion: θ ← θ − γ(sign(β₁m + (1 − β₁)g) + λθ), m ← β₂m + (1 − β₂)g.

    θ is the parameter, γ `learning_rate`, β₁ and β₂ `betas`, λ `weight_decay`. Every element moves
    by the rate itself, so rates are three to ten times smaller than Adam's and decays as much
    larger.

    Chen et al., "Symbolic discovery of optimization algorithms" (2023), algorithm 2.
    """

    def __init__(
        self,
        parameters: Iterable[Variable] | Iterable[Mapping[str, Any]],
        learning_rate: float = 1e-4,
        *,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, learning_rate, betas=tuple(betas), weight_decay=weight_decay)

    def check(self, options: Any) -> None:
        need("Lion", len(options.betas) == 2, f"betas are two numbers, not {options.betas}")
        need("Lion", all(0 <= beta < 1 for beta in options.betas), "betas must be in [0, 1)")
        need("Lion", options.weight_decay >= 0, "weight_decay must not be negative")

    def init_single(self, parameter: Tensor, options: Any) -> Mapping[str, Array]:
        return {"first_moment": zeros(parameter)}

    def apply_single(
        self, parameter: Tensor, gradient: Tensor, slots: Slots, options: Any
    ) -> tuple[Tensor, Slots]:
        θ, g, γ, m = parameter, gradient, options.learning_rate, slots["first_moment"]
        β1, β2 = options.betas
        d = sign(β1 * m + (1 - β1) * g)
        if options.weight_decay:
            d = d + options.weight_decay * θ
        return θ - γ * d, {"first_moment": β2 * m + (1 - β2) * g}
