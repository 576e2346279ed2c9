"""Local response normalisation, as a layer."""

from __future__ import annotations

from typing import Any

from neurona.core.tensor import Tensor
from neurona.nn import functional
from neurona.nn.module import Module


class LocalResponseNorm(Module):
    """y_c = x_c / (k + α/n · Σ_j x_j²)^β over the n = `size` channels j around c.

    AlexNet's: Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional
    neural networks" (2012), section 3.3, where k = 2, n = 5, β = 0.75 and their α = 10⁻⁴ stands
    for α/n here.
    x: (batch, channels, …). Result: the same shape. Raises `ShapeError` for other shapes.

    >>> import neurona as ne
    >>> from neurona import nn
    >>> nn.LocalResponseNorm(5, alpha=5e-4, k=2.0)(ne.ones((2, 8, 3, 3))).shape
    (2, 8, 3, 3)
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, x: Any) -> Tensor:
        return functional.local_response_norm(x, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
