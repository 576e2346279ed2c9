"""Activation functions, each with its derivative.

All act element by element and pass NaN on, except softmax and its logarithm, which normalise along
one axis, and maxout, which takes the largest of several. Where a function has a kink, the
derivative used there is stated (PyTorch's choice).
"""

from __future__ import annotations

import math
from typing import Any

from neurona.core.errors import ShapeError
from neurona.core.tensor import Tensor
from neurona.nn.functional.checks import choice
from neurona.nn.running import who
from neurona.ops import arithmetic, reduce, transcendental
from neurona.ops import softmax as softmaxes
from neurona.ops.broadcast import reshape
from neurona.ops.compare import greater_equal, indicator, isnan, where
from neurona.ops.operand import as_float, normalize_axis

SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805


# --- thresholds: no gradient flows through them ---


def step(x: Any) -> Tensor:
    """Heaviside's step: 1 where x ≥ 0, else 0. Derivative 0 (none flows).

    >>> from neurona.nn import functional as F
    >>> F.step([-0.5, 0.0, 2.0])
    Tensor([0., 1., 1.], dtype=float32)
    """
    z = as_float(x).detach()
    return where(isnan(z), z, indicator(greater_equal(z, 0), z))


def sign(x: Any) -> Tensor:
    """−1, 0 or 1: the sign of x. Derivative 0 (none flows).

    >>> from neurona.nn import functional as F
    >>> F.sign([-0.5, 0.0, 2.0])
    Tensor([-1.,  0.,  1.], dtype=float32)
    """
    return arithmetic.sign(as_float(x))


# --- saturating ---


def sigmoid(x: Any) -> Tensor:
    """σ(x) = 1/(1 + e^−x); σ′ = σ(1 − σ) ≤ 1/4.

    >>> from neurona.nn import functional as F
    >>> F.sigmoid([-1000.0, 0.0, 1000.0])
    Tensor([0. , 0.5, 1. ], dtype=float32)
    """
    return transcendental.sigmoid(x)


def tanh(x: Any) -> Tensor:
    """tanh x = (e^x − e^−x)/(e^x + e^−x) = 2σ(2x) − 1; tanh′ = 1 − tanh²."""
    return transcendental.tanh(x)


def softsign(x: Any) -> Tensor:
    """x/(1 + |x|), the "fast" function; derivative 1/(1 + |x|)².

    >>> from neurona.nn import functional as F
    >>> F.softsign([-3.0, 0.0, 1.0])
    Tensor([-0.75,  0.  ,  0.5 ], dtype=float32)
    """
    z = as_float(x)
    return z / (1 + arithmetic.abs(z))


def hardtanh(x: Any, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """x kept within [min_val, max_val]; derivative 1 strictly inside, else 0."""
    z = as_float(x)
    return where(z <= min_val, min_val, where(z >= max_val, max_val, z))


def hardsigmoid(x: Any) -> Tensor:
    """σ in three pieces, min(max(x + 3, 0), 6)/6; derivative 1/6 within (−3, 3), else 0."""
    return relu6(as_float(x) + 3) / 6


# --- rectifiers ---


def relu(x: Any) -> Tensor:
    """max(0, x); derivative 1 where x > 0, else 0, also at 0.

    >>> from neurona.nn import functional as F
    >>> F.relu([-1.0, 0.0, 2.0])
    Tensor([0., 0., 2.], dtype=float32)
    """
    z = as_float(x)
    return where(z <= 0, 0, z)


def relu6(x: Any) -> Tensor:
    """min(max(0, x), 6); derivative 1 within (0, 6), else 0."""
    return hardtanh(x, 0.0, 6.0)


def leaky_relu(x: Any, negative_slope: float = 0.01) -> Tensor:
    """x where x > 0, else negative_slope·x; the derivative at 0 is the slope.

    Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models" (2013).

    >>> from neurona.nn import functional as F
    >>> F.leaky_relu([-1.0, 2.0], 0.1)
    Tensor([-0.1,  2. ], dtype=float32)
    """
    z = as_float(x)
    return where(z > 0, z, z * negative_slope)


def prelu(x: Any, weight: Any) -> Tensor:
    """x where x > 0, else weight·x; the weight is learnt, its derivative is x where x ≤ 0.

    He, Zhang, Ren and Sun, "Delving deep into rectifiers" (2015).
    x: (batch, channels, …). weight: (1,) or (channels,). Raises `ShapeError` for another.
    """
    z, slope = as_float(x), as_float(weight)
    channels = z.shape[1] if z.ndim > 1 else 1
    if slope.shape not in ((1,), (channels,)):
        raise ShapeError(
            f"{who('prelu')}: weight has shape {slope.shape}, x {z.shape}; "
            f"the weight must be (1,) or ({channels},), one a channel"
        )
    if slope.size > 1:
        slope = reshape(slope, (channels, *[1] * (z.ndim - 2)))
    return where(z > 0, z, z * slope)


def elu(x: Any, alpha: float = 1.0) -> Tensor:
    """x where x > 0, else α(e^x − 1); derivative 1, else αe^x.

    Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by exponential
    linear units" (2016).
    """
    z = as_float(x)
    positive = z > 0
    # The exponential sees no positive number: it would overflow, and 0·∞ is NaN in the derivative.
    return where(positive, z, alpha * transcendental.expm1(where(positive, 0, z)))


def selu(x: Any) -> Tensor:
    """scale·ELU(x, α) with α = 1.6732632423543772 and scale = 1.0507009873554805.

    With these the mean 0 and variance 1 of a layer's input are a fixed point.
    Klambauer, Unterthiner, Mayr and Hochreiter, "Self-normalizing neural networks" (2017).
    """
    return SELU_SCALE * elu(x, SELU_ALPHA)


# --- smooth ---


def gelu(x: Any, approximate: str = "none") -> Tensor:
    """x·Φ(x) with Φ the normal distribution function; derivative Φ(x) + x·φ(x).

    approximate: "none", or "tanh" for ½x(1 + tanh(√(2/π)(x + 0.044715x³))).
    Hendrycks and Gimpel, "Gaussian error linear units" (2016).
    """
    z = as_float(x)
    if approximate == "tanh":
        # ½(1 + tanh(u)) is σ(2u), which is cheaper and loses nothing where it is small.
        scale = 2 * math.sqrt(2 / math.pi)
        return z * transcendental.sigmoid(z * (scale + (0.044715 * scale) * (z * z)))
    choice("gelu", "approximate", approximate, ("none", "tanh"))
    return 0.5 * z * (1 + transcendental.erf(z * math.sqrt(0.5)))


def silu(x: Any) -> Tensor:
    """x·σ(x), also called swish; derivative σ(x)(1 + x(1 − σ(x)))."""
    z = as_float(x)
    return z * transcendental.sigmoid(z)


def softplus(x: Any, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + e^(βx))/β, and x where βx > threshold; derivative σ(βx), and 1 there."""
    z = as_float(x)
    scaled = z * beta
    return where(scaled > threshold, z, transcendental.logaddexp(scaled, 0) / beta)


def mish(x: Any) -> Tensor:
    """x·tanh(softplus(x)). Misra, "Mish: a self regularized non-monotonic activation" (2019)."""
    z = as_float(x)
    return z * transcendental.tanh(softplus(z))


def hardswish(x: Any) -> Tensor:
    """x·hardsigmoid(x): silu in three pieces."""
    z = as_float(x)
    return z * hardsigmoid(z)


def logsigmoid(x: Any) -> Tensor:
    """log σ(x) = −log(1 + e^−x) without overflow; derivative 1 − σ(x)."""
    return -transcendental.logaddexp(-as_float(x), 0)


# --- along an axis ---


def softmax(x: Any, dim: int) -> Tensor:
    """e^xᵢ / Σⱼ e^xⱼ along `dim`; Jacobian diag(s) − s sᵀ.

    >>> from neurona.nn import functional as F
    >>> [round(share, 4) for share in F.softmax([5.0, 6.0, 11.0, 7.0], dim=0).tolist()]
    [0.0024, 0.0066, 0.9732, 0.0178]
    """
    return softmaxes.softmax(as_float(x), axis=dim)


def log_softmax(x: Any, dim: int) -> Tensor:
    """xᵢ − log Σⱼ e^xⱼ along `dim`, without overflow; Jacobian I − 1 sᵀ."""
    return softmaxes.log_softmax(as_float(x), axis=dim)


def maxout(x: Any, pieces: int = 2, dim: int = -1) -> Tensor:
    """The largest of each `pieces` neighbours along `dim`, which shrinks by that factor.

    The gradient goes to the largest and is shared evenly at a tie.
    Goodfellow, Warde-Farley, Mirza, Courville and Bengio, "Maxout networks" (2013).
    Raises `ShapeError` unless `pieces` divides the axis.

    >>> from neurona.nn import functional as F
    >>> F.maxout([1.0, 3.0, -2.0, -5.0])
    Tensor([ 3., -2.], dtype=float32)
    """
    z = as_float(x)
    axis = normalize_axis(dim, z.ndim, who("maxout"))
    extent = z.shape[axis]
    if pieces < 1 or extent % pieces:
        raise ShapeError(
            f"{who('maxout')}: axis {dim} of x {z.shape} has {extent} elements, "
            f"which {pieces} pieces do not divide"
        )
    split = (*z.shape[:axis], extent // pieces, pieces, *z.shape[axis + 1 :])
    return reduce.max(reshape(z, split), axis=axis + 1)
