"""One graph for all sizes, from the graphs of two.

Two recordings of a function, for n = n₁ and n = n₂, are walked side by side. They must be the same
but for numbers: extents, attributes and literals that differ become Sizes (scale·n + offset). A
third recording fits the result if the Sizes, at its own n, give its numbers. So nothing is assumed
of the function: every n is recorded, and only compiled anew if it does not fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neurona.compiler.ir.sizes import Size
from neurona.compiler.lower.prepare import NUMBER
from neurona.core.lowering import Contraction, Elementwise
from neurona.core.node import Node
from neurona.core.op import INPUT, LITERAL, Op, Shape, Spec


class Differs(Exception):  # noqa: N818 (an answer, not a mistake)
    """Two graphs differ in more than sizes."""


class Pairing:
    """The walk. `n`: the sizes of the two graphs; the first is None for a graph with Sizes."""

    def __init__(self, n: tuple[int | None, int]) -> None:
        self.n = n
        self.made: dict[tuple[int, int], Node] = {}

    def nodes(self, first: Sequence[Node], second: Sequence[Node]) -> list[Node]:
        """The nodes of the common graph for pairs of nodes. Raises `Differs`."""
        if len(first) != len(second):
            raise Differs
        stack = list(zip(first, second, strict=True))
        while stack:
            a, b = stack[-1]
            if (id(a), id(b)) in self.made:
                stack.pop()
                continue
            if len(a.inputs) != len(b.inputs):
                raise Differs
            pairs = zip(a.inputs, b.inputs, strict=True)
            waiting = [(x, y) for x, y in pairs if (id(x), id(y)) not in self.made]
            if waiting:
                stack += waiting
                continue
            stack.pop()
            self.made[id(a), id(b)] = self.node(a, b)
        return [self.made[id(a), id(b)] for a, b in zip(first, second, strict=True)]

    def node(self, a: Node, b: Node) -> Node:
        if a.dtype != b.dtype:
            raise Differs
        if b.op is LITERAL and a.op in (LITERAL, NUMBER):
            return self.literal(a, b)
        if a.op is not b.op or a.op is INPUT:
            raise Differs
        if a.value is not None or b.value is not None:
            if a.value is b.value:
                return a
            raise Differs
        spec: Any = Spec(self.value(a.shape, b.shape), a.dtype)
        if a.specs is not None and b.specs is not None:
            spec = tuple(Spec(*self.value(x, y)) for x, y in zip(a.specs, b.specs, strict=True))
        inputs = tuple(self.made[id(x), id(y)] for x, y in zip(a.inputs, b.inputs, strict=True))
        if a.specs is None and not all(_spreads_always(a.op, x.shape, spec.shape) for x in inputs):
            raise Differs
        like = Node(a.op, inputs, self.value(a.attrs, b.attrs), spec, weak=a.weak)
        like.source = a.source
        return like

    def inputs(self, first: Sequence[Node], second: Sequence[Node]) -> list[Node]:
        """Placeholders of the common graph for those of the two."""
        if len(first) != len(second):
            raise Differs
        for a, b in zip(first, second, strict=True):
            # What a program keeps of Variables holds for these Variables.
            if a.dtype != b.dtype or a.owner is not b.owner:
                raise Differs
            spec = Spec(self.value(a.shape, b.shape), a.dtype)
            made = self.made[id(a), id(b)] = Node(INPUT, (), {}, spec, weak=a.weak)
            made.owner = a.owner
        return [self.made[id(a), id(b)] for a, b in zip(first, second, strict=True)]

    def literal(self, a: Node, b: Node) -> Node:
        if a.op is LITERAL and a.array.tobytes() == b.array.tobytes():
            return a
        known = a.attrs["size"] if a.op is NUMBER else _whole(a)
        size = self.number(known, _whole(b))
        return Node(NUMBER, (), {"size": size, "dtype": b.dtype.name}, b.spec, weak=b.weak)

    def value(self, a: Any, b: Any) -> Any:
        """What attributes or shapes have in common."""
        if type(a) is int or isinstance(a, Size):
            return self.number(a, b)
        if type(a) is not type(b):
            raise Differs
        if isinstance(a, (tuple, list)):
            if len(a) != len(b):
                raise Differs
            parts = [self.value(x, y) for x, y in zip(a, b, strict=True)]
            return parts if isinstance(a, list) else tuple(parts)
        if isinstance(a, dict):
            if a.keys() != b.keys():
                raise Differs
            return {key: self.value(a[key], b[key]) for key in a}
        if a is b or (isinstance(a, (str, bool, float)) and a == b):
            return a
        raise Differs

    def number(self, a: int, b: int) -> int:
        """The number that is a in the first graph and b in the second."""
        first, second = self.n
        if isinstance(a, Size):
            if a.at(second) == b:
                return a
        elif a == b:
            return a
        elif first is not None and (b - a) % (second - first) == 0:
            scale = (b - a) // (second - first)
            return Size(scale, a - scale * first)
        raise Differs


def _spreads_always(op: Op, inner: Shape, outer: Shape) -> bool:
    """Whether an operand that is spread over a result is so at every n, not just where it is 1."""
    if isinstance(op.lower, Contraction):
        inner, outer = inner[:-2], outer[:-2]
    elif not isinstance(op.lower, Elementwise) and op.name != "broadcast_to":
        return True
    pairs = zip(reversed(inner), reversed(outer), strict=False)
    return all(not isinstance(n, Size) or (isinstance(m, Size) and m == n) for n, m in pairs)


def _whole(node: Node) -> int:
    value = node.array.item()
    if isinstance(value, float) and not value.is_integer():
        raise Differs
    return int(value)
