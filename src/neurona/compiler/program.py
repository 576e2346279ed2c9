"""A compiled graph, ready to run."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from neurona.compiler.ir.sizes import NotAffine, at, stray, varies
from neurona.compiler.ir.storage import Storage, storage_of
from neurona.compiler.ir.views import layout
from neurona.compiler.lower import control, indices, prepare
from neurona.compiler.lower.again import computed_again, operands_again
from neurona.compiler.lower.arrange import arranged
from neurona.compiler.lower.control import Slot
from neurona.compiler.lower.folding import folded
from neurona.compiler.lower.joined import sums_of_pads
from neurona.compiler.lower.plan import Plan, make_plan, value_key
from neurona.compiler.lower.pooled import pooled_first
from neurona.compiler.lower.task import Task
from neurona.compiler.lower.tasks import build_tasks
from neurona.compiler.machine import native
from neurona.compiler.run.memory import NOTHING, Held, Kept, Maker, Memory
from neurona.compiler.run.pool import POOL, alone
from neurona.compiler.run.runner import END, SEGMENT, TAKE, runner
from neurona.compiler.stages import Stages
from neurona.core.buffer import RECYCLED, address, handle, result_empty
from neurona.core.errors import NeuronaError
from neurona.core.node import Node
from neurona.core.op import LITERAL, Array
from neurona.graph.order import topological
from neurona.graph.passes import SIMPLIFY, merge_equal

MOST_ARRANGEMENTS = 256
"""Sizes for which a program remembers where everything lies."""
BRIEF = 1 << 15
"""The work (see `Task`) of a program during which Python may as well wait."""


class Program:
    """A graph's results from its inputs in a few native calls.

    inputs: nodes whose memory is given with each run. results: nodes returned, in memory of their
    own. writes: (placeholder among the inputs, new value). checks: (boolean scalar, its error).
    fixed: inputs that seldom change; what depends on them alone is computed when they have.
    inner: this is a branch or the body of a loop, whose checks are among its results.
    """

    def __init__(
        self,
        inputs: Sequence[Node],
        results: Sequence[Node],
        writes: Sequence[tuple[Node, Node]] = (),
        checks: Sequence[tuple[Node, NeuronaError]] = (),
        fixed: Sequence[Node] = (),
        *,
        inner: bool = False,
        stages: Stages | None = None,
    ) -> None:
        self.stages = stages or Stages()
        self.inputs = list(inputs)
        olds = [old for old, _ in writes]
        outputs = [*results, *[new for _, new in writes], *[ok for ok, _ in checks]]
        self.recorded, self.asked = outputs, outputs[len(outputs) - len(checks) :]
        shorten = (*SIMPLIFY, control.without_unused, sums_of_pads)
        for simplify in (*shorten, prepare.to_known_forms, prepare.masks_of_results):
            outputs = simplify(outputs)
        outputs = arranged(pooled_first(folded(outputs, fixed)))
        ranges: control.Checks = []
        if not inner:
            outputs, ranges = control.expose_checks(outputs)
        outputs += [ok for ok, _ in ranges]
        for simplify in (
            *SIMPLIFY,
            computed_again,
            operands_again,
            merge_equal,
            prepare.with_copies,
            prepare.in_own_memory,
        ):
            outputs = simplify(outputs)
        self.errors = [error for _, error in (*checks, *ranges)]
        self.results = outputs[: len(results)]
        news = outputs[len(results) : len(results) + len(olds)]
        oks = outputs[len(results) + len(olds) :]
        self.outputs = outputs
        order = topological(outputs)
        self.sized = any(varies(node.shape) or varies(node.attrs) for node in order)
        if self.sized and any(map(control.is_control, order)):
            raise NotAffine("a loop or a choice in a program whose sizes are known at run time")
        self.stages.end("passes")
        bodies = {id(node): self._bodies(node) for node in order if control.is_control(node)}
        tasks, self.layouts = build_tasks(order, outputs, bodies)
        self.stages.end("fusion and loops")
        constants = [node for node in order if node.value is not None]
        outside = [*self.inputs, *self.results, *constants]
        pairs = list(zip(olds, news, strict=True))
        self.plan: Plan = make_plan(tasks, pairs, oks, outside, [*fixed, *constants], self.results)
        slots = self.plan.slots
        self.slot_count = len({0, *slots.values()}) + 1
        self.unused = self.slot_count - 1
        self.input_slots = [slots.get(value_key(node), self.unused) for node in self.inputs]
        self.result_specs = [(slots.get(value_key(n), self.unused), n.spec) for n in self.results]
        self.check_slots = [slots[value_key(ok)] for ok in oks]
        self.constants = [
            (slots[value_key(n)], n.array) for n in constants if value_key(n) in slots
        ]
        self.inner = inner
        self.inlined: list[tuple[int, int]] = []
        self._places: dict[int, tuple[list[tuple[int, int]], int]] = {}
        self._words: list[Array] = []
        self.stages.end("plan")
        self.prologue_steps = self._segments(self.plan.prologue, -1)
        self.steps = self._segments(self.plan.tasks, self.plan.guarded)
        self.native = all(not isinstance(step, Task) for step in self.steps)
        self.prologue, self.segments = map(self._addresses, (self.prologue_steps, self.steps))
        self.stages.end("machine code")
        inside = [body for programs in bodies.values() for body in programs]
        self.parallel: bool = any(t.shared for t in self.plan.tasks) or any(
            b.parallel for b in inside
        )
        self.call = POOL.run if self.parallel else alone
        brief = not self.sized and not inside and sum(task.work for task in self.plan.tasks) < BRIEF
        self.brief = runner(release=False) if brief else None
        self._kept: Kept | None = None
        self._free: list[Memory] = []

    @staticmethod
    def _bodies(node: Node) -> tuple[Program, ...]:
        return tuple(
            Program(body.inputs, body.outputs, fixed=control.steady_inputs(node, body), inner=True)
            for body in control.bodies_of(node)
        )

    @property
    def size(self) -> int:
        """Bytes of the arena of a program whose sizes are all known."""
        return self.places()[1]

    def places(self, n: int = 0) -> tuple[list[tuple[int, int]], int]:
        """Where each slot of the program's own memory lies in the arena, and the arena's bytes."""
        found = self._places.get(n)
        if found is None:
            if len(self._places) >= MOST_ARRANGEMENTS:
                self._places.clear()
            offsets, size = self.plan.arena(n)
            places = [*offsets.items(), *self.inlined]
            if self.inner:
                # Inlined (see `control`), it has its prologue's results there, after the rest.
                places += [(slot, size + offset) for slot, offset in self.plan.kept.items()]
                size += self.plan.kept_size
            found = self._places[n] = places, size
        return found

    def makers(self, n: int) -> list[Maker]:
        """How the results are made: for each the number of its handle, what to call, and how."""
        made: list[Maker] = []
        for i, (_, spec) in enumerate(self.result_specs, len(self.inputs)):
            shape = at(spec.shape, n)
            large = math.prod(shape) * spec.dtype.itemsize >= RECYCLED
            made.append((i, result_empty if large else np.empty, shape, spec.dtype))
        return made

    @staticmethod
    def words(steps: Sequence[list[int] | Task]) -> list[int]:
        """The one segment of what is native throughout."""
        found = [step for step in steps if not isinstance(step, Task)]
        return found[0] if found else [END]

    def _addresses(self, steps: Sequence[list[int] | Task]) -> list[int | Task]:
        """The steps with addresses of segments in place of their words.

        The first one begins with taking the inputs and results.
        """
        taken = [*self.input_slots, *[slot for slot, _ in self.result_specs]]
        take = [TAKE, len(taken), self.slot_count, *taken]
        if steps and isinstance(steps[0], Task):
            steps = [[END], *steps]
        segments: list[int | Task] = []
        for step in steps:
            if isinstance(step, Task):
                segments.append(step)
            else:
                self._words.append(np.array(step if segments else [*take, *step], np.int64))
                segments.append(address(self._words[-1]))
        return segments

    def _segments(self, steps: Sequence[Task], guarded: int) -> list[list[int] | Task]:
        """Runs of native tasks as words (see `runner`), with Python tasks between.

        The checks come before task `guarded`, or at the end; nowhere if that is negative.
        """
        segments: list[list[int] | Task] = []
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
                segments.append([*sections, END])
            sections.clear()

        for i, task in enumerate(steps):
            if i == guarded:
                end_section(self.check_slots)
            if task.control is not None and task.control.native:
                end_section()
                sections.extend(control.words(task.control, self))
                continue
            if not task.native:
                end_segment()
                segments.append(task)
                continue
            if self.sized and stray(task.text):
                raise NotAffine(f"{task} needs a size as a plain number")
            function = native.load(task.text, "kernel")
            used = [Slot(self.plan.slots[storage.key]) for storage in task.buffers]
            chunks = task.chunks if task.shared else -task.chunks
            tasks += [function, chunks, len(used), *used]
            count += 1
        if guarded >= len(steps):
            end_section(self.check_slots)
        end_segment()
        return segments

    def run(self, arrays: Sequence[Array], held: Held = NOTHING, n: int = 0) -> list[Array]:
        """The results. The inputs are `arrays`, then those held: row-major and of their dtype.

        Other versions than before run the prologue again. n: the size that is known at run time,
        if there is one (see `sizes`).
        Raises a check's error if it fails; no Variable is written then.
        """
        try:
            memory = self._free.pop()
        except IndexError:
            memory = Memory(self)
        if memory.n != n:
            memory.arrange(self, n)
        brief = self.brief
        try:
            results = self._bind(memory, arrays, held)
            for segment in self.segments:
                if isinstance(segment, Task):
                    self._evaluate(segment, memory)
                    continue
                memory.words[SEGMENT] = segment
                failed = brief(memory.address) if brief else self.call(memory)
                if failed:
                    raise self._error(failed - 1, [*arrays, *held.arrays], n)
        finally:
            if memory.objects:
                memory.objects.clear()
            self._free.append(memory)
        return results

    def _error(self, failed: int, arrays: Sequence[Array], n: int) -> NeuronaError:
        """What to raise for a check, by number, that failed for these inputs."""
        ends = [*self.asked[failed : failed + 1], *self.recorded]
        return indices.named(self.errors[failed], self.inputs, ends, arrays, n)

    def _bind(self, memory: Memory, arrays: Sequence[Array], held: Held) -> list[Array]:
        """Let a run see its inputs and its results, which are returned as they are before it."""
        handles = memory.handles
        for i, array in enumerate(arrays):
            handles[i] = handle(array)
        results = []
        for i, make, shape, dtype in memory.makers:
            result = make(shape, dtype)
            handles[i] = handle(result)
            results.append(result)
        if memory.held is not held:
            memory.held = None
            for i, array in enumerate(held.arrays, len(arrays)):
                handles[i] = handle(array)
            if self.prologue:
                self._use_kept(memory, held.versions)
            memory.held = held
        return results

    def _use_kept(self, memory: Memory, versions: tuple[int, ...]) -> None:
        """Let the run see the prologue's results for these versions, computed if they are not."""
        kept = self._kept
        stale = kept is None or kept.versions != versions
        if kept is None or stale:
            # A block of its own: another thread may be using the last one.
            kept = Kept(self.plan.kept_size, versions)
        start = address(kept.memory)
        for slot, offset in self.plan.kept.items():
            memory.slots[slot] = start + offset
        if stale:
            for segment in self.prologue:
                memory.words[SEGMENT] = cast(int, segment)
                POOL.run(memory)
            self._kept = kept
        memory.kept = kept

    # --- Python tasks ---

    def _evaluate(self, task: Task, memory: Memory) -> None:
        (node,) = task.nodes
        if task.control is not None:
            results = control.run_control(
                task.control, [self._array(x, memory) for x in node.inputs]
            )
            for storage, result in zip(task.control.results, results, strict=True):
                self._raw(storage, memory)[: result.size] = result.reshape(-1)
            return
        with np.errstate(all="ignore"):
            arrays = [self._array(x, memory) for x in node.inputs]
            result = node.op.evaluate(*arrays, **at(node.attrs, memory.n))
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
        shape = at(node.shape, memory.n)
        if place.base.op is LITERAL:
            return np.broadcast_to(place.base.array, shape)
        if 0 in shape:
            return np.empty(shape, node.dtype)
        size = place.base.dtype.itemsize
        raw = self._raw(storage_of(place.base), memory)
        strides = tuple(stride * size for stride in at(place.strides, memory.n))
        return np.ndarray(shape, raw.dtype, raw, at(place.offset, memory.n) * size, strides)

    def _raw(self, storage: Storage, memory: Memory) -> Array:
        """The elements of a piece of memory during a run."""
        start = memory.slots[self.plan.slots[storage.key]]
        nbytes = at(storage.size, memory.n) * storage.dtype.itemsize
        return cast(Array, _memory(start, nbytes).view(storage.dtype))


def _memory(start: int, nbytes: int) -> Any:
    return np.ctypeslib.as_array((ctypes.c_uint8 * nbytes).from_address(start))
