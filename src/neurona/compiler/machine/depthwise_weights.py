"""The gradient for the weights of a convolution in which every channel has a kernel of its own.

Vectors of channels of a row of results meet, tap by tap, those of the input; the sums of a row's
taps stay in registers while its pixels run. Parts of the rows have sums of their own, which
`Gathering` adds up.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from neurona.compiler.ir.sizes import plain
from neurona.compiler.machine.convolution import Axis
from neurona.compiler.machine.convolution_weights import live
from neurona.compiler.machine.pack import PanelText
from neurona.core.dtypes import DType

PARTS = 16
"""Parts into which the rows are cut."""


@dataclass(frozen=True)
class DepthwiseGradient:
    """Sums (parts, taps, channels) from x and g = (batch, *results, channels).

    axes: those of the forward pass. x_strides: of batch and spatial axes.
    """

    kind: ClassVar[str] = "convolution"
    batch: int
    axes: tuple[Axis, ...]
    channels: int
    x_strides: tuple[int, ...]
    x_offset: int
    g_offset: int
    dtype: DType
    lanes: int

    @property
    def taps(self) -> int:
        return math.prod(axis.taps for axis in self.axes)

    @property
    def rows(self) -> int:
        """Rows of results."""
        return math.prod((self.batch, *[axis.results for axis in self.axes[:-1]]))

    @property
    def parts(self) -> int:
        return max(1, min(PARTS, plain(self.rows)))

    @property
    def chunks(self) -> int:
        return self.parts

    @property
    def flops(self) -> int:
        return 2 * self.rows * self.axes[-1].results * self.taps * self.channels

    def text(self) -> str:
        return DepthwiseEmitter(self).run()


class DepthwiseEmitter(PanelText):
    """LLVM IR: table (x, g, sums)."""

    def __init__(self, gradient: DepthwiseGradient) -> None:
        super().__init__(gradient.dtype, gradient.lanes)
        self.of = gradient

    def run(self) -> str:
        of = self.of
        full, rest = divmod(of.channels, of.lanes)
        for width in ([of.lanes] if full else []) + ([rest] if rest else []):
            self.row_function(width)
        with self.function("void @kernel(ptr %table, i64 %first, i64 %last)"):
            x, g, sums = self.table(3)
            x, g = self.pointer(x, of.x_offset), self.pointer(g, of.g_offset)
            with self.loop("%first", "%last") as part:
                rows = self.span(part, of.parts, of.rows)
                there = self.pointer(sums, self.moved((part, of.taps * of.channels)))
                with self.loop("0", str(of.taps * of.channels)) as i:
                    zero = self.pointer(there, i)
                    self.put(f"store {self.kind} 0.0, ptr {zero}, align {self.dtype.itemsize}")
                with self.loop(*rows) as row:
                    self.row_of_results(row, x, g, there)
        return "\n".join([*self.finished, *sorted(self.declarations)])

    def row_of_results(self, row: str, x: str, g: str, sums: str) -> None:
        """What the outer taps make of one row of results."""
        of = self.of
        rest, places = row, list[str]()
        for axis in reversed(of.axes[:-1]):
            places.insert(0, self.assign(f"srem i64 {rest}, {axis.results}"))
            rest = self.assign(f"sdiv i64 {rest}, {axis.results}")
        x = self.pointer(x, self.moved((rest, of.x_strides[0])))
        g = self.pointer(g, self.moved((row, of.axes[-1].results * of.channels)))
        outer = of.axes[:-1]
        for number, taps in enumerate(itertools.product(*[range(a.taps) for a in outer])):
            goal = self.pointer(sums, number * of.axes[-1].taps * of.channels)
            if not outer:
                self.vectors_of_row(x, g, goal)
                continue
            inside, start = self.met(places, taps, x)
            with self.where(inside):
                self.vectors_of_row(start, g, goal)

    def met(self, places: list[str], taps: Sequence[int], x: str) -> tuple[str, str]:
        """Whether the outer taps meet the input here, and the row of the input that they meet."""
        of = self.of
        inside = "true"
        for axis, place, tap, stride in zip(
            of.axes[:-1], places, taps, of.x_strides[1:-1], strict=True
        ):
            start = self.assign(f"mul nsw i64 {place}, {axis.step}")
            at = self.assign(f"add nsw i64 {start}, {axis.tap * tap + axis.shift}")
            there = self.assign(f"icmp ult i64 {at}, {axis.inputs}")
            inside = self.assign(f"and i1 {inside}, {there}")
            step = self.assign(f"mul nsw i64 {at}, {stride}")
            x = self.assign(f"getelementptr {self.kind}, ptr {x}, i64 {step}")
        return inside, x

    def vectors_of_row(self, x: str, g: str, sums: str) -> None:
        of = self.of
        full, rest = divmod(of.channels, of.lanes)
        if full:
            with self.loop("0", str(full)) as vector:
                at = self.assign(f"mul nsw i64 {vector}, {of.lanes}")
                self.call_row(of.lanes, at, x, g, sums)
        if rest:
            self.call_row(rest, str(full * of.lanes), x, g, sums)

    def call_row(self, width: int, channel: str, x: str, g: str, sums: str) -> None:
        pointers = [f"ptr {self.pointer(base, channel)}" for base in (x, g, sums)]
        self.call_own(f"@row{width}", *pointers)

    def row_function(self, width: int) -> None:
        """Adds a row's products for one vector of channels to the sums of the inner taps."""
        axis = self.of.axes[-1]
        with self.function(
            f"internal void @row{width}(ptr noalias %x, ptr noalias %g, ptr noalias %s)"
        ):
            ranges = [live(axis, tap) for tap in range(axis.taps)]
            low, high = max(r[0] for r in ranges), min(r[1] for r in ranges)
            high = max(low, high)
            sums = [self.fresh("sum") for _ in ranges]
            for total in sums:
                self.put(f"{total} = alloca {self.wide}")
            for tap, total in enumerate(sums):
                before = self.run_of(self.pointer("%s", tap * self.of.channels), width)
                self.put(f"store {self.wide} {before}, ptr {total}")
            every = list(enumerate(sums))
            self.pixels(every, low, high, width)
            for (tap, total), (first, last) in zip(every, ranges, strict=True):
                self.pixels([(tap, total)], first, min(low, last), width)
                self.pixels([(tap, total)], max(high, first), last, width)
            for tap, total in every:
                vector = self.assign(f"load {self.wide}, ptr {total}")
                self.put_run(vector, self.pointer("%s", tap * self.of.channels), width)

    def pixels(self, taps: list[tuple[int, str]], first: int, last: int, width: int) -> None:
        """Add these taps' products with the pixels first … last − 1."""
        if first >= last:
            return
        of = self.of
        axis, stride = of.axes[-1], of.x_strides[-1]
        with self.loop(str(first), str(last)) as pixel:
            x = self.pointer("%x", self.moved((pixel, axis.step * stride)))
            g = self.run_of(self.pointer("%g", self.moved((pixel, of.channels))), width)
            for tap, total in taps:
                at = (axis.tap * tap + axis.shift) * stride
                met = self.run_of(self.pointer(x, at), width)
                typed = [(self.wide, text) for text in (g, met)]
                typed.append((self.wide, self.assign(f"load {self.wide}, ptr {total}")))
                name = f"llvm.fma.{self.suffix(self.kind, True)}"
                made = self.intrinsic(self.wide, name, *typed)
                self.put(f"store {self.wide} {made}, ptr {total}")
