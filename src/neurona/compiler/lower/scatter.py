"""Writing at places that depend on data: the kernels of a `Scatter`.

The base is copied to the result, or made there; then the updates follow in row-major order, so that
results do not depend on threads. An axis of the updates whose index is also one of the target's
keeps updates apart: those that differ there never meet. Such axes are cut into chunks, and the last
one runs in vectors. Half precision adds up in float32, in memory of its own.
"""

from __future__ import annotations

import math
from dataclasses import replace

from neurona.compiler.ir.loops import Kernel, Nest, Statement, Store, check, chunk_bounds
from neurona.compiler.ir.scalar import INDEX, Expr, compute_dtype
from neurona.compiler.ir.sizes import is_plain, plain
from neurona.compiler.ir.storage import Storage, storage_of
from neurona.compiler.ir.views import Layout, row_major
from neurona.compiler.lower.chunks import COMBINE, LoopTask
from neurona.compiler.lower.fusion import Fusion
from neurona.compiler.lower.kernels import CHUNK_WORK, MAX_CHUNKS, KernelBuilder
from neurona.compiler.lower.params import Params, Reader
from neurona.core.lowering import Scatter
from neurona.core.node import Node
from neurona.core.op import registry
from neurona.graph.passes import make

LEAST_BLOCK = 64
"""Columns of a chunk: a few cache lines, which no other chunk writes."""


def scatter_tasks(node: Node, layouts: dict[int, Layout]) -> list[LoopTask]:
    """The base's copy, the updates, and for half-precision sums their rounding."""
    base, updates = node.inputs[:2]
    if not math.prod(node.shape):
        return []
    lower = node.op.lower
    wide = compute_dtype(node.dtype)
    result = sums = storage_of(node)
    if isinstance(lower, Scatter) and lower.combine and wide != node.dtype:
        sums = Storage(node, "sums", result.size, wide)
    tasks = _copy(base, sums, node, layouts)
    if math.prod(updates.shape):
        tasks.append(_Updates(node, sums, layouts).build())
    return tasks if sums is result else [*tasks, _rounding(sums, result, node)]


def _copy(base: Node, target: Storage, node: Node, layouts: dict[int, Layout]) -> list[LoopTask]:
    """The loops that bring the base to the target's memory."""
    copy = make(registry()["cast"], base, dtype=target.dtype.name)
    fusion = Fusion([copy])
    (group,) = fusion.groups
    made = KernelBuilder(group, fusion, layouts, {id(copy)}).build()
    return [
        replace(
            task,
            buffers=tuple(target if s.node is copy else s for s in task.buffers),
            nodes=(node,),
        )
        for task in made
    ]


class _Updates(Params):
    """Builds the kernel that takes the updates one after the other."""

    def __init__(self, node: Node, target: Storage, layouts: dict[int, Layout]) -> None:
        super().__init__(layouts)
        self.node = node
        self.target = target
        self.shape = node.inputs[1].shape
        self.work = math.prod(map(plain, self.shape))
        self.index = [
            self.k.constant(0, INDEX) if n == 1 else self.k.variable(f"u{axis}")
            for axis, n in enumerate(self.shape)
        ]

    def place(self) -> tuple[Expr, ...]:
        """The target's index for the update at `self.index`."""
        node, lower = self.node, self.node.op.lower
        if not isinstance(lower, Scatter):
            raise TypeError(f"{node.op.name} does not scatter")
        readers = [Reader(self, x) for x in (node.inputs[0], *node.inputs[2:])]
        return lower.target(self.k, tuple(self.index), *readers, **node.attrs)

    def build(self) -> LoopTask:
        long = [axis for axis, n in enumerate(self.shape) if n != 1]
        place = self.place()
        apart = [axis for axis in long if any(part is self.index[axis] for part in place)]
        ordered = [axis for axis in long if axis not in apart]
        self.params.clear()
        columns: list[tuple[str, int | Expr]] = []
        rows: list[tuple[str, int]] = []
        vector = apart.pop() if apart and apart[-1] == long[-1] else None
        if vector is not None and not apart:
            rows, columns = self.blocks(vector)
        elif vector is not None:
            columns = [(f"u{vector}", self.shape[vector])]
        rows += [(f"u{axis}", self.shape[axis]) for axis in (*apart, *ordered)]
        chunks = self.chunks(rows[0][1]) if apart or vector is not None else 1
        store = self.store()
        body: Statement = Nest(tuple(columns), (store,)) if columns else store
        work = math.prod(self.shape)
        kernel = Kernel("kernel", self.declared(), chunks, tuple(rows), (body,), flops=work)
        return LoopTask(check(kernel), self.buffers(), (self.node,))

    def blocks(self, axis: int) -> tuple[list[tuple[str, int]], list[tuple[str, int | Expr]]]:
        """The axis cut into a row loop over blocks and a column loop."""
        extent = self.shape[axis]
        if not is_plain(extent):
            return [("block", 1)], [(f"u{axis}", extent)]
        wanted = min(MAX_CHUNKS, extent // LEAST_BLOCK, self.work // CHUNK_WORK)
        if wanted < 2:
            return [("block", 1)], [(f"u{axis}", extent)]
        size = -(-chunk_bounds(extent, wanted) // LEAST_BLOCK) * LEAST_BLOCK
        block, column = self.k.variable("block"), self.k.variable("column")
        self.index[axis] = block * size + column
        count = -(-extent // size)
        left = self.k.minimum(self.k.constant(extent, INDEX) - block * size, size)
        return [("block", count)], [("column", left if extent % size else size)]

    def chunks(self, extent: int) -> int:
        wanted = max(1, min(MAX_CHUNKS, self.work // CHUNK_WORK))
        if not is_plain(extent):
            return wanted
        return -(-extent // chunk_bounds(extent, min(wanted, extent)))

    def store(self) -> Store:
        offset = self.k.constant(0, INDEX)
        for part, stride in zip(self.place(), row_major(self.node.shape), strict=True):
            offset = offset + part * stride
        value = Reader(self, self.node.inputs[1])[tuple(self.index)]
        lower = self.node.op.lower
        if isinstance(lower, Scatter) and lower.combine:
            value = self.k.call(COMBINE[lower.combine], self.read(self.target, offset), value)
        return Store(self.param(self.target, "update"), offset, value)


def _rounding(sums: Storage, result: Storage, node: Node) -> LoopTask:
    params = Params({})
    column = params.k.variable("c0")
    value = params.read(sums, column)
    store = Store(params.param(result, "write"), column, value)
    nest = Nest((("c0", result.size),), (store,))
    kernel = Kernel("kernel", params.declared(), 1, (), (nest,), flops=result.size)
    return LoopTask(check(kernel), params.buffers(), (node,))
