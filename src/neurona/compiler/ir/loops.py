"""The loop IR: what a kernel does, without saying how a CPU does it.

    kernel     :=  Kernel(name, params, chunks, rows, before, body, after, given)
    param      :=  Param(name, dtype, size, role)     role: read | write | update | scratch | tile
    statement  :=  Nest(loops, statements, folds)  |  Store(param, offset, value)
    fold       :=  Fold(name, combine, start, value)         combine: add | multiply | minimum | …

A kernel visits `rows`, a list of loops (variable, extent), in order; the first is cut into
`chunks` equal parts that may run at the same time. For each chunk it does `before`, for each row
`body`, and at the end of the chunk `after`. A `Nest` is a loop nest inside a row whose innermost
loop may run in any order and in vectors, its stores after all its reads; a fold combines a value
over the nest, and its result is a variable of that name in the statements that follow. Offsets and
values are scalar expressions (`scalar`); loop variables, `chunk` and folds are their variables.
What one chunk writes no other chunk reads or writes. `check` makes sure of names, dtypes and, where
offsets are affine, bounds. Extents, sizes and constants may be Sizes (`sizes`), known at run time.

A kernel with `given` variables (name, bound) is the end of another task, which calls it with their
values, `chunk` being one of them, for each tile of results it has made: the param of role `tile`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from neurona.compiler.ir.scalar import INDEX, Expr, spell
from neurona.compiler.ir.sizes import is_plain
from neurona.core.dtypes import DType
from neurona.core.errors import NeuronaError


class KernelError(NeuronaError):
    """A kernel that the compiler built wrongly: a defect in Neurona, not in the user's program."""


@dataclass(frozen=True, eq=False)
class Param:
    """A buffer the kernel is given: `size` elements of `dtype`.

    shared: another param may be the same memory (an update in place).
    streamed: too large for the caches and not read again soon; its memory starts on a cache line.
    """

    name: str
    dtype: DType
    size: int
    role: str
    shared: bool = False
    streamed: bool = False


@dataclass(frozen=True, eq=False)
class Store:
    """`param[offset] = value`."""

    param: str
    offset: Expr
    value: Expr


@dataclass(frozen=True, eq=False)
class Fold:
    """`name` = `combine` over all `value` of a nest, from `start`."""

    name: str
    combine: str
    start: Expr
    value: Expr


@dataclass(frozen=True, eq=False)
class Nest:
    """Loops (variable, extent), the innermost last, around stores and folds."""

    loops: tuple[tuple[str, int | Expr], ...]
    stores: tuple[Store, ...]
    folds: tuple[Fold, ...] = ()


Statement = Nest | Store


@dataclass(frozen=True, eq=False)
class Kernel:
    """See the module's grammar."""

    name: str
    params: tuple[Param, ...]
    chunks: int
    rows: tuple[tuple[str, int | Expr], ...]
    body: tuple[Statement, ...]
    before: tuple[Statement, ...] = ()
    after: tuple[Statement, ...] = ()
    flops: int = field(default=0)
    given: tuple[tuple[str, int], ...] = ()

    def param(self, name: str) -> Param:
        for param in self.params:
            if param.name == name:
                return param
        raise KernelError(f"kernel {self.name} has no buffer {name!r}")

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def chunk_bounds(extent: int, chunks: int) -> int:
    """Rows in one chunk (the last may have fewer)."""
    return -(-extent // chunks) if extent else 0


# --- printing ---


def _lines(kernel: Kernel) -> Iterator[str]:
    yield f"kernel {kernel.name}"
    for p in kernel.params:
        yield f"  {p.role:7} {p.name}: {p.dtype}[{p.size}]"
    if kernel.given:
        yield f"  given {', '.join(name for name, _ in kernel.given)}:"
    else:
        yield f"  for chunk in {kernel.chunks}:"
    yield from _block(kernel.before, "    ")
    indent = "    "
    for i, (name, extent) in enumerate(kernel.rows):
        part = " (this chunk of it)" if i == 0 and not kernel.given else ""
        yield f"{indent}for {name} in {extent}{part}:"
        indent += "  "
    yield from _block(kernel.body, indent)
    yield from _block(kernel.after, "    ")


def _block(statements: tuple[Statement, ...], indent: str) -> Iterator[str]:
    for statement in statements:
        if isinstance(statement, Store):
            yield from _work((statement,), (), indent)
            continue
        inner = indent
        for name, extent in statement.loops:
            yield f"{inner}for {name} in {extent}:"
            inner += "  "
        yield from _work(statement.stores, statement.folds, inner)


def _work(stores: tuple[Store, ...], folds: tuple[Fold, ...], indent: str) -> Iterator[str]:
    values = [fold.value for fold in folds]
    parts, texts = spell([*values, *[e for store in stores for e in (store.offset, store.value)]])
    yield from (indent + part for part in parts)
    for fold, value in zip(folds, texts, strict=False):
        yield f"{indent}{fold.name} = {fold.combine}({fold.name}, {value})"
    rest = texts[len(folds) :]
    for store, offset, value in zip(stores, rest[::2], rest[1::2], strict=True):
        yield f"{indent}{store.param}[{offset}] = {value}"


# --- checking ---


def check(kernel: Kernel) -> Kernel:
    """The kernel itself, or `KernelError` saying what is wrong with it."""
    names = [param.name for param in kernel.params]
    if len(set(names)) != len(names):
        raise KernelError(f"kernel {kernel.name}: two buffers of one name among {names}")
    outer: dict[str, int | None] = {"chunk": kernel.chunks, **dict(kernel.given)}
    rows = outer | {name: e if isinstance(e, int) else None for name, e in kernel.rows}
    if len(rows) != len(outer) + len(kernel.rows):
        raise KernelError(f"kernel {kernel.name}: two row loops of one name")
    for statements, scope in ((kernel.before, outer), (kernel.body, rows), (kernel.after, outer)):
        known: dict[str, int | None] = dict(scope)
        for statement in statements:
            _check_statement(kernel, statement, known)
    return kernel


def _check_statement(kernel: Kernel, statement: Statement, known: dict[str, int | None]) -> None:
    if isinstance(statement, Store):
        _check_store(kernel, statement, known)
        return
    inside = dict(known)
    for name, extent in statement.loops:
        if isinstance(extent, Expr):
            _check_expr(kernel, extent, inside)
        if name in inside:
            raise KernelError(f"kernel {kernel.name}: the loop variable {name} is taken")
        inside[name] = extent if isinstance(extent, int) else None
    for store in statement.stores:
        _check_store(kernel, store, inside)
    if statement.folds and not statement.loops:
        raise KernelError(f"kernel {kernel.name}: a fold outside of any loop")
    for fold in statement.folds:
        _check_expr(kernel, fold.value, inside)
        _check_expr(kernel, fold.start, {})
        if fold.start.dtype != fold.value.dtype:
            raise KernelError(f"kernel {kernel.name}: fold {fold.name} mixes dtypes")
    known.update({fold.name: None for fold in statement.folds})


def _check_store(kernel: Kernel, store: Store, known: dict[str, int | None]) -> None:
    param = kernel.param(store.param)
    if param.role in ("read", "tile"):
        raise KernelError(f"kernel {kernel.name} writes {param.name}, which it may only read")
    _check_offset(kernel, param, store.offset, known)
    _check_expr(kernel, store.value, known)


def _check_offset(kernel: Kernel, param: Param, offset: Expr, known: dict[str, int | None]) -> None:
    if offset.dtype != INDEX:
        raise KernelError(
            f"kernel {kernel.name}: offset {offset} of {param.name} is {offset.dtype}"
        )
    _check_expr(kernel, offset, known)
    form = affine(offset)
    if form is None:
        return
    low = high = form.pop("", 0)
    for name, step in form.items():
        extent = known[name]
        if extent is None:
            return
        if extent == 0:
            return
        low += min(0, step * (extent - 1))
        high += max(0, step * (extent - 1))
    if is_plain(param.size) and not (is_plain(low) and is_plain(high)):
        return  # Part of what has a fixed extent: recorded anew for each n, it was in range.
    if low < 0 or high >= param.size:
        raise KernelError(
            f"kernel {kernel.name}: {param.name}[{offset}] reaches {low}…{high} of {param.size}"
        )


def _check_expr(kernel: Kernel, root: Expr, known: dict[str, int | None]) -> None:
    stack, seen = [root], set()
    while stack:
        expr = stack.pop()
        if id(expr) in seen:
            continue
        seen.add(id(expr))
        if expr.head == "variable" and expr.payload not in known:
            raise KernelError(f"kernel {kernel.name}: {expr.payload} is used before it is known")
        if expr.head == "load":
            _check_offset(kernel, kernel.param(expr.payload), expr.args[0], known)
        stack.extend(expr.args)


def affine(expr: Expr) -> dict[str, int] | None:
    """{variable: factor, "": constant} of an affine int64 expression, else None."""
    if expr.head == "constant":
        return {"": expr.payload}
    if expr.head == "variable":
        return {expr.payload: 1}
    if expr.head != "call" or expr.payload not in ("add", "subtract", "multiply"):
        return None
    a, b = affine(expr.args[0]), affine(expr.args[1])
    if a is None or b is None:
        return None
    if expr.payload == "multiply":
        if set(a) - {""} and set(b) - {""}:
            return None
        factor, form = (a.get("", 0), b) if not set(a) - {""} else (b.get("", 0), a)
        return {name: factor * step for name, step in form.items()}
    sign = 1 if expr.payload == "add" else -1
    return {name: a.get(name, 0) + sign * b.get(name, 0) for name in a.keys() | b.keys()}
