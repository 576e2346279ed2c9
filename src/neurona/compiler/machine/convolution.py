"""Convolution with the channels innermost, as a generated micro-kernel.

A tile of neighbouring pixels × channels of the results stays in registers while taps and input
channels run: each step loads a row of the packed weights and broadcasts the pixels' channel, read
where it lies. Taps that meet the padding are left out: by run-time bounds along the outer axes, by
tiles of their own at the ends of the innermost one. The gradient for the input is of the same form;
where the forward pass has strides its results fall into phases with taps of their own
(Georganas et al., "Anatomy of High-Performance Deep Learning Convolutions on SIMD Architectures",
2018).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from neurona.compiler.ir.sizes import plain
from neurona.compiler.machine.pack import Packing, PanelText, even_chunks
from neurona.core.dtypes import DType

CHUNK_FLOPS = 1 << 21
"""Arithmetic that makes a chunk of its own worth while."""
MAX_CHUNKS = 32
PAGE, WAYS = 4096, 7
"""Pixels a page apart share the lines of the first cache, which keeps so many of them and a row."""


@dataclass(frozen=True)
class Axis:
    """Result o meets input p by tap k where scale·p = step·o + tap·k + shift, 0 ≤ p < inputs."""

    results: int
    inputs: int
    taps: int
    step: int
    scale: int
    tap: int
    shift: int

    def phase(self, first: int) -> list[tuple[int, int]]:
        """The taps of the results first, first + scale, …: each with its input for the first."""
        places = [(k, first + self.tap * k + self.shift) for k in range(self.taps)]
        if self.scale == 1:
            places = [(k, first * self.step + self.tap * k + self.shift) for k in range(self.taps)]
        return [(k, p // self.scale) for k, p in places if p % self.scale == 0]


@dataclass(frozen=True)
class Run:
    """Neighbouring tiles of a phase whose taps meet the same of their pixels.

    Tiles first … last − 1 have `pixels` pixels each; live: for each tap the range of pixels.
    """

    first: int
    last: int
    pixels: int
    live: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Direct:
    """(batch, *results, groups·columns) from x of any strides and packed weights.

    x_strides: of groups, batch, spatial axes and channels. channel_step: from channel to channel of
    the packed weights, in whose panels the rows of a channel's taps lie one after another.
    """

    batch: int
    axes: tuple[Axis, ...]
    channels: int
    columns: int
    x_strides: tuple[int, ...]
    x_offset: int
    weights: Packing
    channel_step: int
    lanes: int

    @property
    def dtype(self) -> DType:
        return self.weights.dtype

    @property
    def groups(self) -> int:
        return self.weights.batch[0]

    @property
    def group_step(self) -> int:
        """From group to group of the packed weights."""
        return self.weights.size // self.groups

    @property
    def nr(self) -> int:
        return self.weights.width

    @property
    def panels(self) -> int:
        return -(-self.columns // self.nr)

    @property
    def registers(self) -> int:
        return 32 if self.lanes * self.dtype.itemsize == 64 else 16

    @property
    def most(self) -> int:
        """Pixels of a tile at most: their sums leave registers for a row of weights."""
        most = (self.registers - 4) // (self.nr // self.lanes)
        apart = self.axes[-1].step * self.x_strides[-2] * self.dtype.itemsize
        return min(most, WAYS) if apart % PAGE == 0 else most

    @property
    def rows(self) -> int:
        """Rows of results, of all groups."""
        return math.prod((self.groups, self.batch, *[axis.results for axis in self.axes[:-1]]))

    @property
    def row_flops(self) -> int:
        taps = math.prod(axis.taps for axis in self.axes)
        scale = math.prod(axis.scale for axis in self.axes)
        return 2 * self.axes[-1].results * self.nr * self.channels * taps // scale

    @functools.cached_property
    def parts(self) -> tuple[int, int]:
        """Into how many blocks, along rows and panels, the results are cut.

        Every block along the panels reads x, every block along the rows the weights: of the cuts
        into enough blocks, the one that reads least.
        """
        rows = plain(self.rows)
        wanted = max(1, min(MAX_CHUNKS, rows * self.panels * self.row_flops // CHUNK_FLOPS))
        x = rows * self.axes[-1].inputs * self.channels
        cuts = []
        for columns in range(1, min(self.panels, wanted) + 1):
            needed = min(rows, -(-wanted // columns))
            cuts.append((columns * x + needed * self.weights.size, needed, columns))
        _, needed, columns = min(cuts)
        return even_chunks(self.rows, needed), columns

    @property
    def chunks(self) -> int:
        return math.prod(self.parts)

    @property
    def flops(self) -> int:
        return self.rows * self.panels * self.row_flops

    @property
    def pixels(self) -> int:
        """Pixels of the largest tile."""
        return max(run.pixels for run in self.runs(0))

    def runs(self, first: int) -> Iterator[Run]:
        """The tiles of a phase of the innermost axis."""
        axis = self.axes[-1]
        count = max(0, -(-(axis.results - first) // axis.scale))
        if not count:
            return
        pixels = -(-count // -(-count // self.most))
        begun: Run | None = None
        for tile in range(-(-count // pixels)):
            size = min(pixels, count - tile * pixels)
            live = []
            for _, place in axis.phase(first):
                start = place + tile * pixels * axis.step
                low = min(size, max(0, -(start // axis.step)))
                high = max(low, min(size, -((start - axis.inputs) // axis.step)))
                live.append((low, high))
            if begun and begun.pixels == size and begun.live == tuple(live):
                begun = Run(begun.first, tile + 1, size, begun.live)
                continue
            if begun:
                yield begun
            begun = Run(tile, tile + 1, size, tuple(live))
        if begun:
            yield begun


class ConvolutionEmitter(PanelText):
    """LLVM IR of a convolution: table (x, packed weights, results)."""

    def __init__(self, convolution: Direct) -> None:
        super().__init__(convolution.dtype, convolution.lanes)
        self.of = convolution
        self.row_step = convolution.groups * convolution.columns
        self.buffers = 3  # of the table
        self.column = ""
        self.places: list[str] = []
        self.functions: dict[object, str] = {}

    def run(self) -> str:
        of = self.of
        rows, columns = of.parts
        with self.function("void @kernel(ptr %table, i64 %first, i64 %last)"):
            x, b, *results = self.table(self.buffers)
            x, y = self.pointer(x, of.x_offset), self.place_of_results(results)
            with self.loop("%first", "%last") as chunk:
                start, stop = self.span(self.assign(f"sdiv i64 {chunk}, {columns}"), rows, of.rows)
                part = self.assign(f"srem i64 {chunk}, {columns}")
                first, last = self.span(part, columns, of.panels)
                full, rest = divmod(of.columns, of.nr)
                with self.loop(first, self.smaller(last, full)) as panel:
                    self.panel(panel, of.nr, start, stop, x, b, y)
                if rest:
                    with self.where(self.assign(f"icmp sgt i64 {last}, {full}")):
                        self.panel(str(full), rest, start, stop, x, b, y)
        return "\n".join([*self.finished, *sorted(self.declarations)])

    def place_of_results(self, pointers: list[str]) -> str:
        """Where the results are stored; more for those who make something of them."""
        return pointers[0]

    def panel(
        self, panel: str, columns: int, start: str, stop: str, x: str, b: str, y: str
    ) -> None:
        """The rows start … stop − 1 of some channels of the results."""
        of = self.of
        b = self.pointer(b, self.assign(f"mul nsw i64 {panel}, {of.weights.panel_size}"))
        self.column = self.assign(f"mul nsw i64 {panel}, {of.nr}")
        with self.loop(start, stop) as row:
            places: list[str] = []
            rest = row
            for axis in reversed(of.axes[:-1]):
                places.insert(0, self.assign(f"srem i64 {rest}, {axis.results}"))
                rest = self.assign(f"sdiv i64 {rest}, {axis.results}")
            sample, group = rest, "0"
            within = row
            if of.groups > 1:
                sample = self.assign(f"srem i64 {rest}, {of.batch}")
                group = self.assign(f"sdiv i64 {rest}, {of.batch}")
                each = math.prod((of.batch, *[axis.results for axis in of.axes[:-1]]))
                within = self.assign(f"srem i64 {row}, {each}")
            self.places = [sample, *places]
            at = self.moved((group, of.x_strides[0]), (sample, of.x_strides[1]))
            weights = self.pointer(b, self.moved((group, of.group_step)))
            goal = self.row_of_results(y, within, group)
            self.row_of_tiles(columns, self.pointer(x, at), weights, goal)

    def row_of_results(self, y: str, row: str, group: str) -> str:
        """Where a row of a group's results begins."""
        of = self.of
        steps = (row, of.axes[-1].results * self.row_step), (group, of.columns)
        return self.pointer(self.pointer(y, self.column), self.moved(*steps))

    def row_of_tiles(self, columns: int, x: str, b: str, y: str) -> None:
        of = self.of
        axis, stride = of.axes[-1], of.x_strides[-2]
        for first in range(min(axis.scale, axis.results)):
            runs = list(of.runs(first))
            for run in runs:
                with self.loop(str(run.first), str(run.last)) as tile:
                    pixel = self.assign(f"mul nsw i64 {tile}, {runs[0].pixels}")
                    source = self.pointer(x, self.moved((pixel, axis.step * stride)))
                    self.one_tile(columns, first, run, pixel, source, b, y)

    def one_tile(
        self, columns: int, first: int, run: Run, pixel: str, x: str, b: str, y: str
    ) -> None:
        """A tile from a phase's pixel on, of the row of results at y."""
        at = self.moved((pixel, self.of.axes[-1].scale * self.row_step))
        goal = self.pointer(self.pointer(y, first * self.row_step), at)
        self.call_tile(columns, first, run, x, b, goal)

    def call_tile(self, columns: int, first: int, run: Run, x: str, b: str, y: str) -> None:
        numbers = [f"i64 {place}" for place in self.places[1:]]
        self.call_own(self.tile(columns, first, run), f"ptr {x}", f"ptr {b}", f"ptr {y}", *numbers)

    # --- one tile ---

    def tile(self, columns: int, first: int, run: Run) -> str:
        """The function that computes such a tile, written when first wanted."""
        key = (columns, first, run.pixels, run.live)
        if key not in self.functions:
            name = self.functions[key] = f"@tile{len(self.functions)}"
            outer = range(len(self.of.axes) - 1)
            numbers = "".join(f", i64 %o{i}" for i in outer)
            arguments = f"ptr noalias %x, ptr noalias %b, ptr noalias %y{numbers}"
            with self.function(f"internal void {name}({arguments})"):
                self.sums(columns, first, run)
        return self.functions[key]

    def sums(self, columns: int, first: int, run: Run) -> None:
        of = self.of
        vectors = range(-(-columns // self.lanes))
        sums = {(i, j): self.fresh("sum") for i in range(run.pixels) for j in vectors}
        for total in sums.values():
            self.put(f"{total} = alloca {self.wide}")
        for total in sums.values():
            self.put(f"store {self.wide} zeroinitializer, ptr {total}")
        with ExitStack() as nest:
            x, taps = "%x", "0"
            for i, axis in enumerate(of.axes[:-1]):
                tap, at = self.outer_tap(nest, i, axis)
                x = self.pointer(x, self.moved((at, of.x_strides[2 + i])))
                taps = self.moved((taps, axis.taps), (tap, 1))
            inner = of.axes[-1]
            for (k, place), (low, high) in zip(inner.phase(first), run.live, strict=True):
                if low < high:
                    start = self.moved((taps, inner.taps * of.nr))
                    b = self.pointer(self.pointer("%b", start), k * of.nr)
                    self.channels(sums, x, b, place, range(low, high), columns)
        for (row, j), total in sums.items():
            vector = self.assign(f"load {self.wide}, ptr {total}")
            goal = self.pointer("%y", row * of.axes[-1].scale * self.row_step + j * self.lanes)
            self.put_run(vector, goal, min(self.lanes, columns - j * self.lanes))

    def outer_tap(self, nest: ExitStack, i: int, axis: Axis) -> tuple[str, str]:
        """A loop over the taps along an outer axis; the tap and the input's place, if it has it."""
        start = self.moved((f"%o{i}", axis.step))
        tap = nest.enter_context(self.loop("0", str(axis.taps)))
        at = self.assign(f"add nsw i64 {self.moved((tap, axis.tap), (start, 1))}, {axis.shift}")
        inside = self.assign(f"icmp ult i64 {at}, {axis.inputs * axis.scale}")
        if axis.scale > 1:
            odd = self.assign(f"urem i64 {at}, {axis.scale}")
            even = self.assign(f"icmp eq i64 {odd}, 0")
            inside = self.assign(f"and i1 {inside}, {even}")
            at = self.assign(f"sdiv i64 {at}, {axis.scale}")
        nest.enter_context(self.where(inside))
        return tap, at

    def channels(
        self,
        sums: dict[tuple[int, int], str],
        x: str,
        b: str,
        place: int,
        pixels: range,
        columns: int,
    ) -> None:
        """Add one tap's products with all channels to the sums of these pixels."""
        of = self.of
        stride = of.x_strides[-2]
        with self.loop("0", str(of.channels)) as channel:
            source = self.pointer(x, self.moved((channel, of.x_strides[-1])))
            row = self.pointer(b, self.moved((channel, of.channel_step)))
            weights = []
            for first in range(0, columns, self.lanes):
                align = self.dtype.itemsize * self.lanes
                pointer = self.pointer(row, first)
                weights.append(self.assign(f"load {self.wide}, ptr {pointer}, align {align}"))
            for i in pixels:
                pointer = self.pointer(source, (i * of.axes[-1].step + place) * stride)
                one = self.splat(self.assign(f"load {self.kind}, ptr {pointer}"), self.kind)
                for j, weight in enumerate(weights):
                    total = self.assign(f"load {self.wide}, ptr {sums[i, j]}")
                    typed = [(self.wide, text) for text in (one, weight, total)]
                    name = f"llvm.fma.{self.suffix(self.kind, True)}"
                    self.put(f"store {self.wide} {self.intrinsic(self.wide, name, *typed)}, "
                             f"ptr {sums[i, j]}")  # fmt: skip
