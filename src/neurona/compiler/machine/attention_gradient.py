"""The gradient of attention as a kernel that never stores the probabilities of all pairs.

Of a block of queries and a block of keys the probabilities p are computed again from the scores and
lse, and from the cotangent g of the results

    ds = p∘(g·vᵀ − δ)·scale,   δ_i = g_i·y_i,   dq += ds·k,   dk += dsᵀ·q,   dv += pᵀ·g.

Both blocks of numbers, p and ds, lie key by key in the second cache; tiles of the five products
stay in registers. The lanes of scores are queries (see `attention_text`), so that lse and δ are
vectors. Sums over blocks are added up in the results, in the order of the blocks. A chunk is some
pairs of batch and head.

What it takes: 6·E + 4·Ev operations a pair of query and key and a power, a third more than that
where 64 queries and keys are all there are, for packing and what lies beyond the diagonal.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from neurona.compiler.ir.sizes import plain
from neurona.compiler.machine.attention_text import (
    LOG2_E,
    AttentionText,
    Mask,
    Operand,
    Sizes,
)
from neurona.compiler.machine.pack import MAX_CHUNKS, even_chunks

QUERIES = 64
KEYS = 256
"""Queries and keys of a block at most: two arrays of so many pairs take 128 kB."""
CHUNK_FLOPS = 1 << 19


@dataclass(frozen=True)
class Gradient:
    """Gradients of q, k, v in one array; lse, at `lse`, is row-major (batch, heads, queries)."""

    kind: ClassVar[str] = "attention"
    sizes: Sizes
    g: Operand
    y: Operand
    lse: int
    q: Operand
    k: Operand
    v: Operand
    mask: Mask | None
    by_q: Operand
    by_k: Operand
    by_v: Operand

    @property
    def queries(self) -> int:
        """Queries of a block, a multiple of a strip."""
        s = self.sizes
        return min(QUERIES, s.strips * s.strip)

    @property
    def keys(self) -> int:
        """Keys of a block, a multiple of a strip."""
        return self.sizes.key_block(KEYS)

    @property
    def items(self) -> int:
        return self.sizes.batch * self.sizes.heads

    @property
    def chunks(self) -> int:
        return even_chunks(self.items, max(1, min(MAX_CHUNKS, plain(self.flops) // CHUNK_FLOPS)))

    @property
    def flops(self) -> int:
        s = self.sizes
        return s.batch * (s.heads * s.pairs * (6 * s.width + 4 * s.value_width + 5))

    def text(self) -> str:
        return GradientEmitter(self).run()


class GradientEmitter(AttentionText):
    """LLVM IR: table (g, y, lse, q, k, v, the mask if there is one, gradients)."""

    def __init__(self, gradient: Gradient) -> None:
        super().__init__(gradient.sizes)
        self.of = gradient
        self.tail = self.sizes.keys % self.sizes.rows
        self.step = gradient.queries  # from key to key of the blocks of p and ds

    def run(self) -> str:
        of, s = self.of, self.sizes
        for rows in sorted({s.rows, self.tail} - {0}):
            self.powers(rows, diagonal=False)
            if s.causal:
                self.powers(rows, diagonal=True)
            self.slopes(rows)
        self.write_sums()
        self.write_meets()
        self.write_head()
        with self.function("void @kernel(ptr %table, i64 %first, i64 %last)"):
            g, y, lse, q, k, v, *rest = self.table(8 if of.mask else 7)
            with self.loop(*self.part_of_chunks(of.items, of.chunks)) as pair:
                head = self.assign(f"srem i64 {pair}, {s.heads}")
                batch = self.assign(f"sdiv i64 {pair}, {s.heads}")

                def moved(base: str, one: Operand) -> str:
                    at = self.moved((batch, one.strides[0]), (head, one.strides[2]))
                    return self.pointer(base, self.assign(f"add i64 {at}, {one.offset}"))

                places = [moved(base, one) for base, one in ((g, of.g), (y, of.y))]
                at = self.assign(f"add i64 {self.moved((pair, s.queries))}, {of.lse}")
                places.append(self.pointer(lse, at))
                places += [moved(base, one) for base, one in ((q, of.q), (k, of.k), (v, of.v))]
                if of.mask:
                    at = self.moved((batch, of.mask.strides[0]), (head, of.mask.strides[1]))
                    at = self.assign(f"add i64 {at}, {of.mask.offset}")
                    places.append(self.mask_pointer(of.mask, rest[0], at))
                places += [moved(rest[-1], one) for one in (of.by_q, of.by_k, of.by_v)]
                self.call_own("@head", *[f"ptr {place}" for place in places])
        return "\n".join([*self.finished, *sorted(self.declarations)])

    # --- tiles ---

    def powers(self, rows: int, *, diagonal: bool) -> None:
        """A tile of probabilities; a mask lies in its place already."""
        s = self.sizes
        name = f"@powers_{rows}{'_diagonal' if diagonal else ''}"
        arguments = "ptr noalias %a, ptr noalias %b, ptr noalias %c, i64 %count, ptr noalias %lse"
        arguments += ", i64 %ahead" if diagonal else ""
        runs = [self.lanes] * s.vectors
        with self.function(f"internal void {name}({arguments})"):
            tile = self.scores_tile(rows, self.step, self.of.mask, self.of.k.strides[1])
            tops = [self.read(self.vector_at("%lse", j)) for j in range(s.vectors)]
            for i, j in tile:
                less = self.assign(f"fsub {self.wide} {tile[i, j]}, {tops[j]}")
                tile[i, j] = self.power(less)
                if diagonal:
                    tile[i, j] = self.below_diagonal(i, j, tile[i, j], "zeroinitializer")
            self.put_tile(tile, runs, self.step)

    def slopes(self, rows: int) -> None:
        """A tile of ds, from p and δ."""
        s = self.sizes
        arguments = "ptr noalias %a, ptr noalias %b, ptr noalias %c, i64 %count"
        arguments += ", ptr noalias %p, ptr noalias %meets"
        runs = [self.lanes] * s.vectors
        with self.function(f"internal void @slopes_{rows}({arguments})"):
            tile = self.products(rows, runs, (self.of.v.strides[1], 1, self.step))
            meets = [self.read(self.vector_at("%meets", j)) for j in range(s.vectors)]
            for i, j in tile:
                p = self.read(self.pointer("%p", i * self.step + j * self.lanes))
                less = self.assign(f"fsub {self.wide} {tile[i, j]}, {meets[j]}")
                tile[i, j] = self.assign(f"fmul {self.wide} {p}, {less}")
            self.put_tile(tile, runs, self.step)

    def write_sums(self) -> None:
        of, s = self.of, self.sizes
        high, wide = s.broad_rows, 2 * self.lanes
        # Name, columns, rows there are, strides of what is broadcast, of what is read, of results.
        for name, columns, count, steps, depth, row in (
            ("dq", s.width, s.queries, (1, self.step), of.k.strides[1], of.by_q.strides[1]),
            ("dk", s.width, s.keys, (self.step, 1), of.q.strides[1], of.by_k.strides[1]),
            ("dv", s.value_width, s.keys, (self.step, 1), of.g.strides[1], of.by_v.strides[1]),
        ):
            for rows in sorted({high if count >= high else 0, count % high} - {0}):
                for part in sorted({min(columns, wide), columns % wide} - {0}):
                    self.sums(f"@{name}_{rows}_{part}", rows, part, (*steps, depth), row)

    def sums(
        self, name: str, rows: int, columns: int, steps: tuple[int, int, int], row: int
    ) -> None:
        """A tile of sums over the queries or keys of a block; those so far are added if %again."""
        arguments = "ptr noalias %a, ptr noalias %b, ptr noalias %c, i64 %count, i1 %again"
        runs = self.runs(columns)
        with self.function(f"internal void {name}({arguments})"):
            start = self.begun(rows, runs, row, "%again")
            self.put_tile(self.products(rows, runs, steps, start, "fresh"), runs, row)

    def write_meets(self) -> None:
        """A function that stores scale·δ of a strip's queries."""
        of, s = self.of, self.sizes
        with self.function("internal void @meets(ptr %g, ptr %y, ptr %goal, i64 %query)"):
            slopes = self.query_rows("%g", "%query", of.g.strides[1])
            results = self.query_rows("%y", "%query", of.y.strides[1])
            totals = [self.room(self.lanes) for _ in slopes]
            for total in totals:
                self.write("zeroinitializer", total)
            whole = s.value_width - s.value_width % self.lanes
            with self.loop("0", str(whole), self.lanes) as column:
                self.meet(slopes, results, totals, column, self.lanes)
            if s.value_width > whole:
                self.meet(slopes, results, totals, str(whole), s.value_width - whole)
            for j in range(s.vectors):
                part = totals[j * self.lanes : (j + 1) * self.lanes]
                lanes = self.transpose([self.read(total) for total in part])
                while len(lanes) > 1:
                    pairs = zip(lanes[::2], lanes[1::2], strict=True)
                    lanes = [self.assign(f"fadd {self.wide} {a}, {b}") for a, b in pairs]
                one = self.assign(f"fmul {self.wide} {lanes[0]}, {self.number(s.scale)}")
                self.write(one, self.vector_at("%goal", j))

    def meet(
        self, slopes: list[str], results: list[str], totals: list[str], column: str, live: int
    ) -> None:
        for slope, result, total in zip(slopes, results, totals, strict=True):
            a, b = (self.run_of(self.pointer(row, column), live) for row in (slope, result))
            self.write(self.fma(a, b, self.read(total)), total)

    # --- one head ---

    def write_head(self) -> None:
        """All of one batch and head: a function of its places."""
        of, s = self.of, self.sizes
        names = ["%g", "%y", "%lse", "%q", "%key", "%value", *(["%mask"] if of.mask else [])]
        names += ["%dq", "%dk", "%dv"]
        with self.function(f"internal void @head({', '.join(f'ptr {name}' for name in names)})"):
            size = (of.keys + self.lanes) * self.step
            self.p, self.ds = self.room(size), self.room(size)
            self.packed = self.room(s.width * self.step)
            self.packed_g = self.room(s.value_width * self.step)
            self.tops, self.meets = self.room(self.step), self.room(self.step)
            self.seen_keys = ""
            if of.mask and of.mask.of_keys:
                self.seen_keys = self.keys_seen(of.mask, "%mask")
            with self.loop("0", str(s.keys), of.keys) as first:
                last = self.smaller(self.assign(f"add nsw i64 {first}, {of.keys}"), s.keys)
                start = "0"
                if s.causal:
                    # Queries before the block see none of it; zeros are stored by some block.
                    start = self.multiple_of_blocks(self.smaller(first, s.queries - 1))
                with self.loop(start, str(s.queries), of.queries) as query:
                    self.blocks(first, last, start, query)

    def multiple_of_blocks(self, number: str) -> str:
        count = self.assign(f"sdiv i64 {number}, {self.of.queries}")
        return self.assign(f"mul i64 {count}, {self.of.queries}")

    def blocks(self, first: str, last: str, start: str, query: str) -> None:
        """Keys first … last − 1 and the block of queries from `query` on."""
        of, s = self.of, self.sizes
        live = self.smaller(self.assign(f"sub nsw i64 {s.queries}, {query}"), of.queries)
        with self.loop("0", live, s.strip) as place:
            self.strip(first, last, self.assign(f"add nsw i64 {query}, {place}"), place)
        again = self.assign(f"icmp sgt i64 {first}, 0")
        whole = self.multiple_below(live, s.broad_rows)
        for rows, row in self.groups("0", whole, live, s.queries):
            self.by_queries(rows, row, query, first, last, again)
        again = self.assign(f"icmp sgt i64 {query}, {start}")
        whole = self.multiple_below(last, s.broad_rows)
        for rows, row in self.groups(first, whole, last, s.keys):
            self.by_keys(rows, row, query, live, first, again)

    def groups(self, first: str, whole: str, last: str, count: int) -> Iterator[tuple[int, str]]:
        """Rows of tiles first … last − 1, those behind `whole` fewer; there are `count` in all."""
        high = self.sizes.broad_rows
        if count >= high:
            with self.loop(first, whole, high) as row:
                yield high, row
        if count % high:
            with self.where(self.assign(f"icmp sgt i64 {last}, {whole}")):
                yield count % high, whole

    def strip(self, first: str, last: str, query: str, place: str) -> None:
        """p and ds of a strip of queries, which lies at `place` in its block."""
        of, s = self.of, self.sizes
        names = ("packed", "packed_g", "p", "ds", "tops", "meets")
        packed, packed_g, p, ds, tops, meets = [
            self.pointer(getattr(self, name), place) for name in names
        ]
        rows = self.query_rows("%q", query, of.q.strides[1])
        self.transposed(rows, s.width, s.scale * LOG2_E, packed, self.step)
        rows = self.query_rows("%g", query, of.g.strides[1])
        self.transposed(rows, s.value_width, s.scale, packed_g, self.step)
        self.call_own("@meets", "ptr %g", "ptr %y", f"ptr {meets}", f"i64 {query}")
        self.take_tops(query, tops)
        bound = last
        if s.causal:
            bound = self.smaller(self.assign(f"add nsw i64 {query}, {s.strip}"), last)
        if self.seen_keys:
            bound = self.smaller(bound, self.seen_keys)
        if of.mask:
            self.lay_mask(of.mask, "%mask", query, first, bound, p, self.step)
        whole = self.multiple_below(bound, s.rows)
        before = self.smaller(whole, query) if s.causal else whole
        strip = (query, first, packed, packed_g, p, ds, tops, meets)
        with self.loop(first, before, s.rows) as key:
            self.call_tiles(s.rows, key, strip, diagonal=False)
        if s.causal:
            after = self.intrinsic("i64", "llvm.smax.i64", ("i64", before), ("i64", first))
            with self.loop(after, whole, s.rows) as key:
                self.call_tiles(s.rows, key, strip, diagonal=True)
        if self.tail:
            with self.where(self.assign(f"icmp eq i64 {bound}, {s.keys}")):
                self.call_tiles(self.tail, whole, strip, diagonal=s.causal)

    def take_tops(self, query: str, goal: str) -> None:
        """lse of a strip's queries in base 2; ∞ beyond the last, whose p are 0 so."""
        s = self.sizes
        place = self.pointer("%lse", query)
        left = self.assign(f"sub nsw i64 {s.queries}, {query}")
        for j in range(s.vectors):
            live = self.lanes_that("slt", left, j)
            one = self.intrinsic(
                self.wide, f"llvm.masked.load.{self.suffix(self.kind, True)}.p0",
                ("ptr", self.vector_at(place, j)), ("i32", str(self.dtype.itemsize)),
                (f"<{self.lanes} x i1>", live), (self.wide, self.number(math.inf)),
            )  # fmt: skip
            one = self.assign(f"fmul {self.wide} {one}, {self.number(LOG2_E)}")
            self.write(one, self.vector_at(goal, j))

    def call_tiles(self, rows: int, key: str, strip: tuple[str, ...], *, diagonal: bool) -> None:
        of, s = self.of, self.sizes
        query, first, packed, packed_g, p, ds, tops, meets = strip
        number = self.assign(f"sub nsw i64 {key}, {first}")
        at = self.assign(f"mul nsw i64 {number}, {self.step}")
        p, ds = self.pointer(p, at), self.pointer(ds, at)
        a = self.pointer("%key", self.assign(f"mul nsw i64 {key}, {of.k.strides[1]}"))
        more = [f"i64 {self.assign(f'sub nsw i64 {key}, {query}')}"] if diagonal else []
        self.call_own(
            f"@powers_{rows}{'_diagonal' if diagonal else ''}",
            f"ptr {a}", f"ptr {packed}", f"ptr {p}", f"i64 {s.width}", f"ptr {tops}", *more,
        )  # fmt: skip
        a = self.pointer("%value", self.assign(f"mul nsw i64 {key}, {of.v.strides[1]}"))
        self.call_own(
            f"@slopes_{rows}", f"ptr {a}", f"ptr {packed_g}", f"ptr {ds}", f"i64 {s.value_width}",
            f"ptr {p}", f"ptr {meets}",
        )  # fmt: skip

    # --- sums ---

    def by_queries(
        self, rows: int, row: str, block: str, first: str, last: str, again: str
    ) -> None:
        """dq of some queries, from `row` on in their block."""
        of, s = self.of, self.sizes
        query = self.assign(f"add nsw i64 {block}, {row}")
        if s.causal:
            last = self.smaller(self.assign(f"add nsw i64 {query}, {rows}"), last)
        if self.seen_keys:
            last = self.smaller(last, self.seen_keys)
        count = self.assign(f"sub nsw i64 {last}, {first}")
        b = self.pointer("%key", self.assign(f"mul nsw i64 {first}, {of.k.strides[1]}"))
        c = self.pointer("%dq", self.assign(f"mul nsw i64 {query}, {of.by_q.strides[1]}"))
        self.columns("dq", rows, s.width, self.pointer(self.ds, row), b, c, count, again)

    def by_keys(self, rows: int, key: str, block: str, live: str, first: str, again: str) -> None:
        """dk and dv of some keys."""
        of, s = self.of, self.sizes
        start = "0"
        if s.causal:
            # From the first strip on that sees the key.
            ahead = self.assign(f"sub nsw i64 {self.multiple_below(key, s.strip)}, {block}")
            start = self.intrinsic("i64", "llvm.smax.i64", ("i64", ahead), ("i64", "0"))
        count = self.assign(f"sub nsw i64 {live}, {start}")
        if self.seen_keys:
            seen = self.assign(f"icmp slt i64 {key}, {self.seen_keys}")
            count = self.assign(f"select i1 {seen}, i64 {count}, i64 0")
        number = self.assign(f"sub nsw i64 {key}, {first}")
        at = self.assign(f"mul nsw i64 {number}, {self.step}")
        at = self.assign(f"add nsw i64 {at}, {start}")
        query = self.assign(f"add nsw i64 {block}, {start}")
        for name, width, a, base, step, goal, row in (
            ("dk", s.width, self.ds, "%q", of.q.strides[1], "%dk", of.by_k.strides[1]),
            ("dv", s.value_width, self.p, "%g", of.g.strides[1], "%dv", of.by_v.strides[1]),
        ):
            b = self.pointer(base, self.assign(f"mul nsw i64 {query}, {step}"))
            c = self.pointer(goal, self.assign(f"mul nsw i64 {key}, {row}"))
            self.columns(name, rows, width, self.pointer(a, at), b, c, count, again)

    def columns(
        self, name: str, rows: int, width: int, a: str, b: str, c: str, count: str, again: str
    ) -> None:
        """The tiles of some rows of a result."""
        wide = 2 * self.lanes
        whole, rest = width - width % wide, width % wide
        more = f"i64 {count}", f"i1 {again}"
        if whole:
            with self.loop("0", str(whole), wide) as column:
                places = [f"ptr {self.pointer(base, column)}" for base in (b, c)]
                self.call_own(f"@{name}_{rows}_{wide}", f"ptr {a}", *places, *more)
        if rest:
            places = [f"ptr {self.pointer(base, whole)}" for base in (b, c)]
            self.call_own(f"@{name}_{rows}_{rest}", f"ptr {a}", *places, *more)
