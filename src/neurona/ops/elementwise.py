"""How the records of elementwise ops are made; the families have files of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from neurona.core.dtypes import DType, bool_
from neurona.core.lowering import Elementwise
from neurona.core.node import Node
from neurona.core.op import Op, Shape, Spec, register
from neurona.core.tensor import Tensor
from neurona.ops.broadcast import sum_to
from neurona.ops.operand import broadcast_shapes, require_same_dtype

Rule = Callable[..., Tensor]
"""(cotangent, output, *inputs) → the cotangent of one input, before sums undo broadcasting."""


def elementwise(
    name: str,
    evaluate: Callable[..., Any],
    *rules: Rule | None,
    dear: bool = False,
    predicate: bool = False,
) -> Op:
    """Register an elementwise op whose operands share a dtype.

    rules: one an input, None where no gradient flows; no rules at all for an op without gradient.
    dear: worth storing rather than computing twice. predicate: the result is bool.
    """

    def infer(*nodes: Node) -> Spec:
        dtype: DType = nodes[0].dtype
        shape: Shape = ()
        for node in nodes:
            if node.dtype != dtype:
                require_same_dtype(name, *nodes)
            if node.shape and node.shape != shape:
                shape = broadcast_shapes(name, shape, node.shape) if shape else node.shape
        return Spec(shape, bool_ if predicate else dtype)

    def vjp(g: Tensor, out: Tensor, *inputs: Tensor) -> tuple[Tensor | None, ...]:
        return tuple(
            sum_to(rule(g, out, *inputs), x.shape) if rule and x.requires_grad else None
            for rule, x in zip(rules, inputs, strict=True)
        )

    lower = Elementwise(lambda k, *values: k.call(name, *values), dear)
    return register(Op(name, infer, evaluate, vjp if rules else None, lower))
