"""What the array API standard asks of a namespace about itself, its dtypes, and exchange.

`astype` is a function, as in the standard; tensors have no method of that name.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from neurona.core import dtypes
from neurona.core.apply import apply
from neurona.core.dtypes import DType, as_dtype
from neurona.core.errors import ArgumentError, DTypeError, ExchangeError
from neurona.core.op import Array
from neurona.core.slots import provide
from neurona.core.tensor import Tensor
from neurona.ops.create import check_device
from neurona.ops.operand import CAST, operand, renew

API_VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12")
"""Versions of the array API standard that the namespace follows; the last is the one it names."""

_KINDS: dict[str, tuple[DType, ...]] = {
    "bool": (dtypes.bool_,),
    "signed integer": dtypes.SIGNED,
    "unsigned integer": dtypes.UNSIGNED,
    "integral": dtypes.SIGNED + dtypes.UNSIGNED,
    "real floating": dtypes.FLOATS,
    "complex floating": (),
    "numeric": dtypes.SIGNED + dtypes.UNSIGNED + dtypes.FLOATS,
}

# --- dtypes ---


def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Tensor:
    """`x` in another dtype; the gradient passes between floats.

    Floats become integers by dropping the fraction; what does not fit becomes the least or greatest
    number of the dtype, NaN 0. Integers keep their last bits. Anything but 0 becomes True.
    copy: False may hand on the same memory, which cannot be told from a copy.
    """
    check_device("astype", device)
    tensor, wanted = operand(x), as_dtype(dtype)
    if not copy and tensor.dtype == wanted and not tensor._node.weak:
        return renew(tensor)
    result = apply(CAST, tensor, dtype=wanted.name)
    result._node.weak = False
    return result


def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether `dtype` is of `kind`: a dtype, a name of the standard, or a tuple of these.

    Names: bool, signed integer, unsigned integer, integral, real floating, complex floating (which
    nothing is), numeric. Raises `ArgumentError` for other names.

    >>> isdtype(dtypes.bfloat16, ("bool", "real floating"))
    True
    """
    wanted = as_dtype(dtype)
    if isinstance(kind, tuple):
        return any(isdtype(wanted, one) for one in kind)
    if not isinstance(kind, str):
        return wanted == as_dtype(kind)
    if kind not in _KINDS:
        raise ArgumentError(f"isdtype: kind {kind!r} is not one of {', '.join(_KINDS)}")
    return wanted in _KINDS[kind]


def _dtype_of(value: Any) -> DType:
    return value.dtype if isinstance(value, Tensor) else as_dtype(getattr(value, "dtype", value))


def can_cast(from_: Any, to: Any, /) -> bool:
    """Whether promotion leads from the dtype (or the tensor's) `from_` to `to`."""
    source, target = _dtype_of(from_), as_dtype(to)
    try:
        return dtypes.promote_pair(source, target) == target
    except DTypeError:
        return False


def result_type(*arrays_and_dtypes: Any) -> DType:
    """The dtype in which tensors, dtypes and Python numbers meet; numbers are weak.

    Raises `DTypeError` where there is none (uint64 with signed integers).

    >>> result_type(dtypes.int8, dtypes.float16, 2.5)
    dtype('float16')
    """
    if not arrays_and_dtypes:
        raise ArgumentError("result_type: at least one tensor, dtype or number is needed")
    weak = [dtypes.number_dtype(x) for x in arrays_and_dtypes if isinstance(x, (bool, int, float))]
    firm = [_dtype_of(x) for x in arrays_and_dtypes if not isinstance(x, (bool, int, float))]
    common = dtypes.promote(firm) if firm else weak[0]
    for own in weak:
        common = dtypes.weak_dtype(own, common)
    return common


@dataclass(frozen=True)
class FloatInfo:
    """Limits of a float dtype, as Python numbers. eps: 1 + eps is the next number after 1."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: DType


@dataclass(frozen=True)
class IntegerInfo:
    """Limits of an integer dtype."""

    bits: int
    max: int
    min: int
    dtype: DType


def finfo(type: Any, /) -> FloatInfo:
    """The limits of a float dtype, or of a tensor's.

    >>> finfo("float32").eps
    1.1920928955078125e-07
    """
    dtype = _dtype_of(type)
    if not dtypes.is_float(dtype):
        raise DTypeError(f"finfo: a float dtype is needed, not {dtype}; see iinfo")
    info = ml_dtypes.finfo(dtype)  # type: ignore[no-untyped-call]  # ml_dtypes has no types
    return FloatInfo(
        info.bits,
        float(info.eps),
        float(info.max),
        float(info.min),
        float(info.smallest_normal),
        dtype,
    )


def iinfo(type: Any, /) -> IntegerInfo:
    """The limits of an integer dtype, or of a tensor's.

    >>> iinfo("uint8").max
    255
    """
    dtype = _dtype_of(type)
    if not dtypes.is_integer(dtype):
        raise DTypeError(f"iinfo: an integer dtype is needed, not {dtype}; see finfo")
    info = np.iinfo(dtype)
    return IntegerInfo(info.bits, int(info.max), int(info.min), dtype)


# --- the namespace ---


class NamespaceInfo:
    """The inspection functions of the standard; `neurona.__array_namespace_info__()` makes one."""

    __slots__ = ()

    def capabilities(self) -> dict[str, Any]:
        """What the standard leaves open: all of it works, up to 64 axes."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> str:
        return "cpu"

    def devices(self) -> list[str]:
        return ["cpu"]

    def default_dtypes(self, *, device: Any = None) -> dict[str, DType]:
        """The dtypes that creation functions use. The complex entry is missing."""
        check_device("default_dtypes", device)
        return {
            "real floating": dtypes.DEFAULT_FLOAT,
            "integral": dtypes.DEFAULT_INT,
            "indexing": dtypes.DEFAULT_INT,
        }

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, DType]:
        """The dtypes of the standard by name, or those of one kind (see `isdtype`) or several.

        float16 and bfloat16, which the standard does not name, are left out.
        """
        check_device("dtypes", device)
        named = [d for d in dtypes.ALL if d not in (dtypes.float16, dtypes.bfloat16)]
        return {d.name: d for d in named if kind is None or isdtype(d, kind)}


def __array_namespace_info__() -> NamespaceInfo:  # noqa: N807 (the standard's name)
    """What there is: dtypes, devices, defaults and capabilities."""
    return NamespaceInfo()


@provide
def array_namespace(api_version: str | None = None) -> Any:
    """The module whose functions work on tensors. Raises `ArgumentError` for unknown versions."""
    if api_version is not None and api_version not in API_VERSIONS:
        raise ArgumentError(
            f"__array_namespace__: version {api_version!r} is not one of {', '.join(API_VERSIONS)}"
        )
    return importlib.import_module(__name__.partition(".")[0])


# --- exchange ---


@provide
def to_dlpack(
    array: Array,
    stream: Any,
    max_version: tuple[int, int] | None,
    dl_device: tuple[int, int] | None,
    copy: bool | None,
) -> Any:
    """See `Tensor.__dlpack__`. A copy, since takers may write and a tensor never changes.

    copy=False shares the memory: read-only with takers of DLPack 1.0, else trusting them.
    """
    if stream is not None:
        raise ArgumentError("__dlpack__: the CPU has no streams; leave out stream")
    if dl_device is not None and tuple(dl_device) != (1, 0):
        raise ExchangeError(f"__dlpack__: there is only the CPU, (1, 0), not {dl_device}")
    if array.dtype == dtypes.bfloat16:
        raise ExchangeError(
            "__dlpack__: NumPy hands on no bfloat16; cast to float32 with `astype` first"
        )
    if copy is not False:
        return np.array(array).__dlpack__(max_version=max_version)
    view = array.view()
    if max_version is not None and max_version[0] >= 1:
        view.flags.writeable = False
    elif not view.flags.writeable:
        raise ExchangeError(
            "__dlpack__: read-only memory needs a taker of DLPack 1.0; leave out copy=False"
        )
    return view.__dlpack__(max_version=max_version)
