"""Tensor: a thin handle on a node."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any, NoReturn, SupportsIndex

import numpy as np

from neurona.core.dtypes import (
    DEFAULT_FLOAT,
    DEFAULT_INT,
    DType,
    as_dtype,
    convert,
    is_float,
    is_integer,
)
from neurona.core.errors import ArgumentError, DTypeError, ShapeError, TraceError
from neurona.core.node import Node, constant
from neurona.core.op import LITERAL, Array, Shape
from neurona.core.operators import Operators
from neurona.core.slots import operators
from neurona.core.trace import STATE, Trace


class Tensor(Operators):
    """An n-dimensional array of one dtype, a place in a graph of operations.

    Values never change; `x[i] = v` and `x += y` make the handle stand for a new value. Make tensors
    with `neurona.asarray` and the other creation functions. Attributes and operators are those of
    the array API standard 2024.12.
    """

    __slots__ = ("__weakref__", "_grad", "_node")
    __array_priority__ = 1000.0

    def __init__(self, node: Node) -> None:
        self._node = node
        self._grad: Tensor | None = None

    def _resolve(self, trace: Trace | None) -> Node:
        node = self._node
        if trace is None or node.trace is trace or node.op is LITERAL:
            return node
        return trace.capture(self)

    # --- what it is ---

    @property
    def shape(self) -> Shape:
        return self._node.shape

    @property
    def dtype(self) -> DType:
        return self._node.dtype

    @property
    def ndim(self) -> int:
        return len(self._node.shape)

    @property
    def size(self) -> int:
        size = 1
        for extent in self._node.shape:
            size *= extent
        return size

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    @property
    def device(self) -> str:
        return "cpu"

    @property
    def requires_grad(self) -> bool:
        """Whether a derivative can flow to or through this tensor."""
        return self._node.requires_grad

    def requires_grad_(self) -> Tensor:
        """Make this handle a leaf whose `.grad` `backward()` fills; returns the tensor itself."""
        if not is_float(self.dtype):
            raise DTypeError(f"a tensor of dtype {self.dtype} has no gradient; use a float dtype")
        leaf = constant(self._concrete("requires_grad_"))
        leaf.requires_grad = True
        leaf.owner = weakref.ref(self)
        self._node = leaf
        return self

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward()` left here, None before; sums over calls."""
        trace = STATE.trace
        return self._grad if trace is None else trace.grads.get(id(self))

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        trace = STATE.trace
        if trace is None:
            self._grad = value
        elif value is None:
            trace.grads.pop(id(self), None)
        else:
            trace.grads[id(self)] = value

    def backward(self, gradient: Tensor | None = None, *, retain_graph: bool = False) -> None:
        """Add the derivative of this tensor to `.grad` of all leaves that require it.

        gradient: the derivative with respect to this tensor, of its shape; 1 for a scalar.
        retain_graph: keep what the pass used, for another one.
        """
        operators.backward(self, gradient, retain_graph=retain_graph)

    def detach(self) -> Tensor:
        """The same value, cut off from differentiation."""
        result: Tensor = operators.stop_gradient(self)
        return result

    # --- its value ---

    def _concrete(self, what: str) -> Array:
        node = self._resolve(None)
        value = node.value
        if value is None:
            trace = node.trace or Trace()
            raise TraceError(f"{what}: {trace.without_value(node)}")
        return value.array  # type: ignore[union-attr]

    def numpy(self) -> Array:
        """The value as a read-only NumPy array (no copy)."""
        view = self._concrete("numpy").view()
        view.setflags(write=False)
        return view

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        array = self.numpy()
        if dtype is not None and np.dtype(dtype) != array.dtype:
            if copy is False:
                raise ArgumentError(f"{self.dtype} to {np.dtype(dtype)} needs a copy; copy=False")
            return array.astype(dtype)
        return np.array(array) if copy else array

    def item(self) -> Any:
        """The only element as a Python number. Raises `ShapeError` if there are more."""
        array = self._concrete("item")
        if array.size != 1:
            raise ShapeError(f"item: the tensor has shape {self.shape}, not a single element")
        return array.item()

    def tolist(self) -> Any:
        """The value as nested lists of Python numbers."""
        return self._concrete("tolist").tolist()

    def _scalar(self, what: str) -> Any:
        if self.ndim:
            raise TypeError(f"{what}: only a 0-d tensor converts, this one has shape {self.shape}")
        return self._concrete(what).item()

    def __bool__(self) -> bool:
        if self.size != 1:
            raise TypeError(
                f"bool: the truth of a tensor of shape {self.shape} is not defined; use all or any"
            )
        return bool(self._concrete("bool").item())

    def __int__(self) -> int:
        return int(self._scalar("int"))

    def __float__(self) -> float:
        return float(self._scalar("float"))

    def __complex__(self) -> complex:
        return complex(self._scalar("complex"))

    def __index__(self) -> int:
        if is_float(self.dtype) or self.dtype == np.bool_:
            raise TypeError(f"index: an integer tensor is needed, this one is {self.dtype}")
        return int(self._scalar("index"))

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len: a 0-d tensor has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self.ndim:
            raise TypeError("iter: a 0-d tensor cannot be iterated over")
        return (self[i] for i in range(self.shape[0]))

    def __repr__(self) -> str:
        node = self._resolve(None)
        if node.value is None or node.trace is not None:
            title = node.op.name if node.trace is None else node.trace.title(node)
            return f"{type(self).__name__}({title}, shape={self.shape}, dtype={self.dtype})"
        # NumPy prints the elements of foreign dtypes, such as bfloat16, as if they were integers.
        array = node.array if node.array.dtype.isbuiltin == 1 else node.array.astype(np.float32)
        text = np.array2string(
            array, separator=", ", prefix=f"{type(self).__name__}(", threshold=200
        )
        shape = f", shape={self.shape}" if self.size == 0 else ""
        return f"{type(self).__name__}({text}{shape}, dtype={self.dtype})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self.ndim == 0 and spec else repr(self)

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} is not pickled, since unpickling runs code from the file; save "
            "networks with train.Model.save, arrays with numpy.save"
        )

    def __copy__(self) -> Tensor:
        return Tensor(self._resolve(STATE.trace))

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return Tensor(constant(np.array(self._concrete("deepcopy"))))

    # --- exchange ---

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        return operators.array_namespace(api_version)

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        return operators.to_dlpack(
            self._concrete("__dlpack__"), stream, max_version, dl_device, copy
        )

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)

    def to_device(self, device: str, /, *, stream: None = None) -> Tensor:
        """This tensor on `device`; the CPU is the only one so far."""
        if device != "cpu" or stream is not None:
            raise ArgumentError(f"to_device: there is only 'cpu' without streams, not {device!r}")
        return self

    # --- places ---

    def __getitem__(self, key: Any) -> Tensor:
        result: Tensor = operators.getitem(self, key)
        return result

    def __setitem__(self, key: Any, value: Any) -> None:
        self._rebind(operators.setitem(self, key, value))

    def _rebind(self, other: Tensor) -> Tensor:
        """Make this handle stand for `other`'s value, which must have the same shape and dtype."""
        if other.shape != self.shape:
            raise ShapeError(
                f"in-place operation: the result has shape {other.shape}, the tensor {self.shape}"
            )
        if other.dtype != self.dtype:
            raise DTypeError(
                f"in-place operation: the result is {other.dtype}, the tensor {self.dtype}"
            )
        self._node = other._resolve(STATE.trace)
        return self

    @property
    def T(self) -> Tensor:  # noqa: N802 (the standard's name)
        """A matrix transposed. Raises `ShapeError` unless there are two axes; see `mT`."""
        if self.ndim != 2:
            raise ShapeError(f"T: shape {self.shape} has not two axes; use mT or permute_dims")
        result: Tensor = operators.matrix_transpose(self)
        return result

    @property
    def mT(self) -> Tensor:  # noqa: N802 (the standard's name)
        """The last two axes exchanged."""
        result: Tensor = operators.matrix_transpose(self)
        return result


def to_array(value: Any, dtype: Any = None) -> Array:
    """`value` as an array of a dtype Neurona has; floats in lists become float32.

    Raises `ShapeError` for rows of unequal length, `DTypeError` for what holds no numbers,
    `OverflowError` for Python integers that do not fit.
    """
    target = None if dtype is None else as_dtype(dtype)
    if isinstance(value, Tensor):
        array = value._concrete("asarray")
    elif isinstance(value, (list, tuple, bool, int, float)):
        return _from_python(value, target)
    else:
        try:
            array = np.asarray(value)
        except (TypeError, ValueError, RuntimeError) as error:
            raise DTypeError(f"{type(value).__name__} is no array of numbers: {error}") from error
    if array.dtype == object:
        raise DTypeError(f"{type(value).__name__} is no array of numbers")
    wanted = target or as_dtype(array.dtype)
    return array if array.dtype == wanted else convert(array, wanted)


def _from_python(value: Any, target: DType | None) -> Array:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ShapeError(f"{type(value).__name__} is not rectangular: {error}") from error
    if array.dtype == object:
        if not all(isinstance(element, (int, float)) for element in array.flat):
            raise DTypeError(f"{type(value).__name__} is no array of numbers")
        array = array.astype(np.float64)
        target = target or DEFAULT_INT
    elif target is None:
        big = array.dtype == np.uint64 and array.size and int(array.max()) >= 2**63
        floating = array.dtype == np.float64 and not isinstance(value, np.generic)
        target = DEFAULT_INT if big else DEFAULT_FLOAT if floating else as_dtype(array.dtype)
    as_dtype(array.dtype)
    if is_integer(target) and array.dtype.kind in "iuf" and array.size:
        info = np.iinfo(target)
        for extreme in (array.min(), array.max()):
            if np.isfinite(extreme) and not info.min <= int(extreme) <= info.max:
                raise OverflowError(f"{extreme} does not fit {target} ({info.min}…{info.max})")
    return array if array.dtype == target else convert(array, target)
