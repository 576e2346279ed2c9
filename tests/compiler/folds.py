"""Ranges of sums, products, extremes and matrix products (see `bounds`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurona.core import dtypes
from neurona.core.dtypes import DType
from neurona.core.node import Node
from tests.compiler.bounds import exactly, plus, rule, times
from tests.compiler.ranges import (
    INF,
    Array,
    Range,
    anything,
    choose,
    flags,
    handy,
    point,
    settle,
)
from tests.ops.closeness import finfo


def _tidy(*terms: Range) -> bool:
    return all(bool((handy(x.low) & handy(x.high)).all()) for x in terms)


def _accumulator(dtype: DType) -> DType:
    return dtypes.float32 if dtype.itemsize == 2 else dtype


def sum_range(
    dtype: DType,
    low: Array,
    high: Array,
    total: Array,
    count: Any,
    may: Array,
    sure: Array,
    terms: tuple[Range, ...] = (),
) -> Range:
    """The range of sums of `count` terms in any order; `total` is the sum of their sizes.

    terms: what is summed, if it may be that simple that no sum of it rounds.
    """
    wide = _accumulator(dtype)
    slack = (np.asarray(count) + 2.0) * float(finfo(wide).eps) * total
    endless = ~np.isfinite(total) | (total + slack > float(finfo(wide).max))
    low, high = np.where(np.isnan(low) | endless, -INF, low), np.where(endless, INF, high)
    high = np.where(np.isnan(high), INF, high)
    # Terms that are small multiples of 1/64: every partial sum is exact.
    tidy = bool(terms) and _tidy(*terms)
    bits = int(finfo(wide).nmant) + 1
    exact = (total * 64 < 2.0 ** min(bits, 50)) & tidy
    slack = np.where(exact | endless, 0.0, slack)
    return settle(dtype, low, high, may | endless, sure, exact=exact, slack=slack)


@rule("sum")
def total(node: Node, x: Range) -> Range:
    if not x.float:
        return _whole(node, x)
    axis, keepdims = node.attrs["axis"], node.attrs["keepdims"]

    def add(part: Array) -> Array:
        return np.asarray(np.sum(part, axis, np.float64, keepdims=keepdims))

    size = np.maximum(np.abs(x.low), np.abs(x.high))
    count = int(np.prod([x.low.shape[a] for a in axis]))
    may, sure = (np.asarray(np.any(p, axis, keepdims=keepdims)) for p in (x.may, x.sure))
    return sum_range(node.dtype, add(x.low), add(x.high), add(size), count, may, sure, (x,))


def _whole(node: Node, x: Range) -> Range:
    """`exactly` for a fold of integers: certain where all terms are."""
    known = np.all(x.known, node.attrs["axis"], keepdims=node.attrs["keepdims"])
    value = np.asarray(node.op.evaluate(x.low, **node.attrs), node.dtype)
    return choose(np.asarray(known), point(value), anything(node.dtype, node.shape))


@rule("max", "min")
def extreme(node: Node, x: Range) -> Range:
    axis, keepdims = node.attrs["axis"], node.attrs["keepdims"]
    pick = np.max if node.op.name == "max" else np.min
    # The bounds of a certain NaN must not win, but then the result is NaN anyway.
    low, high = (np.asarray(pick(end, axis, keepdims=keepdims)) for end in (x.low, x.high))
    may, sure = (np.asarray(np.any(p, axis, keepdims=keepdims)) for p in (x.may, x.sure))
    return Range(node.dtype, low, high, may, sure)


@rule("any", "all")
def truth(node: Node, x: Range) -> Range:
    return flags(node.op.evaluate(x.low, **node.attrs), node.op.evaluate(x.high, **node.attrs))


def _powers_of_two(x: Array) -> Array:
    return (x == 0) | (np.abs(np.frexp(x)[0]) == 0.5)


@rule("prod")
def product(node: Node, x: Range) -> Range:
    if not x.float:
        return _whole(node, x)
    axis = node.attrs["axis"]
    wide = _accumulator(node.dtype)
    lines = [np.moveaxis(p, axis, range(len(axis))) for p in x.parts()]
    rest = lines[0].shape[len(axis) :]
    count = int(np.prod([x.low.shape[a] for a in axis]))
    flat = [line.reshape(count, *rest) for line in lines]
    one, no = np.ones(rest), np.zeros(rest, bool)
    result = Range(wide, one, one, no, no)
    for low, high, may, sure in zip(*flat, strict=True):
        result = times(wide, result, Range(wide, low, high, may, sure))
    size = np.maximum(np.abs(flat[0]), np.abs(flat[1]))
    most = np.prod(np.maximum(size, 1.0), 0)
    least = np.prod(np.where(size > 0, np.minimum(size, 1.0), 1.0), 0)
    info = finfo(wide)
    extreme = (most > float(info.max)) | (least < float(info.smallest_normal)) | ~np.isfinite(most)
    slack = len(flat[0]) * 2 * float(info.eps) * np.maximum(np.abs(result.low), np.abs(result.high))
    tidy = _powers_of_two(x.low) & _powers_of_two(x.high)
    exact = np.asarray(np.all(tidy, axis)) & ~extreme
    slack = np.where(exact | ~np.isfinite(slack), 0.0, slack)
    low = np.where(extreme, -INF, result.low)
    high = np.where(extreme, INF, result.high)
    # A product that overflows and then meets 0 is NaN in this order of the factors, not in all.
    zero, infinite = (flat[0] == flat[1]) & (size == 0), (flat[0] == flat[1]) & np.isinf(size)
    always = flat[3].any(0) | zero.any(0) & infinite.any(0)
    sure = np.where(extreme, always, result.sure)
    made = settle(node.dtype, low, high, result.may | extreme, sure, exact=exact, slack=slack)
    return Range(node.dtype, *[p.reshape(node.shape) for p in made.parts()])


def _scan(x: tuple[Range, ...], node: Node, step: Any) -> Range:
    """A recurrence along an axis: step(state, *elements)."""
    axis, reverse = node.attrs["axis"], node.attrs["reverse"]
    wide = _accumulator(node.dtype)
    count = node.shape[axis]
    state: Range | None = None
    out: list[Range] = []
    for i in range(count - 1, -1, -1) if reverse else range(count):
        at = [Range(wide, *[np.take(p, i, axis) for p in one.parts()]) for one in x]
        state = step(state, *at)
        out.append(state)
    if reverse:
        out.reverse()
    parts = [np.stack([getattr(s, name) for s in out], axis)
             for name in ("low", "high", "may", "sure")]  # fmt: skip
    made = Range(wide, *parts)
    return settle(node.dtype, *made.parts(), exact=True)


@rule("cumulative_sum", "cumulative_prod")
def running(node: Node, x: Range) -> Range:
    if not x.float:
        value = np.asarray(node.op.evaluate(x.low, **node.attrs), node.dtype)
        known = np.broadcast_to(x.known.all(node.attrs["axis"], keepdims=True), node.shape)
        return choose(known, point(value), anything(node.dtype, node.shape))
    if not node.shape[node.attrs["axis"]]:
        return Range(node.dtype, *x.parts())
    combine = plus if node.op.name == "cumulative_sum" else times
    wide = _accumulator(node.dtype)
    return _scan((x,), node, lambda s, a: a if s is None else combine(wide, s, a))


@rule("linear_recurrence")
def recurrence(node: Node, a: Range, b: Range) -> Range:
    if not a.float:
        return exactly(node, a, b)
    if not node.shape[node.attrs["axis"]]:
        return Range(node.dtype, *b.parts())
    wide = _accumulator(node.dtype)

    def step(state: Range | None, factor: Range, term: Range) -> Range:
        if state is None:
            zero = np.zeros(term.low.shape)
            no = np.zeros(term.low.shape, bool)
            state = Range(wide, zero, zero, no, no)
        return plus(wide, times(wide, factor, state), term)

    return _scan((a, b), node, step)


@rule("matmul")
def matmul(node: Node, a: Range, b: Range) -> Range:
    if not a.float:
        value = np.asarray(node.op.evaluate(a.low, b.low), node.dtype)
        unknown = np.matmul((~a.known).astype(float), np.ones(b.low.shape))
        unknown = unknown + np.matmul(np.ones(a.low.shape), (~b.known).astype(float))
        return choose(unknown == 0, point(value), anything(node.dtype, node.shape))
    ends = [x for r in (a, b) for x in (r.low, r.high)]
    finite = [np.where(np.isfinite(x), x, 0.0) for x in ends]
    middle_a, middle_b = (finite[0] + finite[1]) / 2, (finite[2] + finite[3]) / 2
    radius_a, radius_b = (finite[1] - finite[0]) / 2, (finite[3] - finite[2]) / 2
    size_a, size_b = np.abs(middle_a) + radius_a, np.abs(middle_b) + radius_b
    middle = np.matmul(middle_a, middle_b)
    radius = np.matmul(size_a, radius_b) + np.matmul(radius_a, size_b)
    total = np.matmul(size_a, size_b)
    wild = [(~np.isfinite(r.low) | ~np.isfinite(r.high)).astype(float) for r in (a, b)]

    def any_of(p: Array, q: Array) -> Array:
        """Whether a term has p in its row of the left or q in its column of the right."""
        left = np.matmul(p.astype(float), np.ones(b.low.shape))
        right = np.matmul(np.ones(a.low.shape), q.astype(float))
        return np.asarray(left + right > 0)

    sure, may = any_of(a.sure, b.sure), any_of(a.may, b.may)
    endless = any_of(wild[0] > 0, wild[1] > 0)
    low, high = np.where(endless, -INF, middle - radius), np.where(endless, INF, middle + radius)
    total = np.where(endless, INF, total)
    count = a.low.shape[-1]
    # A product that underflows errs by up to the least number.
    least = count * float(finfo(_accumulator(node.dtype)).smallest_subnormal) * (total > 0)
    low, high = low - least, high + least
    # Products of multiples of 1/64 are multiples of 1/4096.
    exact = np.asarray((total < 2.0**11) & _tidy(a, b) & (radius == 0))
    rounds = sum_range(node.dtype, low, high, total, count, may, sure)
    return choose(exact, settle(node.dtype, low, high, may, sure, exact=exact), rounds)
