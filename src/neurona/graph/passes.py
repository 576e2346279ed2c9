"""Passes: functions from a graph's outputs to the outputs of an equal, simpler graph."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from neurona.core.buffer import Buffer
from neurona.core.node import Node
from neurona.core.op import CONSTANT, INPUT, LITERAL, Op, Spec
from neurona.graph.order import rewrite, topological, with_inputs

Pass = Callable[[Sequence[Node]], list[Node]]

PASS_THROUGH = frozenset(("identity", "leaf", "stop_gradient", "attach"))
"""Ops that only matter to differentiation."""
AS_IS = frozenset(("barrier", "require"))
"""Ops that are more than their value."""


def make(op: Op, *inputs: Node, **attrs: Any) -> Node:
    """A node as `apply` would record it."""
    return Node(op, inputs, attrs, op.infer(*inputs, **attrs))


def drop_marks(outputs: Sequence[Node]) -> list[Node]:
    """Without the ops that only matter to differentiation."""

    def rule(node: Node, inputs: tuple[Node, ...]) -> Node:
        return inputs[0] if node.op.name in PASS_THROUGH else with_inputs(node, inputs)

    return rewrite(outputs, rule)


def fold_literals(outputs: Sequence[Node]) -> list[Node]:
    """Scalars that follow from numbers in the code are computed now."""

    def rule(node: Node, inputs: tuple[Node, ...]) -> Node:
        known = inputs and node.specs is None and node.shape == () and node.op.name not in AS_IS
        if not known or not all(x.op is LITERAL for x in inputs):
            return with_inputs(node, inputs)
        with np.errstate(all="ignore"):
            value = np.asarray(node.op.evaluate(*[x.array for x in inputs], **node.attrs))
        return Node(LITERAL, (), {}, Spec((), node.dtype), Buffer(value.astype(node.dtype)))

    return rewrite(outputs, rule)


def merge_equal(outputs: Sequence[Node]) -> list[Node]:
    """Common subexpressions: one node for equal ops on equal inputs (barriers aside)."""
    seen: dict[Any, Node] = {}

    def rule(node: Node, inputs: tuple[Node, ...]) -> Node:
        node = with_inputs(node, inputs)
        if node.op is LITERAL:
            key: Any = ("literal", node.dtype, node.array.tobytes())
        elif node.op in (INPUT, CONSTANT) or node.op.name == "barrier":
            return node
        else:
            attrs = json.dumps(node.attrs, sort_keys=True, default=id)
            key = (node.op, tuple(map(id, inputs)), attrs)
        return seen.setdefault(key, node)

    return rewrite(outputs, rule)


def transpose_products(outputs: Sequence[Node]) -> list[Node]:
    """(A·B)ᵀ that nobody wants untransposed is computed as Bᵀ·Aᵀ, whose operands are views."""
    users: dict[int, int] = {}
    for node in topological(outputs):
        for x in node.inputs:
            users[id(x)] = users.get(id(x), 0) + 1
    wanted = {id(node) for node in outputs}

    def rule(node: Node, inputs: tuple[Node, ...]) -> Node:
        if node.op.name == "permute_dims" and node.inputs[0].op.name == "matmul":
            old, product = node.inputs[0], inputs[0]
            ndim = len(node.shape)
            swap = (*range(ndim - 2), ndim - 1, ndim - 2)
            only = users[id(old)] == 1 and id(old) not in wanted
            if only and node.attrs["axes"] == swap and product.op is old.op:
                a, b = [_transposed(node.op, x) for x in product.inputs]
                return make(product.op, b, a)
        return with_inputs(node, inputs)

    return rewrite(outputs, rule)


def _transposed(permute: Op, x: Node) -> Node:
    ndim = len(x.shape)
    axes = (*range(ndim - 2), ndim - 1, ndim - 2)
    if x.op is permute and tuple(x.attrs["axes"]) == axes:
        return x.inputs[0]
    return make(permute, x, axes=axes)


SIMPLIFY: tuple[Pass, ...] = (drop_marks, fold_literals, merge_equal, transpose_products)
