"""Making tensors: from what Python, NumPy and other libraries hold, and from a rule.

`full` and `iota` are ops without inputs: a recorded program holds the rule, not the elements.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from neurona.core import dtypes
from neurona.core.apply import apply
from neurona.core.dtypes import DType, as_dtype
from neurona.core.errors import ArgumentError, DTypeError, ExchangeError
from neurona.core.lowering import Indexed
from neurona.core.node import constant
from neurona.core.op import Op, Shape, Spec, register
from neurona.core.slots import operators, provide
from neurona.core.tensor import Tensor, to_array
from neurona.ops.broadcast import broadcast_to, reshape
from neurona.ops.compare import equal, where
from neurona.ops.operand import CAST, Number, as_shape, cast, literal, operand, renew

# --- from other things ---


def check_device(who: str, device: Any) -> None:
    """Raises `ArgumentError` for any device but the CPU (or None)."""
    if device not in (None, "cpu"):
        raise ArgumentError(f"{who}: there is only the device 'cpu', not {device!r}")


@provide
def asarray(obj: Any, /, *, dtype: Any = None, device: Any = None, copy: Any = None) -> Tensor:
    """A tensor of what `obj` holds.

    obj: a tensor, a number, nested sequences of numbers or tensors, a NumPy array, or whatever has
        `__array__`, `__dlpack__` or the buffer protocol.
    dtype: default: that of `obj`; Python's float, int and bool become float32, int64 and bool.
    copy: foreign memory is copied, since a tensor never changes; False refuses a copy: the tensor
        sees the memory, and writing to it afterwards is an error that nothing detects.
        True also copies a tensor.
    Raises `DTypeError` for what holds no numbers, `OverflowError` for integers that do not fit,
    `ArgumentError` where copy=False cannot be kept.

    >>> asarray([[1.0, 2.0], [3.0, 4.0]])
    Tensor([[1., 2.],
            [3., 4.]], dtype=float32)
    """
    check_device("asarray", device)
    wanted = None if dtype is None else as_dtype(dtype)
    if isinstance(obj, Tensor):
        if copy:
            return apply(CAST, obj, dtype=(wanted or obj.dtype).name)
        if copy is False and wanted not in (None, obj.dtype):
            raise ArgumentError(f"asarray: {obj.dtype} to {wanted} needs a copy; copy=False")
        return renew(cast(obj, wanted or obj.dtype))
    if isinstance(obj, (list, tuple)) and _holds_tensor(obj):
        if copy is False:
            raise ArgumentError("asarray: a list of tensors needs a copy; copy=False")
        rows = [asarray(item) for item in obj]
        stacked: Tensor = operators.stack(rows)
        return stacked if wanted is None else cast(stacked, wanted)
    if hasattr(obj, "__dlpack__") and not hasattr(obj, "__array__"):
        return asarray(from_dlpack(obj, copy=copy), dtype=wanted)
    array = to_array(obj, wanted)
    if copy is False:
        if not (hasattr(obj, "__array__") or hasattr(obj, "__buffer__")) or not _shares(obj, array):
            raise ArgumentError(f"asarray: {type(obj).__name__} needs a copy here; copy=False")
        return Tensor(constant(array))
    return Tensor(constant(np.array(array)))


def _holds_tensor(items: Sequence[Any]) -> bool:
    return any(
        isinstance(item, Tensor) or (isinstance(item, (list, tuple)) and _holds_tensor(item))
        for item in items
    )


def _shares(obj: Any, array: Any) -> bool:
    return not array.size or np.may_share_memory(np.asarray(obj), array)


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor of an array of any library that speaks DLPack.

    copy: as for `asarray`; only False shares memory.
    Raises `ExchangeError` for devices and dtypes that NumPy does not take (bfloat16 among them).
    """
    check_device("from_dlpack", device)
    try:
        array = np.from_dlpack(x)
    except (BufferError, RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise ExchangeError(
            f"from_dlpack: NumPy does not take this {type(x).__name__}: {error}; "
            "bfloat16 goes through float32"
        ) from error
    return asarray(array, copy=copy)


# --- from a rule ---


def _full_spec(*, shape: Shape, value: Number, dtype: str) -> Spec:
    return Spec(tuple(shape), as_dtype(dtype))


FULL = register(
    Op(
        "full",
        infer=_full_spec,
        evaluate=lambda *, shape, value, dtype: np.full(shape, value, as_dtype(dtype)),
        lower=Indexed(lambda k, index, *, shape, value, dtype: k.constant(value, as_dtype(dtype))),
    )
)
"""One number everywhere."""


def _iota_spec(*, size: int, start: int | float, step: int | float, dtype: str) -> Spec:
    return Spec((size,), as_dtype(dtype))


def _wide(dtype: str) -> DType:
    """The dtype in which `iota` counts: the widest of the kind, so that one rounding remains."""
    target = as_dtype(dtype)
    if dtypes.is_float(target):
        return dtypes.float64
    return dtypes.uint64 if target == dtypes.uint64 else dtypes.int64


def _iota(*, size: int, start: int | float, step: int | float, dtype: str) -> Any:
    wide = _wide(dtype)
    if wide == dtypes.uint64:
        step = int(step) % 2**64
    count = np.arange(size, dtype=wide)
    return (count * wide.type(step) + wide.type(start)).astype(as_dtype(dtype))


def _iota_at(
    k: Any, index: Any, *, size: int, start: int | float, step: int | float, dtype: str
) -> Any:
    wide = _wide(dtype)
    if wide == dtypes.uint64:
        step = int(step) % 2**64
    count = k.cast(index[0], wide)
    if step != 1:
        count = count * k.constant(step, wide)
    if start:
        count = count + k.constant(start, wide)
    return k.cast(count, as_dtype(dtype))


IOTA = register(Op("iota", infer=_iota_spec, evaluate=_iota, lower=Indexed(_iota_at)))
"""start + i·step for i = 0 … size − 1."""


def _number_dtype(dtype: Any, *numbers: Any) -> DType:
    if dtype is not None:
        return as_dtype(dtype)
    return max((dtypes.number_dtype(x) for x in numbers), key=dtypes.category)


def arange(
    start: int | float,
    /,
    stop: int | float | None = None,
    step: int | float = 1,
    *,
    dtype: Any = None,
    device: Any = None,
) -> Tensor:
    """start, start + step, … up to but without `stop`; with one argument 0, 1, … up to it.

    dtype: default int64, float32 if an argument is a float.

    >>> arange(0, 10, 3)
    Tensor([0, 3, 6, 9], dtype=int64)
    """
    check_device("arange", device)
    if stop is None:
        start, stop = 0, start
    if step == 0:
        raise ArgumentError("arange: step must not be 0")
    wanted = _number_dtype(dtype, start, stop, step)
    if not all(isinstance(x, int) for x in (start, stop, step)):
        size = max(math.ceil((stop - start) / step), 0)
        counting = wanted if dtypes.is_float(wanted) else dtypes.float64
        values = apply(IOTA, size=size, start=start, step=step, dtype=counting.name)
        return cast(values, wanted)
    size = max(-int((start - stop) // step), 0)
    if size and not dtypes.is_float(wanted):
        literal(start, wanted)  # refuses ends that do not fit
        literal(start + (size - 1) * step, wanted)
    return apply(IOTA, size=size, start=start, step=step, dtype=wanted.name)


def linspace(
    start: int | float,
    stop: int | float,
    /,
    num: int,
    *,
    dtype: Any = None,
    device: Any = None,
    endpoint: bool = True,
) -> Tensor:
    """`num` numbers at equal distances from `start` to `stop`, which is the last (`endpoint`).

    >>> linspace(0, 1, 5)
    Tensor([0.  , 0.25, 0.5 , 0.75, 1.  ], dtype=float32)
    """
    check_device("linspace", device)
    if num < 0:
        raise ArgumentError(f"linspace: num must not be negative, found {num}")
    wanted = dtypes.DEFAULT_FLOAT if dtype is None else as_dtype(dtype)
    parts = num - 1 if endpoint else num
    step = (stop - start) / parts if parts > 0 else 0.0
    counting = wanted.name if dtypes.is_float(wanted) else "float64"
    values = apply(IOTA, size=num, start=float(start), step=step, dtype=counting)
    if endpoint and num > 1:
        values = where(equal(arange(num), num - 1), float(stop), values)
    return cast(values, wanted)


def full(
    shape: Any, fill_value: Number | Tensor, *, dtype: Any = None, device: Any = None
) -> Tensor:
    """`fill_value`, a number or a 0-d tensor, at every place of `shape`."""
    check_device("full", device)
    wanted_shape = as_shape(shape, "full")
    if isinstance(fill_value, Tensor):
        wanted = fill_value.dtype if dtype is None else as_dtype(dtype)
        return broadcast_to(cast(fill_value, wanted), wanted_shape)
    number = fill_value.item() if isinstance(fill_value, np.generic) else fill_value
    if not isinstance(number, (bool, int, float)):
        raise DTypeError(f"full: a number is needed, not {type(fill_value).__name__}")
    wanted = _number_dtype(dtype, number)
    value = number if dtypes.is_float(wanted) else int(number)
    literal(value, wanted)  # refuses integers that do not fit
    return apply(FULL, shape=wanted_shape, value=value, dtype=wanted.name)


def zeros(shape: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """0 at every place of `shape`, float32 by default."""
    return full(shape, 0, dtype=dtype or dtypes.DEFAULT_FLOAT, device=device)


def ones(shape: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """1 at every place of `shape`, float32 by default."""
    return full(shape, 1, dtype=dtype or dtypes.DEFAULT_FLOAT, device=device)


def empty(shape: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Zeros: since tensors never change, there is nothing to gain from arbitrary values."""
    return zeros(shape, dtype=dtype, device=device)


def full_like(
    x: Any, /, fill_value: Number | Tensor, *, dtype: Any = None, device: Any = None
) -> Tensor:
    """`fill_value` in the shape and dtype of `x`."""
    tensor = operand(x)
    return full(tensor.shape, fill_value, dtype=dtype or tensor.dtype, device=device)


def zeros_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Tensor:
    """0 in the shape and dtype of `x`."""
    return full_like(x, 0, dtype=dtype, device=device)


def ones_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Tensor:
    """1 in the shape and dtype of `x`."""
    return full_like(x, 1, dtype=dtype, device=device)


def empty_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Zeros in the shape and dtype of `x`; see `empty`."""
    return zeros_like(x, dtype=dtype, device=device)


def eye(
    n_rows: int,
    n_cols: int | None = None,
    /,
    *,
    k: int = 0,
    dtype: Any = None,
    device: Any = None,
) -> Tensor:
    """A matrix of 1 on diagonal `k` (positive: to the right of the main one) and 0 elsewhere.

    >>> eye(2, 3, k=1)
    Tensor([[0., 1., 0.],
            [0., 0., 1.]], dtype=float32)
    """
    check_device("eye", device)
    columns = n_rows if n_cols is None else n_cols
    on = equal(arange(columns), reshape(arange(k, k + n_rows), (n_rows, 1)))
    return cast(on, dtypes.DEFAULT_FLOAT if dtype is None else as_dtype(dtype))
