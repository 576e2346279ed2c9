"""The McCulloch–Pitts unit: logic from thresholds, without learning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import neurona as ne
from neurona.core.errors import ArgumentError, ShapeError
from neurona.nn.module import Module
from neurona.train.architecture import register


@register
class McCullochPitts(Module):
    """Fires (1) if no inhibitory input is on and at least `threshold` excitatory ones are, else 0.

        y = 1  if  Σ_j e_j x_j ≥ threshold  and  Σ_j i_j x_j = 0,  else 0

    McCulloch and Pitts, "A logical calculus of the ideas immanent in nervous activity" (1943).

    - `synapses`: +1 for an excitatory, −1 for an inhibitory input, one each.
    - x: (batch, inputs), 0 or 1. Result: (batch,), 0 or 1, in the dtype of x or float32.

    It learns nothing: connections are chosen. Any Boolean function is a net of these units.
    Raises `ArgumentError` for other synapses, `ShapeError` for another number of inputs.

    >>> both = McCullochPitts([1, 1], threshold=2)
    >>> both([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]).tolist()
    [0.0, 0.0, 0.0, 1.0]
    """

    def __init__(self, synapses: Sequence[int], *, threshold: int) -> None:
        if not synapses or any(sign not in (-1, 1) for sign in synapses):
            raise ArgumentError(
                f"McCullochPitts: synapses are +1 (excitatory) or -1 (inhibitory), found {synapses}"
            )
        self.synapses = tuple(int(sign) for sign in synapses)
        self.threshold = threshold

    def forward(self, x: Any) -> ne.Tensor:
        inputs = ne.asarray(x)
        if inputs.ndim != 2 or inputs.shape[1] != len(self.synapses):
            raise ShapeError(
                f"McCullochPitts: x {inputs.shape} must be (batch, {len(self.synapses)})"
            )
        on = ne.astype(inputs != 0, ne.int64)
        excitation = ne.sum(on * ne.asarray([max(sign, 0) for sign in self.synapses]), axis=1)
        inhibition = ne.sum(on * ne.asarray([max(-sign, 0) for sign in self.synapses]), axis=1)
        fires = (excitation >= self.threshold) & (inhibition == 0)
        return ne.astype(fires, inputs.dtype)

    def extra_repr(self) -> str:
        return f"synapses={self.synapses}, threshold={self.threshold}"
