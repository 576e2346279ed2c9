"""What the kernels of attention share: their sizes, tiles of products, packed queries, powers of 2.

The lanes of vectors are queries, so that a softmax needs no sums across lanes: a tile of scores is
some keys by a strip of queries. Queries, times scale·log₂e, are transposed into a small panel;
keys and values are read where they lie. Scores are in base 2, and e^x is 2^(x·log₂e).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from neurona.compiler.machine.pack import PanelText
from neurona.compiler.machine.text import Value, float_literal
from neurona.core import dtypes
from neurona.core.dtypes import DType
from neurona.ops.attention import pairs

LOG2_E = math.log2(math.e)
MAGIC = 12582912.0
"""1.5·2²³: added to a number, it leaves the nearest integer in the low bits of the sum."""
LEAST = -150.0
"""2 to this power is 0 in float32."""
POWER = (1.5353362e-4, 1.3398875e-3, 9.61843692e-3, 5.55033237e-2, 0.240226477, 0.693147182, 1.0)
"""2^r for |r| ≤ ½, the highest power first: a relative error of 2·10⁻⁹ before rounding."""
INFINITY = float_literal(math.inf, dtypes.float32)
NOTHING = float_literal(-math.inf, dtypes.float32)

Tile = dict[tuple[int, int], str]


@dataclass(frozen=True)
class Operand:
    """Where an array (batch, positions, heads, width) lies whose rows are runs of memory.

    strides: of batch, positions and heads.
    """

    strides: tuple[int, int, int]
    offset: int


@dataclass(frozen=True)
class Mask:
    """Where a mask (batch, heads, queries, keys) lies; strides are 0 where it is repeated."""

    strides: tuple[int, int, int, int]
    offset: int
    dtype: DType

    @property
    def of_keys(self) -> bool:
        """Whether it is the same for all queries, and keys lie side by side: padding."""
        return self.strides[2] == 0 and self.strides[3] == 1


@dataclass(frozen=True)
class Sizes:
    """batch may be a Size. lanes: float32 lanes of a vector."""

    batch: int
    heads: int
    queries: int
    keys: int
    width: int
    value_width: int
    scale: float
    causal: bool
    lanes: int

    @property
    def vectors(self) -> int:
        """Vectors of a strip: 16 registers hold 4 rows of two, 32 hold 16 rows of one."""
        return 1 if self.lanes == 16 else 2

    @property
    def strip(self) -> int:
        """Queries side by side."""
        return self.vectors * self.lanes

    @property
    def rows(self) -> int:
        """Keys of a tile of scores; divides a strip."""
        return 16 if self.lanes == 16 else 4

    @property
    def broad_rows(self) -> int:
        """Rows of a tile that is two vectors wide; divides a strip."""
        return 8 if self.lanes == 16 else 4

    @property
    def strips(self) -> int:
        return -(-self.queries // self.strip)

    def key_block(self, most: int) -> int:
        """Keys of a block, a multiple of a strip: blocks of about one size, at most `most`."""
        count = -(-self.keys // most)
        return -(-self.keys // (count * self.strip)) * self.strip

    @property
    def pairs(self) -> int:
        """Pairs of query and key that meet, of one head."""
        return pairs(self.queries, self.keys, self.causal)


class AttentionText(PanelText):
    """Text of kernels of attention."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__(dtypes.float32, sizes.lanes)
        self.sizes = sizes

    # --- numbers ---

    def number(self, value: float) -> str:
        """A vector of one constant."""
        return self.literal(value, dtypes.float32, True)

    def fma(self, a: str, b: str, c: str) -> str:
        name = f"llvm.fma.{self.suffix(self.kind, True)}"
        return self.intrinsic(self.wide, name, *[(self.wide, x) for x in (a, b, c)])

    def greater(self, a: str, b: str) -> str:
        """The greater of two; of NaN in a, b."""
        first = self.assign(f"fcmp ogt {self.wide} {a}, {b}")
        return self.select(first, a, b)

    def select(self, flags: str, a: str, b: str) -> str:
        kind = self.vector("i1", True)
        return self.assign(f"select {kind} {flags}, {self.wide} {a}, {self.wide} {b}")

    def power(self, x: str) -> str:
        """2^x, at most 1 ulp from it."""
        x = self.greater(self.number(LEAST), x)
        shifted = self.assign(f"fadd {self.wide} {x}, {self.number(MAGIC)}")
        whole = self.assign(f"fsub {self.wide} {shifted}, {self.number(MAGIC)}")
        rest = self.assign(f"fsub {self.wide} {x}, {whole}")
        result = self.number(POWER[0])
        for coefficient in POWER[1:]:
            result = self.fma(result, rest, self.number(coefficient))
        values = [Value(text, self.dtype, True) for text in (result, whole)]
        return self.scale(*values).text

    def vector_at(self, base: str, number: int) -> str:
        """Pointer to a vector of those that lie one behind the other."""
        return self.pointer(base, number * self.lanes) if number else base

    def read(self, pointer: str) -> str:
        return self.run_of(pointer, self.lanes)

    def write(self, vector: str, pointer: str) -> None:
        self.put_run(vector, pointer, self.lanes)

    def spread_at(self, pointer: str) -> str:
        """One element in all lanes."""
        return self.splat(self.assign(f"load {self.kind}, ptr {pointer}"), self.kind)

    def fill(self, pointer: str, value: float, vectors: int) -> None:
        for j in range(vectors):
            self.write(self.number(value), self.vector_at(pointer, j))

    def room(self, elements: int) -> str:
        """Memory of the function's own."""
        return self.assign(f"alloca [{elements} x {self.kind}], align 64")

    # --- tiles of products ---

    def runs(self, columns: int) -> list[int]:
        """The live lanes of each vector of a row of so many columns."""
        return [min(self.lanes, columns - j) for j in range(0, columns, self.lanes)]

    def products(
        self,
        rows: int,
        runs: Sequence[int],
        steps: tuple[int, int, int],
        start: Tile | None = None,
        before: str = "start",
    ) -> Tile:
        """Σ_k a[k]·b[k] for k = 0 … %count − 1, added to `start`, as names of registers.

        steps: elements from row to row of a, from k to k + 1 in a, and in b. before: the label of
        the code so far.
        """
        row, step, depth = steps
        places = [(i, j) for i in range(rows) for j in range(len(runs))]
        self.put("br label %head")
        self.label("head")
        self.put(f"%k = phi i64 [ 0, %{before} ], [ %next, %body ]")
        for i, j in places:
            first = start[i, j] if start else "zeroinitializer"
            self.put(f"%s{i}_{j} = phi {self.wide} [ {first}, %{before} ], [ %n{i}_{j}, %body ]")
        self.put("%more = icmp slt i64 %k, %count")
        self.put("br i1 %more, label %body, label %exit")
        self.label("body")
        b = self.pointer("%b", self.assign(f"mul nsw i64 %k, {depth}"))
        right = [self.run_of(self.vector_at(b, j), live) for j, live in enumerate(runs)]
        a = self.pointer("%a", self.assign(f"mul nsw i64 %k, {step}"))
        for i in range(rows):
            left = self.spread_at(self.pointer(a, i * row))
            for j in range(len(runs)):
                typed = [(self.wide, text) for text in (left, right[j], f"%s{i}_{j}")]
                name = f"llvm.fma.{self.suffix(self.kind, True)}"
                self.put(f"%n{i}_{j} = {self.call(self.wide, name, *typed)}")
        self.put("%next = add nsw i64 %k, 1")
        self.put("br label %head")
        self.label("exit")
        return {(i, j): f"%s{i}_{j}" for i, j in places}

    def begun(self, rows: int, runs: Sequence[int], row: int, flag: str, factors: str = "") -> Tile:
        """Zeros, or if `flag` holds what c has, row by row times `factors`; the label is %fresh."""
        places = [(i, j) for i in range(rows) for j in range(len(runs))]
        self.put(f"br i1 {flag}, label %more_of, label %fresh")
        self.label("more_of")
        found: Tile = {}
        for i, j in places:
            one = self.run_of(self.pointer("%c", i * row + j * self.lanes), runs[j])
            if factors:
                factor = self.spread_at(self.pointer(factors, i))
                one = self.assign(f"fmul {self.wide} {one}, {factor}")
            found[i, j] = one
        self.put("br label %fresh")
        self.label("fresh")
        for place, one in found.items():
            found[place] = self.assign(
                f"phi {self.wide} [ zeroinitializer, %start ], [ {one}, %more_of ]"
            )
        return found

    def put_tile(self, tile: Tile, runs: Sequence[int], row: int) -> None:
        for (i, j), text in tile.items():
            self.put_run(text, self.pointer("%c", i * row + j * self.lanes), runs[j])

    def scores_tile(self, rows: int, step: int, mask: Mask | None, key_step: int) -> Tile:
        """Keys times queries, added to the mask if there is one, which lies in %c already.

        step, key_step: elements from row to row of %c, and from key to key.
        """
        s = self.sizes
        start = None
        if mask:
            start = {
                (i, j): self.read(self.pointer("%c", i * step + j * self.lanes))
                for i in range(rows)
                for j in range(s.vectors)
            }
        return self.products(rows, [self.lanes] * s.vectors, (key_step, 1, step), start)

    def below_diagonal(self, row: int, vector: int, x: str, hidden: str) -> str:
        """x of a row of a tile, but `hidden` where its key, %ahead of the queries, is unseen."""
        first = self.assign(f"add nsw i64 %ahead, {row}")
        return self.select(self.lanes_that("sge", first, vector), x, hidden)

    # --- strips of queries ---

    def lanes_that(self, compare: str, bound: str, vector: int) -> str:
        """Flags of the lanes of a strip whose number compares so with a bound."""
        numbers = ", ".join(f"i64 {vector * self.lanes + lane}" for lane in range(self.lanes))
        kind = f"<{self.lanes} x i64>"
        return self.assign(f"icmp {compare} {kind} <{numbers}>, {self.splat(bound, 'i64')}")

    def query_rows(self, base: str, first: str, step: int) -> list[str]:
        """Pointers to the rows of a strip's queries; beyond the last query it is taken again."""
        return [
            self.pointer(base, self.assign(f"mul nsw i64 {number}, {step}"))
            for number in self.strip_queries(first)
        ]

    def strip_queries(self, first: str) -> Iterator[str]:
        """The numbers of a strip's queries; beyond the last query it is named again."""
        s = self.sizes
        for lane in range(s.strip):
            number = self.assign(f"add nsw i64 {first}, {lane}") if lane else first
            if s.queries % s.strip:
                number = self.smaller(number, s.queries - 1)
            yield number

    def transposed(self, rows: list[str], width: int, factor: float, goal: str, step: int) -> None:
        """Rows of so many elements as the columns, `step` elements apart, of a panel."""
        whole = width - width % self.lanes
        with self.loop("0", str(whole), self.lanes) as column:
            self.transposed_block(rows, column, self.lanes, factor, goal, step)
        if width > whole:
            self.transposed_block(rows, str(whole), width - whole, factor, goal, step)

    def transposed_block(
        self, rows: list[str], column: str, live: int, factor: float, goal: str, step: int
    ) -> None:
        to = self.pointer(goal, self.assign(f"mul nsw i64 {column}, {step}"))
        for first in range(0, len(rows), self.lanes):
            block = [
                self.run_of(self.pointer(row, column), live)
                for row in rows[first : first + self.lanes]
            ]
            for i, vector in enumerate(self.transpose(block)[:live]):
                if factor != 1:
                    vector = self.assign(f"fmul {self.wide} {vector}, {self.number(factor)}")
                self.write(vector, self.pointer(to, i * step + first))

    # --- masks ---

    def lay_mask(
        self, mask: Mask, base: str, query: str, first: str, last: str, to: str, step: int
    ) -> None:
        """The mask of a strip's queries and the keys first … last − 1, in base 2, key by key.

        first is a multiple of a strip; `to` has `step` elements a key, and one more vector of keys
        than there are.
        """
        s = self.sizes
        if mask.strides[2] == 0:
            with self.loop(first, last) as key:
                at = self.assign(f"mul nsw i64 {key}, {mask.strides[3]}")
                one = self.splat_mask(mask, base, at)
                number = self.assign(f"sub nsw i64 {key}, {first}")
                goal = self.pointer(to, self.assign(f"mul nsw i64 {number}, {step}"))
                for j in range(s.vectors):
                    self.write(one, self.vector_at(goal, j))
            return
        rows = self.mask_rows(mask, base, query)
        rest = s.keys % self.lanes
        whole = self.smaller(last, s.keys - rest)
        with self.loop(first, whole, self.lanes) as key:
            self.mask_block(mask, rows, key, self.lanes, first, to, step)
        if rest:
            with self.where(self.assign(f"icmp sgt i64 {last}, {s.keys - rest}")):
                self.mask_block(mask, rows, str(s.keys - rest), rest, first, to, step)

    def mask_rows(self, mask: Mask, base: str, query: str) -> list[str]:
        """Where the queries of a strip have their masks, as numbers of elements."""
        return [
            self.mask_pointer(mask, base, self.assign(f"mul nsw i64 {number}, {mask.strides[2]}"))
            for number in self.strip_queries(query)
        ]

    def mask_pointer(self, mask: Mask, base: str, at: str) -> str:
        kind = "i8" if mask.dtype == dtypes.bool_ else self.kind
        return self.assign(f"getelementptr inbounds {kind}, ptr {base}, i64 {at}")

    def mask_block(
        self,
        mask: Mask,
        rows: list[str],
        key: str,
        live: int,
        first: str,
        to: str,
        step: int,
    ) -> None:
        """Those of some keys, of each row a run, transposed."""
        s = self.sizes
        number = self.assign(f"sub nsw i64 {key}, {first}")
        goal = self.pointer(to, self.assign(f"mul nsw i64 {number}, {step}"))
        for j in range(s.vectors):
            part = rows[j * self.lanes : (j + 1) * self.lanes]
            block = [self.mask_run(mask, self.mask_pointer(mask, row, key), live) for row in part]
            for i, vector in enumerate(self.transpose(block)[:live]):
                self.write(vector, self.pointer(goal, i * step + j * self.lanes))

    def mask_run(self, mask: Mask, pointer: str, live: int) -> str:
        """What neighbouring keys add to the scores."""
        if mask.dtype != dtypes.bool_:
            return self.assign(
                f"fmul {self.wide} {self.run_of(pointer, live)}, {self.number(LOG2_E)}"
            )
        kind = self.vector("i8", True)
        if live == self.lanes:
            found = self.assign(f"load {kind}, ptr {pointer}, align 1")
        else:
            found = self.intrinsic(
                kind, f"llvm.masked.load.{self.suffix('i8', True)}.p0", ("ptr", pointer),
                ("i32", "1"), self.mask(live), (kind, "zeroinitializer"),
            )  # fmt: skip
        flags = self.assign(f"icmp ne {kind} {found}, zeroinitializer")
        return self.select(flags, "zeroinitializer", self.number(-math.inf))

    def some_not(self, flags: str, live: int) -> str:
        """Whether one of the first flags is not set."""
        kind, alive = self.mask(live)
        left = self.assign(f"xor {kind} {flags}, splat (i1 true)")
        left = self.assign(f"and {kind} {left}, {alive}")
        return self.intrinsic("i1", f"llvm.vector.reduce.or.v{self.lanes}i1", (kind, left))

    def keys_seen(self, mask: Mask, base: str) -> str:
        """Behind the last key that a mask repeated for all queries shows, in whole strips."""
        s = self.sizes
        place = self.assign("alloca i64")
        self.put(f"store i64 {s.strip}, ptr {place}")

        def look(key: str, live: int, end: str) -> None:
            added = self.mask_run(mask, self.mask_pointer(mask, base, key), live)
            hidden = self.assign(f"fcmp oeq {self.wide} {added}, {self.number(-math.inf)}")
            with self.where(self.some_not(hidden, live)):
                self.put(f"store i64 {end}, ptr {place}")

        rest = s.keys % self.lanes
        with self.loop("0", str(s.keys - rest), self.lanes) as key:
            look(key, self.lanes, self.assign(f"add nsw i64 {key}, {self.lanes + s.strip - 1}"))
        if rest:
            look(str(s.keys - rest), rest, str(s.keys + s.strip - 1))
        found = self.multiple_below(self.assign(f"load i64, ptr {place}"), s.strip)
        return self.smaller(found, s.keys)

    def splat_mask(self, mask: Mask, base: str, at: str) -> str:
        pointer = self.mask_pointer(mask, base, at)
        if mask.dtype != dtypes.bool_:
            text = f"fmul {self.wide} {self.spread_at(pointer)}, {self.number(LOG2_E)}"
            return self.assign(text)
        found = self.assign(f"load i8, ptr {pointer}, align 1")
        flag = self.assign(f"icmp ne i8 {found}, 0")
        return self.splat(
            self.assign(f"select i1 {flag}, {self.kind} 0.0, {self.kind} {NOTHING}"), self.kind
        )
