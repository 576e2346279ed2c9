"""The graph's node. Nodes refer only to nodes, never change, and a Tensor is a handle on one."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from neurona.core.buffer import Buffer
from neurona.core.dtypes import DType
from neurona.core.op import CONSTANT, FREED, INPUT, Array, Op, Shape, Spec

if TYPE_CHECKING:
    from neurona.core.trace import Trace


class Node:
    """One application of an op.

    shape, dtype: of the result; for an op with several results `specs` has them, and the results
        are taken out by `take_result` nodes.
    weak: the value came from a Python number and takes the dtype of what it meets.
    value: the result where it is known (eager mode and constants), else None.
    requires_grad: whether a derivative may flow through this node.
    trace: the recording the node belongs to; None in eager mode.
    owner: weak reference to the handle that receives the gradient of a leaf.
    source: (file, line) of the user's call, kept while recording.
    """

    __slots__ = (
        "__weakref__",
        "attrs",
        "dtype",
        "inputs",
        "op",
        "owner",
        "requires_grad",
        "shape",
        "source",
        "specs",
        "trace",
        "value",
        "weak",
    )

    def __init__(
        self,
        op: Op,
        inputs: tuple[Node, ...],
        attrs: dict[str, Any],
        spec: Spec | tuple[Spec, ...],
        value: Any = None,
        *,
        requires_grad: bool = False,
        trace: Trace | None = None,
        weak: bool = False,
    ) -> None:
        self.op = op
        self.inputs = inputs
        self.attrs = attrs
        if isinstance(spec, Spec):
            self.shape: Shape = spec.shape
            self.dtype: DType = spec.dtype
            self.specs: tuple[Spec, ...] | None = None
        else:
            self.shape, self.dtype, self.specs = (), spec[0].dtype, spec
        self.value: Buffer | tuple[Buffer, ...] | None = value
        self.requires_grad = requires_grad
        self.trace = trace
        self.weak = weak
        self.owner: weakref.ref[Any] | None = None
        self.source: tuple[str, int] | None = None

    @property
    def array(self) -> Array:
        """The value of a concrete single-result node."""
        return self.value.array  # type: ignore[union-attr]

    @property
    def spec(self) -> Spec:
        return Spec(self.shape, self.dtype)

    @property
    def behind(self) -> tuple[Node, ...]:
        """The inputs a derivative flows on to; none of a leaf, whose owner it is for."""
        return self.inputs if self.owner is None else ()

    def free(self) -> None:
        """Let go of what the node was computed from (after `backward`)."""
        self.op, self.inputs, self.attrs = FREED, (), {}

    def __repr__(self) -> str:
        specs = ", ".join(f"{spec.dtype} {spec.shape}" for spec in self.specs or (self.spec,))
        return f"{self.op.name} {specs}"


def constant(array: Array, *, weak: bool = False) -> Node:
    """A leaf with a known value; `array` must never be written afterwards."""
    node = known(Spec(array.shape, array.dtype), array)
    node.weak = weak
    return node


def known(spec: Spec, array: Array) -> Node:
    """`constant` for those who know what the array is."""
    return Node(CONSTANT, (), {}, spec, Buffer(array))


def placeholder(
    spec: Spec, trace: Trace, *, requires_grad: bool = False, weak: bool = False
) -> Node:
    """A leaf of `trace` whose value comes with each run."""
    return Node(INPUT, (), {}, spec, requires_grad=requires_grad, trace=trace, weak=weak)
