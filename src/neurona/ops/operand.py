"""From what users write (tensors, numbers, arrays) to operands of one dtype."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Sequence
from typing import Any, SupportsIndex

import numpy as np

from neurona.core import dtypes
from neurona.core.apply import apply
from neurona.core.buffer import Buffer
from neurona.core.dtypes import DType
from neurona.core.errors import AxisError, DTypeError, ShapeError
from neurona.core.lowering import Elementwise
from neurona.core.node import Node, constant
from neurona.core.op import LITERAL, Op, Shape, Spec, register
from neurona.core.tensor import Tensor, to_array
from neurona.core.trace import STATE

Number = bool | int | float
Axis = int | Sequence[int] | None


@functools.lru_cache(maxsize=1024, typed=True)
def _literal(value: Number, sign: float, dtype: DType, weak: bool) -> Node:
    # `sign` tells −0.0 from 0.0, which are equal.
    if dtypes.is_integer(dtype) and not isinstance(value, bool):
        info = np.iinfo(dtype)
        if not info.min <= value <= info.max:
            raise OverflowError(f"{value} does not fit {dtype} ({info.min}…{info.max})")
    return Node(LITERAL, (), {}, Spec((), dtype), Buffer(np.asarray(value, dtype)), weak=weak)


def literal(value: Number, dtype: DType, *, weak: bool = False) -> Tensor:
    """A number written in the code as a 0-d tensor. Raises `OverflowError` if it does not fit."""
    sign = math.copysign(1.0, value) if value == 0 else 0.0
    return Tensor(_literal(value, sign, dtype, weak))


def renew(x: Tensor) -> Tensor:
    """A handle of its own on the value of `x`, so that rebinding or assigning one leaves the other.

    Functions that have nothing to do hand on their argument this way.
    """
    return Tensor(x._resolve(STATE.trace))


def operand(value: Any) -> Tensor:
    """A tensor from a tensor, a Python number (weak) or an array."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, (bool, int, float)):
        return literal(value, dtypes.number_dtype(value), weak=True)
    return Tensor(constant(np.array(to_array(value))))


def operands(*values: Any) -> list[Tensor]:
    """The values as tensors of their common dtype; numbers take the dtype of the tensors."""
    given: list[Any] = [v if isinstance(v, (Tensor, float, int)) else operand(v) for v in values]
    firm: DType | None = None
    weak: list[DType] = []
    mixed = False
    for v in given:
        if not isinstance(v, Tensor):
            weak.append(dtypes.number_dtype(v))
        elif v._node.weak:
            weak.append(v._node.dtype)
        elif firm is None:
            firm = v._node.dtype
        elif v._node.dtype != firm:
            firm = dtypes.promote_pair(firm, v._node.dtype)
            mixed = True
    if not weak and not mixed:
        return given
    common = firm or weak[0]
    for own in weak:
        common = dtypes.weak_dtype(own, common)
    if firm is None:
        return [_number(v, common) for v in given]
    return [cast(v, common) if isinstance(v, Tensor) else literal(v, common) for v in given]


def _number(value: Any, dtype: DType) -> Tensor:
    """A number, or what stands for one while recording, as a weak tensor of another dtype."""
    if not isinstance(value, Tensor):
        return literal(value, dtype, weak=True)
    if value._node.op is LITERAL:
        return literal(value._node.array.item(), dtype, weak=True)
    if value._node.dtype == dtype:
        return value
    result = cast(value, dtype)
    result._node.weak = True
    return result


def as_float(x: Any) -> Tensor:
    """The operand, integers and booleans cast to the default float."""
    tensor = operand(x)
    return tensor if dtypes.is_float(tensor.dtype) else cast(tensor, dtypes.DEFAULT_FLOAT)


def floats(*values: Any) -> list[Tensor]:
    """The operands in their common dtype, at least the default float if that is not one."""
    tensors = operands(*values)
    if dtypes.is_float(tensors[0].dtype):
        return tensors
    convert = _number if all(tensor._node.weak for tensor in tensors) else cast
    return [convert(tensor, dtypes.DEFAULT_FLOAT) for tensor in tensors]


def _infer_cast(x: Node, *, dtype: str) -> Spec:
    return Spec(x.shape, dtypes.as_dtype(dtype))


CAST = register(
    Op(
        "cast",
        infer=_infer_cast,
        evaluate=lambda x, *, dtype: dtypes.convert(x, dtypes.as_dtype(dtype)),
        vjp=lambda g, out, x, *, dtype: (cast(g, x.dtype) if dtypes.is_float(x.dtype) else None,),
        lower=Elementwise(lambda k, x, *, dtype: k.cast(x, dtypes.as_dtype(dtype))),
    )
)
"""Another dtype, by the rules of `dtypes.convert`."""


def cast(x: Tensor, dtype: DType) -> Tensor:
    node = x._node
    return x if node.dtype == dtype and not node.weak else apply(CAST, x, dtype=dtype.name)


# --- shapes and axes ---


def normalize_axis(axis: SupportsIndex, ndim: int, who: str) -> int:
    """The axis counted from the front. Raises `AxisError` out of range."""
    index = operator.index(axis)
    if not -ndim <= index < ndim:
        known = f" ({-ndim}…{ndim - 1})" if ndim else ""
        raise AxisError(f"{who}: axis {index} is out of range for {ndim} axes{known}")
    return index % ndim if ndim else 0


def normalize_axes(axis: Axis, ndim: int, who: str) -> tuple[int, ...]:
    """The axes counted from the front, sorted; None means all. Raises `AxisError` out of range
    and on repeats.
    """
    if axis is None:
        return tuple(range(ndim))
    given = tuple(axis) if isinstance(axis, Sequence) else (axis,)
    axes = tuple(sorted(normalize_axis(a, ndim, who) for a in given))
    if len(set(axes)) != len(axes):
        raise AxisError(f"{who}: axis {given} names an axis twice")
    return axes


def broadcast_shapes(who: str, *shapes: Shape) -> Shape:
    """The shape that all broadcast to (array API, "Broadcasting"). Raises `ShapeError`."""
    distinct = {shape for shape in shapes if shape}
    if len(distinct) < 2:
        return distinct.pop() if distinct else ()
    ndim = max(len(shape) for shape in shapes)
    result = [1] * ndim
    for shape in shapes:
        for i, extent in enumerate(shape, ndim - len(shape)):
            if extent != 1:
                if result[i] not in (1, extent):
                    listed = " and ".join(str(shape) for shape in shapes)
                    raise ShapeError(
                        f"{who}: shapes {listed} do not broadcast: axis {i - ndim} is "
                        f"{result[i]} here and {extent} there; each must be equal or 1"
                    )
                result[i] = extent
    return tuple(result)


def as_shape(shape: Any, who: str) -> Shape:
    """A shape from an int or a sequence of ints; no negative extents."""
    given = tuple(shape) if isinstance(shape, Sequence) else (shape,)
    result = tuple(operator.index(extent) for extent in given)
    if any(extent < 0 for extent in result):
        raise ShapeError(f"{who}: shape {result} has a negative extent")
    return result


def require_same_dtype(who: str, *nodes: Node) -> DType:
    dtype = nodes[0].dtype
    for node in nodes[1:]:
        if node.dtype != dtype:
            raise DTypeError(f"{who}: operands are {dtype} and {node.dtype}; cast one of them")
    return dtype
