"""The gradient of a convolution by its weights, by Winograd's algorithm.

The forward pass is Y = Aᵀ (U ⊙ V) A of U = G w Gᵀ and V = Bᵀ d B, so the gradient by U is the sum
over all tiles of (A g Aᵀ) ⊙ V: for each element of a patch a product of two matrices, whose inner
axis is the tiles. That by w is Gᵀ of it G. A chunk is some of the tiles, filters and channels of x;
what chunks of other tiles have added up is summed in order when it is transformed.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar

from neurona.compiler.ir.sizes import is_plain, plain
from neurona.compiler.machine.matmul import Matmul
from neurona.compiler.machine.pack import even_chunks
from neurona.compiler.machine.winograd import Products
from neurona.compiler.machine.winograd_maps import Maps
from neurona.compiler.machine.winograd_matrices import Algorithm, transpose
from neurona.compiler.machine.winograd_tiles import LINE, MOST_ROOMS, Field, Planes, Tiles
from neurona.core import config, dtypes

LEAST_CHUNKS = 8
MOST_GROUPS = 16
BLOCK = 64
"""Tiles whose products are added up in registers."""
SIDE = 128
"""Filters, and channels of x, of a chunk: at most, unless there are few more."""


@dataclass(frozen=True)
class WeightGradient:
    """Tiles of x with their borders, and of the gradient g by the results.

    images: how many maps there are; grid: rows and columns of tiles of each.
    """

    kind: ClassVar[str] = "convolution"
    algorithm: Algorithm
    x: Field
    g: Field
    images: int
    grid: tuple[int, int]
    lanes: int

    @property
    def tiles(self) -> int:
        return self.images * self.grid[0] * self.grid[1]

    @property
    def block(self) -> int:
        if not is_plain(self.tiles):
            return BLOCK
        return -(-self.tiles // -(-self.tiles // BLOCK))

    @property
    def width(self) -> int:
        """Channels of x in a panel."""
        return self.lanes if self.x.channels <= self.lanes else 2 * self.lanes

    @property
    def filters(self) -> int:
        """Filters of a chunk."""
        return _part(self.g.channels, self.lanes)

    @property
    def channels(self) -> int:
        """Channels of x of a chunk."""
        return _part(self.x.channels, self.width)

    @functools.cached_property
    def parts(self) -> tuple[int, int, int]:
        """Into how many parts the blocks of tiles, the filters and the channels of x are cut."""
        rows = -(-self.g.channels // self.filters)
        columns = -(-self.x.channels // self.channels)
        blocks = -(-plain(self.tiles) // self.block)
        wanted = -(-LEAST_CHUNKS // (rows * columns))
        return min(blocks, MOST_GROUPS, wanted), rows, columns

    @property
    def chunks(self) -> int:
        groups, rows, columns = self.parts
        return groups * rows * columns

    @property
    def inputs(self) -> Planes:
        return Planes(self.algorithm.places, self.block, self.channels)

    @property
    def gradients(self) -> Planes:
        return Planes(self.algorithm.places, self.block, self.filters)

    @property
    def sums(self) -> Planes:
        """What a group leaves: for each place a matrix of filters and x's channels."""
        panels = -(-self.x.channels // self.width)
        return Planes(self.algorithm.places, self.g.channels, panels * self.width)

    @property
    def product(self) -> Matmul:
        """Of a chunk's part of the filters and a panel of x's channels."""
        x, g = self.inputs.row, self.gradients.row
        return Matmul(
            (), self.filters, self.block, self.width, (1, g), (x, 1), 0, 0, dtypes.float32,
            self.lanes,
        )  # fmt: skip

    @property
    def border(self) -> int:
        line = LINE // 4
        return line * -(-max(self.x.channels, self.g.channels) // line)

    @property
    def rooms(self) -> int:
        return min(config.threads(), MOST_ROOMS, self.chunks)

    @property
    def room(self) -> int:
        """Elements of scratch that a call needs."""
        return self.border + self.inputs.size + self.gradients.size

    @property
    def size(self) -> int:
        """Elements of all sums."""
        return self.parts[0] * self.sums.size

    @property
    def flops(self) -> int:
        return 2 * self.algorithm.places * self.tiles * self.x.channels * self.g.channels

    def text(self) -> str:
        return GradientEmitter(self).run()


def _part(channels: int, unit: int) -> int:
    """Channels of a part, in whole units: about `SIDE`."""
    parts = max(1, channels // SIDE)
    return min(channels, unit * -(-channels // (parts * unit)))


class GradientEmitter(Tiles):
    """LLVM IR: table (x, g, doors, rooms, sums); see `Tiles.room`."""

    def __init__(self, gradient: WeightGradient) -> None:
        super().__init__(dtypes.float32, gradient.lanes)
        self.w = gradient
        self.heights: set[int] = set()

    def run(self) -> str:
        w, algorithm, mm = self.w, self.w.algorithm, self.w.product
        self.places("x", w.x, w.grid)
        self.places("g", w.g, w.grid)
        self.spread("x", algorithm.input, w.x, w.inputs)
        self.spread("g", transpose(algorithm.output), w.g, w.gradients)
        finished, declarations = list[str](), set[str]()
        for adding, name in ((False, "put"), (True, "add")):
            products = Products(mm, w.sums.row, adding=adding)
            for rows in self.tile_heights():
                products.tile(f"@{name}_{rows}", rows, mm.nr)
            finished += products.finished
            declarations |= products.declarations
        with self.function("void @kernel(ptr %table, i64 %first, i64 %last)"):
            x, g, doors, rooms, sums = self.table(5)
            maps = self.pointer(x, w.x.offset), self.pointer(g, w.g.offset)
            with self.room(doors, rooms, w.rooms, w.room) as room:
                self.zeros, self.inputs = room, self.pointer(room, w.border)
                self.gradients = self.pointer(self.inputs, w.inputs.size)
                self.place_table(w.x, w.g)
                self.clear(room, w.border)
                with self.loop("%first", "%last") as chunk:
                    self.chunk(chunk, *maps, sums)
        self.declarations |= declarations
        return "\n".join([*finished, *self.finished, *sorted(self.declarations)])

    def tile_heights(self) -> list[int]:
        """How many rows tiles of products have: most of them, and the last ones of a part."""
        w, mm = self.w, self.w.product
        last = w.g.channels - (w.parts[1] - 1) * w.filters
        rests = {w.filters % mm.mr, last % mm.mr} - {0, mm.mr}
        return [mm.mr, *sorted(rests)]

    def chunk(self, chunk: str, x: str, g: str, sums: str) -> None:
        w = self.w
        groups, rows, columns = w.parts
        group, part = self.divided(chunk, rows * columns)
        row, column = self.divided(part, columns)
        row = self.assign(f"mul i64 {row}, {w.filters}")
        column = self.assign(f"mul i64 {column}, {w.channels}")
        bottom = self.reach(row, w.filters, w.g.channels)
        right = self.reach(column, w.channels, w.x.channels)
        high = self.assign(f"sub i64 {bottom}, {row}")
        wide = self.assign(f"sub i64 {right}, {column}")
        sums = self.nth(self.nth(sums, group, w.sums.size), row, w.sums.row)
        sums = self.pointer(sums, column)
        start, stop = self.share(group, groups, self.blocks(w.tiles, w.block))
        if not is_plain(w.tiles):
            with self.where(self.assign(f"icmp eq i64 {start}, {stop}")):
                self.nothing(high, wide, sums)
        with self.loop(start, stop) as block:
            first = self.assign(f"mul i64 {block}, {w.block}")
            last = self.reach(first, w.block, w.tiles)
            with self.loop(first, last) as tile:
                number = self.assign(f"sub i64 {tile}, {first}")
                at = self.nth(self.inputs, number, w.inputs.row)
                self.move("x", x, self.zeros, tile, at, (column, right))
                at = self.nth(self.gradients, number, w.gradients.row)
                self.move("g", g, self.zeros, tile, at, (row, bottom))
            self.fill(self.assign(f"sub i64 {last}, {first}"))
            begun = self.assign(f"icmp eq i64 {block}, {start}")
            with self.where(begun):
                self.products("put", high, wide, sums)
            with self.where(self.assign(f"xor i1 {begun}, true")):
                self.products("add", high, wide, sums)

    def nothing(self, high: str, wide: str, sums: str) -> None:
        """Sums of no tiles."""
        w = self.w
        with self.loop("0", str(w.algorithm.places)) as plane:
            first = self.nth(sums, plane, w.sums.step)
            with self.loop("0", high) as row, self.loop("0", wide, self.lanes) as column:
                place = self.pointer(self.nth(first, row, w.sums.row), column)
                self.put(f"store {self.wide} zeroinitializer, ptr {place}, align 4")

    def fill(self, count: str) -> None:
        """Zeros in place of the tiles that the last block lacks."""
        w = self.w
        with self.loop(count, str(w.block)) as row:
            for planes, base in ((w.inputs, self.inputs), (w.gradients, self.gradients)):
                at = self.nth(base, row, planes.row)
                with self.loop("0", str(planes.count)) as plane:
                    self.clear(self.nth(at, plane, planes.step), planes.row)

    def products(self, name: str, high: str, wide: str, sums: str) -> None:
        """The products of all planes, of `high` filters and `wide` channels of x."""
        w, mm = self.w, self.w.product
        tiles, rest = self.divided(high, mm.mr)
        panels = self.blocks(wide, mm.nr)
        with self.loop("0", str(w.algorithm.places)) as plane:
            a = self.nth(self.gradients, plane, w.gradients.step)
            b = self.nth(self.inputs, plane, w.inputs.step)
            c = self.nth(sums, plane, w.sums.step)
            with self.loop("0", panels) as panel:
                right, goal = (self.nth(base, panel, mm.nr) for base in (b, c))
                with self.loop("0", tiles) as tile:
                    self.tile(name, mm.mr, tile, a, right, goal)
                for rows in self.tile_heights()[1:]:
                    with self.where(self.assign(f"icmp eq i64 {rest}, {rows}")):
                        self.tile(name, rows, tiles, a, right, goal)

    def tile(self, name: str, rows: int, tile: str, a: str, b: str, c: str) -> None:
        mm = self.w.product
        left = self.nth(a, tile, mm.mr)
        goal = self.nth(c, tile, mm.mr * self.w.sums.row)
        self.call_own(f"@{name}_{rows}", f"ptr {left}", f"ptr {b}", f"ptr {goal}")


@dataclass(frozen=True)
class GradientTransform:
    """The sums of all groups to weights; strides as those of `WeightTransform`.

    filters, channels: of the weights (filters, channels, kernel, kernel), which are row-major, from
    filter `begin` on.
    """

    kind: ClassVar[str] = "pack"
    algorithm: Algorithm
    groups: int
    sums: Planes
    begin: int
    filters: int
    channels: int
    lanes: int

    @property
    def chunks(self) -> int:
        return even_chunks(self.filters, 64)

    @property
    def flops(self) -> int:
        return self.groups * self.sums.size

    def text(self) -> str:
        return GradientTransformEmitter(self).run()


class GradientTransformEmitter(Maps):
    """LLVM IR of the transform of sums: table (sums, gradient by the weights)."""

    def __init__(self, transform: GradientTransform) -> None:
        super().__init__(dtypes.float32, transform.lanes)
        self.t = transform

    def run(self) -> str:
        t = self.t
        with self.function("void @kernel(ptr %table, i64 %first, i64 %last)"):
            sums, weights = self.table(2)
            whole = t.channels - t.channels % self.lanes
            taps = t.algorithm.kernel**2
            weights = self.pointer(weights, t.begin * t.channels * taps)
            with self.loop(*self.part_of_chunks(t.filters, t.chunks)) as row:
                source = self.pointer(sums, self.assign(f"mul i64 {row}, {t.sums.row}"))
                goal = self.pointer(weights, self.assign(f"mul i64 {row}, {t.channels * taps}"))
                if whole:
                    with self.loop("0", str(whole), self.lanes) as channel:
                        self.vector_of(channel, self.lanes, source, goal)
                if t.channels > whole:
                    self.vector_of(str(whole), t.channels - whole, source, goal)
        return "\n".join([*self.finished, *sorted(self.declarations)])

    def vector_of(self, channel: str, live: int, source: str, goal: str) -> None:
        """The kernels of one filter and `live` channels of x."""
        t, lanes = self.t, self.lanes
        size = t.algorithm.kernel
        source = self.pointer(source, channel)
        goal = self.pointer(goal, self.assign(f"mul i64 {channel}, {size * size}"))

        def value(i: int, j: int) -> str:
            at = (i * t.algorithm.patch + j) * t.sums.step
            parts = [
                self.run_of(self.pointer(source, at + group * t.sums.size), lanes)
                for group in range(t.groups)
            ]
            return functools.reduce(self.added, parts)

        def save(i: int, j: int, vector: str) -> None:
            offsets = ", ".join(f"i64 {i * size + j + lane * size**2}" for lane in range(lanes))
            places = self.assign(
                f"getelementptr {self.kind}, ptr {goal}, <{lanes} x i64> <{offsets}>"
            )
            name = f"llvm.masked.scatter.{self.suffix(self.kind, True)}.v{lanes}p0"
            typed = [(self.wide, vector), (f"<{lanes} x ptr>", places), ("i32", "4")]
            self.put(self.call("void", name, *typed, self.mask(live)))

        self.two_sided(transpose(t.algorithm.weights), value, save)
