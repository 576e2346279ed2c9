"""What a compiled program is made of, what memory it needs, and where its time goes."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from neurona.compiler.explain.measure import Buffers, seconds_of
from neurona.compiler.explain.peak import peak
from neurona.compiler.explain.text import printed
from neurona.compiler.lower.control import bodies_of, is_control
from neurona.compiler.lower.task import Task
from neurona.compiler.machine import native
from neurona.compiler.program import Program
from neurona.core.node import Node
from neurona.core.op import LITERAL, Array
from neurona.core.subgraph import Subgraph
from neurona.graph.order import topological


@dataclass(frozen=True)
class KernelReport:
    """One kernel: its name, arithmetic, memory traffic and time.

    kind: loops, product, pack, scan, sort, control (a native conditional or loop, whose kernels
        follow) or python.
    place: where it stands: "" for the program itself, "prologue" for what runs only when Variables
        that it reads have changed; "branch 1 of 4" or "in 4" in a choice or loop, kernel 4.
    flops: floating-point operations (for loops elements times ops, whatever they cost). bytes: of
        the buffers it reads and writes. seconds: of one run on one thread; 0 if not measured.
    fraction: the least time for so much arithmetic and traffic ÷ seconds.
    equal: number of the first kernel of the program that is the same machine code.
    """

    name: str
    kind: str
    place: str
    chunks: int
    flops: int
    bytes: int
    seconds: float
    fraction: float
    equal: int


@dataclass(frozen=True)
class BufferReport:
    """One piece of the arena, in use from task `first` to task `last`.

    values: what lies there in turn, each written over the one before.
    """

    values: tuple[str, ...]
    nbytes: int
    offset: int
    first: int
    last: int


@dataclass(frozen=True)
class MemoryReport:
    """Bytes of a run: its arena, what the prologue keeps, its results; parts of the arena."""

    arena: int
    kept: int
    results: int
    buffers: tuple[BufferReport, ...] = field(repr=False)

    @property
    def total(self) -> int:
        """All that a run needs beside its inputs and Variables."""
        return self.arena + self.kept + self.results


class Explanation:
    r"""The stages of one program. Printing it shows them in short; the parts are here whole.

    graph: a line a node, after the passes. kernels: a `KernelReport` each, in the order they run.
    memory: a `MemoryReport`. seconds: what each stage of the compilation took. peak: what one
    thread of this machine can do, measured. `loops(i)`, `llvm(i)` and `assembly(i)` show kernel i
    further down; `json()` has everything but these.

    >>> import neurona as ne
    >>> stages = ne.compile(lambda x: ne.exp(x) * 2).explain(ne.ones((4, 8)))
    >>> print(*stages.graph, sep="\n")
    in0 = input(argument)  float32[4, 8]
    %0 = exp(in0)  float32[4, 8]
    %1 = multiply(%0, 2.0)  float32[4, 8]
    return %1
    >>> [(kernel.name, kernel.kind) for kernel in stages.kernels]
    [('exp+multiply', 'loops')]
    >>> stages.memory
    MemoryReport(arena=0, kept=0, results=128)
    >>> list(stages.seconds)
    ['recording', 'passes', 'fusion and loops', 'plan', 'machine code']
    """

    def __init__(
        self, program: Program, inputs: Sequence[Array], origins: Sequence[str] = ()
    ) -> None:
        """origins: what the inputs are called, in order."""
        self.seconds = dict(program.stages.seconds)
        self.graph = graph_lines(program, origins)
        self.memory = _memory(program)
        self.peak = peak()
        self._tasks: list[Task] = []
        self.kernels: list[KernelReport] = []
        self._texts: dict[str, int] = {}
        self._add(program, Buffers(program, inputs), "")

    def loops(self, i: int) -> str:
        """The loop IR of kernel i, the sizes of a product or of packing."""
        task = self._tasks[i]
        parts = (task.matmul, task.direct, task.pack, task.along, task.kernel)
        return "\n".join(str(part) for part in parts if part is not None) or str(task)

    def llvm(self, i: int) -> str:
        """The LLVM IR of kernel i as it is handed to LLVM."""
        return native.module(self._tasks[i].text)

    def assembly(self, i: int) -> str:
        """The machine code of kernel i."""
        return native.assembly(self._tasks[i].text)

    @property
    def different(self) -> int:
        """How many kernels are compiled; equal ones are one function."""
        return len(self._texts)

    def json(self) -> str:
        """Graph, kernels, memory, seconds and peak as JSON."""
        record = {
            "graph": self.graph,
            "kernels": [asdict(kernel) for kernel in self.kernels],
            "memory": asdict(self.memory),
            "seconds": self.seconds,
            "peak": asdict(self.peak),
        }
        return json.dumps(record, indent=1)

    def __str__(self) -> str:
        return "\n".join(printed(self))

    def _add(self, program: Program, buffers: Buffers, place: str) -> None:
        """Report the tasks of a program, and of the bodies in it, one level further in."""
        plan = program.plan
        for i, task in enumerate((*plan.prologue, *plan.tasks)):
            where = place or ("prologue" if i < len(plan.prologue) else "")
            self._tasks.append(task)
            number = len(self.kernels)
            self.kernels.append(self._report(task, buffers, where, number))
            if task.control is None:
                continue
            for j, body in enumerate(task.control.bodies):
                part = f"branch {j} of {number}" if len(task.control.bodies) > 1 else f"in {number}"
                self._add(body, Buffers(body), part)

    def _report(self, task: Task, buffers: Buffers, place: str, number: int) -> KernelReport:
        kind = _kind(task)
        seconds, equal, traffic = 0.0, number, _bytes(task)
        if task.native:
            seconds = seconds_of(task, buffers)
            equal = self._texts.setdefault(task.text, number)
        width = task.nodes[0].dtype.itemsize / 4 if kind == "product" else 1
        least = self.peak.seconds(task.flops * width, traffic)
        fraction = least / seconds if seconds else 0.0
        return KernelReport(
            str(task), kind, place, task.chunks, task.flops, traffic, seconds, fraction, equal
        )


def _kind(task: Task) -> str:
    if task.matmul is not None:
        return "product"
    if task.direct is not None:
        return "convolution"
    if task.pack is not None:
        return "pack"
    if task.along is not None:
        return task.along.kind
    if task.control is not None and task.control.native:
        return "control"
    return "loops" if task.kernel is not None else "python"


def _bytes(task: Task) -> int:
    return sum(
        storage.size * storage.dtype.itemsize * (2 if role == "update" else 1)
        for storage, role in zip(task.buffers, task.roles, strict=True)
    )


def _memory(program: Program) -> MemoryReport:
    plan = program.plan
    places, _ = plan.arena()
    found: dict[int, BufferReport] = {}
    for i, task in enumerate(plan.tasks):
        for storage in task.buffers:
            slot = plan.slots[storage.key]
            if slot not in places:
                continue
            shape = ", ".join(map(str, storage.node.shape))
            role = "" if storage.role == "value" else f" ({storage.role})"
            value = f"{storage.node.op.name}{role} {storage.dtype}[{shape}]"
            size = storage.size * storage.dtype.itemsize
            old = found.get(slot) or BufferReport((), 0, places[slot], i, i)
            values = old.values if value in old.values else (*old.values, value)
            found[slot] = replace(old, values=values, nbytes=max(size, old.nbytes), last=i)
    results = sum(math.prod(s.shape) * s.dtype.itemsize for _, s in program.result_specs)
    largest = sorted(found.values(), key=lambda buffer: -buffer.nbytes)
    return MemoryReport(program.size, plan.kept_size, results, tuple(largest))


def graph_lines(program: Program, origins: Sequence[str] = ()) -> list[str]:
    """A line a node, each after what it needs; branches and bodies of loops stand indented."""
    names = {id(node): f"in{i}" for i, node in enumerate(program.inputs)}
    known = {id(node): origin for node, origin in zip(program.inputs, origins, strict=False)}
    lines = _lines(program.outputs, names, known, "")
    return [*lines, f"return {_list(program.outputs, names)}"]


def _lines(
    outputs: Sequence[Node], names: dict[int, str], origins: Mapping[int, str], prefix: str
) -> Iterator[str]:
    """The nodes that lead to `outputs`, which get names that start with `prefix`."""
    count = itertools.count()
    for node in topological(outputs):
        if node.op is LITERAL:
            names[id(node)] = str(node.array)
        elif id(node) in names:
            if not prefix:
                yield f"{names[id(node)]} = input({origins.get(id(node), '')})  {_type(node)}"
        else:
            name = names[id(node)] = f"{prefix}%{next(count)}"
            bodies = bodies_of(node) if is_control(node) else ()
            attrs = [f"{key}={node.attrs[key]}" for key in node.attrs if not bodies]
            parts = ", ".join([*[names[id(x)] for x in node.inputs], *attrs])
            yield f"{name} = {node.op.name}({parts})  {_type(node)}"
            for i, body in enumerate(bodies):
                yield from _body(body, f"{name}.{i}" if len(bodies) > 1 else name)


def _body(body: Subgraph, name: str) -> Iterator[str]:
    names = {id(x): f"{name}.in{i}" for i, x in enumerate(body.inputs)}
    inputs = ", ".join(f"{names[id(x)]} {_type(x)}" for x in body.inputs)
    yield f"  with {inputs}:"
    for line in _lines(body.outputs, names, {}, name):
        yield f"    {line}"
    yield f"    return {_list(body.outputs, names)}"


def _list(nodes: Sequence[Node], names: Mapping[int, str]) -> str:
    return ", ".join(names[id(node)] for node in nodes)


def _type(node: Node) -> str:
    specs = node.specs or (node.spec,)
    return ", ".join(f"{spec.dtype}[{', '.join(map(str, spec.shape))}]" for spec in specs)
