"""Sums over the steps of a scan that are computed after it.

The gradient by what is the same in every step (a weight, a bias) is a sum over the steps. Where a
step's part is a matrix product Aᵀ·B, the sum is one product of all rows of the A and B of all
steps; where it is a sum over axes, one sum. So the reverse scan hands out A and B (often they are
handed out or kept anyway) instead of adding up products.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from neurona.core.apply import apply
from neurona.core.node import Node
from neurona.core.op import LITERAL
from neurona.core.tensor import Tensor
from neurona.ops.arithmetic import ADD, add
from neurona.ops.broadcast import BROADCAST_TO, RESHAPE, SUM, reshape
from neurona.ops.matmul import MATMUL, PERMUTE_DIMS

Combine = Callable[[list[Tensor]], Tensor]
"""From the stacked rows of some nodes to the sum of a term over all steps."""


class Sums:
    """The sums of some results of a step, by terms.

    stacks: what of the step's inputs is stacked already, by id. wanted: nodes of which rows must be
    handed out, by id.
    """

    def __init__(self, stacks: Mapping[int, Tensor], varying: set[int]) -> None:
        self.stacks = dict(stacks)
        self.varying = varying
        self.wanted: dict[int, Node] = {}

    def of(self, node: Node) -> tuple[list[tuple[list[Node], Combine]], list[Node]]:
        """The terms of a result that are computed after the scan, and those added up in it."""
        after: list[tuple[list[Node], Combine]] = []
        within: list[Node] = []
        stack: list[tuple[Node, tuple[Node, ...]]] = [(node, ())]
        while stack:
            term, views = stack.pop()
            if term.op is ADD and all(x.shape == term.shape for x in term.inputs):
                stack += [(x, views) for x in reversed(term.inputs)]
            elif term.op in (PERMUTE_DIMS, RESHAPE):
                stack.append((term.inputs[0], (term, *views)))
            elif term.op is BROADCAST_TO and _is_zero(term.inputs[0]):
                continue
            elif (found := self._term(term)) is not None:
                nodes, combine = found
                after.append((nodes, _shown(combine, views)))
            else:
                within.append(_seen(term, views))
        for nodes, _ in after:
            for x in nodes:
                if id(x) not in self.stacks:
                    self.wanted[id(x)] = x
        return after, within

    def _term(self, term: Node) -> tuple[list[Node], Combine] | None:
        if not all(id(x) in self.varying for x in term.inputs):
            return None
        if term.op is SUM:
            axes = (0, *[axis + 1 for axis in term.attrs["axis"]])
            shape = term.shape

            def total(stacks: list[Tensor]) -> Tensor:
                return reshape(apply(SUM, stacks[0], axis=axes, keepdims=True), shape)

            return [term.inputs[0]], total
        if term.op is MATMUL and len(term.shape) == 2:
            (left, first), (right, second) = map(_untransposed, term.inputs)

            def product(stacks: list[Tensor]) -> Tensor:
                a = _rows(stacks[0], inner=not first)
                b = _rows(stacks[1], inner=second)
                return apply(MATMUL, apply(PERMUTE_DIMS, a, axes=(1, 0)), b)

            return [left, right], product
        return None


def added(total: Node, part: Node) -> Node:
    """A node for the sum of two of equal shape."""
    node = Node(ADD, (total, part), {}, part.spec, trace=part.trace)
    node.requires_grad = total.requires_grad or part.requires_grad
    return node


def total(parts: list[Tensor]) -> Tensor | None:
    """The sum of the parts, None if there are none."""
    result: Tensor | None = None
    for part in parts:
        result = part if result is None else add(result, part)
    return result


def _is_zero(node: Node) -> bool:
    return node.op is LITERAL and not node.array.any()


def _untransposed(x: Node) -> tuple[Node, bool]:
    """What a matrix is the transpose of, and that; or it itself."""
    return (x.inputs[0], True) if x.op is PERMUTE_DIMS else (x, False)


def _rows(stack: Tensor, *, inner: bool) -> Tensor:
    """The matrices of a stack one below the other, in the order of the axis that is added up.

    inner: that is the last axis of each.
    """
    if inner:
        stack = apply(PERMUTE_DIMS, stack, axes=(0, 2, 1))
    return reshape(stack, (math.prod(stack.shape[:2]), stack.shape[2]))


def _shown(combine: Combine, views: tuple[Node, ...]) -> Combine:
    def run(stacks: list[Tensor]) -> Tensor:
        result = combine(stacks)
        for view in views:
            result = apply(view.op, result, **view.attrs)
        return result

    return run


def _seen(term: Node, views: tuple[Node, ...]) -> Node:
    for view in views:
        term = Node(view.op, (term,), view.attrs, view.spec, trace=view.trace)
        term.requires_grad = view.requires_grad
    return term
