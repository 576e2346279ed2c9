"""Bits of integers (and bools, shifts aside)."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurona.core import dtypes
from neurona.core.apply import apply
from neurona.core.errors import DTypeError
from neurona.core.slots import provide
from neurona.core.tensor import Tensor
from neurona.ops.compare import BITWISE_AND, BITWISE_INVERT, BITWISE_OR, BITWISE_XOR
from neurona.ops.elementwise import elementwise
from neurona.ops.operand import operand, operands

BITWISE_LEFT_SHIFT = elementwise("bitwise_left_shift", np.left_shift)
BITWISE_RIGHT_SHIFT = elementwise("bitwise_right_shift", np.right_shift)


def _integers(who: str, *values: Any, bools: bool = True) -> list[Tensor]:
    tensors = operands(*values) if len(values) > 1 else [operand(values[0])]
    dtype = tensors[0].dtype
    if dtypes.is_float(dtype) or (dtype == dtypes.bool_ and not bools):
        raise DTypeError(f"{who}: integers{' or bools' if bools else ''} are needed, not {dtype}")
    return tensors


@provide
def bitwise_and(x1: Any, x2: Any, /) -> Tensor:
    """Bits set in both."""
    return apply(BITWISE_AND, *_integers("bitwise_and", x1, x2))


@provide
def bitwise_or(x1: Any, x2: Any, /) -> Tensor:
    """Bits set in at least one."""
    return apply(BITWISE_OR, *_integers("bitwise_or", x1, x2))


@provide
def bitwise_xor(x1: Any, x2: Any, /) -> Tensor:
    """Bits set in exactly one."""
    return apply(BITWISE_XOR, *_integers("bitwise_xor", x1, x2))


@provide
def bitwise_invert(x: Any, /) -> Tensor:
    """All bits flipped; of a bool, its negation."""
    return apply(BITWISE_INVERT, *_integers("bitwise_invert", x))


@provide
def bitwise_left_shift(x1: Any, x2: Any, /) -> Tensor:
    """x1·2^x2 in the dtype's bits; 0 from the dtype's width on."""
    return apply(BITWISE_LEFT_SHIFT, *_integers("bitwise_left_shift", x1, x2, bools=False))


@provide
def bitwise_right_shift(x1: Any, x2: Any, /) -> Tensor:
    """⌊x1/2^x2⌋, the sign kept; 0 or −1 from the dtype's width on."""
    return apply(BITWISE_RIGHT_SHIFT, *_integers("bitwise_right_shift", x1, x2, bools=False))
