"""RAdam."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from neurona.core.dtypes import float64
from neurona.core.op import Array
from neurona.core.tensor import Tensor
from neurona.core.variable import Variable
from neurona.ops.arithmetic import maximum, sqrt
from neurona.ops.compare import where
from neurona.ops.operand import cast
from neurona.optim.adam import adam_slots, check_adam
from neurona.optim.optimizer import Optimizer, Slots


class RAdam(Optimizer):
    """Rectified Adam: θ ← θ − γ·r·m̂/√v̂ once v is known well enough, θ ← θ − γ·m̂ before that.

    θ is the parameter, γ `learning_rate`, m̂ and v̂ as in `Adam`, with √v + ε for √v. With t steps
    seen, v is as good as a mean of ρₜ = ρ∞ − 2tβ₂ᵗ/(1 − β₂ᵗ) squares, ρ∞ = 2/(1 − β₂) − 1. Above
    ρₜ = 5, r = √((ρₜ − 4)(ρₜ − 2)ρ∞ / ((ρ∞ − 4)(ρ∞ − 2)ρₜ)) holds back as a warm-up would.
    weight_decay: λ; g ← g + λθ.

    Liu et al., "On the variance of the adaptive learning rate and beyond" (2020), algorithm 2,
    which has no ε and the bound 4; both as in PyTorch.
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
        check_adam("RAdam", options)

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
        # All that depends on t alone, in float64, since the powers are near 1 at first.
        time = cast(t, float64)
        left = 1 - β2**time
        longest = 2 / (1 - β2) - 1
        length = longest - 2 * time * (1 - left) / left
        known = length > 5
        safe = maximum(length, 5)
        r = (safe - 4) * (safe - 2) * longest / ((longest - 4) * (longest - 2) * safe)
        rectified = cast(sqrt(r * left), θ.dtype) / (sqrt(v) + options.eps)
        rate = options.learning_rate / cast(1 - β1**time, θ.dtype)
        θ = θ - rate * m * where(known, rectified, 1)
        return θ, {"first_moment": m, "second_moment": v, "step": t}
