"""Comparisons, predicates, logic and `where`."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurona.core import dtypes
from neurona.core.apply import apply
from neurona.core.errors import DTypeError
from neurona.core.lowering import Elementwise
from neurona.core.node import Node
from neurona.core.op import Op, Spec, register
from neurona.core.slots import provide
from neurona.core.tensor import Tensor
from neurona.ops.broadcast import sum_to
from neurona.ops.elementwise import elementwise
from neurona.ops.operand import broadcast_shapes, cast, operand, operands, require_same_dtype

EQUAL = elementwise("equal", np.equal, predicate=True)
NOT_EQUAL = elementwise("not_equal", np.not_equal, predicate=True)
LESS = elementwise("less", np.less, predicate=True)
LESS_EQUAL = elementwise("less_equal", np.less_equal, predicate=True)
GREATER = elementwise("greater", np.greater, predicate=True)
GREATER_EQUAL = elementwise("greater_equal", np.greater_equal, predicate=True)


@provide
def equal(x1: Any, x2: Any, /) -> Tensor:
    """x1 = x2, element by element."""
    return apply(EQUAL, *operands(x1, x2))


@provide
def not_equal(x1: Any, x2: Any, /) -> Tensor:
    """x1 ≠ x2, element by element."""
    return apply(NOT_EQUAL, *operands(x1, x2))


@provide
def less(x1: Any, x2: Any, /) -> Tensor:
    """x1 < x2, element by element."""
    return apply(LESS, *operands(x1, x2))


@provide
def less_equal(x1: Any, x2: Any, /) -> Tensor:
    """x1 ≤ x2, element by element."""
    return apply(LESS_EQUAL, *operands(x1, x2))


@provide
def greater(x1: Any, x2: Any, /) -> Tensor:
    """x1 > x2, element by element."""
    return apply(GREATER, *operands(x1, x2))


@provide
def greater_equal(x1: Any, x2: Any, /) -> Tensor:
    """x1 ≥ x2, element by element."""
    return apply(GREATER_EQUAL, *operands(x1, x2))


# --- predicates ---

ISNAN = elementwise("isnan", np.isnan, predicate=True)
ISINF = elementwise("isinf", np.isinf, predicate=True)
ISFINITE = elementwise("isfinite", np.isfinite, predicate=True)
SIGNBIT = elementwise("signbit", np.signbit, predicate=True)


@provide
def isnan(x: Any, /) -> Tensor:
    """Whether each element is not a number."""
    return apply(ISNAN, operand(x))


@provide
def isinf(x: Any, /) -> Tensor:
    """Whether each element is +∞ or −∞."""
    return apply(ISINF, operand(x))


@provide
def isfinite(x: Any, /) -> Tensor:
    """Whether each element is neither infinite nor NaN."""
    return apply(ISFINITE, operand(x))


@provide
def signbit(x: Any, /) -> Tensor:
    """Whether the sign bit is set, also of −0 and of NaN. Floats only."""
    tensor = operand(x)
    if not dtypes.is_float(tensor.dtype):
        raise DTypeError(f"signbit: floats are needed, not {tensor.dtype}")
    return apply(SIGNBIT, tensor)


# --- logic ---

BITWISE_AND = elementwise("bitwise_and", np.bitwise_and)
BITWISE_OR = elementwise("bitwise_or", np.bitwise_or)
BITWISE_XOR = elementwise("bitwise_xor", np.bitwise_xor)
BITWISE_INVERT = elementwise("bitwise_invert", np.bitwise_not)


def _truth(x: Any) -> Tensor:
    tensor = operand(x)
    return tensor if tensor.dtype == dtypes.bool_ else not_equal(tensor, 0)


@provide
def logical_and(x1: Any, x2: Any, /) -> Tensor:
    """Whether both are true; numbers are true where they are not 0."""
    return apply(BITWISE_AND, _truth(x1), _truth(x2))


@provide
def logical_or(x1: Any, x2: Any, /) -> Tensor:
    """Whether at least one is true."""
    return apply(BITWISE_OR, _truth(x1), _truth(x2))


@provide
def logical_xor(x1: Any, x2: Any, /) -> Tensor:
    """Whether exactly one is true."""
    return apply(BITWISE_XOR, _truth(x1), _truth(x2))


@provide
def logical_not(x: Any, /) -> Tensor:
    """Whether the element is false."""
    return apply(BITWISE_INVERT, _truth(x))


# --- where ---


def _infer_where(condition: Node, a: Node, b: Node) -> Spec:
    if condition.dtype != dtypes.bool_:
        raise DTypeError(f"where: the condition is {condition.dtype}; compare to get a bool")
    dtype = require_same_dtype("where", a, b)
    return Spec(broadcast_shapes("where", condition.shape, a.shape, b.shape), dtype)


def _where_vjp(
    g: Tensor, out: Tensor, condition: Tensor, a: Tensor, b: Tensor
) -> tuple[Tensor | None, ...]:
    return (
        None,
        sum_to(where(condition, g, 0), a.shape) if a.requires_grad else None,
        sum_to(where(condition, 0, g), b.shape) if b.requires_grad else None,
    )


WHERE = register(
    Op(
        "where",
        _infer_where,
        np.where,
        _where_vjp,
        Elementwise(lambda k, c, a, b: k.where(c, a, b)),
    )
)


@provide
def where(condition: Any, x1: Any, x2: Any, /) -> Tensor:
    """`x1` where `condition` holds, else `x2`; all three broadcast.

    No gradient flows into the branch not taken, whatever it holds there.
    """
    return apply(WHERE, operand(condition), *operands(x1, x2))


def indicator(condition: Tensor, like: Tensor) -> Tensor:
    """1 where the condition holds, else 0, in the dtype of `like`."""
    return cast(condition, like.dtype)
