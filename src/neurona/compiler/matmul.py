"""The matrix product as a generated micro-kernel.

B is packed into panels of NR columns (see `pack`). A tile of MR×NR results
stays in registers while K runs: each step loads one row of the panel and broadcasts MR elements of
A, which is read where it lies, whatever its strides. The last rows and columns have tiles of their
own, all of static size. Chunks are blocks of tile rows (Goto and van de Geijn, "Anatomy of
High-Performance Matrix Multiplication", 2008).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from neurona.compiler.pack import Packing
from neurona.compiler.text import Text, llvm_type
from neurona.core.dtypes import DType
from neurona.core.op import Shape

Strides = tuple[int, ...]
CHUNK_FLOPS = 1 << 19
"""Arithmetic that makes a chunk of its own worth while."""
MAX_CHUNKS = 64
PAGE = 4096


@dataclass(frozen=True)
class Matmul:
    """(batch…, m, k) × (batch…, k, n): sizes, strides in elements, and the tile."""

    batch: Shape
    m: int
    k: int
    n: int
    a_strides: Strides
    b_strides: Strides
    a_offset: int
    b_offset: int
    dtype: DType
    lanes: int

    @property
    def vectors(self) -> int:
        return 1 if self.n <= self.lanes else 2

    @property
    def nr(self) -> int:
        return self.vectors * self.lanes

    @property
    def mr(self) -> int:
        """Rows of a tile: as many as the registers hold, spread evenly over the tiles."""
        # 32 vector registers hold 28 sums; 16 hold 12.
        most = (28 if self.lanes * self.dtype.itemsize == 64 else 12) // 2
        return -(-self.m // -(-self.m // most)) if self.m else most

    @property
    def panels(self) -> int:
        return -(-self.n // self.nr)

    @property
    def right(self) -> Packing:
        """B in panels of NR columns."""
        return self.packing(self.b_strides, self.b_offset, self.n, self.nr, self.b_strides[-2:])

    @property
    def left(self) -> Packing | None:
        """A in panels of MR rows where it pays; else it is read where it lies.

        It pays when the rows or columns that a tile reads side by side are a multiple of a page
        apart, so that they fall on the same few lines of the cache, and the tile is used often.
        """
        row, column = self.a_strides[-2:]
        apart = (row if column == 1 else column) * self.dtype.itemsize
        if self.panels < 4 or self.m == 1 or apart % PAGE or self.k * self.dtype.itemsize < PAGE:
            return None
        return self.packing(self.a_strides, self.a_offset, self.m, self.mr, (column, row))

    def packing(
        self, strides: Strides, offset: int, columns: int, width: int, last: Strides
    ) -> Packing:
        batch = tuple(
            1 if stride == 0 else extent
            for extent, stride in zip(self.batch, strides, strict=False)
        )
        depth_stride, column_stride = last
        return Packing(
            batch, strides[:-2], self.k, columns, depth_stride, column_stride, offset, width,
            self.dtype, self.lanes,
        )  # fmt: skip

    @property
    def tiles(self) -> int:
        return self.m // self.mr

    @property
    def parts(self) -> tuple[int, int]:
        """Into how many blocks of tile rows and of panels one product is cut, rows first."""
        wanted = max(1, min(MAX_CHUNKS, 2 * self.m * self.n * self.k // CHUNK_FLOPS))
        rows = -(-self.tiles // self.tiles_a_part(wanted)) if self.tiles else 1
        wanted = -(-wanted // rows)
        return rows, -(-self.panels // self.panels_a_part(wanted)) if self.panels else 1

    def tiles_a_part(self, count: int) -> int:
        return max(1, -(-self.tiles // count))

    def panels_a_part(self, count: int) -> int:
        return max(1, -(-self.panels // count))

    @property
    def blocks(self) -> int:
        """Blocks of all products."""
        return math.prod(self.batch) * math.prod(self.parts)

    @property
    def blocks_a_chunk(self) -> int:
        return max(1, -(-self.blocks // MAX_CHUNKS))

    @property
    def chunks(self) -> int:
        return -(-self.blocks // self.blocks_a_chunk)

    @property
    def flops(self) -> int:
        return 2 * math.prod(self.batch) * self.m * self.n * self.k


def lanes_for(dtype: DType, float32_lanes: int) -> int:
    return float32_lanes * 4 // dtype.itemsize


class MatmulEmitter(Text):
    """LLVM IR of the product of A (packed or not) and packed B: table (A, B, C)."""

    def __init__(self, mm: Matmul) -> None:
        super().__init__(mm.lanes)
        self.mm = mm
        self.left, self.right = mm.left, mm.right
        # Strides of A's rows and columns within a tile, and from tile to tile.
        self.row, self.column = (1, mm.mr) if self.left else mm.a_strides[-2:]
        self.tile_step = self.left.panel_size if self.left else mm.mr * mm.a_strides[-2]
        self.kind = llvm_type(mm.dtype)
        self.wide = self.vector(self.kind, True)
        self.functions: dict[tuple[int, int], str] = {}

    def run(self) -> str:
        mm = self.mm
        with self.function("void @kernel(ptr %table, i64 %first, i64 %last)"):
            pointers = []
            for i in range(3):
                slot = self.assign(f"getelementptr ptr, ptr %table, i64 {i}")
                pointers.append(self.assign(f"load ptr, ptr {slot}"))
            start = 0 if self.left else mm.a_offset
            a = self.assign(f"getelementptr {self.kind}, ptr {pointers[0]}, i64 {start}")
            first = self.assign(f"mul i64 %first, {mm.blocks_a_chunk}")
            last = self.assign(f"mul i64 %last, {mm.blocks_a_chunk}")
            with self.loop(first, self.smaller(last, mm.blocks)) as block:
                self.block(block, a, pointers[1], pointers[2])
        return "\n".join([*self.finished, *sorted(self.declarations)])

    def smaller(self, a: str, b: int) -> str:
        return self.intrinsic("i64", "llvm.smin.i64", ("i64", a), ("i64", str(b)))

    def block(self, block: str, a: str, b: str, c: str) -> None:
        """Some tile rows and panels of one of the products."""
        mm = self.mm
        rows, columns = mm.parts
        batch = self.assign(f"sdiv i64 {block}, {rows * columns}")
        part = self.assign(f"srem i64 {block}, {rows * columns}")
        row = self.assign(f"sdiv i64 {part}, {columns}")
        column = self.assign(f"srem i64 {part}, {columns}")
        a, b, c = self.move_to_batch(batch, a, b, c)
        start, stop = self.span(row, mm.tiles_a_part(rows), mm.tiles)
        is_last = self.assign(f"icmp eq i64 {row}, {rows - 1}")
        full, rest = divmod(mm.n, mm.nr)
        if full:
            first, last = self.span(column, mm.panels_a_part(columns), full)
            with self.loop(first, last) as panel:
                self.panel(panel, mm.nr, a, b, c, start, stop, is_last)
        if rest:
            self.count += 1
            tag = self.count
            at_end = self.assign(f"icmp eq i64 {column}, {columns - 1}")
            self.put(f"br i1 {at_end}, label %edge{tag}, label %inside{tag}")
            self.label(f"edge{tag}")
            self.panel(str(full), rest, a, b, c, start, stop, is_last)
            self.put(f"br label %inside{tag}")
            self.label(f"inside{tag}")

    def span(self, part: str, size: int, limit: int) -> tuple[str, str]:
        """The numbers that a part of `size` covers, below `limit`."""
        start = self.assign(f"mul nsw i64 {part}, {size}")
        return start, self.smaller(self.assign(f"add nsw i64 {start}, {size}"), limit)

    def move_to_batch(self, batch: str, a: str, b: str, c: str) -> tuple[str, str, str]:
        mm = self.mm
        rest = batch
        places: list[str] = []
        for extent in reversed(mm.batch):
            places.insert(0, self.assign(f"srem i64 {rest}, {extent}"))
            rest = self.assign(f"sdiv i64 {rest}, {extent}")
        b_at = self.packed_matrix(self.right, places)
        if self.left is not None:
            a_at = self.packed_matrix(self.left, places)
        else:
            a_at = "0"
            for place, stride in zip(places, mm.a_strides, strict=False):
                step = self.assign(f"mul i64 {place}, {stride}")
                a_at = self.assign(f"add i64 {a_at}, {step}")
        c_at = self.assign(f"mul i64 {batch}, {mm.m * mm.n}")
        moved = [
            self.assign(f"getelementptr {self.kind}, ptr {base}, i64 {at}")
            for base, at in ((a, a_at), (b, b_at), (c, c_at))
        ]
        return moved[0], moved[1], moved[2]

    def packed_matrix(self, packing: Packing, places: list[str]) -> str:
        """Where the matrix of these batch indices starts among the packed ones."""
        at = "0"
        for place, extent in zip(places, packing.batch, strict=True):
            at = self.assign(f"mul i64 {at}, {extent}")
            if extent != 1:
                at = self.assign(f"add i64 {at}, {place}")
        return self.assign(f"mul i64 {at}, {packing.matrix_size}")

    def panel(
        self, panel: str, columns: int, a: str, b: str, c: str, start: str, stop: str, last: str
    ) -> None:
        """All tiles of the chunk against one panel of `columns` real columns."""
        mm = self.mm
        b_at = self.assign(f"mul i64 {panel}, {mm.k * mm.nr}")
        b = self.assign(f"getelementptr {self.kind}, ptr {b}, i64 {b_at}")
        c_at = self.assign(f"mul i64 {panel}, {mm.nr}")
        c = self.assign(f"getelementptr {self.kind}, ptr {c}, i64 {c_at}")
        with self.loop(start, stop) as tile:
            self.call_tile(mm.mr, columns, tile, a, b, c)
        rest = mm.m % mm.mr
        if rest:
            self.count += 1
            tag = self.count
            self.put(f"br i1 {last}, label %rest{tag}, label %done{tag}")
            self.label(f"rest{tag}")
            self.call_tile(rest, columns, str(mm.tiles), a, b, c)
            self.put(f"br label %done{tag}")
            self.label(f"done{tag}")

    def call_tile(self, rows: int, columns: int, tile: str, a: str, b: str, c: str) -> None:
        mm = self.mm
        a_at = self.assign(f"mul i64 {tile}, {self.tile_step}")
        a = self.assign(f"getelementptr {self.kind}, ptr {a}, i64 {a_at}")
        c_at = self.assign(f"mul i64 {tile}, {mm.mr * mm.n}")
        c = self.assign(f"getelementptr {self.kind}, ptr {c}, i64 {c_at}")
        name = self.functions.get((rows, columns))
        if name is None:
            name = self.functions[rows, columns] = f"@tile_{rows}_{columns}"
            self.tile(name, rows, columns)
        self.put(f"call void {name}(ptr {a}, ptr {b}, ptr {c})")

    def tile(self, name: str, rows: int, columns: int) -> None:
        """A function that computes `rows`×`columns` results in registers and stores them."""
        mm = self.mm
        places = [(i, j) for i in range(rows) for j in range(mm.vectors)]
        with self.function(f"internal void {name}(ptr noalias %a, ptr noalias %b, ptr noalias %c)"):
            self.put("br label %head")
            self.label("head")
            self.put("%k = phi i64 [ 0, %start ], [ %next, %body ]")
            for i, j in places:
                self.put(
                    f"%s{i}_{j} = phi {self.wide} [ zeroinitializer, %start ], [ %n{i}_{j}, %body ]"
                )
            self.put(f"%more = icmp slt i64 %k, {mm.k}")
            self.put("br i1 %more, label %body, label %exit")
            self.label("body")
            row = self.assign(f"mul nsw i64 %k, {mm.nr}")
            right = []
            for j in range(mm.vectors):
                at = self.assign(f"add nsw i64 {row}, {j * mm.lanes}")
                pointer = self.assign(f"getelementptr inbounds {self.kind}, ptr %b, i64 {at}")
                align = mm.dtype.itemsize * mm.lanes
                right.append(self.assign(f"load {self.wide}, ptr {pointer}, align {align}"))
            column = self.assign(f"mul nsw i64 %k, {self.column}")
            for i in range(rows):
                at = self.assign(f"add nsw i64 {column}, {i * self.row}")
                pointer = self.assign(f"getelementptr inbounds {self.kind}, ptr %a, i64 {at}")
                left = self.splat(self.assign(f"load {self.kind}, ptr {pointer}"), self.kind)
                for j in range(mm.vectors):
                    typed = [(self.wide, t) for t in (left, right[j], f"%s{i}_{j}")]
                    name = f"llvm.fma.{self.suffix(self.kind, True)}"
                    self.put(f"%n{i}_{j} = {self.call(self.wide, name, *typed)}")
            self.put("%next = add nsw i64 %k, 1")
            self.put("br label %head")
            self.label("exit")
            for i, j in places:
                self.store_sums(i, j, columns)
            self.put("ret void")

    def store_sums(self, i: int, j: int, columns: int) -> None:
        mm = self.mm
        live = min(mm.lanes, columns - j * mm.lanes)
        if live <= 0:
            return
        at = i * mm.n + j * mm.lanes
        pointer = self.assign(f"getelementptr inbounds {self.kind}, ptr %c, i64 {at}")
        align = mm.dtype.itemsize
        if live == mm.lanes:
            self.put(f"store {self.wide} %s{i}_{j}, ptr {pointer}, align {align}")
            return
        flags = ", ".join(f"i1 {str(lane < live).lower()}" for lane in range(mm.lanes))
        masks = f"<{mm.lanes} x i1>"
        name = f"llvm.masked.store.{self.suffix(self.kind, True)}.p0"
        typed = [
            (self.wide, f"%s{i}_{j}"), ("ptr", pointer), ("i32", str(align)), (masks, f"<{flags}>"),
        ]  # fmt: skip
        self.put(self.call("void", name, *typed))
