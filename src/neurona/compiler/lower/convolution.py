"""The tasks of a convolution and of its gradients: which kernels, and how they read their operands.

The layout pass (`arrange`) has put channels or the batch innermost by now.
"""

from __future__ import annotations

import math

from neurona.compiler.ir.sizes import NotAffine, varies
from neurona.compiler.ir.storage import Storage, storage_of
from neurona.compiler.ir.views import Layout, layout
from neurona.compiler.lower.batch_last import batch_last_tasks
from neurona.compiler.lower.task import Task
from neurona.compiler.lower.winograd import suits, winograd_tasks
from neurona.compiler.machine import native
from neurona.compiler.machine.convolution import Axis, Direct
from neurona.compiler.machine.convolution_weights import Gathering, WeightGradient
from neurona.compiler.machine.depthwise_weights import DepthwiseGradient
from neurona.compiler.machine.matmul import lanes_for
from neurona.compiler.machine.pack import Packing
from neurona.core.lowering import Convolution
from neurona.core.node import Node
from neurona.core.op import Shape


def convolution_tasks(node: Node, lower: Convolution, layouts: dict[int, Layout]) -> list[Task]:
    """The tasks that compute a `conv`, `conv_input_gradient` or `conv_weight_gradient` node.

    Raises `NotAffine` where more than the batch depends on n.
    """
    if not math.prod(node.shape):
        return []
    batch_last = node.attrs["layout"] == "batch last"
    rest = slice(None, -1) if batch_last else slice(1, None)
    if any(varies(x.shape[rest]) for x in (node, *node.inputs)):
        raise NotAffine(f"{node!r}: a convolution needs its channels and spatial extents")
    if batch_last:
        return batch_last_tasks(node, layouts)
    if suits(node) and _place(node.inputs[0], layouts).strides[-1] == 1:
        return winograd_tasks(node, layouts)
    if lower.by == "w":
        return _weight_tasks(node, layouts)
    return _direct_tasks(node, layouts, forward=lower.by == "y")


def _axes(node: Node, results: Shape, inputs: Shape, kernel: Shape) -> tuple[Axis, ...]:
    """The spatial axes of the forward pass from `inputs` to `results`."""
    attrs = node.attrs
    rows = zip(
        results, inputs, kernel, attrs["strides"], attrs["dilation"], attrs["padding"], strict=True
    )
    return tuple(Axis(o, i, k, s, 1, d, -low) for o, i, k, s, d, (low, _) in rows)


def _reversed(axis: Axis) -> Axis:
    """The way back: from gradients of the results to those of the inputs."""
    return Axis(axis.inputs, axis.results, axis.taps, 1, axis.step, -axis.tap, -axis.shift)


def _place(x: Node, layouts: dict[int, Layout]) -> Layout:
    found = layout(x, layouts)
    if found is None:
        raise TypeError(f"{x!r}, an operand of a convolution, has no strides")
    return found


def _strides(place: Layout, channels: int) -> tuple[int, ...]:
    """Those of groups, batch, spatial axes and channels; a group has so many channels."""
    return (place.strides[-1] * channels, *place.strides)


def _direct_tasks(node: Node, layouts: dict[int, Layout], *, forward: bool) -> list[Task]:
    """Packing of the weights, and the convolution or its gradient for the input."""
    x, w = node.inputs
    groups = node.attrs["groups"]
    outputs, inputs, kernel = w.shape[0] // groups, w.shape[1], w.shape[2:]
    taps = math.prod(kernel)
    lanes = lanes_for(node.dtype, native.host().lanes)
    here, there = node.shape[1:-1], x.shape[1:-1]
    batch: Shape
    strides: tuple[int, ...]
    if forward:
        axes = _axes(node, here, there, kernel)
        channels, columns, depth = inputs, outputs, inputs * taps
        batch, strides = (groups,), (outputs * inputs * taps,)
    else:
        axes = tuple(map(_reversed, _axes(node, there, here, kernel)))
        channels, columns, depth = outputs, inputs, taps
        batch, strides = (groups, outputs), (outputs * inputs * taps, inputs * taps)
    width = lanes * (1 if columns <= lanes else 2)
    step = depth if forward else taps
    start, place = _place(w, layouts), _place(x, layouts)
    packing = Packing(
        batch, strides, depth, columns, 1, step, start.offset, width, node.dtype, lanes
    )
    packed = Storage(node, "packed", packing.size, node.dtype)
    direct = Direct(
        node.shape[0],
        axes,
        channels,
        columns,
        _strides(place, channels),
        place.offset,
        packing,
        taps * width if forward else packing.matrix_size,
        lanes,
    )
    pair = (storage_of(start.base), packed)
    return [
        Task(pair, ("read", "write"), (node,), packing.chunks, pack=packing),
        Task(
            (storage_of(place.base), packed, storage_of(node)),
            ("read", "read", "write"),
            (node,),
            direct.chunks,
            direct=direct,
            flops=direct.flops,
        ),
    ]


def _weight_tasks(node: Node, layouts: dict[int, Layout]) -> list[Task]:
    """The sums of parts of the batch, and the gradient for the weights made of them."""
    x, g = node.inputs
    groups = node.attrs["groups"]
    outputs, inputs, kernel = node.shape[0] // groups, node.shape[1], node.shape[2:]
    lanes = lanes_for(node.dtype, native.host().lanes)
    place, other = _place(x, layouts), _place(g, layouts)
    axes = _axes(node, g.shape[1:-1], x.shape[1:-1], kernel)
    gradient: WeightGradient | DepthwiseGradient
    if inputs == outputs == 1 < groups and place.strides[-1] == 1:
        gradient = DepthwiseGradient(
            x.shape[0],
            axes,
            groups,
            place.strides[:-1],
            place.offset,
            other.offset,
            node.dtype,
            lanes,
        )
        gathering = Gathering(gradient.parts, 1, gradient.taps, groups, node.dtype, lanes)
    else:
        gradient = WeightGradient(
            x.shape[0],
            groups,
            axes,
            inputs,
            outputs,
            _strides(place, inputs),
            place.offset,
            other.offset,
            node.dtype,
            lanes,
        )
        rows = inputs * gradient.taps
        gathering = Gathering(gradient.parts, groups, rows, outputs, node.dtype, lanes)
    size = gathering.parts * gathering.groups * gathering.rows * gathering.columns
    sums = Storage(node, "partial", size, node.dtype)
    return [
        Task(
            (storage_of(place.base), storage_of(other.base), sums),
            ("read", "read", "write"),
            (node,),
            gradient.chunks,
            along=gradient,
            flops=gradient.flops,
        ),
        Task(
            (sums, storage_of(node)),
            ("read", "write"),
            (node,),
            gathering.chunks,
            along=gathering,
            flops=gathering.flops,
        ),
    ]
