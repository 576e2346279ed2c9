"""Reductions: extremes and their places, products, truth, means and spreads, log Σ exp.

`sum` is in `broadcast`, as the transpose of `broadcast_to`. Half precision accumulates in float32.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from neurona.core import dtypes
from neurona.core.apply import apply
from neurona.core.dtypes import DType
from neurona.core.errors import DTypeError, ShapeError
from neurona.core.lowering import Reduction
from neurona.core.node import Node
from neurona.core.op import Op, Spec, register
from neurona.core.slots import operators, provide
from neurona.core.tensor import Tensor
from neurona.ops.arithmetic import sqrt, square
from neurona.ops.broadcast import (
    accumulator,
    infer_reduction,
    reduced_shape,
    reshape,
    spread,
    sum,
)
from neurona.ops.compare import equal, indicator, isfinite, not_equal, where
from neurona.ops.cumulative import exclusive_prod
from neurona.ops.matmul import PERMUTE_DIMS
from neurona.ops.operand import Axis, as_float, cast, literal, normalize_axes, operand, renew
from neurona.ops.transcendental import exp, log

Axes = tuple[int, ...]


def _numbers(who: str, x: Any) -> Tensor:
    tensor = operand(x)
    if tensor.dtype == dtypes.bool_:
        raise DTypeError(f"{who}: numbers are needed, not bool; use any or all, or cast")
    return tensor


# --- extremes ---


def _infer_extreme(name: str) -> Callable[..., Spec]:
    def infer(x: Node, *, axis: Axes, keepdims: bool) -> Spec:
        empty = [i for i in axis if x.shape[i] == 0]
        if empty:
            raise ShapeError(f"{name}: axis {empty[0]} of shape {x.shape} is empty")
        spec = infer_reduction(x, axis=axis, keepdims=keepdims)
        return Spec(spec.shape, dtypes.int64) if name.startswith("arg") else spec

    return infer


def _share(g: Tensor, out: Tensor, x: Tensor, *, axis: Axes, keepdims: bool) -> tuple[Tensor]:
    # Ties share the gradient evenly, whatever their order.
    ties = indicator(equal(x, spread(out, x.shape, axis, keepdims)), g)
    share = ties / sum(ties, axis=axis, keepdims=True)
    return (spread(g, x.shape, axis, keepdims) * share,)


def _least(dtype: DType) -> Any:
    return -math.inf if dtypes.is_float(dtype) else np.iinfo(dtype).min


def _most(dtype: DType) -> Any:
    return math.inf if dtypes.is_float(dtype) else np.iinfo(dtype).max


MAX = register(
    Op(
        "max",
        _infer_extreme("max"),
        lambda x, *, axis, keepdims: np.max(x, axis, keepdims=keepdims),
        _share,
        Reduction("maximum", _least),
    )
)
MIN = register(
    Op(
        "min",
        _infer_extreme("min"),
        lambda x, *, axis, keepdims: np.min(x, axis, keepdims=keepdims),
        _share,
        Reduction("minimum", _most),
    )
)
# The compiler rewrites these two to `max` or `min` and a search of the place.
ARGMAX = register(
    Op(
        "argmax",
        _infer_extreme("argmax"),
        lambda x, *, axis, keepdims: np.argmax(x, axis[0], keepdims=keepdims),
    )
)
ARGMIN = register(
    Op(
        "argmin",
        _infer_extreme("argmin"),
        lambda x, *, axis, keepdims: np.argmin(x, axis[0], keepdims=keepdims),
    )
)


def _reduce(op: Op, tensor: Tensor, axis: Axis, keepdims: bool) -> Tensor:
    axes = normalize_axes(axis, tensor.ndim, op.name)
    return apply(op, tensor, axis=axes, keepdims=keepdims) if axes else renew(tensor)


@provide
def max(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest element over `axis` (all axes by default); NaN if there is one.

    Equal largest elements share the gradient evenly. Raises `ShapeError` for an empty axis.

    >>> max([[1.0, 5.0], [3.0, 2.0]], axis=1)
    Tensor([5., 3.], dtype=float32)
    """
    return _reduce(MAX, _numbers("max", x), axis, keepdims)


@provide
def min(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The smallest element over `axis` (all axes by default); NaN if there is one.

    Equal smallest elements share the gradient evenly. Raises `ShapeError` for an empty axis.
    """
    return _reduce(MIN, _numbers("min", x), axis, keepdims)


def _place(op: Op, x: Any, axis: int | None, keepdims: bool) -> Tensor:
    tensor = _numbers(op.name, x)
    if axis is not None and tensor.ndim:
        axes = normalize_axes(axis, tensor.ndim, op.name)
        return apply(op, tensor, axis=axes, keepdims=keepdims)
    normalize_axes(axis, tensor.ndim, op.name)
    found = apply(op, reshape(tensor, (tensor.size,)), axis=(0,), keepdims=False)
    return reshape(found, (1,) * tensor.ndim) if keepdims else found


def argmax(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The index of the first largest element along `axis`, or in the flattened tensor.

    The first NaN counts as the largest. Raises `ShapeError` for an empty axis.

    >>> argmax([1.0, 5.0, 5.0])
    Tensor(1, dtype=int64)
    """
    return _place(ARGMAX, x, axis, keepdims)


def argmin(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The index of the first smallest element along `axis`, or in the flattened tensor.

    The first NaN counts as the smallest. Raises `ShapeError` for an empty axis.
    """
    return _place(ARGMIN, x, axis, keepdims)


# --- products and truth ---


def _prod(x: Any, *, axis: Axes, keepdims: bool) -> Any:
    half = dtypes.is_float(x.dtype) and x.dtype.itemsize == 2
    return np.prod(x, axis, np.float32 if half else x.dtype, keepdims=keepdims)


def _prod_vjp(g: Tensor, out: Tensor, x: Tensor, *, axis: Axes, keepdims: bool) -> tuple[Tensor]:
    # ∂/∂x_i is the product of all others: without division, so that zeros are right.
    kept = tuple(i for i in range(x.ndim) if i not in axis)
    order = kept + axis
    shape = tuple(x.shape[i] for i in kept)
    count = math.prod(x.shape[i] for i in axis)
    rows = reshape(apply(PERMUTE_DIMS, x, axes=order), (*shape, count))
    others = exclusive_prod(rows, len(kept), reverse=False) * exclusive_prod(
        rows, len(kept), reverse=True
    )
    back = reshape(others, tuple(x.shape[i] for i in order))
    factor = apply(PERMUTE_DIMS, back, axes=tuple(order.index(i) for i in range(x.ndim)))
    return (spread(g, x.shape, axis, keepdims) * factor,)


PROD = register(
    Op("prod", infer_reduction, _prod, _prod_vjp, Reduction("multiply", lambda dtype: 1))
)
ANY = register(
    Op(
        "any",
        infer_reduction,
        lambda x, *, axis, keepdims: np.any(x, axis, keepdims=keepdims),
        lower=Reduction("or", lambda dtype: False),
    )
)
ALL = register(
    Op(
        "all",
        infer_reduction,
        lambda x, *, axis, keepdims: np.all(x, axis, keepdims=keepdims),
        lower=Reduction("and", lambda dtype: True),
    )
)


@provide
def prod(x: Any, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    """The product over `axis` (all axes by default). Small integers are multiplied in 64 bits.

    The gradient is right where elements are 0, to every order.
    """
    tensor = operand(x)
    wanted = accumulator(tensor.dtype) if dtype is None else dtypes.as_dtype(dtype)
    return _reduce(PROD, cast(tensor, wanted), axis, keepdims)


def _truth(x: Any) -> Tensor:
    tensor = operand(x)
    return tensor if tensor.dtype == dtypes.bool_ else not_equal(tensor, 0)


@provide
def any(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether an element over `axis` is true (not 0); NaN is. Of nothing: False."""
    return _reduce(ANY, _truth(x), axis, keepdims)


@provide
def all(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether every element over `axis` is true (not 0); NaN is. Of nothing: True."""
    return _reduce(ALL, _truth(x), axis, keepdims)


def count_nonzero(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """How many elements over `axis` are not 0, as int64."""
    return sum(_truth(x), axis=axis, keepdims=keepdims)


# --- means and spreads ---


def _wide(x: Any) -> tuple[Tensor, DType]:
    """The operand as a float, half precision widened to float32; and the dtype of the result."""
    tensor = as_float(x)
    half = tensor.dtype.itemsize == 2
    return cast(tensor, dtypes.float32) if half else tensor, tensor.dtype


def _extent(tensor: Tensor, axis: Axis, who: str) -> int:
    return math.prod(tensor.shape[i] for i in normalize_axes(axis, tensor.ndim, who))


@provide
def mean(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """x̄ = Σx/n over `axis` (all axes by default); NaN of nothing. Integers become floats.

    >>> mean([[1.0, 2.0], [3.0, 6.0]], axis=0)
    Tensor([2., 4.], dtype=float32)
    """
    tensor, dtype = _wide(x)
    total = sum(tensor, axis=axis, keepdims=keepdims)
    return cast(total / _extent(tensor, axis, "mean"), dtype)


def _var(who: str, tensor: Tensor, axis: Axis, correction: int | float, keepdims: bool) -> Tensor:
    deviation = tensor - mean(tensor, axis=axis, keepdims=True)
    freedom = builtins.max(_extent(tensor, axis, who) - correction, 0)
    return sum(square(deviation), axis=axis, keepdims=keepdims) / freedom


@provide
def var(
    x: Any, /, *, axis: Axis = None, correction: int | float = 0.0, keepdims: bool = False
) -> Tensor:
    """Σ(x − x̄)²/(n − correction) over `axis`; correction 1 estimates a population's variance."""
    tensor, dtype = _wide(x)
    return cast(_var("var", tensor, axis, correction, keepdims), dtype)


@provide
def std(
    x: Any, /, *, axis: Axis = None, correction: int | float = 0.0, keepdims: bool = False
) -> Tensor:
    """√var over `axis`. Where the variance is 0 the derivative is NaN."""
    tensor, dtype = _wide(x)
    return cast(sqrt(_var("std", tensor, axis, correction, keepdims)), dtype)


@provide
def logsumexp(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """log Σ e^x over `axis` (all axes by default), without overflow.

    The elements' maximum is taken out first. All −∞ gives −∞, with derivative 0; an ∞ gives ∞.

    >>> logsumexp([1000.0, 1000.0])
    Tensor(1000.6932, dtype=float32)
    """
    tensor = as_float(x)
    axes = normalize_axes(axis, tensor.ndim, "logsumexp")
    shape = reduced_shape(tensor.shape, axes, keepdims)
    if builtins.any(tensor.shape[i] == 0 for i in axes):
        return sum(tensor, axis=axes, keepdims=keepdims) - math.inf
    top = operators.stop_gradient(max(tensor, axis=axes, keepdims=True))
    top = where(isfinite(top), top, 0)
    total = sum(exp(tensor - top), axis=axes, keepdims=keepdims)
    nothing = equal(total, 0)
    value = log(where(nothing, 1, total)) + reshape(top, shape)
    return where(nothing, literal(-math.inf, tensor.dtype), value)
