"""RMSProp."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from neurona.core.op import Array
from neurona.core.tensor import Tensor
from neurona.core.variable import Variable
from neurona.ops.arithmetic import maximum, sqrt
from neurona.optim.optimizer import Optimizer, Slots, need, zeros


class RMSProp(Optimizer):
    """RMSProp: v ← ρv + (1 − ρ)g², d = g/(√v + ε), θ ← θ − γd.

    θ is the parameter, γ `learning_rate`, ρ `rho`, ε `eps`.
    centered: √(v − m²) in place of √v, with m ← ρm + (1 − ρ)g: the spread of the gradient instead
    of its size. momentum: μ; b ← μb + d, θ ← θ − γb.
    weight_decay: λ; g ← g + λθ.

    Tieleman and Hinton, "Lecture 6.5 - rmsprop" (2012), whose ρ is 0.9; PyTorch's is 0.99. Centred
    with momentum: Graves, "Generating sequences with recurrent neural networks" (2013), equations
    38 to 45, which have ε under the root.
    """

    def __init__(
        self,
        parameters: Iterable[Variable] | Iterable[Mapping[str, Any]],
        learning_rate: float = 1e-3,
        *,
        rho: float = 0.9,
        eps: float = 1e-8,
        momentum: float = 0.0,
        centered: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            parameters,
            learning_rate,
            rho=rho,
            eps=eps,
            momentum=momentum,
            centered=centered,
            weight_decay=weight_decay,
        )

    def check(self, options: Any) -> None:
        need("RMSProp", 0 <= options.rho < 1, "rho must be in [0, 1)")
        for name in ("eps", "momentum", "weight_decay"):
            need("RMSProp", getattr(options, name) >= 0, f"{name} must not be negative")

    def init_single(self, parameter: Tensor, options: Any) -> Mapping[str, Array]:
        slots = {"mean_square": zeros(parameter)}
        if options.centered:
            slots["mean"] = zeros(parameter)
        if options.momentum:
            slots["momentum"] = zeros(parameter)
        return slots

    def apply_single(
        self, parameter: Tensor, gradient: Tensor, slots: Slots, options: Any
    ) -> tuple[Tensor, Slots]:
        θ, g, γ, ρ = parameter, gradient, options.learning_rate, options.rho
        if options.weight_decay:
            g = g + options.weight_decay * θ
        v = ρ * slots["mean_square"] + (1 - ρ) * g * g
        new, spread = {"mean_square": v}, v
        if options.centered:
            m = ρ * slots["mean"] + (1 - ρ) * g
            # Not below 0, where rounding may bring it.
            new["mean"], spread = m, maximum(v - m * m, 0)
        d = g / (sqrt(spread) + options.eps)
        if options.momentum:
            d = options.momentum * slots["momentum"] + d
            new["momentum"] = d
        return θ - γ * d, new
