"""The matrix product as a generated micro-kernel.

B is read in panels of NR columns, packed (see `pack`) where that pays. A tile of MR×NR results
stays in registers while K runs: each step loads one row of the panel and broadcasts MR elements of
A, which is read where it lies, whatever its strides. The last rows and columns have tiles of their
own, all of static size (Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication",
2008). Long sums are added up from blocks along K, so that their error stays small. Chunks are
rectangles of tiles.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass

from neurona.compiler.ir.sizes import is_plain, plain, varies
from neurona.compiler.machine.dots import SIDE, DotEmitter
from neurona.compiler.machine.pack import MAX_CHUNKS, Packing, PanelText, even_chunks
from neurona.core.dtypes import DType
from neurona.core.op import Shape

Strides = tuple[int, ...]
CHUNK_FLOPS = 3 << 17
"""Arithmetic that makes a chunk of its own worth while."""
OVERHEAD = 8
"""Steps along K that take as long as a tile's beginning and end."""
PAGE = 4096
DEPTH = 512
"""Terms that are added up one by one; more are summed in blocks."""
ROW_TERMS = 8
"""To add up the lanes of a result costs as much as to pack this many elements."""
FEW = 0
"""Rows of a tile that are known at run time."""
FEW_TILES = 3
CACHED = 1 << 18
NEARBY = 1 << 25
"""B is read where it lies by few rows of tiles, if it stays in the second cache, or if all of them
read no more bytes than this."""
FORESEEN = 1 << 17
AHEAD = 16
"""Rows of B that are asked for in advance where it is not packed and has more bytes than FORESEEN:
the processor foresees no reads that lie as far apart as rows do."""


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
    def registers(self) -> int:
        """Vector registers that the processor has."""
        return 32 if self.lanes * self.dtype.itemsize == 64 else 16

    @property
    def mr(self) -> int:
        """Rows of a tile: as many as the registers hold, spread evenly over the tiles."""
        # 32 vector registers hold 28 sums; 16 hold 12.
        most = (self.registers - 4) // 2
        if not is_plain(self.m):
            return most
        return -(-self.m // -(-self.m // most)) if self.m else most

    @property
    def panels(self) -> int:
        return -(-self.n // self.nr)

    @property
    def right_size(self) -> int:
        """Bytes of one matrix B."""
        return self.k * self.n * self.dtype.itemsize

    @property
    def dots(self) -> bool:
        """Whether the tiles are dot products of vectors along K (see `dots`).

        They spare B's packing, k·n elements, and the columns by which a panel is too wide, but add
        up the lanes of every result.
        """
        sizes = (self.m, self.k, *self.a_strides, *self.b_strides)
        if varies(sizes) or self.lanes < SIDE or self.k > DEPTH * self.lanes:
            return False
        along = self.a_strides[-1] == self.b_strides[-2] == 1 != self.b_strides[-1]
        repeats = [n for n, stride in zip(self.batch, self.b_strides, strict=False) if not stride]
        few = ROW_TERMS * self.m * math.prod(repeats) <= self.k
        too_wide = 4 * self.n <= 3 * self.panels * self.nr and self.k >= SIDE * self.lanes
        return along and (few or too_wide)

    @property
    def right(self) -> Packing | None:
        """B in panels of NR columns where it pays; else it is read where it lies."""
        size = self.right_size
        near = not is_plain(size) or size <= CACHED or self.tiles * size <= NEARBY
        lies_well = self.b_strides[-1] == 1 and (near or self.tiles <= FEW_TILES)
        if lies_well or self.dots:
            return None
        return self.packing(self.b_strides, self.b_offset, self.n, self.nr, self.b_strides[-2:])

    @property
    def left(self) -> Packing | None:
        """A in panels of MR rows where it pays; else it is read where it lies.

        It pays when the rows or columns that a tile reads side by side are a multiple of a page
        apart, so that they fall on the same few lines of the cache, and the tile is used often.
        """
        row, column = self.a_strides[-2:]
        if self.dots or varies((self.m, self.k, row, column)):
            return None
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
        """Rows of tiles of one product, the last ones included; at least as many for a Size."""
        return -(-self.m // self.mr) if is_plain(self.m) else self.m

    @property
    def work(self) -> int:
        """Arithmetic of one product, as many operations as its tiles could do in the same time."""
        return 2 * plain(self.tiles) * self.mr * self.panels * self.nr * (plain(self.k) + OVERHEAD)

    @functools.cached_property
    def parts(self) -> tuple[int, int]:
        """Into how many blocks, along rows and columns of tiles, one product is cut.

        What all blocks read and what one of them computes are both to be small: elements and terms
        count the same for every step along K, as if some threads waited for the last block.
        """
        wanted = -(-self.work // CHUNK_FLOPS)
        most = max(1, min(wanted, MAX_CHUNKS // max(1, plain(math.prod(self.batch)))))
        cuts = [(0, 1, 1)] if most == 1 else []
        tiles, m = plain(self.tiles), plain(self.m)
        for rows in range(1, min(most, tiles) + 1):
            for columns in range(1, min(most // rows, self.panels) + 1):
                height, width = -(-tiles // rows), -(-self.panels // columns)
                largest = height * self.mr * width * self.nr
                cuts.append((m * columns + self.n * rows + largest, rows, columns))
        _, rows, columns = min(cuts)
        return rows, columns

    @property
    def blocks(self) -> int:
        """Blocks of all products."""
        return math.prod(self.batch) * math.prod(self.parts)

    @property
    def chunks(self) -> int:
        work = plain(math.prod(self.batch)) * self.work
        return even_chunks(self.blocks, min(MAX_CHUNKS, max(1, -(-work // CHUNK_FLOPS))))

    @property
    def flops(self) -> int:
        return 2 * math.prod(self.batch) * self.m * self.n * self.k


def lanes_for(dtype: DType, float32_lanes: int) -> int:
    return float32_lanes * 4 // dtype.itemsize


def one_panel(columns: int, dtype: DType, float32_lanes: int) -> bool:
    """Whether a tile has all columns of a product."""
    return columns <= 2 * lanes_for(dtype, float32_lanes)


class MatmulEmitter(PanelText):
    """LLVM IR of the product of A and B, either packed or not: table (A, B, C)."""

    def __init__(self, mm: Matmul) -> None:
        super().__init__(mm.dtype, mm.lanes)
        self.mm = mm
        self.left, self.right = mm.left, mm.right
        # Strides of A's rows and columns within a tile, and from tile to tile.
        self.row, self.column = (1, mm.mr) if self.left else mm.a_strides[-2:]
        self.tile_step = self.left.panel_size if self.left else mm.mr * mm.a_strides[-2]
        # From row to row of a panel of B, and from panel to panel.
        self.depth_step = mm.nr if self.right else mm.b_strides[-2]
        self.panel_step = self.right.panel_size if self.right else mm.nr * mm.b_strides[-1]
        self.functions: dict[tuple[int, int], str] = {}
        self.places: list[str] = []
        self.buffers, self.row_step = 3, mm.n  # of the table; from row to row of C

    def run(self) -> str:
        mm = self.mm
        dots = self.dots = DotEmitter(mm, self.row_step) if mm.dots else None
        with self.function("void @kernel(ptr %table, i64 %first, i64 %last)"):
            pointers = self.table(self.buffers)
            self.results = self.places_of_results(pointers[2:])
            a = self.pointer(pointers[0], 0 if self.left else mm.a_offset)
            b = self.pointer(pointers[1], 0 if self.right else mm.b_offset)
            self.count_tiles()
            first, last = self.part_of_chunks(mm.blocks, mm.chunks)
            with self.loop(first, last) as block:
                self.block(block, a, b, self.results[0])
        if dots is not None:
            self.finished += dots.finished
            self.declarations |= dots.declarations
        return "\n".join([*self.finished, *sorted(self.declarations)])

    def places_of_results(self, pointers: list[str]) -> list[str]:
        """Where the product is stored; more for those who make something of it."""
        return pointers

    def count_tiles(self) -> None:
        """Rows of tiles, of whole ones, and rows in the last one if that is known at run time."""
        mm = self.mm
        if is_plain(mm.m):
            self.tiles, self.full, self.live = str(mm.tiles), str(mm.m // mm.mr), ""
            return
        self.tiles = self.assign(f"sdiv i64 {self.assign(f'add i64 {mm.m}, {mm.mr - 1}')}, {mm.mr}")
        self.full = self.assign(f"sdiv i64 {mm.m}, {mm.mr}")
        self.live = self.assign(f"srem i64 {mm.m}, {mm.mr}")

    def block(self, block: str, a: str, b: str, c: str) -> None:
        """Some rows and columns of tiles of one of the products."""
        mm = self.mm
        rows, columns = mm.parts
        batch = self.assign(f"sdiv i64 {block}, {rows * columns}")
        part = self.assign(f"srem i64 {block}, {rows * columns}")
        row = self.assign(f"sdiv i64 {part}, {columns}")
        column = self.assign(f"srem i64 {part}, {columns}")
        a, b, c = self.move_to_batch(batch, a, b, c)
        start, stop = self.span(row, rows, self.tiles)
        first, last = self.span(column, columns, str(mm.panels))
        self.rectangle(batch, start, stop, first, last, a, b, c)

    def rectangle(
        self, batch: str, start: str, stop: str, first: str, last: str, a: str, b: str, c: str
    ) -> None:
        """Rows start … stop − 1 of tiles and panels first … last − 1 of the product of a and b."""
        mm = self.mm
        full, rest = divmod(mm.n, mm.nr)
        with self.loop(first, self.smaller(last, full)) as panel:
            self.panel(panel, mm.nr, a, b, c, start, stop)
        if rest:
            with self.where(self.assign(f"icmp sgt i64 {last}, {full}")):
                self.panel(str(full), rest, a, b, c, start, stop)

    def move_to_batch(self, batch: str, a: str, b: str, c: str) -> tuple[str, str, str]:
        mm = self.mm
        rest = batch
        self.places = places = list[str]()
        for extent in reversed(mm.batch):
            places.insert(0, self.assign(f"srem i64 {rest}, {extent}"))
            rest = self.assign(f"sdiv i64 {rest}, {extent}")
        a_at = self.matrix(self.left, mm.a_strides, places)
        b_at = self.matrix(self.right, mm.b_strides, places)
        c_at = self.assign(f"mul i64 {batch}, {mm.m * mm.n}")
        return self.pointer(a, a_at), self.pointer(b, b_at), self.pointer(c, c_at)

    def matrix(self, packing: Packing | None, strides: Strides, places: list[str]) -> str:
        """Where the matrix of these batch indices starts, among the packed ones if it is packed."""
        at = "0"
        if packing is None:
            for place, stride in zip(places, strides, strict=False):
                step = self.assign(f"mul i64 {place}, {stride}")
                at = self.assign(f"add i64 {at}, {step}")
            return at
        for place, extent in zip(places, packing.batch, strict=True):
            at = self.assign(f"mul i64 {at}, {extent}")
            if extent != 1:
                at = self.assign(f"add i64 {at}, {place}")
        return self.assign(f"mul i64 {at}, {packing.matrix_size}")

    def panel(
        self, panel: str, columns: int, a: str, b: str, c: str, start: str, stop: str
    ) -> None:
        """The tiles start … stop − 1 of one panel, which has `columns` columns."""
        mm = self.mm
        b = self.pointer(b, self.assign(f"mul i64 {panel}, {self.panel_step}"))
        c = self.pointer(c, self.assign(f"mul i64 {panel}, {mm.nr}"))
        for rows, tile in self.each_tile(start, stop):
            row = self.pointer(a, self.assign(f"mul i64 {tile}, {self.tile_step}"))
            goal = self.pointer(c, self.assign(f"mul i64 {tile}, {mm.mr * mm.n}"))
            self.call_tile(rows, columns, row, b, goal)

    def each_tile(self, start: str, stop: str) -> Iterator[tuple[int, str]]:
        """The rows of every tile from start to stop − 1, `FEW` if that is known at run time."""
        mm = self.mm
        with self.loop(start, self.smaller(stop, self.full)) as tile:
            yield mm.mr, tile
        if not is_plain(mm.m) or mm.m % mm.mr:
            with self.where(self.assign(f"icmp sgt i64 {stop}, {self.full}")):
                yield mm.m % mm.mr if is_plain(mm.m) else FEW, self.full

    def call_tile(self, rows: int, columns: int, a: str, b: str, c: str) -> None:
        """Compute the tile at these places by its function, written when first wanted."""
        name = self.functions.get((rows, columns))
        if name is None:
            name = f"@tile_{'few' if rows == FEW else rows}_{columns}"
            self.functions[rows, columns] = name
            (self.dots or self).tile(name, rows, columns)
        live = [f"i64 {self.live}"] if rows == FEW else []
        self.call_own(name, f"ptr {a}", f"ptr {b}", f"ptr {c}", *live)

    # --- one tile ---

    def tile(self, name: str, rows: int, columns: int) -> None:
        """A function that computes `rows`×`columns` results in registers and stores them.

        Of `FEW` rows all that a tile may have are computed, those beyond the last from the last.
        """
        vectors = range(-(-columns // self.lanes))
        few = rows == FEW
        count = self.mm.mr if few else rows
        places = [(i, j) for i in range(count) for j in vectors]
        arguments = "ptr noalias %a, ptr noalias %b, ptr noalias %c"
        arguments += ", i64 %live" if few else ""
        # Totals of blocks wait on the stack: a vector there must not lie on two lines of the cache.
        with self.function(f"internal void {name}({arguments}) alignstack(64)"):
            self.row_places = [str(i * self.row) for i in range(count)]
            if few:
                last = self.assign("sub i64 %live, 1")
                near = [self.smaller(last, i) for i in range(count)]
                self.row_places = [self.assign(f"mul i64 {i}, {self.row}") for i in near]
            totals = self.sums_of_blocks(places, columns)
            for i in range(count):
                with self.where(self.assign(f"icmp sgt i64 %live, {i}")) if few else nullcontext():
                    for j in vectors:
                        self.store_sums(i, j, columns, totals[i * len(vectors) + j])
            self.put("ret void")

    def sums_of_blocks(self, places: list[tuple[int, int]], columns: int) -> list[str]:
        """The sums along K, those of blocks of about equal depth added up."""
        k = self.mm.k
        if k <= DEPTH:
            return self.sums(places, columns, "0", str(k), "start")
        depth = -(-k // -(-k // DEPTH)) if is_plain(k) else DEPTH
        totals = [f"%t{i}_{j}" for i, j in places]
        self.put("br label %block")
        self.label("block")
        self.put("%first = phi i64 [ 0, %start ], [ %last, %exit ]")
        for total in totals:
            self.put(f"{total} = phi {self.wide} [ zeroinitializer, %start ], [ {total}n, %exit ]")
        end = self.assign(f"add nsw i64 %first, {depth}")
        self.put(f"%last = {self.call('i64', 'llvm.smin.i64', ('i64', end), ('i64', str(k)))}")
        sums = self.sums(places, columns, "%first", "%last", "block")
        for total, one in zip(totals, sums, strict=True):
            self.put(f"{total}n = fadd {self.wide} {total}, {one}")
        self.put(f"%again = icmp slt i64 %last, {k}")
        self.put("br i1 %again, label %block, label %done")
        self.label("done")
        return [f"{total}n" for total in totals]

    def sums(
        self, places: list[tuple[int, int]], columns: int, first: str, last: str, before: str
    ) -> list[str]:
        """The sums over k = first … last − 1; `before` is the label of the code so far."""
        self.put("br label %head")
        self.label("head")
        self.put(f"%k = phi i64 [ {first}, %{before} ], [ %next, %body ]")
        for i, j in places:
            self.put(
                f"%s{i}_{j} = phi {self.wide} [ zeroinitializer, %{before} ], [ %n{i}_{j}, %body ]"
            )
        self.put(f"%more = icmp slt i64 %k, {last}")
        self.put("br i1 %more, label %body, label %exit")
        self.label("body")
        column = self.assign(f"mul nsw i64 %k, {self.column}")
        right = self.panel_row(columns)
        left: dict[int, str] = {}
        for i, j in places:
            if i not in left:
                at = self.assign(f"add nsw i64 {column}, {self.row_places[i]}")
                pointer = self.pointer("%a", at)
                left[i] = self.splat(self.assign(f"load {self.kind}, ptr {pointer}"), self.kind)
            typed = [(self.wide, t) for t in (left[i], right[j], f"%s{i}_{j}")]
            name = f"llvm.fma.{self.suffix(self.kind, True)}"
            self.put(f"%n{i}_{j} = {self.call(self.wide, name, *typed)}")
        self.put("%next = add nsw i64 %k, 1")
        self.put("br label %head")
        self.label("exit")
        return [f"%s{i}_{j}" for i, j in places]

    def panel_row(self, columns: int) -> list[str]:
        """Row k of B's panel; where B is not packed, what lies behind its columns is not read."""
        row = self.assign(f"mul nsw i64 %k, {self.depth_step}")
        if self.right is None and plain(self.mm.right_size) > FORESEEN:
            ahead = self.assign(f"add nsw i64 {row}, {AHEAD * self.depth_step}")
            for first in range(0, columns, self.lanes):
                # Behind the last row nothing is read: a prefetch of no memory does nothing.
                at = self.assign(f"add nsw i64 {ahead}, {first}")
                place = self.assign(f"getelementptr {self.kind}, ptr %b, i64 {at}")
                how = [("i32", "0"), ("i32", "3"), ("i32", "1")]
                self.put(self.call("void", "llvm.prefetch.p0", ("ptr", place), *how))
        vectors = []
        for first in range(0, columns, self.lanes):
            pointer = self.pointer("%b", self.assign(f"add nsw i64 {row}, {first}"))
            if self.right is None:
                vectors.append(self.run_of(pointer, min(self.lanes, columns - first)))
            else:
                align = self.dtype.itemsize * self.lanes
                vectors.append(self.assign(f"load {self.wide}, ptr {pointer}, align {align}"))
        return vectors

    def store_sums(self, i: int, j: int, columns: int, total: str) -> None:
        """Vector j of row i of a tile's results goes where it belongs."""
        at = i * self.row_step + j * self.lanes
        live = min(self.lanes, columns - j * self.lanes)
        self.put_run(total, self.pointer("%c", at), live)
