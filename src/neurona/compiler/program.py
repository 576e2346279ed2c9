"""A compiled graph, ready to run."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from neurona.compiler import native, prepare
from neurona.compiler.plan import Plan, make_plan, value_key
from neurona.compiler.pool import POOL
from neurona.compiler.tasks import Task, build_tasks
from neurona.compiler.views import layout
from neurona.core.buffer import Buffer, address, aligned_empty
from neurona.core.errors import NeuronaError
from neurona.core.node import Node
from neurona.core.op import LITERAL, Array
from neurona.graph.order import topological
from neurona.graph.passes import SIMPLIFY


class Kept:
    """The results of a program's prologue for one state of its fixed inputs."""

    def __init__(self, size: int, versions: tuple[int, ...]) -> None:
        self.versions = versions
        self.memory = aligned_empty((size,), np.dtype(np.uint8))


class Memory:
    """What one run needs for itself: the arena and the table of addresses.

    bound: the buffers whose addresses the table has from the last run.
    """

    def __init__(self, program: Program) -> None:
        self.arena = aligned_empty((program.plan.size,), np.dtype(np.uint8))
        table = np.zeros(program.slot_count, np.int64)
        # A memoryview takes Python's integers quicker than the array does.
        self.slots: Any = memoryview(cast(Any, table))
        self.address = address(table)
        start = address(self.arena)
        for slot, offset in program.plan.arena.items():
            self.slots[slot] = start + offset
        for slot, array in program.constants:
            self.slots[slot] = address(array)
        self.bound: list[Buffer | None] = [None] * len(program.input_slots)
        self.kept: Kept | None = None
        self.objects: dict[int, Any] = {}


class Program:
    """A graph's results from its inputs in a few native calls.

    inputs: nodes whose memory is given with each run. results: nodes returned, in memory of their
    own. writes: (placeholder among the inputs, new value). checks: (boolean scalar, its error).
    fixed: inputs that seldom change; what depends on them alone is computed when they have.
    """

    def __init__(
        self,
        inputs: Sequence[Node],
        results: Sequence[Node],
        writes: Sequence[tuple[Node, Node]] = (),
        checks: Sequence[tuple[Node, NeuronaError]] = (),
        fixed: Sequence[Node] = (),
    ) -> None:
        self.inputs = list(inputs)
        olds = [old for old, _ in writes]
        outputs = [*results, *[new for _, new in writes], *[ok for ok, _ in checks]]
        for simplify in (*SIMPLIFY, prepare.to_known_forms):
            outputs = simplify(outputs)
        ranges = prepare.index_checks(outputs)
        outputs += [ok for ok, _ in ranges]
        for simplify in (*SIMPLIFY, prepare.with_copies, prepare.in_own_memory):
            outputs = simplify(outputs)
        self.errors = [error for _, error in (*checks, *ranges)]
        self.results = outputs[: len(results)]
        news = outputs[len(results) : len(results) + len(olds)]
        oks = outputs[len(results) + len(olds) :]
        self.outputs = outputs
        order = topological(outputs)
        tasks, self.layouts = build_tasks(order, outputs)
        constants = [node for node in order if node.value is not None]
        outside = [*self.inputs, *self.results, *constants]
        pairs = list(zip(olds, news, strict=True))
        self.plan: Plan = make_plan(tasks, pairs, oks, outside, [*fixed, *constants])
        slots = self.plan.slots
        self.slot_count = len(set(slots.values())) + 1
        unused = self.slot_count - 1
        self.input_slots = [slots.get(value_key(node), unused) for node in self.inputs]
        self.result_specs = [(slots.get(value_key(n), unused), n.spec) for n in self.results]
        self.check_slots = [slots[value_key(ok)] for ok in oks]
        self.constants = [
            (slots[value_key(n)], n.array) for n in constants if value_key(n) in slots
        ]
        self._words: list[Array] = []
        self.prologue = self._segments(self.plan.prologue, -1)
        self.segments = self._segments(self.plan.tasks, self.plan.guarded)
        self.parallel = any(task.shared for task in self.plan.tasks)
        self._kept: Kept | None = None
        self._free: list[Memory] = []

    def _segments(self, steps: Sequence[Task], guarded: int) -> list[int | Task]:
        """Addresses of runs of native tasks (see `runner`), with Python tasks between.

        The checks come before task `guarded`, or at the end; nowhere if that is negative.
        """
        segments: list[int | Task] = []
        sections: list[int] = []
        tasks: list[int] = []
        count = 0

        def end_section(checks: Sequence[int] = ()) -> None:
            nonlocal count
            if count or checks:
                sections.extend([count, *tasks, len(checks), *checks])
            tasks.clear()
            count = 0

        def end_segment() -> None:
            end_section()
            if sections:
                self._words.append(np.array([*sections, -1], np.int64))
                segments.append(address(self._words[-1]))
            sections.clear()

        for i, task in enumerate(steps):
            if i == guarded:
                end_section(self.check_slots)
            if not task.native:
                end_segment()
                segments.append(task)
                continue
            function = native.load(task.text, "kernel")
            used = [self.plan.slots[storage.key] for storage in task.buffers]
            chunks = task.chunks if task.shared else -task.chunks
            tasks += [function, chunks, len(used), *used]
            count += 1
        if guarded >= len(steps):
            end_section(self.check_slots)
        end_segment()
        return segments

    def run(
        self,
        arrays: Sequence[Array],
        buffers: Sequence[Buffer] = (),
        versions: tuple[int, ...] = (),
    ) -> list[Array]:
        """The results. The inputs are `arrays`, then `buffers`: row-major and of their dtype.

        versions: of the fixed inputs; other ones than before run the prologue again.
        Raises a check's error if it fails; no Variable is written then.
        """
        memory = self._free.pop() if self._free else Memory(self)
        slots, bound = memory.slots, memory.bound
        i = 0
        for array in arrays:
            slots[self.input_slots[i]] = address(array)
            i += 1
        for buffer in buffers:
            if bound[i] is not buffer:
                slots[self.input_slots[i]] = buffer.pointer
                bound[i] = buffer
            i += 1
        if self.prologue:
            self._use_kept(memory, versions)
        results = []
        for slot, spec in self.result_specs:
            result = np.empty(spec.shape, spec.dtype)
            slots[slot] = address(result)
            results.append(result)
        try:
            for segment in self.segments:
                if isinstance(segment, Task):
                    self._evaluate(segment, memory)
                else:
                    failed = POOL.run(segment, memory.address, parallel=self.parallel)
                    if failed:
                        raise type(self.errors[failed - 1])(*self.errors[failed - 1].args)
        finally:
            memory.objects.clear()
            self._free.append(memory)
        return results

    def _use_kept(self, memory: Memory, versions: tuple[int, ...]) -> None:
        """Let the run see the prologue's results for these versions, computed if they are not."""
        kept = self._kept
        if memory.kept is kept and kept is not None and kept.versions == versions:
            return
        stale = kept is None or kept.versions != versions
        if kept is None or stale:
            # A block of its own: another thread may be using the last one.
            kept = Kept(self.plan.kept_size, versions)
        start = address(kept.memory)
        for slot, offset in self.plan.kept.items():
            memory.slots[slot] = start + offset
        if stale:
            for segment in self.prologue:
                POOL.run(cast(int, segment), memory.address, parallel=True)
            self._kept = kept
        memory.kept = kept

    # --- Python tasks ---

    def _evaluate(self, task: Task, memory: Memory) -> None:
        (node,) = task.nodes
        with np.errstate(all="ignore"):
            arrays = [self._array(x, memory) for x in node.inputs]
            result = node.op.evaluate(*arrays, **node.attrs)
        if node.specs is not None:
            memory.objects[id(node)] = tuple(np.array(part) for part in result)
        else:
            self._array(node, memory)[...] = result

    def _array(self, node: Node, memory: Memory) -> Any:
        """A view of a value's memory during a run."""
        if node.op is LITERAL:
            return node.array
        if node.specs is not None:
            return memory.objects[id(node)]
        place = layout(node, self.layouts)
        if place is None:
            raise TypeError(f"{node!r} has no strides")
        if place.base.op is LITERAL:
            return np.broadcast_to(place.base.array, node.shape)
        base = place.base
        size = base.dtype.itemsize
        count = max(1, math.prod(base.shape))
        place_of_base = memory.slots[self.plan.slots[value_key(base)]]
        raw = _memory(place_of_base, count * size).view(base.dtype)
        strides = tuple(stride * size for stride in place.strides)
        return np.ndarray(node.shape, base.dtype, raw, place.offset * size, strides)


def _memory(start: int, nbytes: int) -> Any:
    return np.ctypeslib.as_array((ctypes.c_uint8 * nbytes).from_address(start))
