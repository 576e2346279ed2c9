"""Ranges of choices and loops (see `bounds`)."""

from __future__ import annotations

from neurona.core.node import Node
from neurona.core.subgraph import Subgraph
from tests.compiler.bounds import ranges_of, rule
from tests.compiler.ranges import Range, anything, hull


def outcome(body: Subgraph, inputs: tuple[Range, ...] | list[Range]) -> list[Range]:
    return ranges_of(body.outputs, dict(zip(body.inputs, inputs, strict=True)))


@rule("switch")
def switch(node: Node, index: Range, *inputs: Range) -> list[Range]:
    """Those of the branch that is taken, or of any."""
    branches = node.attrs["branches"]
    if index.known.all():
        return outcome(branches[int(index.low)], inputs)
    first, *others = [outcome(branch, inputs) for branch in branches]
    for other in others:
        first = [hull(a, b) for a, b in zip(first, other, strict=True)]
    return first


@rule("loop")
def loop(node: Node, *inputs: Range) -> list[Range]:
    """Round by round, as long as it is certain whether there is another."""
    body = node.attrs["body"]
    count = len(body.outputs)
    carry, rest = list(inputs[:count]), list(inputs[count:])
    while True:
        gates = [carry[gate] for gate in node.attrs["gates"]]
        if not all(gate.known.all() for gate in gates):
            return [anything(x.dtype, x.shape) for x in body.outputs]
        if not all(gate.low for gate in gates):
            return carry
        carry = outcome(body, [*carry, *rest])
