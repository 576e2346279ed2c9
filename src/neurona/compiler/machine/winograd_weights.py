"""Weights between their own layout and the planes that Winograd's convolution multiplies by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from neurona.compiler.machine.pack import even_chunks
from neurona.compiler.machine.winograd_maps import Maps
from neurona.compiler.machine.winograd_matrices import Algorithm
from neurona.core import dtypes

MOST_CHUNKS = 64


@dataclass(frozen=True)
class WeightTransform:
    """Kernels (depth, columns) to [places][panels][depth][width]; panels are filled with zeros.

    strides: in elements, along depth, columns, and the kernel's rows and columns. flipped: the
    kernels are turned by 180°, as the gradient by the input wants them.
    """

    kind: ClassVar[str] = "pack"
    algorithm: Algorithm
    depth: int
    columns: int
    width: int
    strides: tuple[int, int, int, int]
    offset: int
    flipped: bool
    lanes: int

    @property
    def panels(self) -> int:
        return -(-self.columns // self.width)

    @property
    def rows(self) -> int:
        """Rows of panels."""
        return self.panels * self.depth

    @property
    def chunks(self) -> int:
        return even_chunks(self.rows, MOST_CHUNKS)

    @property
    def size(self) -> int:
        return self.algorithm.places * self.rows * self.width

    @property
    def flops(self) -> int:
        return self.size

    def text(self) -> str:
        return WeightEmitter(self).run()


class WeightEmitter(Maps):
    """LLVM IR of transformed weights: table (weights, panels)."""

    def __init__(self, transform: WeightTransform) -> None:
        super().__init__(dtypes.float32, transform.lanes)
        self.t = transform

    def run(self) -> str:
        t = self.t
        full, rest = divmod(t.columns, t.width)
        kinds = [t.width] * bool(full) + [rest] * bool(rest)
        for columns in kinds:
            self.row(columns)
        with self.function("void @kernel(ptr %table, i64 %first, i64 %last)"):
            weights, panels = self.table(2)
            source = self.pointer(weights, t.offset)
            with self.loop(*self.part_of_chunks(t.rows, t.chunks)) as row:
                panel = self.assign(f"sdiv i64 {row}, {t.depth}")
                k = self.assign(f"srem i64 {row}, {t.depth}")
                across = self.assign(f"mul i64 {panel}, {t.width * t.strides[1]}")
                down = self.assign(f"mul i64 {k}, {t.strides[0]}")
                kernel = self.pointer(source, self.assign(f"add i64 {across}, {down}"))
                to = self.pointer(panels, self.assign(f"mul i64 {row}, {t.width}"))
                for columns in kinds:
                    relation = "slt" if columns == t.width else "sge"
                    with self.where(self.assign(f"icmp {relation} i64 {panel}, {full}")):
                        self.call_own(f"@row_{columns}", f"ptr {kernel}", f"ptr {to}")
        return "\n".join([*self.finished, *sorted(self.declarations)])

    def row(self, columns: int) -> None:
        """A function that transforms the kernels of one row of a panel."""
        t = self.t
        matrix, step = t.algorithm.weights, t.rows * t.width
        with self.function(f"internal void @row_{columns}(ptr %kernels, ptr noalias %panels)"):
            for first in range(0, t.width, self.lanes):
                live = max(0, min(self.lanes, columns - first))

                def value(i: int, j: int, first: int = first, live: int = live) -> str:
                    return self.kernels(i, j, first, live)

                def save(i: int, j: int, vector: str, first: int = first) -> None:
                    at = (i * len(matrix) + j) * step + first
                    place = self.pointer("%panels", at)
                    self.put(f"store {self.wide} {vector}, ptr {place}, align 4")

                self.two_sided(matrix, value, save)

    def kernels(self, i: int, j: int, first: int, live: int) -> str:
        """Element (i, j) of `live` kernels from column `first`, zeros behind them."""
        t, lanes = self.t, self.lanes
        if not live:
            return "zeroinitializer"
        if t.flipped:
            i, j = t.algorithm.kernel - 1 - i, t.algorithm.kernel - 1 - j
        start = i * t.strides[2] + j * t.strides[3] + first * t.strides[1]
        offsets = ", ".join(f"i64 {start + lane * t.strides[1]}" for lane in range(lanes))
        places = self.assign(
            f"getelementptr inbounds {self.kind}, ptr %kernels, <{lanes} x i64> <{offsets}>"
        )
        return self.intrinsic(
            self.wide,
            f"llvm.masked.gather.{self.suffix(self.kind, True)}.v{lanes}p0",
            (f"<{lanes} x ptr>", places),
            ("i32", "4"),
            self.mask(live),
            (self.wide, "zeroinitializer"),
        )
