"""Running sums and products, and the linear recurrence that is the gradient of the latter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from neurona.core.apply import apply
from neurona.core.dtypes import as_dtype, bool_, is_float
from neurona.core.errors import ShapeError
from neurona.core.lowering import Scan
from neurona.core.node import Node
from neurona.core.op import Op, Spec, register
from neurona.core.tensor import Tensor
from neurona.ops.broadcast import accumulator
from neurona.ops.create import full
from neurona.ops.join import concat
from neurona.ops.operand import cast, normalize_axis, operand, require_same_dtype
from neurona.ops.shape import shifted


def _wide(dtype: Any) -> Any:
    """Half precision accumulates in float32."""
    return np.dtype(np.float32) if is_float(dtype) and dtype.itemsize == 2 else dtype


def _along(axis: int, reverse: bool) -> tuple[slice, ...]:
    return (*[slice(None)] * axis, slice(None, None, -1) if reverse else slice(None))


def _running(accumulate: Callable[..., Any]) -> Callable[..., Any]:
    def evaluate(x: Any, *, axis: int, reverse: bool = False) -> Any:
        way = _along(axis, reverse)
        return accumulate(x[way], axis, _wide(x.dtype))[way]

    return evaluate


CUMULATIVE_SUM: Op = register(
    Op(
        "cumulative_sum",
        infer=lambda x, *, axis, reverse: x.spec,
        evaluate=_running(np.cumsum),
        vjp=lambda g, out, x, *, axis, reverse: (
            apply(CUMULATIVE_SUM, g, axis=axis, reverse=not reverse),
        ),
        # −0 + x is x, also for x = −0. A sum of bools is whether one is true.
        lower=Scan(lambda k, total, x: total | x if x.dtype == bool_ else total + x, -0.0),
    )
)


def _infer_recurrence(a: Node, b: Node, *, axis: int, reverse: bool) -> Spec:
    require_same_dtype("linear_recurrence", a, b)
    if a.shape != b.shape:
        raise ShapeError(f"linear_recurrence: shapes {a.shape} and {b.shape} must be equal")
    return b.spec


def _recur(a: Any, b: Any, *, axis: int, reverse: bool) -> Any:
    way = _along(axis, reverse)
    factors, terms = np.moveaxis(a[way], axis, 0), np.moveaxis(b[way], axis, 0)
    states = np.empty(terms.shape, _wide(b.dtype))
    state = np.zeros(terms.shape[1:], states.dtype)
    for i in range(len(terms)):
        state = factors[i] * state + terms[i]
        states[i] = state
    return np.moveaxis(states, 0, axis)[way]


def _recurrence_vjp(
    g: Tensor, out: Tensor, a: Tensor, b: Tensor, *, axis: int, reverse: bool
) -> tuple[Tensor | None, Tensor]:
    by = -1 if reverse else 1
    # λᵢ = gᵢ + aᵢ₊₁·λᵢ₊₁, the recurrence run the other way.
    back = apply(LINEAR_RECURRENCE, shifted(a, axis, -by, 0), g, axis=axis, reverse=not reverse)
    return back * shifted(out, axis, by, 0) if a.requires_grad else None, back


LINEAR_RECURRENCE: Op = register(
    Op(
        "linear_recurrence",
        _infer_recurrence,
        _recur,
        _recurrence_vjp,
        Scan(lambda k, state, a, b: a * state + b, 0.0),
    )
)
"""h_i = a_i·h_{i−1} + b_i along `axis` from h_{−1} = 0; `reverse` runs from the last element."""


def _cumulative_prod_vjp(
    g: Tensor, out: Tensor, x: Tensor, *, axis: int, reverse: bool
) -> tuple[Tensor]:
    # ∂y_k/∂x_i = (Π_{j<i} x_j)·(Π_{i<j≤k} x_j); no division, so zeros are right to every order.
    by = -1 if reverse else 1
    after = apply(LINEAR_RECURRENCE, shifted(x, axis, -by, 0), g, axis=axis, reverse=not reverse)
    return (shifted(out, axis, by, 1) * after,)


CUMULATIVE_PROD: Op = register(
    Op(
        "cumulative_prod",
        infer=lambda x, *, axis, reverse: x.spec,
        evaluate=_running(np.cumprod),
        vjp=_cumulative_prod_vjp,
        lower=Scan(lambda k, total, x: total & x if x.dtype == bool_ else total * x, 1.0),
    )
)


def _cumulative(op: Op, x: Any, axis: int | None, dtype: Any, initial: int | None) -> Tensor:
    tensor = operand(x)
    if axis is None and tensor.ndim != 1:
        raise ShapeError(f"{op.name}: shape {tensor.shape} has not one axis; name the axis")
    along = normalize_axis(0 if axis is None else axis, tensor.ndim, op.name)
    wanted = accumulator(tensor.dtype) if dtype is None else as_dtype(dtype)
    result = apply(op, cast(tensor, wanted), axis=along, reverse=False)
    if initial is None:
        return result
    edge = tuple(1 if i == along else extent for i, extent in enumerate(tensor.shape))
    return concat([full(edge, initial, dtype=wanted), result], axis=along)


def cumulative_sum(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Tensor:
    """y_i = x_0 + … + x_i along `axis`, which may be left out for 1-d tensors.

    dtype: default: that of `sum`. include_initial: begin with a 0, one element more.

    >>> cumulative_sum([1, 2, 3], include_initial=True)
    Tensor([0, 1, 3, 6], dtype=int64)
    """
    return _cumulative(CUMULATIVE_SUM, x, axis, dtype, 0 if include_initial else None)


def cumulative_prod(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Tensor:
    """y_i = x_0·…·x_i along `axis`, which may be left out for 1-d tensors.

    dtype: default: that of `prod`. include_initial: begin with a 1, one element more.
    The gradient is right where elements are 0.

    >>> cumulative_prod([1, 2, 3])
    Tensor([1, 2, 6], dtype=int64)
    """
    return _cumulative(CUMULATIVE_PROD, x, axis, dtype, 1 if include_initial else None)


def exclusive_prod(x: Tensor, axis: int, *, reverse: bool) -> Tensor:
    """The product of the elements before (`reverse`: after) each one along `axis`."""
    whole = apply(CUMULATIVE_PROD, x, axis=axis, reverse=reverse)
    return shifted(whole, axis, -1 if reverse else 1, 1)
