"""Which nodes become one loop kernel.

A group's nodes share an iteration domain, a list of dimensions. Each node knows for every axis
which dimension it runs along. A group may contain reductions once its dimensions are split into
rows (outer loops) and columns (inner loops):

    full    varies along all dimensions
    row     varies along the rows: a reduction over the columns, or arithmetic on such
    final   known when all rows are done: a reduction over the rows (or over everything)

Groups grow greedily in topological order: a node joins the groups of its inputs (which then merge)
if its axes line up with their dimensions and no cycle through other groups would arise. Arithmetic
on values that are in memory anyway, as operands of products, waits for its reader: what only the
backward pass needs is computed there, and nothing but the activation is kept for it.

A matrix product begins a group too. What joins it is computed a tile of results at a time (see
`epilogue`), so its columns are the product's and a tile must suffice for every reduction over them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from neurona.compiler.ir.scalar import compute_dtype
from neurona.compiler.ir.sizes import is_plain, typical, varies
from neurona.compiler.ir.views import Axes, Layout, aligned, is_generator, is_view, layout
from neurona.compiler.lower.prepare import supported
from neurona.compiler.machine import native
from neurona.compiler.machine.matmul import one_panel
from neurona.core.lowering import Contraction, Convolution, Elementwise, Indexed, Reduction
from neurona.core.node import Node

FINISHED = 1 << 17
"""Bytes up to which a product finishes its results itself. What larger ones meet comes from afar,
and a kernel of its own waits less for that: its long runs are fetched in advance."""
FULL, ROW, FINAL = "full", "row", "final"
MOST = 500
"""Nodes of a group: their buffers must fit the runner's table, and LLVM's time grows faster."""
LARGE = 1 << 15
"""Elements from which folding all of them is work for several threads: all are rows then."""


@dataclass(eq=False)
class Group:
    """Nodes computed by one kernel, or a single node with a kernel of its own (`loops` False).

    product: the matrix product among the nodes.
    """

    nodes: list[Node] = field(default_factory=list)
    extents: list[int] = field(default_factory=list)
    rows: frozenset[int] | None = None
    axes: dict[int, Axes] = field(default_factory=dict)
    input_axes: dict[int, Axes] = field(default_factory=dict)
    kind: dict[int, str] = field(default_factory=dict)
    before: set[Group] = field(default_factory=set)
    loops: bool = True
    product: Node | None = None

    @property
    def every(self) -> frozenset[int]:
        return frozenset(range(len(self.extents)))

    @property
    def columns(self) -> frozenset[int]:
        return self.every - (self.rows or frozenset())


def reduced_axes(node: Node) -> tuple[int, ...]:
    """The axes of a reduction's input that it really folds (those of one element are not)."""
    return tuple(a for a in node.attrs["axis"] if node.inputs[0].shape[a] != 1)


class Fusion:
    """Groups of a graph; `group_of` by id(node). Leaves and views belong to no group."""

    def __init__(self, order: list[Node]) -> None:
        self.groups: list[Group] = []
        self.group_of: dict[int, Group] = {}
        self.in_memory = read_whole(order)
        self.layouts: dict[int, Layout] = {}
        self.beside: dict[tuple[Any, ...], Node] = {}
        for node in order:
            lower = node.op.lower
            if isinstance(lower, Elementwise) and supported(node):
                self.place(node, reduces=False)
            elif isinstance(lower, Reduction):
                self.place(node, reduces=True)
            elif isinstance(lower, Indexed):
                self.place_beside(node)
            elif isinstance(lower, Contraction):
                self.start_product(node)
            elif isinstance(lower, Convolution) and finishes(node):
                self.start_convolution(node)
            elif node.inputs and not is_view(node):
                self.start(node).loops = False

    # --- placing one node ---

    def place(self, node: Node, *, reduces: bool) -> None:
        sources = [aligned(x) for x in node.inputs]
        homes = self.homes(sources)
        if not reduces:
            homes = [home for home in homes if self.feeds(home, sources)]
        for home in homes:
            if self.join(node, home, sources, reduces=reduces):
                break
        else:
            home = self.start(node)
        if reduces:
            return
        # Other producers with the same domain come along, so that the node finds them in registers.
        for other in homes:
            home = self.group_of[id(node)]
            if other is not home and other in self.groups:
                self.merge(home, other, node)

    def place_beside(self, node: Node) -> None:
        """Ops that look up the same values for the same places do so together."""
        twin = self.beside.setdefault(_looked_up(node), node)
        group = self.group_of.get(id(twin))
        if group is None or len(group.nodes) >= MOST or not node.inputs:
            self.start(node)
        else:
            self.add(group, node, group.axes[id(twin)], FULL)

    def homes(self, sources: list[tuple[Node, Axes | None]]) -> list[Group]:
        """The loop groups the inputs come from, the largest first, of equal ones the latest."""
        found: list[Group] = []
        for base, axes in sources:
            group = self.group_of.get(id(base))
            if group is not None and group.loops and axes is not None and group not in found:
                found.append(group)
        return sorted(found, key=lambda g: (len(g.extents), self.groups.index(g)), reverse=True)

    def feeds(self, group: Group, sources: list[tuple[Node, Axes | None]]) -> bool:
        """Whether the group makes a source that nothing else wants in memory."""
        return any(
            self.group_of.get(id(base)) is group and id(base) not in self.in_memory
            for base, _ in sources
        )

    def start(self, node: Node) -> Group:
        group = Group()
        shape = node.inputs[0].shape if isinstance(node.op.lower, Reduction) else node.shape
        axes: list[int | None] = []
        for extent in shape:
            axes.append(None if extent == 1 else len(group.extents))
            if extent != 1:
                group.extents.append(extent)
        kind = FULL
        if isinstance(node.op.lower, Reduction):
            group.input_axes[id(node)] = tuple(axes)
            folded = frozenset(a for i in reduced_axes(node) if (a := axes[i]) is not None)
            if folded:
                kind = self.split(group, folded)
            axes = _without(node, axes)
        self.groups.append(group)
        self.add(group, node, tuple(axes), kind)
        return group

    def start_product(self, node: Node) -> None:
        group = self.start(node)
        group.product = node
        size = typical(math.prod(node.shape)) * node.dtype.itemsize
        group.loops = 0 < size <= FINISHED and 1 not in node.shape[-2:]
        if group.loops:
            group.rows = group.every - {_column(group)}

    def start_convolution(self, node: Node) -> None:
        """Its tiles are finished whatever its size: what follows would read them from afar."""
        group = self.start(node)
        group.product = node
        group.rows = group.every - {_column(group)}

    def split(self, group: Group, folded: frozenset[int]) -> str:
        """Choose rows and columns for a first reduction over the dimensions `folded`."""
        innermost = len(group.extents) - 1
        known = all(map(is_plain, group.extents))
        if folded == group.every and known and math.prod(group.extents) >= LARGE:
            group.rows = folded
            return FINAL
        if innermost in folded:
            group.rows = group.every - folded
            return ROW
        group.rows = folded
        return FINAL

    def add(self, group: Group, node: Node, axes: Axes, kind: str) -> None:
        group.nodes.append(node)
        group.axes[id(node)] = axes
        group.kind[id(node)] = kind
        self.group_of[id(node)] = group
        news = self.producers(node) - {group}
        news |= {g for other in news for g in other.before}
        if not news <= group.before:
            for later in self.groups:
                if later is group or group in later.before:
                    later.before |= news

    def producers(self, node: Node) -> set[Group]:
        """Groups that compute the inputs, and what a barrier before an input waits for."""
        found = set()
        waiting = list(node.inputs)
        while waiting:
            x = waiting.pop()
            group = self.group_of.get(id(x))
            if group is not None:
                found.add(group)
            else:
                waiting += x.inputs
        return found

    # --- joining ---

    def join(
        self,
        node: Node,
        group: Group,
        sources: list[tuple[Node, Axes | None]],
        *,
        reduces: bool,
    ) -> bool:
        if len(group.nodes) >= MOST:
            return False
        for base, axes in sources:
            home = self.group_of.get(id(base))
            if home is group and (axes is None or group.kind[id(base)] == FINAL):
                return False
        if any(group in other.before for other in self.producers(node) if other is not group):
            return False
        found = self.line_up(node, group, sources, reduces=reduces)
        if found is None:
            return False
        dims = frozenset(d for d in found if d is not None)
        if reduces:
            kind = self.reduction_kind(node, group, sources[0], found)
            if kind is None:
                return False
        elif dims == group.every:
            kind = FULL
        elif group.rows is not None and dims == group.rows:
            kind = ROW
        else:
            return False
        if group.product is not None and not self.suits_tiles(node, found, kind, group):
            return False
        if reduces:
            group.input_axes[id(node)] = found
            found = tuple(_without(node, list(found)))
        self.add(group, node, found, kind)
        return True

    def suits_tiles(self, node: Node, axes: Axes, kind: str, group: Group) -> bool:
        """Whether the node can be computed a tile of the group's product at a time.

        axes: the dimensions along which the node (a reduction's input) runs.
        """
        product, column = group.product, _column(group)
        if product is None:
            return True
        whole = one_panel(product.shape[-1], product.dtype, native.host().lanes)
        if kind == ROW:
            return whole
        if kind == FINAL:
            # There is an accumulator for each row of tiles, and they are combined one by one.
            if varies(product.shape) or isinstance(product.op.lower, Convolution):
                return False
            folded = {axes[i] for i in reduced_axes(node)}
            return compute_dtype(node.dtype) == node.dtype and (whole or column not in folded)
        looks_up = isinstance(node.op.lower, Indexed) and node.inputs
        if looks_up or [d for d in axes if d is not None][-1] != column:
            return False
        return all(self.runs_along(x, axes, column, group) for x in node.inputs)

    def runs_along(self, x: Node, axes: Axes, column: int, group: Group) -> bool:
        """Whether the elements of an input along a dimension are neighbours in memory."""
        base = aligned(x)[0]
        if id(base) in group.axes or is_generator(base):
            return True
        found = layout(x, self.layouts)
        lead = len(axes) - len(x.shape)
        return found is not None and all(
            axes[lead + i] != column or extent == 1 or stride in (0, 1)
            for i, (extent, stride) in enumerate(zip(x.shape, found.strides, strict=True))
        )

    def line_up(
        self,
        node: Node,
        group: Group,
        sources: list[tuple[Node, Axes | None]],
        *,
        reduces: bool,
    ) -> Axes | None:
        """The dimension of each axis of the node (a reduction's input), None if it fails."""
        shape = node.inputs[0].shape if reduces else node.shape
        found: list[int | None] = [None] * len(shape)
        for x, (base, axes) in zip(node.inputs, sources, strict=True):
            if self.group_of.get(id(base)) is not group or axes is None:
                continue
            lead = len(shape) - len(x.shape)
            for i, axis in enumerate(axes, lead):
                dim = None if axis is None else group.axes[id(base)][axis]
                if dim is not None:
                    if found[i] not in (None, dim):
                        return None
                    found[i] = dim
        # Axes that only outside inputs have run along the dimensions that are left, in order.
        left = [d for d in range(len(group.extents)) if d not in found]
        for i, extent in enumerate(shape):
            if extent != 1 and found[i] is None:
                if reduces or not left or group.extents[left[0]] != extent:
                    return None
                found[i] = left.pop(0)
        used = [d for d in found if d is not None]
        pairs = [(n, d) for n, d in zip(shape, found, strict=True) if d is not None]
        fits = all(group.extents[d] == n for n, d in pairs)
        return tuple(found) if len(set(used)) == len(used) and fits else None

    def reduction_kind(
        self, node: Node, group: Group, source: tuple[Node, Axes | None], found: Axes
    ) -> str | None:
        folded = frozenset(d for i in reduced_axes(node) if (d := found[i]) is not None)
        kind = group.kind[id(source[0])]
        if not folded:
            return kind
        if kind == FULL and group.rows is None:
            return self.split(group, folded)
        if kind == ROW:
            return FINAL if folded == group.rows else None
        if folded == group.columns:
            return ROW
        return FINAL if folded in (group.rows, group.every) else None

    # --- merging ---

    def merge(self, home: Group, other: Group, node: Node) -> None:
        """Take `other`, which computes an input of `node`, into the node's group if possible."""
        if any(middle not in (home, other) and other in middle.before for middle in home.before):
            return
        if home in other.before or home.kind[id(node)] == FINAL:
            return
        if len(home.nodes) + len(other.nodes) > MOST:
            return
        same = self.correspondence(home, other)
        if same is None:
            return
        rows = other.rows if other.rows is None else frozenset(same[d] for d in other.rows)
        if home.rows is not None and rows is not None and home.rows != rows:
            return
        if not self.tiles_allow(home, other, same):
            return
        home.product = home.product or other.product
        home.rows = home.rows if home.rows is not None else rows
        for member in other.nodes:
            axes = tuple(None if d is None else same[d] for d in other.axes[id(member)])
            home.axes[id(member)] = axes
            if id(member) in other.input_axes:
                home.input_axes[id(member)] = tuple(
                    None if d is None else same[d] for d in other.input_axes[id(member)]
                )
            home.kind[id(member)] = other.kind[id(member)]
            self.group_of[id(member)] = home
        home.nodes = other.nodes + home.nodes
        home.before = (home.before | other.before) - {home, other}
        self.groups.remove(other)
        for later in self.groups:
            if other in later.before:
                later.before.discard(other)
                later.before |= home.before | {home}
            elif home in later.before:
                later.before |= home.before

    def tiles_allow(self, home: Group, other: Group, same: dict[int, int]) -> bool:
        """Whether groups one of which may have a product can become one."""
        if home.product is None and other.product is None:
            return True
        if home.product is not None and other.product is not None:
            return False
        if home.product is not None and other in self.producers(home.product):
            return False
        plain = other if home.product is not None else home
        there = replace(home, product=home.product or other.product, axes=dict(home.axes))
        for member in other.nodes:
            axes = other.axes[id(member)]
            there.axes[id(member)] = tuple(None if d is None else same[d] for d in axes)
        return all(
            plain.kind[id(node)] == FULL
            and self.suits_tiles(node, there.axes[id(node)], FULL, there)
            for node in plain.nodes
        )

    def correspondence(self, home: Group, other: Group) -> dict[int, int] | None:
        """The dimension of `home` for each of `other`, as all that `home` takes from it says."""
        if sorted(home.extents) != sorted(other.extents):
            return None
        same: dict[int, int] = {}
        for node in home.nodes:
            mine = home.input_axes.get(id(node), home.axes[id(node)])
            for x in node.inputs:
                base, axes = aligned(x)
                if self.group_of.get(id(base)) is not other:
                    continue
                looks_up = isinstance(node.op.lower, Indexed)
                if axes is None or other.kind[id(base)] == FINAL or looks_up:
                    return None
                lead = len(mine) - len(x.shape)
                for i, axis in enumerate(axes, lead):
                    dim = None if axis is None else other.axes[id(base)][axis]
                    if dim is not None:
                        target = mine[i]
                        if target is None or same.setdefault(dim, target) != target:
                            return None
        left = [d for d in range(len(home.extents)) if d not in same.values()]
        for d, extent in enumerate(other.extents):
            if d not in same:
                if not left or home.extents[left[0]] != extent:
                    return None
                same[d] = left.pop(0)
        fits = all(home.extents[b] == other.extents[a] for a, b in same.items())
        return same if fits and len(set(same.values())) == len(same) else None


def finishes(node: Node) -> bool:
    """Whether a convolution takes an epilogue: one with neighbouring results."""
    lower = node.op.lower
    plain = isinstance(lower, Convolution) and lower.by == "y" and node.attrs["groups"] == 1
    there = 0 not in node.shape and 1 not in node.shape[1:]
    return plain and node.attrs["layout"] == "channels last" and there


def read_whole(order: list[Node]) -> set[int]:
    """Ids of the values that products, calls and control flow read from memory."""
    return {
        id(aligned(x)[0])
        for node in order
        if not isinstance(node.op.lower, Elementwise | Reduction | Indexed) and not is_view(node)
        for x in node.inputs
    }


def _looked_up(node: Node) -> tuple[Any, ...]:
    """What an indexed op reads and makes: equal for two whose elements belong together."""
    return (node.shape, *map(id, node.inputs))


def _column(group: Group) -> int:
    """The dimension of the columns of the group's product."""
    column = group.axes[id(group.product)][-1]
    if column is None:
        raise TypeError("a product of one column has no such dimension")
    return column


def _without(node: Node, axes: list[int | None]) -> list[int | None]:
    """Axes of a reduction's result from those of its input."""
    folded = set(node.attrs["axis"])
    if node.attrs["keepdims"]:
        return [None if i in folded else d for i, d in enumerate(axes)]
    return [d for i, d in enumerate(axes) if i not in folded]
