"""What happens to gradients and weights around the optimiser's step."""

from __future__ import annotations

import math
from dataclasses import dataclass

from neurona.core.errors import ArgumentError
from neurona.core.tensor import Tensor
from neurona.nn.module import Module
from neurona.optim.clip import clip_gradient_norm, clip_gradient_value
from neurona.optim.penalty import elastic_net, l1, l2, limit_norms, weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """Options of `Model.compile`; see there.

    >>> Update(clip_norm=1.0, l2=-1)
    Traceback (most recent call last):
        ...
    neurona.core.errors.ArgumentError: compile: l2 must be finite and not negative, not -1
    """

    accumulate: int = 1
    clip_norm: float | None = None
    clip_value: float | None = None
    l1: float = 0.0
    l2: float = 0.0
    max_norm: float | None = None

    def __post_init__(self) -> None:
        k = self.accumulate
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise ArgumentError(f"compile: accumulate is a number of batches, 1 or more, not {k!r}")
        for name in ("clip_norm", "clip_value", "max_norm"):
            limit = getattr(self, name)
            if limit is not None and not (_is_number(limit) and limit > 0):
                raise ArgumentError(f"compile: {name} must be positive, not {limit!r}")
        for name in ("l1", "l2"):
            strength = getattr(self, name)
            if not (_is_number(strength) and strength >= 0 and math.isfinite(strength)):
                raise ArgumentError(
                    f"compile: {name} must be finite and not negative, not {strength!r}"
                )
        if self.clip_norm is not None and self.clip_value is not None:
            raise ArgumentError("compile: give clip_norm or clip_value, not both")

    def penalty(self, network: Module) -> Tensor | None:
        """The term that is added to the loss before the backward pass; None if there is none."""
        if self.l1 and self.l2:
            return elastic_net(weights(network), self.l1, self.l2)
        if self.l1:
            return l1(weights(network), self.l1)
        return l2(weights(network), self.l2) if self.l2 else None

    def clip(self, network: Module) -> None:
        """Clip the gradients, between backward pass and step."""
        learnt = [parameter for parameter in network.parameters() if parameter.requires_grad]
        if self.clip_norm is not None:
            clip_gradient_norm(learnt, self.clip_norm)
        if self.clip_value is not None:
            clip_gradient_value(learnt, self.clip_value)

    def bound(self, network: Module) -> None:
        """Bound the norms of the weights, after the step."""
        if self.max_norm is not None:
            limit_norms([w for w in weights(network) if w.requires_grad], self.max_norm)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
