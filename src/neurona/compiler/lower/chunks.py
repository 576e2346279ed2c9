"""Combining what the chunks of a reduction over the rows left."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

from neurona.compiler.ir.loops import Kernel, Nest, Param, Store, check
from neurona.compiler.ir.scalar import Builder, Expr
from neurona.compiler.ir.storage import Storage, storage_of
from neurona.core.lowering import Reduction
from neurona.core.node import Node

COMBINE = {
    "add": "add", "multiply": "multiply", "minimum": "minimum", "maximum": "maximum",
    "and": "bitwise_and", "or": "bitwise_or",
}  # fmt: skip

WRITTEN_OUT = 16
"""Chunks up to which they are combined at once; more of them in a loop, in the result's dtype."""


@dataclass(frozen=True, eq=False)
class LoopTask:
    """A kernel and the memory behind each of its params."""

    kernel: Kernel
    buffers: tuple[Storage, ...]
    nodes: tuple[Node, ...]


def combine_chunks(node: Node, partial: Storage, chunks: int) -> LoopTask:
    """The kernel that folds the chunks' accumulators, in order, into the node's value."""
    lower = node.op.lower
    if not isinstance(lower, Reduction):
        raise TypeError(f"{node.op.name} is not a reduction")
    return combine_parts(node, partial, chunks, COMBINE[lower.combine], lower.initial(node.dtype))


def combine_parts(
    node: Node, partial: Storage, chunks: int, combine: str, start: float
) -> LoopTask:
    """The kernel that folds `chunks` arrays of the node's size, in order, into its value."""
    k = Builder()
    size = max(1, math.prod(node.shape))
    result = storage_of(node)
    column = k.variable("c0")

    def nest(value: Expr) -> Nest:
        return Nest((("c0", size),), (Store("b1", column, value),))

    before: tuple[Nest, ...] = ()
    rows: tuple[tuple[str, int], ...] = ()
    if chunks <= WRITTEN_OUT:
        parts = [k.load("b0", column + chunk * size, partial.dtype) for chunk in range(chunks)]
        body = nest(functools.reduce(functools.partial(k.call, combine), parts))
    else:
        before = (nest(k.constant(start, node.dtype)),)
        rows = (("r0", chunks),)
        part = k.load("b0", k.variable("r0") * size + column, partial.dtype)
        body = nest(k.call(combine, k.load("b1", column, result.dtype), part))
    kernel = Kernel(
        "kernel",
        (
            Param("b0", partial.dtype, partial.size, "read"),
            Param("b1", result.dtype, result.size, "update" if before else "write"),
        ),
        1,
        rows,
        (body,),
        before,
        flops=size * chunks,
    )
    return LoopTask(check(kernel), (partial, result), (node,))
