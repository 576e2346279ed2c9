"""The two-layer feed-forward net whose output also sees the input."""

from __future__ import annotations

from typing import Any

from neurona import nn
from neurona.core.tensor import Tensor
from neurona.models.mlp import activation_layer
from neurona.nn.module import Module
from neurona.train.architecture import register


@register
class FeedForward(Module):
    """A hidden layer, and an output that sees it and the input.

        s¹ = g(W¹⁰x + b¹),  y = g_out(W²¹s¹ + W²⁰x + b²)

    The multilayer perceptron of one hidden layer is the case W²⁰ = 0. Some texts count a threshold
    in each of the two sums; they would only add up, so there is one, b².

    - x: (batch, in_features). Result: (batch, out_features).
    - `hidden`: nodes of the hidden layer. `activation`: g. `output_activation`: g_out.

    >>> import neurona as ne
    >>> network = FeedForward(4, 8, 3)
    >>> network(ne.zeros((5, 4))).shape, sum(p.size for p in network.parameters())
    ((5, 3), 79)
    """

    def __init__(
        self,
        in_features: int,
        hidden: int,
        out_features: int,
        *,
        activation: str = "sigmoid",
        output_activation: str = "linear",
        dtype: Any = None,
    ) -> None:
        self.in_features = in_features
        self.hidden = hidden
        self.out_features = out_features
        self.activation = activation
        self.output_activation = output_activation
        self.to_hidden = nn.Linear(in_features, hidden, dtype=dtype)
        self.inner = activation_layer(activation)
        self.from_hidden = nn.Linear(hidden, out_features, dtype=dtype)
        self.from_input = nn.Linear(in_features, out_features, bias=False, dtype=dtype)
        self.outer = activation_layer(output_activation)

    def forward(self, x: Any) -> Tensor:
        s = self.inner(self.to_hidden(x))
        y: Tensor = self.outer(self.from_hidden(s) + self.from_input(x))
        return y
