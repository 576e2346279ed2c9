"""What the backward pass computes again rather than keep.

An activation's derivative asks for several values on the way from the product's result z to the
activation. Computed where z is, all of them would be kept until the backward pass comes back; they
are cheap, so z alone is kept, and they are computed from it where they are used. The activation
itself, which the gradient of the next product's weight asks for, is then computed with them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from neurona.autodiff.marks import BARRIER
from neurona.compiler.ir.functions import LIBRARY
from neurona.compiler.ir.sizes import typical
from neurona.compiler.ir.views import aligned
from neurona.compiler.lower.fusion import FINISHED, read_whole
from neurona.compiler.lower.prepare import supported
from neurona.core.lowering import Contraction, Convolution, Elementwise, Reduction
from neurona.core.node import Node
from neurona.core.op import LITERAL
from neurona.graph.order import rewrite, topological, with_inputs
from neurona.graph.passes import make

CHEAP = frozenset(("exp", "erf", "tanh", "sqrt"))
"""Functions of the library that cost about what storing and loading a value does."""

DEAR = frozenset((*LIBRARY, "logaddexp")) - {"exp", "erf", "tanh"}
"""Functions that take longer than a value takes to memory and back."""


def computed_again(outputs: Sequence[Node]) -> list[Node]:
    """Elementwise functions of one value z, used behind a later product, are computed there.

    Only of large values: small ones are read from the caches faster than computed again.
    """
    order = topological(outputs)
    depth, source = _depths(order), _sources(order, read_whole(order) | set(map(id, outputs)))
    late = [x for node in order for x in _late(node, depth)]
    kept: dict[int, dict[int, Node]] = {}
    for x in late:
        kept.setdefault(id(source[id(x)]), {})[id(x)] = x
    chains: dict[int, list[Node]] = {}
    for node in order:
        z = source[id(node)]
        if node is not z and _gains(z, kept.get(id(z), {}), depth):
            chains.setdefault(id(z), []).append(node)
    if not chains:
        return list(outputs)
    done: dict[int, Node] = {}
    copies: dict[tuple[int, int], Node] = {}

    def rule(node: Node, inputs: tuple[Node, ...]) -> Node:
        new = list(inputs)
        for x in _late(node, depth):
            z, level = source[id(x)], depth[id(node)]
            if x is z or id(z) not in chains:
                continue
            if (id(z), level) not in copies:
                after = next(i for i, y in enumerate(node.inputs) if depth[id(y)] == level)
                copies[id(z), level] = make(BARRIER, done[id(z)], inputs[after])
                for old in chains[id(z)]:
                    parts = [copies.get((id(y), level), y) for y in old.inputs]
                    copies[id(old), level] = with_inputs(old, tuple(parts))
            for i, y in enumerate(node.inputs):
                if y is x:
                    new[i] = copies[id(x), level]
        done[id(node)] = with_inputs(node, tuple(new))
        return done[id(node)]

    return rewrite(outputs, rule)


def operands_again(outputs: Sequence[Node]) -> list[Node]:
    """Later products read an activation that is computed again where its derivative is.

    To be called after `computed_again`, whose barriers say where that is.
    """
    order = topological(outputs)
    depth = _depths(order)
    source = _sources(order, read_whole(order) | set(map(id, outputs)))
    places: dict[int, list[Node]] = {}
    for node in order:
        if node.op is BARRIER:
            places.setdefault(id(node.inputs[0]), []).append(node)
    new: dict[int, Node] = {}
    for node in order:
        if not isinstance(node.op.lower, Contraction):
            continue
        level = max(depth[id(x)] for x in node.inputs)
        inputs = list(node.inputs)
        for i, x in enumerate(inputs):
            value = aligned(x)[0]
            z = _only_source(value, source)
            late = z is not None and depth[id(value)] < level and _is_large(z)
            if z is None or not late:
                continue
            for place in places.get(id(z), ()):
                if depth[id(place)] >= level and not _depends(place, node):
                    inputs[i] = _moved(x, z, place)
                    break
        if any(a is not b for a, b in zip(inputs, node.inputs, strict=True)):
            new[id(node)] = with_inputs(node, tuple(inputs))
    return rewrite(outputs, with_inputs, new) if new else list(outputs)


def _only_source(node: Node, source: dict[int, Node]) -> Node | None:
    """The value of which a cheap elementwise node is a function, although it is in memory."""
    if not _is_cheap(node) or source[id(node)] is not node:
        return None
    sources = {id(source[id(x)]): source[id(x)] for x in node.inputs if x.op is not LITERAL}
    if len(sources) != 1:
        return None
    (z,) = sources.values()
    return z if z.shape == node.shape else None


def _depends(node: Node, on: Node) -> bool:
    return any(x is on for x in topological([node]))


def _moved(x: Node, z: Node, place: Node) -> Node:
    """x as a function of `place` in place of z."""
    moved = {id(z): place}
    between = topological([x])
    for node in between[between.index(z) + 1 :]:
        inputs = tuple(moved.get(id(y), y) for y in node.inputs)
        changed = any(a is not b for a, b in zip(inputs, node.inputs, strict=True))
        if changed:
            moved[id(node)] = with_inputs(node, inputs)
    return moved[id(x)]


def _depths(order: Sequence[Node]) -> dict[int, int]:
    """How many products lie, at most, on the way to each node."""
    depth: dict[int, int] = {}
    for node in order:
        before = max((depth[id(x)] for x in node.inputs), default=0)
        depth[id(node)] = before + isinstance(node.op.lower, Contraction | Convolution)
    return depth


def _sources(order: Sequence[Node], in_memory: set[int]) -> dict[int, Node]:
    """The one value from which each elementwise chain begins, the node itself in none.

    What is in memory anyway is in none: fusion computes what follows from it where it is read. What
    is dear is in none either, but kept.
    """
    source: dict[int, Node] = {}
    for node in order:
        sources = {id(source[id(x)]): source[id(x)] for x in node.inputs if x.op is not LITERAL}
        source[id(node)] = node
        if len(sources) == 1 and _is_cheap(node) and id(node) not in in_memory:
            (z,) = sources.values()
            if node.shape == z.shape and id(z) not in in_memory:
                source[id(node)] = z
    return source


def _is_cheap(node: Node) -> bool:
    lower = node.op.lower
    return isinstance(lower, Elementwise) and node.op.name not in DEAR and supported(node)


def _is_large(node: Node) -> bool:
    return typical(math.prod(node.shape)) * node.dtype.itemsize >= FINISHED


def _late(node: Node, depth: dict[int, int]) -> list[Node]:
    """The inputs of a loop that come from before a product on which it depends."""
    if not isinstance(node.op.lower, Elementwise | Reduction):
        return []
    return [x for x in node.inputs if x.op is not LITERAL and depth[id(x)] < depth[id(node)]]


def _gains(z: Node, kept: dict[int, Node], depth: dict[int, int]) -> bool:
    """Whether at least one value less is kept.

    What depends on no product is left to the program's prologue.
    """
    if depth[id(z)] == 0 or not _is_large(z):
        return False
    others = sum(x.dtype.itemsize for x in kept.values() if x is not z)
    return others >= z.dtype.itemsize * (1 if id(z) in kept else 2)
