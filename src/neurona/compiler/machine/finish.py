"""A matrix product that finishes its results itself, as LLVM IR (see `epilogue`).

Tiles are computed side by side into a strip in the first cache: the rows of a tile, the columns of
some panels. The epilogue then takes the strip as its tile. Were strips as narrow as tiles, it would
walk along runs of memory so short that they lie on more pages than the processor remembers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from neurona.compiler.ir.loops import Kernel, Nest, Statement
from neurona.compiler.ir.sizes import typical
from neurona.compiler.machine.convolution import ConvolutionEmitter, Direct, Run
from neurona.compiler.machine.emit import Emitter
from neurona.compiler.machine.matmul import FEW, Matmul, MatmulEmitter
from neurona.compiler.machine.winograd import Winograd, WinogradEmitter
from neurona.core import dtypes
from neurona.core.dtypes import DType
from neurona.core.op import Shape

STRIP = 1024
"""Bytes of a strip's row."""
CACHED = 1 << 19
"""Bytes of B that every tile row finds in the second cache."""


def strip_panels(mm: Matmul) -> int:
    """Panels of a strip."""
    row = mm.nr * mm.dtype.itemsize
    return min(mm.panels, max(1, min(STRIP // row, CACHED // (row * max(1, typical(mm.k))))))


def strip_width(mm: Matmul) -> int:
    """Columns of a strip in memory."""
    return strip_panels(mm) * mm.nr


@dataclass(frozen=True)
class Tiles:
    """How (batch…, m, n) results come: rows of `tiles` tiles, of `mr` rows by `width` columns.

    width: columns of a strip in memory, so many at most are handed over at once.
    """

    batch: Shape
    m: int
    n: int
    mr: int
    tiles: int
    width: int
    dtype: DType


def tiles_of(product: Matmul | Direct | Winograd) -> Tiles:
    if isinstance(product, Winograd):
        y, step = product.y, product.algorithm.tile
        maps = (product.images, y.rows)
        return Tiles(
            maps, y.columns, y.channels, step, product.grid[1], product.strip, dtypes.float32
        )
    if isinstance(product, Direct):
        *outer, last = [axis.results for axis in product.axes]
        batch, pixels = (product.batch, *outer), product.pixels
        tiles = -(-last // pixels)
        return Tiles(batch, last, product.columns, pixels, tiles, product.nr, product.dtype)
    mm = product
    return Tiles(mm.batch, mm.m, mm.n, mm.mr, mm.tiles, strip_width(mm), mm.dtype)


class EpilogueEmitter(Emitter):
    """Writes a kernel with given variables: a function of its buffers and of what is given."""

    def run(self) -> str:
        kernel = self.kernel
        with self.inner_function(kernel.name, *[name for name, _ in kernel.given]):
            for name, _ in kernel.given:
                self.know(name, f"%{name}")
            self.block(kernel.before)
            ((name, rows),) = kernel.rows
            self.nested([(name, "")], "0", self.extent(rows))
        return "\n".join(self.finished)


class FinishingEmitter(MatmulEmitter):
    """A product with an epilogue: table (A, B, the epilogue's buffers)."""

    def __init__(self, mm: Matmul, epilogue: Kernel) -> None:
        super().__init__(mm)
        if strip_panels(mm) == mm.panels and mm.parts[1] == 1:
            before, body = narrow(epilogue.before, mm.n), narrow(epilogue.body, mm.n)
            epilogue = replace(epilogue, before=before, body=body)
        self.epilogue = replace(epilogue, name="epilogue")
        self.buffers, self.row_step = 1 + len(epilogue.params), strip_width(mm)

    def run(self) -> str:
        # Where vectors of the kernel are wider than those of the product, both have all lanes.
        emitter = EpilogueEmitter(self.epilogue, min(self.mm.nr, 2 * self.lanes))
        self.finished.append(emitter.run())
        self.declarations |= emitter.declarations
        self.sized |= emitter.sized
        return super().run()

    def places_of_results(self, pointers: list[str]) -> list[str]:
        size = self.mm.mr * self.row_step
        return [self.assign(f"alloca [{size} x {self.kind}], align 64"), *pointers]

    def rectangle(
        self, batch: str, start: str, stop: str, first: str, last: str, a: str, b: str, c: str
    ) -> None:
        mm = self.mm
        above = self.assign(f"mul i64 {batch}, {self.tiles}")
        with self.loop(first, last, strip_panels(mm)) as panel:
            end = self.assign(f"add nsw i64 {panel}, {strip_panels(mm)}")
            end = self.intrinsic("i64", "llvm.smin.i64", ("i64", end), ("i64", last))
            for rows, tile in self.each_tile(start, stop):
                self.strip(rows, tile, panel, end, above, a, b)

    def strip(
        self, rows: int, tile: str, first: str, last: str, above: str, a: str, b: str
    ) -> None:
        """Tile row `tile` of panels first … last − 1, and what is made of it."""
        mm = self.mm
        a = self.pointer(a, self.assign(f"mul i64 {tile}, {self.tile_step}"))
        full, rest = divmod(mm.n, mm.nr)
        stop = self.smaller(last, full) if rest else last
        with self.loop(first, stop) as panel:
            self.strip_tile(rows, mm.nr, panel, first, a, b)
        if rest:
            with self.where(self.assign(f"icmp sgt i64 {last}, {full}")):
                self.strip_tile(rows, rest, str(full), first, a, b)
        column = self.assign(f"mul nsw i64 {first}, {mm.nr}")
        end = self.smaller(self.assign(f"mul nsw i64 {last}, {mm.nr}"), mm.n)
        columns = self.assign(f"sub nsw i64 {end}, {column}")
        chunk = self.assign(f"add nsw i64 {above}, {tile}")
        row = self.assign(f"mul nsw i64 {tile}, {mm.mr}")
        live = self.live if rows == FEW else str(rows)
        numbers = [chunk, row, column, live, columns, *self.places]
        arguments = [f"ptr {buffer}" for buffer in self.results]
        arguments += [f"i64 {number}" for number in numbers]
        self.call_own("@epilogue", *arguments)

    def strip_tile(self, rows: int, columns: int, panel: str, first: str, a: str, b: str) -> None:
        b = self.pointer(b, self.assign(f"mul i64 {panel}, {self.panel_step}"))
        number = self.assign(f"sub nsw i64 {panel}, {first}")
        c = self.pointer(self.results[0], self.assign(f"mul nsw i64 {number}, {self.mm.nr}"))
        self.call_tile(rows, columns, a, b, c)


class FinishingConvolution(ConvolutionEmitter):
    """A convolution with an epilogue: table (x, packed weights, the epilogue's buffers).

    A tile is computed into a buffer in the first cache, of which the epilogue takes it.
    """

    def __init__(self, convolution: Direct, epilogue: Kernel) -> None:
        super().__init__(convolution)
        self.epilogue = replace(epilogue, name="epilogue")
        self.buffers, self.row_step = 1 + len(epilogue.params), convolution.nr
        self.results: list[str] = []

    def run(self) -> str:
        emitter = EpilogueEmitter(self.epilogue, self.of.nr)
        self.finished.append(emitter.run())
        self.declarations |= emitter.declarations
        self.sized |= emitter.sized
        return super().run()

    def place_of_results(self, pointers: list[str]) -> str:
        tile = self.assign(f"alloca [{self.of.pixels * self.row_step} x {self.kind}], align 64")
        self.results = [tile, *pointers]
        return tile

    def row_of_results(self, y: str, row: str, group: str) -> str:
        return y

    def one_tile(
        self, columns: int, first: int, run: Run, pixel: str, x: str, b: str, y: str
    ) -> None:
        self.call_tile(columns, first, run, x, b, y)
        numbers = ["0", pixel, self.column, str(run.pixels), str(columns), *self.places]
        arguments = [f"ptr {buffer}" for buffer in self.results]
        self.call_own("@epilogue", *arguments, *[f"i64 {number}" for number in numbers])


class FinishingWinograd(WinogradEmitter):
    """A convolution by Winograd's algorithm with an epilogue: table (…, the epilogue's buffers).

    A tile is computed into a strip, row by row, and the epilogue is run for each of its rows.
    """

    def __init__(self, winograd: Winograd, epilogue: Kernel) -> None:
        super().__init__(winograd)
        if winograd.even:
            before, body = (
                narrow(part, winograd.strip) for part in (epilogue.before, epilogue.body)
            )
            epilogue = replace(epilogue, before=before, body=body)
        self.epilogue = replace(epilogue, name="epilogue")
        self.buffers = 3 + len(epilogue.params)

    def write_results(self) -> None:
        w = self.w
        self.collect("y", w.algorithm.output, w.y, w.outputs, w.strip)
        emitter = EpilogueEmitter(self.epilogue, min(w.product.nr, 2 * self.lanes))
        self.finished.append(emitter.run())
        self.declarations |= emitter.declarations
        self.sized |= emitter.sized

    def take_results(self, pointers: list[str]) -> None:
        self.pointers = pointers
        self.strip = self.pointer(self.outputs, self.w.outputs.size)

    def ask_for_results(self, tile: str, part: str, parts: int) -> None:
        """Where they go, the epilogue knows."""

    def result(self, tile: str, row: str, ends: tuple[str, str]) -> None:
        w, step = self.w, self.w.algorithm.tile
        image, rest = self.divided(tile, w.grid[0] * w.grid[1])
        down, across = (
            self.assign(f"mul i64 {number}, {step}") for number in self.divided(rest, w.grid[1])
        )
        bottom, right = self.reach(down, step, w.y.rows), self.reach(across, step, w.y.columns)
        pixels = self.assign(f"sub i64 {right}, {across}")
        with self.loop(*ends, w.strip) as first:
            last = self.smaller(self.assign(f"add i64 {first}, {w.strip}"), ends[1])
            source = self.pointer(row, self.assign(f"sub i64 {first}, {ends[0]}"))
            channels = f"i64 {first}", f"i64 {last}"
            self.call_own("@move_y", f"ptr {self.strip}", f"ptr {source}", *channels)
            columns = self.assign(f"sub i64 {last}, {first}")
            with self.loop(down, bottom) as line:
                number = self.assign(f"sub i64 {line}, {down}")
                buffers = [self.nth(self.strip, number, step * w.strip), *self.pointers]
                numbers = ["0", across, first, pixels, columns, image, line]
                arguments = [f"ptr {buffer}" for buffer in buffers]
                self.call_own("@epilogue", *arguments, *[f"i64 {i}" for i in numbers])


def narrow(statements: tuple[Statement, ...], columns: int) -> tuple[Statement, ...]:
    """The statements with loops over `columns` columns."""
    return tuple(
        replace(part, loops=((part.loops[0][0], columns),)) if isinstance(part, Nest) else part
        for part in statements
    )
