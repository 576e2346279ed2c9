"""Adadelta."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from neurona.core.op import Array
from neurona.core.tensor import Tensor
from neurona.core.variable import Variable
from neurona.ops.arithmetic import sqrt
from neurona.optim.optimizer import Optimizer, Slots, need, zeros


class Adadelta(Optimizer):
    """Adadelta: v ← ρv + (1 − ρ)g², Δ = −√(u + ε)/√(v + ε)·g, u ← ρu + (1 − ρ)Δ², θ ← θ + γΔ.

    θ is the parameter, ρ `rho`, ε `eps`. Steps are in the parameter's own unit, so the paper has no
    rate: γ, `learning_rate`, is 1. They begin small, about √ε.
    weight_decay: λ; g ← g + λθ.

    Zeiler, "ADADELTA: an adaptive learning rate method" (2012), algorithm 1; ρ and ε as in its
    section 4. PyTorch's ρ is 0.9.
    """

    def __init__(
        self,
        parameters: Iterable[Variable] | Iterable[Mapping[str, Any]],
        learning_rate: float = 1.0,
        *,
        rho: float = 0.95,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, learning_rate, rho=rho, eps=eps, weight_decay=weight_decay)

    def check(self, options: Any) -> None:
        need("Adadelta", 0 <= options.rho < 1, "rho must be in [0, 1)")
        need("Adadelta", options.eps > 0, "eps must be positive, or nothing would ever move")
        need("Adadelta", options.weight_decay >= 0, "weight_decay must not be negative")

    def init_single(self, parameter: Tensor, options: Any) -> Mapping[str, Array]:
        return {"mean_square": zeros(parameter), "mean_square_change": zeros(parameter)}

    def apply_single(
        self, parameter: Tensor, gradient: Tensor, slots: Slots, options: Any
    ) -> tuple[Tensor, Slots]:
        θ, g, ρ, ε = parameter, gradient, options.rho, options.eps
        if options.weight_decay:
            g = g + options.weight_decay * θ
        u = slots["mean_square_change"]
        v = ρ * slots["mean_square"] + (1 - ρ) * g * g
        Δ = -sqrt(u + ε) / sqrt(v + ε) * g
        θ = θ + options.learning_rate * Δ
        return θ, {"mean_square": v, "mean_square_change": ρ * u + (1 - ρ) * Δ * Δ}
