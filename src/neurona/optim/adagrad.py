"""Adagrad."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from neurona.core.op import Array
from neurona.core.tensor import Tensor
from neurona.core.variable import Variable
from neurona.ops.arithmetic import sqrt
from neurona.optim.optimizer import Optimizer, Slots, need


class Adagrad(Optimizer):
    """Adagrad: v ← v + g², θ ← θ − γ·g/(√v + ε).

    θ is the parameter, γ `learning_rate`, ε `eps`; v starts at `initial_sum`. The sum only grows,
    so rates only fall: each direction has moved about γ√t after t steps.
    weight_decay: λ; g ← g + λθ.

    Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic
    optimization" (2011), with diagonal matrices. The paper leaves rate and ε open (its δ); the
    defaults are PyTorch's.
    """

    def __init__(
        self,
        parameters: Iterable[Variable] | Iterable[Mapping[str, Any]],
        learning_rate: float = 0.01,
        *,
        eps: float = 1e-10,
        initial_sum: float = 0.0,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            parameters, learning_rate, eps=eps, initial_sum=initial_sum, weight_decay=weight_decay
        )

    def check(self, options: Any) -> None:
        for name in ("eps", "initial_sum", "weight_decay"):
            need("Adagrad", getattr(options, name) >= 0, f"{name} must not be negative")

    def init_single(self, parameter: Tensor, options: Any) -> Mapping[str, Array]:
        return {"sum": np.full(parameter.shape, options.initial_sum, parameter.dtype)}

    def apply_single(
        self, parameter: Tensor, gradient: Tensor, slots: Slots, options: Any
    ) -> tuple[Tensor, Slots]:
        θ, g = parameter, gradient
        if options.weight_decay:
            g = g + options.weight_decay * θ
        v = slots["sum"] + g * g
        θ = θ - options.learning_rate * g / (sqrt(v) + options.eps)
        return θ, {"sum": v}
