"""Applying an op: the one place where nodes with inputs are made."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurona.core.buffer import Buffer
from neurona.core.dtypes import is_float
from neurona.core.errors import TraceError
from neurona.core.node import Node
from neurona.core.op import LITERAL, Op, Spec, register
from neurona.core.slots import kernels
from neurona.core.tensor import Tensor
from neurona.core.trace import STATE, Trace, caller

_OF_NUMBERS = frozenset(
    ["add", "subtract", "multiply", "divide", "floor_divide", "remainder", "pow", "negative", "abs"]
)
"""What Python's operators do. Eagerly they make numbers of numbers, other functions tensors."""


def apply(op: Op, *tensors: Tensor, **attrs: Any) -> Tensor:
    """The result of a single-result op: computed in eager mode, recorded under a trace."""
    return Tensor(_node(op, tensors, attrs))


def apply_many(op: Op, *tensors: Tensor, **attrs: Any) -> tuple[Tensor, ...]:
    """The results of an op that has several."""
    node = _node(op, tensors, attrs)
    whole = Tensor(node)
    return tuple(apply(TAKE_RESULT, whole, index=i) for i in range(len(node.specs or ())))


def _node(op: Op, tensors: tuple[Tensor, ...], attrs: dict[str, Any]) -> Node:
    state = STATE
    trace = state.trace
    nodes = tuple([tensor._resolve(trace) for tensor in tensors])
    spec = op.infer(*nodes, **attrs)
    requires_grad = False
    if op.vjp is not None and state.grad:
        for node in nodes:
            if node.requires_grad:
                requires_grad = not isinstance(spec, Spec) or is_float(spec.dtype)
                break
    if trace is not None:
        return _record(op, nodes, attrs, spec, requires_grad, trace)
    try:
        evaluate = kernels.get(op.name, op.evaluate)
        result = state.quietly(evaluate, *[_array(node.value) for node in nodes], **attrs)
    except AttributeError:
        if all(node.value is not None for node in nodes):
            raise
        raise TraceError(
            f"{op.name} got a value of a recording that is not active; use it inside the function "
            "being recorded, or for a graph inside `with graph.as_default():`"
        ) from None
    value = _buffer(result, spec)
    return Node(op, nodes if requires_grad else (), attrs, spec, value, requires_grad=requires_grad)


def _record(
    op: Op,
    nodes: tuple[Node, ...],
    attrs: dict[str, Any],
    spec: Spec | tuple[Spec, ...],
    requires_grad: bool,
    trace: Trace,
) -> Node:
    weak = op.name in _OF_NUMBERS and all(x.weak for x in nodes)
    # Of literals alone the result is firm, as in eager mode.
    weak = weak and any(x.op is not LITERAL for x in nodes)
    node = Node(op, nodes, attrs, spec, requires_grad=requires_grad, trace=trace, weak=weak)
    node.source = caller()
    trace.enter(node)
    return node


def _array(value: Any) -> Any:
    return value.array if type(value) is not tuple else tuple([part.array for part in value])


def _buffer(result: Any, spec: Spec | tuple[Spec, ...]) -> Buffer | tuple[Buffer, ...]:
    if isinstance(spec, Spec):
        array = np.asarray(result)
        if array.dtype != spec.dtype:
            array = STATE.quietly(array.astype, spec.dtype)
        return Buffer(array)
    return tuple(
        Buffer(np.asarray(part, one.dtype)) for part, one in zip(result, spec, strict=True)
    )


def _take_result_vjp(g: Tensor, out: Tensor, whole: Tensor, *, index: int) -> tuple[Any]:
    return ({index: g},)


TAKE_RESULT = register(
    Op(
        "take_result",
        infer=lambda whole, *, index: whole.specs[index],
        evaluate=lambda results, *, index: results[index],
        vjp=_take_result_vjp,
    )
)
"""One of the results of an op that has several; its cotangent is a dict index → Tensor."""
