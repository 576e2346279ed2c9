"""Packing the right operand of a matrix product into panels.

A panel has NR columns and all K rows, padded with zeros: [panels][K][NR]. A chunk is a panel. Where
the operand's columns lie side by side a panel's row is copied; where its rows do (a transposed
matrix), blocks of L×L elements are transposed in registers; other strides are gathered.
"""

from __future__ import annotations

from neurona.compiler.matmul import Matmul
from neurona.compiler.text import Text, llvm_type


class PackEmitter(Text):
    """LLVM IR of the packing of `mm`'s B: table (B, packed B)."""

    def __init__(self, mm: Matmul) -> None:
        super().__init__(mm.lanes)
        self.mm = mm
        self.kind = llvm_type(mm.dtype)
        self.wide = self.vector(self.kind, True)
        self.row_stride, self.column_stride = mm.b_strides[-2:]

    def run(self) -> str:
        mm = self.mm
        full, rest = divmod(mm.n, mm.nr)
        with self.function("void @kernel(ptr %table, i64 %first, i64 %last)"):
            b = self.assign("load ptr, ptr %table")
            slot = self.assign("getelementptr ptr, ptr %table, i64 1")
            target = self.assign(f"load ptr, ptr {slot}")
            with self.loop("%first", "%last") as chunk:
                source, panel = self.panel_source(chunk, b)
                at = self.assign(f"mul i64 {chunk}, {mm.k * mm.nr}")
                goal = self.pointer(target, at)
                if full and rest:
                    whole = self.assign(f"icmp slt i64 {panel}, {full}")
                    self.put(f"br i1 {whole}, label %whole, label %edge")
                    self.label("whole")
                    self.panel(source, goal, mm.nr)
                    self.put("br label %done")
                    self.label("edge")
                    self.panel(source, goal, rest)
                    self.put("br label %done")
                    self.label("done")
                else:
                    self.panel(source, goal, rest or mm.nr)
        return "\n".join([*self.finished, *sorted(self.declarations)])

    def pointer(self, base: str, at: str | int) -> str:
        return self.assign(f"getelementptr inbounds {self.kind}, ptr {base}, i64 {at}")

    def panel_source(self, chunk: str, b: str) -> tuple[str, str]:
        """Where the panel's first element lies, and the number of the panel in its matrix."""
        mm = self.mm
        panel = self.assign(f"srem i64 {chunk}, {mm.panels}")
        rest = self.assign(f"sdiv i64 {chunk}, {mm.panels}")
        at = self.assign(f"mul i64 {panel}, {mm.nr * self.column_stride}")
        at = self.assign(f"add i64 {at}, {mm.b_offset}")
        for extent, stride in zip(reversed(mm.b_batch), reversed(mm.b_strides[:-2]), strict=True):
            place = self.assign(f"srem i64 {rest}, {extent}")
            rest = self.assign(f"sdiv i64 {rest}, {extent}")
            step = self.assign(f"mul i64 {place}, {stride if extent != 1 else 0}")
            at = self.assign(f"add i64 {at}, {step}")
        return self.pointer(b, at), panel

    def panel(self, source: str, goal: str, columns: int) -> None:
        mm = self.mm
        if self.row_stride == 1 and self.column_stride != 1 and mm.k > 1:
            with self.loop("0", str(mm.k // mm.lanes * mm.lanes), mm.lanes) as k:
                self.transposed(source, goal, k, mm.lanes, columns)
            if mm.k % mm.lanes:
                last = str(mm.k // mm.lanes * mm.lanes)
                self.transposed(source, goal, last, mm.k % mm.lanes, columns)
            return
        with self.loop("0", str(mm.k)) as k:
            at = self.assign(f"mul nsw i64 {k}, {self.row_stride}")
            row = self.pointer(source, at)
            to = self.pointer(goal, self.assign(f"mul nsw i64 {k}, {mm.nr}"))
            for j in range(0, mm.nr, mm.lanes):
                self.save(self.row(row, j, min(mm.lanes, columns - j)), to, j)

    def row(self, row: str, first: int, live: int) -> str:
        """`live` elements of a row from column `first`, zeros behind them."""
        if live <= 0:
            return "zeroinitializer"
        if self.column_stride == 1:
            return self.run_of(self.pointer(row, first), live)
        lanes = self.mm.lanes
        offsets = ", ".join(f"i64 {(first + lane) * self.column_stride}" for lane in range(lanes))
        places = self.assign(
            f"getelementptr inbounds {self.kind}, ptr {row}, <{lanes} x i64> <{offsets}>"
        )
        return self.intrinsic(
            self.wide,
            f"llvm.masked.gather.{self.suffix(self.kind, True)}.v{lanes}p0",
            (f"<{lanes} x ptr>", places),
            ("i32", str(self.mm.dtype.itemsize)),
            self.mask(live),
            (self.wide, "zeroinitializer"),
        )

    def run_of(self, pointer: str, live: int) -> str:
        """`live` neighbouring elements, zeros behind them."""
        align = self.mm.dtype.itemsize
        if live == self.mm.lanes:
            return self.assign(f"load {self.wide}, ptr {pointer}, align {align}")
        return self.intrinsic(
            self.wide,
            f"llvm.masked.load.{self.suffix(self.kind, True)}.p0",
            ("ptr", pointer),
            ("i32", str(align)),
            self.mask(live),
            (self.wide, "zeroinitializer"),
        )

    def mask(self, live: int) -> tuple[str, str]:
        lanes = self.mm.lanes
        flags = ", ".join(f"i1 {str(lane < live).lower()}" for lane in range(lanes))
        return f"<{lanes} x i1>", f"<{flags}>"

    def save(self, vector: str, to: str, column: int) -> None:
        align = self.mm.dtype.itemsize * self.mm.lanes
        self.put(f"store {self.wide} {vector}, ptr {self.pointer(to, column)}, align {align}")

    def transposed(self, source: str, goal: str, k: str, rows: int, columns: int) -> None:
        """`rows` rows from row k on, read as runs along the columns of the panel."""
        mm = self.mm
        start = self.pointer(source, k)
        to = self.pointer(goal, self.assign(f"mul nsw i64 {k}, {mm.nr}"))
        for first in range(0, mm.nr, mm.lanes):
            block = [
                self.run_of(self.pointer(start, column * self.column_stride), rows)
                if column < columns
                else "zeroinitializer"
                for column in range(first, first + mm.lanes)
            ]
            for i, vector in enumerate(self.transpose(block)[:rows]):
                self.save(vector, to, i * mm.nr + first)

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

    def pick(self, a: str, b: str, lanes: list[int]) -> str:
        picks = ", ".join(f"i32 {lane}" for lane in lanes)
        return self.assign(
            f"shufflevector {self.wide} {a}, {self.wide} {b}, <{len(lanes)} x i32> <{picks}>"
        )
