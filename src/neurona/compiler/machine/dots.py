"""Tiles of a product whose operands both lie along K: dot products, side by side.

Of a transposed B, such as the weights of a linear layer, neighbours along K lie side by side. Where
few rows of A are multiplied by it, packing it would take longer than it saves: vectors along K of
some rows of A and some columns of B are read instead, each lane has sums of its own, and these are
added up at the end, those of many results at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from neurona.compiler.machine.pack import PanelText

if TYPE_CHECKING:
    from neurona.compiler.machine.matmul import Matmul

SIDE = 4
"""Results side by side in a row: 4×4 sums and their operands fit in 32 registers."""


class DotEmitter(PanelText):
    """Writes the tiles' functions of places in A, B and C; C has `row_step` elements a row."""

    def __init__(self, mm: Matmul, row_step: int) -> None:
        super().__init__(mm.dtype, mm.lanes)
        self.k, self.row_step = mm.k, row_step
        self.a_step, self.b_step = mm.a_strides[-2], mm.b_strides[-1]
        self.most_rows = SIDE if mm.registers == 32 else SIDE // 2
        self.blocks: set[tuple[int, int]] = set()

    def tile(self, name: str, rows: int, columns: int) -> None:
        """A function that computes rows×columns results, in blocks that the registers hold."""
        height = -(-rows // -(-rows // self.most_rows))
        with self.function(f"internal void {name}(ptr noalias %a, ptr noalias %b, ptr noalias %c)"):
            whole = columns - columns % SIDE
            with self.loop("0", str(whole), SIDE) as column:
                self.column_of_blocks(rows, height, column, SIDE)
            if columns > whole:
                self.column_of_blocks(rows, height, str(whole), columns - whole)

    def column_of_blocks(self, rows: int, height: int, column: str, width: int) -> None:
        b = self.pointer("%b", self.assign(f"mul nsw i64 {column}, {self.b_step}"))
        c = self.pointer("%c", column)
        whole = rows - rows % height
        with self.loop("0", str(whole), height) as row:
            self.block_at(row, height, width, b, c)
        if rows > whole:
            self.block_at(str(whole), rows - whole, width, b, c)

    def block_at(self, row: str, height: int, width: int, b: str, c: str) -> None:
        """Compute a block at these places by its function, written when first wanted."""
        if (height, width) not in self.blocks:
            self.blocks.add((height, width))
            self.block(height, width)
        a = self.pointer("%a", self.assign(f"mul nsw i64 {row}, {self.a_step}"))
        c = self.pointer(c, self.assign(f"mul nsw i64 {row}, {self.row_step}"))
        self.call_own(f"@dots_{height}_{width}", f"ptr {a}", f"ptr {b}", f"ptr {c}")

    def block(self, rows: int, columns: int) -> None:
        """A function that computes rows×columns results in registers."""
        places = [(i, j) for i in range(rows) for j in range(columns)]
        whole = self.k - self.k % self.lanes
        name = f"@dots_{rows}_{columns}"
        with self.function(f"internal void {name}(ptr noalias %a, ptr noalias %b, ptr noalias %c)"):
            sums = dict.fromkeys(places, "zeroinitializer")
            if whole:
                sums = {(i, j): f"%n{i}_{j}" for i, j in places}
                self.put("br label %body")
                self.label("body")
                self.put("%k = phi i64 [ 0, %start ], [ %next, %body ]")
                for (i, j), n in sums.items():
                    start = f"{self.wide} [ zeroinitializer, %start ]"
                    self.put(f"%s{i}_{j} = phi {start}, [ {n}, %body ]")
                self.step({(i, j): f"%s{i}_{j}" for i, j in places}, "n", "%k", self.lanes)
                self.put(f"%next = add nsw i64 %k, {self.lanes}")
                self.put(f"%more = icmp slt i64 %next, {whole}")
                self.put("br i1 %more, label %body, label %exit")
                self.label("exit")
            if self.k > whole:
                sums = self.step(sums, "t", str(whole), self.k - whole)
            lanes = [sums.get((i, j)) for i in range(rows) for j in range(SIDE)]
            self.store(self.lane_sums(lanes), rows, columns)
            self.put("ret void")

    def step(
        self, sums: dict[tuple[int, int], str], name: str, k: str, live: int
    ) -> dict[tuple[int, int], str]:
        """The sums with the terms k … k + live − 1, in registers of that name."""
        left, right = {}, {}
        for i, j in sums:
            if i not in left:
                left[i] = self.vector_at("%a", k, i * self.a_step, live)
            if j not in right:
                right[j] = self.vector_at("%b", k, j * self.b_step, live)
        following = {}
        for (i, j), total in sums.items():
            following[i, j] = f"%{name}{i}_{j}"
            typed = [(self.wide, text) for text in (left[i], right[j], total)]
            fma = self.call(self.wide, f"llvm.fma.{self.suffix(self.kind, True)}", *typed)
            self.put(f"{following[i, j]} = {fma}")
        return following

    def vector_at(self, base: str, k: str, row: int, live: int) -> str:
        return self.run_of(self.pointer(base, self.assign(f"add nsw i64 {k}, {row}")), live)

    def lane_sums(self, vectors: list[str | None]) -> list[str]:
        """The sum of each vector's lanes, as the lanes of vectors: log₂ L rounds, halves of pairs.

        Where there is no vector (None), nothing is computed and the lane is of no use.
        """
        size = 1
        while size < self.lanes:
            pairs = zip(vectors[::2], [*vectors[1::2], None], strict=False)
            vectors = [self.half_sums(a, b, size) for a, b in pairs]
            size *= 2
        return [vector for vector in vectors if vector is not None]

    def half_sums(self, a: str | None, b: str | None, size: int) -> str | None:
        """Of lanes `size` apart the sums, those of a where that bit is 0, those of b where 1."""
        if a is None:
            return None
        b = b or a
        origin = [(self.lanes if lane & size else 0, lane) for lane in range(self.lanes)]
        near = self.pick(a, b, [vector + lane for vector, lane in origin])
        far = self.pick(a, b, [vector + (lane ^ size) for vector, lane in origin])
        return self.assign(f"fadd {self.wide} {near}, {far}")

    def store(self, sums: list[str], rows: int, columns: int) -> None:
        """Store sums, of which each row has SIDE lanes."""
        for i in range(rows):
            vector, lane = divmod(i * SIDE, self.lanes)
            run = self.pick(sums[vector], sums[vector], list(range(lane, lane + columns)))
            to = self.pointer("%c", i * self.row_step)
            kind = f"<{columns} x {self.kind}>"
            self.put(f"store {kind} {run}, ptr {to}, align {self.dtype.itemsize}")
