"""Combining what the chunks of a reduction over the rows left."""

from __future__ import annotations

import math
from dataclasses import dataclass

from neurona.compiler.loops import Kernel, Nest, Param, Store, check
from neurona.compiler.scalar import Builder, Expr
from neurona.compiler.storage import Storage, storage_of
from neurona.core.lowering import Reduction
from neurona.core.node import Node

COMBINE = {
    "add": "add", "multiply": "multiply", "minimum": "minimum", "maximum": "maximum",
    "and": "bitwise_and", "or": "bitwise_or",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class LoopTask:
    """A kernel and the memory behind each of its params."""

    kernel: Kernel
    buffers: tuple[Storage, ...]
    nodes: tuple[Node, ...]


def combine_chunks(node: Node, partial: Storage, chunks: int) -> LoopTask:
    """The kernel that folds the chunks' accumulators, in order, into the node's value."""
    k = Builder()
    lower = node.op.lower
    if not isinstance(lower, Reduction):
        raise TypeError(f"{node.op.name} is not a reduction")
    size = max(1, math.prod(node.shape))
    column = k.variable("c0")
    total: Expr | None = None
    for chunk in range(chunks):
        part = k.load("b0", column + chunk * size, partial.dtype)
        total = part if total is None else k.call(COMBINE[lower.combine], total, part)
    if total is None:
        raise TypeError("a reduction without chunks")
    result = storage_of(node)
    kernel = Kernel(
        "kernel",
        (
            Param("b0", partial.dtype, partial.size, "read"),
            Param("b1", result.dtype, result.size, "write"),
        ),
        1,
        (),
        (Nest((("c0", size),), (Store("b1", column, total),)),),
        flops=size * chunks,
    )
    return LoopTask(check(kernel), (partial, result), (node,))
