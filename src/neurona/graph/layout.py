"""A layered layout of a directed acyclic graph.

Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system structures"
(1981): layers, an order in each layer with few crossings, then positions. Positions alternate
between the wish to stand at the mean of one's neighbours and the order and distances to keep, which
is isotonic regression.

Everything is said in two directions: `along` the layers and `across` them.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

Edge = tuple[int, int]
Point = tuple[float, float]
"""(along, across)"""

LAYER_GAP = 34.0
NODE_GAP = 18.0
PORT_GAP = 12.0
LANE = 10.0
"""The width kept free for an edge that passes a layer."""
ORDER_ROUNDS = 12
PLACE_ROUNDS = 30


@dataclass
class Layout:
    """Where the centres of the nodes lie, the points each edge goes through, and the extents.

    An edge's points come in pairs (leave here, arrive there): from a node's far side through the
    lanes of the layers it passes to the other node's near side.
    """

    centres: list[Point]
    routes: list[list[Point]]
    along: float
    across: float


@dataclass
class _Vertex:
    """A node, or a lane (`node` None) in which an edge passes a layer."""

    node: int | None
    layer: int
    width: float
    before: list[int] = field(default_factory=list)
    after: list[int] = field(default_factory=list)
    place: float = 0.0


def lay_out(sizes: Sequence[Point], edges: Sequence[Edge]) -> Layout:
    """Place nodes of the given (along, across) sizes; edges go from lower to higher numbers."""
    layers_of = _layers(len(sizes), edges)
    vertices = [_Vertex(i, layers_of[i], size[1]) for i, size in enumerate(sizes)]
    lanes = [_lanes(edge, vertices) for edge in edges]
    rows: list[list[int]] = [[] for _ in range(max(layers_of, default=-1) + 1)]
    for i, vertex in enumerate(vertices):
        rows[vertex.layer].append(i)
    _order(rows, vertices)
    _place(rows, vertices)
    return _measure(sizes, edges, lanes, rows, vertices)


def _layers(count: int, edges: Sequence[Edge]) -> list[int]:
    """The longest way from a source; sources, and chains from one, end right before their use."""
    before: list[set[int]] = [set() for _ in range(count)]
    after: list[set[int]] = [set() for _ in range(count)]
    for a, b in edges:
        before[b].add(a)
        after[a].add(b)
    layer: list[int] = []
    light: list[bool] = []
    for near in before:
        layer.append(max((layer[a] + 1 for a in near), default=0))
        light.append(len(near) < 2 and all(light[a] for a in near))
    for i in reversed(range(count)):
        if light[i] and after[i]:
            layer[i] = min(layer[b] for b in after[i]) - 1
    return layer


def _lanes(edge: Edge, vertices: list[_Vertex]) -> list[int]:
    """Add the lanes of an edge that spans layers, and link all that lie on it."""
    a, b = edge
    added = []
    for layer in range(vertices[a].layer + 1, vertices[b].layer):
        added.append(len(vertices))
        vertices.append(_Vertex(None, layer, LANE))
    way = [a, *added, b]
    for one, other in pairwise(way):
        vertices[one].after.append(other)
        vertices[other].before.append(one)
    return added


# --- order ---


def _order(rows: list[list[int]], vertices: list[_Vertex]) -> None:
    """Sort the rows, down and up, by the middle of the neighbours; keep the best order seen."""
    best, fewest = [list(row) for row in rows], _crossings(rows, vertices)
    for round_ in range(ORDER_ROUNDS):
        down = round_ % 2 == 0
        for k in range(1, len(rows)) if down else range(len(rows) - 2, -1, -1):
            at = {v: i for i, v in enumerate(rows[k - 1] if down else rows[k + 1])}
            _sort_by_neighbours(rows[k], vertices, at, down=down)
        _exchange(rows, vertices)
        count = _crossings(rows, vertices)
        if count < fewest:
            best, fewest = [list(row) for row in rows], count
    rows[:] = best


def _sort_by_neighbours(
    row: list[int], vertices: list[_Vertex], at: dict[int, int], *, down: bool
) -> None:
    middle: dict[int, float] = {}
    for i, v in enumerate(row):
        places = sorted(at[n] for n in (vertices[v].before if down else vertices[v].after))
        # Who has no neighbour there stays about where it is.
        middle[v] = (
            (places[(len(places) - 1) // 2] + places[len(places) // 2]) / 2
            if places
            else i * len(at) / len(row)
        )
    row.sort(key=middle.__getitem__)


def _exchange(rows: list[list[int]], vertices: list[_Vertex]) -> None:
    """Exchange neighbours in a row wherever that saves crossings."""
    for k, row in enumerate(rows):
        above = {v: i for i, v in enumerate(rows[k - 1])} if k else {}
        below = {v: i for i, v in enumerate(rows[k + 1])} if k + 1 < len(rows) else {}
        for i in range(len(row) - 1):
            a, b = vertices[row[i]], vertices[row[i + 1]]
            now = _inversions(a.before, b.before, above) + _inversions(a.after, b.after, below)
            then = _inversions(b.before, a.before, above) + _inversions(b.after, a.after, below)
            if then < now:
                row[i], row[i + 1] = row[i + 1], row[i]


def _inversions(left: list[int], right: list[int], at: dict[int, int]) -> int:
    return sum(at[a] > at[b] for a in left for b in right)


def _crossings(rows: list[list[int]], vertices: list[_Vertex]) -> int:
    count = 0
    for upper, lower in pairwise(rows):
        at = {v: i for i, v in enumerate(lower)}
        seen: list[int] = []
        for v in upper:
            ends = sorted(at[n] for n in vertices[v].after)
            count += sum(len(seen) - bisect_left(seen, end + 1) for end in ends)
            for end in ends:
                insort(seen, end)
    return count


# --- positions ---


def _place(rows: list[list[int]], vertices: list[_Vertex]) -> None:
    for row in rows:
        x = 0.0
        for v in row:
            vertices[v].place = x + vertices[v].width / 2
            x += vertices[v].width + NODE_GAP
    for round_ in range(PLACE_ROUNDS):
        sweep = rows if round_ % 2 == 0 else rows[::-1]
        # First one side's neighbours decide, so that chains become straight; then both.
        sides = "before" if round_ % 2 == 0 else "after"
        for row in sweep:
            if round_ >= PLACE_ROUNDS // 2:
                sides = "both"
            _pull(row, vertices, sides)


def _pull(row: list[int], vertices: list[_Vertex], sides: str) -> None:
    wishes, weights = [], []
    for v in row:
        vertex = vertices[v]
        near = {
            "before": vertex.before,
            "after": vertex.after,
            "both": vertex.before + vertex.after,
        }[sides]
        pulls = [(_weight(vertex, vertices[n]), vertices[n].place) for n in near]
        total = sum(weight for weight, _ in pulls)
        wishes.append(sum(w * x for w, x in pulls) / total if pulls else vertex.place)
        weights.append(total if pulls else 0.1)
    offsets = [0.0]
    for a, b in pairwise(row):
        offsets.append(offsets[-1] + (vertices[a].width + vertices[b].width) / 2 + NODE_GAP)
    shifted = [wish - offset for wish, offset in zip(wishes, offsets, strict=True)]
    for v, place, offset in zip(row, _isotonic(shifted, weights), offsets, strict=True):
        vertices[v].place = place + offset


def _weight(a: _Vertex, b: _Vertex) -> float:
    # Long edges pull hardest: a bend in a lane is the first thing the eye sees. Sources hardly
    # pull at all: they stand beside the way from operation to operation.
    if not a.before or not b.before:
        return 0.1
    return {0: 1.0, 1: 3.0, 2: 9.0}[(a.node is None) + (b.node is None)]


def _isotonic(values: list[float], weights: list[float]) -> list[float]:
    """The non-decreasing sequence nearest to `values` (pool adjacent violators)."""
    blocks: list[tuple[float, float, int]] = []
    for value, weight in zip(values, weights, strict=True):
        count = 1
        while blocks and blocks[-1][0] > value:
            mean, mass, length = blocks.pop()
            value = (value * weight + mean * mass) / (weight + mass)
            weight += mass
            count += length
        blocks.append((value, weight, count))
    return [value for value, _, count in blocks for _ in range(count)]


# --- geometry ---


def _measure(
    sizes: Sequence[Point],
    edges: Sequence[Edge],
    lanes: list[list[int]],
    rows: list[list[int]],
    vertices: list[_Vertex],
) -> Layout:
    left = min((v.place - v.width / 2 for v in vertices), default=0.0)
    right = max((v.place + v.width / 2 for v in vertices), default=0.0)
    starts, ends = [], []
    along = 0.0
    for k, row in enumerate(rows):
        depth = max(sizes[v][0] if v < len(sizes) else 0.0 for v in row)
        starts.append(along)
        ends.append(along + depth)
        along += depth + (LAYER_GAP if k + 1 < len(rows) else 0.0)
    centres = [
        ((starts[v.layer] + ends[v.layer]) / 2, v.place - left) for v in vertices[: len(sizes)]
    ]
    ports = _ports(sizes, edges, lanes, vertices)
    routes = []
    for (a, b), way, port in zip(edges, lanes, ports, strict=True):
        route = [(centres[a][0] + sizes[a][0] / 2, centres[a][1])]
        for lane in way:
            place = vertices[lane].place - left
            route += [(starts[vertices[lane].layer], place), (ends[vertices[lane].layer], place)]
        route.append((centres[b][0] - sizes[b][0] / 2, port - left))
        routes.append(route)
    return Layout(centres, routes, along, right - left)


def _ports(
    sizes: Sequence[Point],
    edges: Sequence[Edge],
    lanes: list[list[int]],
    vertices: list[_Vertex],
) -> list[float]:
    """Where on a node's near side each edge arrives: side by side in the order they come."""
    last = [vertices[way[-1] if way else a].place for (a, _), way in zip(edges, lanes, strict=True)]
    arriving: dict[int, list[int]] = {}
    for k, (_, b) in enumerate(edges):
        arriving.setdefault(b, []).append(k)
    ports = [0.0] * len(edges)
    for b, group in arriving.items():
        gap = min(PORT_GAP, sizes[b][1] / (len(group) + 1))
        for i, k in enumerate(sorted(group, key=last.__getitem__)):
            ports[k] = vertices[b].place + (i - (len(group) - 1) / 2) * gap
    return ports
