"""Copies that put another axis innermost, in blocks that are transposed in registers.

Of the axes of the result, whose last one lies along memory, another one lies along memory in the
source. L×L blocks of these two are read as runs of the source, transposed, and stored as runs of
the result, where loops would gather every element. What fills no block is copied one by one.
Chunks are runs of blocks along the source's axis.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from neurona.compiler.ir.sizes import is_plain, plain
from neurona.compiler.ir.views import row_major
from neurona.compiler.machine.pack import PanelText, even_chunks
from neurona.core.dtypes import DType
from neurona.core.op import Shape

Strides = tuple[int, ...]
CHUNK_ELEMENTS = 1 << 13
"""Elements that make a chunk of its own worth while."""
MAX_CHUNKS = 64


@dataclass(frozen=True)
class Transposition:
    """A copy of `shape` from these strides to row-major order; axis `along` has stride 1."""

    kind: ClassVar[str] = "transposition"
    shape: Shape
    strides: Strides
    offset: int
    along: int
    dtype: DType
    lanes: int

    @property
    def outer(self) -> list[int]:
        """The axes but the two that are transposed."""
        return [axis for axis in range(len(self.shape) - 1) if axis != self.along]

    @property
    def blocks(self) -> int:
        """Blocks along the source's axis, the last of which may be smaller."""
        extent = self.shape[self.along]
        return -(-extent // self.lanes) if is_plain(extent) else extent

    @property
    def count(self) -> int:
        return math.prod(self.shape[axis] for axis in self.outer) * self.blocks

    @property
    def chunks(self) -> int:
        elements = plain(math.prod(map(plain, self.shape)))
        return even_chunks(self.count, max(1, min(MAX_CHUNKS, elements // CHUNK_ELEMENTS)))

    def text(self) -> str:
        return TransposeEmitter(self).run()


def transposition(
    shape: Shape, strides: Strides, offset: int, dtype: DType, lanes: int
) -> Transposition | None:
    """How to copy what has these strides, None if loops serve as well."""
    axes: list[tuple[int, int]] = []
    for extent, stride in zip(shape, strides, strict=True):
        if is_plain(extent) and extent == 1:
            continue
        if axes and axes[-1][1] == stride * extent:
            # Neighbours in both orders are one axis.
            axes[-1] = (axes[-1][0] * extent, stride)
        else:
            axes.append((extent, stride))
    runs = [i for i, (extent, stride) in enumerate(axes) if stride == 1 and extent >= lanes]
    if dtype.itemsize not in (4, 8) or not runs or axes[-1][1] == 1 or axes[-1][0] < lanes:
        return None
    extents, steps = zip(*axes, strict=True)
    return Transposition(extents, steps, offset, runs[0], dtype, lanes)


class TransposeEmitter(PanelText):
    """LLVM IR of a `Transposition`: table (source, result)."""

    def __init__(self, copy: Transposition) -> None:
        super().__init__(copy.dtype, copy.lanes)
        self.copy = copy
        self.steps = row_major(copy.shape)

    def run(self) -> str:
        c = self.copy
        length, lanes = c.shape[c.along], c.lanes
        with self.function("void @kernel(ptr %table, i64 %first, i64 %last)"):
            source, goal = self.table(2)
            source = self.pointer(source, c.offset)
            blocks = self.assign(f"add i64 {length}, {lanes - 1}")
            blocks = self.assign(f"udiv i64 {blocks}, {lanes}")
            count = blocks
            for axis in c.outer:
                count = self.assign(f"mul i64 {count}, {c.shape[axis]}")
            with self.loop(*self.share(count)) as number:
                block = self.assign(f"urem i64 {number}, {blocks}")
                rest = self.assign(f"udiv i64 {number}, {blocks}")
                row = self.assign(f"mul i64 {block}, {lanes}")
                read = self.pointer(source, row)
                write = self.pointer(goal, self.assign(f"mul i64 {row}, {self.steps[c.along]}"))
                for axis in reversed(c.outer):
                    i = self.assign(f"urem i64 {rest}, {c.shape[axis]}")
                    rest = self.assign(f"udiv i64 {rest}, {c.shape[axis]}")
                    read = self.pointer(read, self.assign(f"mul i64 {i}, {c.strides[axis]}"))
                    write = self.pointer(write, self.assign(f"mul i64 {i}, {self.steps[axis]}"))
                left = self.assign(f"sub i64 {length}, {row}")
                self.rows(read, write, self.smaller(left, lanes))
        return "\n".join([*self.finished, *sorted(self.declarations)])

    def share(self, count: str) -> tuple[str, str]:
        """Which of the blocks chunks %first … %last − 1 have."""
        whole = self.assign(f"add i64 {count}, {self.copy.chunks - 1}")
        each = self.assign(f"udiv i64 {whole}, {self.copy.chunks}")
        first, last = (self.assign(f"mul i64 {i}, {each}") for i in ("%first", "%last"))
        return first, self.smaller(last, count)

    def rows(self, read: str, write: str, live: str) -> None:
        """Up to L rows of the result, `live` of them."""
        c = self.copy
        width, lanes = c.shape[-1], c.lanes
        full = self.assign(f"icmp eq i64 {live}, {lanes}")
        whole = self.assign(f"select i1 {full}, i64 {width}, i64 0")
        whole = self.multiple_below(whole, lanes)
        with self.loop("0", whole, lanes) as column:
            self.block(read, write, column)
        with self.loop("0", live) as row, self.loop(whole, str(width)) as column:
            at = self.assign(f"mul i64 {column}, {c.strides[-1]}")
            place = self.pointer(self.pointer(read, row), at)
            value = self.assign(f"load {self.kind}, ptr {place}")
            to = self.pointer(write, self.assign(f"mul i64 {row}, {self.steps[c.along]}"))
            self.put(f"store {self.kind} {value}, ptr {self.pointer(to, column)}")

    def block(self, read: str, write: str, column: str) -> None:
        """Transpose the L×L block from this column on."""
        c = self.copy
        start = self.pointer(read, self.assign(f"mul i64 {column}, {c.strides[-1]}"))
        vectors = []
        for i in range(c.lanes):
            place = self.pointer(start, self.assign(f"mul i64 {c.strides[-1]}, {i}"))
            vectors.append(self.run_of(place, c.lanes))
        to = self.pointer(write, column)
        for i, vector in enumerate(self.transpose(vectors)):
            at = self.assign(f"mul i64 {self.steps[c.along]}, {i}")
            self.put_run(vector, self.pointer(to, at), c.lanes)
