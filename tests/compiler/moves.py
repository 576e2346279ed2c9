"""Ranges of ops that move elements about, and of those that look them up (see `bounds`)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from neurona.core.node import Node
from tests.compiler.bounds import rule
from tests.compiler.folds import sum_range
from tests.compiler.ranges import Array, Range, anything, choose, point
from tests.ops.closeness import finfo


@rule("reshape", "broadcast_to", "permute_dims", "slice", "flip", "concat", "update_slice")
def moved(node: Node, *inputs: Range) -> Range:
    parts = [
        np.asarray(node.op.evaluate(*same, **node.attrs))
        for same in zip(*[x.parts() for x in inputs], strict=True)
    ]
    return Range(node.dtype, *parts)


@rule("pad")
def pad(node: Node, x: Range) -> Range:
    value = node.attrs["value"]
    nan = bool(value != value)
    widths = node.attrs | {"value": 0 if nan else value}
    flags = node.attrs | {"value": nan}
    ends = [np.asarray(node.op.evaluate(end, **widths)) for end in (x.low, x.high)]
    return Range(
        node.dtype, *ends, *[np.asarray(node.op.evaluate(f, **flags)) for f in (x.may, x.sure)]
    )


@rule("full", "iota")
def made(node: Node) -> Range:
    value = np.asarray(node.op.evaluate(**node.attrs))
    exact = point(value)
    if node.op.name == "full" or not exact.float or node.attrs["start"] == 0:
        return exact
    # A product and a sum in float64, fused or not.
    size = float(finfo(node.dtype).eps) * np.abs(exact.low)
    size = size + 4e-16 * (
        np.abs(node.attrs["start"]) + np.abs(node.attrs["step"]) * node.attrs["size"]
    )
    whole = float(node.attrs["start"]).is_integer() and float(node.attrs["step"]).is_integer()
    if whole and np.all(np.abs(exact.low) < 100):
        return exact
    return Range(node.dtype, exact.low - size, exact.high + size, exact.may, exact.sure)


@rule("random_bits")
def random_bits(node: Node, key: Range, counter: Range) -> Range:
    if not _certain(key, counter):
        return anything(node.dtype, node.shape)
    return point(np.asarray(node.op.evaluate(key.low, counter.low, **node.attrs)))


# --- places ---


def _certain(*indices: Range) -> bool:
    return all(bool(np.all(i.known)) for i in indices)


def along(x: Range, axis: int, reach: int) -> Range:
    """The hull of all elements along an axis, `reach` times."""
    low, high = x.low.min(axis, keepdims=True), x.high.max(axis, keepdims=True)
    may, sure = x.may.any(axis, keepdims=True), x.sure.all(axis, keepdims=True)
    parts = [np.repeat(part, reach, axis) for part in (low, high, may, sure)]
    return Range(x.dtype, *parts)


@rule("take")
def take(node: Node, x: Range, *indices: Range) -> Range:
    places = [i.low for i in indices]
    if _certain(*indices):
        parts = [np.asarray(node.op.evaluate(p, *places, **node.attrs)) for p in x.parts()]
        return Range(node.dtype, *parts)
    wide = x
    for axis in node.attrs["axes"]:
        wide = along(wide, axis, x.low.shape[axis])
    zeros = [np.zeros_like(place) for place in places]
    parts = [np.asarray(node.op.evaluate(p, *zeros, **node.attrs)) for p in wide.parts()]
    return Range(node.dtype, *parts)


@rule("take_along_axis")
def take_along(node: Node, x: Range, indices: Range) -> Range:
    axis = node.attrs["axis"]
    # A place that is not certain shows any element of its line.
    wide = along(x, axis, indices.low.shape[axis]) if x.low.shape[axis] else x
    safe = np.where(indices.known, indices.low, 0)
    parts = [np.asarray(node.op.evaluate(p, safe, axis=axis)) for p in x.parts()]
    exact = Range(node.dtype, *parts)
    return choose(indices.known, exact, wide) if indices.low.size else exact


def _scattered(
    node: Node, base: Range, updates: Range, indices: tuple[Range, ...], add: Callable[..., Array]
) -> Range:
    """Sums at places: the terms' bounds summed, and rounding of their sizes."""
    if not _certain(*indices) or not (base.float or _certain(base, updates)):
        return anything(node.dtype, node.shape)
    if not base.float:
        return point(add(base.low, updates.low))
    low, high = add(base.low, updates.low), add(base.high, updates.high)
    size = [np.maximum(np.abs(x.low), np.abs(x.high)) for x in (base, updates)]
    total = add(*size)
    count = add(np.ones(base.low.shape), np.ones(updates.low.shape))
    may = add(base.may.astype(float), updates.may.astype(float)) > 0
    sure = add(base.sure.astype(float), updates.sure.astype(float)) > 0
    return sum_range(node.dtype, low, high, total, count, may, sure, (base, updates))


@rule("scatter_add", "add_along_axis")
def scatter_add(node: Node, base: Range, updates: Range, *indices: Range) -> Range:
    places = [i.low for i in indices]
    return _scattered(
        node, base, updates, indices,
        lambda a, b: np.asarray(node.op.evaluate(a, b, *places, **node.attrs)),
    )  # fmt: skip


@rule("scatter_set")
def scatter_set(node: Node, base: Range, updates: Range, *indices: Range) -> Range:
    if not _certain(*indices):
        return anything(node.dtype, node.shape)
    places = [i.low for i in indices]
    parts = [
        np.asarray(node.op.evaluate(a, b, *places, **node.attrs))
        for a, b in zip(base.parts(), updates.parts(), strict=True)
    ]
    return Range(node.dtype, *parts)


@rule("dynamic_slice")
def dynamic_slice(node: Node, x: Range, *starts: Range) -> Range:
    assert _certain(*starts)
    places = [s.low for s in starts]
    parts = [np.asarray(node.op.evaluate(p, *places, **node.attrs)) for p in x.parts()]
    return Range(node.dtype, *parts)


@rule("dynamic_update_slice")
def dynamic_update(node: Node, base: Range, update: Range, *starts: Range) -> Range:
    assert _certain(*starts)
    places = [s.low for s in starts]
    parts = [
        np.asarray(node.op.evaluate(a, b, *places, **node.attrs))
        for a, b in zip(base.parts(), update.parts(), strict=True)
    ]
    return Range(node.dtype, *parts)


# --- order ---


@rule("argsort")
def argsort(node: Node, x: Range) -> Range:
    axis = node.attrs["axis"]
    order = np.asarray(node.op.evaluate(x.array(), **node.attrs))
    certain = np.broadcast_to(x.known.all(axis, keepdims=True), node.shape)
    no = np.zeros(node.shape, bool)
    last = max(node.shape[axis] - 1, 0)
    wide = Range(node.dtype, np.zeros(node.shape, np.int64), np.full(node.shape, last), no, no)
    return choose(certain, point(order), wide)


@rule("searchsorted")
def searchsorted(node: Node, edges: Range, values: Range) -> Range:
    found = np.asarray(node.op.evaluate(edges.array(), values.array(), **node.attrs))
    no = np.zeros(node.shape, bool)
    last = edges.low.shape[0]
    wide = Range(node.dtype, np.zeros(node.shape, np.int64), np.full(node.shape, last), no, no)
    certain = values.known & bool(edges.known.all())
    return choose(certain, point(found.astype(np.int64)), wide)


@rule("argmax", "argmin")
def arg_extreme(node: Node, x: Range) -> Range:
    (axis,), keepdims = node.attrs["axis"], node.attrs["keepdims"]
    found = np.asarray(node.op.evaluate(x.array(), axis=(axis,), keepdims=True))
    certain = x.known.all(axis, keepdims=True)
    low, high = (x.low, x.high) if node.op.name == "argmax" else (-x.high, -x.low)
    if x.float:
        low, high = np.where(x.may, -np.inf, low), np.where(x.may, np.inf, high)
        possible = high >= low.max(axis, keepdims=True)
        first = possible.argmax(axis)
        last = x.low.shape[axis] - 1 - np.flip(possible, axis).argmax(axis)
    else:
        first = np.zeros(found.squeeze(axis).shape, np.int64)
        last = np.full_like(first, x.low.shape[axis] - 1)
    first, last = np.expand_dims(first, axis), np.expand_dims(last, axis)
    no = np.zeros(found.shape, bool)
    result = choose(certain, point(found), Range(node.dtype, first, last, no, no))
    parts = [part.reshape(node.shape) for part in result.parts()]
    return Range(node.dtype, *parts) if not keepdims else result
