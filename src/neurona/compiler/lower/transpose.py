"""Copies of transposed values as tasks of their own."""

from __future__ import annotations

from neurona.compiler.ir.storage import storage_of
from neurona.compiler.ir.views import Layout, layout
from neurona.compiler.lower.fusion import Group
from neurona.compiler.lower.prepare import COPY
from neurona.compiler.lower.task import Task
from neurona.compiler.machine import native
from neurona.compiler.machine.matmul import lanes_for
from neurona.compiler.machine.transpose import transposition


def transposed_task(group: Group, layouts: dict[int, Layout]) -> Task | None:
    """The task of a group that only copies and puts another axis innermost, None for others."""
    (node, *others) = group.nodes
    if others or node.op is not COPY:
        return None
    place = layout(node.inputs[0], layouts)
    if place is None or place.base.dtype != node.dtype:
        return None
    lanes = lanes_for(node.dtype, native.host().lanes)
    copy = transposition(node.shape, place.strides, place.offset, node.dtype, lanes)
    if copy is None:
        return None
    buffers = storage_of(place.base), storage_of(node)
    return Task(buffers, ("read", "write"), (node,), copy.chunks, along=copy)
