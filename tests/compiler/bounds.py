"""The range of every op's result from the ranges of its inputs (see `ranges`).

`ranges_of(outputs, given)` walks a recorded graph. Rules are by op name: elementwise functions
here, ops that move or gather elements in `moves`, sums and other folds in `folds`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from neurona.core import dtypes
from neurona.core.apply import TAKE_RESULT
from neurona.core.dtypes import DType
from neurona.core.node import Node
from neurona.core.op import LEAF, LITERAL
from neurona.graph.order import topological
from tests.compiler.ranges import (
    INF,
    Array,
    Range,
    anything,
    choose,
    flags,
    handy,
    hull,
    point,
    settle,
)
from tests.ops.closeness import finfo, rounded

Rule = Callable[..., Any]
RULES: dict[str, Rule] = {}


def function_ulps(dtype: DType, single: float = 6.0, half: float = 1.0) -> float:
    """NumPy's vectorised functions and the C library's err by a few units in the last place.

    In half precision both compute in float32 and round.
    """
    return half if dtype.itemsize == 2 else single


def rule(*names: str) -> Callable[[Rule], Rule]:
    def enter(function: Rule) -> Rule:
        for name in names:
            RULES[name] = function
        return function

    return enter


def ranges_of(outputs: Iterable[Node], given: Mapping[Node, Array | Range]) -> list[Range]:
    """The ranges of the outputs of a recorded graph whose leaves have the values `given`."""
    outputs = list(outputs)
    found: dict[int, Any] = {}
    with np.errstate(all="ignore"):
        for node in topological(outputs):
            if node.op is LITERAL or node.value is not None:
                found[id(node)] = point(node.array)
            elif not node.inputs and node in given:
                value = given[node]
                found[id(node)] = value if isinstance(value, Range) else point(value)
            elif node.op is LEAF:
                found[id(node)] = found[id(node.inputs[0])]
            elif node.op is TAKE_RESULT:
                found[id(node)] = found[id(node.inputs[0])][node.attrs["index"]]
            else:
                inputs = [found[id(x)] for x in node.inputs]
                found[id(node)] = apply_rule(node, inputs)
    return [found[id(node)] for node in outputs]


def apply_rule(node: Node, inputs: list[Range]) -> Any:
    """The range of the result, or a list of those of several."""
    result = RULES.get(node.op.name, exactly)(node, *inputs)
    several = [(node, result)] if node.specs is None else zip(node.specs, result, strict=True)
    for spec, one in several:
        assert one.dtype == spec.dtype, node
        assert {part.shape for part in one.parts()} == {spec.shape}, node
    return result


def exactly(node: Node, *inputs: Range) -> Range:
    """The rule for ops on integers and bools: the value where all inputs are known."""
    assert not any(dtypes.is_float(x.dtype) for x in (node, *node.inputs)), node
    value = np.asarray(node.op.evaluate(*[x.low for x in inputs], **node.attrs), node.dtype)
    known = np.ones(node.shape, bool)
    for x in inputs:
        known = known & np.broadcast_to(x.known, node.shape)
    return choose(known, point(value), anything(node.dtype, node.shape))


def of_numbers(float_rule: Rule) -> Rule:
    """A rule for floats, `exactly` for the rest."""

    def either(node: Node, *inputs: Range) -> Range:
        return (float_rule if inputs[0].float else exactly)(node, *inputs)

    return either


def spans(x: Range, value: float) -> Array:
    return (x.low <= value) & (x.high >= value)


def is_point(x: Range, value: float) -> Array:
    return (x.low == value) & (x.high == value) & ~x.may


# --- arithmetic ---


def _corners(function: Callable[..., Array], a: Range, b: Range, gap: float) -> tuple[Array, Array]:
    """Least and greatest of a function monotone in each operand; `gap` stands for NaN."""
    values = [function(x, y) for x in (a.low, a.high) for y in (b.low, b.high)]
    values = [np.where(np.isnan(v), gap, v) for v in values]
    return np.minimum.reduce(values), np.maximum.reduce(values)


def _nans(a: Range, b: Range) -> tuple[Array, Array]:
    return a.may | b.may, a.sure | b.sure


def plus(dtype: Any, a: Range, b: Range) -> Range:
    low, high = a.low + b.low, a.high + b.high
    may, sure = _nans(a, b)
    for x, y in ((a, b), (b, a)):
        may = may | ((x.high == INF) & (y.low == -INF))
        sure = sure | ((x.low == INF) & ~x.may & (y.high == -INF) & ~y.may)
    low, high = np.where(np.isnan(low), -INF, low), np.where(np.isnan(high), INF, high)
    exact = handy(a.low) & handy(a.high) & handy(b.low) & handy(b.high)
    return settle(dtype, low, high, may, sure, exact=exact)


def minus(x: Range) -> Range:
    return Range(x.dtype, -x.high, -x.low, x.may, x.sure)


def times(dtype: Any, a: Range, b: Range) -> Range:
    low, high = _corners(np.multiply, a, b, 0.0)
    may, sure = _nans(a, b)
    for x, y in ((a, b), (b, a)):
        endless = (y.low == -INF) | (y.high == INF)
        may = may | (spans(x, 0.0) & endless)
        sure = sure | (is_point(x, 0.0) & (is_point(y, INF) | is_point(y, -INF)))
    exact = handy(a.low) & handy(a.high) & handy(b.low) & handy(b.high)
    return settle(dtype, low, high, may, sure, exact=exact)


@rule("add")
@of_numbers
def add(node: Node, a: Range, b: Range) -> Range:
    return plus(node.dtype, a, b)


@rule("subtract")
@of_numbers
def subtract(node: Node, a: Range, b: Range) -> Range:
    return plus(node.dtype, a, minus(b))


@rule("multiply")
@of_numbers
def multiply(node: Node, a: Range, b: Range) -> Range:
    return times(node.dtype, a, b)


def over(dtype: Any, a: Range, b: Range) -> Range:
    low, high = _corners(np.divide, a, b, 0.0)
    may, sure = _nans(a, b)
    zero = spans(b, 0.0)
    low, high = np.where(zero, -INF, low), np.where(zero, INF, high)
    endless_a = (a.low == -INF) | (a.high == INF)
    endless_b = (b.low == -INF) | (b.high == INF)
    may = may | (zero & spans(a, 0.0)) | (endless_a & endless_b)
    sure = sure | (is_point(a, 0.0) & is_point(b, 0.0))
    sure = sure | (np.isinf(a.low) & a.known & np.isinf(b.low) & b.known & ~a.may & ~b.may)
    exact = handy(a.low) & handy(b.low) & (low * b.low == a.low) & (a.low == a.high)
    exact = exact & (b.low == b.high) & handy(low)
    return settle(dtype, low, high, may, sure, exact=exact)


@rule("divide")
def divide(node: Node, a: Range, b: Range) -> Range:
    return over(node.dtype, a, b)


@rule("remainder")
@of_numbers
def remainder(node: Node, a: Range, b: Range) -> Range:
    value = np.asarray(node.op.evaluate(a.low, b.low, **node.attrs))
    may, sure = _nans(a, b)
    sure = sure | np.isnan(value) & a.known & b.known
    may = may | ~np.isfinite(a.low) | ~np.isfinite(a.high) | spans(b, 0.0) | sure
    at = np.where(np.isnan(value), 0.0, value)
    certain = a.known & b.known
    low = np.where(certain, at, np.minimum(b.low, 0.0))
    high = np.where(certain, at, np.maximum(b.high, 0.0))
    return settle(node.dtype, low, high, may, sure)


@rule("floor_divide")
@of_numbers
def floor_divide(node: Node, a: Range, b: Range) -> Range:
    value = np.asarray(node.op.evaluate(a.low, b.low, **node.attrs))
    certain = a.known & b.known & ~a.sure & ~b.sure
    quotient = over(node.dtype, a, b)
    low = np.where(certain & np.isfinite(value), value, np.floor(quotient.low) - 1.0)
    high = np.where(certain & np.isfinite(value), value, np.floor(quotient.high) + 1.0)
    # An infinite dividend gives NaN or an infinity, an infinite divisor 0 or −1.
    odd = ~np.isfinite(a.low) | ~np.isfinite(a.high) | ~np.isfinite(b.low) | ~np.isfinite(b.high)
    low, high = np.where(odd, -INF, low), np.where(odd, INF, high)
    exact = certain & (np.abs(value) < 1024.0)
    made = settle(node.dtype, low, high, quotient.may | odd, quotient.sure & ~odd, exact=exact)
    return made


@rule("negative")
@of_numbers
def negative(node: Node, x: Range) -> Range:
    return minus(x)


@rule("abs")
@of_numbers
def absolute(node: Node, x: Range) -> Range:
    a, b = np.abs(x.low), np.abs(x.high)
    low = np.where(spans(x, 0.0), 0.0, np.minimum(a, b))
    return Range(x.dtype, low, np.maximum(a, b), x.may, x.sure)


@rule("maximum", "minimum")
@of_numbers
def extreme(node: Node, a: Range, b: Range) -> Range:
    pick = np.maximum if node.op.name == "maximum" else np.minimum
    may, sure = _nans(a, b)
    return Range(node.dtype, pick(a.low, b.low), pick(a.high, b.high), may, sure)


@rule("pow")
@of_numbers
def power(node: Node, a: Range, b: Range) -> Range:
    value = np.power(a.low, b.low)
    low, high = _corners(np.power, a, b, 0.0)
    certain = (a.low == a.high) & (b.low == b.high) & ~a.may & ~b.may
    doubtful = ~certain & ((a.low <= 0.0) | a.may | b.may)
    low, high = np.where(doubtful, -INF, low), np.where(doubtful, INF, high)
    may = np.where(certain, np.isnan(value), doubtful)
    sure = np.where(certain, np.isnan(value), False)
    return settle(node.dtype, low, high, may, sure, ulps=function_ulps(node.dtype))


@rule("hypot", "logaddexp")
def rising_pair(node: Node, a: Range, b: Range) -> Range:
    evaluate = node.op.evaluate
    slack: Any = 0.0
    may, sure = _nans(a, b)
    if node.op.name == "hypot":
        a, b = absolute(node, a), absolute(node, b)
        # hypot(∞, NaN) is ∞.
        endless = (a.high == INF) | (b.high == INF)
        sure = sure & ~endless
        may = may | sure
    else:
        top = np.maximum(np.abs(a.low), np.abs(a.high)) + np.maximum(np.abs(b.low), np.abs(b.high))
        slack = np.where(np.isfinite(top), top + 1.0, 0.0)
        slack = slack * 4 * float(np.finfo(_wide(node.dtype)).eps)
    low = np.where(sure, 0.0, evaluate(a.low, b.low))
    high = np.where(sure, 0.0, evaluate(a.high, b.high))
    low, high = np.where(np.isnan(low), -INF, low), np.where(np.isnan(high), INF, high)
    made = settle(node.dtype, low, high, may, sure, ulps=function_ulps(node.dtype), slack=slack)
    if node.op.name == "hypot":
        # One operand NaN, the other maybe infinite: anything above 0.
        odd = made.may & ~made.sure
        return Range(node.dtype, np.where(odd, 0.0, made.low), np.where(odd, INF, made.high),
                     made.may, made.sure)  # fmt: skip
    return made


def _wide(dtype: Any) -> Any:
    return np.float64 if dtype == dtypes.float64 else np.float32


@rule("atan2", "copysign", "nextafter")
def only_certain(node: Node, a: Range, b: Range) -> Range:
    """A value where both operands are known and the sign of zero does not matter."""
    name = node.op.name
    exact = name != "atan2"
    operands = (a.array(), b.array()) if name == "nextafter" else (a.low, b.low)
    value = np.asarray(node.op.evaluate(*operands)).astype(np.float64)
    may, sure = _nans(a, b)
    certain = a.known & b.known & ~may
    if name == "atan2":
        certain = certain & ((a.low != 0.0) | (b.low > 0.0))
        wide = anything(node.dtype, node.shape, nan=False)
        low, high = np.maximum(wide.low, -3.2), np.minimum(wide.high, 3.2)
    elif name == "copysign":
        # The sign of NaN is anybody's.
        certain = a.known & ~a.may & b.known & ~b.may & (b.low != 0.0)
        may, sure = a.may, a.sure
        most = np.maximum(np.abs(a.low), np.abs(a.high))
        low, high = -most, most
    else:
        # From infinity it leads to the largest number.
        most = float(finfo(node.dtype).max)
        ends = np.minimum(a.low, most), np.maximum(a.high, -most)
        wide = settle(node.dtype, *ends, may, sure, ulps=2.0)
        low, high = wide.low, wide.high
    low, high = np.where(certain, value, low), np.where(certain, value, high)
    return settle(
        node.dtype, low, high, may, sure, exact=exact & certain, ulps=function_ulps(node.dtype)
    )


# --- functions of one operand ---

_DOMAIN = {
    "log": (0.0, INF), "log2": (0.0, INF), "log10": (0.0, INF), "log1p": (-1.0, INF),
    "sqrt": (0.0, INF), "asin": (-1.0, 1.0), "acos": (-1.0, 1.0), "atanh": (-1.0, 1.0),
    "acosh": (1.0, INF),
}  # fmt: skip
_NUMPY: dict[str, Callable[[Array], Array]] = {
    "sigmoid": lambda x: np.where(
        x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x)))
    ),
    "erf": np.vectorize(math.erf, otypes=[np.float64]),
}


@rule(
    "exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "asin", "acos", "atan", "sinh", "tanh",
    "asinh", "acosh", "atanh", "sigmoid", "erf",
)  # fmt: skip
def monotone(node: Node, x: Range) -> Range:
    name = node.op.name
    function = _NUMPY.get(name) or node.op.evaluate
    least, most = _DOMAIN.get(name, (-INF, INF))
    sure = x.sure | (~x.may & ((x.high < least) | (x.low > most)))
    may = x.may | (x.low < least) | (x.high > most)
    low = np.asarray(function(np.clip(x.low, least, most)), np.float64)
    high = np.asarray(function(np.clip(x.high, least, most)), np.float64)
    if name == "acos":
        low, high = high, low
    ulps, exact = function_ulps(node.dtype), (low == 0.0) & (high == 0.0)
    if name == "sqrt":
        ulps = 1.0
        exact = handy(low) & handy(high) & (low * low == x.low) & (high * high == x.high)
    if name == "sigmoid":
        ulps = function_ulps(node.dtype, 8.0, 4.0)
    return settle(node.dtype, low, high, may, sure, ulps=ulps, exact=exact)


@rule("sin", "cos", "cosh", "tan")
def wavy(node: Node, x: Range) -> Range:
    name, half = node.op.name, (x.high - x.low) / 2
    if name == "cosh":
        size = absolute(node, x)
        low, high = np.cosh(size.low), np.cosh(size.high)
        return settle(node.dtype, low, high, x.may, x.sure, ulps=function_ulps(node.dtype))
    endless = ~np.isfinite(x.low) | ~np.isfinite(x.high)
    middle = np.where(endless, 0.0, x.low / 2 + x.high / 2)
    half = np.where(endless, INF, half)
    sure = x.sure | (np.isinf(x.low) & (x.low == x.high) & ~x.may)
    may = x.may | endless
    value = np.asarray(node.op.evaluate(middle), np.float64)
    if name == "tan":
        # The slope is 1 + tan², so that near the poles nothing can be said.
        reach = half * (1 + value * value) * 2
        wild = (reach > 0.1) | ~np.isfinite(reach)
        reach = np.where(wild, INF, reach)
    else:
        reach = np.minimum(half, 2.0)
    low, high = value - reach, value + reach
    if name != "tan":
        low, high = np.maximum(low, -1.0), np.minimum(high, 1.0)
    slack = np.abs(middle) * 1e-15
    return settle(node.dtype, low, high, may, sure, ulps=function_ulps(node.dtype), slack=slack)


@rule("floor", "ceil", "trunc", "round", "sign")
@of_numbers
def steps(node: Node, x: Range) -> Range:
    evaluate = node.op.evaluate
    return Range(x.dtype, evaluate(x.low), evaluate(x.high), x.may, x.sure)


@rule("identity", "stop_gradient", "barrier", "attach", "copy")
def same(node: Node, x: Range, *_: Range) -> Range:
    return x


@rule("batch_norm.token")
def token(node: Node, *_: Range) -> Range:
    return point(np.zeros((), node.dtype))


# --- questions ---


def _order(name: str, a: Range, b: Range) -> tuple[Array, Array]:
    """(certainly, possibly) of a comparison of numbers, NaN aside."""
    match name:
        case "less":
            return a.high < b.low, a.low < b.high
        case "less_equal":
            return a.high <= b.low, a.low <= b.high
        case "greater":
            return a.low > b.high, a.high > b.low
        case "greater_equal":
            return a.low >= b.high, a.high >= b.low
    apart = (a.high < b.low) | (b.high < a.low)
    both = (a.low == a.high) & (b.low == b.high) & (a.low == b.low)
    return (both, ~apart) if name == "equal" else (apart, ~both)


@rule("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
def compare(node: Node, a: Range, b: Range) -> Range:
    certainly, possibly = _order(node.op.name, a, b)
    may, sure = _nans(a, b)
    if node.op.name == "not_equal":
        return flags((certainly | sure), possibly | may)
    return flags(certainly & ~may, possibly & ~sure)


@rule("isnan", "isinf", "isfinite", "signbit")
def question(node: Node, x: Range) -> Range:
    if not x.float:
        return exactly(node, x)
    endless = ((x.low == INF) | (x.high == -INF)) & ~x.may
    maybe_endless = ((x.low == -INF) | (x.high == INF)) & ~x.sure
    match node.op.name:
        case "isnan":
            return flags(x.sure, x.may)
        case "isinf":
            return flags(endless, maybe_endless)
        case "isfinite":
            finite = np.isfinite(x.low) & np.isfinite(x.high) & ~x.may
            return flags(finite, ~endless & ~x.sure)
    return flags((x.high < 0.0) & ~x.may, (x.low <= 0.0) | x.may)


@rule("where")
def where(node: Node, condition: Range, a: Range, b: Range) -> Range:
    a, b = (spread(x, node.shape) for x in (a, b))
    low, high = (np.broadcast_to(c, node.shape) for c in (condition.low, condition.high))
    return choose(low, a, choose(~high, b, hull(a, b)))


def spread(x: Range, shape: tuple[int, ...]) -> Range:
    return Range(x.dtype, *[np.broadcast_to(part, shape) for part in x.parts()])


# --- casts ---


@rule("cast")
def cast(node: Node, x: Range) -> Range:
    target = node.dtype
    no = np.zeros(node.shape, bool)
    if target == dtypes.bool_:
        apart = (x.low > 0) | (x.high < 0) if x.dtype != dtypes.bool_ else x.low
        return flags((apart & ~x.may) | x.sure, (x.low != 0) | (x.high != 0) | x.may)
    if dtypes.is_float(target):
        narrow = target if target != dtypes.float64 else np.dtype(np.float64)
        if x.float:
            low, high = rounded(x.low, narrow), rounded(x.high, narrow)
            low, high = low.astype(np.float64), high.astype(np.float64)
            if x.dtype == dtypes.float64 and target.itemsize == 2:
                # By way of float32, which may round twice.
                exact = (low == x.low) & (high == x.high)
                return settle(target, low, high, x.may, x.sure, exact=exact)
            return Range(target, low, high, x.may, x.sure)
        low, high = (end.astype(narrow).astype(np.float64) for end in (x.low, x.high))
        return Range(target, low, high, no, no)
    if x.float:
        # What does not fit ends at the ends, NaN at 0.
        low, high = (dtypes.convert(np.asarray(end), target) for end in (x.low, x.high))
        low = np.where(x.sure, 0, np.where(x.may, np.minimum(low, 0), low)).astype(target)
        high = np.where(x.sure, 0, np.where(x.may, np.maximum(high, 0), high)).astype(target)
        return Range(target, low, high, no, no)
    low, high = x.low.astype(target), x.high.astype(target)
    ordered = x.known | (
        (low.astype(object) == x.low.astype(object))
        & (high.astype(object) == x.high.astype(object))
    )
    return choose(ordered.astype(bool), Range(target, low, high, no, no),
                  anything(target, node.shape))  # fmt: skip
