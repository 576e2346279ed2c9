"""Records of extremes and their places, products, truth, and the running sums and products."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from neurona.core import dtypes
from neurona.core.apply import apply
from neurona.core.dtypes import DType
from neurona.core.errors import AxisError, DTypeError, ShapeError
from neurona.ops import cumulative, reduce
from tests.ops.elementwise import anything, inf, nan, whole
from tests.ops.record import (
    FLOATS,
    INTEGERS,
    NUMBERS,
    Array,
    Failure,
    GradientPoint,
    OpRecord,
    Sample,
    Special,
    tensor,
)
from tests.ops.records.linear import EMPTY, REDUCTIONS, as_array, reduced
from tests.ops.records.shape import moves
from tests.ops.samples import Rng, apart_from_zero, exact, strided

Shape = tuple[int, ...]
ROW = {"axis": (0,), "keepdims": False}
SMALL = (
    ((2, 3), {"axis": (1,), "keepdims": False}),
    ((3, 2), {"axis": (0,), "keepdims": True}),
    ((2, 1, 3), {"axis": (0, 2), "keepdims": False}),
)


def of_float64(sampler: Callable[[Rng, DType], list[Sample]]) -> Callable[[Rng], list[Sample]]:
    return lambda rng: sampler(rng, dtypes.float64)


# --- extremes ---


def _distinct(rng: Rng, shape: Shape, dtype: DType) -> Array:
    """Numbers at least 0.3 apart, so that no step of a difference changes their order."""
    places = rng.permutation(math.prod(shape)).reshape(shape)
    return np.asarray(places * 0.4 + rng.uniform(-0.05, 0.05, shape)).astype(dtype)


def _extreme(name: str, best: Callable[[list[Any]], Any], torch: str) -> OpRecord:
    sign = 1 if name == "max" else -1
    empty = Failure(
        lambda: getattr(reduce, name)(np.zeros((2, 0)), axis=1),
        ShapeError,
        f"{name}: axis 1 of shape (2, 0) is empty",
    )
    return OpRecord(
        name,
        NUMBERS,
        moves(*REDUCTIONS[:5], ((0, 3), {"axis": (1,), "keepdims": True})),
        lambda x, **attrs: reduced(best, x, **attrs),
        gradient=2,
        gradient_samples=of_float64(moves(*SMALL, draw=_distinct)),
        torch=lambda torch_, x, *, axis, keepdims: getattr(torch_, torch)(x, axis, keepdims),
        specials=(
            Special(([1.0, nan, 2.0],), nan, attrs=ROW),
            Special(([nan, inf, -inf],), nan, attrs=ROW),
            Special(([-inf, inf, 1.0],), sign * inf, attrs=ROW),
            Special(([-sign * inf] * 3,), -sign * inf, attrs=ROW),
            *(
                Special(([info.max, info.min, 1],), best([info.max, info.min]), (d,), ROW)
                for d in INTEGERS
                for info in [np.iinfo(d)]
            ),
        ),
        gradient_points=(
            # Ties share evenly.
            GradientPoint(([2.0, 2.0, -2.0, -2.0, 2.0, -2.0],), (_shares(sign),), ROW),
            GradientPoint(
                ([[1.0, 1.0], [5.0, 1.0]],), (_rows(sign),), {"axis": (1,), "keepdims": True}
            ),
        ),
        failures=(
            empty,
            Failure(
                lambda: getattr(reduce, name)(np.array([True])),
                DTypeError,
                f"{name}: numbers are needed, not bool; use any or all",
            ),
            Failure(
                lambda: getattr(reduce, name)(np.zeros((2, 3)), axis=(0, 2)),
                AxisError,
                f"{name}: axis 2 is out of range for 2 axes (-2…1)",
            ),
        ),
    )


def _shares(sign: int) -> list[float]:
    top, rest = 1 / 3, 0.0
    return [top if value * sign > 0 else rest for value in (2, 2, -2, -2, 2, -2)]


def _rows(sign: int) -> list[list[float]]:
    return [[0.5, 0.5], [1.0, 0.0] if sign > 0 else [0.0, 1.0]]


MAX = _extreme("max", max, "amax")
MIN = _extreme("min", min, "amin")

LINES: tuple[tuple[Shape, dict[str, Any]], ...] = (
    ((5, 40), {"axis": (1,), "keepdims": False}),
    ((40, 5), {"axis": (0,), "keepdims": False}),
    ((3, 4, 5), {"axis": (1,), "keepdims": True}),
    ((3, 1, 2), {"axis": (1,), "keepdims": False}),
    ((0, 3), {"axis": (1,), "keepdims": False}),
)


def _place(name: str, best: Callable[..., int], torch: str) -> OpRecord:
    return OpRecord(
        name,
        NUMBERS,
        moves(*LINES, draw=whole(-3, 3)),
        lambda x, **attrs: reduced(
            lambda values: best(range(len(values)), key=values.__getitem__), x, **attrs
        ).astype(np.int64),
        result=dtypes.int64,
        torch=lambda torch_, x, *, axis, keepdims: getattr(torch_, torch)(x, axis[0], keepdims),
        specials=(
            Special(([1.0, nan, 2.0, nan],), 1, attrs=ROW),
            Special(([inf, -inf, inf, -inf],), 0 if best is max else 1, attrs=ROW),
            Special(([0.0, -0.0],), 0, attrs=ROW),
            Special(([7, 7, 7],), 0, NUMBERS, ROW),
        ),
        failures=(
            Failure(
                lambda: getattr(reduce, name)(np.zeros((0, 2)), axis=0),
                ShapeError,
                f"{name}: axis 0 of shape (0, 2) is empty",
            ),
            Failure(lambda: getattr(reduce, name)(np.array([True])), DTypeError, "not bool"),
        ),
    )


ARGMAX = _place("argmax", max, "argmax")
ARGMIN = _place("argmin", min, "argmin")

# --- products and truth ---

_near_one = apart_from_zero(0.7, 1.4)


def _prod(values: list[Any]) -> Any:
    product = math.prod(Fraction(v) if isinstance(v, float) else v for v in values)
    return float(product) if isinstance(product, Fraction) else product


def _prod_size(values: list[Any]) -> float:
    return abs(float(_prod([float(v) for v in values]))) * len(values)


def _factors(rng: Rng, shape: Shape, dtype: DType) -> Array:
    draw = _near_one if dtypes.is_float(dtype) else anything
    return draw(rng, shape, dtype)


def _torch_prod(torch: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    for place in sorted(axis, reverse=True):
        x = torch.prod(x, place, keepdims)
    return x


PROD = OpRecord(
    "prod",
    NUMBERS,
    moves(*REDUCTIONS, *EMPTY, draw=_factors),
    lambda x, **attrs: reduced(_prod, x, **attrs),
    # One rounding a factor.
    ulps=0.5,
    scale=lambda x, **attrs: reduced(_prod_size, x.astype(np.float64), **attrs),
    gradient=2,
    gradient_samples=of_float64(moves(*SMALL)),
    torch=_torch_prod,
    specials=(
        Special(([inf, 0.0, 1.0],), nan, attrs=ROW),
        Special(([inf, -2.0, 1.0],), -inf, attrs=ROW),
        Special(([1.0, nan],), nan, attrs=ROW),
        Special(([-0.0, 2.0],), -0.0, attrs=ROW),
        # Half precision multiplies in float32.
        Special(([65504.0, 2.0, 0.25],), 32752, (dtypes.float16,), ROW),
    ),
    gradient_points=(
        GradientPoint(([0.0, 2.0, 3.0],), ([6.0, 0.0, 0.0],), ROW),
        GradientPoint(([0.0, 0.0, 3.0],), ([0.0, 0.0, 0.0],), ROW),
        GradientPoint(([4.0],), ([1.0],), ROW),
    ),
    failures=(
        Failure(
            lambda: reduce.prod(np.zeros(3), axis=1), AxisError, "prod: axis 1 is out of range"
        ),
    ),
)


def _truth(name: str, function: Callable[[list[Any]], bool]) -> OpRecord:
    return OpRecord(
        name,
        (dtypes.bool_,),
        moves(*REDUCTIONS, *EMPTY),
        lambda x, **attrs: reduced(lambda values: bool(function(values)), x, **attrs),
        torch=lambda torch, x, *, axis, keepdims: getattr(torch, name)(x, axis, keepdims),
        specials=(
            Special(([False, False],), False, (dtypes.bool_,), ROW),
            Special(([True, False],), name == "any", (dtypes.bool_,), ROW),
            Special(([True, True],), True, (dtypes.bool_,), ROW),
        ),
        failures=(
            Failure(
                lambda: getattr(reduce, name)(np.array([True]), axis=1),
                AxisError,
                f"{name}: axis 1 is out of range for 1 axes",
            ),
        ),
    )


ANY = _truth("any", any)
ALL = _truth("all", all)

# --- running ---

RUNS: tuple[tuple[Shape, dict[str, Any]], ...] = (
    ((3, 12), {"axis": 1, "reverse": False}),
    ((12, 3), {"axis": 0, "reverse": True}),
    ((2, 5, 3), {"axis": 1, "reverse": False}),
    ((2, 1), {"axis": 1, "reverse": True}),
    ((2, 0), {"axis": 1, "reverse": False}),
    ((0, 3), {"axis": 1, "reverse": True}),
)
SHORT_RUNS: tuple[tuple[Shape, dict[str, Any]], ...] = (
    ((2, 4), {"axis": 1, "reverse": False}),
    ((3, 2), {"axis": 0, "reverse": True}),
    ((1,), {"axis": 0, "reverse": False}),
)


def running(
    step: Callable[..., Any], start: Any, *inputs: Array, axis: int, reverse: bool
) -> Array:
    """state = step(state, *elements) along the axis from `start`, all states kept."""
    lines = [np.moveaxis(exact(x), axis, -1) for x in inputs]
    states: dict[Shape, Any] = {}
    n = lines[0].shape[-1]
    for line in np.ndindex(*lines[0].shape[:-1]):
        state = start
        for i in reversed(range(n)) if reverse else range(n):
            state = step(state, *[x[(*line, i)] for x in lines])
            states[(*line, i)] = state
    values = [states[place] for place in np.ndindex(*lines[0].shape)]
    array = as_array(values, inputs[0].dtype).reshape(lines[0].shape)
    return np.moveaxis(array, -1, axis)


def _exactly(x: Any) -> Any:
    return Fraction(x) if isinstance(x, float) else x


def _sizes(step: Callable[..., Any], start: float, *inputs: Array, **attrs: Any) -> Array:
    """The same over magnitudes: Σ|terms| of every state."""
    return running(step, start, *[np.abs(x.astype(np.float64)) for x in inputs], **attrs)


def _torch_running(name: str) -> Callable[..., Any]:
    def call(torch: Any, x: Any, *, axis: int, reverse: bool) -> Any:
        turned = torch.flip(x, (axis,)) if reverse else x
        result = getattr(torch, name)(turned, axis)
        return torch.flip(result, (axis,)) if reverse else result

    return call


ALONG = {"axis": 0, "reverse": False}
CUMULATIVE_SUM = OpRecord(
    "cumulative_sum",
    NUMBERS,
    moves(*RUNS),
    partial(running, lambda state, x: state + _exactly(x), 0),
    ulps=4,
    scale=partial(_sizes, lambda state, x: state + x, 0.0),
    gradient=2,
    gradient_samples=of_float64(moves(*SHORT_RUNS)),
    torch=_torch_running("cumsum"),
    specials=(
        Special(([1.0, inf, -inf, 1.0],), [1, inf, nan, nan], attrs=ALONG),
        Special(([nan, 1.0],), [nan, nan], attrs=ALONG),
        Special(([1.0, nan],), [nan, nan], attrs={"axis": 0, "reverse": True}),
        Special(([2048.0, 1.0, 1.0],), [2048, 2048, 2050], (dtypes.float16,), ALONG),
    ),
    failures=(
        Failure(
            lambda: cumulative.cumulative_sum(np.zeros((2, 3))),
            ShapeError,
            "cumulative_sum: shape (2, 3) has not one axis; name the axis",
        ),
        Failure(
            lambda: cumulative.cumulative_sum(np.zeros(3), axis=1),
            AxisError,
            "cumulative_sum: axis 1 is out of range",
        ),
    ),
)
CUMULATIVE_PROD = OpRecord(
    "cumulative_prod",
    NUMBERS,
    moves(*RUNS, draw=_factors),
    partial(running, lambda state, x: state * _exactly(x), 1),
    # One rounding a factor, of which there are at most 12.
    ulps=6,
    gradient=2,
    gradient_samples=of_float64(moves(*SHORT_RUNS)),
    torch=_torch_running("cumprod"),
    specials=(
        Special(([2.0, 0.0, inf, 1.0],), [2, 0.0, nan, nan], attrs=ALONG),
        Special(([-1.0, 0.0, 3.0],), [-1, -0.0, -0.0], attrs=ALONG),
    ),
    gradient_points=(
        # y = (x₀, x₀x₁, x₀x₁x₂), summed.
        GradientPoint(([2.0, 0.0, 3.0],), ([1.0, 8.0, 0.0],), ALONG),
        GradientPoint(([0.0, 0.0, 3.0],), ([1.0, 0.0, 0.0],), ALONG),
    ),
    failures=(
        Failure(
            lambda: cumulative.cumulative_prod(np.zeros((2, 3))),
            ShapeError,
            "cumulative_prod: shape (2, 3) has not one axis",
        ),
    ),
)


def _recurrences(runs: tuple[tuple[Shape, dict[str, Any]], ...]) -> Callable[..., list[Sample]]:
    def sample(rng: Rng, dtype: DType) -> list[Sample]:
        samples = []
        for shape, attrs in runs:
            a, b = _factors(rng, shape, dtype), anything(rng, shape, dtype)
            samples += [Sample((a, b), attrs), Sample((strided(a), strided(b)), attrs)]
        return samples

    return sample


LINEAR_RECURRENCE = OpRecord(
    "linear_recurrence",
    FLOATS,
    _recurrences(RUNS),
    partial(running, lambda state, a, b: state * _exactly(a) + _exactly(b), 0),
    ulps=4,
    scale=partial(_sizes, lambda state, a, b: state * a + b, 0.0),
    gradient=2,
    gradient_samples=of_float64(_recurrences(SHORT_RUNS)),
    failures=(
        Failure(
            lambda: apply(
                cumulative.LINEAR_RECURRENCE,
                tensor(np.zeros((2, 3))),
                tensor(np.zeros((3,))),
                **ALONG,
            ),
            ShapeError,
            "linear_recurrence: shapes (2, 3) and (3,) must be equal",
        ),
    ),
)
