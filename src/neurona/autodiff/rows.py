"""What the gradient of a scan keeps of each step, and the graphs of its bodies."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from neurona.core.lowering import Elementwise, Indexed, Reshape, View
from neurona.core.node import Node
from neurona.core.op import CONSTANT, INPUT, LITERAL
from neurona.core.subgraph import topological, with_inputs


def merged(outputs: Sequence[Node], places: Mapping[int, Node]) -> list[Node]:
    """The same graph with other nodes in place of some (by id), and one node for equal ones."""
    new = dict(places)
    seen: dict[Any, Node] = {}
    for node in topological(outputs):
        if id(node) in new:
            continue
        made = with_inputs(node, tuple([new[id(x)] for x in node.inputs]))
        if node.op is LITERAL:
            key: Any = ("literal", node.dtype, node.array.tobytes())
        elif node.op in (INPUT, CONSTANT) or node.op.name == "barrier":
            key = id(node)
        else:
            attrs = json.dumps(node.attrs, sort_keys=True, default=id)
            key = (node.op, tuple(map(id, made.inputs)), attrs, node.requires_grad)
        new[id(node)] = seen.setdefault(key, made)
    return [new[id(node)] for node in outputs]


def depending(order: Iterable[Node], on: Iterable[Node]) -> set[int]:
    """The ids of the nodes of a topological order that depend on some of these."""
    found = set(map(id, on))
    for node in order:
        if any(id(x) in found for x in node.inputs):
            found.add(id(node))
    return found


def residuals(
    outputs: Sequence[Node], cotangents: Sequence[Node], varying: Sequence[Node]
) -> list[Node]:
    """What of a step is kept so that its reverse step need not compute it again.

    outputs: of the reverse step. cotangents: its inputs that begin the walk back. varying: those
    that are another value in every step, and kept or known anyway.
    These are the values that the walk back asks for: each function, product or sum, and a cheap
    expression only if it cannot be computed from what is kept.
    """
    order = topological(outputs)
    backward = depending(order, cotangents)
    steps = depending(order, varying)
    asked = {
        id(x)
        for node in order
        if id(node) in backward
        for x in node.inputs
        if id(x) in steps and id(x) not in backward and not _is_leaf(x)
    }
    known = {id(x) for x in order if id(x) not in backward and (_is_leaf(x) or id(x) not in steps)}
    kept = [x for x in order if id(x) in asked and not _is_cheap(x)]
    known |= set(map(id, kept))
    for node in order:
        if id(node) in backward or id(node) in known:
            continue
        if _is_cheap(node) and all(id(x) in known for x in node.inputs):
            known.add(id(node))
        elif id(node) in asked:
            known.add(id(node))
            kept.append(node)
    return [x for x in kept if x.specs is None]


def _is_leaf(node: Node) -> bool:
    return node.op in (INPUT, CONSTANT, LITERAL)


def _is_cheap(node: Node) -> bool:
    lower = node.op.lower
    if isinstance(lower, Elementwise):
        return not lower.dear
    return isinstance(lower, View | Reshape) or (isinstance(lower, Indexed) and not node.inputs)
