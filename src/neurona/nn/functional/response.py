"""Local response normalisation."""

from __future__ import annotations

from typing import Any

from neurona.core.apply import apply
from neurona.core.errors import ArgumentError, ShapeError
from neurona.core.tensor import Tensor
from neurona.nn.functional.checks import float_input, statistics_dtype
from neurona.nn.running import who
from neurona.ops.arithmetic import sqrt
from neurona.ops.operand import cast
from neurona.ops.window import WINDOW_SUM


def local_response_norm(
    x: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """y_c = x_c / (k + α/n · Σ_j x_j²)^β over the n channels j around c.

    Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural
    networks" (2012), section 3.3; their α stands for α/n here, as PyTorch has it.
    x: (batch, channels, …), one more axis at least. size: n; ⌊n/2⌋ channels before c, the others
    from it on; channels that are not there count as 0.
    Raises `ShapeError` for other shapes, `ArgumentError` for a size below 1.

    >>> from neurona.nn import functional as F
    >>> F.local_response_norm([[[3.0], [4.0]]], 2, alpha=2.0, beta=1.0, k=0.0)
    Tensor([[[0.33333334],
             [0.16      ]]], dtype=float32)
    """
    z = float_input("local_response_norm", x)
    if z.ndim < 3:
        raise ShapeError(
            f"{who('local_response_norm')}: x {z.shape} must be (batch, channels, …), with one "
            "axis after the channels at least"
        )
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ArgumentError(
            f"{who('local_response_norm')}: size must be a positive whole number, not {size!r}"
        )
    wide = statistics_dtype(z)
    rest = z.ndim - 2
    squares = apply(
        WINDOW_SUM,
        wide * wide,
        window=(1, size, *[1] * rest),
        strides=(1,) * z.ndim,
        padding=((0, 0), (size // 2, (size - 1) // 2), *[(0, 0)] * rest),
        dilation=(1,) * z.ndim,
    )
    total = k + alpha / size * squares
    if beta == 0.75:
        # Two roots take a fraction of the time of a power.
        root = sqrt(total)
        return cast(wide / (root * sqrt(root)), z.dtype)
    return cast(wide / total**beta, z.dtype)
