"""State: parameters, running statistics, optimiser slots, random state."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any

import numpy as np

from neurona.core.buffer import Buffer, aligned_empty
from neurona.core.dtypes import is_float
from neurona.core.errors import DTypeError, ShapeError
from neurona.core.node import Node, constant
from neurona.core.op import Array
from neurona.core.tensor import Tensor, to_array
from neurona.core.trace import STATE, Modes, Trace

WRITING = threading.RLock()
"""Held by whoever writes Variables or begins to look at their memory."""

if hasattr(os, "register_at_fork"):
    # A child must not find a value half written, nor the lock held by a thread it does not have.
    os.register_at_fork(
        before=WRITING.acquire, after_in_parent=WRITING.release, after_in_child=WRITING.release
    )


class Changes:
    """Counts what happens to Variables, for programs that remember where values lie.

    moved: how often one came to lie elsewhere, or into view of somebody who relies on it.
    written: how often one changed, in place or not. Both are counted with `WRITING` held, before
    it happens.
    """

    moved = written = 0


class Variable(Tensor):
    """A tensor whose value can be replaced; shape and dtype stay.

    In eager mode every op that read a Variable keeps the value it read, so a later `assign` never
    falsifies a gradient. In a compiled function a Variable that is read becomes an input and one
    that is assigned becomes an output, written in place when the program has succeeded.

    value: array, tensor or nested numbers. name: for messages and pictures.
    requires_grad: whether `backward()` fills `.grad`; default: true for floats.
    version: counts the writes.

    >>> w = Variable([1.0, 2.0], name="w")
    >>> w.assign(w * 2)
    >>> w.numpy()
    array([2., 4.], dtype=float32)
    """

    __slots__ = ("_buffer", "_exclusive", "_leaf", "_requires_grad", "name", "reference", "version")

    def __init__(
        self,
        value: Any,
        name: str | None = None,
        *,
        dtype: Any = None,
        requires_grad: bool | None = None,
    ) -> None:
        array = to_array(value, dtype)
        own = aligned_empty(array.shape, array.dtype)
        own[...] = array
        super().__init__(constant(own))
        self._buffer = Buffer(own)
        self._exclusive = True
        self._leaf: Node | None = None
        self.name = name
        self.version = 0
        self.reference: weakref.ref[Variable] = weakref.ref(self)
        self._requires_grad = is_float(own.dtype) if requires_grad is None else requires_grad
        if self._requires_grad and not is_float(own.dtype):
            raise DTypeError(f"a Variable of dtype {own.dtype} has no gradient; use a float dtype")

    def _resolve(self, trace: Trace | None) -> Node:
        if trace is not None:
            return trace.read(self)
        leaf = self._leaf
        if leaf is None:
            with WRITING:
                Changes.moved += 1
                leaf = constant(self._buffer.array)
                leaf.requires_grad = self._requires_grad
                leaf.owner = self.reference
                self._leaf = self._node = leaf
                self._exclusive = False
        return leaf

    @property
    def requires_grad(self) -> bool:
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value and not is_float(self.dtype):
            raise DTypeError(f"a Variable of dtype {self.dtype} has no gradient; use a float dtype")
        if value != self._requires_grad:
            self._requires_grad = value
            self._leaf = None
            Modes.changed()

    def assign(self, value: Any) -> None:
        """Replace the value. Raises `ShapeError` or `DTypeError` when shape or dtype differ."""
        tensor = (
            value
            if isinstance(value, Tensor)
            else Tensor(constant(np.array(to_array(value, self.dtype))))
        )
        node = tensor._resolve(STATE.trace)
        if node.shape != self.shape:
            raise ShapeError(
                f"assign to {self._title()}: the value has shape {node.shape}, "
                f"the Variable {self.shape}"
            )
        if node.dtype != self.dtype:
            raise DTypeError(
                f"assign to {self._title()}: the value is {node.dtype}, the Variable {self.dtype}; "
                "cast it with `astype`"
            )
        if STATE.trace is not None:
            STATE.trace.write(self, node)
        else:
            self._replace(node.array)

    def _rebind(self, other: Tensor) -> Tensor:
        # `w[i] = v` and `w += v` replace the value, as `assign` does.
        self.assign(other)
        return self

    def _install(self, array: Array, *, exclusive: bool) -> None:
        if not array.flags.c_contiguous:
            array = np.ascontiguousarray(array)
        Changes.moved += 1
        self._buffer = Buffer(array)
        self._exclusive = exclusive
        self._leaf = None
        self._node = constant(array)

    def _replace(self, array: Array) -> None:
        with WRITING:
            # Counted first: an interrupt must not leave a new value under an old number.
            Changes.written += 1
            self.version += 1
            self._install(array, exclusive=False)

    def own(self, *, afresh: bool = False) -> None:
        """Make sure that nobody else sees the value's memory, so that a program may write there.

        afresh: another program may be reading it.
        """
        if afresh or not self._exclusive:
            own = aligned_empty(self.shape, self.dtype)
            own[...] = self._buffer.array
            self._install(own, exclusive=True)

    @property
    def buffer(self) -> Buffer:
        """The value's memory, row-major, for reading or (see `own`) writing at once."""
        return self._buffer

    def __deepcopy__(self, memo: dict[int, Any]) -> Variable:
        return Variable(self.numpy(), self.name, requires_grad=self._requires_grad)

    def numpy(self) -> Array:
        """The value as a NumPy array of its own."""
        with WRITING:
            return np.array(self._buffer.array)

    def _title(self) -> str:
        return f"Variable {self.name!r}" if self.name else "a Variable"
