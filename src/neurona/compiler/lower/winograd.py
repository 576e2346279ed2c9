"""The tasks of convolutions that Winograd's algorithm computes with fewer products.

That are 3×3 kernels, in tiles of 4×4 results, and 5×5 kernels, in tiles of 2×2, without strides,
dilation or groups. Whether it pays is counted: the products of all tiles, the last ones of a row or
column included, the transforms, and the weights, of which there are more than before.
"""

from __future__ import annotations

import math
from dataclasses import replace

from neurona.compiler.ir.loops import Kernel, Param, Store, check
from neurona.compiler.ir.scalar import INDEX, Builder
from neurona.compiler.ir.sizes import typical, varies
from neurona.compiler.ir.storage import Storage, storage_of
from neurona.compiler.ir.views import Layout, layout
from neurona.compiler.lower.task import Task
from neurona.compiler.machine import native
from neurona.compiler.machine.winograd import Winograd
from neurona.compiler.machine.winograd_gradient import GradientTransform, WeightGradient
from neurona.compiler.machine.winograd_matrices import Algorithm
from neurona.compiler.machine.winograd_tiles import Field
from neurona.compiler.machine.winograd_weights import WeightTransform
from neurona.core import dtypes
from neurona.core.lowering import Convolution
from neurona.core.node import Node
from neurona.core.op import Shape

ALGORITHMS = {3: (Algorithm(4, 3), Algorithm(2, 3)), 5: (Algorithm(2, 5),)}
"""By the kernel's size."""
MOVES = {6: 250, 4: 100}
"""Cycles to transform a patch of a vector of channels, by its size: measured."""
STEPS = 8
"""Steps of a product that take as long as a tile's beginning and end."""
BYTES = 6
"""Of weights that a cycle brings from memory."""
WEIGHTS = 1 << 24
"""Bytes, about, of transformed weights, or sums for them, that are kept at a time."""
GAIN = 1.15
"""How much less than by the direct kernels there must be to do."""


def suits(node: Node) -> bool:
    """Whether a convolution, or a gradient of one, is quicker by Winograd's algorithm."""
    return choice(node) is not None


def winograd_tasks(node: Node, layouts: dict[int, Layout]) -> list[Task]:
    """The tasks of a node that `suits`: transforms of the weights, and the kernel."""
    algorithm = choice(node)
    if algorithm is None:
        raise TypeError(f"{node!r} is not for Winograd's algorithm")
    if _direction(node) == "w":
        return _weight_tasks(node, algorithm, layouts)
    return _map_tasks(node, algorithm, layouts)


# --- whether ---


def _direction(node: Node) -> str:
    lower = node.op.lower
    return lower.by if isinstance(lower, Convolution) else ""


def _maps(node: Node) -> tuple[Shape, Shape]:
    """The maps whose tiles are read with their borders, and those without."""
    if _direction(node) == "w":
        return node.inputs[0].shape, node.inputs[1].shape
    return node.inputs[0].shape, node.shape


def choice(node: Node) -> Algorithm | None:
    """The algorithm by which there is least to do; None if the direct kernels have less."""
    attrs, direction = node.attrs, _direction(node)
    if not direction or node.dtype != dtypes.float32 or attrs["layout"] != "channels last":
        return None
    kernel = attrs["kernel"] if direction == "w" else node.inputs[1].shape[2:]
    plain = set(attrs["strides"]) | set(attrs["dilation"]) | {attrs["groups"]} == {1}
    if not plain or len(kernel) != 2 or kernel[0] != kernel[1] or kernel[0] not in ALGORITHMS:
        return None
    x, y = _maps(node)
    if varies(x[1:]) or varies(y[1:]) or 0 in (*x, *y):
        return None
    least, best = min(
        ((_cycles(node, algorithm), algorithm) for algorithm in ALGORITHMS[kernel[0]]),
        key=lambda pair: pair[0],
    )
    return best if GAIN * least < _direct_cycles(node, kernel[0]) else None


def _direct_cycles(node: Node, kernel: int) -> float:
    """One for each product of vectors, the padding's left out."""
    x, y = _maps(node)
    lanes = native.host().lanes
    if _direction(node) == "x":
        x, y = y, x
    products = 1
    for inputs, results, (low, _) in zip(x[1:3], y[1:3], node.attrs["padding"], strict=True):
        starts = [i - low for i in range(results)]
        products *= sum(min(inputs, i + kernel) - max(0, i) for i in starts)
    weights = kernel * kernel * x[-1] * y[-1]
    return typical(x[0]) * products * x[-1] * -(-y[-1] // lanes) / 0.9 + 4 * weights / BYTES


def _cycles(node: Node, algorithm: Algorithm) -> float:
    x, y = _maps(node)
    lanes = native.host().lanes
    tiles = typical(y[0]) * math.prod(_grid(y, algorithm))
    depth, vectors = x[-1], -(-y[-1] // lanes)
    weights = algorithm.places * depth * y[-1]
    products = tiles * algorithm.places * (depth + STEPS) * vectors / 0.95
    moves = tiles * MOVES[algorithm.patch] * (-(-depth // lanes) + vectors)
    return products + moves + 4 * weights / BYTES


# --- tasks ---


def _place(x: Node, layouts: dict[int, Layout]) -> Layout:
    found = layout(x, layouts)
    if found is None or found.strides[-1] != 1:
        raise TypeError(f"{x!r}, an operand of a convolution, has no channels side by side")
    return found


def _grid(y: Shape, algorithm: Algorithm) -> tuple[int, int]:
    """Rows and columns of tiles."""
    return -(-y[1] // algorithm.tile), -(-y[2] // algorithm.tile)


def _bordered(x: Shape, place: Layout, algorithm: Algorithm, lows: tuple[int, int]) -> Field:
    """Tiles with what their results depend on."""
    image, row, column, _ = place.strides
    steps = (image, row, column)
    return Field(x[1], x[2], x[3], steps, place.offset, algorithm.patch, algorithm.tile, *lows)


def _bare(y: Shape, place: Layout, algorithm: Algorithm) -> Field:
    """Tiles of results."""
    image, row, column, _ = place.strides
    steps = (image, row, column)
    return Field(y[1], y[2], y[3], steps, place.offset, algorithm.tile, algorithm.tile, 0, 0)


def _parts(algorithm: Algorithm, columns: int, depth: int) -> list[tuple[int, int]]:
    """Parts of the columns, each with its first, whose transformed weights have about `WEIGHTS`."""
    parts = max(1, round(4 * algorithm.places * columns * depth / WEIGHTS))
    step = -(-columns // parts)
    return [(begin, min(step, columns - begin)) for begin in range(0, columns, step)]


def _map_tasks(node: Node, algorithm: Algorithm, layouts: dict[int, Layout]) -> list[Task]:
    """The transformed weights, and the convolution or its gradient for the input.

    The gradient is computed for some channels after the others, as there are several times more
    transformed weights than others; what follows a convolution wants all channels at once.
    """
    depth, columns = node.inputs[0].shape[-1], node.shape[-1]
    if _direction(node) == "y":
        return _channel_tasks(node, algorithm, layouts, 0, columns)
    return [
        task
        for begin, channels in _parts(algorithm, columns, depth)
        for task in _channel_tasks(node, algorithm, layouts, begin, channels)
    ]


def _channel_tasks(
    node: Node, algorithm: Algorithm, layouts: dict[int, Layout], begin: int, channels: int
) -> list[Task]:
    """Some channels of the results."""
    x, w = node.inputs
    turned = _direction(node) == "x"
    low, right = (first for first, _ in node.attrs["padding"])
    lows = (algorithm.kernel - 1 - low, algorithm.kernel - 1 - right) if turned else (low, right)
    source, place, goal = _place(x, layouts), layout(w, layouts), _place(node, layouts)
    if place is None:
        raise TypeError(f"{w!r}, the weights of a convolution, have no strides")
    results = _bare(node.shape, goal, algorithm)
    winograd = Winograd(
        algorithm,
        _bordered(x.shape, source, algorithm, lows),
        replace(results, channels=channels, offset=results.offset + begin),
        node.shape[0],
        _grid(node.shape, algorithm),
        native.host().lanes,
    )
    outer, inner, *taps = place.strides
    depth_step, column_step = (outer, inner) if turned else (inner, outer)
    transform = WeightTransform(
        algorithm,
        x.shape[-1],
        channels,
        winograd.product.nr,
        (depth_step, column_step, taps[0], taps[1]),
        place.offset + begin * column_step,
        turned,
        native.host().lanes,
    )
    weights = Storage(node, f"weights {begin}", transform.size, node.dtype)
    reads = (storage_of(source.base), weights)
    return [
        _written((storage_of(place.base), weights), ("read", "write"), node, transform),
        *_in_rooms(reads, storage_of(node), node, winograd, str(begin)),
    ]


def _weight_tasks(node: Node, algorithm: Algorithm, layouts: dict[int, Layout]) -> list[Task]:
    """The sums over the tiles, and the weights' gradient made of them.

    One part of the filters after the other, as there are several times more sums than weights.
    """
    filters, channels = node.shape[:2]
    return [
        task
        for begin, some in _parts(algorithm, filters, channels)
        for task in _filter_tasks(node, algorithm, layouts, begin, some)
    ]


def _filter_tasks(
    node: Node, algorithm: Algorithm, layouts: dict[int, Layout], begin: int, filters: int
) -> list[Task]:
    """The gradient of some of the filters."""
    x, g = node.inputs
    low, right = (first for first, _ in node.attrs["padding"])
    places = _place(x, layouts), _place(g, layouts)
    results = _bare(g.shape, places[1], algorithm)
    gradient = WeightGradient(
        algorithm,
        _bordered(x.shape, places[0], algorithm, (low, right)),
        replace(results, channels=filters, offset=results.offset + begin),
        x.shape[0],
        _grid(g.shape, algorithm),
        native.host().lanes,
    )
    transform = GradientTransform(
        algorithm,
        gradient.parts[0],
        gradient.sums,
        begin,
        filters,
        node.shape[1],
        native.host().lanes,
    )
    sums = Storage(node, f"partial {begin}", gradient.size, node.dtype)
    reads = tuple(storage_of(place.base) for place in places)
    return [
        *_in_rooms(reads, sums, node, gradient, str(begin)),
        _written((sums, storage_of(node)), ("read", "write"), node, transform),
    ]


Kernels = Winograd | WeightGradient


def _in_rooms(
    reads: tuple[Storage, ...], result: Storage, node: Node, kernel: Kernels, which: str
) -> list[Task]:
    """A kernel with rooms of its own, all free at first (see `Tiles.room`)."""
    doors = Storage(node, f"doors {which}", 1, INDEX)
    rooms = Storage(node, f"rooms {which}", kernel.rooms * kernel.room, node.dtype)
    roles = (*["read"] * len(reads), "update", "scratch", "write")
    return [_opened(doors, node), _written((*reads, doors, rooms, result), roles, node, kernel)]


def _opened(doors: Storage, node: Node) -> Task:
    k = Builder()
    store = Store("b0", k.constant(0, INDEX), k.constant(0, INDEX))
    kernel = Kernel("kernel", (Param("b0", INDEX, 1, "write"),), 1, (), (store,))
    return Task((doors,), ("write",), (node,), 1, check(kernel))


def _written(
    buffers: tuple[Storage, ...],
    roles: tuple[str, ...],
    node: Node,
    kernel: Kernels | WeightTransform | GradientTransform,
) -> Task:
    made = Task(buffers, roles, (node,), kernel.chunks, flops=kernel.flops)
    if isinstance(kernel, Winograd):
        return replace(made, direct=kernel)
    return replace(made, along=kernel)
