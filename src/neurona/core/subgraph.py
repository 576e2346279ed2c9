"""A function recorded on its own, to be applied to other inputs: a checkpoint, a loop's body."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurona.core.apply import apply
from neurona.core.errors import NeuronaError, TraceError
from neurona.core.node import Node
from neurona.core.op import LITERAL, Array
from neurona.core.tensor import Tensor
from neurona.core.trace import STATE, recording
from neurona.core.variable import Variable


def topological(ends: Iterable[Node], instead: Mapping[int, Node] | None = None) -> list[Node]:
    """Every node that `ends` depend on, each after its inputs.

    instead: by the id of a node one whose inputs stand for its own.
    """
    instead = instead or {}
    order: list[Node] = []
    seen: set[int] = set()
    stack = [(node, False) for node in reversed(list(ends))]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            inputs = instead.get(id(node), node).inputs
            stack += [(x, False) for x in reversed(inputs) if id(x) not in seen]
    return order


def with_inputs(node: Node, inputs: tuple[Node, ...]) -> Node:
    """The node itself if its inputs are these, else its like on the new ones."""
    if all(a is b for a, b in zip(node.inputs, inputs, strict=True)):
        return node
    like = Node(
        node.op,
        inputs,
        node.attrs,
        node.specs or node.spec,
        requires_grad=node.requires_grad,
        trace=node.trace,
        weak=node.weak,
    )
    like.source = node.source
    return like


class Subgraph:
    """Nodes that only `inputs` (placeholders) lead to; a pattern, whose nodes hold no values."""

    def __init__(self, inputs: Sequence[Node], outputs: Sequence[Node]) -> None:
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        given = {id(node) for node in inputs}
        order = [node for node in topological(outputs) if id(node) not in given]
        self._literals = [node for node in order if node.op is LITERAL]
        self.nodes = tuple(node for node in order if node.op is not LITERAL)
        self._last = self._last_uses()

    def __repr__(self) -> str:
        return f"Subgraph({len(self.nodes)} nodes)"

    def _last_uses(self) -> list[list[int]]:
        """For each node the ids of the values that nobody needs after it."""
        needed = {id(node) for node in self.outputs}
        last: list[list[int]] = []
        for node in reversed(self.nodes):
            ended = {id(node), *map(id, node.inputs)} - needed
            needed |= ended
            last.append(list(ended))
        return last[::-1]

    def evaluate(self, arrays: Sequence[Array]) -> list[Array]:
        """The outputs for these arrays: every op's NumPy reference, without any graph."""
        values: dict[int, Any] = {id(node): node.array for node in self._literals}
        values |= {id(node): array for node, array in zip(self.inputs, arrays, strict=True)}
        for node, ended in zip(self.nodes, self._last, strict=True):
            result = node.op.evaluate(*[values[id(x)] for x in node.inputs], **node.attrs)
            if node.specs is None:
                values[id(node)] = np.asarray(result, node.dtype)
            else:
                pairs = zip(result, node.specs, strict=True)
                values[id(node)] = tuple([np.asarray(part, spec.dtype) for part, spec in pairs])
            for key in ended:
                del values[key]
        return [values[id(node)] for node in self.outputs]

    def replay(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """The outputs for these inputs: every op applied again, computed or recorded.

        What was recorded without a derivative gets none here either.
        """
        state = STATE
        values = {id(node): Tensor(node) for node in self._literals}
        for node, tensor in zip(self.inputs, inputs, strict=True):
            values[id(node)] = Tensor(tensor._resolve(state.trace))
        before = state.grad
        try:
            for node, ended in zip(self.nodes, self._last, strict=True):
                state.grad = before and node.requires_grad
                result = apply(node.op, *[values[id(x)] for x in node.inputs], **node.attrs)
                result._node.source = node.source
                values[id(node)] = result
                for key in ended:
                    del values[key]
        finally:
            state.grad = before
        return [values[id(node)] for node in self.outputs]


@dataclass(frozen=True)
class Recorded:
    """A function's subgraph and how it hangs together with the outside.

    body: its inputs are the arguments and then `captured`, its outputs the results and then the
        new values of `written` and the scalars that must be true, else `checks` are raised.
    captured: tensors and Variables from outside that were used.
    """

    body: Subgraph
    results: int
    captured: tuple[Tensor, ...]
    written: tuple[Variable, ...]
    checks: tuple[NeuronaError, ...]


def record(
    function: Callable[[list[Tensor]], Sequence[Tensor]], arguments: Sequence[Tensor]
) -> Recorded:
    """Record `function`, which maps tensors like `arguments` to its results.

    Raises `TraceError` if it asks for a value or calls `backward()`.
    """
    return record_like(function, [argument._resolve(STATE.trace) for argument in arguments])


def record_like(
    function: Callable[[list[Tensor]], Sequence[Tensor]], nodes: Sequence[Node]
) -> Recorded:
    """`record` for arguments like these nodes, which are patterns only."""
    with recording() as trace:
        places = [
            trace.input(node.spec, requires_grad=node.requires_grad, weak=node.weak)
            for node in nodes
        ]
        results = [x._resolve(trace) for x in function([Tensor(place) for place in places])]
        if trace.grads:
            raise TraceError(
                "backward() was called in a function that is recorded on its own (checkpoint, "
                "branches, loops); compute the gradients there with gradients() or grad()"
            )
    captured = [*trace.captures.values(), *trace.reads.items()]
    outputs = [*results, *trace.writes.values(), *(ok for ok, _ in trace.checks)]
    return Recorded(
        Subgraph([*places, *(place for _, place in captured)], outputs),
        len(results),
        tuple(handle for handle, _ in captured),
        tuple(trace.writes),
        tuple(error for _, error in trace.checks),
    )
