"""Packing an operand of a matrix product into panels.

A panel has `width` columns and all rows, padded with zeros: [panels][depth][width]. Where the
operand's columns lie side by side a panel's row is copied; where its rows do (a transposed matrix),
blocks of L×L elements are transposed in registers; other strides are gathered. A chunk is some
panels, or of one large matrix whose columns lie side by side some rows: a few of them at a time go
to all panels, since they are read as they lie only so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from neurona.compiler.ir.sizes import is_plain, plain
from neurona.compiler.machine.text import Text, llvm_type
from neurona.core.dtypes import DType
from neurona.core.op import Shape

CHUNK_ELEMENTS = 1 << 14
"""Elements that make a chunk of its own worth while."""
MAX_CHUNKS = 64
ROWS = 8
"""Rows that go to all panels at a time; a power of two apart, more would displace each other."""


@dataclass(frozen=True)
class Packing:
    """(batch…, depth, columns) into panels of `width` columns; strides in elements.

    batch: extents of the axes along which the operand varies, 1 for those it is repeated along.
    """

    batch: Shape
    batch_strides: tuple[int, ...]
    depth: int
    columns: int
    depth_stride: int
    column_stride: int
    offset: int
    width: int
    dtype: DType
    lanes: int

    @property
    def panels(self) -> int:
        return -(-self.columns // self.width)

    @property
    def panel_size(self) -> int:
        return self.depth * self.width

    @property
    def matrix_size(self) -> int:
        return self.panels * self.panel_size

    @property
    def count(self) -> int:
        """Panels of all matrices."""
        return math.prod(self.batch) * self.panels

    @property
    def by_rows(self) -> bool:
        """Whether a chunk is some rows, not some panels."""
        known = is_plain(self.depth) and is_plain(self.panels) and math.prod(self.batch) == 1
        return known and self.column_stride == 1 and self.depth >= 8 * ROWS and self.panels > 1

    @property
    def parts(self) -> int:
        """What is shared out among the chunks: panels, or blocks of rows."""
        return -(-self.depth // ROWS) if self.by_rows else self.count

    @property
    def chunks(self) -> int:
        elements = plain(self.count) * plain(self.panel_size)
        return even_chunks(self.parts, max(1, min(MAX_CHUNKS, elements // CHUNK_ELEMENTS)))

    @property
    def size(self) -> int:
        return max(1, math.prod(self.batch) * self.matrix_size)


def even_chunks(count: int, most: int) -> int:
    """How many chunks of equal size, `most` at most, have `count` parts."""
    return -(-count // max(1, -(-count // most))) if is_plain(count) else most


class PanelText(Text):
    """Text that moves vectors of one dtype, or the first elements of such."""

    def __init__(self, dtype: DType, lanes: int) -> None:
        super().__init__(lanes)
        self.dtype = dtype
        self.kind = llvm_type(dtype)
        self.wide = self.vector(self.kind, True)

    def pointer(self, base: str, at: str | int) -> str:
        return self.assign(f"getelementptr inbounds {self.kind}, ptr {base}, i64 {at}")

    def smaller(self, a: str, b: int | str) -> str:
        return self.intrinsic("i64", "llvm.smin.i64", ("i64", a), ("i64", str(b)))

    def part_of_chunks(self, count: int, chunks: int) -> tuple[str, str]:
        """Which of `count` parts chunks %first … %last − 1 have: the first, and after the last."""
        each = self.assign(f"sdiv i64 {self.assign(f'add i64 {count}, {chunks - 1}')}, {chunks}")
        first, last = [self.assign(f"mul i64 {i}, {each}") for i in ("%first", "%last")]
        return first, self.smaller(last, count)

    def span(self, part: str, parts: int, count: int | str) -> tuple[str, str]:
        """The first of the things that a part holds, and the one behind its last."""
        if parts == 1:
            return "0", str(count)
        following = self.assign(f"add nsw i64 {part}, 1")
        places = [self.assign(f"mul nsw i64 {i}, {count}") for i in (part, following)]
        start, stop = [self.assign(f"sdiv i64 {place}, {parts}") for place in places]
        return start, stop

    def moved(self, *steps: tuple[str, int]) -> str:
        """The sum of the numbers, each times its stride."""
        at = "0"
        for number, stride in steps:
            if number != "0":
                step = self.assign(f"mul nsw i64 {number}, {stride}")
                at = step if at == "0" else self.assign(f"add nsw i64 {at}, {step}")
        return at

    def mask(self, live: int) -> tuple[str, str]:
        flags = ", ".join(f"i1 {str(lane < live).lower()}" for lane in range(self.lanes))
        return f"<{self.lanes} x i1>", f"<{flags}>"

    def run_of(self, pointer: str, live: int) -> str:
        """`live` neighbouring elements, zeros behind them."""
        align = self.dtype.itemsize
        if live == self.lanes:
            return self.assign(f"load {self.wide}, ptr {pointer}, align {align}")
        return self.intrinsic(
            self.wide,
            f"llvm.masked.load.{self.suffix(self.kind, True)}.p0",
            ("ptr", pointer),
            ("i32", str(align)),
            self.mask(live),
            (self.wide, "zeroinitializer"),
        )

    def put_run(self, vector: str, pointer: str, live: int) -> None:
        """Store the first `live` elements of a vector."""
        align = self.dtype.itemsize
        if live == self.lanes:
            self.put(f"store {self.wide} {vector}, ptr {pointer}, align {align}")
            return
        name = f"llvm.masked.store.{self.suffix(self.kind, True)}.p0"
        typed = [(self.wide, vector), ("ptr", pointer), ("i32", str(align)), self.mask(live)]
        self.put(self.call("void", name, *typed))

    def pick(self, a: str, b: str, lanes: list[int]) -> str:
        picks = ", ".join(f"i32 {lane}" for lane in lanes)
        return self.assign(
            f"shufflevector {self.wide} {a}, {self.wide} {b}, <{len(lanes)} x i32> <{picks}>"
        )

    def transpose(self, block: list[str]) -> list[str]:
        """An L×L block, rows for columns: log₂ L rounds that exchange halves of growing size."""
        lanes = len(block)
        size = 1
        while size < lanes:
            for i in range(lanes):
                if not i & size:
                    a, b = block[i], block[i + size]
                    low = [x if not x & size else lanes + x - size for x in range(lanes)]
                    high = [x + size if not x & size else lanes + x for x in range(lanes)]
                    block[i], block[i + size] = self.pick(a, b, low), self.pick(a, b, high)
            size *= 2
        return block


class PackEmitter(PanelText):
    """LLVM IR of a packing: table (operand, panels)."""

    def __init__(self, packing: Packing) -> None:
        super().__init__(packing.dtype, packing.lanes)
        self.packing = packing

    def run(self) -> str:
        p = self.packing
        with self.function("void @kernel(ptr %table, i64 %first, i64 %last)"):
            b = self.assign("load ptr, ptr %table")
            slot = self.assign("getelementptr ptr, ptr %table, i64 1")
            target = self.assign(f"load ptr, ptr {slot}")
            with self.loop(*self.part_of_chunks(p.parts, p.chunks)) as part:
                if p.by_rows:
                    first = self.assign(f"mul i64 {part}, {ROWS}")
                    stop = self.smaller(self.assign(f"add i64 {first}, {ROWS}"), p.depth)
                    with self.loop("0", str(p.panels)) as number:
                        self.whole_or_edge(number, b, target, first, stop)
                else:
                    self.whole_or_edge(part, b, target, "0", str(p.depth))
        return "\n".join([*self.finished, *sorted(self.declarations)])

    def whole_or_edge(self, number: str, b: str, target: str, first: str, stop: str) -> None:
        """Rows `first` … `stop` − 1 of a panel, of which the last one of a matrix is narrower."""
        p = self.packing
        full, rest = divmod(p.columns, p.width)
        source, panel = self.panel_source(number, b)
        goal = self.pointer(target, self.assign(f"mul i64 {number}, {p.panel_size}"))
        if full and rest:
            whole = self.assign(f"icmp slt i64 {panel}, {full}")
            self.put(f"br i1 {whole}, label %whole, label %edge")
            self.label("whole")
            self.panel(source, goal, p.width, first, stop)
            self.put("br label %done")
            self.label("edge")
            self.panel(source, goal, rest, first, stop)
            self.put("br label %done")
            self.label("done")
        else:
            self.panel(source, goal, rest or p.width, first, stop)

    def panel_source(self, number: str, b: str) -> tuple[str, str]:
        """Where the panel's first element lies, and the number of the panel in its matrix."""
        p = self.packing
        panel = self.assign(f"srem i64 {number}, {p.panels}")
        rest = self.assign(f"sdiv i64 {number}, {p.panels}")
        at = self.assign(f"mul i64 {panel}, {p.width * p.column_stride}")
        at = self.assign(f"add i64 {at}, {p.offset}")
        for extent, stride in zip(reversed(p.batch), reversed(p.batch_strides), strict=True):
            place = self.assign(f"srem i64 {rest}, {extent}")
            rest = self.assign(f"sdiv i64 {rest}, {extent}")
            step = self.assign(f"mul i64 {place}, {stride if extent != 1 else 0}")
            at = self.assign(f"add i64 {at}, {step}")
        return self.pointer(b, at), panel

    def panel(self, source: str, goal: str, columns: int, first: str, stop: str) -> None:
        p = self.packing
        if p.depth_stride == 1 and p.column_stride != 1 and p.depth > 1 and is_plain(p.depth):
            whole, rest = p.depth // p.lanes * p.lanes, p.depth % p.lanes
            with self.loop("0", str(whole), p.lanes) as k:
                self.transposed(source, goal, k, p.lanes, columns)
            if rest:
                self.transposed(source, goal, str(whole), rest, columns)
            return
        with self.loop(first, stop) as k:
            at = self.assign(f"mul nsw i64 {k}, {p.depth_stride}")
            row = self.pointer(source, at)
            to = self.pointer(goal, self.assign(f"mul nsw i64 {k}, {p.width}"))
            for j in range(0, p.width, p.lanes):
                self.save(self.row(row, j, min(p.lanes, columns - j)), to, j)

    def row(self, row: str, first: int, live: int) -> str:
        """`live` elements of a row from column `first`, zeros behind them."""
        if live <= 0:
            return "zeroinitializer"
        p = self.packing
        if p.column_stride == 1:
            return self.run_of(self.pointer(row, first), live)
        lanes = p.lanes
        places = self.assign(
            f"getelementptr inbounds {self.kind}, ptr {row}, <{lanes} x i64> {self.offsets(first)}"
        )
        return self.intrinsic(
            self.wide,
            f"llvm.masked.gather.{self.suffix(self.kind, True)}.v{lanes}p0",
            (f"<{lanes} x ptr>", places),
            ("i32", str(self.packing.dtype.itemsize)),
            self.mask(live),
            (self.wide, "zeroinitializer"),
        )

    def offsets(self, first: int) -> str:
        """How far the columns from `first` on are from the first one."""
        stride, kind = self.packing.column_stride, f"<{self.packing.lanes} x i64>"
        columns = range(first, first + self.packing.lanes)
        if is_plain(stride):
            return f"<{', '.join(f'i64 {column * stride}' for column in columns)}>"
        # A constant vector holds no names.
        one = self.assign(f"insertelement {kind} poison, i64 {stride}, i64 0")
        zeros = f"<{self.packing.lanes} x i32> zeroinitializer"
        splat = self.assign(f"shufflevector {kind} {one}, {kind} poison, {zeros}")
        numbers = ", ".join(f"i64 {column}" for column in columns)
        return self.assign(f"mul nsw {kind} {splat}, <{numbers}>")

    def save(self, vector: str, to: str, column: int) -> None:
        p = self.packing
        place = self.pointer(to, column)
        if p.width % p.lanes == 0:
            align = p.dtype.itemsize * p.lanes
            self.put(f"store {self.wide} {vector}, ptr {place}, align {align}")
        else:
            self.put_run(vector, place, min(p.lanes, p.width - column))

    def transposed(self, source: str, goal: str, k: str, rows: int, columns: int) -> None:
        """`rows` rows from row k on, read as runs along the columns of the panel."""
        p = self.packing
        start = self.pointer(source, k)
        to = self.pointer(goal, self.assign(f"mul nsw i64 {k}, {p.width}"))
        for first in range(0, p.width, p.lanes):
            block = [
                self.run_of(self.pointer(start, column * p.column_stride), rows)
                if column < columns
                else "zeroinitializer"
                for column in range(first, first + p.lanes)
            ]
            for i, vector in enumerate(self.transpose(block)[:rows]):
                self.save(vector, self.pointer(to, i * p.width), first)
