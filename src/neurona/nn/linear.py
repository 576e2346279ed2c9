"""Fully connected layers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from neurona.core.dtypes import DEFAULT_FLOAT, DType, as_dtype, is_float
from neurona.core.errors import ArgumentError, DTypeError
from neurona.core.op import Shape
from neurona.core.tensor import Tensor
from neurona.core.variable import Variable
from neurona.nn import functional, init
from neurona.nn.module import Module
from neurona.ops.operand import operand


class Identity(Module):
    """y = x: the linear activation, or a place to fill later. Other arguments are ignored."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def forward(self, x: Any) -> Any:
        return operand(x) if isinstance(x, np.ndarray) else x


class Linear(Module):
    """y = x Wᵀ + b.

    x: (…, in_features). Result: (…, out_features).
    weight: (out_features, in_features), bias: (out_features,), both drawn from ±1/√in_features.
    Raises `ShapeError` and `DTypeError` when x does not fit.

    >>> import neurona as ne
    >>> from neurona import nn
    >>> layer = nn.Linear(3, 2)
    >>> layer(ne.asarray([[1.0, 2.0, 3.0]])).shape
    (1, 2)
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, *, dtype: Any = None
    ) -> None:
        self.in_features = extent("Linear", "in_features", in_features)
        self.out_features = extent("Linear", "out_features", out_features)
        self.weight = empty((out_features, in_features), dtype)
        self.bias = empty((out_features,), dtype) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew (PyTorch's defaults)."""
        init.kaiming_uniform(self.weight, slope=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features)
            init.uniform(self.bias, -bound, bound)

    def forward(self, x: Any) -> Tensor:
        return functional.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class Bilinear(Module):
    """yₖ = x₁ᵀ Wₖ x₂ + bₖ.

    x1: (…, in1_features), x2: (…, in2_features). Result: (…, out_features).
    weight: (out_features, in1_features, in2_features), bias: (out_features,), both drawn from
    ±1/√in1_features.
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        self.in1_features = extent("Bilinear", "in1_features", in1_features)
        self.in2_features = extent("Bilinear", "in2_features", in2_features)
        self.out_features = extent("Bilinear", "out_features", out_features)
        self.weight = empty((out_features, in1_features, in2_features), dtype)
        self.bias = empty((out_features,), dtype) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        bound = 1 / math.sqrt(self.in1_features)
        for parameter in self.parameters():
            init.uniform(parameter, -bound, bound)

    def forward(self, x1: Any, x2: Any) -> Tensor:
        return functional.bilinear(x1, x2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )


def extent(who: str, name: str, value: int) -> int:
    """`value` if it is a positive whole number. Raises `ArgumentError` if not."""
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
        raise ArgumentError(f"{who}: {name} must be a positive whole number, not {value!r}")
    return int(value)


def float_dtype(who: str, dtype: Any) -> DType:
    """The dtype of a layer's parameters: float32 for None. Raises `DTypeError` for no float."""
    kind = DEFAULT_FLOAT if dtype is None else as_dtype(dtype)
    if not is_float(kind):
        raise DTypeError(f"{who}: parameters have a float dtype, not {kind}")
    return kind


def empty(shape: Shape, dtype: Any = None, value: float = 0.0) -> Variable:
    """A parameter to be filled."""
    kind = float_dtype("parameter", dtype)
    return Variable(np.zeros(shape, kind) if value == 0 else np.full(shape, value, kind))
