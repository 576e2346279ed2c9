"""Records of comparisons, predicates, `where` and the operations on bits."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from neurona.core import dtypes
from neurona.core.dtypes import SIGNED, UNSIGNED
from neurona.core.errors import DTypeError, ShapeError
from neurona.ops import bitwise, compare
from tests.ops.elementwise import (
    anything,
    binary_failures,
    elementwise,
    in_torch,
    inf,
    nan,
    no_common_integer,
    normal_least,
    smallest,
    whole,
)
from tests.ops.record import (
    ALL,
    BITS,
    FLOATS,
    INTEGERS,
    Array,
    Failure,
    GradientPoint,
    OpRecord,
    Sample,
    Special,
)
from tests.ops.samples import TERNARY_SHAPES, Rng, by_element, strided


def _comparison(
    name: str, function: Callable[[Any, Any], bool], with_nan: bool, torch: str
) -> OpRecord:
    """Specials: NaN is unequal to everything; −0 = 0; infinities are ordered; extremes too."""
    zeros = function(0, 0)
    specials = [
        Special(([nan, 1, nan], [1, nan, nan]), [with_nan] * 3),
        Special(([0.0, -0.0], [-0.0, 0.0]), [zeros, zeros]),
        Special(([-inf, inf, 1], [inf, inf, inf]), [function(-1, 1), zeros, function(-1, 1)]),
    ]
    for dtype in INTEGERS:
        info = np.iinfo(dtype)
        specials.append(
            Special(
                ([info.min, info.max, info.max], [info.max, info.min, info.max]),
                [function(-1, 1), function(1, -1), function(0, 0)],
                (dtype,),
            )
        )
    call = getattr(compare, name)
    return elementwise(
        name,
        lambda a, b: bool(function(a, b)),
        [whole(-2, 2), whole(-2, 2)],
        ALL,
        result=dtypes.bool_,
        torch=torch,
        specials=tuple(specials),
        failures=binary_failures(call, no_common_integer(call)),
    )


EQUAL = _comparison("equal", operator.eq, False, "eq")
NOT_EQUAL = _comparison("not_equal", operator.ne, True, "ne")
LESS = _comparison("less", operator.lt, False, "lt")
LESS_EQUAL = _comparison("less_equal", operator.le, False, "le")
GREATER = _comparison("greater", operator.gt, False, "gt")
GREATER_EQUAL = _comparison("greater_equal", operator.ge, False, "ge")


def _predicate(
    name: str,
    function: Callable[[Any], bool],
    kinds: tuple[dtypes.DType, ...],
    on: list[float],
    **rest: Any,
) -> OpRecord:
    values = [0.0, -0.0, 1.0, -1.0, inf, -inf, nan, -nan]
    expected = [i in on for i in range(len(values))]
    return elementwise(
        name,
        function,
        [anything],
        kinds,
        result=dtypes.bool_,
        specials=(
            Special((values,), expected),
            *(
                Special(
                    ([smallest(d), -normal_least(d)],),
                    [name == "isfinite", name in ("isfinite", "signbit")],
                    (d,),
                )
                for d in FLOATS
            ),
        ),
        **rest,
    )


ISNAN = _predicate("isnan", lambda x: x != x, ALL, [6, 7])
ISINF = _predicate("isinf", lambda x: x - x != 0 and x == x, ALL, [4, 5])
ISFINITE = _predicate("isfinite", lambda x: x - x == 0, ALL, [0, 1, 2, 3])
SIGNBIT = _predicate(
    "signbit",
    lambda x: math.copysign(1, x) < 0,
    FLOATS,
    [1, 3, 5, 7],
    failures=(
        Failure(
            lambda: compare.signbit(np.array([1, 2])), DTypeError, "floats are needed, not int64"
        ),
    ),
)


# --- where ---


def _where_samples(rng: Rng, dtype: dtypes.DType) -> list[Sample]:
    samples = [
        Sample(
            (
                np.asarray(rng.integers(0, 2, shapes[0]), np.bool_),
                anything(rng, shapes[1], dtype),
                anything(rng, shapes[2], dtype),
            )
        )
        for shapes in TERNARY_SHAPES
    ]
    samples.append(Sample(tuple(strided(x) for x in samples[1].inputs)))
    return samples


WHERE = OpRecord(
    "where",
    ALL,
    _where_samples,
    by_element(lambda condition, a, b: a if condition else b),
    result=lambda sample: sample.inputs[1].dtype,
    gradient=2,
    torch=in_torch("where"),
    specials=(
        Special(([True, False, True], [nan, nan, -0.0], [1.0, -0.0, 1.0]), [nan, -0.0, -0.0]),
        Special(([True, False], [inf, 1.0], [nan, -inf]), [inf, -inf]),
    ),
    gradient_points=(
        # No gradient reaches the branch not taken, whatever it holds.
        GradientPoint(([True, False], [1.0, nan], [inf, 2.0]), (None, [1.0, 0.0], [0.0, 1.0])),
    ),
    failures=(
        Failure(
            lambda: compare.where(np.array([1, 0]), np.zeros(2), np.zeros(2)),
            DTypeError,
            "where: the condition is int64; compare to get a bool",
        ),
        Failure(
            lambda: compare.where(np.array([True, False]), np.zeros(3), np.zeros(3)),
            ShapeError,
            "where: shapes (2,) and (3,) and (3,) do not broadcast",
        ),
    ),
)


# --- bits ---


def _needs_integers(function: Callable[..., Any], inputs: int) -> Failure:
    return Failure(lambda: function(*[np.ones(2)] * inputs), DTypeError, "are needed, not float64")


def _bits(name: str, function: Callable[[Any, Any], Any], table: list[tuple[int, int, int]]) -> Any:
    call = getattr(bitwise, name)
    first, second, expected = (list(column) for column in zip(*table, strict=True))
    return elementwise(
        name,
        function,
        [anything, anything],
        BITS,
        specials=(
            Special((first, second), expected, SIGNED),
            Special(
                ([True, True, False], [True, False, False]),
                [function(True, True), function(True, False), function(False, False)],
                (dtypes.bool_,),
            ),
        ),
        failures=binary_failures_of_integers(call),
    )


def binary_failures_of_integers(call: Callable[..., Any]) -> tuple[Failure, ...]:
    name = call.__name__
    return (
        _needs_integers(call, 2),
        no_common_integer(call),
        Failure(
            lambda: call(np.zeros((2, 3), np.int64), np.zeros(4, np.int64)),
            ShapeError,
            f"{name}: shapes (2, 3) and (4,) do not broadcast",
        ),
    )


def _by_digits(rule: Callable[[int, int], int]) -> Callable[[Any, Any], Any]:
    """The operation digit by digit in two's complement, 64 of them."""

    def function(a: Any, b: Any) -> Any:
        if isinstance(a, bool):
            return bool(rule(int(a), int(b)))
        return sum(rule(a // 2**i % 2, b // 2**i % 2) << i for i in range(64))

    return function


BITWISE_AND = _bits(
    "bitwise_and", _by_digits(lambda a, b: a * b), [(12, 10, 8), (-1, 5, 5), (-8, -2, -8)]
)
BITWISE_OR = _bits(
    "bitwise_or", _by_digits(lambda a, b: a + b - a * b), [(12, 10, 14), (-1, 5, -1), (-8, 2, -6)]
)
BITWISE_XOR = _bits(
    "bitwise_xor", _by_digits(lambda a, b: (a + b) % 2), [(12, 10, 6), (-1, 5, -6), (-8, -8, 0)]
)
BITWISE_INVERT = elementwise(
    "bitwise_invert",
    lambda x: not x if isinstance(x, bool) else -1 - x,
    [anything],
    BITS,
    torch="bitwise_not",
    specials=(
        Special(([True, False],), [False, True], (dtypes.bool_,)),
        Special(([0, -1, 5],), [-1, 0, -6], SIGNED),
        *(Special(([0, np.iinfo(d).max],), [np.iinfo(d).max, 0], (d,)) for d in UNSIGNED),
    ),
    failures=(_needs_integers(bitwise.bitwise_invert, 1),),
)


def _counts(rng: Rng, shape: tuple[int, ...], dtype: dtypes.DType) -> Array:
    return np.asarray(rng.integers(0, 8 * dtype.itemsize, shape)).astype(dtype)


def _beyond(fill: Callable[[int], int]) -> tuple[Special, ...]:
    """Counts from the width on, and negative ones, push every bit out."""
    return tuple(
        Special(([1, info.max, info.min], [width, 100, 100]), [0, 0, fill(int(info.min))], (d,))
        for d in INTEGERS
        for info in [np.iinfo(d)]
        for width in [info.bits]
    ) + tuple(Special(([5, -5], [-1, -3]), [0, fill(-5)], (d,)) for d in SIGNED)


def _shift(
    name: str, function: Callable[[Any, Any], Any], specials: tuple[Special, ...]
) -> OpRecord:
    call = getattr(bitwise, name)
    return elementwise(
        name,
        function,
        [anything, _counts],
        INTEGERS,
        specials=specials,
        failures=(
            *binary_failures_of_integers(call),
            Failure(
                lambda: call(np.array([True]), np.array([True])), DTypeError, "are needed, not bool"
            ),
        ),
    )


LEFT_SHIFT = _shift("bitwise_left_shift", lambda a, b: a * 2**b, _beyond(lambda a: 0))
RIGHT_SHIFT = _shift(
    "bitwise_right_shift", lambda a, b: a // 2**b, _beyond(lambda a: -1 if a < 0 else 0)
)
