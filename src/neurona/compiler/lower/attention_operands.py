"""Which attention has a kernel, and what its operands must be like in memory."""

from __future__ import annotations

from neurona.compiler.ir.views import layout
from neurona.core import dtypes
from neurona.core.lowering import Attention
from neurona.core.node import Node
from neurona.core.op import LITERAL, Shape

WIDEST = 512
"""Elements of a query, key or value up to which the kernels' panels fit the second cache."""


def has_kernel(node: Node) -> bool:
    """Whether attention, or its gradient, is a kernel: in float32, where there is something to do.

    Sizes but the batch must be known; `NotAffine` says if they are not.
    """
    if not isinstance(node.op.lower, Attention):
        return False
    *_, q, k, v = node.inputs[: before_mask(node)]
    return (
        q.dtype == dtypes.float32
        and max(q.shape[3], v.shape[3]) <= WIDEST
        and 0 not in (*q.shape, *k.shape, *v.shape)
    )


def before_mask(node: Node) -> int:
    """How many inputs there are before the mask."""
    return 3 if node.op.name == "attention" else 6


def readable(x: Node, which: int, node: Node) -> bool:
    """Whether input `which` of attention can be read where it lies: its rows are runs of memory."""
    place = layout(x, {})
    if place is None or place.base.op is LITERAL:
        return False
    if which == 2 and node.op.name == "attention_gradient":  # lse
        return place.contiguous(x.shape)
    if which < before_mask(node):
        return place.strides[-1] == 1 or x.shape[-1] == 1
    if (x.shape[2] == 1 or place.strides[2] == 0) and (
        x.shape[3] == 1 or place.strides[3] in (0, 1)
    ):
        return True
    return x.shape == wanted_shape(x, which, node) and place.strides[-1] == 1


def wanted_shape(x: Node, which: int, node: Node) -> Shape:
    """The shape of the input that the kernel takes: a mask differs from key to key."""
    if which < before_mask(node):
        return x.shape
    return (*x.shape[:-1], node.inputs[before_mask(node) - 2].shape[1])
