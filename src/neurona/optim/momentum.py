"""Momentum with the learning rate inside the velocity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from neurona.core.op import Array
from neurona.core.tensor import Tensor
from neurona.core.variable import Variable
from neurona.optim.optimizer import Optimizer, Slots, need, zeros


class Momentum(Optimizer):
    """Gradient descent with momentum: Δ ← νΔ − ρg, θ ← θ + Δ.

    θ is the parameter, ρ `learning_rate`, ν `momentum`, λ `weight_decay`: g ← g + λθ.
    nesterov: θ ← θ + νΔ − ρg with the new Δ. That is Δ ← νΔ − ρ∇f(x + νΔ), x ← x + Δ written for
    the point θ = x + νΔ at which the gradient is taken.

    The rate stands inside the velocity, as in Keras: a rate that is cut slows only what comes in
    anew. In `SGD` it stands outside; as long as it stays the two are the same.

    Polyak, "Some methods of speeding up the convergence of iteration methods" (1964); Sutskever,
    Martens, Dahl and Hinton, "On the importance of initialization and momentum in deep learning"
    (2013), equations 1 to 4.
    """

    def __init__(
        self,
        parameters: Iterable[Variable] | Iterable[Mapping[str, Any]],
        learning_rate: float = 0.01,
        *,
        momentum: float = 0.9,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            parameters,
            learning_rate,
            momentum=momentum,
            nesterov=nesterov,
            weight_decay=weight_decay,
        )

    def check(self, options: Any) -> None:
        need("Momentum", options.momentum >= 0, "momentum must not be negative")
        need("Momentum", options.weight_decay >= 0, "weight_decay must not be negative")

    def init_single(self, parameter: Tensor, options: Any) -> Mapping[str, Array]:
        return {"change": zeros(parameter)}

    def apply_single(
        self, parameter: Tensor, gradient: Tensor, slots: Slots, options: Any
    ) -> tuple[Tensor, Slots]:
        θ, g, ρ, ν = parameter, gradient, options.learning_rate, options.momentum
        if options.weight_decay:
            g = g + options.weight_decay * θ
        Δ = ν * slots["change"] - ρ * g
        θ = θ + (ν * Δ - ρ * g if options.nesterov else Δ)
        return θ, {"change": Δ}
