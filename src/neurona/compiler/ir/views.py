"""Strided views: how the elements of one value lie in the memory of another."""

from __future__ import annotations

import math
from dataclasses import dataclass

from neurona.core.lowering import Indexed, Reshape, View
from neurona.core.node import Node
from neurona.core.op import Shape

Strides = tuple[int, ...]
Axes = tuple[int | None, ...]


def row_major(shape: Shape) -> Strides:
    """Strides in elements of a contiguous array; not 0, also where there are no elements."""
    strides, step = [], 1
    for extent in reversed(shape):
        strides.append(step)
        step *= max(extent, 1)
    return tuple(reversed(strides))


@dataclass(frozen=True, eq=False)
class Layout:
    """Element (i, j, …) of a value is element offset + i·strides[0] + j·strides[1] … of `base`."""

    base: Node
    offset: int
    strides: Strides

    def contiguous(self, shape: Shape) -> bool:
        """Whether the elements lie in row-major order without gaps."""
        return all(
            extent == 1 or mine == packed
            for extent, mine, packed in zip(shape, self.strides, row_major(shape), strict=True)
        )


def is_view(node: Node) -> bool:
    return isinstance(node.op.lower, View | Reshape)


def is_generator(node: Node) -> bool:
    """Whether the elements follow from the index alone, so that consumers make them on the spot."""
    return isinstance(node.op.lower, Indexed) and not node.inputs


def layout(node: Node, known: dict[int, Layout]) -> Layout | None:
    """How a view lies in the value it shows, through all views below; None if a copy is needed.

    known: layouts by id(node), filled here; a value that is not a view lies in itself.
    """
    chain = []
    while id(node) not in known and is_view(node):
        chain.append(node)
        node = node.inputs[0]
    found = known.setdefault(id(node), Layout(node, 0, row_major(node.shape)))
    for view in reversed(chain):
        shape = view.inputs[0].shape
        if isinstance(view.op.lower, View):
            found = _through_view(view, shape, found)
        else:
            strides = reshaped_strides(shape, found.strides, view.shape)
            if strides is None:
                return None
            found = Layout(found.base, found.offset, strides)
        known[id(view)] = found
    return found


def _through_view(view: Node, in_shape: Shape, inner: Layout) -> Layout:
    # The index map is affine: probing it at 0 and at the unit vectors finds its strides.
    lower = view.op.lower
    if not isinstance(lower, View):
        raise TypeError(f"{view.op.name} is not a view")
    ndim = len(view.shape)

    def address(*index: int) -> int:
        place = lower.index(None, index, in_shape, **view.attrs)
        return sum(i * step for i, step in zip(place, inner.strides, strict=True))

    start = address(*[0] * ndim)
    steps = tuple(address(*[int(i == axis) for i in range(ndim)]) - start for axis in range(ndim))
    return Layout(inner.base, inner.offset + start, steps)


def reshaped_strides(shape: Shape, strides: Strides, wanted: Shape) -> Strides | None:
    """Strides that show the same elements under another shape, or None if no strides do."""
    if math.prod(shape) == 0:
        return row_major(wanted)
    old = [(n, s) for n, s in zip(shape, strides, strict=True) if n != 1]
    result: list[int] = []
    i = 0
    block, step = 1, 1  # what is left of a merged run of old axes, walked from its outer end
    for extent in wanted:
        if extent == 1:
            result.append(0)
            continue
        while block < extent or block % extent:
            if block != 1 and (i >= len(old) or step != old[i][0] * old[i][1]):
                return None
            if i >= len(old):
                return None
            block *= old[i][0]
            step = old[i][1]
            i += 1
        block //= extent
        result.append(step * block)
    return tuple(result)


def aligned(node: Node) -> tuple[Node, Axes | None]:
    """The value below a chain of views, and for each axis of `node` the axis of that value.

    None for axes of one element and for repeated ones. The axes are None as a whole when the chain
    does more than permute, repeat, add and drop axes.
    """
    axes: Axes | None = tuple(None if n == 1 else i for i, n in enumerate(node.shape))
    while is_view(node):
        inner = node.inputs[0]
        step = _one_view(node)
        axes = None if axes is None or step is None else _compose(axes, step, inner.shape)
        node = inner
    return node, axes


def _compose(outer: Axes, step: Axes, shape: Shape) -> Axes:
    result = [None if axis is None else step[axis] for axis in outer]
    return tuple(None if axis is None or shape[axis] == 1 else axis for axis in result)


def _one_view(node: Node) -> Axes | None:
    inner = node.inputs[0].shape
    match node.op.name:
        case "broadcast_to":
            lead = len(node.shape) - len(inner)
            return tuple(
                None if i < lead or inner[i - lead] == 1 else i - lead
                for i in range(len(node.shape))
            )
        case "permute_dims":
            return tuple(node.attrs["axes"])
        case "reshape":
            kept = [i for i, n in enumerate(inner) if n != 1]
            if [inner[i] for i in kept] != [n for n in node.shape if n != 1]:
                return None
            rest = iter(kept)
            return tuple(None if n == 1 else next(rest) for n in node.shape)
    return None
