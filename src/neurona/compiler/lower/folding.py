"""Batch norm folded into weights that do not change.

A convolution's result times a number a channel, plus another, is a convolution with other weights,
plus a bias. Where weights and numbers follow from Variables that the program does not write, the
new ones are part of its prologue.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from neurona.compiler.lower.prepare import op
from neurona.core.lowering import Convolution
from neurona.core.node import Node
from neurona.core.op import CONSTANT, LITERAL
from neurona.graph.order import rewrite, topological, with_inputs
from neurona.graph.passes import make


class Affine(NamedTuple):
    """scale·convolution + shift, with numbers a channel, None for 1 and 0."""

    convolution: Node
    scale: Node | None
    shift: Node | None

    def node(self) -> Node:
        """The same with the scale among the weights."""
        made = self.convolution
        x, w = made.inputs
        if self.scale is not None:
            scale = make(op("reshape"), self.scale, shape=(w.shape[0], *[1] * (len(w.shape) - 1)))
            made = make(made.op, x, make(op("multiply"), w, scale), **made.attrs)
        return made if self.shift is None else make(op("add"), made, self.shift)


def folded(outputs: Sequence[Node], fixed: Sequence[Node]) -> list[Node]:
    """The graph in which constant numbers a channel are folded into constant weights."""
    uses: dict[int, int] = {}
    order = topological(outputs)
    for node in order:
        for x in node.inputs:
            uses[id(x)] = uses.get(id(x), 0) + 1
    for node in outputs:
        uses[id(node)] = 2
    steady = {id(node) for node in fixed}
    found: dict[int, Affine] = {}

    def rule(node: Node, inputs: tuple[Node, ...]) -> Node:
        made = with_inputs(node, inputs)
        lower = node.op.lower
        if isinstance(lower, Convolution) and lower.by == "y":
            first = node.attrs["layout"] == "channels first"
            if first and id(inputs[1]) in steady and id(inputs[0]) not in steady:
                found[id(made)] = Affine(made, None, None)
        elif node.op.name in ("add", "subtract", "multiply"):
            for i in (0, 1):
                affine, other = found.get(id(inputs[i])), inputs[1 - i]
                single = uses[id(node.inputs[i])] == 1 and (i == 0 or node.op.name != "subtract")
                if not affine or not single or id(other) not in steady:
                    continue
                # A single channel may have been spread over several.
                if made.shape == affine.convolution.shape and _by_channel(other, made):
                    affine = _moved(affine, node.op.name, other)
                    made = affine.node()
                    found[id(made)] = affine
        if node.op in (LITERAL, CONSTANT) or (inputs and all(id(x) in steady for x in inputs)):
            steady.add(id(made))
        return made

    return rewrite(outputs, rule)


def _by_channel(other: Node, result: Node) -> bool:
    """Whether a value differs from channel to channel alone."""
    channels, rank = result.shape[1], len(result.shape)
    there = len(other.shape) >= rank - 1 and other.shape[-(rank - 1)] == channels
    return there and math.prod(other.shape) == channels


def _moved(affine: Affine, name: str, other: Node) -> Affine:
    scale, shift = affine.scale, affine.shift
    if name == "multiply":
        return affine._replace(
            scale=other if scale is None else make(op("multiply"), scale, other),
            shift=None if shift is None else make(op("multiply"), shift, other),
        )
    if shift is None:
        return affine._replace(shift=other if name == "add" else make(op("negative"), other))
    return affine._replace(shift=make(op(name), shift, other))
