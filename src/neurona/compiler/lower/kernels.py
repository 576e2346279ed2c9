"""From a fused group of nodes to loop IR.

The rows of the group's domain become the kernel's row loops, its columns the nests inside a row. A
reduction over the columns ends a phase: what depends on it is computed in a later nest of the same
row, from values stored in between or computed again if that is cheap. Reductions over the rows
accumulate in memory, one accumulator a chunk; a second kernel combines the chunks in order.
"""

from __future__ import annotations

import math

from neurona.compiler.ir.loops import (
    Fold,
    Kernel,
    Nest,
    Param,
    Statement,
    Store,
    check,
    chunk_bounds,
)
from neurona.compiler.ir.scalar import INDEX, Expr, compute_dtype
from neurona.compiler.ir.sizes import is_plain, plain
from neurona.compiler.ir.storage import Storage, storage_of
from neurona.compiler.ir.views import Axes, Layout, aligned, is_generator, layout, row_major
from neurona.compiler.lower.chunks import COMBINE, LoopTask, combine_chunks
from neurona.compiler.lower.extremes import fold_extreme
from neurona.compiler.lower.fusion import FINAL, FULL, ROW, Fusion, Group, reduced_axes
from neurona.compiler.lower.params import Params, Reader
from neurona.compiler.lower.picks import picked
from neurona.core import dtypes
from neurona.core.dtypes import DType
from neurona.core.lowering import Elementwise, Indexed, Reduction
from neurona.core.node import Node
from neurona.core.op import LITERAL

BLOCK = 4096
"""Columns of a row when one long dimension is cut up."""
CHUNK_WORK = 1 << 14
"""Elements that make a chunk of their own worth while."""
MAX_CHUNKS = 16
DEAR = 16
"""Operations that together take as long as an exponential and its like."""
CHEAP = 4
"""Operations up to which a value is computed again rather than stored for a later phase."""


class KernelBuilder(Params):
    """Builds the kernels of one group. `stored` has the ids of the nodes that need memory."""

    def __init__(
        self, group: Group, fusion: Fusion, layouts: dict[int, Layout], stored: set[int]
    ) -> None:
        super().__init__(layouts)
        self.group = group
        self.fusion = fusion
        self.stored = stored
        self.handed: list[Param] = []
        self.given: list[tuple[str, int]] = []
        self.phase: dict[int, int] = {}
        self.memo: dict[tuple[int, int], Expr] = {}
        self.folded: dict[int, Expr] = {}
        self.costs = self.count_costs()
        self.readers = self.find_readers()
        self.lay_out_loops()

    # --- loops ---

    def lay_out_loops(self) -> None:
        """Choose row and column loops; the index of each dimension becomes an expression."""
        group = self.group
        every = list(range(len(group.extents)))
        rows = None if group.rows == group.every else group.rows
        if rows is None:
            runs = self.collapse(every)
            row_runs, column_runs = runs[:-1], runs[-1:]
        else:
            row_runs = self.collapse([d for d in every if d in rows])
            column_runs = self.collapse([d for d in every if d not in rows])
        self.index: dict[int, Expr] = {}
        self.row_loops: list[tuple[str, int | Expr]] = []
        self.column_loops: list[tuple[str, int | Expr]] = []
        single = rows is None and not row_runs and column_runs
        if single and self.extent(column_runs[0]) >= 2 * BLOCK:
            self.cut_up(column_runs[0])
        else:
            for i, run in enumerate(row_runs):
                self.row_loops.append((f"r{i}", self.extent(run)))
                self.number(run, self.k.variable(f"r{i}"))
            for i, run in enumerate(column_runs):
                self.column_loops.append((f"c{i}", self.extent(run)))
                self.number(run, self.k.variable(f"c{i}"))
        self.column_size = math.prod(
            group.extents[d] for d in (every if rows is None else group.columns)
        )
        self.chunks = 1
        if self.row_loops:
            first = self.row_loops[0][1]
            work = math.prod(map(plain, group.extents)) * max(1, _effort(group) // 4)
            self.chunks = max(1, min(MAX_CHUNKS, work // CHUNK_WORK))
            if is_plain(first):
                part = chunk_bounds(first, min(self.chunks, max(1, first)))
                self.chunks = -(-first // part) if part else 1

    def extent(self, run: list[int]) -> int:
        return math.prod(self.group.extents[d] for d in run)

    def cut_up(self, run: list[int]) -> None:
        total = self.extent(run)
        row, column = self.k.variable("r0"), self.k.variable("c0")
        blocks = (self.k.constant(total, INDEX) + (BLOCK - 1)) // BLOCK
        self.row_loops = [("r0", blocks.payload if blocks.head == "constant" else blocks)]
        left = self.k.constant(total, INDEX) - row * BLOCK
        self.column_loops = [("c0", self.k.minimum(left, BLOCK))]
        self.number(run, row * BLOCK + column)

    def number(self, run: list[int], variable: Expr) -> None:
        # Only the last dimension of a run carries the index; its stride is that of the whole run.
        for d in run[:-1]:
            self.index[d] = self.k.constant(0, INDEX)
        self.index[run[-1]] = variable

    def collapse(self, dims: list[int]) -> list[list[int]]:
        """Runs of neighbouring dimensions that can be walked as one."""
        for node in self.group.nodes:
            generated = any(self.generated(x) is not None for x in node.inputs)
            if generated or isinstance(node.op.lower, Indexed):
                return [[d] for d in dims]
        runs: list[list[int]] = []
        for d in dims:
            if runs and all(
                strides.get(runs[-1][-1], 0) == strides.get(d, 0) * self.group.extents[d]
                for strides in self.all_strides()
            ):
                runs[-1].append(d)
            else:
                runs.append([d])
        return runs

    def all_strides(self) -> list[dict[int, int]]:
        """{dimension: stride} of everything the group reads or stores."""
        found = []
        for node in self.group.nodes:
            found.append(self.own_strides(node))
            for i, x in enumerate(node.inputs):
                if not self.inside(x) and x.op is not LITERAL and self.generated(x) is None:
                    found.append(self.outside_strides(node, i)[1])
        return found

    def own_strides(self, node: Node) -> dict[int, int]:
        return _by_dimension(self.group.axes[id(node)], row_major(node.shape))

    def outside_strides(self, node: Node, i: int) -> tuple[Layout, dict[int, int]]:
        x = node.inputs[i]
        found = layout(x, self.layouts)
        if found is None:
            raise TypeError(f"{x!r} has no strides")
        axes = self.dimensions(node, x)
        strides = tuple(0 if n == 1 else s for n, s in zip(x.shape, found.strides, strict=True))
        return found, _by_dimension(axes, strides)

    def dimensions(self, node: Node, x: Node) -> Axes:
        """The dimension along which each axis of the input `x` of `node` runs."""
        if isinstance(node.op.lower, Reduction):
            return self.group.input_axes[id(node)]
        return self.group.axes[id(node)][len(node.shape) - len(x.shape) :]

    def generated(self, x: Node) -> tuple[Node, Axes] | None:
        """The generator behind an input and its axes, if it is to be made on the spot."""
        base, axes = aligned(x)
        if axes is None or not is_generator(base) or self.inside(x):
            return None
        return base, axes

    def generate(self, node: Node, x: Node, base: Node, axes: Axes) -> Expr:
        index = [self.k.constant(0, INDEX)] * len(base.shape)
        for dim, axis in zip(self.dimensions(node, x), axes, strict=True):
            if axis is not None and dim is not None:
                index[axis] = self.index[dim]
        lower = base.op.lower
        if not isinstance(lower, Indexed):
            raise TypeError(f"{base!r} is not a generator")
        return self.k.lift(lower.at(self.k, tuple(index), **base.attrs), base.dtype)

    def inside(self, x: Node) -> bool:
        """Whether the group computes the value itself."""
        return self.fusion.group_of.get(id(aligned(x)[0])) is self.group

    # --- values ---

    def offset(self, strides: dict[int, int], start: int = 0) -> Expr:
        total = self.k.constant(start, INDEX)
        for d, stride in strides.items():
            if stride:
                total = total + self.index[d] * stride
        return total

    def input(self, node: Node, i: int, phase: int) -> Expr:
        x = node.inputs[i]
        if x.op is LITERAL:
            return self.k.constant(x.array.item(), x.dtype)
        if self.inside(x):
            return self.value(aligned(x)[0], phase)
        generator = self.generated(x)
        if generator is not None:
            return self.generate(node, x, *generator)
        found, strides = self.outside_strides(node, i)
        if found.base.op is LITERAL:
            return self.k.constant(found.base.array.item(), x.dtype)
        return self.read(storage_of(found.base), self.offset(strides, found.offset))

    def value(self, node: Node, phase: int) -> Expr:
        """The node's element at the current place of the domain, in the nest of `phase`."""
        stack = [node]
        while stack:
            last = stack[-1]
            waiting = [x for x in self.needs(last, phase) if (id(x), phase) not in self.memo]
            if waiting:
                stack += reversed(waiting)
                continue
            stack.pop()
            key = (id(last), phase)
            if key not in self.memo:
                self.memo[key] = self.make_value(last, phase)
        return self.memo[id(node), phase]

    def needs(self, node: Node, phase: int) -> list[Node]:
        """The members whose values in this phase go into the node's."""
        lower = node.op.lower
        if (id(node), phase) in self.memo or self.is_read_back(node, phase):
            return []
        if isinstance(lower, Elementwise) or (
            isinstance(lower, Reduction) and not reduced_axes(node)
        ):
            return [aligned(x)[0] for x in node.inputs if x.op is not LITERAL and self.inside(x)]
        return []

    def make_value(self, node: Node, phase: int) -> Expr:
        if self.is_read_back(node, phase):
            return self.read(*self.kept(node))
        lower = node.op.lower
        if isinstance(lower, Reduction):
            if not reduced_axes(node):
                return self.input(node, 0, phase)
            return self.folded[id(node)]
        if isinstance(lower, Indexed):
            inputs = [Reader(self, x) for x in node.inputs]
            axes = self.group.axes[id(node)]
            zero = self.k.constant(0, INDEX)
            index = tuple(zero if d is None else self.index[d] for d in axes)
            made = lower.at(self.k, index, *inputs, **node.attrs)
            return self.k.lift(made, node.dtype)
        if not isinstance(lower, Elementwise):
            raise TypeError(f"{node.op.name} is not a loop")
        values = [self.input(node, i, phase) for i in range(len(node.inputs))]
        if node.dtype == dtypes.bool_:
            # Questions are asked of what would be stored: x must equal max(x) somewhere, whether
            # either went through memory or not.
            values = [self.rounded(v, x.dtype) for v, x in zip(values, node.inputs, strict=True)]
        return self.k.lift(lower.emit(self.k, *values, **node.attrs), node.dtype)

    def rounded(self, value: Expr, dtype: DType) -> Expr:
        """What a value of `dtype` is when it comes back from memory of that dtype."""
        if compute_dtype(dtype) == dtype:
            return value
        sources = [storage for name, storage, _ in self.params.values() if name == value.payload]
        if value.head == "load" and sources[0].dtype == dtype:
            return value
        return self.k.cast(value, dtype)

    def fold_name(self, node: Node) -> str:
        return f"f{self.group.nodes.index(node)}"

    def is_kept(self, node: Node) -> bool:
        """Whether a later phase reads the value from memory."""
        return id(node) in self.stored or self.costs[id(node)] > CHEAP

    def is_read_back(self, node: Node, phase: int) -> bool:
        """Whether this phase has the value from an earlier one."""
        early = self.group.kind[id(node)] == FULL and self.phase[id(node)] < phase
        return early and self.is_kept(node)

    def kept(self, node: Node) -> tuple[Storage, Expr]:
        """Where a full node's value lies for later phases."""
        if id(node) in self.stored:
            return storage_of(node), self.offset(self.own_strides(node))
        size = self.column_size
        storage = Storage(node, "scratch", self.chunks * size, compute_dtype(node.dtype))
        columns = sorted(self.group.columns)
        strides = dict(
            zip(columns, row_major(tuple(self.group.extents[d] for d in columns)), strict=True)
        )
        return storage, self.k.variable("chunk") * size + self.offset(strides)

    def count_costs(self) -> dict[int, int]:
        """Operations that computing each full node again takes."""
        costs: dict[int, int] = {}
        for node in self.group.nodes:
            lower = node.op.lower
            dear = isinstance(lower, Indexed) or (isinstance(lower, Elementwise) and lower.dear)
            cost = 2 * CHEAP if dear else 1
            for x in node.inputs:
                base = aligned(x)[0]
                full = self.inside(x) and self.group.kind[id(base)] == FULL
                if full and id(base) not in self.stored:
                    cost += costs[id(base)]
            # What is dear stays so; the number itself would grow without bounds.
            costs[id(node)] = min(cost, 2 * CHEAP)
        return costs

    # --- the kernel ---

    def number_phases(self) -> int:
        """In which nest a full node is computed, from which on a row node is known."""
        last = 0
        for node in self.group.nodes:
            phases = [self.phase[id(aligned(x)[0])] for x in node.inputs if self.inside(x)]
            phase = max(phases, default=0)
            lower = node.op.lower
            if isinstance(lower, Reduction) and reduced_axes(node):
                over_columns = self.group.kind[id(node)] == ROW
                phase += over_columns
            self.phase[id(node)] = phase
            last = max(last, phase)
        return last

    def build(self) -> list[LoopTask]:
        last = self.number_phases()
        before: list[Statement] = []
        body: list[Statement] = []
        finals = [n for n in self.group.nodes if self.group.kind[id(n)] == FINAL]
        accumulators = {id(node): self.accumulator(node) for node in finals}
        for node in finals:
            before += self.clear(node, accumulators[id(node)])
        for phase in range(last + 1):
            body += self.phase_statements(phase, accumulators)
        for node in self.group.nodes:
            if self.group.kind[id(node)] == ROW and id(node) in self.stored:
                offset = self.offset(self.own_strides(node))
                body.append(
                    Store(self.param(storage_of(node), "write"), offset, self.value(node, last + 1))
                )
        tasks = [self.task(before, body)]
        for node in finals:
            if accumulators[id(node)].role == "partial":
                tasks.append(combine_chunks(node, accumulators[id(node)], self.chunks))
        return tasks

    def kernel_rows(self) -> tuple[tuple[str, int | Expr], ...]:
        return tuple(self.row_loops)

    def task(self, before: list[Statement], body: list[Statement]) -> LoopTask:
        kernel = Kernel(
            "kernel",
            (*self.handed, *self.declared()),
            self.chunks,
            self.kernel_rows(),
            tuple(body),
            tuple(before),
            flops=math.prod(self.group.extents) * len(self.group.nodes),
            given=tuple(self.given),
        )
        return LoopTask(check(kernel), self.buffers(), tuple(self.group.nodes))

    def phase_statements(self, phase: int, accumulators: dict[int, Storage]) -> list[Statement]:
        stores: list[Store] = []
        folds: list[Fold] = []
        later: list[Statement] = []
        for node in self.group.nodes:
            kind = self.group.kind[id(node)]
            lower = node.op.lower
            if kind == FULL:
                users = self.readers.get(id(node), ())
                used_later = any(self.phase[id(user)] > phase for user in users)
                wanted = id(node) in self.stored or (used_later and self.is_kept(node))
                if self.phase[id(node)] == phase and wanted:
                    storage, offset = self.kept(node)
                    stores.append(
                        Store(self.param(storage, "write"), offset, self.value(node, phase))
                    )
            elif isinstance(lower, Reduction) and reduced_axes(node):
                if kind == ROW and self.phase[id(node)] == phase + 1:
                    self.fold_row(node, lower, phase, folds)
                elif kind == FINAL and self.phase[id(node)] == phase:
                    self.accumulate(
                        node, lower, phase, accumulators[id(node)], stores, folds, later
                    )
        nest = Nest(tuple(self.column_loops), tuple(stores), tuple(folds))
        return [nest, *later] if stores or folds else later

    def find_readers(self) -> dict[int, list[Node]]:
        """For each node the members that take its value and compute in its columns."""
        readers: dict[int, list[Node]] = {}
        for user in self.group.nodes:
            if self.group.kind[id(user)] != ROW or not isinstance(user.op.lower, Reduction):
                for x in user.inputs:
                    readers.setdefault(id(aligned(x)[0]), []).append(user)
        return readers

    def fold_row(self, node: Node, lower: Reduction, phase: int, folds: list[Fold]) -> None:
        """Fold the columns, or look up the only one that counts."""
        if lower.combine == "add" and len(self.column_loops) == 1:
            name, extent = self.column_loops[0]
            value = self.input(node, 0, phase)
            if is_plain(extent) and (found := picked(value, name, extent)) is not None:
                self.folded[id(node)] = found
                return
        self.folded[id(node)] = self.fold(node, lower, phase, folds)

    def fold(self, node: Node, lower: Reduction, phase: int, folds: list[Fold]) -> Expr:
        """Add what folds the node's input to `folds`; the result."""
        name, value = self.fold_name(node), self.input(node, 0, phase)
        start = self.k.constant(lower.initial(node.dtype), node.dtype)
        if lower.combine in ("minimum", "maximum") and dtypes.is_float(value.dtype):
            return fold_extreme(name, lower.combine, start, value, folds)
        folds.append(Fold(name, COMBINE[lower.combine], start, value))
        return self.k.variable(name, node.dtype)

    # --- reductions over the rows ---

    def accumulator(self, node: Node) -> Storage:
        half = compute_dtype(node.dtype) != node.dtype
        if self.chunks == 1 and not half:
            return storage_of(node)
        size = max(1, math.prod(node.shape))
        return Storage(node, "partial", self.chunks * size, compute_dtype(node.dtype))

    def accumulator_offset(self, node: Node, storage: Storage) -> Expr:
        offset = self.offset(self.own_strides(node))
        if storage.role == "partial":
            offset = offset + self.k.variable("chunk") * max(1, math.prod(node.shape))
        return offset

    def clear(self, node: Node, storage: Storage) -> list[Statement]:
        lower = node.op.lower
        if not isinstance(lower, Reduction):
            raise TypeError(f"{node.op.name} is not a reduction")
        start = self.k.constant(lower.initial(node.dtype), node.dtype)
        offset = self.accumulator_offset(node, storage)
        store = Store(self.param(storage, "update"), offset, start)
        if any(d is not None for d in self.group.axes[id(node)]):
            return [Nest(tuple(self.column_loops), (store,))]
        return [store]

    def accumulate(
        self,
        node: Node,
        lower: Reduction,
        phase: int,
        storage: Storage,
        stores: list[Store],
        folds: list[Fold],
        later: list[Statement],
    ) -> None:
        offset = self.accumulator_offset(node, storage)
        old = self.read(storage, offset)
        name = self.param(storage, "update")
        combine = COMBINE[lower.combine]
        source = aligned(node.inputs[0])[0]
        full = not self.inside(node.inputs[0]) or self.group.kind[id(source)] == FULL
        if not full:
            row = self.input(node, 0, phase)
            later.append(Store(name, offset, self.k.call(combine, old, row)))
        elif any(d is not None for d in self.group.axes[id(node)]):
            value = self.input(node, 0, phase)
            stores.append(Store(name, offset, self.k.call(combine, old, value)))
        else:
            row = self.fold(node, lower, phase, folds)
            later.append(Store(name, offset, self.k.call(combine, old, row)))


def _effort(group: Group) -> int:
    """Operations for each element.

    Where chunks' results are combined, what is dear counts no more, since that takes time too.
    """
    if FINAL in group.kind.values():
        return len(group.nodes)
    lowers = [node.op.lower for node in group.nodes]
    return sum(DEAR if isinstance(x, Elementwise) and x.dear else 1 for x in lowers)


def _by_dimension(axes: Axes, strides: tuple[int, ...]) -> dict[int, int]:
    return {d: stride for d, stride in zip(axes, strides, strict=True) if d is not None}
