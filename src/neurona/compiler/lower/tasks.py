"""The steps of a program: loop kernels, matrix products, and calls of Python between them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from neurona.compiler.ir.storage import Key, Storage, storage_of
from neurona.compiler.ir.views import Layout, aligned, is_generator, is_view, layout
from neurona.compiler.lower import control
from neurona.compiler.lower.attention import attention_tasks
from neurona.compiler.lower.attention_operands import has_kernel
from neurona.compiler.lower.chunks import LoopTask
from neurona.compiler.lower.convolution import convolution_tasks
from neurona.compiler.lower.epilogue import EpilogueBuilder
from neurona.compiler.lower.fusion import Fusion, Group
from neurona.compiler.lower.joined import JOIN, joining_task
from neurona.compiler.lower.kernels import KernelBuilder
from neurona.compiler.lower.scatter import scatter_tasks
from neurona.compiler.lower.task import Task
from neurona.compiler.lower.transpose import transposed_task
from neurona.compiler.machine import native
from neurona.compiler.machine.finish import tiles_of
from neurona.compiler.machine.matmul import Matmul, lanes_for
from neurona.compiler.machine.pack import Packing
from neurona.compiler.machine.scan import Running, lines
from neurona.compiler.machine.sort import Sorting
from neurona.core import dtypes
from neurona.core.apply import TAKE_RESULT
from neurona.core.lowering import Convolution, Elementwise, Indexed, Reduction, Scan, Scatter, Sort
from neurona.core.node import Node
from neurona.core.op import LITERAL

if TYPE_CHECKING:
    from neurona.compiler.program import Program


def build_tasks(
    order: list[Node], outputs: list[Node], bodies: Mapping[int, tuple[Program, ...]]
) -> tuple[list[Task], dict[int, Layout]]:
    """The tasks of a graph in an order that respects what they need; views get layouts.

    bodies: the programs of branches and loop bodies, by the id of their node.
    """
    fusion = Fusion(order)
    layouts: dict[int, Layout] = {}
    stored = _stored(order, outputs, fusion)
    tasks: list[Task] = []
    panels = Panels()
    for level, group in _group_order(fusion):
        node = group.nodes[0]
        if group.product is not None:
            tasks += panels.once(level, _product_tasks(group, fusion, layouts, stored))
        elif (copied := transposed_task(group, layouts)) is not None:
            tasks.append(copied)
        elif group.loops:
            if not any(id(member) in stored for member in group.nodes):
                continue
            for made in KernelBuilder(group, fusion, layouts, stored).build():
                tasks.append(_loop_task(made))
        elif isinstance(node.op.lower, Scatter):
            tasks += [_loop_task(made) for made in scatter_tasks(node, layouts)]
        elif isinstance(node.op.lower, Scan):
            tasks += _scan_tasks(node, node.op.lower, layouts)
        elif isinstance(node.op.lower, Sort):
            tasks += _sort_tasks(node, layouts)
        elif isinstance(node.op.lower, Convolution):
            tasks += convolution_tasks(node, node.op.lower, layouts)
        elif has_kernel(node):
            tasks += attention_tasks(node, order, layouts)
        elif node.op is JOIN:
            tasks.append(joining_task(node, layouts))
        elif id(node) in bodies:
            tasks.append(_control_task(node, order, bodies[id(node)]))
        elif node.op is TAKE_RESULT and (
            id(node.inputs[0]) in bodies or has_kernel(node.inputs[0])
        ):
            continue  # What computes it has written it in its place.
        else:
            tasks.append(_call_task(node))
    return tasks, layouts


class Panels:
    """Operands that are packed once for several products, such as gradients of two weights.

    They are shared by products that can begin at the same time: to keep panels for long costs more
    than to pack them again.
    """

    def __init__(self) -> None:
        self.level = -1
        self.known: dict[tuple[Key, Packing], Storage] = {}

    def once(self, level: int, made: list[Task]) -> list[Task]:
        """The tasks of a product that can begin at this level, without packings done before."""
        if level != self.level:
            self.level = level
            self.known.clear()
        tasks: list[Task] = []
        others: dict[Key, Storage] = {}
        for task in made:
            if task.pack is None:
                buffers = tuple(others.get(storage.key, storage) for storage in task.buffers)
                tasks.append(replace(task, buffers=buffers))
                continue
            source, panels = task.buffers
            others[panels.key] = self.known.setdefault((source.key, task.pack), panels)
            if others[panels.key] is panels:
                tasks.append(task)
        return tasks


def _group_order(fusion: Fusion) -> list[tuple[int, Group]]:
    """Groups, each after those it needs, with the length of the longest way there, by that.

    So a gradient is used as soon as it is there, and what checkpoints compute again waits.
    """
    levels: dict[int, int] = {}
    waiting = fusion.groups
    while waiting:
        ready = [g for g in waiting if all(id(needed) in levels for needed in g.before)]
        if not ready:
            raise TypeError("groups depend on each other in a circle")
        for group in ready:
            levels[id(group)] = 1 + max((levels[id(g)] for g in group.before), default=0)
        waiting = [g for g in waiting if id(g) not in levels]
    return sorted([(levels[id(g)], g) for g in fusion.groups], key=lambda pair: pair[0])


def _stored(order: list[Node], outputs: list[Node], fusion: Fusion) -> set[int]:
    """Ids of the values that need memory: outputs, and what another group reads."""
    stored = {id(node) for node in outputs}
    for node in order:
        if is_view(node):
            continue
        group = fusion.group_of.get(id(node))
        fused = isinstance(node.op.lower, Elementwise | Reduction)
        for i, x in enumerate(node.inputs):
            base, axes = aligned(x)
            home = fusion.group_of.get(id(base))
            in_loops = fused or (isinstance(node.op.lower, Scatter) and i == 0)
            made_on_the_spot = in_loops and axes is not None and is_generator(base)
            outside = home is not group or isinstance(node.op.lower, Indexed)
            if home is not None and outside and not made_on_the_spot:
                stored.add(id(base))
    # Results over the rows accumulate in memory anyway; kernels of one node always store it.
    for group in fusion.groups:
        for node in group.nodes:
            if not group.loops or group.kind[id(node)] == "final":
                stored.add(id(node))
    return stored


def _loop_task(made: LoopTask) -> Task:
    roles = tuple(param.role for param in made.kernel.params)
    kernel = made.kernel
    return Task(made.buffers, roles, made.nodes, kernel.chunks, kernel, flops=kernel.flops)


def _product_tasks(
    group: Group, fusion: Fusion, layouts: dict[int, Layout], stored: set[int]
) -> list[Task]:
    """Packing of operands, a product or convolution with its epilogue, and what that leaves."""
    node = group.product
    if node is None:
        raise TypeError("a group without a product")
    if isinstance(node.op.lower, Convolution):
        *tasks, product = convolution_tasks(node, node.op.lower, layouts)
    else:
        *tasks, product = _matmul_tasks(node, layouts)
    of = product.direct or product.matmul
    if len(group.nodes) == 1 or of is None:
        return [*tasks, product] if math.prod(node.shape) else []
    last, *combining = EpilogueBuilder(group, fusion, layouts, stored, tiles_of(of)).build()
    roles = tuple(param.role for param in last.kernel.params if param.role != "tile")
    product = replace(
        product,
        buffers=(*product.buffers[: len(product.operands)], *last.buffers),
        roles=(*product.roles[: len(product.operands)], *roles),
        nodes=last.nodes,
        kernel=last.kernel,
    )
    return [*tasks, product, *map(_loop_task, combining)]


def _matmul_tasks(node: Node, layouts: dict[int, Layout]) -> list[Task]:
    """Packing of a product's operands, and the product."""
    matmul, bases = _matmul(node, layouts)
    tasks: list[Task] = []
    operands: list[Storage] = []
    for base, packing, role in zip(
        bases, (matmul.left, matmul.right), ("packed left", "packed"), strict=True
    ):
        storage = storage_of(base)
        if packing is not None:
            packed = Storage(node, role, packing.size, node.dtype)
            pair = (storage, packed)
            tasks.append(Task(pair, ("read", "write"), (node,), packing.chunks, pack=packing))
            storage = packed
        operands.append(storage)
    buffers, roles = (*operands, storage_of(node)), ("read", "read", "write")
    product = Task(buffers, roles, (node,), matmul.chunks, matmul=matmul, flops=matmul.flops)
    return [*tasks, product]


def _matmul(node: Node, layouts: dict[int, Layout]) -> tuple[Matmul, tuple[Node, Node]]:
    """A product and the values in whose memory its operands lie."""
    a, b = node.inputs
    left, right = layout(a, layouts), layout(b, layouts)
    if left is None or right is None:
        raise TypeError("operands of a matrix product have strides")
    batch = node.shape[:-2]
    matmul = Matmul(
        batch,
        a.shape[-2],
        a.shape[-1],
        b.shape[-1],
        _batched(a, left, batch),
        _batched(b, right, batch),
        left.offset,
        right.offset,
        node.dtype,
        lanes_for(node.dtype, native.host().lanes),
    )
    return matmul, (left.base, right.base)


def _batched(x: Node, found: Layout, batch: tuple[int, ...]) -> tuple[int, ...]:
    """Strides with the batch axes of the result; 0 where the operand is repeated."""
    lead = len(batch) + 2 - len(x.shape)
    strides = [0] * lead
    for extent, stride in zip(x.shape[:-2], found.strides[:-2], strict=True):
        strides.append(0 if extent == 1 else stride)
    return (*strides, *found.strides[-2:])


def _scan_tasks(node: Node, lower: Scan, layouts: dict[int, Layout]) -> list[Task]:
    if not math.prod(node.shape):
        return []
    places = [_contiguous(x, layouts) for x in node.inputs]
    running = Running(
        lower.step,
        lower.start,
        *lines(node.shape, node.attrs["axis"]),
        node.attrs["reverse"],
        tuple((place.base.dtype, place.offset) for place in places),
        node.dtype,
        native.host().lanes,
    )
    buffers = [storage_of(place.base) for place in places]
    roles = ("read",) * len(buffers) + ("write",)
    return [
        Task(
            (*buffers, storage_of(node)),
            roles,
            (node,),
            running.chunks,
            along=running,
            flops=running.flops,
        )
    ]


def _sort_tasks(node: Node, layouts: dict[int, Layout]) -> list[Task]:
    if not math.prod(node.shape):
        return []
    place = _contiguous(node.inputs[0], layouts)
    sorting = Sorting(
        *lines(node.shape, node.attrs["axis"]),
        node.attrs["descending"],
        place.base.dtype,
        place.offset,
    )
    scratch = Storage(node, "scratch", sorting.chunks * sorting.scratch, dtypes.uint8)
    return [
        Task(
            (storage_of(place.base), scratch, storage_of(node)),
            ("read", "scratch", "write"),
            (node,),
            sorting.chunks,
            along=sorting,
            flops=sorting.flops,
        )
    ]


def _contiguous(x: Node, layouts: dict[int, Layout]) -> Layout:
    place = layout(x, layouts)
    if place is None or not place.contiguous(x.shape):
        raise TypeError(f"{x!r} is not contiguous")
    return place


def _call_task(node: Node) -> Task:
    bases = [aligned(x)[0] for x in node.inputs]
    inputs = [storage_of(base) for base in bases if base.op is not LITERAL]
    roles = ("read",) * len(inputs) + ("write",)
    return Task((*inputs, storage_of(node)), roles, (node,))


def _control_task(node: Node, order: list[Node], bodies: tuple[Program, ...]) -> Task:
    taken = {x.attrs["index"]: x for x in order if x.op is TAKE_RESULT and x.inputs[0] is node}
    made = control.make_control(node, taken, bodies)
    buffers, roles = zip(*made.buffers, strict=True)
    return Task(buffers, roles, (node,), control=made)
