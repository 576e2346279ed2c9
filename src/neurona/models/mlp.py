"""The multilayer perceptron."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from neurona import nn
from neurona.core.errors import ArgumentError, nearest
from neurona.core.tensor import Tensor
from neurona.nn.module import Module
from neurona.train.architecture import register

ACTIVATIONS: dict[str, Callable[[], Module]] = {
    "linear": nn.Identity,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "fast": nn.Softsign,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
}


def activation_layer(name: str) -> Module:
    """The activation of a name. Raises `ArgumentError` with the nearest one."""
    if name not in ACTIVATIONS:
        raise ArgumentError(f"activation: unknown name {name!r}{nearest(str(name), ACTIVATIONS)}")
    return ACTIVATIONS[name]()


@register
class MLP(Module):
    """Fully connected layers with an activation between them.

        s¹ = g(W¹x + b¹),  sˡ = g(Wˡsˡ⁻¹ + bˡ),  y = g_out(Wᴸsᴸ⁻¹ + bᴸ)

    Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors" (1986).

    - x: (batch, in_features). Result: (batch, out_features).
    - `hidden`: the nodes of each hidden layer, e.g. (512, 512); none makes a linear discriminant.
    - `activation`: g, after each hidden layer. `output_activation`: g_out.
    - `dropout`: the probability that a hidden node is left out in training.

    As a classifier: one output a class, "linear", trained with cross-entropy; the class is the
    largest output. As a regressor: "linear", trained with the mean squared error.

    >>> import neurona as ne
    >>> network = MLP(784, (512, 512), 10)
    >>> network(ne.zeros((5, 784))).shape
    (5, 10)
    """

    def __init__(
        self,
        in_features: int,
        hidden: Sequence[int],
        out_features: int,
        *,
        activation: str = "relu",
        output_activation: str = "linear",
        dropout: float = 0.0,
        dtype: Any = None,
    ) -> None:
        self.in_features = in_features
        self.hidden = tuple(hidden)
        self.out_features = out_features
        self.activation = activation
        self.output_activation = output_activation
        self.dropout = dropout
        layers: list[Module] = []
        width = in_features
        for nodes in self.hidden:
            layers += [nn.Linear(width, nodes, dtype=dtype), activation_layer(activation)]
            if dropout:
                layers.append(nn.Dropout(dropout))
            width = nodes
        layers += [nn.Linear(width, out_features, dtype=dtype), activation_layer(output_activation)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Any) -> Tensor:
        y: Tensor = self.layers(x)
        return y
