"""Folds of several rows at once, which share what they read: products with a vector.

A product of a matrix with a vector reads every number of the matrix once and the vector for every
row. With a row at a time every other load is one of the vector, which takes as long as one of the
matrix, or twice that where the vector does not begin on a cache line. So four rows are folded
together: a vector's numbers are loaded once for all of them, and their sums, which do not wait for
each other, hide how long an addition takes. Each row is folded in the same order wherever it lies.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from neurona.compiler.ir.loops import Kernel, Nest, Statement, Store
from neurona.compiler.ir.scalar import INDEX, Expr
from neurona.compiler.machine.emit import Emitter
from neurona.compiler.machine.steps import fixed_parts, side_by_side
from neurona.compiler.machine.text import Value

ABREAST = 4
MOST_FOLDS = 4
"""Folds of a row whose sums have room in the registers for all rows, beside what is read."""

Scope = dict[Any, Value]


class AbreastEmitter(Emitter):
    """Writes a kernel that `suits`."""

    def __init__(self, kernel: Kernel, lanes: int) -> None:
        super().__init__(kernel, lanes)
        self.abreast: list[tuple[Scope, dict[str, str]]] = []
        """What is known of each row that is being folded, and its folds' slots."""

    def each_row(self, name: str, start: str, stop: str) -> None:
        fours = self.assign(f"sdiv i64 {self.assign(f'sub nsw i64 {stop}, {start}')}, {ABREAST}")
        middle = self.assign(f"mul nsw i64 {fours}, {ABREAST}")
        middle = self.assign(f"add nsw i64 {start}, {middle}")
        with self.loop(start, middle, ABREAST) as i:
            places = [self.assign(f"add nsw i64 {i}, {k}") for k in range(ABREAST)]
            self.rows_at(name, places)
        with self.loop(middle, stop) as i:
            self.rows_at(name, [i])

    def rows_at(self, name: str, places: list[str]) -> None:
        """The body of the kernel for the rows at these places."""
        rows: list[Scope] = [{name: Value(place, INDEX, False)} for place in places]
        for statement in self.kernel.body:
            if isinstance(statement, Nest):
                self.fold_rows(statement, rows)
                continue
            for row in rows:
                with self.within(row):
                    self.store(statement, self.value(statement.value))

    def fold_rows(self, nest: Nest, rows: list[Scope]) -> None:
        name, extent = nest.loops[0]
        for row in rows:
            with self.within(row):
                self.abreast.append((row, {f.name: self.open_fold(f, 1) for f in nest.folds}))
                for part in fixed_parts(nest, ()):
                    self.value(part)
        self.inner_loop(nest, name, self.extent(extent), {1: {}})
        for row, slots in self.abreast:
            with self.within(row):
                for fold in nest.folds:
                    self.close_fold(fold, {1: slots[fold.name]})
        self.abreast.clear()

    def work(self, nest: Nest, slots: dict[str, str]) -> None:
        scopes, base = self.scopes, self.base_scope
        for row, own in self.abreast:
            self.scopes, self.base_scope = [*scopes[:-1], row, {}], dict(base)
            super().work(nest, own)
        self.scopes, self.base_scope = scopes, base

    @contextmanager
    def within(self, row: Scope) -> Iterator[None]:
        self.scopes.append(row)
        yield
        self.scopes.pop()


def suits(kernel: Kernel, lanes: int) -> bool:
    """Whether the kernel's rows are folds that read, beside what is theirs, what all rows read."""
    if not kernel.rows or kernel.before or kernel.after:
        return False
    if any(param.shared for param in kernel.params):
        return False
    nests = [statement for statement in kernel.body if isinstance(statement, Nest)]
    stores = [statement for statement in kernel.body if isinstance(statement, Store)]
    loaded = {load.payload for statement in kernel.body for load in _loads(_roots(statement))}
    return (
        bool(nests)
        and not loaded & {store.param for store in stores}
        and all(_is_product(nest, kernel.rows[-1][0], lanes) for nest in nests)
    )


def _is_product(nest: Nest, row: str, lanes: int) -> bool:
    if nest.stores or len(nest.loops) != 1 or not 0 < len(nest.folds) <= MOST_FOLDS:
        return False
    name, extent = nest.loops[0]
    if not isinstance(extent, int) or extent < 2 * lanes or side_by_side(nest) < ABREAST:
        return False
    moving = [_variables(load.args[0]) for load in _loads(_roots(nest))]
    return any({name, row} <= own for own in moving) and any(
        name in own and row not in own for own in moving
    )


def _roots(statement: Statement) -> list[Expr]:
    if isinstance(statement, Store):
        return [statement.offset, statement.value]
    return [fold.value for fold in statement.folds]


def _parts(roots: list[Expr]) -> Iterator[Expr]:
    stack, seen = list(roots), set()
    while stack:
        expr = stack.pop()
        if id(expr) not in seen:
            seen.add(id(expr))
            stack.extend(expr.args)
            yield expr


def _loads(roots: list[Expr]) -> list[Expr]:
    return [part for part in _parts(roots) if part.head == "load"]


def _variables(root: Expr) -> set[str]:
    return {part.payload for part in _parts([root]) if part.head == "variable"}


def emit(kernel: Kernel, lanes: int) -> str:
    """LLVM IR of `kernel` (without target and attributes, see `native`)."""
    return (AbreastEmitter if suits(kernel, lanes) else Emitter)(kernel, lanes).run()
