"""Reverse-mode differentiation: one walk over the nodes, with an explicit stack."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from neurona.core import dtypes
from neurona.core.errors import ArgumentError, DTypeError, ShapeError
from neurona.core.node import Node, constant
from neurona.core.op import FREED, Spec
from neurona.core.slots import provide
from neurona.core.tensor import Tensor
from neurona.core.trace import STATE, set_grad_enabled
from neurona.ops.arithmetic import add
from neurona.ops.broadcast import broadcast_to
from neurona.ops.operand import literal

Cotangent = Any
"""A Tensor; for a node with several results a dict result index → Tensor."""


def differentiable(ends: Iterable[Node], stop: frozenset[int] = frozenset()) -> list[Node]:
    """The nodes through which a derivative reaches `ends`, every node after its inputs.

    What lies behind the nodes whose id is in `stop` is left out. Raises `ArgumentError` where an
    earlier `backward()` has freed the graph.
    """
    order: list[Node] = []
    seen: set[int] = set()
    stack = [(node, False) for node in ends if node.requires_grad]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            if node.op is FREED:
                raise ArgumentError(
                    "backward: this part of the graph was freed by an earlier backward(); call "
                    "that one with retain_graph=True, or cut this part off with stop_gradient"
                )
            stack.append((node, True))
            if id(node) not in stop:
                stack += [(x, False) for x in node.behind if x.requires_grad and id(x) not in seen]
    return order


def leading_to(targets: frozenset[int], order: list[Node]) -> list[Node]:
    """The nodes of `order` (see `differentiable`) that are targets or depend on one."""
    on_the_way: set[int] = set()
    kept = []
    for node in order:
        if id(node) in targets or any(id(x) in on_the_way for x in node.behind):
            on_the_way.add(id(node))
            kept.append(node)
    return kept


def accumulate(total: Cotangent, more: Cotangent) -> Cotangent:
    """The sum of two cotangents; None is zero."""
    if total is None:
        return more
    if more is None:
        return total
    if isinstance(total, dict):
        return {i: accumulate(total.get(i), more.get(i)) for i in total | more}
    return add(total, more)


def propagate(
    order: list[Node],
    cotangents: dict[int, Cotangent],
    targets: frozenset[int] = frozenset(),
    *,
    free: bool = False,
) -> dict[int, Cotangent]:
    """Carry cotangents (by node id) from the ends of `order` to its beginning; empties `order`.

    Returns the cotangents of leaves and targets. A node and its cotangent are let go of as soon as
    they are used; `free` lets go of its inputs too.
    """
    found: dict[int, Cotangent] = {}
    wanted = {id(node) for node in order}
    while order:
        node = order.pop()
        cotangent = cotangents.pop(id(node), None)
        if cotangent is None:
            continue
        if id(node) in targets or not node.behind:
            found[id(node)] = cotangent
        if not any(id(x) in wanted for x in node.behind):
            continue
        inputs = [Tensor(x) for x in node.inputs]
        parts = _vjp(node)(cotangent, Tensor(node), *inputs, **node.attrs)
        for x, part in zip(node.inputs, parts, strict=True):
            if part is not None and id(x) in wanted:
                cotangents[id(x)] = accumulate(cotangents.get(id(x)), part)
        if free:
            node.free()
    return found


def _vjp(node: Node) -> Callable[..., Any]:
    if node.op.vjp is None:
        raise ArgumentError(f"{node.op.name} has no derivative; cut it off with stop_gradient")
    return node.op.vjp


def pull(
    ends: Sequence[Node],
    cotangents: Sequence[Cotangent],
    targets: Sequence[Node],
    *,
    stop: bool = True,
    free: bool = False,
) -> list[Cotangent]:
    """The cotangents of `targets` for those of `ends`; None where no end depends on a target.

    stop: no target lies behind another one, so the walk may end at them.
    """
    marked = frozenset(id(node) for node in targets)
    order = leading_to(marked, differentiable(ends, marked if stop else frozenset()))
    start: dict[int, Cotangent] = {}
    for node, cotangent in zip(ends, cotangents, strict=True):
        start[id(node)] = accumulate(start.get(id(node)), cotangent)
    found = propagate(order, start, marked, free=free)
    return [found.get(id(node)) for node in targets]


def zeros(like: Node | Tensor | Spec) -> Tensor:
    """The derivative of something by what it does not depend on."""
    return broadcast_to(literal(0, like.dtype), like.shape)


def initial_cotangent(
    output: Tensor, given: Any, who: str, names: tuple[str, str] = ("cotangent", "output")
) -> Tensor:
    """The cotangent the walk starts with: as given, else 1 for a scalar."""
    if not dtypes.is_float(output.dtype):
        raise DTypeError(f"{who}: a {output.dtype} output has no derivative; only floats have")
    if given is None:
        if output.size != 1:
            raise ShapeError(
                f"{who}: the output has shape {output.shape}, not one element; "
                "reduce it (mean, sum) or give the cotangent"
            )
        return broadcast_to(literal(1, output.dtype), output.shape)
    tensor = given if isinstance(given, Tensor) else Tensor(constant(np.array(given, output.dtype)))
    if tensor.shape != output.shape or tensor.dtype != output.dtype:
        raise ShapeError(
            f"{who}: the {names[0]} is {tensor.dtype} {tensor.shape}, "
            f"the {names[1]} {output.dtype} {output.shape}; they must be equal"
        )
    return tensor


def gradients(
    outputs: Tensor | Sequence[Tensor],
    inputs: Sequence[Tensor],
    cotangents: Any = None,
) -> list[Tensor]:
    """The derivatives of `outputs` (summed) with respect to each of `inputs`.

    inputs: Variables, tensors with `requires_grad`, or intermediate results on the way; one may
    lie behind another. cotangents: one an output, of its shape; 1 for scalars.
    The result can itself be differentiated. An input the outputs do not depend on gets zeros.
    Raises `ShapeError` for an output that is not a scalar and has no cotangent, `ArgumentError` for
    an input that requires no gradient.

    >>> import neurona as ne
    >>> x = ne.Variable(2.0)
    >>> y = x**3
    >>> (slope,) = ne.gradients(y, [x])
    >>> slope, ne.gradients(slope, [x])
    (Tensor(12., dtype=float32), [Tensor(12., dtype=float32)])
    """
    many = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    given = [cotangents] if isinstance(outputs, Tensor) else cotangents or [None] * len(many)
    if len(given) != len(many):
        raise ArgumentError(f"gradients: {len(many)} outputs and {len(given)} cotangents")
    trace = STATE.trace
    ends = [output._resolve(trace) for output in many]
    targets = [x._resolve(trace) for x in inputs]
    for x in targets:
        if not x.requires_grad:
            raise ArgumentError(f"gradients: the input {x!r} does not require a gradient")
    seeds = [
        initial_cotangent(output, cotangent, "gradients")
        for output, cotangent in zip(many, given, strict=True)
    ]
    found = pull(ends, seeds, targets, stop=False)
    return [zeros(node) if one is None else one for node, one in zip(targets, found, strict=True)]


@provide
def backward(output: Tensor, gradient: Any = None, *, retain_graph: bool = False) -> None:
    """See `Tensor.backward`."""
    trace = STATE.trace
    node = output._resolve(trace)
    if not node.requires_grad:
        if not dtypes.is_float(node.dtype):
            raise DTypeError(f"backward: a {node.dtype} tensor has no derivative; only floats have")
        raise ArgumentError(
            "backward: this tensor does not depend on anything that requires a gradient"
        )
    with set_grad_enabled(False):
        seed = initial_cotangent(output, gradient, "backward")
        order = differentiable([node])
        leaves = [leaf for leaf in order if leaf.owner is not None]
        free = trace is None and not retain_graph
        found = propagate(order, {id(node): seed}, free=free)
        for leaf in leaves:
            owner = leaf.owner() if leaf.owner is not None else None
            if owner is not None and id(leaf) in found:
                owner.grad = accumulate(owner.grad, found[id(leaf)])
