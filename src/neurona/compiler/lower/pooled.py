"""Rectifiers after a maximum over windows instead of before it.

max(relu(a + b)) over windows is relu(max(a) + b), if b does not change within a window, and reaches
the same place: both are monotone. So a, which is several times as large, is read once, and nothing
of its size is kept for the gradient: a maximum that is not positive has no place, which is the mask
of the rectifier's gradient. (Were b infinite, a window with an infinite element of the other sign
might lose its NaN.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from neurona.compiler.lower.prepare import number, op
from neurona.core import dtypes
from neurona.core.node import Node
from neurona.core.op import LITERAL
from neurona.graph.order import rewrite, topological, with_inputs
from neurona.graph.passes import make, merge_equal
from neurona.ops.window_place import position_dtype

WINDOWS = ("window", "strides", "padding", "dilation")


class Rectified(NamedTuple):
    """relu(base + offset), which only windows of one kind and their gradients read."""

    base: Node
    offset: Node | None
    windows: dict[str, Any]


def pooled_first(outputs: Sequence[Node]) -> list[Node]:
    """The graph in which rectifiers follow maxima over windows."""
    outputs = merge_equal(outputs)
    users: dict[int, list[Node]] = {}
    for node in topological(outputs):
        for x in node.inputs:
            users.setdefault(id(x), []).append(node)
    for node in outputs:
        users.setdefault(id(node), []).append(node)
    found: dict[int, Rectified] = {}
    for node in topological(outputs):
        if (rectified := _rectified(node, users)) is not None:
            found[id(node)] = rectified
    if not found:
        return outputs
    new: dict[int, Node] = {}

    def rule(node: Node, inputs: tuple[Node, ...]) -> Node:
        made = with_inputs(node, inputs)
        if node.op.name == "window_max" and id(node.inputs[0]) in found:
            made = _after(found[id(node.inputs[0])], new)
        elif (x := _masked(node)) is not None and id(x) in found:
            put = node.inputs[2]
            place = _place(found[id(x)], new)
            made = make(put.op, new[id(put.inputs[0])], place, **put.attrs)
        new[id(node)] = made
        return made

    return rewrite(outputs, rule)


def _rectified(node: Node, users: dict[int, list[Node]]) -> Rectified | None:
    """What a rectifier is made of, if all who read it are windows and their gradients."""
    mask = node.inputs[0] if node.op.name == "where" else None
    if mask is None or not _is_mask(mask) or mask.inputs[0] is not node.inputs[2]:
        return None
    if not _is_zero(node.inputs[1]) or not dtypes.is_float(node.dtype):
        return None
    if any(user is not node for user in users[id(mask)]):
        return None
    windows = [_windows(user) for user in users.get(id(node), ()) if user.op.name == "window_max"]
    if not windows or any(other != windows[0] for other in windows):
        return None
    if not all(_moves(user, node, windows[0], users) for user in users[id(node)]):
        return None
    nowhere = math.prod(windows[0]["window"])
    if nowhere > np.iinfo(position_dtype(windows[0]["window"])).max:
        return None
    if not _all_meet(node.shape, **windows[0]):
        return None
    base = node.inputs[2]
    if base.op.name == "add" and all(user is node or user is mask for user in users[id(base)]):
        for a, b in (base.inputs, base.inputs[::-1]):
            if a.shape == base.shape and _same_within(b, windows[0]["window"]):
                return Rectified(a, b, windows[0])
    return Rectified(base, None, windows[0])


def _moves(user: Node, x: Node, windows: dict[str, Any], users: dict[int, list[Node]]) -> bool:
    """Whether what reads a rectified x is found without it."""
    readers = users.get(id(user), ())
    match user.op.name:
        case "window_max":
            return True
        case "window_argmax":
            puts = [put for put in readers if put.op.name == "window_put"]
            ends = [end for put in puts for end in users.get(id(put), ())]
            only = len(puts) == len(readers) and all(put.inputs[0] is not user for put in puts)
            return _windows(user) == windows and only and all(_masked(end) is x for end in ends)
        case "less_equal":
            return _is_mask(user) and all(_masked(reader) is x for reader in readers)
    return False


def _masked(node: Node) -> Node | None:
    """The x of `x <= 0 ? 0 : window_put(…)`, whose places are those of maxima of x."""
    if node.op.name != "where" or not _is_mask(node.inputs[0]) or not _is_zero(node.inputs[1]):
        return None
    put, x = node.inputs[2], node.inputs[0].inputs[0]
    if put.op.name != "window_put" or put.shape != x.shape:
        return None
    place = put.inputs[1]
    return x if place.op.name == "window_argmax" and place.inputs[0] is x else None


def _is_mask(node: Node) -> bool:
    return node.op.name == "less_equal" and _is_zero(node.inputs[1])


def _is_zero(node: Node) -> bool:
    return node.op is LITERAL and not node.array.any()


def _windows(node: Node) -> dict[str, Any]:
    return {name: node.attrs[name] for name in WINDOWS}


def _all_meet(shape: tuple[int, ...], **windows: Any) -> bool:
    """Whether no window lies in the padding alone, which counts as −∞."""
    rows = zip(shape, *[windows[name] for name in WINDOWS], strict=True)
    for size, window, stride, (low, high), dilation in rows:
        if low == high == 0:
            continue
        last = (size + low + high - dilation * (window - 1) - 1) // stride
        for i in range(last + 1):
            places = range(i * stride - low, i * stride - low + dilation * window, dilation)
            if not any(0 <= place < size for place in places):
                return False
    return True


def _same_within(b: Node, window: tuple[int, ...]) -> bool:
    """Whether b has one element along all axes along which windows have several."""
    own = window[len(window) - len(b.shape) :]
    return all(extent == 1 for extent, n in zip(b.shape, own, strict=True) if n != 1)


def _after(rectified: Rectified, new: dict[int, Node]) -> Node:
    """The maxima, then what was done before them."""
    x = make(op("window_max"), new[id(rectified.base)], **rectified.windows)
    if rectified.offset is not None:
        x = make(op("add"), x, new[id(rectified.offset)])
    zero = number(0, x.dtype)
    return make(op("where"), make(op("less_equal"), x, zero), zero, x)


def _place(rectified: Rectified, new: dict[int, Node]) -> Node:
    """The place of each maximum, none where it was not positive."""
    place = make(op("window_argmax"), new[id(rectified.base)], **rectified.windows)
    x = _after(rectified, new)
    mask = make(op("less_equal"), x, number(0, x.dtype))
    nowhere = number(math.prod(rectified.windows["window"]), place.dtype)
    return make(op("where"), mask, nowhere, place)
