"""A recorded function run by NumPy: what recording alone must keep right, without the compiler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from neurona.core.node import Node
from neurona.core.op import CONSTANT, LITERAL, Spec
from neurona.core.tensor import Tensor
from neurona.core.trace import Trace, recording


def recorded(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, recorded at every call and evaluated afterwards, Variables written last."""

    def run(*arguments: Any) -> Any:
        arrays = [np.asarray(argument) for argument in arguments]
        with recording() as trace:
            inputs = [Tensor(trace.input(Spec(a.shape, a.dtype))) for a in arrays]
            output = function(*inputs)
            several = output if isinstance(output, tuple) else (output,)
            nodes = [tensor._resolve(trace) for tensor in several]
        found = evaluate(trace, arrays, nodes)
        return tuple(found) if isinstance(output, tuple) else found[0]

    return run


def evaluate(trace: Trace, arrays: list[Any], outputs: list[Node]) -> list[Any]:
    """The values of `outputs`; then the checks are made and the Variables written."""
    values: dict[int, Any] = {}
    for node, array in zip(trace.inputs, arrays, strict=True):
        values[id(node)] = array
    for handle, node in trace.captures.values():
        values[id(node)] = handle.numpy()
    for variable, node in trace.reads.items():
        values[id(node)] = variable.numpy()
    wanted = [*outputs, *trace.writes.values(), *[ok for ok, _ in trace.checks]]
    for node in in_order(wanted):
        if id(node) in values:
            continue
        if node.op in (CONSTANT, LITERAL):
            values[id(node)] = node.array
            continue
        with np.errstate(all="ignore"):
            result = node.op.evaluate(*[values[id(x)] for x in node.inputs], **node.attrs)
        one = node.specs is None
        values[id(node)] = np.asarray(result).astype(node.dtype) if one else result
    for ok, error in trace.checks:
        if not values[id(ok)]:
            raise error
    for variable, node in trace.writes.items():
        variable.assign(np.array(values[id(node)]))
    return [values[id(node)] for node in outputs]


def in_order(nodes: list[Node]) -> list[Node]:
    """All nodes behind `nodes`, inputs first."""
    order: list[Node] = []
    seen: set[int] = set()
    stack = [(node, False) for node in nodes]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((x, False) for x in node.inputs)
    return order
