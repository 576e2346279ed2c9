"""Parts that are put side by side: what the derivative of a split adds up.

The derivatives of slices are pads, whose elements are asked for one by one wherever their sum is
wanted. Where they are disjoint and leave no gap, the sum is a view if the parts lie side by side in
memory already, and a copy of each part to its place if they are few enough to stay in a cache.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from neurona.compiler.ir.loops import Kernel, Nest, Param, Store, check
from neurona.compiler.ir.scalar import Builder
from neurona.compiler.ir.sizes import is_plain, varies
from neurona.compiler.ir.storage import storage_of
from neurona.compiler.ir.views import Layout, layout
from neurona.compiler.lower.prepare import op
from neurona.compiler.lower.task import Task
from neurona.core.node import Node
from neurona.core.op import LITERAL, Op, Shape, Spec
from neurona.graph.order import rewrite, with_inputs
from neurona.graph.passes import make

MOST = 1 << 17
"""Elements of a result that one thread puts together as fast as several would."""
LEAST_RUN = 16
"""Elements side by side from which on a copy is worth a kernel of its own."""


def _infer(*parts: Node, axis: int) -> Spec:
    shape = list(parts[0].shape)
    shape[axis] = sum(part.shape[axis] for part in parts)
    return Spec(tuple(shape), parts[0].dtype)


JOIN = Op("join", _infer, lambda *parts, axis: np.concatenate(parts, axis))
"""Contiguous parts, one behind the other along an axis."""


def sums_of_pads(outputs: Sequence[Node]) -> list[Node]:
    """Sums of pads that fill their shape without overlapping become joined parts."""

    def rule(node: Node, inputs: tuple[Node, ...]) -> Node:
        node = with_inputs(node, inputs)
        return (_joined(node) or node) if node.op.name == "add" else node

    return rewrite(outputs, rule)


def _joined(node: Node) -> Node | None:
    parts = _parts(node)
    if not parts:
        return None
    axis = parts[0][0]
    lying = _as_they_lie(node, axis, [part for _, _, part in parts])
    if lying is not None or varies(node.shape) or math.prod(node.shape) > MOST:
        return lying
    if any(math.prod(part.shape[axis:]) < LEAST_RUN for _, _, part in parts):
        return None
    return make(JOIN, *[part for _, _, part in parts], axis=axis)


def _parts(node: Node) -> list[tuple[int, int, Node]]:
    """Axis, start and value of the pads that a sum adds up; none if there are others or gaps."""
    parts: list[tuple[int, int, Node]] = []
    stack = [node]
    while stack:
        term = stack.pop()
        if term.op.name == "add" and all(x.shape == node.shape for x in term.inputs):
            stack += term.inputs
            continue
        found = _part(term)
        if found is None:
            return []
        parts.append(found)
    parts.sort(key=lambda part: part[:2])
    axis, end = parts[0][0], 0
    for other, start, part in parts:
        if other != axis or start != end or part.dtype != node.dtype:
            return []
        end += part.shape[axis]
    return parts if end == node.shape[axis] else []


def _as_they_lie(node: Node, axis: int, parts: Sequence[Node]) -> Node | None:
    """A view of the parts' own memory where they lie there as the whole would.

    So it is with the gradients of attention, if queries, keys and values are of one projection.
    """
    found = [layout(part, {}) for part in parts]
    places = [place for place in found if place is not None]
    if len(places) < len(parts) or any(place.base is not places[0].base for place in places):
        return None
    base, start = places[0].base, places[0].offset
    step, rest = divmod(places[-1].offset - start, node.shape[axis] - parts[-1].shape[axis])
    strides = [*places[0].strides[:axis], step, *places[0].strides[axis + 1 :]]
    at = start
    for part, place in zip(parts, places, strict=True):
        mine = [*place.strides[:axis], step, *place.strides[axis + 1 :]]
        single = is_plain(part.shape[axis]) and part.shape[axis] == 1
        if rest or place.offset != at or mine != strides:
            return None
        if not single and place.strides[axis] != step:
            return None
        at += step * part.shape[axis]
    return _view(base, start, node.shape, strides)


def _view(base: Node, start: int, shape: Shape, strides: Sequence[int]) -> Node | None:
    """The elements of `base` from `start` on under a shape, if they are a permuted run of it."""
    if varies(strides) or base.op is LITERAL:
        return None
    order = sorted(range(len(shape)), key=lambda i: -strides[i])
    step: int = 1
    for i in reversed(order):
        if shape[i] != 1 and strides[i] != step:
            return None
        step = step * shape[i]
    size = math.prod(shape)
    flat = make(op("reshape"), base, shape=(math.prod(base.shape),))
    if size != flat.shape[0]:
        flat = make(op("slice"), flat, start=(start,), size=(size,), step=(1,))
    run = make(op("reshape"), flat, shape=tuple(shape[i] for i in order))
    return make(op("permute_dims"), run, axes=tuple(order.index(i) for i in range(len(shape))))


def _part(term: Node) -> tuple[int, int, Node] | None:
    """Axis and start of what is padded with zeros along one axis, and it itself."""
    if term.op.name != "pad" or any(term.attrs["interior"]) or term.attrs["value"]:
        return None
    low, high = term.attrs["low"], term.attrs["high"]
    axes = [i for i in range(len(low)) if low[i] or high[i]]
    return (axes[0], low[axes[0]], term.inputs[0]) if len(axes) == 1 else None


def joining_task(node: Node, layouts: dict[int, Layout]) -> Task:
    """One loop over the rows for each part."""
    k = Builder()
    row, column = k.variable("c0"), k.variable("c1")
    axis = node.attrs["axis"]
    rows, width = math.prod(node.shape[:axis]), math.prod(node.shape[axis:])
    sources = {storage_of(_place(part, layouts).base).key: part for part in node.inputs}
    names = {key: f"b{i}" for i, key in enumerate(sources)}
    storages = [storage_of(_place(part, layouts).base) for part in sources.values()]
    target = f"b{len(names)}"
    nests: list[Nest] = []
    start = 0
    for part in node.inputs:
        place = _place(part, layouts)
        run = math.prod(part.shape[axis:])
        value = k.load(
            names[storage_of(place.base).key], row * run + column + place.offset, node.dtype
        )
        store = Store(target, row * width + column + start, value)
        nests.append(Nest((("c0", rows), ("c1", run)), (store,)))
        start += run
    params = [Param(names[s.key], s.dtype, s.size, "read") for s in storages]
    result = storage_of(node)
    params.append(Param(target, result.dtype, result.size, "write"))
    kernel = check(Kernel("kernel", tuple(params), 1, (), tuple(nests)))
    roles = ("read",) * len(storages) + ("write",)
    return Task((*storages, result), roles, (node,), 1, kernel)


def _place(part: Node, layouts: dict[int, Layout]) -> Layout:
    place = layout(part, layouts)
    if place is None or not place.contiguous(part.shape):
        raise TypeError(f"{part!r} is not contiguous")
    return place
