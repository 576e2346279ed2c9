"""Reverse-mode differentiation: one walk over the nodes, with an explicit stack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from neurona.core import dtypes
from neurona.core.errors import ArgumentError, DTypeError, ShapeError
from neurona.core.node import Node, constant
from neurona.core.op import FREED
from neurona.core.slots import provide
from neurona.core.tensor import Tensor
from neurona.core.trace import STATE, set_grad_enabled

Cotangents = dict[int, Any]
"""id(node) → Tensor; for a node with several results a dict result index → Tensor."""


def backward_order(outputs: Sequence[Node], stop: frozenset[int] = frozenset()) -> list[Node]:
    """The differentiable nodes that `outputs` depend on, every node before its inputs.

    Nodes whose id is in `stop` are included, what lies behind them is not.
    """
    order: list[Node] = []
    seen: set[int] = set()
    stack: list[tuple[Node, bool]] = [(node, False) for node in outputs if node.requires_grad]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            if id(node) not in stop:
                stack.extend(
                    (x, False) for x in node.inputs if x.requires_grad and id(x) not in seen
                )
    order.reverse()
    return order


def accumulate(total: Any, more: Any) -> Any:
    """The sum of two cotangents; None is zero."""
    if total is None:
        return more
    if isinstance(total, dict):
        return {i: accumulate(total.get(i), more.get(i)) or total[i] for i in total | more}
    return total + more


def propagate(
    order: list[Node],
    cotangents: Cotangents,
    stop: frozenset[int] = frozenset(),
    *,
    free: bool = False,
) -> Cotangents:
    """Carry cotangents from the outputs to the leaves of `order` (see `backward_order`).

    Returns those of the leaves and of the nodes in `stop`. `free` lets go of each node once used.
    """
    results: Cotangents = {}
    for node in order:
        cotangent = cotangents.pop(id(node), None)
        if cotangent is None:
            continue
        if id(node) in stop or not node.inputs:
            if node.op is FREED:
                raise ArgumentError(
                    "backward: this part of the graph was freed by an earlier backward(); "
                    "call that one with retain_graph=True"
                )
            results[id(node)] = cotangent
            continue
        inputs = [Tensor(x) for x in node.inputs]
        parts = _vjp(node)(cotangent, Tensor(node), *inputs, **node.attrs)
        for x, part in zip(node.inputs, parts, strict=True):
            if part is not None and x.requires_grad:
                cotangents[id(x)] = accumulate(cotangents.get(id(x)), part)
        if free:
            node.free()
    return results


def _vjp(node: Node) -> Callable[..., Any]:
    if node.op.vjp is None:
        raise ArgumentError(f"{node.op.name} has no derivative; cut it off with stop_gradient")
    return node.op.vjp


def initial_cotangent(output: Tensor, given: Any, who: str) -> Tensor:
    """The cotangent the walk starts with: as given, else 1 for a scalar."""
    if given is None:
        if output.size != 1:
            raise ShapeError(
                f"{who}: the output has shape {output.shape}, not one element; "
                "reduce it (mean, sum) or give the cotangent"
            )
        return Tensor(constant(np.ones(output.shape, output.dtype)))
    tensor = (
        given if isinstance(given, Tensor) else Tensor(constant(np.asarray(given, output.dtype)))
    )
    if tensor.shape != output.shape or tensor.dtype != output.dtype:
        raise ShapeError(
            f"{who}: the cotangent is {tensor.dtype} {tensor.shape}, "
            f"the output {output.dtype} {output.shape}; they must be equal"
        )
    return tensor


def gradients(
    outputs: Tensor | Sequence[Tensor],
    inputs: Sequence[Tensor],
    cotangents: Any = None,
) -> list[Tensor]:
    """The derivatives of `outputs` (summed) with respect to each of `inputs`.

    inputs: Variables, tensors with `requires_grad`, or intermediate results on the way.
    cotangents: one an output, of its shape; 1 for scalars.
    The result can itself be differentiated. An input the outputs do not depend on gets zeros.
    """
    many = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    given = [cotangents] if isinstance(outputs, Tensor) else cotangents or [None] * len(many)
    ends = [output._resolve(STATE.trace) for output in many]
    targets = [x._resolve(STATE.trace) for x in inputs]
    for x in targets:
        if not x.requires_grad:
            raise ArgumentError(f"gradients: the input {x!r} does not require a gradient")
    stop = frozenset(id(node) for node in targets)
    start: Cotangents = {}
    for node, output, cotangent in zip(ends, many, given, strict=True):
        if node.requires_grad:
            seed = initial_cotangent(output, cotangent, "gradients")
            start[id(node)] = accumulate(start.get(id(node)), seed)
    found = propagate(backward_order(ends, stop), start, stop)
    return [
        found[id(node)] if id(node) in found else Tensor(constant(np.zeros(node.shape, node.dtype)))
        for node in targets
    ]


@provide
def backward(output: Tensor, gradient: Any = None, *, retain_graph: bool = False) -> None:
    """See `Tensor.backward`."""
    trace = STATE.trace
    node = output._resolve(trace)
    if not node.requires_grad:
        if not dtypes.is_float(node.dtype):
            raise DTypeError(f"backward: a {node.dtype} tensor has no derivative")
        raise ArgumentError(
            "backward: this tensor does not depend on anything that requires a gradient"
            + (" (it was freed by an earlier backward())" if node.op is FREED else "")
        )
    order = backward_order([node])
    with set_grad_enabled(False):
        seed = initial_cotangent(output, gradient, "backward")
        leaves = {id(leaf): leaf for leaf in order if leaf.owner is not None}
        free = trace is None and not retain_graph
        found = propagate(order, {id(node): seed}, free=free)
    for key, cotangent in found.items():
        leaf = leaves.get(key)
        owner = leaf.owner() if leaf is not None and leaf.owner is not None else None
        if owner is not None:
            owner.grad = accumulate(owner.grad, cotangent)
