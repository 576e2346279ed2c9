"""The tasks of convolutions with the layout "batch last", in float32 and float64."""

from __future__ import annotations

import math

from neurona.compiler.ir.storage import Storage, storage_of
from neurona.compiler.ir.views import Layout, layout
from neurona.compiler.lower.chunks import combine_parts
from neurona.compiler.lower.task import Task
from neurona.compiler.machine import native
from neurona.compiler.machine.batch_last import Correlation, forward_axis, gradient_axis
from neurona.compiler.machine.batch_last_weights import Tap, WeightSums
from neurona.compiler.machine.matmul import lanes_for
from neurona.core.node import Node


def batch_last_tasks(node: Node, layouts: dict[int, Layout]) -> list[Task]:
    """The tasks of a `conv`, `conv_input_gradient` or `conv_weight_gradient` node.

    x, g and the result are (channels, *spatial, batch), the batch of operands contiguous; only the
    batch's extent may be a Size.
    """
    if not math.prod(node.shape):
        return []
    if node.op.name == "conv_weight_gradient":
        return _weight_tasks(node, layouts)
    return [_correlation_task(node, layouts)]


def _place(x: Node, layouts: dict[int, Layout]) -> Layout:
    place = layout(x, layouts)
    if place is None:
        raise TypeError(f"{x!r}, an operand of a convolution, has no strides")
    return place


def _data_place(x: Node, layouts: dict[int, Layout]) -> Layout:
    place = _place(x, layouts)
    if place.strides[-1] != 1 and x.shape[-1] != 1:
        raise TypeError(f"the batch of {x!r} is not contiguous")
    return place


def _correlation_task(node: Node, layouts: dict[int, Layout]) -> Task:
    x, w = node.inputs
    attrs = node.attrs
    data, weights = _data_place(x, layouts), _place(w, layouts)
    out, inside, *kernel = w.shape
    groups = attrs["groups"]
    rows, terms = out // groups, inside
    row_step, term_step, *taps = weights.strides
    group_step = rows * row_step
    forward = node.op.name == "conv"
    big, small = (x.shape, node.shape) if forward else (node.shape, x.shape)
    if not forward:
        rows, terms, row_step, term_step = terms, rows, term_step, row_step
    make = forward_axis if forward else gradient_axis
    axes = zip(
        big[1:-1], kernel, attrs["strides"], attrs["padding"], attrs["dilation"], small[1:-1],
        strict=True,
    )  # fmt: skip
    sums = Correlation(
        groups,
        rows,
        terms,
        node.shape[-1],
        tuple(make(size, taps, step, low, gap, n) for size, taps, step, (low, _), gap, n in axes),
        data.strides[:-1],
        data.offset,
        (group_step, row_step, term_step, *taps),
        weights.offset,
        node.dtype,
        lanes_for(node.dtype, native.host().lanes),
    )
    buffers = storage_of(data.base), storage_of(weights.base), storage_of(node)
    roles = ("read", "read", "write")
    return Task(buffers, roles, (node,), sums.chunks, along=sums, flops=sums.flops)


def _weight_tasks(node: Node, layouts: dict[int, Layout]) -> list[Task]:
    x, g = node.inputs
    attrs = node.attrs
    data, slopes = _data_place(x, layouts), _data_place(g, layouts)
    axes = zip(
        x.shape[1:-1], attrs["kernel"], attrs["strides"], attrs["padding"], attrs["dilation"],
        g.shape[1:-1], strict=True,
    )  # fmt: skip
    groups = attrs["groups"]
    sums = WeightSums(
        groups,
        node.shape[0] // groups,
        node.shape[1],
        x.shape[-1],
        tuple(Tap(size, taps, step, low, gap, n) for size, taps, step, (low, _), gap, n in axes),
        data.strides[:-1],
        data.offset,
        slopes.strides[:-1],
        slopes.offset,
        node.dtype,
        lanes_for(node.dtype, native.host().lanes),
    )
    goal = storage_of(node)
    if sums.blocks > 1:
        goal = Storage(node, "partial", sums.blocks * sums.size, node.dtype)
    buffers = storage_of(data.base), storage_of(slopes.base), goal
    roles = ("read", "read", "write")
    task = Task(buffers, roles, (node,), sums.chunks, along=sums, flops=sums.flops)
    if sums.blocks == 1:
        return [task]
    last = combine_parts(node, goal, sums.blocks, "add", 0.0)
    combined = ("read", "update" if last.kernel.before else "write")
    kernel = last.kernel
    return [
        task,
        Task(last.buffers, combined, (node,), kernel.chunks, kernel, flops=kernel.flops),
    ]
