"""LAMB."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from neurona.core.op import Array
from neurona.core.tensor import Tensor
from neurona.core.variable import Variable
from neurona.ops.arithmetic import sqrt
from neurona.ops.compare import where
from neurona.optim.adam import adam_slots, check_adam, one_minus_power
from neurona.optim.lars import norm
from neurona.optim.optimizer import Optimizer, Slots


class LAMB(Optimizer):
    """LAMB: d = m̂/(√v̂ + ε) + λθ, θ ← θ − γ·‖θ‖/‖d‖·d, with m̂ and v̂ as in `Adam`.

    θ is a parameter as a whole, γ `learning_rate`, λ `weight_decay`, ε `eps`. Adam's direction at a
    length that is the same share of every layer's own size. ‖θ‖/‖d‖ is 1 where either is 0.

    You et al., "Large batch optimization for deep learning: training BERT in 76 minutes" (2020),
    algorithm 2 with φ(z) = z. The paper tunes the rate with the batch; the default is that of Adam.
    """

    def __init__(
        self,
        parameters: Iterable[Variable] | Iterable[Mapping[str, Any]],
        learning_rate: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(
            parameters, learning_rate, betas=tuple(betas), eps=eps, weight_decay=weight_decay
        )

    def check(self, options: Any) -> None:
        check_adam("LAMB", options)

    def init_single(self, parameter: Tensor, options: Any) -> Mapping[str, Array]:
        return adam_slots(parameter)

    def apply_single(
        self, parameter: Tensor, gradient: Tensor, slots: Slots, options: Any
    ) -> tuple[Tensor, Slots]:
        θ, g = parameter, gradient
        β1, β2 = options.betas
        t = slots["step"] + 1
        m = β1 * slots["first_moment"] + (1 - β1) * g
        v = β2 * slots["second_moment"] + (1 - β2) * g * g
        scale = 1 / sqrt(one_minus_power(β2, t, θ))
        d = m / one_minus_power(β1, t, θ) / (sqrt(v) * scale + options.eps)
        if options.weight_decay:
            d = d + options.weight_decay * θ
        size, length = norm(θ), norm(d)
        both = (size > 0) & (length > 0)
        ratio = where(both, size / where(both, length, 1), 1)
        θ = θ - options.learning_rate * ratio * d
        return θ, {"first_moment": m, "second_moment": v, "step": t}
