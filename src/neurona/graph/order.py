"""Walks over recorded nodes, with explicit stacks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from neurona.core.node import Node
from neurona.core.subgraph import topological, with_inputs

__all__ = ["rewrite", "topological", "with_inputs"]


def rewrite(outputs: Sequence[Node], rule: Callable[[Node, tuple[Node, ...]], Node]) -> list[Node]:
    """The outputs of a graph in which `rule(node, new_inputs)` stands for every node."""
    new: dict[int, Node] = {}
    for node in topological(outputs):
        new[id(node)] = rule(node, tuple(new[id(x)] for x in node.inputs))
    return [new[id(node)] for node in outputs]
