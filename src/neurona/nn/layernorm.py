"""Normalisation of each sample by itself: layer norm and root-mean-square norm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neurona.core.arguments import is_real
from neurona.core.errors import ArgumentError
from neurona.core.tensor import Tensor
from neurona.nn import functional
from neurona.nn.functional.normalization import as_normalized_shape
from neurona.nn.linear import empty
from neurona.nn.module import Module


class LayerNorm(Module):
    """y = (x − μ)/√(σ² + ε)·γ + β, with μ and σ² over the last axes of each sample.

    Ba, Kiros and Hinton, "Layer normalization" (2016).
    x: (…, *normalized_shape), which is also the shape of weight (γ, from 1) and bias (β, from 0).
    elementwise_affine: whether γ and β are learnt; bias: whether β is.
    correction: σ² divides by n − correction (0 in the paper; 1 in some textbooks).

    >>> import neurona as ne
    >>> from neurona import nn
    >>> nn.LayerNorm(2, eps=0)(ne.asarray([[1.0, 3.0]]))
    Tensor([[-1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        correction: int = 0,
        dtype: Any = None,
    ) -> None:
        self.normalized_shape = as_normalized_shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self.correction = correction
        shape = self.normalized_shape
        if not is_real(eps) or eps < 0:
            raise ArgumentError(f"LayerNorm: eps must not be negative, found {eps!r}")
        self.weight = empty(shape, dtype, 1.0) if elementwise_affine else None
        self.bias = empty(shape, dtype) if elementwise_affine and bias else None

    def forward(self, x: Any) -> Tensor:
        return functional.layer_norm(
            x,
            self.normalized_shape,
            self.weight,
            self.bias,
            self.eps,
            correction=self.correction,
        )

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


class RMSNorm(Module):
    """y = x/√(mean(x²) + ε)·γ over the last axes of each sample.

    Zhang and Sennrich, "Root mean square layer normalization" (2019).
    x: (…, *normalized_shape), which is also the shape of weight (γ, from 1).
    eps: ε; by default the distance from 1 to the next number of the dtype.

    >>> import neurona as ne
    >>> from neurona import nn
    >>> nn.RMSNorm(2)(ne.asarray([[1.0, 7.0]]))
    Tensor([[0.2, 1.4]], dtype=float32)
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        self.normalized_shape = as_normalized_shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self.weight = empty(self.normalized_shape, dtype, 1.0) if elementwise_affine else None

    def forward(self, x: Any) -> Tensor:
        return functional.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )
