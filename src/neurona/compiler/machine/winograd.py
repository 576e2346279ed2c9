"""Winograd's convolution as one kernel: tiles of maps in, tiles of maps out.

A block of tiles is transformed into planes (see `winograd_tiles`), each plane is multiplied by a
matrix of transformed weights, and the products are transformed into tiles of the result. Blocks
are so small that the planes stay in the caches. A chunk is some blocks and some of the filters; of
weights that are too large for the cache each chunk takes few, and its tiles are transformed again
by the next one.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from neurona.compiler.ir.sizes import is_plain, plain
from neurona.compiler.machine.matmul import Matmul, MatmulEmitter
from neurona.compiler.machine.winograd_matrices import Algorithm
from neurona.compiler.machine.winograd_tiles import LINE, MOST_ROOMS, Field, Planes, Tiles
from neurona.core import config, dtypes

MOST_CHUNKS = 64
LEAST_CHUNKS = 8
BLOCK = 28
"""Tiles of a block."""
STRIP = 128
"""Channels of a strip, of which an epilogue makes something in the first cache."""
WEIGHTS = 1 << 25
"""Bytes of transformed weights that a chunk reads again and again."""


@dataclass(frozen=True)
class Winograd:
    """Tiles of x, each with its border, times filters to tiles of y.

    x, y: patches of the maps. images: how many; grid: rows and columns of tiles of each.
    """

    algorithm: Algorithm
    x: Field
    y: Field
    images: int
    grid: tuple[int, int]
    lanes: int

    @property
    def tiles(self) -> int:
        return self.images * self.grid[0] * self.grid[1]

    @property
    def block(self) -> int:
        """Tiles of a block: about equally many in all."""
        if not is_plain(self.tiles):
            return BLOCK
        return -(-self.tiles // -(-self.tiles // BLOCK))

    @property
    def product(self) -> Matmul:
        """The product of a block's plane and a panel of weights."""
        depth = self.x.channels
        columns = min(self.y.channels, 2 * self.lanes)
        width = self.lanes * -(-columns // self.lanes)
        x = Planes(self.algorithm.places, self.block, depth)
        return Matmul(
            (), self.block, depth, width, (x.row, 1), (width, 1), 0, 0, dtypes.float32, self.lanes
        )

    @property
    def panels(self) -> int:
        return -(-self.y.channels // self.product.nr)

    @functools.cached_property
    def parts(self) -> tuple[int, int]:
        """Into how many parts the blocks and the panels are cut."""
        blocks = -(-plain(self.tiles) // self.block)
        weights = 4 * self.algorithm.places * self.x.channels * self.panels * self.product.nr
        slices = min(self.panels, -(-weights // WEIGHTS)) if blocks > 1 else 1
        while slices * blocks < LEAST_CHUNKS and self.panels >= 2 * slices:
            slices *= 2
        slices = -(-self.panels // -(-self.panels // slices))
        return min(blocks, max(1, MOST_CHUNKS // slices)), slices

    @property
    def slice(self) -> int:
        """Panels of a chunk."""
        return -(-self.panels // self.parts[1])

    @property
    def chunks(self) -> int:
        groups, slices = self.parts
        return groups * slices

    @property
    def inputs(self) -> Planes:
        mm = self.product
        return Planes(self.algorithm.places, mm.tiles * mm.mr, self.x.channels)

    @property
    def outputs(self) -> Planes:
        mm = self.product
        return Planes(self.algorithm.places, mm.tiles * mm.mr, self.slice * mm.nr)

    @property
    def weights(self) -> int:
        """Elements of the transformed weights: [places][panels][x's channels][panel's columns]."""
        return self.algorithm.places * self.panels * self.x.channels * self.product.nr

    @property
    def border(self) -> int:
        """Elements that stand for the channels of a place outside of the maps."""
        line = LINE // 4
        return line * -(-max(self.x.channels, self.y.channels) // line)

    @property
    def rooms(self) -> int:
        return min(config.threads(), MOST_ROOMS, self.chunks)

    @property
    def room(self) -> int:
        """Elements of scratch that a call needs."""
        return 2 * self.border + self.inputs.size + self.outputs.size + self.strip_size

    @property
    def strip(self) -> int:
        """Channels that an epilogue is handed at once, in memory."""
        return min(STRIP, self.slice * self.product.nr)

    @property
    def even(self) -> bool:
        """Whether all strips are full."""
        slice_channels = self.slice * self.product.nr
        return self.y.channels % slice_channels == 0 == slice_channels % self.strip

    @property
    def strip_size(self) -> int:
        return self.algorithm.tile**2 * self.strip

    @property
    def flops(self) -> int:
        """Of the products; the transforms' are not counted."""
        return 2 * self.algorithm.places * self.tiles * self.x.channels * self.y.channels


class Products(MatmulEmitter):
    """Writes functions of products with rows `row_step` apart, perhaps added to what is there."""

    def __init__(self, mm: Matmul, row_step: int, *, adding: bool = False) -> None:
        super().__init__(mm)
        self.row_step, self.adding, self.dots = row_step, adding, None

    def store_sums(self, i: int, j: int, columns: int, total: str) -> None:
        if self.adding:
            place = self.pointer("%c", i * self.row_step + j * self.lanes)
            total = self.assign(f"fadd {self.wide} {total}, {self.run_of(place, self.lanes)}")
        super().store_sums(i, j, columns, total)


class WinogradEmitter(Tiles):
    """LLVM IR: table (x, transformed weights, doors, rooms, y); see `Tiles.room`."""

    buffers = 5

    def __init__(self, winograd: Winograd) -> None:
        super().__init__(dtypes.float32, winograd.lanes)
        self.w = winograd

    def run(self) -> str:
        w, algorithm, mm = self.w, self.w.algorithm, self.w.product
        self.places("x", w.x, w.grid)
        self.spread("x", algorithm.input, w.x, w.inputs)
        self.write_results()
        products = Products(mm, w.outputs.row)
        products.tile("@product", mm.mr, mm.nr)
        with self.function("void @kernel(ptr %table, i64 %first, i64 %last)"):
            x, weights, doors, rooms, *results = self.table(self.buffers)
            self.x = self.pointer(x, w.x.offset)
            with self.room(doors, rooms, w.rooms, w.room) as room:
                # A border of zeros, one for what is written beyond the edges, and the planes.
                self.zeros, self.beyond = room, self.pointer(room, w.border)
                self.inputs = self.pointer(room, 2 * w.border)
                self.outputs = self.pointer(self.inputs, w.inputs.size)
                self.take_results(results)
                self.place_table(w.x, w.y)
                self.clear(room, w.border)
                with self.loop("%first", "%last") as chunk:
                    self.chunk(chunk, weights)
        self.declarations |= products.declarations
        return "\n".join([*products.finished, *self.finished, *sorted(self.declarations)])

    def chunk(self, chunk: str, weights: str) -> None:
        w, mm = self.w, self.w.product
        groups = w.parts[0]
        part, group = self.divided(chunk, groups)
        panel = self.assign(f"mul i64 {part}, {w.slice}")
        end = self.reach(panel, w.slice, w.panels)
        filters = [self.assign(f"mul i64 {i}, {mm.nr}") for i in (panel, end)]
        ends = filters[0], self.smaller(filters[1], w.y.channels)
        start, stop = self.share(group, groups, self.blocks(w.tiles, w.block))
        with self.loop(start, stop) as block:
            first = self.assign(f"mul i64 {block}, {w.block}")
            last = self.reach(first, w.block, w.tiles)
            with self.loop(first, last) as tile:
                row = self.nth(self.inputs, self.assign(f"sub i64 {tile}, {first}"), w.inputs.row)
                self.move("x", self.x, self.zeros, tile, row, ("0", str(w.x.channels)))
            self.products(first, last, panel, end, weights)
            with self.loop(first, last) as tile:
                row = self.nth(self.outputs, self.assign(f"sub i64 {tile}, {first}"), w.outputs.row)
                self.result(tile, row, ends)

    def products(self, start: str, stop: str, first: str, last: str, weights: str) -> None:
        """Multiply every plane of tiles start … stop − 1 by panels first … last − 1 of its weights.

        The last tile of rows is computed whole: what its rows beyond the last hold is not used.
        Meanwhile the next tiles of x are fetched, and the memory of y.
        """
        w, mm = self.w, self.w.product
        tiles = self.blocks(self.assign(f"sub i64 {stop}, {start}"), mm.mr)
        parts = w.algorithm.places * w.slice
        with self.loop("0", str(w.algorithm.places)) as plane:
            source = self.nth(self.inputs, plane, w.inputs.step)
            goal = self.nth(self.outputs, plane, w.outputs.step)
            above = self.assign(f"mul i64 {plane}, {w.panels}")
            with self.loop(first, last) as panel:
                number = self.assign(f"add i64 {above}, {panel}")
                b = self.nth(weights, number, w.x.channels * mm.nr)
                column = self.assign(f"sub i64 {panel}, {first}")
                c = self.nth(goal, column, mm.nr)
                part = self.assign(f"mul i64 {plane}, {w.slice}")
                part = self.assign(f"add i64 {part}, {column}")
                self.ask_for(self.x, w.x, w.grid, stop, w.block, part, parts)
                self.ask_for_results(start, part, parts)
                with self.loop("0", tiles) as tile:
                    left = self.nth(source, tile, mm.mr * w.inputs.row)
                    to = self.nth(c, tile, mm.mr * w.outputs.row)
                    self.call_own("@product", f"ptr {left}", f"ptr {b}", f"ptr {to}")

    # --- results: others make something of them first (see `finish`) ---

    def write_results(self) -> None:
        """The functions that move tiles of the results."""
        w = self.w
        self.places("y", w.y, w.grid)
        self.collect("y", w.algorithm.output, w.y, w.outputs)

    def take_results(self, pointers: list[str]) -> None:
        self.y = self.pointer(pointers[0], self.w.y.offset)

    def ask_for_results(self, tile: str, part: str, parts: int) -> None:
        w = self.w
        if w.parts[1] == 1:
            self.ask_for(self.y, w.y, w.grid, tile, w.block, part, parts, write=True)

    def result(self, tile: str, row: str, ends: tuple[str, str]) -> None:
        """Move the filters ends[0] … ends[1] − 1 of a tile, which lie from `row` on in planes."""
        self.move("y", self.y, self.beyond, tile, row, ends)
