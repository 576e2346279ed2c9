"""The tasks of attention and its gradient in float32; other dtypes are evaluated by Python."""

from __future__ import annotations

import math
from collections.abc import Sequence

from neurona.compiler.ir.sizes import NotAffine, varies
from neurona.compiler.ir.storage import Storage, storage_of
from neurona.compiler.ir.views import Layout, layout
from neurona.compiler.lower.attention_operands import before_mask
from neurona.compiler.lower.task import Task
from neurona.compiler.machine import native
from neurona.compiler.machine.attention import Attention
from neurona.compiler.machine.attention_gradient import Gradient
from neurona.compiler.machine.attention_text import Mask, Operand, Sizes
from neurona.core.node import Node
from neurona.ops.attention import places


def attention_tasks(node: Node, order: Sequence[Node], layouts: dict[int, Layout]) -> list[Task]:
    """The one task; the results of `attention` are in the memory of the nodes that take them."""
    count = before_mask(node)
    q, k, v = node.inputs[count - 3 : count]
    masks = node.inputs[count:]
    sizes = _sizes(node, q, k, v)
    found = [_place(x, layouts) for x in node.inputs]
    by_q, by_k, by_v = (_operand(place) for place in found[count - 3 : count])
    mask = _mask(masks[0], found[count]) if masks else None
    buffers = [storage_of(place.base) for place in found]
    made: Attention | Gradient
    if node.op.name == "attention":
        made = Attention(sizes, by_q, by_k, by_v, mask)
        taken = {x.attrs["index"]: x for x in order if x.inputs[:1] == (node,)}
        goals = [
            storage_of(taken[i])
            if i in taken
            else Storage(node, f"result {i}", math.prod(spec.shape), spec.dtype)
            for i, spec in enumerate(node.specs or ())
        ]
    else:
        g, y, lse = found[:3]
        goals = [storage_of(node)]
        first, second, third = (
            Operand((s[0], s[1], s[2]), start) for start, s in places(q.shape, k.shape, v.shape)
        )
        read = (_operand(g), _operand(y), lse.offset, by_q, by_k, by_v)
        made = Gradient(sizes, *read, mask, first, second, third)
    roles = ("read",) * len(buffers) + ("write",) * len(goals)
    return [Task((*buffers, *goals), roles, (node,), made.chunks, along=made, flops=made.flops)]


def _sizes(node: Node, q: Node, k: Node, v: Node) -> Sizes:
    batch, queries, heads, width = q.shape
    keys, value_width = k.shape[1], v.shape[3]
    if varies((queries, heads, width, keys, value_width)):
        raise NotAffine(f"{node!r}: attention needs all sizes but the batch")
    lanes = native.host().lanes
    scale, causal = node.attrs["scale"], node.attrs["causal"]
    return Sizes(batch, heads, queries, keys, width, value_width, scale, causal, lanes)


def _place(x: Node, layouts: dict[int, Layout]) -> Layout:
    found = layout(x, layouts)
    if found is None:
        raise TypeError(f"{x!r}, an operand of attention, has no strides")
    return found


def _operand(place: Layout) -> Operand:
    batch, positions, heads, _ = place.strides
    return Operand((batch, positions, heads), place.offset)


def _mask(x: Node, place: Layout) -> Mask:
    steps = [0 if n == 1 else s for n, s in zip(x.shape, place.strides, strict=True)]
    return Mask((steps[0], steps[1], steps[2], steps[3]), place.offset, x.dtype)
