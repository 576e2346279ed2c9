"""The order of a program's tasks and where everything lies in memory.

A Variable that is assigned is written in place if every other task that reads its old value can run
before; else its new value is copied at the end. No Variable is written before all checks are known.
What depends only on values that seldom change (packed weights, folded statistics) is a prologue,
whose results are kept from run to run.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from neurona.compiler.ir.loops import Kernel, Nest, Param, Store, check
from neurona.compiler.ir.scalar import Builder
from neurona.compiler.ir.sizes import depends, is_plain, varies
from neurona.compiler.ir.storage import Key, Storage, storage_of
from neurona.compiler.lower.arena import Span, may_replace, nbytes, place, reuse, spans_of
from neurona.compiler.lower.task import Task
from neurona.core.node import Node

STREAMED = 1 << 25
"""Bytes of a result that would leave nothing else in the last cache."""


@dataclass(eq=False)
class Plan:
    """tasks in order; the first `guarded` write no Variable and compute all checks.

    slots: number of each piece of memory by storage key (aliases share one); number 0 has n.
    spans: the pieces in the program's own memory, and from which task to which they are needed.
    prologue: tasks to run first and whenever a seldom changing input has; kept, kept_size: where
        their results lie, byte offsets by slot, and their bytes.
    """

    tasks: list[Task]
    guarded: int
    prologue: list[Task] = field(default_factory=list)
    kept: dict[int, int] = field(default_factory=dict)
    kept_size: int = 0
    slots: dict[Key, int] = field(default_factory=dict)
    spans: dict[Storage, Span] = field(default_factory=dict)

    def arena(self, n: int = 0) -> tuple[dict[int, int], int]:
        """Byte offsets by slot in the program's own memory, if n is this size, and its bytes."""
        sizes = {storage.key: nbytes(storage, n) for storage in self.spans}
        offsets, size = place(sizes, {s.key: span for s, span in self.spans.items()})
        return {self.slots[key]: offset for key, offset in offsets.items()}, size


def value_key(node: Node) -> Key:
    return storage_of(node).key


def make_plan(
    tasks: list[Task],
    writes: Sequence[tuple[Node, Node]],
    checks: Sequence[Node],
    outside: Sequence[Node],
    fixed: Sequence[Node] = (),
    results: Sequence[Node] = (),
) -> Plan:
    """Plan the tasks of a graph.

    writes: (placeholder of a Variable, its new value). checks: booleans to hold before writing.
    outside: nodes whose memory the program is given (inputs, placeholders, results).
    fixed: those of them that seldom change. results: those that are made for each run.
    """
    needs = Needs(tasks, {value_key(node) for node in checks})
    updates = [(value_key(old), value_key(new)) for old, new in writes]
    in_place = [pair for pair in updates if needs.can_update(*pair)]
    order = needs.order(in_place)
    while order is None:
        # Circular or unguarded: the last candidate gives way and is copied at the end.
        in_place.pop()
        order = needs.order(in_place)
    shared = {new: old for old, new in in_place}
    given = {value_key(node) for node in outside}
    known = {value_key(node) for node in fixed}
    prologue, rest = _split(order, known, given | shared.keys())
    copied = [pair for pair, keys in zip(writes, updates, strict=True) if keys not in in_place]
    rest += [_copy(new, old) for old, new in copied]
    writers = [i for i, task in enumerate(rest) if task.writes() & shared.keys()]
    guarded = min(writers, default=len(rest) - len(copied))
    kept = [key for task in prologue for key in task.writes()]
    held = {value_key(ok): guarded for ok in checks}
    own = given.union(kept)
    same = reuse(rest, shared, held, own)
    streamed = _streamed(rest, results)
    marked = [_mark_streamed(_mark_shared(task, same), streamed) for task in rest]
    plan = Plan(marked, guarded, prologue)
    _assign_memory(plan, same, kept, own, held)
    return plan


# --- order ---


class Needs:
    """What each task of a graph needs, and which of them may fail."""

    def __init__(self, tasks: list[Task], checks: set[Key]) -> None:
        self.tasks = tasks
        self.after: list[set[int]] = [set() for _ in tasks]
        self.readers: dict[Key, list[int]] = {}
        self.writer: dict[Key, int] = {}
        # A check, Python, and a loop that looks for signals.
        self.risky: set[int] = set()
        for i, task in enumerate(tasks):
            reads, writes = task.reads(), task.writes()
            for key in reads | writes:
                # A second writer (chunks combined) comes after the first.
                if self.writer.get(key, i) != i:
                    self.after[i].add(self.writer[key])
            for key in reads:
                self.readers.setdefault(key, []).append(i)
            for key in writes:
                self.writer[key] = i
            if writes & checks or not task.native or task.control is not None:
                self.risky.add(i)
        self.early = self._before(self.risky)

    def _before(self, tasks: set[int]) -> set[int]:
        """These tasks and all that they need, by whatever way."""
        found, stack = set(tasks), list(tasks)
        while stack:
            new = self.after[stack.pop()] - found
            found |= new
            stack.extend(new)
        return found

    def can_update(self, old: Key, new: Key) -> bool:
        """Whether the task that makes the value `new` may write it over `old`."""
        if new not in self.writer:
            return False
        task = self.tasks[self.writer[new]]
        # What a check waits for runs before any Variable may be written.
        if task.kernel is None or self.writer[new] in self.early:
            return False
        names = {storage.key: param.name for storage, param in task.params}
        if task.kernel.param(names[new]).role != "write" or old in task.operands:
            return False
        return old not in names or may_replace(task.kernel, names[new], names[old])

    def order(self, in_place: Sequence[tuple[Key, Key]]) -> list[Task] | None:
        """The tasks, each after what it needs; those that may fail before any Variable is written.

        None if there is no such order.
        """
        after = [set(needs) for needs in self.after]
        late = set()
        for old, new in in_place:
            writer = self.writer[new]
            late.add(writer)
            after[writer].update(i for i in self.readers.get(old, ()) if i != writer)
        followers: list[list[int]] = [[] for _ in after]
        missing = [len(needs) for needs in after]
        for i, needs in enumerate(after):
            for j in needs:
                followers[j].append(i)
        ready = [i for i, count in enumerate(missing) if not count]
        waiting: list[int] = []
        risky = len(self.risky)
        result: list[Task] = []
        while ready:
            i = heapq.heappop(ready)
            if risky and i in late:
                waiting.append(i)
                continue
            result.append(self.tasks[i])
            for j in followers[i]:
                missing[j] -= 1
                if not missing[j]:
                    heapq.heappush(ready, j)
            risky -= i in self.risky
            if not risky:
                # From now on an update runs once it can, so that its gradient need not be kept.
                for j in waiting:
                    heapq.heappush(ready, j)
                waiting.clear()
        return result if len(result) == len(self.tasks) else None


def _split(
    order: Sequence[Task], known: set[Key], elsewhere: set[Key]
) -> tuple[list[Task], list[Task]]:
    """The tasks that need nothing but what is `known`, and the others, which leave that alone."""
    elsewhere = set(elsewhere)
    while True:
        prologue: list[Task] = []
        rest: list[Task] = []
        there = set(known)
        for task in order:
            pairs = [(s.key, role) for s, role in zip(task.buffers, task.roles, strict=True)]
            made = {key for key, role in pairs if role != "read"}
            steady = task.native and not made & elsewhere and {k for k, _ in pairs} - made <= there
            # What is kept from run to run must not depend on a run's size.
            if steady and not depends(task.text) and not any(varies(s.size) for s in task.buffers):
                prologue.append(task)
                there |= made
            else:
                rest.append(task)
        # What a later task goes on writing is begun anew in every run.
        again = {key for task in prologue for key in task.writes()}
        again &= {key for task in rest for key in task.writes()}
        if not again:
            return prologue, rest
        elsewhere |= again


def _mark_shared(task: Task, same: Mapping[Key, Key]) -> Task:
    """Tell the kernel which of its buffers are the same memory."""
    roots = [same.get(storage.key, storage.key) for storage in task.buffers]
    if task.kernel is None or len(set(roots)) == len(roots):
        return task
    names = {p.name for s, p in task.params if roots.count(same.get(s.key, s.key)) > 1}
    params = tuple(replace(param, shared=param.name in names) for param in task.kernel.params)
    return replace(task, kernel=replace(task.kernel, params=params))


def _streamed(tasks: Sequence[Task], results: Sequence[Node]) -> set[Key]:
    """The results that loops write past the caches: large ones that no task reads."""
    large = {
        storage.key
        for storage in map(storage_of, results)
        if is_plain(storage.size) and nbytes(storage) >= STREAMED
    }
    touched = [storage.key for task in tasks for storage in task.buffers]
    return {key for key in large if touched.count(key) == 1}


def _mark_streamed(task: Task, streamed: set[Key]) -> Task:
    keys = {storage.key for storage in task.buffers} & streamed
    if task.kernel is None or task.operands or not keys:
        return task
    params = tuple(
        replace(param, streamed=storage.key in keys and param.role == "write")
        for storage, param in task.params
    )
    return replace(task, kernel=replace(task.kernel, params=params))


def _copy(source: Node, target: Node) -> Task:
    """The task that puts a Variable's new value in its place."""
    k = Builder()
    column = k.variable("c0")
    old, new = storage_of(target), storage_of(source)
    params = (Param("b0", new.dtype, new.size, "read"), Param("b1", old.dtype, old.size, "write"))
    store = Store("b1", column, k.load("b0", column, new.dtype))
    kernel = check(Kernel("kernel", params, 1, (), (Nest((("c0", new.size),), (store,)),)))
    return Task((new, old), ("read", "write"), (source,), 1, kernel)


# --- memory ---


def _assign_memory(
    plan: Plan, same: Mapping[Key, Key], kept: Sequence[Key], own: set[Key], held: Mapping[Key, int]
) -> None:
    """Give every storage a slot, and find out when those of the program itself are in use.

    same: keys whose memory is another's. held: up to which task the checks are looked at.
    """
    storages = {s.key: s for task in (*plan.prologue, *plan.tasks) for s in task.buffers}
    # A Variable that is written without being read has a slot too.
    roots = dict.fromkeys(same.get(key, key) for key in storages)
    numbers = {root: number for number, root in enumerate(roots, 1)}
    plan.slots = numbers | {key: numbers[same.get(key, key)] for key in storages}
    for key in kept:
        plan.kept[plan.slots[key]] = plan.kept_size
        plan.kept_size += nbytes(storages[key])
    spans = spans_of(plan.tasks, same)
    for key, end in held.items():
        root = same.get(key, key)
        if root in spans:
            spans[root] = (spans[root][0], max(spans[root][1], end))
    plan.spans = {storages[k]: spans[k] for k in roots if k in spans and k not in own}
