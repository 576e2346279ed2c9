"""Where a program's own values lie: in the arena, from the task that makes them to the last reader.

A task that takes an element of a value read for the last time and writes one of its own in the same
place gets the same memory for both. The rest is placed by first fit, the largest first.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence

from neurona.compiler.ir.loops import Kernel, Nest, Statement, Store
from neurona.compiler.ir.scalar import Expr
from neurona.compiler.ir.sizes import at
from neurona.compiler.ir.storage import Key, Storage
from neurona.compiler.lower.task import Task
from neurona.core.buffer import ALIGNMENT

Span = tuple[int, int]
"""The first and the last task that use a piece of memory."""


def spans_of(tasks: Sequence[Task], same: Mapping[Key, Key]) -> dict[Key, Span]:
    """When each piece of memory is in use; `same` names those that share another's."""
    spans: dict[Key, Span] = {}
    for i, task in enumerate(tasks):
        for storage in task.buffers:
            key = same.get(storage.key, storage.key)
            spans[key] = (spans.get(key, (i, i))[0], i)
    return spans


def reuse(
    tasks: Sequence[Task], shared: Mapping[Key, Key], held: Mapping[Key, int], given: set[Key]
) -> dict[Key, Key]:
    """`shared` with what may be written over a value that nobody reads afterwards.

    given: memory that is not the program's own. held: tasks up to which some keys are in use.
    """
    last = {key: max(end, held.get(key, end)) for key, (_, end) in spans_of(tasks, {}).items()}
    same = dict(shared)
    for i, task in enumerate(tasks):
        if task.kernel is None:
            continue
        pairs = task.params
        dying = [
            (storage, param.name)
            for storage, param in pairs
            if param.role == "read"
            and last[storage.key] == i
            and storage.key not in task.operands
            and not {storage.key, same.get(storage.key, storage.key)} & given
        ]
        for new, param in pairs:
            if param.role != "write" or new.key in given or new.key in same or not dying:
                continue
            for old, name in dying:
                fits = old.size * old.dtype.itemsize == new.size * new.dtype.itemsize
                if fits and may_replace(task.kernel, param.name, name):
                    same[new.key] = same.get(old.key, old.key)
                    dying.remove((old, name))
                    break
    return same


def may_replace(kernel: Kernel, target: str, source: str) -> bool:
    """Whether `target` may be the same memory as `source`.

    That is so if each element is stored once, where `source` is read, and not before that.
    """
    if any(_touched(statement, {target, source}) for statement in (*kernel.before, *kernel.after)):
        return False
    body = list(enumerate(kernel.body))
    stores = [(i, store) for i, s in body for store in _stores(s) if store.param == target]
    sizes = {kernel.param(name).dtype.itemsize for name in (target, source)}
    if len(stores) != 1 or len(sizes) != 1:
        return False
    ((place, store),) = stores
    return all(
        i <= place and offset is store.offset
        for i, statement in body
        for offset in loads(statement, source)
    )


def loads(statement: Statement, name: str) -> list[Expr]:
    """Offsets at which a statement reads a buffer."""
    found: list[Expr] = []
    stack = [store.value for store in _stores(statement)]
    if isinstance(statement, Nest):
        stack += [fold.value for fold in statement.folds]
    seen: set[int] = set()
    while stack:
        expr = stack.pop()
        if id(expr) not in seen:
            seen.add(id(expr))
            if expr.head == "load" and expr.payload == name:
                found.append(expr.args[0])
            stack.extend(expr.args)
    return found


def place(sizes: Mapping[Key, int], spans: Mapping[Key, Span]) -> tuple[dict[Key, int], int]:
    """An offset for each piece of memory, and the size of all."""
    offsets: dict[Key, int] = {}
    placed: list[tuple[int, int, int, int]] = []
    total = 0
    for key in sorted(sizes, key=lambda key: -sizes[key]):
        begin, end = spans[key]
        size, offset = sizes[key], 0
        for low, high, first, last in placed:
            if first <= end and begin <= last:
                if offset + size <= low:
                    break
                offset = max(offset, high)
        insort(placed, (offset, offset + size, begin, end))
        offsets[key] = offset
        total = max(total, offset + size)
    return offsets, total


def nbytes(storage: Storage, n: int = 0) -> int:
    """Bytes of a piece of memory, up to the next cache line, if n is this size (see `sizes`)."""
    size: int = at(storage.size, n)
    return -(-size * storage.dtype.itemsize // ALIGNMENT) * ALIGNMENT


def _stores(statement: Statement) -> tuple[Store, ...]:
    return statement.stores if isinstance(statement, Nest) else (statement,)


def _touched(statement: Statement, names: set[str]) -> bool:
    stored = any(store.param in names for store in _stores(statement))
    return stored or any(loads(statement, name) for name in names)
