"""AdamW: Adam with the weight decay taken out of the gradient."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from neurona.core.op import Array
from neurona.core.tensor import Tensor
from neurona.core.variable import Variable
from neurona.ops.arithmetic import sqrt
from neurona.optim.adam import adam_slots, check_adam, one_minus_power
from neurona.optim.optimizer import Optimizer, Slots


class AdamW(Optimizer):
    """AdamW: θ ← (1 − γλ)θ − γ·m̂/(√v̂ + ε), with m̂ and v̂ as in `Adam`.

    θ is the parameter, γ `learning_rate`, λ `weight_decay`. In Adam the decay would be divided by
    √v̂ with the gradient; here it is not. The paper writes θ ← θ − η(α·m̂/(√v̂ + ε) + λθ) with a
    schedule η; here, as in PyTorch, the decay is multiplied by the learning rate.

    Loshchilov and Hutter, "Decoupled weight decay regularization" (2019), algorithm 2.
    """

    def __init__(
        self,
        parameters: Iterable[Variable] | Iterable[Mapping[str, Any]],
        learning_rate: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(
            parameters, learning_rate, betas=tuple(betas), eps=eps, weight_decay=weight_decay
        )

    def check(self, options: Any) -> None:
        check_adam("AdamW", options)

    def init_single(self, parameter: Tensor, options: Any) -> Mapping[str, Array]:
        return adam_slots(parameter)

    def apply_single(
        self, parameter: Tensor, gradient: Tensor, slots: Slots, options: Any
    ) -> tuple[Tensor, Slots]:
        θ, g, γ = parameter, gradient, options.learning_rate
        β1, β2 = options.betas
        t = slots["step"] + 1
        m = β1 * slots["first_moment"] + (1 - β1) * g
        v = β2 * slots["second_moment"] + (1 - β2) * g * g
        rate = γ / one_minus_power(β1, t, θ)
        scale = 1 / sqrt(one_minus_power(β2, t, θ))
        if options.weight_decay:
            θ = θ * (1 - γ * options.weight_decay)
        θ = θ - rate * m / (sqrt(v) * scale + options.eps)
        return θ, {"first_moment": m, "second_moment": v, "step": t}
