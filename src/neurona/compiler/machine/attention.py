"""Attention as a kernel that never stores the scores of all queries.

A strip of queries (16 of them with vectors of 16 or 8 elements) meets blocks of keys. Tiles of
scores are computed in registers and kept for one block, which the first cache holds: S ≤ 512 keys
are one block. Of every query the greatest score, then the powers and their sum are known lane by
lane; the powers times the values are the results. With several blocks, sums and results so far are
scaled down whenever a greater score is met (Milakov and Gimelshein, "Online normalizer calculation
for softmax", 2018). Causal strips end at their own keys. Chunks are runs of strips.

What it takes: 2·(E + Ev) operations a pair of query and key, and a power, which costs as much as
fourteen vector instructions, so about E + Ev + 14 of them for 16 pairs; packing queries and lanes
beyond the diagonal add about a fifth where there are few keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from neurona.compiler.ir.loops import Kernel, Nest, Param, Store
from neurona.compiler.ir.scalar import Builder
from neurona.compiler.ir.sizes import plain
from neurona.compiler.machine.attention_text import (
    LOG2_E,
    AttentionText,
    Mask,
    Operand,
    Sizes,
)
from neurona.compiler.machine.emit import Emitter
from neurona.compiler.machine.pack import MAX_CHUNKS, even_chunks
from neurona.core import dtypes

KEYS = 512
"""Keys of a block at most: their scores with a strip fill the first cache."""
CHUNK_FLOPS = 1 << 19
"""Arithmetic that makes a chunk of its own worth while."""
FEW_QUERIES = 4
"""Queries that are taken one by one (see `attention_row`); more of them fill a strip."""
MOST_KEYS = 1 << 13
"""Keys whose scores with one query are kept on the stack."""


@dataclass(frozen=True)
class Attention:
    """y (batch, queries, heads, value_width) and lse (batch, heads, queries), both row-major."""

    kind: ClassVar[str] = "attention"
    sizes: Sizes
    q: Operand
    k: Operand
    v: Operand
    mask: Mask | None

    @property
    def block(self) -> int:
        """Keys of a block, a multiple of a strip."""
        return self.sizes.key_block(KEYS)

    @property
    def single(self) -> bool:
        """Whether all keys are one block."""
        return self.block >= self.sizes.keys

    @property
    def by_rows(self) -> bool:
        """Whether there are so few queries that a strip of them would be mostly empty."""
        return self.sizes.queries <= FEW_QUERIES and self.sizes.keys <= MOST_KEYS

    @property
    def items(self) -> int:
        """Strips of queries, or queries, of all heads."""
        s = self.sizes
        return s.batch * s.heads * (s.queries if self.by_rows else s.strips)

    @property
    def chunks(self) -> int:
        return even_chunks(self.items, max(1, min(MAX_CHUNKS, plain(self.flops) // CHUNK_FLOPS)))

    @property
    def flops(self) -> int:
        s = self.sizes
        return s.batch * (s.heads * s.pairs * (2 * (s.width + s.value_width) + 5))

    def text(self) -> str:
        from neurona.compiler.machine.attention_row import RowEmitter

        return RowEmitter(self).run() if self.by_rows else AttentionEmitter(self).run()


class LogEmitter(Emitter):
    """Writes a function of buffers."""

    def run(self) -> str:
        with self.inner_function(self.kernel.name):
            self.block(self.kernel.body)
        return "\n".join(self.finished)


def log_of_sums(strip: int) -> Kernel:
    """lse from the greatest scores (in base 2, 0 where there is none) and the sums of powers."""
    k, f32 = Builder(), dtypes.float32
    lane = k.variable("c0")
    top, total = k.load("top", lane, f32), k.load("total", lane, f32)
    value = top * (1 / LOG2_E) + k.call("log", total)
    value = k.where(total == 0.0, k.constant(float("inf"), f32), value)
    params = [Param("top", f32, strip, "read"), Param("total", f32, strip, "read")]
    params.append(Param("lse", f32, strip, "write"))
    nest = Nest((("c0", strip),), (Store("lse", lane, value),))
    return Kernel("log_of_sums", tuple(params), 1, (), (nest,))


def head_places(text: AttentionText, of: Attention, pair: str, pointers: list[str]) -> list[str]:
    """Where what belongs to a pair of batch and head lies, in the order of the table."""
    s = of.sizes
    head = text.assign(f"srem i64 {pair}, {s.heads}")
    batch = text.assign(f"sdiv i64 {pair}, {s.heads}")
    found = []
    for base, one in zip(pointers, (of.q, of.k, of.v), strict=False):
        at = text.moved((batch, one.strides[0]), (head, one.strides[2]))
        found.append(text.pointer(base, text.assign(f"add i64 {at}, {one.offset}")))
    if of.mask:
        at = text.moved((batch, of.mask.strides[0]), (head, of.mask.strides[1]))
        at = text.assign(f"add i64 {at}, {of.mask.offset}")
        found.append(text.mask_pointer(of.mask, pointers[3], at))
    y, lse = pointers[-2:]
    found.append(
        text.pointer(
            y, text.moved((batch, s.queries * s.heads * s.value_width), (head, s.value_width))
        )
    )
    found.append(text.pointer(lse, text.moved((pair, s.queries))))
    return found


class AttentionEmitter(AttentionText):
    """LLVM IR: table (q, k, v, the mask if there is one, y, lse)."""

    def __init__(self, attention: Attention) -> None:
        super().__init__(attention.sizes)
        self.of = attention
        s = self.sizes
        self.tail = s.keys % s.rows
        self.row_of_y = s.heads * s.value_width

    def run(self) -> str:
        of, s = self.of, self.sizes
        logs = LogEmitter(log_of_sums(s.strip), self.lanes)
        self.finished.append(logs.run())
        self.declarations |= logs.declarations
        self.write_tiles()
        self.write_strip()
        with self.function("void @kernel(ptr %table, i64 %first, i64 %last)"):
            pointers = self.table(6 if of.mask else 5)
            with self.loop(*self.part_of_chunks(of.items, of.chunks)) as item:
                strip = self.assign(f"srem i64 {item}, {s.strips}")
                pair = self.assign(f"sdiv i64 {item}, {s.strips}")
                operands = head_places(self, of, pair, pointers)
                query = self.assign(f"mul i64 {strip}, {s.strip}")
                self.call_own("@strip", *[f"ptr {one}" for one in operands], f"i64 {query}")
        return "\n".join([*self.finished, *sorted(self.declarations)])

    # --- tiles ---

    def write_tiles(self) -> None:
        s = self.sizes
        heights = {s.rows, self.tail} - {0}
        for rows in sorted(heights):
            self.scores(rows, diagonal=False)
            if s.causal:
                self.scores(rows, diagonal=True)
            self.powers(rows)
        wide = 2 * self.lanes
        rest = s.queries % s.broad_rows
        for rows in sorted({s.broad_rows if s.queries >= s.broad_rows else 0, rest} - {0}):
            for columns in sorted({min(s.value_width, wide), s.value_width % wide} - {0}):
                self.results(rows, columns)

    def scores(self, rows: int, *, diagonal: bool) -> None:
        """A tile of scores, and the greatest of each query; a mask lies in its place already."""
        s = self.sizes
        name = f"@scores_{rows}{'_diagonal' if diagonal else ''}"
        arguments = "ptr noalias %a, ptr noalias %b, ptr noalias %c, i64 %count, ptr noalias %top"
        arguments += ", i64 %ahead" if diagonal else ""
        runs = [self.lanes] * s.vectors
        with self.function(f"internal void {name}({arguments})"):
            tile = self.scores_tile(rows, s.strip, self.of.mask, self.of.k.strides[1])
            if diagonal:
                hidden = self.number(float("-inf"))
                for i, j in tile:
                    tile[i, j] = self.below_diagonal(i, j, tile[i, j], hidden)
            self.put_tile(tile, runs, s.strip)
            for j in range(s.vectors):
                place = self.vector_at("%top", j)
                tops = [self.read(place)]
                tops += [tile[i, j] for i in range(rows)]
                while len(tops) > 1:
                    # Pairwise: a chain would wait for each comparison.
                    pairs = [
                        self.greater(b, a) for a, b in zip(tops[::2], tops[1::2], strict=False)
                    ]
                    tops = pairs + tops[len(tops) - len(tops) % 2 :]
                self.write(tops[0], place)

    def powers(self, rows: int) -> None:
        """Powers in place of scores, and their sums."""
        s = self.sizes
        arguments = "ptr noalias %c, ptr noalias %top, ptr noalias %total"
        with self.function(f"internal void @powers_{rows}({arguments})"):
            for j in range(s.vectors):
                top = self.read(self.vector_at("%top", j))
                total = self.read(self.vector_at("%total", j))
                for i in range(rows):
                    place = self.pointer("%c", i * s.strip + j * self.lanes)
                    less = self.assign(f"fsub {self.wide} {self.read(place)}, {top}")
                    power = self.power(less)
                    self.write(power, place)
                    total = self.assign(f"fadd {self.wide} {total}, {power}")
                self.write(total, self.vector_at("%total", j))

    def results(self, rows: int, columns: int) -> None:
        """Σ power·value for some queries and columns, times `factor`; `old`: of those so far."""
        s = self.sizes
        single = self.of.single
        arguments = "ptr noalias %a, ptr noalias %b, ptr noalias %c, i64 %count, ptr %factor"
        arguments += "" if single else ", ptr %old, i1 %again"
        runs = self.runs(columns)
        with self.function(f"internal void @results_{rows}_{columns}({arguments})"):
            start = None
            if not single:
                start = self.begun(rows, runs, self.row_of_y, "%again", "%old")
            steps = (1, s.strip, self.of.v.strides[1])
            tile = self.products(rows, runs, steps, start, "start" if single else "fresh")
            for i, j in tile:
                factor = self.spread_at(self.pointer("%factor", i))
                tile[i, j] = self.assign(f"fmul {self.wide} {tile[i, j]}, {factor}")
            self.put_tile(tile, runs, self.row_of_y)

    # --- a strip ---

    def write_strip(self) -> None:
        """All that strips of one head have in common: a function of its places."""
        of, s = self.of, self.sizes
        names = ["%q", "%key", "%value", *(["%mask"] if of.mask else []), "%y", "%lse"]
        arguments = ", ".join(f"ptr {name}" for name in names)
        with self.function(f"internal void @strip({arguments}, i64 %query)"):
            self.packed = self.room(s.width * s.strip)
            self.kept = self.room((of.block + self.lanes) * s.strip)
            self.top, self.safe, self.total, self.old, self.factor, self.log = [
                self.room(s.strip) for _ in range(6)
            ]
            seen = self.keys_seen(of.mask, "%mask") if of.mask and of.mask.of_keys else ""
            rows = self.query_rows("%q", "%query", of.q.strides[1])
            self.transposed(rows, s.width, s.scale * LOG2_E, self.packed, s.strip)
            self.fill(self.top, float("-inf"), s.vectors)
            self.fill(self.total, 0.0, s.vectors)
            self.bound = str(s.keys)
            if s.causal:
                self.bound = self.smaller(self.assign(f"add nsw i64 %query, {s.strip}"), s.keys)
            if seen:
                self.bound = self.smaller(self.bound, seen)
            if of.single:
                self.block("0", self.bound)
            else:
                with self.loop("0", self.bound, of.block) as first:
                    last = self.assign(f"add nsw i64 {first}, {of.block}")
                    self.block(first, self.smaller(last, self.bound))
            self.put(f"call void @log_of_sums(ptr {self.safe}, ptr {self.total}, ptr {self.log})")
            self.store_logs()

    def store_logs(self) -> None:
        s = self.sizes
        place = self.pointer("%lse", "%query")
        left = self.assign(f"sub nsw i64 {s.queries}, %query")
        name = f"llvm.masked.store.{self.suffix(self.kind, True)}.p0"
        for j in range(s.vectors):
            live = self.lanes_that("slt", left, j)
            typed = [
                (self.wide, self.read(self.vector_at(self.log, j))),
                ("ptr", self.vector_at(place, j)),
                ("i32", str(self.dtype.itemsize)),
                (f"<{self.lanes} x i1>", live),
            ]
            self.put(self.call("void", name, *typed))

    def block(self, first: str, last: str) -> None:
        """What a block of keys adds to the strip's results."""
        of, s = self.of, self.sizes
        if of.mask:
            self.lay_mask(of.mask, "%mask", "%query", first, last, self.kept, s.strip)
        if not of.single:
            for j in range(s.vectors):
                self.write(self.read(self.vector_at(self.top, j)), self.vector_at(self.old, j))
        self.all_scores(first, last)
        for j in range(s.vectors):
            self.scale_down(j)
        self.all_powers(first, last)
        for j in range(s.vectors):
            self.find_factors(j, last)
        self.all_results(first, last)

    def in_tiles(self, first: str, last: str) -> tuple[str, str]:
        """Behind the last whole tile of keys, and whether a smaller one follows."""
        whole = self.multiple_below(last, self.sizes.rows)
        return whole, self.assign(f"icmp eq i64 {last}, {self.sizes.keys}")

    def place_of(self, key: str, first: str) -> str:
        """Where the scores of a key are kept."""
        number = key if first == "0" else self.assign(f"sub nsw i64 {key}, {first}")
        return self.pointer(self.kept, self.assign(f"mul nsw i64 {number}, {self.sizes.strip}"))

    def all_scores(self, first: str, last: str) -> None:
        s = self.sizes
        whole, ends = self.in_tiles(first, last)
        before = self.smaller(whole, "%query") if s.causal else whole
        with self.loop(first, before, s.rows) as key:
            self.call_scores(s.rows, key, first, diagonal=False)
        if s.causal:
            with self.loop(before, whole, s.rows) as key:
                self.call_scores(s.rows, key, first, diagonal=True)
        if self.tail:
            with self.where(ends):
                self.call_scores(self.tail, whole, first, diagonal=s.causal)

    def call_scores(self, rows: int, key: str, first: str, *, diagonal: bool) -> None:
        s = self.sizes
        a = self.pointer("%key", self.assign(f"mul nsw i64 {key}, {self.of.k.strides[1]}"))
        places = [f"ptr {a}", f"ptr {self.packed}", f"ptr {self.place_of(key, first)}"]
        more = [f"i64 {s.width}", f"ptr {self.top}"]
        if diagonal:
            more.append(f"i64 {self.assign(f'sub nsw i64 {key}, %query')}")
        self.call_own(f"@scores_{rows}{'_diagonal' if diagonal else ''}", *places, *more)

    def scale_down(self, j: int) -> None:
        """What to subtract from scores, 0 where there is none; sums so far by the new greatest."""
        top = self.read(self.vector_at(self.top, j))
        none = self.assign(f"fcmp oeq {self.wide} {top}, {self.number(float('-inf'))}")
        safe = self.select(none, "zeroinitializer", top)
        self.write(safe, self.vector_at(self.safe, j))
        if not self.of.single:
            old = self.read(self.vector_at(self.old, j))
            factor = self.power(self.assign(f"fsub {self.wide} {old}, {safe}"))
            self.write(factor, self.vector_at(self.old, j))
            total = self.read(self.vector_at(self.total, j))
            total = self.assign(f"fmul {self.wide} {total}, {factor}")
            self.write(total, self.vector_at(self.total, j))

    def all_powers(self, first: str, last: str) -> None:
        whole, ends = self.in_tiles(first, last)
        rest = f"ptr {self.safe}", f"ptr {self.total}"
        with self.loop(first, whole, self.sizes.rows) as key:
            self.call_own(f"@powers_{self.sizes.rows}", f"ptr {self.place_of(key, first)}", *rest)
        if self.tail:
            with self.where(ends):
                place = self.place_of(whole, first)
                self.call_own(f"@powers_{self.tail}", f"ptr {place}", *rest)

    def find_factors(self, j: int, last: str) -> None:
        """1/Σ powers, 0 where that is 0, behind the last block."""
        total = self.read(self.vector_at(self.total, j))
        none = self.assign(f"fcmp oeq {self.wide} {total}, zeroinitializer")
        inverse = self.assign(f"fdiv {self.wide} {self.number(1.0)}, {total}")
        factor = self.select(none, "zeroinitializer", inverse)
        if not self.of.single:
            ends = self.assign(f"icmp eq i64 {last}, {self.bound}")
            one = f"{self.wide} {self.number(1.0)}"
            factor = self.assign(f"select i1 {ends}, {self.wide} {factor}, {one}")
        self.write(factor, self.vector_at(self.factor, j))

    def all_results(self, first: str, last: str) -> None:
        s = self.sizes
        high = s.broad_rows
        left = self.assign(f"sub nsw i64 {s.queries}, %query")
        live = self.smaller(left, s.strip)
        whole = self.multiple_below(live, high)
        if s.queries >= high:
            with self.loop("0", whole, high) as row:
                self.row_of_results(high, row, first, last)
        if s.queries % high:
            with self.where(self.assign(f"icmp sgt i64 {live}, {whole}")):
                self.row_of_results(s.queries % high, whole, first, last)

    def row_of_results(self, rows: int, row: str, first: str, last: str) -> None:
        s, wide = self.sizes, 2 * self.lanes
        count = last
        query = self.assign(f"add nsw i64 %query, {row}")
        if s.causal:
            count = self.smaller(self.assign(f"add nsw i64 {query}, {rows}"), last)
        if first != "0":
            count = self.assign(f"sub nsw i64 {count}, {first}")
        value = self.pointer("%value", self.assign(f"mul nsw i64 {first}, {self.of.v.strides[1]}"))
        goal = self.pointer("%y", self.assign(f"mul nsw i64 {query}, {self.row_of_y}"))
        whole, rest = s.value_width - s.value_width % wide, s.value_width % wide
        more = [f"i64 {count}", f"ptr {self.pointer(self.factor, row)}"]
        if not self.of.single:
            more.append(f"ptr {self.pointer(self.old, row)}")
            more.append(f"i1 {self.assign(f'icmp sgt i64 {first}, 0')}")
        a = f"ptr {self.pointer(self.kept, row)}"
        if whole:
            with self.loop("0", str(whole), wide) as column:
                places = [f"ptr {self.pointer(base, column)}" for base in (value, goal)]
                self.call_own(f"@results_{rows}_{wide}", a, *places, *more)
        if rest:
            places = [f"ptr {self.pointer(base, whole)}" for base in (value, goal)]
            self.call_own(f"@results_{rows}_{rest}", a, *places, *more)
