"""Walks over recorded nodes, with explicit stacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from neurona.core.node import Node
from neurona.core.subgraph import topological, with_inputs

__all__ = ["rewrite", "topological", "with_inputs"]


def rewrite(
    outputs: Sequence[Node],
    rule: Callable[[Node, tuple[Node, ...]], Node],
    instead: Mapping[int, Node] | None = None,
) -> list[Node]:
    """The outputs of a graph in which `rule(node, new_inputs)` stands for every node.

    instead: by the id of a node another, of nodes of this graph, which is put in its place first.
    """
    instead = instead or {}
    new: dict[int, Node] = {}
    for node in topological(outputs, instead):
        put_in = instead.get(id(node), node)
        new[id(node)] = rule(put_in, tuple(new[id(x)] for x in put_in.inputs))
    return [new[id(node)] for node in outputs]
