"""The gradient of a convolution for its weights, with the channels innermost.

For every tap it is a matrix product of the input's channels by the result's along all pixels. A
tile of input × output channels stays in registers while a block of pixels runs, small enough that
the second cache holds it for all tiles. Parts of the batch have sums of their own; `Gathering` adds
them up in order and brings them to the weights' order of axes.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from neurona.compiler.ir.sizes import is_plain
from neurona.compiler.machine.convolution import Axis
from neurona.compiler.machine.pack import PanelText, even_chunks
from neurona.core.dtypes import DType

PIXELS = 1024
"""Pixels of a block, about: what it adds to the sums is to cost little more than its products."""
PARTIAL = 1 << 23
"""Bytes that the sums of all parts of the batch may have."""
PARTS = 8
"""Parts, of the batch and of the channels together, into which the work is cut."""
CHUNK_ELEMENTS = 1 << 14


@dataclass(frozen=True)
class WeightGradient:
    """Sums (parts, groups, inputs, taps, outputs) from x and g = (batch, *results, channels).

    axes: those of the forward pass. x_strides: of groups, batch, spatial axes and channels.
    """

    kind: ClassVar[str] = "convolution"
    batch: int
    groups: int
    axes: tuple[Axis, ...]
    inputs: int
    outputs: int
    x_strides: tuple[int, ...]
    x_offset: int
    g_offset: int
    dtype: DType
    lanes: int

    @property
    def nr(self) -> int:
        return self.lanes * (1 if self.outputs <= self.lanes else 2)

    @property
    def panels(self) -> int:
        return -(-self.outputs // self.nr)

    @property
    def mr(self) -> int:
        """Input channels of a tile, spread evenly."""
        most = ((32 if self.lanes * self.dtype.itemsize == 64 else 16) - 4) // 2
        return -(-self.inputs // -(-self.inputs // most))

    @property
    def tiles(self) -> int:
        return -(-self.inputs // self.mr)

    @property
    def taps(self) -> int:
        return math.prod(axis.taps for axis in self.axes)

    @property
    def pixels(self) -> int:
        return math.prod(axis.results for axis in self.axes)

    @property
    def sums(self) -> int:
        """Elements of one part's sums."""
        return self.groups * self.inputs * self.taps * self.outputs

    @property
    def most_parts(self) -> int:
        return max(1, min(PARTS, PARTIAL // (self.sums * self.dtype.itemsize)))

    @property
    def batch_parts(self) -> int:
        """Into how many parts the batch is cut, each with sums of its own."""
        return self.most_parts if not is_plain(self.batch) else min(self.most_parts, self.batch)

    @property
    def row_parts(self) -> int:
        """Into how many parts the rows along the first axis are cut where the batch is small."""
        if len(self.axes) == 1:
            return 1
        return min(self.axes[0].results, self.most_parts // self.batch_parts)

    @property
    def parts(self) -> int:
        return self.batch_parts * self.row_parts

    @property
    def cuts(self) -> tuple[int, int]:
        """Into how many parts the tiles and panels are cut."""
        wanted = max(1, PARTS // (self.parts * self.groups))
        rows = min(self.tiles, wanted)
        return rows, min(self.panels, -(-wanted // rows))

    @property
    def chunks(self) -> int:
        return self.parts * self.groups * math.prod(self.cuts)

    @property
    def block(self) -> tuple[int, int]:
        """Samples, and rows along the first axis, of a block of pixels."""
        first = self.axes[0].results
        if self.pixels <= 2 * PIXELS or len(self.axes) == 1:
            return max(1, PIXELS // self.pixels), first
        return 1, max(1, PIXELS * first // self.pixels)

    @property
    def flops(self) -> int:
        return 2 * self.sums * self.pixels * self.batch

    def text(self) -> str:
        return WeightGradientEmitter(self).run()


class WeightGradientEmitter(PanelText):
    """LLVM IR: table (x, g, sums)."""

    def __init__(self, gradient: WeightGradient) -> None:
        super().__init__(gradient.dtype, gradient.lanes)
        self.of = gradient
        results = [axis.results for axis in gradient.axes]
        channels = gradient.groups * gradient.outputs
        self.g_steps = [channels * math.prod(results[i:]) for i in range(len(results) + 1)]
        self.functions: dict[object, str] = {}

    def run(self) -> str:
        of = self.of
        rows, columns = of.cuts
        with self.function("void @kernel(ptr %table, i64 %first, i64 %last)"):
            x, g, sums = self.table(3)
            x, g = self.pointer(x, of.x_offset), self.pointer(g, of.g_offset)
            with self.loop("%first", "%last") as chunk:
                rest, column = self.split(chunk, columns)
                rest, row = self.split(rest, rows)
                part, group = self.split(rest, of.groups)
                samples_part, rows_part = self.split(part, of.row_parts)
                tiles = self.span(row, rows, of.tiles)
                panels = self.span(column, columns, of.panels)
                samples = self.span(samples_part, of.batch_parts, of.batch)
                lines = self.span(rows_part, of.row_parts, of.axes[0].results)
                place = self.moved((part, of.sums), (group, of.sums // of.groups))
                x = self.pointer(x, self.moved((group, of.x_strides[0])))
                g = self.pointer(g, self.moved((group, of.outputs)))
                self.blocks(samples, lines, tiles, panels, x, g, self.pointer(sums, place))
        return "\n".join([*self.finished, *sorted(self.declarations)])

    def split(self, number: str, count: int) -> tuple[str, str]:
        if count == 1:
            return number, "0"
        return self.assign(f"sdiv i64 {number}, {count}"), self.assign(
            f"srem i64 {number}, {count}"
        )

    def blocks(
        self,
        samples: tuple[str, str],
        lines: tuple[str, str],
        tiles: tuple[str, str],
        panels: tuple[str, str],
        x: str,
        g: str,
        sums: str,
    ) -> None:
        """Add block after block of pixels to some tiles of all taps' sums."""
        of = self.of
        images, rows = of.block
        with self.loop(*samples, images) as sample:
            end = self.smaller(self.assign(f"add nsw i64 {sample}, {images}"), samples[1])
            count = self.assign(f"sub nsw i64 {end}, {sample}")
            inside_x = self.pointer(x, self.moved((sample, of.x_strides[1])))
            inside_g = self.pointer(g, self.moved((sample, self.g_steps[0])))
            begun = self.assign(f"icmp ne i64 {sample}, {samples[0]}")
            with self.loop(*lines, rows) as row:
                stop = self.smaller(self.assign(f"add nsw i64 {row}, {rows}"), lines[1])
                later = self.assign(f"icmp ne i64 {row}, {lines[0]}")
                more = self.assign(f"or i1 {begun}, {later}")
                for number, taps in enumerate(itertools.product(*[range(a.taps) for a in of.axes])):
                    ranges = self.ranges(taps, row, stop)
                    there = self.pointer(sums, number * of.outputs)
                    self.tap(
                        taps[-1],
                        ranges,
                        count,
                        more,
                        tiles,
                        panels,
                        inside_x,
                        inside_g,
                        there,
                        taps,
                    )

    def ranges(self, taps: Sequence[int], row: str, stop: str) -> list[tuple[str, str]]:
        """Which results along each outer axis a tap contributes to, of rows row … stop − 1."""
        found = []
        for i, (axis, tap) in enumerate(zip(self.of.axes[:-1], taps, strict=False)):
            low, high = live(axis, tap)
            if i:
                found.append((str(low), str(high)))
            else:
                found.append((self.larger(row, low), self.smaller(stop, high)))
        return found

    def larger(self, a: str, b: int) -> str:
        return self.intrinsic("i64", "llvm.smax.i64", ("i64", a), ("i64", str(b)))

    def tap(
        self,
        inner: int,
        ranges: list[tuple[str, str]],
        count: str,
        more: str,
        tiles: tuple[str, str],
        panels: tuple[str, str],
        x: str,
        g: str,
        sums: str,
        taps: Sequence[int],
    ) -> None:
        """All tiles of one tap. `sums` is where its first row is."""
        of = self.of
        for i, (axis, tap) in enumerate(zip(of.axes[:-1], taps, strict=False)):
            x = self.assign(
                f"getelementptr {self.kind}, ptr {x}, "
                f"i64 {(axis.tap * tap + axis.shift) * of.x_strides[2 + i]}"
            )
        numbers = [f"i64 {n}" for pair in ranges for n in pair]
        for columns, panel_range in self.parts_of(panels, of.outputs, of.nr):
            with self.loop(*panel_range) as panel:
                at = self.assign(f"mul nsw i64 {panel}, {of.nr}")
                right, column = self.pointer(g, at), self.pointer(sums, at)
                for channels, tile_range in self.parts_of(tiles, of.inputs, of.mr):
                    name = self.tile(inner, channels, columns)
                    with self.loop(*tile_range) as tile:
                        channel = self.assign(f"mul nsw i64 {tile}, {of.mr}")
                        left = self.pointer(x, self.moved((channel, of.x_strides[-1])))
                        goal = self.pointer(column, self.moved((channel, of.taps * of.outputs)))
                        arguments = [f"ptr {left}", f"ptr {right}", f"ptr {goal}", f"i64 {count}"]
                        self.call_own(name, *arguments, f"i1 {more}", *numbers)

    def parts_of(
        self, wanted: tuple[str, str], size: int, width: int
    ) -> list[tuple[int, tuple[str, str]]]:
        """The whole ones among some tiles, and the last one if it is smaller."""
        full, rest = divmod(size, width)
        parts = []
        if full:
            parts.append((width, (wanted[0], self.smaller(wanted[1], full))))
        if rest:
            parts.append((rest, (self.larger(wanted[0], full), wanted[1])))
        return parts

    # --- one tile ---

    def tile(self, inner: int, channels: int, columns: int) -> str:
        key = (inner, channels, columns)
        if key not in self.functions:
            name = self.functions[key] = f"@tile{len(self.functions)}"
            outer = range(len(self.of.axes) - 1)
            numbers = "".join(f", i64 %low{i}, i64 %high{i}" for i in outer)
            arguments = "ptr noalias %x, ptr noalias %g, ptr noalias %s, i64 %count, i1 %more"
            with self.function(f"internal void {name}({arguments}{numbers})"):
                self.products(inner, channels, columns)
        return self.functions[key]

    def products(self, inner: int, channels: int, columns: int) -> None:
        of = self.of
        vectors = range(-(-columns // self.lanes))
        sums = {(i, j): self.fresh("sum") for i in range(channels) for j in vectors}
        for place in sums.values():
            self.put(f"{place} = alloca {self.wide}")
        for place in sums.values():
            self.put(f"store {self.wide} zeroinitializer, ptr {place}")
        axis = of.axes[-1]
        low, high = live(axis, inner)
        loops = [("0", "%count")] + [(f"%low{i}", f"%high{i}") for i in range(len(of.axes) - 1)]
        steps = [1, *[outer.step for outer in of.axes]]
        self.nest([*loops, (str(low), str(high))], steps, [], inner, sums, columns)
        row = of.taps * of.outputs
        for (i, j), place in sums.items():
            width = min(self.lanes, columns - j * self.lanes)
            to = self.pointer("%s", i * row + j * self.lanes)
            before = self.run_of(to, width)
            before = self.assign(
                f"select i1 %more, {self.wide} {before}, {self.wide} zeroinitializer"
            )
            total = self.assign(f"load {self.wide}, ptr {place}")
            self.put_run(self.assign(f"fadd {self.wide} {before}, {total}"), to, width)

    def nest(
        self,
        loops: list[tuple[str, str]],
        steps: list[int],
        places: list[str],
        inner: int,
        sums: dict[tuple[int, int], str],
        columns: int,
    ) -> None:
        """Loops over samples and pixels around the products of one pixel."""
        of = self.of
        if loops:
            with self.loop(*loops[0]) as place:
                self.nest(loops[1:], steps, [*places, place], inner, sums, columns)
            return
        axis = of.axes[-1]
        strides = [stride * step for stride, step in zip(of.x_strides[1:-1], steps, strict=True)]
        x = self.pointer("%x", self.moved(*zip(places, strides, strict=True)))
        x = self.pointer(x, (axis.tap * inner + axis.shift) * of.x_strides[-2])
        g = self.pointer("%g", self.moved(*zip(places, self.g_steps, strict=True)))
        rights = [
            self.run_of(self.pointer(g, first), min(self.lanes, columns - first))
            for first in range(0, columns, self.lanes)
        ]
        for (i, j), place in sums.items():
            if not j:
                pointer = self.pointer(x, i * of.x_strides[-1])
                one = self.splat(self.assign(f"load {self.kind}, ptr {pointer}"), self.kind)
            total = self.assign(f"load {self.wide}, ptr {place}")
            typed = [(self.wide, text) for text in (one, rights[j], total)]
            name = f"llvm.fma.{self.suffix(self.kind, True)}"
            self.put(f"store {self.wide} {self.intrinsic(self.wide, name, *typed)}, ptr {place}")


def live(axis: Axis, tap: int) -> tuple[int, int]:
    """The results to which a tap of a forward axis contributes: the first, and after the last."""
    start = axis.tap * tap + axis.shift
    low = min(axis.results, max(0, -(start // axis.step)))
    high = min(axis.results, -((start - axis.inputs) // axis.step))
    return low, max(low, high)


@dataclass(frozen=True)
class Gathering:
    """(parts, groups, rows, columns) summed over the parts, as (groups, columns, rows)."""

    kind: ClassVar[str] = "transposition"
    parts: int
    groups: int
    rows: int
    columns: int
    dtype: DType
    lanes: int

    @functools.cached_property
    def blocks(self) -> int:
        """Vectors of columns of all groups."""
        return self.groups * -(-self.columns // self.lanes)

    @property
    def chunks(self) -> int:
        elements = self.groups * self.rows * self.columns
        return even_chunks(self.blocks, max(1, min(64, elements // CHUNK_ELEMENTS)))

    @property
    def flops(self) -> int:
        return self.parts * self.groups * self.rows * self.columns

    def text(self) -> str:
        return GatheringEmitter(self).run()


class GatheringEmitter(PanelText):
    """LLVM IR: table (sums of the parts, result); blocks are transposed in registers."""

    def __init__(self, gathering: Gathering) -> None:
        super().__init__(gathering.dtype, gathering.lanes)
        self.of = gathering

    def run(self) -> str:
        of = self.of
        width = -(-of.columns // of.lanes)
        with self.function("void @kernel(ptr %table, i64 %first, i64 %last)"):
            source, goal = self.table(2)
            with self.loop(*self.part_of_chunks(of.blocks, of.chunks)) as block:
                group = self.assign(f"sdiv i64 {block}, {width}")
                column = self.assign(
                    f"mul i64 {self.assign(f'srem i64 {block}, {width}')}, {of.lanes}"
                )
                size = of.rows * of.columns
                start = self.assign(f"mul i64 {group}, {size}")
                there = self.pointer(self.pointer(source, start), column)
                at = self.assign(f"mul i64 {column}, {of.rows}")
                to = self.pointer(self.pointer(goal, start), at)
                full, rest = divmod(of.columns, of.lanes)
                last = self.assign(f"icmp eq i64 {column}, {full * of.lanes}")
                if full:
                    whole = self.assign(f"xor i1 {last}, true")
                    with self.where(whole):
                        self.column(there, to, of.lanes)
                if rest:
                    with self.where(last):
                        self.column(there, to, rest)
        return "\n".join([*self.finished, *sorted(self.declarations)])

    def column(self, source: str, goal: str, columns: int) -> None:
        """All rows of `columns` neighbouring columns."""
        of = self.of
        whole, rest = of.rows // of.lanes * of.lanes, of.rows % of.lanes
        with self.loop("0", str(whole), of.lanes) as row:
            self.block(source, goal, row, of.lanes, columns)
        if rest:
            self.block(source, goal, str(whole), rest, columns)

    def block(self, source: str, goal: str, row: str, rows: int, columns: int) -> None:
        of = self.of
        there = self.pointer(source, self.assign(f"mul i64 {row}, {of.columns}"))
        vectors = []
        for i in range(of.lanes):
            if i >= rows:
                vectors.append("zeroinitializer")
                continue
            total = self.run_of(self.pointer(there, i * of.columns), columns)
            for part in range(1, of.parts):
                at = part * of.groups * of.rows * of.columns + i * of.columns
                one = self.run_of(self.pointer(there, at), columns)
                total = self.assign(f"fadd {self.wide} {total}, {one}")
            vectors.append(total)
        for j, vector in enumerate(self.transpose(vectors)[:columns]):
            to = self.pointer(self.pointer(goal, row), j * of.rows)
            self.put_run(vector, to, rows)
