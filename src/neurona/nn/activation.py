"""Activations as layers; equations and derivatives stand with the functions in `functional`."""

from __future__ import annotations

from typing import Any

from neurona.core.tensor import Tensor
from neurona.nn import functional
from neurona.nn.functional.checks import choice
from neurona.nn.linear import empty, extent
from neurona.nn.module import Module


class Step(Module):
    """Heaviside's step: 1 where x ≥ 0, else 0; no gradient flows."""

    def forward(self, x: Any) -> Tensor:
        return functional.step(x)


class Sign(Module):
    """−1, 0 or 1: the sign of x; no gradient flows."""

    def forward(self, x: Any) -> Tensor:
        return functional.sign(x)


class Sigmoid(Module):
    """1/(1 + e^−x)."""

    def forward(self, x: Any) -> Tensor:
        return functional.sigmoid(x)


class Tanh(Module):
    """(e^x − e^−x)/(e^x + e^−x)."""

    def forward(self, x: Any) -> Tensor:
        return functional.tanh(x)


class Softsign(Module):
    """x/(1 + |x|), the "fast" function."""

    def forward(self, x: Any) -> Tensor:
        return functional.softsign(x)


class Hardtanh(Module):
    """x kept within [min_val, max_val]."""

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        self.min_val = min_val
        self.max_val = max_val

    def forward(self, x: Any) -> Tensor:
        return functional.hardtanh(x, self.min_val, self.max_val)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}"


class Hardsigmoid(Module):
    """min(max(x + 3, 0), 6)/6."""

    def forward(self, x: Any) -> Tensor:
        return functional.hardsigmoid(x)


class ReLU(Module):
    """max(0, x); derivative 0 at 0."""

    def forward(self, x: Any) -> Tensor:
        return functional.relu(x)


class ReLU6(Module):
    """min(max(0, x), 6)."""

    def forward(self, x: Any) -> Tensor:
        return functional.relu6(x)


class LeakyReLU(Module):
    """x where x > 0, else negative_slope·x."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Any) -> Tensor:
        return functional.leaky_relu(x, self.negative_slope)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}"


class PReLU(Module):
    """x where x > 0, else weight·x, with a learnt weight.

    x: (batch, channels, …). num_parameters: 1, or one weight for each of that many channels.
    init: where the weights start.
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, *, dtype: Any = None) -> None:
        self.num_parameters = extent("PReLU", "num_parameters", num_parameters)
        self.weight = empty((num_parameters,), dtype, init)

    def forward(self, x: Any) -> Tensor:
        return functional.prelu(x, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class ELU(Module):
    """x where x > 0, else α(e^x − 1)."""

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def forward(self, x: Any) -> Tensor:
        return functional.elu(x, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"


class SELU(Module):
    """scale·ELU(x, α), with the α and scale that keep mean 0 and variance 1."""

    def forward(self, x: Any) -> Tensor:
        return functional.selu(x)


class GELU(Module):
    """x·Φ(x); approximate "none" or "tanh"."""

    def __init__(self, approximate: str = "none") -> None:
        choice("GELU", "approximate", approximate, ("none", "tanh"))
        self.approximate = approximate

    def forward(self, x: Any) -> Tensor:
        return functional.gelu(x, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class SiLU(Module):
    """x·σ(x), also called swish."""

    def forward(self, x: Any) -> Tensor:
        return functional.silu(x)


class Softplus(Module):
    """log(1 + e^(βx))/β, and x where βx > threshold."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        self.beta = beta
        self.threshold = threshold

    def forward(self, x: Any) -> Tensor:
        return functional.softplus(x, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Mish(Module):
    """x·tanh(softplus(x))."""

    def forward(self, x: Any) -> Tensor:
        return functional.mish(x)


class Hardswish(Module):
    """x·hardsigmoid(x)."""

    def forward(self, x: Any) -> Tensor:
        return functional.hardswish(x)


class LogSigmoid(Module):
    """log σ(x)."""

    def forward(self, x: Any) -> Tensor:
        return functional.logsigmoid(x)


class Softmax(Module):
    """e^xᵢ / Σⱼ e^xⱼ along `dim`."""

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def forward(self, x: Any) -> Tensor:
        return functional.softmax(x, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """xᵢ − log Σⱼ e^xⱼ along `dim`."""

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def forward(self, x: Any) -> Tensor:
        return functional.log_softmax(x, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
