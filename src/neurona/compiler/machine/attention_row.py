"""Attention of few queries, as in generation with a cache of keys and values: row by row.

A strip of queries would be almost empty. Here the lanes of vectors are elements of a key while it
is multiplied, then keys, then elements of a value. Groups of keys that the mask hides are passed
over, so that the empty part of a cache costs next to nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from neurona.compiler.machine.attention import (
    Attention,
    LogEmitter,
    head_places,
    log_of_sums,
)
from neurona.compiler.machine.attention_text import LOG2_E, AttentionText

PHASES = 4
"""Sums side by side, so that none waits for the last."""


class RowEmitter(AttentionText):
    """LLVM IR: table (q, k, v, the mask if there is one, y, lse)."""

    def __init__(self, attention: Attention) -> None:
        super().__init__(attention.sizes)
        self.of = attention
        self.rest = self.sizes.keys % self.lanes

    def run(self) -> str:
        of, s = self.of, self.sizes
        logs = LogEmitter(log_of_sums(1), self.lanes)
        self.finished.append(logs.run())
        self.declarations |= logs.declarations
        for live in sorted({self.lanes if s.keys >= self.lanes else 0, self.rest} - {0}):
            self.write_products(live)
        self.write_row()
        with self.function("void @kernel(ptr %table, i64 %first, i64 %last)"):
            pointers = self.table(6 if of.mask else 5)
            with self.loop(*self.part_of_chunks(of.items, of.chunks)) as item:
                query = self.assign(f"srem i64 {item}, {s.queries}")
                pair = self.assign(f"sdiv i64 {item}, {s.queries}")
                places = head_places(self, of, pair, pointers)
                self.call_own("@row", *[f"ptr {one}" for one in places], f"i64 {query}")
        return "\n".join([*self.finished, *sorted(self.declarations)])

    # --- scores ---

    def write_products(self, live: int) -> None:
        """A function that stores the scores, without mask, of a query and `live` keys."""
        s, step = self.sizes, self.of.k.strides[1]
        whole = s.width - s.width % self.lanes
        with self.function(f"internal void @products_{live}(ptr %q, ptr %k, ptr %goal)"):
            totals = [self.room(self.lanes) for _ in range(live)]
            for total in totals:
                self.write("zeroinitializer", total)
            with self.loop("0", str(whole), self.lanes) as column:
                self.multiply(totals, column, self.lanes, step)
            if s.width > whole:
                self.multiply(totals, str(whole), s.width - whole, step)
            vectors = [self.read(total) for total in totals]
            vectors += ["zeroinitializer"] * (self.lanes - live)
            factor = self.number(s.scale * LOG2_E)
            total = self.pairwise("fadd", self.transpose(vectors))
            self.write(self.assign(f"fmul {self.wide} {total}, {factor}"), "%goal")

    def multiply(self, totals: list[str], column: str, live: int, step: int) -> None:
        left = self.run_of(self.pointer("%q", column), live)
        for i, total in enumerate(totals):
            row = self.pointer(self.pointer("%k", i * step), column)
            self.write(self.fma(left, self.run_of(row, live), self.read(total)), total)

    def pairwise(self, operation: str, vectors: list[str]) -> str:
        while len(vectors) > 1:
            pairs = zip(vectors[::2], vectors[1::2], strict=True)
            vectors = [self.assign(f"{operation} {self.wide} {a}, {b}") for a, b in pairs]
        return vectors[0]

    # --- a row ---

    def write_row(self) -> None:
        of, s = self.of, self.sizes
        names = ["%q", "%key", "%value", *(["%mask"] if of.mask else []), "%y", "%lse"]
        arguments = ", ".join(f"ptr {name}" for name in names)
        with self.function(f"internal void @row({arguments}, i64 %query)"):
            self.scores = self.room(s.keys + self.lanes)
            self.top, self.total, self.log = [self.room(self.lanes) for _ in range(3)]
            self.sums = [self.room(self.lanes) for _ in range(2 * PHASES)]
            self.q = self.pointer("%q", self.assign(f"mul nsw i64 %query, {of.q.strides[1]}"))
            self.fill(self.top, -math.inf, 1)
            self.fill(self.total, 0.0, 1)
            self.bound = str(s.keys)
            if s.causal:
                self.bound = self.smaller(self.assign("add nsw i64 %query, 1"), s.keys)
            self.each_group(self.group_of_scores)
            top = self.across(self.read(self.top), maximum=True)
            none = self.assign(f"fcmp oeq {self.wide} {top}, {self.number(-math.inf)}")
            top = self.select(none, "zeroinitializer", top)
            self.write(top, self.top)
            self.each_group(self.group_of_powers)
            total = self.across(self.read(self.total), maximum=False)
            self.write(total, self.total)
            none = self.assign(f"fcmp oeq {self.wide} {total}, zeroinitializer")
            inverse = self.assign(f"fdiv {self.wide} {self.number(1.0)}, {total}")
            self.factor = self.select(none, "zeroinitializer", inverse)
            self.all_results()
            goal = self.pointer("%lse", "%query")
            self.put(f"call void @log_of_sums(ptr {self.top}, ptr {self.total}, ptr {goal})")

    def each_group(self, make: Callable[[str, int], None]) -> None:
        """make(first key, live keys) for the groups of keys that the query may see."""
        if self.sizes.keys >= self.lanes:
            whole = self.smaller(self.bound, self.sizes.keys - self.rest)
            with self.loop("0", whole, self.lanes) as key:
                make(key, self.lanes)
        if self.rest:
            start = str(self.sizes.keys - self.rest)
            with self.where(self.assign(f"icmp sgt i64 {self.bound}, {start}")):
                make(start, self.rest)

    def group_of_scores(self, key: str, live: int) -> None:
        mask = self.of.mask
        place = self.pointer(self.scores, key)
        if mask is None:
            self.score(key, live, place, "")
            return
        at = self.moved(("%query", mask.strides[2]), (key, mask.strides[3]))
        if mask.strides[3] == 1:
            added = self.mask_run(mask, self.mask_pointer(mask, "%mask", at), live)
        else:
            added = self.splat_mask(mask, "%mask", at)
        self.write(added, place)
        hidden = self.assign(f"fcmp oeq {self.wide} {added}, {self.number(-math.inf)}")
        with self.where(self.some_not(hidden, live)):
            self.score(key, live, place, added)

    def score(self, key: str, live: int, place: str, added: str) -> None:
        s = self.sizes
        k = self.pointer("%key", self.assign(f"mul nsw i64 {key}, {self.of.k.strides[1]}"))
        self.call_own(f"@products_{live}", f"ptr {self.q}", f"ptr {k}", f"ptr {place}")
        score = self.read(place)
        if added:
            score = self.assign(f"fadd {self.wide} {score}, {added}")
        nothing = self.number(-math.inf)
        if live < self.lanes:
            score = self.select(self.mask(live)[1], score, nothing)
        if s.causal:
            last = self.splat(self.assign(f"sub nsw i64 {self.bound}, {key}"), "i64")
            kind = f"<{self.lanes} x i64>"
            seen = self.assign(f"icmp slt {kind} {self.lane_numbers()}, {last}")
            score = self.select(seen, score, nothing)
        self.write(score, place)
        self.write(self.greater(score, self.read(self.top)), self.top)

    def group_of_powers(self, key: str, live: int) -> None:
        place = self.pointer(self.scores, key)
        less = self.assign(f"fsub {self.wide} {self.read(place)}, {self.read(self.top)}")
        power = self.power(less)
        if live < self.lanes:
            power = self.select(self.mask(live)[1], power, "zeroinitializer")
        self.write(power, place)
        total = self.assign(f"fadd {self.wide} {self.read(self.total)}, {power}")
        self.write(total, self.total)

    def across(self, vector: str, *, maximum: bool) -> str:
        """The sum, or the greatest, of all lanes in each of them."""
        size = 1
        while size < self.lanes:
            other = self.pick(vector, vector, [lane ^ size for lane in range(self.lanes)])
            if maximum:
                vector = self.greater(vector, other)
            else:
                vector = self.assign(f"fadd {self.wide} {vector}, {other}")
            size *= 2
        return vector

    # --- results ---

    def all_results(self) -> None:
        s, wide = self.sizes, 2 * self.lanes
        y = self.pointer("%y", self.assign(f"mul nsw i64 %query, {s.heads * s.value_width}"))
        whole, rest = s.value_width - s.value_width % wide, s.value_width % wide
        if whole:
            with self.loop("0", str(whole), wide) as column:
                self.results(column, self.runs(wide), self.pointer(y, column))
        if rest:
            self.results(str(whole), self.runs(rest), self.pointer(y, whole))

    def results(self, column: str, runs: list[int], goal: str) -> None:
        """Σ power·value for the columns of some vectors."""
        value = self.pointer("%value", column)
        count = len(runs)
        for i in range(count * PHASES):
            self.write("zeroinitializer", self.sums[i])

        def group(key: str, live: int) -> None:
            powers = self.pointer(self.scores, key)
            none = self.assign(f"fcmp oeq {self.wide} {self.read(powers)}, zeroinitializer")
            with self.where(self.some_not(none, live)):
                rows = self.pointer(
                    value, self.assign(f"mul nsw i64 {key}, {self.of.v.strides[1]}")
                )
                for i in range(live):
                    power = self.spread_at(self.pointer(powers, i))
                    row = self.pointer(rows, i * self.of.v.strides[1])
                    for j, width in enumerate(runs):
                        total = self.sums[i % PHASES * count + j]
                        one = self.run_of(self.vector_at(row, j), width)
                        self.write(self.fma(power, one, self.read(total)), total)

        self.each_group(group)
        for j, width in enumerate(runs):
            parts = [self.read(self.sums[i * count + j]) for i in range(PHASES)]
            total = self.pairwise("fadd", parts)
            result = self.assign(f"fmul {self.wide} {total}, {self.factor}")
            self.put_run(result, self.vector_at(goal, j), width)
