"""Sums over the places of a kernel, with the batch as the innermost axis.

A convolution of few channels and its input gradient are the same sum: a result channel at a place
is the sum, over channels and over the taps that meet the data there, of weight times data. Which
taps those are stands in a table for each place along each axis, so that borders, strides, dilation
and the flipped taps of the gradient are all the same code. Vectors lie along the batch: a tile of
several result channels by several vectors stays in registers while the sum runs; a step loads the
data's vectors and spreads one weight for each channel over a vector. Chunks are runs of places.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

from neurona.compiler.ir.sizes import is_plain, plain, typical
from neurona.compiler.machine.pack import PanelText, even_chunks
from neurona.core.dtypes import DType

CHUNK_FLOPS = 1 << 19
"""Arithmetic that makes a chunk of its own worth while."""
MAX_CHUNKS = 64


@dataclass(frozen=True)
class Axis:
    """The taps along one axis, for each place of the results: the place in the data of the first
    one, its own number, and how many follow each other; then the steps of both."""

    places: tuple[tuple[int, int, int], ...]
    data_step: int
    tap_step: int

    @property
    def most(self) -> int:
        """The greatest number of taps at a place."""
        return max(count for _, _, count in self.places)


def forward_axis(size: int, kernel: int, stride: int, low: int, dilation: int, out: int) -> Axis:
    """An axis of a convolution: `size` places of data, `low` of padding before them."""
    places = []
    for place in range(out):
        start = place * stride - low
        first = max(0, -(start // dilation))
        last = min(kernel, -(-(size - start) // dilation))
        places.append((start + first * dilation, first, max(0, last - first)))
    return Axis(tuple(places), dilation, 1)


def gradient_axis(size: int, kernel: int, stride: int, low: int, dilation: int, out: int) -> Axis:
    """An axis of the input gradient: `size` places of results from `out` of data."""
    common = math.gcd(stride, dilation)
    data_step, tap_step = -(dilation // common), stride // common
    places = []
    for place in range(size):
        taps = [k for k in range(kernel) if (place + low - k * dilation) % stride == 0]
        pairs = [((place + low - k * dilation) // stride, k) for k in taps]
        pairs = [(data, k) for data, k in pairs if 0 <= data < out]
        places.append((*pairs[0], len(pairs)) if pairs else (0, 0, 0))
    return Axis(tuple(places), data_step, tap_step)


@dataclass(frozen=True)
class Correlation:
    """The sum y[g·rows + i, place, b] = Σ w[g, i, j, tap]·x[g·terms + j, data, b] over j and taps.

    axes: the spatial ones. data_strides: of the channels and the spatial axes of x, whose batch is
    contiguous; weight_strides: of g, i, j and the taps along each axis; all in elements.
    """

    kind: ClassVar[str] = "convolution"
    groups: int
    rows: int
    terms: int
    batch: int
    axes: tuple[Axis, ...]
    data_strides: tuple[int, ...]
    data_offset: int
    weight_strides: tuple[int, ...]
    weight_offset: int
    dtype: DType
    lanes: int

    @property
    def places(self) -> int:
        return math.prod(len(axis.places) for axis in self.axes)

    @functools.cached_property
    def tile(self) -> tuple[int, int]:
        """Rows and vectors of a tile: those whose steps take the least time."""
        registers = 32 if self.lanes * self.dtype.itemsize == 64 else 16
        batch = -(-typical(self.batch) // self.lanes)
        best, chosen = math.inf, (1, 1)
        for rows in range(1, min(self.rows, registers - 2) + 1):
            for vectors in range(1, min(batch, 8) + 1):
                if rows * vectors + vectors + 1 > registers:
                    continue
                time = _steps(self.rows, batch, rows, vectors)
                if time < best:
                    best, chosen = time, (rows, vectors)
        return chosen

    @property
    def chunks(self) -> int:
        work = -(-plain(self.flops) // CHUNK_FLOPS)
        return even_chunks(self.places, max(1, min(MAX_CHUNKS, work)))

    @property
    def flops(self) -> int:
        taps = math.prod(sum(count for _, _, count in axis.places) for axis in self.axes)
        return 2 * self.groups * self.rows * self.terms * taps * self.batch

    def text(self) -> str:
        return CorrelationEmitter(self).run()


def _steps(rows: int, vectors: int, tile_rows: int, tile_vectors: int) -> float:
    """Cycles of one step of the sum in all tiles that hold rows × vectors results."""
    total = 0.0
    for i, height in ((rows // tile_rows, tile_rows), (1, rows % tile_rows)):
        for j, width in ((vectors // tile_vectors, tile_vectors), (1, vectors % tile_vectors)):
            if height and width:
                # A multiplication a cycle, each four cycles long; a vector's load a cycle, two
                # weights' loads a cycle.
                total += i * j * max(height * width, width + height / 2, 4) + i * j
    return total


class BatchText(PanelText):
    """Text of vectors along the batch, of whose last one only some elements may count."""

    def pointer(self, base: str, at: str | int) -> str:
        """The place of an element, which may lie outside of the array while no place is added."""
        return self.assign(f"getelementptr {self.kind}, ptr {base}, i64 {at}")

    def numbers(self, name: str, numbers: list[int]) -> None:
        """A table in the program's text."""
        kind = f"[{len(numbers)} x i64]"
        parts = ", ".join(f"i64 {number}" for number in numbers)
        self.declarations.add(f"{name} = private constant {kind} [{parts}]")

    def times(self, number: str, factor: int) -> str:
        return self.assign(f"mul nsw i64 {number}, {factor}")

    def multiple(self, number: str, unit: int) -> str:
        if number.isdigit():
            return str(int(number) // unit * unit)
        return self.times(self.assign(f"udiv i64 {number}, {unit}"), unit)

    def live_mask(self, live: str) -> str | None:
        if live == str(self.lanes):
            return None
        if live.isdigit():
            return self.mask(int(live))[1]
        wanted = self.splat(live, "i64")
        return self.assign(f"icmp ult <{self.lanes} x i64> {self.lane_numbers()}, {wanted}")

    def load_masked(self, pointer: str, mask: str | None) -> str:
        align = self.dtype.itemsize
        if mask is None:
            return self.assign(f"load {self.wide}, ptr {pointer}, align {align}")
        return self.intrinsic(
            self.wide, f"llvm.masked.load.{self.suffix(self.kind, True)}.p0", ("ptr", pointer),
            ("i32", str(align)), (f"<{self.lanes} x i1>", mask), (self.wide, "zeroinitializer"),
        )  # fmt: skip

    def put_masked(self, vector: str, pointer: str, mask: str | None) -> None:
        align = self.dtype.itemsize
        if mask is None:
            self.put(f"store {self.wide} {vector}, ptr {pointer}, align {align}")
            return
        name = f"llvm.masked.store.{self.suffix(self.kind, True)}.p0"
        typed = [(self.wide, vector), ("ptr", pointer), ("i32", str(align))]
        self.put(self.call("void", name, *typed, (f"<{self.lanes} x i1>", mask)))


class CorrelationEmitter(BatchText):
    """LLVM IR of a `Correlation`: table (data, weights, results)."""

    def __init__(self, sums: Correlation) -> None:
        super().__init__(sums.dtype, sums.lanes)
        self.sums = sums
        self.height, self.width = sums.tile
        self.tiles: set[str] = set()
        self.result_step = sums.places * sums.batch

    def run(self) -> str:
        s = self.sums
        for i, axis in enumerate(s.axes):
            self.numbers(f"@axis{i}", [number for place in axis.places for number in place])
        with self.function("void @kernel(ptr %table, i64 %first, i64 %last)"):
            x, w, y = self.table(3)
            x, w = self.pointer(x, s.data_offset), self.pointer(w, s.weight_offset)
            ends = self.part_of_chunks(s.places, s.chunks)
            with self.loop("0", str(s.groups)) as group:
                x = self.pointer(x, self.times(group, s.terms * s.data_strides[0]))
                w = self.pointer(w, self.times(group, s.weight_strides[0]))
                y = self.pointer(y, self.times(group, s.rows * self.result_step))
                with self.loop(*ends) as place:
                    data, weights, counts = self.at_place(place, x, w)
                    goal = self.pointer(y, self.assign(f"mul i64 {place}, {s.batch}"))
                    self.all_rows(data, weights, goal, counts)
        return "\n".join([*self.finished, *sorted(self.declarations)])

    def at_place(self, place: str, x: str, w: str) -> tuple[str, str, list[str]]:
        """Where the data and weights of the first taps at a place lie, and how many there are."""
        s = self.sums
        counts: list[str] = []
        for i in reversed(range(len(s.axes))):
            extent = len(s.axes[i].places)
            own = self.assign(f"urem i64 {place}, {extent}") if i else place
            place = self.assign(f"udiv i64 {place}, {extent}") if i else place
            entry = self.assign(f"getelementptr [3 x i64], ptr @axis{i}, i64 {own}")
            data, tap, count = (
                self.assign(
                    f"load i64, ptr {self.assign(f'getelementptr i64, ptr {entry}, i64 {j}')}"
                )
                for j in range(3)
            )
            x = self.pointer(x, self.times(data, s.data_strides[1 + i]))
            w = self.pointer(w, self.times(tap, s.weight_strides[3 + i]))
            counts.insert(0, count)
        return x, w, counts

    def all_rows(self, x: str, w: str, y: str, counts: list[str]) -> None:
        """All results of one group at one place."""
        for vectors, live, start, stop in self.blocks():
            with self.loop(start, stop, vectors * self.lanes) as first:
                data, goal = self.pointer(x, first), self.pointer(y, first)
                self.column(vectors, live, data, w, goal, counts)

    def column(self, vectors: int, live: str, x: str, w: str, y: str, counts: list[str]) -> None:
        """All rows of some vectors."""
        s = self.sums
        whole = s.rows - s.rows % self.height
        for rows, start, stop in ((self.height, 0, whole), (s.rows - whole, whole, s.rows)):
            if start == stop:
                continue
            with self.loop(str(start), str(stop), rows) as row:
                weights = self.pointer(w, self.times(row, s.weight_strides[1]))
                goal = self.pointer(y, self.times(row, self.result_step))
                arguments = [f"ptr {x}", f"ptr {weights}", f"ptr {goal}"]
                arguments += [f"i64 {count}" for count in counts]
                arguments += [f"i64 {live}"] if live.startswith("%") else []
                self.call_own(self.tile(rows, vectors, live), *arguments)

    def blocks(self) -> Iterator[tuple[int, str, str, str]]:
        """Vectors of a block, live elements of the last, and from where to where they go."""
        s, lanes = self.sums, self.lanes
        step = self.width * lanes
        whole = self.multiple(str(s.batch), step)
        yield self.width, str(lanes), "0", whole
        if is_plain(s.batch):
            rest = s.batch % step
            if rest:
                yield -(-rest // lanes), str(rest % lanes or lanes), whole, str(s.batch)
            return
        full = self.multiple(str(s.batch), lanes)
        yield 1, str(lanes), whole, full
        live = self.assign(f"sub i64 {s.batch}, {full}")
        yield 1, live, full, str(s.batch)

    # --- one tile ---

    def tile(self, rows: int, vectors: int, live: str) -> str:
        """The function that computes rows × vectors results, written when first wanted."""
        moving = live.startswith("%")
        name = f"@tile_{rows}_{vectors}_{'some' if moving else live}"
        if name in self.tiles:
            return name
        self.tiles.add(name)
        counts = [f"i64 %count{i}" for i in range(len(self.sums.axes))]
        arguments = ["ptr noalias %x", "ptr noalias %w", "ptr noalias %y", *counts]
        arguments += ["i64 %live"] if moving else []
        with self.function(f"internal void {name}({', '.join(arguments)}) noinline"):
            masks = [None] * (vectors - 1) + [self.live_mask("%live" if moving else live)]
            totals = [[self.fresh("t") for _ in range(vectors)] for _ in range(rows)]
            for row in totals:
                for total in row:
                    self.put(f"{total} = alloca {self.wide}, align 64")
                    self.put(f"store {self.wide} zeroinitializer, ptr {total}")
            self.walk(totals, masks)
            for i, row in enumerate(totals):
                goal = self.pointer("%y", i * self.result_step)
                for j, total in enumerate(row):
                    value = self.assign(f"load {self.wide}, ptr {total}")
                    self.put_masked(value, self.pointer(goal, j * self.lanes), masks[j])
        return name

    def walk(self, totals: list[list[str]], masks: list[str | None]) -> None:
        """Add up all terms."""
        s = self.sums
        last = len(s.axes) - 1
        with self.loop("0", str(s.terms)) as term:
            x = self.pointer("%x", self.times(term, s.data_strides[0]))
            w = self.pointer("%w", self.times(term, s.weight_strides[2]))
            with self.outer_taps(0, x, w) as (x, w):
                tag = self.fresh("run")[1:]
                most = s.axes[-1].most
                whole = self.assign(f"icmp eq i64 %count{last}, {most}")
                self.put(f"br i1 {whole}, label %{tag}_whole, label %{tag}_part")
                self.label(f"{tag}_whole")
                for number in range(most):
                    self.step(totals, masks, *self.tap_at(last, str(number), x, w))
                self.put(f"br label %{tag}_done")
                self.label(f"{tag}_part")
                with self.loop("0", f"%count{last}") as tap:
                    self.step(totals, masks, *self.tap_at(last, tap, x, w))
                self.put(f"br label %{tag}_done")
                self.label(f"{tag}_done")

    @contextmanager
    def outer_taps(self, axis: int, x: str, w: str) -> Iterator[tuple[str, str]]:
        """Loops over the taps of all axes but the last."""
        if axis == len(self.sums.axes) - 1:
            yield x, w
            return
        with (
            self.loop("0", f"%count{axis}") as tap,
            self.outer_taps(axis + 1, *self.tap_at(axis, tap, x, w)) as inner,
        ):
            yield inner

    def tap_at(self, axis: int, tap: str, x: str, w: str) -> tuple[str, str]:
        s = self.sums
        steps = s.axes[axis]
        data = self.times(tap, steps.data_step * s.data_strides[1 + axis])
        weight = self.times(tap, steps.tap_step * s.weight_strides[3 + axis])
        return self.pointer(x, data), self.pointer(w, weight)

    def step(self, totals: list[list[str]], masks: list[str | None], x: str, w: str) -> None:
        """Add the products of one tap."""
        vectors = [
            self.load_masked(self.pointer(x, j * self.lanes), mask) for j, mask in enumerate(masks)
        ]
        fma = f"llvm.fma.{self.suffix(self.kind, True)}"
        for i, row in enumerate(totals):
            place = self.pointer(w, i * self.sums.weight_strides[1])
            weight = self.splat(self.assign(f"load {self.kind}, ptr {place}"), self.kind)
            for total, vector in zip(row, vectors, strict=True):
                old = self.assign(f"load {self.wide}, ptr {total}")
                typed = [(self.wide, text) for text in (weight, vector, old)]
                new = self.intrinsic(self.wide, fma, *typed)
                self.put(f"store {self.wide} {new}, ptr {total}")
