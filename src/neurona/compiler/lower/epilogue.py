"""What is done with the results of a product or convolution before they leave the cache.

A group that holds a product is one kernel, run for every strip of results (see `finish`), which the
product leaves in a buffer of the thread's own. Reductions over the rows have an accumulator for
each row of tiles; those over the columns need a product of one panel.
"""

from __future__ import annotations

import math

from neurona.compiler.ir.loops import Param
from neurona.compiler.ir.scalar import Expr
from neurona.compiler.ir.views import Layout
from neurona.compiler.lower.fusion import Fusion, Group
from neurona.compiler.lower.kernels import KernelBuilder
from neurona.compiler.machine.finish import Tiles
from neurona.core.node import Node

TILE = "tile"


class EpilogueBuilder(KernelBuilder):
    """Builds the kernel of a group with a product."""

    def __init__(
        self,
        group: Group,
        fusion: Fusion,
        layouts: dict[int, Layout],
        stored: set[int],
        tiles: Tiles,
    ) -> None:
        self.tiles = tiles
        super().__init__(group, fusion, layouts, stored)

    def lay_out_loops(self) -> None:
        """Rows and columns of a tile; where it lies in the product is given."""
        k, of = self.k, self.tiles
        tile_rows = math.prod(of.batch) * of.tiles
        *batch, row, column = self.group.axes[id(self.group.product)]
        if row is None or column is None:
            raise TypeError("a product of one row or column has no tiles")
        self.tile_place = k.variable("r0") * of.width + k.variable("c0")
        self.index = {
            row: k.variable("row") + k.variable("r0"),
            column: k.variable("column") + k.variable("c0"),
        }
        self.given = [
            ("chunk", tile_rows),
            ("row", of.m),
            ("column", of.n),
            ("rows", of.mr + 1),
            ("columns", of.width + 1),
        ]
        for i, (dim, extent) in enumerate(zip(batch, of.batch, strict=True)):
            self.given.append((f"g{i}", extent))
            if dim is not None:
                self.index[dim] = k.variable(f"g{i}")
        self.column_loops = [("c0", k.variable("columns"))]
        self.column_size = of.n
        self.chunks = tile_rows
        self.handed = [Param(TILE, of.dtype, of.mr * of.width, TILE)]

    def kernel_rows(self) -> tuple[tuple[str, int | Expr], ...]:
        return (("r0", self.k.variable("rows")),)

    def make_value(self, node: Node, phase: int) -> Expr:
        if node is self.group.product:
            return self.k.load(TILE, self.tile_place, node.dtype)
        return super().make_value(node, phase)

    def is_kept(self, node: Node) -> bool:
        return node is not self.group.product and super().is_kept(node)
