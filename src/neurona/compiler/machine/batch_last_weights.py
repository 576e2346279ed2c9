"""The weight gradient of a convolution with the batch as the innermost axis.

A weight's gradient is a sum over places and batch of the result's gradient times the data that the
tap meets. Vectors lie along the batch, whose lanes have sums of their own: a tile of several result
channels by several taps (side by side along the last axis, of one or more data channels) stays in
registers while places and batch run; the lanes are added up at the end. Where the places are cut
into blocks, each block leaves sums of its own, to be added up in order. Chunks are blocks by rows
of tiles.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

from neurona.compiler.ir.sizes import is_plain, plain, typical
from neurona.compiler.machine.batch_last import BatchText
from neurona.core.dtypes import DType

CHUNK_FLOPS = 1 << 20
"""Arithmetic that makes a chunk of its own worth while."""
CHUNKS = 32
"""Chunks of long work."""
BLOCK = 1 << 19
"""Bytes of data and gradients that a block reads again and again: half of the second cache."""
MOST = 8
"""Taps side by side in a tile."""


@dataclass(frozen=True)
class Tap:
    """One axis of a convolution: `size` places of data, `out` of results."""

    size: int
    kernel: int
    stride: int
    low: int
    dilation: int
    out: int

    def places(self, tap: int) -> tuple[int, int]:
        """The places of results at which a tap meets data: the first, and after the last."""
        shift = tap * self.dilation - self.low
        first = max(0, -(shift // self.stride))
        return first, max(first, min(self.out, -(-(self.size - shift) // self.stride)))

    def segments(self, start: int, stop: int) -> Iterator[tuple[int, int, list[int]]]:
        """Runs of places at which the same of the taps start … stop − 1 meet data."""
        ranges = {tap: self.places(tap) for tap in range(start, stop)}

        def taps(place: int) -> list[int]:
            return [tap for tap, (low, high) in ranges.items() if low <= place < high]

        for live, run in itertools.groupby(range(self.out), taps):
            places = list(run)
            if live:
                yield places[0], places[-1] + 1, live


@dataclass(frozen=True)
class WeightSums:
    """dw[g·rows + i, j, tap] = Σ dy[g·rows + i, place, b]·x[g·terms + j, data, b].

    data_strides: of the channels and the spatial axes of x, slopes: those of dy, both with a
    contiguous batch; in elements. The result is contiguous.
    """

    kind: ClassVar[str] = "convolution"
    groups: int
    rows: int
    terms: int
    batch: int
    axes: tuple[Tap, ...]
    data_strides: tuple[int, ...]
    data_offset: int
    slope_strides: tuple[int, ...]
    slope_offset: int
    dtype: DType
    lanes: int

    @property
    def kernel(self) -> int:
        return math.prod(axis.kernel for axis in self.axes)

    @property
    def size(self) -> int:
        """Elements of the result."""
        return self.groups * self.rows * self.terms * self.kernel

    @functools.cached_property
    def tile(self) -> tuple[int, int, int]:
        """Rows, terms, and taps along the last axis, of the tile whose steps take least time."""
        registers = 32 if self.lanes * self.dtype.itemsize == 64 else 16
        last = self.axes[-1].kernel
        best, chosen = math.inf, (1, 1, 1)
        for parts in range(-(-last // MOST), last + 1):
            taps = -(-last // parts)
            for rows in range(1, min(self.rows, registers) + 1):
                for terms in range(1, min(self.terms, MOST) + 1):
                    columns = terms * taps
                    if rows * columns + min(rows, columns) + 1 > registers:
                        continue
                    time = sum(
                        a * b * c * _step(height, width, run)
                        for a, height in ((self.rows // rows, rows), (1, self.rows % rows))
                        for b, width in ((self.terms // terms, terms), (1, self.terms % terms))
                        for c, run in ((last // taps, taps), (1, last % taps))
                    )
                    if time < best:
                        best, chosen = time, (rows, terms, taps)
        return chosen

    @property
    def row_tiles(self) -> int:
        return self.groups * -(-self.rows // self.tile[0])

    @property
    def wanted(self) -> int:
        """Chunks that the work is worth."""
        return max(1, min(CHUNKS, plain(self.flops) // CHUNK_FLOPS))

    @property
    def blocks(self) -> int:
        """Into how many blocks the places along the first axis are cut."""
        results = self.rows * math.prod(axis.out for axis in self.axes)
        data = self.terms * math.prod(axis.size for axis in self.axes)
        nbytes = (results + data) * self.groups * typical(self.batch) * self.dtype.itemsize
        blocks = max(-(-nbytes // BLOCK), -(-self.wanted // self.row_tiles))
        return min(blocks, self.axes[0].out)

    @property
    def parts(self) -> int:
        """Into how many parts the rows of tiles are cut."""
        return min(self.row_tiles, -(-self.wanted // self.blocks))

    @property
    def chunks(self) -> int:
        return self.blocks * self.parts

    @property
    def flops(self) -> int:
        taps = math.prod(
            sum(high - low for low, high in map(axis.places, range(axis.kernel)))
            for axis in self.axes
        )
        return 2 * self.groups * self.rows * self.terms * taps * self.batch

    def text(self) -> str:
        return WeightEmitter(self).run()


def _step(rows: int, terms: int, taps: int) -> float:
    """Cycles of a step: a multiplication a cycle, each four cycles long, and a load a cycle.

    The data of all taps but one was there at the last place; the rest comes from the second cache.
    """
    columns = terms * taps
    fresh = (rows + terms) / 2
    return max(rows * columns, rows + columns, 4) + fresh + 1 if rows and columns else 0


class WeightEmitter(BatchText):
    """LLVM IR of `WeightSums`: table (data, slopes, sums of the blocks)."""

    def __init__(self, sums: WeightSums) -> None:
        super().__init__(sums.dtype, sums.lanes)
        self.sums = sums
        self.tiles: set[str] = set()

    def run(self) -> str:
        s = self.sums
        for i, axis in enumerate(s.axes):
            self.numbers(f"@places{i}", [n for tap in range(axis.kernel) for n in axis.places(tap)])
        with self.function("void @kernel(ptr %table, i64 %first, i64 %last)"):
            x, slopes, goal = self.table(3)
            x, slopes = self.pointer(x, s.data_offset), self.pointer(slopes, s.slope_offset)
            with self.loop("%first", "%last") as chunk:
                block = self.assign(f"udiv i64 {chunk}, {s.parts}")
                part = self.assign(f"urem i64 {chunk}, {s.parts}")
                ends = self.share(block, s.blocks, s.axes[0].out)
                own = self.pointer(goal, self.times(block, s.size))
                with self.loop(*self.share(part, s.parts, s.row_tiles)) as tile:
                    self.row_of_tiles(tile, x, slopes, own, ends)
        return "\n".join([*self.finished, *sorted(self.declarations)])

    def share(self, part: str, parts: int, count: int) -> tuple[str, str]:
        """The start and stop of one of `parts` even parts of `count`."""
        following = self.assign(f"add i64 {part}, 1")
        first, last = (
            self.assign(f"udiv i64 {self.times(i, count)}, {parts}") for i in (part, following)
        )
        return first, last

    def row_of_tiles(
        self, tile: str, x: str, slopes: str, goal: str, ends: tuple[str, str]
    ) -> None:
        """Tiles of the same rows, at one block of places."""
        s = self.sums
        height = s.tile[0]
        tiles = -(-s.rows // height)
        group = self.assign(f"udiv i64 {tile}, {tiles}")
        number = self.assign(f"urem i64 {tile}, {tiles}")
        row = self.assign(f"add i64 {self.times(group, s.rows)}, {self.times(number, height)}")
        x = self.pointer(x, self.times(group, s.terms * s.data_strides[0]))
        slopes = self.pointer(slopes, self.times(row, s.slope_strides[0]))
        goal = self.pointer(goal, self.times(row, s.terms * s.kernel))
        whole, rest = divmod(s.rows, height)
        full = self.assign(f"icmp ult i64 {number}, {whole}")
        if whole:
            with self.where(full):
                self.terms_of(height, x, slopes, goal, ends)
        if rest:
            with self.where(self.assign(f"xor i1 {full}, true")):
                self.terms_of(rest, x, slopes, goal, ends)

    def terms_of(self, rows: int, x: str, slopes: str, goal: str, ends: tuple[str, str]) -> None:
        """Tiles of `rows` rows and all terms and taps."""
        s = self.sums
        width = s.tile[1]
        whole = s.terms - s.terms % width
        for terms, start, stop in ((width, 0, whole), (s.terms - whole, whole, s.terms)):
            if start == stop:
                continue
            with self.loop(str(start), str(stop), terms) as term:
                data = self.pointer(x, self.times(term, s.data_strides[0]))
                to = self.pointer(goal, self.times(term, s.kernel))
                with self.outer_taps(0, data, to, []) as (data, to, ranges):
                    if len(s.axes) == 1:
                        ranges = [ends]
                    else:
                        ranges[0] = self.narrower(ranges[0], ends)
                    arguments = [f"i64 {end}" for pair in ranges for end in pair]
                    pointers = [f"ptr {data}", f"ptr {slopes}", f"ptr {to}"]
                    last, run = s.axes[-1].kernel, s.tile[2]
                    for first in range(0, last, run):
                        name = self.tile(rows, terms, first, min(first + run, last))
                        self.call_own(name, *pointers, *arguments)

    @contextmanager
    def outer_taps(
        self, axis: int, x: str, goal: str, ranges: list[tuple[str, str]]
    ) -> Iterator[tuple[str, str, list[tuple[str, str]]]]:
        """Loops over the taps of all axes but the last, with the places at which they count."""
        s = self.sums
        if axis == len(s.axes) - 1:
            yield x, goal, ranges
            return
        here = s.axes[axis]
        with self.loop("0", str(here.kernel)) as tap:
            entry = self.assign(f"getelementptr [2 x i64], ptr @places{axis}, i64 {tap}")
            last = self.assign(f"getelementptr i64, ptr {entry}, i64 1")
            found = self.assign(f"load i64, ptr {entry}"), self.assign(f"load i64, ptr {last}")
            shift = self.assign(f"sub i64 {self.times(tap, here.dilation)}, {here.low}")
            data = self.pointer(x, self.times(shift, s.data_strides[1 + axis]))
            inner = math.prod(other.kernel for other in s.axes[axis + 1 :])
            to = self.pointer(goal, self.times(tap, inner))
            with self.outer_taps(axis + 1, data, to, [*ranges, found]) as deeper:
                yield deeper

    def narrower(self, a: tuple[str, str], b: tuple[str, str]) -> tuple[str, str]:
        start = self.intrinsic("i64", "llvm.smax.i64", ("i64", a[0]), ("i64", b[0]))
        return start, self.smaller(a[1], b[1])

    # --- one tile ---

    def tile(self, rows: int, terms: int, start: int, stop: int) -> str:
        """The function of a tile with the taps start … stop − 1 along the last axis."""
        s = self.sums
        name = f"@tile_{rows}_{terms}_{start}_{stop}"
        if name in self.tiles:
            return name
        self.tiles.add(name)
        limits = max(1, len(s.axes) - 1)
        arguments = ["ptr noalias %x", "ptr noalias %slopes", "ptr noalias %goal"]
        arguments += [f"i64 %{end}{i}" for i in range(limits) for end in ("start", "stop")]
        with self.function(f"internal void {name}({', '.join(arguments)}) noinline"):
            totals = {
                (i, j, tap): self.fresh("t")
                for i in range(rows) for j in range(terms) for tap in range(start, stop)
            }  # fmt: skip
            for total in totals.values():
                self.put(f"{total} = alloca {self.wide}, align 64")
                self.put(f"store {self.wide} zeroinitializer, ptr {total}")
            with self.outer_places(0, "%x", "%slopes") as (x, slopes):
                for first, last, taps in s.axes[-1].segments(start, stop):
                    live = {key: total for key, total in totals.items() if key[2] in taps}
                    ends = str(first), str(last)
                    if len(s.axes) == 1:
                        ends = self.narrower(ends, ("%start0", "%stop0"))
                    self.segment(live, x, slopes, ends)
            for (i, j, tap), total in totals.items():
                value = self.lane_sum(self.assign(f"load {self.wide}, ptr {total}"))
                to = self.pointer("%goal", (i * s.terms + j) * s.kernel + tap)
                self.put(f"store {self.kind} {value}, ptr {to}")
        return name

    @contextmanager
    def outer_places(self, axis: int, x: str, slopes: str) -> Iterator[tuple[str, str]]:
        """Loops over the places along all axes but the last."""
        s = self.sums
        if axis == len(s.axes) - 1:
            yield x, slopes
            return
        with self.loop(f"%start{axis}", f"%stop{axis}") as place:
            stride = s.axes[axis].stride * s.data_strides[1 + axis]
            data = self.pointer(x, self.times(place, stride))
            slope = self.pointer(slopes, self.times(place, s.slope_strides[1 + axis]))
            with self.outer_places(axis + 1, data, slope) as inner:
                yield inner

    def segment(
        self, live: dict[tuple[int, int, int], str], x: str, slopes: str, ends: tuple[str, str]
    ) -> None:
        """Add up the products of `live` at places along the last axis."""
        s, lanes = self.sums, self.lanes
        last = s.axes[-1]
        with self.loop(*ends) as place:
            shift = self.assign(f"sub i64 {self.times(place, last.stride)}, {last.low}")
            x = self.pointer(x, self.times(shift, s.data_strides[-1]))
            slopes = self.pointer(slopes, self.times(place, s.slope_strides[-1]))
            whole = self.multiple_below(str(s.batch), lanes)
            with self.loop("0", whole, lanes) as first:
                self.step(live, self.pointer(x, first), self.pointer(slopes, first), str(lanes))
            rest = s.batch % lanes if is_plain(s.batch) else None
            if rest:
                self.step(live, self.pointer(x, whole), self.pointer(slopes, whole), str(rest))
            elif rest is None:
                count = self.assign(f"sub i64 {s.batch}, {whole}")
                with self.where(self.assign(f"icmp ne i64 {count}, 0")):
                    self.step(live, self.pointer(x, whole), self.pointer(slopes, whole), count)

    def step(self, live: dict[tuple[int, int, int], str], x: str, slopes: str, count: str) -> None:
        """Add the products of `count` images at one place."""
        s = self.sums
        mask = self.live_mask(count)
        last = s.axes[-1].dilation * s.data_strides[-1]
        data: dict[tuple[int, int], str] = {}
        left: dict[int, str] = {}
        fma = f"llvm.fma.{self.suffix(self.kind, True)}"
        for (i, j, tap), total in live.items():
            if i not in left:
                left[i] = self.load_masked(self.pointer(slopes, i * s.slope_strides[0]), mask)
            if (j, tap) not in data:
                at = j * s.data_strides[0] + tap * last
                data[j, tap] = self.load_masked(self.pointer(x, at), mask)
            old = self.assign(f"load {self.wide}, ptr {total}")
            typed = [(self.wide, text) for text in (left[i], data[j, tap], old)]
            self.put(f"store {self.wide} {self.intrinsic(self.wide, fma, *typed)}, ptr {total}")

    def lane_sum(self, vector: str) -> str:
        """The sum of a vector's lanes, halves by halves."""
        count = self.lanes
        while count > 1:
            half = count // 2
            kind, whole = f"<{half} x {self.kind}>", f"<{count} x {self.kind}>"
            low, high = (
                self.assign(
                    f"shufflevector {whole} {vector}, {whole} poison, <{half} x i32> "
                    f"<{', '.join(f'i32 {lane}' for lane in range(first, first + half))}>"
                )
                for first in (0, half)
            )
            vector, count = self.assign(f"fadd {kind} {low}, {high}"), half
        return self.assign(f"extractelement <1 x {self.kind}> {vector}, i64 0")
