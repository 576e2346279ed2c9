"""What a compiled program is made of, and where its time goes."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurona.compiler import native
from neurona.compiler.program import Program
from neurona.compiler.tasks import Task
from neurona.core.buffer import address, aligned_empty
from neurona.core.op import LITERAL, Array
from neurona.graph.order import topological

ROUNDS = 7


@dataclass(frozen=True)
class TaskReport:
    """One task: its name, chunks, arithmetic, memory traffic and time.

    kind: loops, product, pack, control (native conditionals and loops) or python. flops:
    floating-point operations (for loops, elements times nodes). bytes: of the buffers it reads and
    writes. seconds: on one thread; 0 for Python and control, which are not measured.
    """

    name: str
    kind: str
    chunks: int
    flops: int
    bytes: int
    seconds: float


class Explanation:
    """The stages of one program; printing it shows graph and kernels.

    graph: a line a node. kernels: a `TaskReport` each. seconds: what each stage of the compilation
    took. `loops(i)`, `llvm(i)` and `assembly(i)` show kernel i further down.
    """

    def __init__(self, program: Program, arrays: Sequence[Array], buffers: Sequence[Array]) -> None:
        self._tasks = [*program.plan.prologue, *program.plan.tasks]
        self._prologue = len(program.plan.prologue)
        self.arena = program.plan.size
        self.seconds = dict(program.stages.seconds)
        self.graph = _graph_lines(program)
        times = _measure(program, [*arrays, *buffers])
        self.kernels = [
            TaskReport(str(t), _kind(t), t.chunks, t.flops, _bytes(t), seconds)
            for t, seconds in zip(self._tasks, times, strict=True)
        ]

    def loops(self, i: int) -> str:
        """The loop IR of kernel i, or the sizes of a product."""
        task = self._tasks[i]
        return str(task.kernel or task.matmul or task.pack or task)

    def llvm(self, i: int) -> str:
        """The LLVM IR of kernel i as it is handed to LLVM."""
        return native.module(self._tasks[i].text)

    def assembly(self, i: int) -> str:
        """The machine code of kernel i."""
        return native.assembly(self._tasks[i].text)

    def __str__(self) -> str:
        total = sum(kernel.seconds for kernel in self.kernels) or 1.0
        lines = ["graph", *[f"  {line}" for line in self.graph], "", "kernels (one thread)"]
        head = ("", "µs", "share", "GFLOP/s", "GB/s", "chunks")
        lines.append("  {:>3} {:>9} {:>6} {:>8} {:>7} {:>6}".format(*head))
        for i, k in enumerate(self.kernels):
            if k.kind in ("python", "control"):
                note = " (Python)" if k.kind == "python" else ""
                lines.append(f"  {i:>3} {'':>9} {'':>6} {'':>8} {'':>7} {'':>6}  {k.name}{note}")
                continue
            lines.append(
                f"  {i:>3} {k.seconds * 1e6:>9.1f} {k.seconds / total:>6.1%} "
                f"{k.flops / k.seconds / 1e9:>8.1f} {k.bytes / k.seconds / 1e9:>7.1f} "
                f"{k.chunks:>6}  {k.name}{' (pack)' if k.kind == 'pack' else ''}"
            )
        lines.append(f"  the first {self._prologue} run only when Variables they read have changed")
        lines.append(f"  sum {total * 1e6:>9.1f}   arena {self.arena:,} bytes")
        stages = ", ".join(f"{name} {1e3 * took:.0f} ms" for name, took in self.seconds.items())
        lines.append(f"  compiled in {1e3 * sum(self.seconds.values()):.0f} ms: {stages}")
        return "\n".join(lines)


def _kind(task: Task) -> str:
    if task.matmul is not None:
        return "product"
    if task.pack is not None:
        return "pack"
    if task.control is not None and task.control.native:
        return "control"
    return "loops" if task.kernel is not None else "python"


def _bytes(task: Task) -> int:
    return sum(
        storage.size * storage.dtype.itemsize * (2 if role == "update" else 1)
        for storage, role in zip(task.buffers, task.roles, strict=True)
    )


def _graph_lines(program: Program) -> list[str]:
    names: dict[int, str] = {id(node): f"in{i}" for i, node in enumerate(program.inputs)}
    lines: list[str] = []
    for node in topological(program.outputs):
        if node.op is LITERAL:
            names[id(node)] = repr(node.array.item())
            continue
        if id(node) not in names:
            names[id(node)] = f"%{len(lines)}"
        shape = ", ".join(map(str, node.shape))
        inputs = ", ".join(names[id(x)] for x in node.inputs)
        attrs = "".join(f", {key}={value}" for key, value in node.attrs.items())
        lines.append(f"{names[id(node)]} = {node.op.name}({inputs}{attrs})  {node.dtype}[{shape}]")
    results = ", ".join(names[id(node)] for node in program.outputs)
    return [*lines, f"return {results}"]


def _measure(program: Program, inputs: Sequence[Array]) -> list[float]:
    """Seconds of each native task on one thread, the least of several, in memory of its own."""
    slots = np.zeros(program.slot_count, np.int64)
    keep: list[Any] = []
    tasks = [*program.plan.prologue, *program.plan.tasks]
    for task in tasks:
        for storage in task.buffers:
            slot = program.plan.slots[storage.key]
            if not slots[slot]:
                memory = aligned_empty((storage.size,), storage.dtype)
                memory[...] = 0
                keep.append(memory)
                slots[slot] = address(memory)
    for slot, array in [*zip(program.input_slots, inputs, strict=True), *program.constants]:
        own = np.array(array)
        keep.append(own)
        slots[slot] = address(own)
    return [_time(program, task, slots) if task.native else 0.0 for task in tasks]


def _time(program: Program, task: Task, slots: Array) -> float:
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    function = kind(native.load(task.text, "kernel"))
    table = slots[[program.plan.slots[storage.key] for storage in task.buffers]]
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        function(address(table), 0, task.chunks)
        best = min(best, time.perf_counter() - start)
    return best
