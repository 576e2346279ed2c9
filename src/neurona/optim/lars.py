"""LARS."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from neurona.core.op import Array
from neurona.core.tensor import Tensor
from neurona.core.variable import Variable
from neurona.ops.arithmetic import sqrt
from neurona.ops.broadcast import sum
from neurona.ops.compare import where
from neurona.optim.optimizer import Optimizer, Slots, need, zeros


class LARS(Optimizer):
    """LARS: r = η‖θ‖/(‖g‖ + λ‖θ‖), v ← μv + γr(g + λθ), θ ← θ − v.

    θ is a parameter as a whole, γ `learning_rate`, μ `momentum`, λ `weight_decay`, η
    `trust_coefficient`. Every layer moves by the same share of its own size, so that large batches
    bear large rates. r is 1 where θ or g is 0: a bias that starts at 0 begins with a plain step, so
    give biases a smaller rate in a group of their own.

    You, Gitman and Ginsburg, "Large batch training of convolutional networks" (2017), algorithm 1.
    """

    def __init__(
        self,
        parameters: Iterable[Variable] | Iterable[Mapping[str, Any]],
        learning_rate: float = 1.0,
        *,
        momentum: float = 0.9,
        weight_decay: float = 5e-4,
        trust_coefficient: float = 1e-3,
    ) -> None:
        super().__init__(
            parameters,
            learning_rate,
            momentum=momentum,
            weight_decay=weight_decay,
            trust_coefficient=trust_coefficient,
        )

    def check(self, options: Any) -> None:
        for name in ("momentum", "weight_decay"):
            need("LARS", getattr(options, name) >= 0, f"{name} must not be negative")
        need("LARS", options.trust_coefficient > 0, "trust_coefficient must be positive")

    def init_single(self, parameter: Tensor, options: Any) -> Mapping[str, Array]:
        return {"momentum": zeros(parameter)}

    def apply_single(
        self, parameter: Tensor, gradient: Tensor, slots: Slots, options: Any
    ) -> tuple[Tensor, Slots]:
        θ, g, λ = parameter, gradient, options.weight_decay
        size, slope = norm(θ), norm(g)
        both = (size > 0) & (slope > 0)
        r = where(both, options.trust_coefficient * size / where(both, slope + λ * size, 1), 1)
        v = options.momentum * slots["momentum"] + options.learning_rate * r * (g + λ * θ)
        return θ - v, {"momentum": v}


def norm(x: Tensor) -> Tensor:
    """‖x‖ over all elements, 0-d."""
    return sqrt(sum(x * x))
