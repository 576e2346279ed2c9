"""Rewrites that bring a graph to the forms the later stages know.

Half-precision and integer products become loops or float32 products, those with vectors become
loops, arg-reductions become two plain ones, and values that must be contiguous get a copy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from neurona.autodiff.branches import SWITCH
from neurona.autodiff.loops import LOOP
from neurona.autodiff.steps import SCAN
from neurona.compiler.ir import functions
from neurona.compiler.ir.sizes import Size
from neurona.compiler.ir.views import aligned, is_view, layout
from neurona.compiler.lower.attention_operands import has_kernel, readable, wanted_shape
from neurona.core import dtypes
from neurona.core.buffer import Buffer
from neurona.core.check import REQUIRE
from neurona.core.lowering import Convolution, Elementwise, Indexed, Reshape, Scan, Sort
from neurona.core.node import Node
from neurona.core.op import LITERAL, Op, Spec, registry
from neurona.graph.order import rewrite, topological, with_inputs
from neurona.graph.passes import make

COPY = Op(
    "copy",
    infer=lambda x: x.spec,
    evaluate=lambda x: x.copy(),
    lower=Elementwise(lambda k, x: x),
)
"""The same value in memory of its own, row-major."""

POSITION = Op(
    "position",
    infer=lambda hit, *, axis: Spec(hit.shape, dtypes.int64),
    evaluate=lambda hit, *, axis: np.where(
        hit, np.indices(hit.shape)[axis], np.int64(hit.shape[axis])
    ),
    lower=Indexed(
        lambda k, index, hit, *, axis: k.where(
            hit[index], index[axis], k.constant(hit.shape[axis], dtypes.int64)
        )
    ),
)
"""The index along an axis where an element is true, else the axis' extent."""


FEW_CHANNELS = 4
"""So many may lie apart: a pixel's then lie on no more lines of the cache than pixels side by side.
"""

NUMBER = Op(
    "number",
    infer=lambda *, size, dtype: Spec((), dtypes.as_dtype(dtype)),
    evaluate=lambda *, size, dtype: np.asarray(size, dtypes.as_dtype(dtype)),
    lower=Indexed(lambda k, index, *, size, dtype: k.constant(size, dtypes.as_dtype(dtype))),
)
"""A literal that depends on n (see `sizes`)."""


def op(name: str) -> Op:
    return registry()[name]


def number(value: int | float, dtype: dtypes.DType) -> Node:
    if isinstance(value, Size):
        return make(NUMBER, size=value, dtype=dtype.name)
    return Node(LITERAL, (), {}, Spec((), dtype), Buffer(np.asarray(value, dtype)))


def to_known_forms(outputs: Sequence[Node]) -> list[Node]:
    """Expand ops that the later stages do not take as they are."""

    def rule(node: Node, inputs: tuple[Node, ...]) -> Node:
        if node.op is REQUIRE:
            axes = tuple(range(len(inputs[0].shape)))
            return make(op("all"), inputs[0], axis=axes, keepdims=False)
        if node.op.name in ("argmax", "argmin"):
            return _arg_reduction(node, inputs[0])
        if node.op.name == "matmul" and node.dtype not in (dtypes.float32, dtypes.float64):
            return _product(node, inputs[0], inputs[1])
        if isinstance(node.op.lower, Convolution) and node.dtype.itemsize == 2:
            return _in_float32(node, inputs)
        if node.op.name == "matmul" and inputs[0].shape[-1] == 1:
            return make(op("multiply"), *inputs)
        if node.op.name == "matmul" and 1 in (node.shape[-2], node.shape[-1]):
            return _vector_product(node, inputs[0], inputs[1])
        return with_inputs(node, inputs)

    return rewrite(outputs, rule)


def masks_of_results(outputs: Sequence[Node]) -> list[Node]:
    """Rectifiers' gradients ask the result, not the argument, where it is positive.

    So the argument need not be kept. x ≤ 0 just where y ≤ 0, with y = 0 where x ≤ 0, else x.
    """

    def of_mask(node: Node, inputs: tuple[Node, ...]) -> Node | None:
        """The x of `x <= 0 ? 0 : …`."""
        if node.op.name != "where" or inputs[0].op.name != "less_equal":
            return None
        x, bound = inputs[0].inputs
        return x if _is_zero(bound) and _is_zero(inputs[1]) else None

    rectified = {
        id(x)
        for node in topological(outputs)
        if (x := of_mask(node, node.inputs)) is not None and node.inputs[2] is x
    }

    def rule(node: Node, inputs: tuple[Node, ...]) -> Node:
        x = of_mask(node, node.inputs)
        if x is None or id(x) not in rectified or node.inputs[2] is x:
            return with_inputs(node, inputs)
        mask, zero, other = inputs
        y = make(node.op, mask, zero, mask.inputs[0])
        return make(node.op, make(mask.op, y, mask.inputs[1]), zero, other)

    return rewrite(outputs, rule)


def _is_zero(node: Node) -> bool:
    return node.op is LITERAL and not node.array.any()


def _arg_reduction(node: Node, x: Node) -> Node:
    """The first place at which the extreme (or NaN) stands."""
    axes, keepdims = tuple(node.attrs["axis"]), node.attrs["keepdims"]
    if len(axes) != 1:  # all of them
        flat = make(op("reshape"), x, shape=(math.prod(x.shape),))
        place = _arg_reduction(make(node.op, flat, axis=(0,), keepdims=False), flat)
        return make(op("reshape"), place, shape=node.shape)
    extreme = op("max" if node.op.name == "argmax" else "min")
    hit = make(op("equal"), x, make(extreme, x, axis=axes, keepdims=True))
    if dtypes.is_float(x.dtype):
        hit = make(op("bitwise_or"), hit, make(op("isnan"), x))
    place = make(POSITION, hit, axis=axes[0])
    return make(op("min"), place, axis=axes, keepdims=keepdims)


def _product(node: Node, a: Node, b: Node) -> Node:
    if dtypes.is_float(node.dtype):
        return _in_float32(node, (a, b))
    # (…, m, k, 1)·(…, 1, k, n) summed over k.
    left = make(op("reshape"), a, shape=(*a.shape, 1))
    right = make(op("reshape"), b, shape=(*b.shape[:-2], 1, *b.shape[-2:]))
    products = make(op("multiply"), left, right)
    return make(op("sum"), products, axis=(len(products.shape) - 2,), keepdims=False)


def _in_float32(node: Node, inputs: Sequence[Node]) -> Node:
    """Half precision is multiplied and added up in float32."""
    wide = [make(op("cast"), x, dtype="float32") for x in inputs]
    return make(op("cast"), make(node.op, *wide, **node.attrs), dtype=node.dtype.name)


def _vector_product(node: Node, a: Node, b: Node) -> Node:
    """A product with one row or column is a loop over the matrix, read once where it lies."""
    matrix, vector = (a, _swap(b)) if node.shape[-1] == 1 else (_swap(b), a)
    place = layout(matrix, {})
    if place is None or place.strides[-1] == 1 or matrix.shape[-2] == 1:
        # One sum for each row of the matrix.
        products = make(op("multiply"), matrix, vector)
        axis = len(products.shape) - 1
    else:
        # Its rows are not runs of memory but its columns are: add them up.
        products = make(op("multiply"), _swap(matrix), _swap(vector))
        axis = len(products.shape) - 2
    sums = make(op("sum"), products, axis=(axis,), keepdims=False)
    return make(op("reshape"), sums, shape=node.shape)


def _swap(x: Node) -> Node:
    """The last two axes exchanged."""
    axes = (*range(len(x.shape) - 2), len(x.shape) - 1, len(x.shape) - 2)
    if x.op.name == "permute_dims" and tuple(x.attrs["axes"]) == axes:
        return x.inputs[0]
    return make(op("permute_dims"), x, axes=axes)


def with_copies(outputs: Sequence[Node]) -> list[Node]:
    """Copies before reshapes that no strides can show, and of what must lie in memory as it is.

    Bodies take whole values, scans and sorts contiguous ones.
    """
    copies: dict[int, Node] = {}

    def copied(x: Node) -> Node:
        return copies.setdefault(id(x), make(COPY, x))

    def rule(node: Node, inputs: tuple[Node, ...]) -> Node:
        if node.op in (SWITCH, LOOP, SCAN):
            inputs = tuple(x if _lies_whole(x) else make(COPY, x) for x in inputs)
        elif isinstance(node.op.lower, Scan | Sort) or node.op.name == "join":
            inputs = tuple(x if _lies_contiguous(x) else copied(x) for x in inputs)
        elif isinstance(node.op.lower, Convolution):
            first, second = inputs
            if not _lies_along_channels(first, node):
                first = copied(first)
            inputs = (first, second if _lies_contiguous(second) else copied(second))
        elif has_kernel(node):
            inputs = tuple(_for_attention(x, i, node, copied) for i, x in enumerate(inputs))
        node = with_inputs(node, inputs)
        if isinstance(node.op.lower, Reshape) and layout(node, {}) is None:
            return make(node.op, copied(inputs[0]), **node.attrs)
        return node

    return rewrite(outputs, rule)


def _for_attention(x: Node, which: int, node: Node, copied: Callable[[Node], Node]) -> Node:
    """An input of attention that can be read where it lies."""
    if readable(x, which, node):
        return x
    shape = wanted_shape(x, which, node)
    return copied(x if shape == x.shape else make(op("broadcast_to"), x, shape=shape))


def _lies_contiguous(x: Node) -> bool:
    place = layout(x, {})
    return place is not None and place.base.op is not LITERAL and place.contiguous(x.shape)


def _lies_whole(x: Node) -> bool:
    """Whether the memory of the value below is, from its start to its end, that of x."""
    base, _ = aligned(x)
    same = math.prod(base.shape) == math.prod(x.shape) and base.dtype == x.dtype
    place = layout(x, {}) if same else None
    return place is not None and not place.offset and _lies_contiguous(x)


def _lies_along_channels(x: Node, node: Node) -> bool:
    """Whether a convolution can read its first operand where it lies."""
    place = layout(x, {})
    if place is None or place.base.op is LITERAL:
        return False
    if node.attrs["layout"] == "batch last":
        return place.strides[-1] == 1
    return place.strides[-1] == 1 or x.shape[-1] <= FEW_CHANNELS


def in_own_memory(outputs: Sequence[Node]) -> list[Node]:
    """Outputs that are inputs, constants, views or repeated get a copy."""
    seen: set[int] = set()
    result = []
    for node in outputs:
        if (not node.inputs and node.op.lower is None) or is_view(node) or id(node) in seen:
            node = make(COPY, node)
        seen.add(id(node))
        result.append(node)
    return result


def supported(node: Node) -> bool:
    """Whether the loops can compute an elementwise node of its dtypes."""
    lower = node.op.lower
    if not isinstance(lower, Elementwise) or node.op.name in ("where", "cast", "copy", "barrier"):
        return True
    if dtypes.float16 in (node.dtype, *[x.dtype for x in node.inputs]) or dtypes.bfloat16 in (
        node.dtype,
        *[x.dtype for x in node.inputs],
    ):
        return node.op.name != "nextafter"
    return node.op.name not in functions.LIBRARY or dtypes.is_float(node.inputs[0].dtype)
