"""Tiles of maps (batch, rows, columns, channels), transformed as Winograd's convolution wants it.

Tiles are numbered row by row, image by image. Where the elements of a tile's patch lie goes to a
table first: elements outside of the map lie in a row of zeros, or, if they are to be written, in a
row that nobody reads. So all tiles are alike, those at the edges too. A transformed tile is spread
over planes, one for each element of its patch: row t of a plane has the channels of tile t.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from neurona.compiler.machine.winograd_maps import Maps
from neurona.compiler.machine.winograd_matrices import Matrix

LINE = 64
"""Bytes of a line of the cache."""
MOST_ROOMS = 32


@dataclass(frozen=True)
class Field:
    """Patches of size×size elements of maps; strides in elements, channels lie side by side.

    The patch of tile (i, j) starts at row i·step − top and column j·step − left.
    """

    rows: int
    columns: int
    channels: int
    strides: tuple[int, int, int]
    offset: int
    size: int
    step: int
    top: int
    left: int

    @property
    def wide(self) -> int:
        """Places in a row of a table: a power of two."""
        return 1 << (self.size - 1).bit_length()


@dataclass(frozen=True)
class Planes:
    """Planes of `rows` rows of `width` vectors' elements, whose first elements are `step` apart.

    Planes are an odd number of lines apart, so that they fall on different ones of the cache, and
    rows no multiple of 16 lines.
    """

    count: int
    rows: int
    width: int

    @property
    def row(self) -> int:
        """From row to row in elements."""
        line = LINE // 4
        lines = -(-self.width // line)
        return (lines if lines % 16 else lines + 1) * line

    @property
    def step(self) -> int:
        """From plane to plane in elements."""
        line = LINE // 4
        return (self.rows * self.row // line | 1) * line

    @property
    def size(self) -> int:
        return self.count * self.step


class Tiles(Maps):
    """Text that moves tiles between maps and planes, in float32; `at` is the table of places."""

    at = ""

    def place_table(self, *fields: Field) -> None:
        """Memory for the places of any patch of these fields."""
        wide = max(field.size * field.wide for field in fields)
        self.at = self.assign(f"alloca [{wide} x i64], align 64")

    def places(self, name: str, field: Field, grid: tuple[int, int]) -> None:
        """A function that writes a table of the addresses of a tile's elements.

        @places_name(table, maps, outside, tile): `outside` is where elements beyond the edges lie.
        grid: rows and columns of tiles of an image.
        """
        wide = field.wide
        kind = f"<{wide} x i64>"
        row_step, column_step = (4 * stride for stride in field.strides[1:])

        def splat(text: str) -> str:
            one = self.assign(f"insertelement {kind} poison, i64 {text}, i64 0")
            zeros = f"<{wide} x i32> zeroinitializer"
            return self.assign(f"shufflevector {kind} {one}, {kind} poison, {zeros}")

        def series(step: int) -> str:
            return f"<{', '.join(f'i64 {step * i}' for i in range(wide))}>"

        with self.function(
            f"internal void @places_{name}(ptr noalias %table, ptr %maps, ptr %outside, i64 %tile)"
        ):
            image, rest = self.divided("%tile", grid[0] * grid[1])
            row, column = self.divided(rest, grid[1])
            row = self.assign(f"sub i64 {self.assign(f'mul i64 {row}, {field.step}')}, {field.top}")
            column = self.assign(f"mul i64 {column}, {field.step}")
            column = self.assign(f"sub i64 {column}, {field.left}")
            start = self.nth("%maps", image, field.strides[0])
            start = self.assign(f"ptrtoint ptr {start} to i64")
            right = self.assign(f"mul i64 {column}, {column_step}")
            start = self.assign(f"add i64 {start}, {right}")
            outside = splat(self.assign("ptrtoint ptr %outside to i64"))
            columns = self.assign(f"add {kind} {splat(column)}, {series(1)}")
            inside = self.assign(f"icmp ult {kind} {columns}, splat (i64 {field.columns})")
            for i in range(field.size):
                here = self.assign(f"add i64 {row}, {i}") if i else row
                valid = self.assign(f"icmp ult i64 {here}, {field.rows}")
                down = self.assign(f"mul i64 {here}, {row_step}")
                first = splat(self.assign(f"add i64 {start}, {down}"))
                at = self.assign(f"add {kind} {first}, {series(column_step)}")
                at = self.assign(f"select <{wide} x i1> {inside}, {kind} {at}, {kind} {outside}")
                at = self.assign(f"select i1 {valid}, {kind} {at}, {kind} {outside}")
                to = self.assign(f"getelementptr i64, ptr %table, i64 {i * wide}")
                self.put(f"store {kind} {at}, ptr {to}, align 64")

    def spread(self, name: str, matrix: Matrix, field: Field, planes: Planes) -> None:
        """A function that transforms a tile of maps into a row of planes.

        @move_name(table, planes, first, last): of the channels first … last − 1; `planes` is where
        the row begins in the first plane. Zeros fill the vector behind the last channel.
        """
        with self.function(
            f"internal void @move_{name}(ptr %table, ptr noalias %planes, i64 %first, i64 %last)"
        ):
            for live, channel, at in self.runs(field.channels):
                row = self.pointer("%planes", at)

                def value(i: int, j: int, channel: str = channel, live: int = live) -> str:
                    return self.run_of(self.element(field, i, j, channel), live)

                def save(i: int, j: int, vector: str, row: str = row) -> None:
                    place = self.pointer(row, (i * len(matrix) + j) * planes.step)
                    self.put(f"store {self.wide} {vector}, ptr {place}, align 4")

                self.two_sided(matrix, value, save)

    def collect(
        self, name: str, matrix: Matrix, field: Field, planes: Planes, strip: int = 0
    ) -> None:
        """A function that transforms a row of planes into a tile of maps: see `spread`.

        With a `strip` it gets that in place of the table: room for a whole tile, row by row, each
        place with so many channels, the first of which is channel `first`.
        """
        with self.function(
            f"internal void @move_{name}(ptr %table, ptr noalias %planes, i64 %first, i64 %last)"
        ):
            for live, channel, at in self.runs(field.channels):
                row, near = self.pointer("%planes", at), self.pointer("%table", at)

                def value(i: int, j: int, row: str = row) -> str:
                    place = self.pointer(row, (i * len(matrix[0]) + j) * planes.step)
                    return self.run_of(place, self.lanes)

                def save(
                    i: int, j: int, vector: str, channel: str = channel, live: int = live,
                    near: str = near,
                ) -> None:  # fmt: skip
                    if strip:
                        place = self.pointer(near, (i * len(matrix) + j) * strip)
                        self.put_run(vector, place, self.lanes)
                    else:
                        self.put_run(vector, self.element(field, i, j, channel), live)

                self.two_sided(matrix, value, save)

    def element(self, field: Field, i: int, j: int, channel: str) -> str:
        """Where the channels of element (i, j) lie, by the table."""
        entry = self.assign(f"getelementptr ptr, ptr %table, i64 {i * field.wide + j}")
        return self.pointer(self.assign(f"load ptr, ptr {entry}"), channel)

    def runs(self, channels: int) -> Iterator[tuple[int, str, str]]:
        """Vectors of channels %first … %last − 1: how many live, the first, its place from %first.

        Parts of `channels` that end before its last one have whole vectors.
        """
        whole = channels - channels % self.lanes
        if whole:
            with self.loop("%first", self.smaller("%last", whole), self.lanes) as channel:
                yield self.lanes, channel, self.assign(f"sub i64 {channel}, %first")
        if channels > whole:
            with self.where(self.assign(f"icmp sgt i64 %last, {whole}")):
                yield channels - whole, str(whole), self.assign(f"sub i64 {whole}, %first")

    def move(
        self, name: str, maps: str, outside: str, tile: str, row: str, ends: tuple[str, str]
    ) -> None:
        """Move a tile between maps and a row of planes by the functions of that name."""
        self.call_own(
            f"@places_{name}", f"ptr {self.at}", f"ptr {maps}", f"ptr {outside}", f"i64 {tile}"
        )
        channels = [f"i64 {end}" for end in ends]
        self.call_own(f"@move_{name}", f"ptr {self.at}", f"ptr {row}", *channels)

    # --- parts of the work ---

    def nth(self, base: str, number: str, step: int) -> str:
        """The address of the part of that number, `step` elements each."""
        return self.pointer(base, self.assign(f"mul i64 {number}, {step}"))

    def divided(self, number: str, by: int) -> tuple[str, str]:
        """Quotient and remainder."""
        quotient = self.assign(f"sdiv i64 {number}, {by}")
        return quotient, self.assign(f"srem i64 {number}, {by}")

    def reach(self, first: str, count: int, limit: int) -> str:
        """first + count, at most the limit."""
        return self.smaller(self.assign(f"add i64 {first}, {count}"), limit)

    def blocks(self, count: int | str, size: int) -> str:
        """How many blocks of so many things there are."""
        return self.assign(f"sdiv i64 {self.assign(f'add i64 {count}, {size - 1}')}, {size}")

    def share(self, part: str, parts: int, count: str) -> tuple[str, str]:
        """The first of the things that a part of them has, and the one behind its last."""
        following = self.assign(f"add i64 {part}, 1")
        places = [self.assign(f"mul i64 {i}, {count}") for i in (part, following)]
        start, stop = [self.assign(f"sdiv i64 {place}, {parts}") for place in places]
        return start, stop

    def ask_for(
        self, maps: str, field: Field, grid: tuple[int, int], tile: str, block: int,
        part: str, parts: int, *, write: bool = False,
    ) -> None:  # fmt: skip
        """Fetch a part of what `block` tiles from `tile` on read or write into the second cache.

        Tiles of whole rows are runs of memory, so what lies between is about where they lie.
        """
        each = field.strides[0] // (grid[0] * grid[1])
        lines = -(-4 * each * block // (LINE * parts))
        first = self.assign(f"mul i64 {part}, {lines * LINE}")
        start = self.assign(f"mul i64 {tile}, {field.strides[0] * 4}")
        start = self.assign(f"sdiv i64 {start}, {grid[0] * grid[1]}")
        at = self.assign(f"add i64 {start}, {first}")
        how = [("i32", "1" if write else "0"), ("i32", "2"), ("i32", "1")]
        for line in range(lines):
            # Behind the end nothing is read: a prefetch of no memory does nothing.
            here = self.assign(f"add i64 {at}, {line * LINE}")
            place = self.assign(f"getelementptr i8, ptr {maps}, i64 {here}")
            self.put(self.call("void", "llvm.prefetch.p0", ("ptr", place), *how))

    # --- rooms ---

    @contextmanager
    def room(self, doors: str, rooms: str, count: int, size: int) -> Iterator[str]:
        """Inside, one of `count` rooms of `size` elements of scratch memory is this call's own.

        doors: a word, at first 0, with a bit for each room, set while it is taken. The lowest free
        one is taken: a thread finds in its cache what it left there.
        """
        self.put("br label %knock")
        self.label("knock")
        taken = self.assign(f"load atomic i64, ptr {doors} monotonic, align 8")
        free = self.assign(f"xor i64 {taken}, {(1 << count) - 1}")
        none = self.assign(f"icmp eq i64 {free}, 0")
        self.put(f"br i1 {none}, label %wait, label %try")
        self.label("wait")
        self.pause()
        self.put("br label %knock")
        self.label("try")
        lowest = self.assign(f"and i64 {free}, {self.assign(f'sub i64 0, {free}')}")
        after = self.assign(f"or i64 {taken}, {lowest}")
        text = f"cmpxchg ptr {doors}, i64 {taken}, i64 {after} acq_rel monotonic"
        mine = self.assign(f"extractvalue {{ i64, i1 }} {self.assign(text)}, 1")
        self.put(f"br i1 {mine}, label %inside, label %knock")
        self.label("inside")
        number = self.intrinsic("i64", "llvm.cttz.i64", ("i64", lowest), ("i1", "true"))
        yield self.nth(rooms, number, size)
        closed = self.assign(f"xor i64 {lowest}, -1")
        self.put(f"{self.fresh()} = atomicrmw and ptr {doors}, i64 {closed} acq_rel")

    def clear(self, place: str, elements: int) -> None:
        """Zeros in memory."""
        operands = (("ptr", place), ("i8", "0"), ("i64", str(4 * elements)), ("i1", "false"))
        self.put(self.call("void", "llvm.memset.p0.i64", *operands))
