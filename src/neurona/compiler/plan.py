"""The order of a program's tasks and where everything lies in memory.

A Variable that is assigned is written in place if every other task that reads its old value can run
before; else its new value is copied at the end. No Variable is written before all checks are known.
What depends only on values that seldom change (packed weights, folded statistics) is a prologue,
whose results are kept from run to run.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from neurona.compiler.loops import Kernel, Nest, Param, Store, check
from neurona.compiler.scalar import Builder, Expr
from neurona.compiler.storage import Storage, storage_of
from neurona.compiler.tasks import Task
from neurona.core.buffer import ALIGNMENT
from neurona.core.node import Node

Key = tuple[int, str]


@dataclass(eq=False)
class Plan:
    """tasks in order; the first `guarded` write no Variable and compute all checks.

    slots: number of each piece of memory by storage key (aliases share one).
    arena: byte offset of those that live in the program's own memory; `size` its bytes.
    prologue: tasks to run first and whenever a seldom changing input has; kept, kept_size: where
        their results lie, as arena and size.
    """

    tasks: list[Task]
    guarded: int
    prologue: list[Task] = field(default_factory=list)
    kept: dict[int, int] = field(default_factory=dict)
    kept_size: int = 0
    slots: dict[Key, int] = field(default_factory=dict)
    arena: dict[int, int] = field(default_factory=dict)
    size: int = 0


def value_key(node: Node) -> Key:
    return storage_of(node).key


def make_plan(
    tasks: list[Task],
    writes: Sequence[tuple[Node, Node]],
    checks: Sequence[Node],
    outside: Sequence[Node],
    fixed: Sequence[Node] = (),
) -> Plan:
    """Plan the tasks of a graph.

    writes: (placeholder of a Variable, its new value). checks: booleans to hold before writing.
    outside: nodes whose memory the program is given (inputs, placeholders, results).
    fixed: those of them that seldom change.
    """
    in_place = [pair for pair in writes if _can_update(tasks, *pair)]
    order = _order(tasks, in_place)
    while order is None or _writes_too_early(order, in_place, checks):
        # Circular or unguarded: the last candidate gives way and is copied at the end.
        in_place.pop()
        order = _order(tasks, in_place)
    shared = {value_key(new): value_key(old) for old, new in in_place}
    given = {value_key(node) for node in outside}
    known = {value_key(node) for node in fixed}
    prologue, order = _split(order, known, given | shared.keys())
    ordered = [_mark_shared(task, shared) for task in order]
    writers = [i for i, task in enumerate(ordered) if task.writes() & shared.keys()]
    plan = Plan(ordered, min(writers, default=len(ordered)), prologue)
    copied = [pair for pair in writes if pair not in in_place]
    plan.tasks += [_copy(new, old) for old, new in copied]
    held = {value_key(ok) for ok in checks}
    _assign_memory(plan, shared, given, held)
    return plan


# --- order ---


def _writer(tasks: Sequence[Task], key: Key) -> Task | None:
    return next((task for task in reversed(tasks) if key in task.writes()), None)


def _can_update(tasks: Sequence[Task], old: Node, new: Node) -> bool:
    """Whether the task that makes `new` may write it over `old`."""
    task = _writer(tasks, value_key(new))
    if task is None or task.kernel is None:
        return False
    kernel = task.kernel
    names = dict(zip([s.key for s in task.buffers], kernel.params, strict=True))
    target, source = names[value_key(new)], names.get(value_key(old))
    nests = [s for s in kernel.body if isinstance(s, Nest)]
    stores = [s for s in kernel.body if isinstance(s, Store)]
    if kernel.before or kernel.after or len(nests) + len(stores) != max(1, len(stores)):
        return False
    inner = nests[0].stores if nests else tuple(stores)
    places = [store.offset for store in inner if store.param == target.name]
    if len(places) != 1 or (nests and nests[0].folds) or target.role != "write":
        return False
    return source is None or all(
        offset is places[0] for store in inner for offset in _loads(store.value, source.name)
    )


def _loads(root: Expr, name: str) -> list[Expr]:
    """Offsets at which an expression reads a buffer."""
    found, stack, seen = [], [root], set()
    while stack:
        expr = stack.pop()
        if id(expr) not in seen:
            seen.add(id(expr))
            if expr.head == "load" and expr.payload == name:
                found.append(expr.args[0])
            stack.extend(expr.args)
    return found


def _order(tasks: list[Task], in_place: Sequence[tuple[Node, Node]]) -> list[Task] | None:
    """The tasks, each after what it needs, those that write Variables as late as can be."""
    number = {id(task): i for i, task in enumerate(tasks)}
    after: list[set[int]] = [set() for _ in tasks]
    made_by: dict[Key, int] = {}
    for i, task in enumerate(tasks):
        for key in task.reads():
            if key in made_by and made_by[key] != i:
                after[i].add(made_by[key])
        for key in task.writes():
            # A second writer (chunks combined) comes after the first.
            if key in made_by and made_by[key] != i:
                after[i].add(made_by[key])
            made_by[key] = i
    late = set()
    for old, new in in_place:
        writer = _writer(tasks, value_key(new))
        if writer is None:
            return None
        late.add(number[id(writer)])
        for i, task in enumerate(tasks):
            if task is not writer and value_key(old) in task.reads():
                after[number[id(writer)]].add(i)
    followers: list[list[int]] = [[] for _ in tasks]
    missing = [len(needs) for needs in after]
    for i, needs in enumerate(after):
        for j in needs:
            followers[j].append(i)
    ready = [(i in late, i) for i in range(len(tasks)) if not missing[i]]
    heapq.heapify(ready)
    result = []
    while ready:
        _, i = heapq.heappop(ready)
        result.append(tasks[i])
        for j in followers[i]:
            missing[j] -= 1
            if not missing[j]:
                heapq.heappush(ready, (j in late, j))
    return result if len(result) == len(tasks) else None


def _split(
    order: Sequence[Task], known: set[Key], elsewhere: set[Key]
) -> tuple[list[Task], list[Task]]:
    """The tasks that need nothing but what is `known`, and the others."""
    prologue: list[Task] = []
    rest: list[Task] = []
    for task in order:
        pairs = [(s.key, role) for s, role in zip(task.buffers, task.roles, strict=True)]
        made = {key for key, role in pairs if role != "read"}
        if task.native and not made & elsewhere and {k for k, _ in pairs} - made <= known:
            prologue.append(task)
            known |= made
        else:
            rest.append(task)
    return prologue, rest


def _writes_too_early(
    order: Sequence[Task], in_place: Sequence[tuple[Node, Node]], checks: Sequence[Node]
) -> bool:
    """Whether anything that may raise comes after the first Variable is written.

    That is a check, Python, or a loop that looks for signals.
    """
    if not in_place:
        return False
    written = {value_key(new) for _, new in in_place}
    first = min(i for i, task in enumerate(order) if task.writes() & written)
    wanted = {value_key(node) for node in checks}
    return any(
        task.writes() & wanted or not task.native or task.control is not None
        for task in order[first:]
    )


def _mark_shared(task: Task, shared: dict[Key, Key]) -> Task:
    """Tell the kernel which of its buffers are the same memory."""
    keys = [storage.key for storage in task.buffers]
    pairs = [(key, shared[key]) for key in keys if key in shared and shared[key] in keys]
    if not pairs or task.kernel is None:
        return task
    same = {key for pair in pairs for key in pair}
    params = tuple(
        replace(param, shared=param.shared or key in same)
        for param, key in zip(task.kernel.params, keys, strict=True)
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


def _assign_memory(plan: Plan, shared: dict[Key, Key], outside: set[Key], held: set[Key]) -> None:
    """Give every storage a slot, and those of the program itself a place in the arena.

    held: what is still looked at when the checks are made, after `guarded` tasks.
    """
    first: dict[Key, int] = {}
    last: dict[Key, int] = {}
    storages: dict[Key, Storage] = {}
    kept = {key for task in plan.prologue for key in task.writes()}
    for task in plan.prologue:
        storages |= {storage.key: storage for storage in task.buffers}
    for i, task in enumerate(plan.tasks):
        for storage in task.buffers:
            key = storage.key
            storages[key] = storage
            first.setdefault(key, i)
            last[key] = i
    for key in held & last.keys():
        last[key] = max(last[key], plan.guarded)
    roots = dict.fromkeys(shared.get(key, key) for key in storages)
    numbers = {root: number for number, root in enumerate(roots)}
    # A Variable that is written without being read has a slot too.
    plan.slots = numbers | {key: numbers[shared.get(key, key)] for key in storages}
    for key in kept:
        plan.kept[plan.slots[key]] = plan.kept_size
        plan.kept_size += _nbytes(storages[key])
    given = outside | kept
    own = [k for k in storages if shared.get(k, k) == k and k not in given]
    placed: list[tuple[int, int, int, int]] = []
    for key in sorted(own, key=lambda k: -_nbytes(storages[k])):
        begin, end, size = first[key], last[key], _nbytes(storages[key])
        offset = 0
        for low, high, _, _ in sorted(p for p in placed if p[2] <= end and begin <= p[3]):
            if offset + size <= low:
                break
            offset = max(offset, high)
        placed.append((offset, offset + size, begin, end))
        plan.arena[plan.slots[key]] = offset
        plan.size = max(plan.size, offset + size)


def _nbytes(storage: Storage) -> int:
    return -(-storage.size * storage.dtype.itemsize // ALIGNMENT) * ALIGNMENT
