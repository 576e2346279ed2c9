"""Folds that leave every state on the way along an axis: running sums, linear recurrences.

A value of (outer, extent, inner) elements has outer·inner lines along the axis. Several are walked
side by side, their states in registers: as vectors where lines lie next to each other, else one by
one, so that a step need not wait for the last one's result. Chunks are blocks of lines.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from neurona.compiler.emit import Emitter
from neurona.compiler.loops import Kernel
from neurona.compiler.scalar import Builder, compute_dtype
from neurona.compiler.text import Value, llvm_type, memory_type
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
    def items(self) -> int:
        """Blocks of vectors and, after them, of single lines."""
        return self.outer * self.blocks + -(-self.outer * self.rest // UNITS)

    @property
    def items_a_chunk(self) -> int:
        wanted = min(MAX_CHUNKS, self.flops // CHUNK_WORK, self.items)
        return -(-self.items // max(1, wanted))

    @property
    def chunks(self) -> int:
        return -(-self.items // self.items_a_chunk)

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
        for wide, count in ((True, r.inner // r.lanes), (False, r.outer * r.rest)):
            for units in sorted({min(UNITS, count), count % UNITS} - {0}):
                self.walk(wide, units, pointers)
        with self.function("void @kernel(ptr %table, i64 %first, i64 %last)"):
            for i, name in enumerate(names):
                slot = self.assign(f"getelementptr ptr, ptr %table, i64 {i}")
                self.put(f"%{name} = load ptr, ptr {slot}")
            first, last = [
                self.assign(f"mul i64 {chunk}, {r.items_a_chunk}") for chunk in ("%first", "%last")
            ]
            last = self.intrinsic("i64", "llvm.smin.i64", ("i64", last), ("i64", str(r.items)))
            with self.loop(first, last) as item:
                self.item(item, ", ".join(pointers))
        return "\n".join([*self.finished, *sorted(self.declarations)])

    def item(self, item: str, pointers: str) -> None:
        """Call the function for a block of vectors or of single lines."""
        r = self.running
        wide = r.outer * r.blocks
        if wide:
            outer = self.assign(f"sdiv i64 {item}, {r.blocks}")
            block = self.assign(f"srem i64 {item}, {r.blocks}")
            start = self.assign(f"mul i64 {outer}, {r.extent * r.inner}")
            column = self.assign(f"mul i64 {block}, {UNITS * r.lanes}")
            at = self.assign(f"add i64 {start}, {column}")
            full, rest = divmod(r.inner // r.lanes, UNITS)
            inside = self.assign(f"icmp slt i64 {item}, {wide}")
            whole = self.assign(f"icmp slt i64 {block}, {full}")
            for size, condition in ((UNITS, whole), (rest, self.negated(whole))):
                if size and (size == rest or full):
                    here = self.assign(f"and i1 {inside}, {condition}")
                    self.call_if(here, f"@walk_vectors_{size}({pointers}, i64 {at})")
        if r.rest:
            full, rest = divmod(r.outer * r.rest, UNITS)
            group = self.assign(f"sub i64 {item}, {wide}")
            line = self.assign(f"mul i64 {group}, {UNITS}")
            inside = self.assign(f"icmp sge i64 {group}, 0")
            whole = self.assign(f"icmp slt i64 {group}, {full}")
            for size, condition in ((UNITS, whole), (rest, self.negated(whole))):
                if size and (size == rest or full):
                    here = self.assign(f"and i1 {inside}, {condition}")
                    self.call_if(here, f"@walk_lines_{size}({pointers}, i64 {line})")

    def negated(self, flag: str) -> str:
        return self.assign(f"xor i1 {flag}, true")

    def call_if(self, condition: str, call: str) -> None:
        tag = self.fresh("call").removeprefix("%")
        self.put(f"br i1 {condition}, label %{tag}, label %{tag}_done")
        self.label(tag)
        self.put(f"call void {call}")
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
