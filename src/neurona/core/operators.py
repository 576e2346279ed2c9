"""The operators of Tensor, each handed to the function of the array API that it stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from neurona.core.slots import operators

if TYPE_CHECKING:
    from neurona.core.tensor import Tensor

Operand = Any
"""A tensor, a Python number, a NumPy array or scalar; others get NotImplemented."""


class Operators:
    """Python's operators, binary, reflected and in place, for Tensor."""

    __slots__ = ()

    def __add__(self, other: Operand) -> Tensor:
        return _call("add", self, other, other)

    def __radd__(self, other: Operand) -> Tensor:
        return _call("add", other, self, other)

    def __iadd__(self, other: Operand) -> Tensor:
        return _update("add", self, other)

    def __sub__(self, other: Operand) -> Tensor:
        return _call("subtract", self, other, other)

    def __rsub__(self, other: Operand) -> Tensor:
        return _call("subtract", other, self, other)

    def __isub__(self, other: Operand) -> Tensor:
        return _update("subtract", self, other)

    def __mul__(self, other: Operand) -> Tensor:
        return _call("multiply", self, other, other)

    def __rmul__(self, other: Operand) -> Tensor:
        return _call("multiply", other, self, other)

    def __imul__(self, other: Operand) -> Tensor:
        return _update("multiply", self, other)

    def __truediv__(self, other: Operand) -> Tensor:
        return _call("divide", self, other, other)

    def __rtruediv__(self, other: Operand) -> Tensor:
        return _call("divide", other, self, other)

    def __itruediv__(self, other: Operand) -> Tensor:
        return _update("divide", self, other)

    def __floordiv__(self, other: Operand) -> Tensor:
        return _call("floor_divide", self, other, other)

    def __rfloordiv__(self, other: Operand) -> Tensor:
        return _call("floor_divide", other, self, other)

    def __ifloordiv__(self, other: Operand) -> Tensor:
        return _update("floor_divide", self, other)

    def __mod__(self, other: Operand) -> Tensor:
        return _call("remainder", self, other, other)

    def __rmod__(self, other: Operand) -> Tensor:
        return _call("remainder", other, self, other)

    def __imod__(self, other: Operand) -> Tensor:
        return _update("remainder", self, other)

    def __pow__(self, other: Operand) -> Tensor:
        return _call("pow", self, other, other)

    def __rpow__(self, other: Operand) -> Tensor:
        return _call("pow", other, self, other)

    def __ipow__(self, other: Operand) -> Tensor:
        return _update("pow", self, other)

    def __matmul__(self, other: Operand) -> Tensor:
        return _call("matmul", self, other, other)

    def __rmatmul__(self, other: Operand) -> Tensor:
        return _call("matmul", other, self, other)

    def __imatmul__(self, other: Operand) -> Tensor:
        return _update("matmul", self, other)

    def __and__(self, other: Operand) -> Tensor:
        return _call("bitwise_and", self, other, other)

    def __rand__(self, other: Operand) -> Tensor:
        return _call("bitwise_and", other, self, other)

    def __iand__(self, other: Operand) -> Tensor:
        return _update("bitwise_and", self, other)

    def __or__(self, other: Operand) -> Tensor:
        return _call("bitwise_or", self, other, other)

    def __ror__(self, other: Operand) -> Tensor:
        return _call("bitwise_or", other, self, other)

    def __ior__(self, other: Operand) -> Tensor:
        return _update("bitwise_or", self, other)

    def __xor__(self, other: Operand) -> Tensor:
        return _call("bitwise_xor", self, other, other)

    def __rxor__(self, other: Operand) -> Tensor:
        return _call("bitwise_xor", other, self, other)

    def __ixor__(self, other: Operand) -> Tensor:
        return _update("bitwise_xor", self, other)

    def __lshift__(self, other: Operand) -> Tensor:
        return _call("bitwise_left_shift", self, other, other)

    def __rlshift__(self, other: Operand) -> Tensor:
        return _call("bitwise_left_shift", other, self, other)

    def __ilshift__(self, other: Operand) -> Tensor:
        return _update("bitwise_left_shift", self, other)

    def __rshift__(self, other: Operand) -> Tensor:
        return _call("bitwise_right_shift", self, other, other)

    def __rrshift__(self, other: Operand) -> Tensor:
        return _call("bitwise_right_shift", other, self, other)

    def __irshift__(self, other: Operand) -> Tensor:
        return _update("bitwise_right_shift", self, other)

    def __eq__(self, other: Operand) -> Tensor:  # type: ignore[override]
        return _call("equal", self, other, other)

    def __ne__(self, other: Operand) -> Tensor:  # type: ignore[override]
        return _call("not_equal", self, other, other)

    def __lt__(self, other: Operand) -> Tensor:
        return _call("less", self, other, other)

    def __le__(self, other: Operand) -> Tensor:
        return _call("less_equal", self, other, other)

    def __gt__(self, other: Operand) -> Tensor:
        return _call("greater", self, other, other)

    def __ge__(self, other: Operand) -> Tensor:
        return _call("greater_equal", self, other, other)

    def __neg__(self) -> Tensor:
        result: Tensor = operators.negative(self)
        return result

    def __pos__(self) -> Tensor:
        result: Tensor = operators.positive(self)
        return result

    def __abs__(self) -> Tensor:
        result: Tensor = operators.abs(self)
        return result

    def __invert__(self) -> Tensor:
        result: Tensor = operators.bitwise_invert(self)
        return result

    __hash__ = object.__hash__


def _call(function: str, left: Any, right: Any, other: Any) -> Tensor:
    known = isinstance(other, (Operators, bool, int, float, np.ndarray, np.generic))
    result: Tensor = getattr(operators, function)(left, right) if known else NotImplemented
    return result


def _update(function: str, tensor: Any, other: Any) -> Tensor:
    result = _call(function, tensor, other, other)
    updated: Tensor = result if result is NotImplemented else tensor._rebind(result)
    return updated
