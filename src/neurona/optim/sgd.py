"""Gradient descent, with momentum in two forms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from neurona.core.op import Array
from neurona.core.tensor import Tensor
from neurona.core.variable import Variable
from neurona.ops.compare import where
from neurona.optim.optimizer import Optimizer, Slots, need, zeros


class SGD(Optimizer):
    """Gradient descent: g ← ∇L + λθ, v ← μv + (1 − τ)g, θ ← θ − γv.

    θ is the parameter, γ `learning_rate`, μ `momentum`, τ `dampening`, λ `weight_decay`. The first
    step sets v = g. With `nesterov` the step is γ(g + μv).

    Robbins and Monro, "A stochastic approximation method" (1951); Polyak, "Some methods of speeding
    up the convergence of iteration methods" (1964); Sutskever, Martens, Dahl and Hinton, "On the
    importance of initialization and momentum in deep learning" (2013).

    The rate stands outside v, as in PyTorch. In Polyak's and Sutskever's form it stands inside,
    Δ ← νΔ − ρg, θ ← θ + Δ: with Δ = −γv the two are the same as long as the rate stays, and differ
    once it changes, since this form rescales the whole velocity at once.
    """

    def __init__(
        self,
        parameters: Iterable[Variable] | Iterable[Mapping[str, Any]],
        learning_rate: float = 1e-3,
        *,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(
            parameters,
            learning_rate,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
            nesterov=nesterov,
        )

    def check(self, options: Any) -> None:
        need("SGD", options.momentum >= 0, "momentum must not be negative")
        need("SGD", options.weight_decay >= 0, "weight_decay must not be negative")
        need(
            "SGD",
            not options.nesterov or (options.momentum > 0 and options.dampening == 0),
            "nesterov needs a momentum and no dampening",
        )

    def init_single(self, parameter: Tensor, options: Any) -> Mapping[str, Array]:
        slots = {"momentum": zeros(parameter)} if options.momentum else {}
        return {**slots, "step": np.zeros((), np.int64)} if options.dampening else slots

    def apply_single(
        self, parameter: Tensor, gradient: Tensor, slots: Slots, options: Any
    ) -> tuple[Tensor, Slots]:
        θ, g, γ, μ = parameter, gradient, options.learning_rate, options.momentum
        if options.weight_decay:
            g = g + options.weight_decay * θ
        if not μ:
            return θ - γ * g, {}
        v = μ * slots["momentum"] + g
        kept = {}
        if options.dampening:
            t = slots["step"]
            v = where(t == 0, g, v - options.dampening * g)
            kept = {"step": t + 1}
        d = g + μ * v if options.nesterov else v
        return θ - γ * d, {"momentum": v, **kept}
