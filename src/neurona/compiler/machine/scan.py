"""Folds that leave every state on the way along an axis: running sums, linear recurrences.

A value of (outer, extent, inner) elements has outer·inner lines along the axis. Several are walked
side by side, their states in registers: as vectors where lines lie next to each other, else one by
one, so that a step need not wait for the last one's result. Chunks are blocks of lines.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

from neurona.compiler.ir.loops import Kernel
from neurona.compiler.ir.scalar import Builder, compute_dtype
from neurona.compiler.ir.sizes import is_plain, plain
from neurona.compiler.machine.emit import Emitter
from neurona.compiler.machine.text import Value, llvm_type, memory_type
from neurona.core.dtypes import DType
from neurona.core.op import Shape

UNITS = 8
"""Vectors or single lines side by side."""
CHUNK_WORK = 1 << 15
MAX_CHUNKS = 16


def lines(shape: Shape, axis: int) -> tuple[int, int, int]:
    """Elements before, along and behind an axis."""
    return math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])


@dataclass(frozen=True)
class Running:
    """A `Scan` of contiguous inputs: `sources` are their dtypes and first elements."""

    kind: ClassVar[str] = "scan"
    step: Callable[..., Any] = field(repr=False)
    start: float
    outer: int
    extent: int
    inner: int
    reverse: bool
    sources: tuple[tuple[DType, int], ...]
    dtype: DType
    lanes: int

    @property
    def rest(self) -> int:
        """Lines of each outer part that fill no vector."""
        return self.inner % self.lanes

    @property
    def blocks(self) -> int:
        """Blocks of vectors in an outer part."""
        return -(-(self.inner // self.lanes) // UNITS)

    @property
    def last(self) -> int:
        """Single lines that go together at the end."""
        singles = self.outer * self.rest
        return singles % UNITS if is_plain(singles) else 1

    @property
    def chunks(self) -> int:
        items = plain(self.outer) * self.blocks + -(-plain(self.outer * self.rest) // UNITS)
        work = plain(self.outer) * plain(self.extent) * plain(self.inner)
        return max(1, min(MAX_CHUNKS, work // CHUNK_WORK, items))

    @property
    def flops(self) -> int:
        return self.outer * self.extent * self.inner

    def text(self) -> str:
        return ScanEmitter(self).run()


class ScanEmitter(Emitter):
    """LLVM IR of a scan: table (inputs…, result)."""

    def __init__(self, running: Running) -> None:
        super().__init__(Kernel("kernel", (), 1, (), ()), running.lanes)
        self.running = running
        k = Builder()
        self.computed = compute_dtype(running.dtype)
        values = [k.variable(f"x{i}", dtype) for i, (dtype, _) in enumerate(running.sources)]
        self.next = running.step(k, k.variable("state", running.dtype), *values)
        self.start = k.constant(running.start, running.dtype)

    def run(self) -> str:
        r = self.running
        names = [*[f"x{i}" for i in range(len(r.sources))], "result"]
        pointers = [f"ptr %{name}" for name in names]
        vectors = r.inner // r.lanes
        kinds = ((True, vectors, vectors % UNITS), (False, r.outer * r.rest, r.last))
        for wide, count, fewer in kinds:
            for units in sorted({UNITS if count >= UNITS else fewer, fewer} - {0}):
                self.walk(wide, units, pointers)
        with self.function("void @kernel(ptr %table, i64 %first, i64 %last)"):
            for i, name in enumerate(names):
                slot = self.assign(f"getelementptr ptr, ptr %table, i64 {i}")
                self.put(f"%{name} = load ptr, ptr {slot}")
            singles = self.assign(f"add i64 0, {r.outer * r.rest}")
            groups = self.rounded_up(singles, UNITS)
            items = self.assign(f"add i64 {groups}, {r.outer * r.blocks}")
            part = self.rounded_up(items, r.chunks)
            first, last = [self.assign(f"mul i64 {end}, {part}") for end in ("%first", "%last")]
            last = self.intrinsic("i64", "llvm.smin.i64", ("i64", last), ("i64", items))
            with self.loop(first, last) as item:
                self.item(item, singles, pointers)
        return "\n".join([*self.finished, *sorted(self.declarations)])

    def rounded_up(self, count: str, parts: int) -> str:
        """count ÷ parts, upwards."""
        return self.assign(f"sdiv i64 {self.assign(f'add i64 {count}, {parts - 1}')}, {parts}")

    def item(self, item: str, singles: str, pointers: list[str]) -> None:
        """Walk a block of vectors or of single lines."""
        r = self.running
        wide = r.outer * r.blocks
        inside = self.assign(f"icmp slt i64 {item}, {wide}")
        if r.blocks:
            outer = self.assign(f"sdiv i64 {item}, {r.blocks}")
            block = self.assign(f"srem i64 {item}, {r.blocks}")
            start = self.assign(f"mul i64 {outer}, {r.extent * r.inner}")
            column = self.assign(f"mul i64 {block}, {UNITS * r.lanes}")
            at = self.assign(f"add i64 {start}, {column}")
            full, last = divmod(r.inner // r.lanes, UNITS)
            whole = self.assign(f"icmp slt i64 {block}, {full}")
            for units, right in ((UNITS if full else 0, whole), (last, self.negated(whole))):
                with self.only_if(self.assign(f"and i1 {inside}, {right}")):
                    if units:
                        self.call_own(f"@walk_vectors_{units}", *pointers, f"i64 {at}")
        if r.rest:
            group = self.assign(f"sub i64 {item}, {wide}")
            line = self.assign(f"mul i64 {group}, {UNITS}")
            after = self.assign(f"add i64 {line}, {UNITS}")
            whole = self.assign(f"icmp sle i64 {after}, {singles}")
            single = self.negated(inside)
            with self.only_if(self.assign(f"and i1 {single}, {whole}")):
                if r.outer * r.rest >= UNITS:
                    self.call_own(f"@walk_lines_{UNITS}", *pointers, f"i64 {line}")
            with self.only_if(self.assign(f"and i1 {single}, {self.negated(whole)}")):
                if r.last:
                    with self.loop(line, singles, r.last) as at:
                        self.call_own(f"@walk_lines_{r.last}", *pointers, f"i64 {at}")

    def negated(self, flag: str) -> str:
        return self.assign(f"xor i1 {flag}, true")

    @contextmanager
    def only_if(self, condition: str) -> Iterator[None]:
        tag = self.fresh("then").removeprefix("%")
        self.put(f"br i1 {condition}, label %{tag}, label %{tag}_done")
        self.label(tag)
        yield
        self.put(f"br label %{tag}_done")
        self.label(f"{tag}_done")

    def walk(self, wide: bool, units: int, pointers: list[str]) -> None:
        """The function that walks `units` vectors of lines, or single ones, along the axis."""
        r = self.running
        name = f"walk_{'vectors' if wide else 'lines'}_{units}"
        kind = self.vector(llvm_type(self.computed), wide)
        with self.function(f"internal void @{name}({', '.join(pointers)}, i64 %first)"):
            starts = [self.line_start(wide, unit) for unit in range(units)]
            states = [self.assign(f"alloca {kind}, align 64") for _ in range(units)]
            start = self.literal(self.start.payload, self.computed, wide)
            for state in states:
                self.put(f"store {kind} {start}, ptr {state}, align 64")
            with self.loop("0", str(r.extent)) as i:
                way = self.assign(f"sub i64 {r.extent - 1}, {i}") if r.reverse else i
                along = self.assign(f"mul i64 {way}, {r.inner}")
                for state, line in zip(states, starts, strict=True):
                    with self.scope():
                        at = self.assign(f"add i64 {line}, {along}")
                        self.one_step(state, kind, at, wide)

    def line_start(self, wide: bool, unit: int) -> str:
        """The first element of a unit."""
        r = self.running
        if wide:
            return self.assign(f"add i64 %first, {unit * r.lanes}")
        line = self.assign(f"add i64 %first, {unit}")
        outer = self.assign(f"sdiv i64 {line}, {r.rest}")
        column = self.assign(f"srem i64 {line}, {r.rest}")
        start = self.assign(f"mul i64 {outer}, {r.extent * r.inner}")
        start = self.assign(f"add i64 {start}, {r.inner - r.rest}")
        return self.assign(f"add i64 {start}, {column}")

    def one_step(self, state: str, kind: str, at: str, wide: bool) -> None:
        r = self.running
        old = self.assign(f"load {kind}, ptr {state}, align 64")
        self.scopes[-1]["state"] = Value(old, self.computed, wide)
        for i, (dtype, offset) in enumerate(r.sources):
            place = self.assign(f"add i64 {at}, {offset}")
            pointer = self.element(f"%x{i}", dtype, place)
            loaded = f"load {self.vector(memory_type(dtype), wide)}, ptr {pointer}"
            text = self.assign(f"{loaded}, align {dtype.itemsize}")
            self.scopes[-1][f"x{i}"] = self.from_memory(text, dtype, wide)
        new = self.value(self.next)
        self.put(f"store {kind} {new.text}, ptr {state}, align 64")
        text = self.to_memory(new, r.dtype)
        pointer = self.element("%result", r.dtype, at)
        stored = f"store {self.vector(memory_type(r.dtype), wide)} {text}, ptr {pointer}"
        self.put(f"{stored}, align {r.dtype.itemsize}")

    def element(self, base: str, dtype: DType, at: str) -> str:
        return self.assign(f"getelementptr inbounds {memory_type(dtype)}, ptr {base}, i64 {at}")
