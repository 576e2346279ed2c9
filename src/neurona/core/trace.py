"""Recording: while a trace is active, ops make nodes without values.

One trace records one function: its arguments, the tensors it captured, the Variables it read and
wrote, and the Python state its course depended on (`guard`).
"""

from __future__ import annotations

import contextvars
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from neurona.core.errors import NeuronaError, TraceError
from neurona.core.node import Node, placeholder
from neurona.core.op import LEAF, Spec

if TYPE_CHECKING:
    from neurona.core.tensor import Tensor
    from neurona.core.variable import Variable


class _State(threading.local):
    """What holds for the ops that this thread applies.

    trace: the recording in progress. grad: whether ops are kept for differentiation.
    quietly: calls a function with NumPy's floating-point warnings off. Entering a context made
        once costs a twentieth of `numpy.errstate`. It cannot be entered twice: an op whose
        `evaluate` applies ops itself does so within `nested()`.
    """

    def __init__(self) -> None:
        self.trace: Trace | None = None
        self.grad = True
        self.quietly = _quiet()


def _quiet() -> Callable[..., Any]:
    context = contextvars.Context()
    context.run(np.seterr, all="ignore")
    return context.run


STATE = _State()


class Modes:
    """Counts changes of Python state that recorded programs may depend on.

    Whoever changes a mode (train/eval, frozen, an option of a layer) calls `changed()`; compiled
    functions look at their guards again only when `epoch` has moved.
    """

    epoch = 0

    @classmethod
    def changed(cls) -> None:
        cls.epoch += 1


class Trace:
    """A recording in progress, or a finished one.

    captures: handles from outside and the placeholder each became.
    reads: the Variables used and their placeholder; writes: their new value.
    guards: (probe, value seen while recording).
    """

    def __init__(self, parent: Trace | None = None) -> None:
        self.parent = parent
        self.open = True
        self.inputs: list[Node] = []
        self.captures: dict[int, tuple[Tensor, Node]] = {}
        self.reads: dict[Variable, Node] = {}
        self.writes: dict[Variable, Node] = {}
        self.guards: list[tuple[Callable[[], Any], Any]] = []
        self.checks: list[tuple[Node, NeuronaError]] = []
        self.grads: dict[int, Tensor] = {}

    def enter(self, node: Node) -> None:
        """Told of every node that an op makes while this recording is active."""

    def title(self, node: Node) -> str:
        """What a node of this recording is called where a tensor is printed."""
        return node.op.name

    def without_value(self, node: Node) -> str:
        """Why a node of this recording has no value, and what to do."""
        where = f" at {node.source[0]}:{node.source[1]}" if node.source else ""
        return (
            f"the value of {node!r}{where} is not known while a function is being compiled; use "
            "where, cond, scan or while_loop, or declare the argument static"
        )

    def input(self, spec: Spec, *, requires_grad: bool = False, weak: bool = False) -> Node:
        node = placeholder(spec, self, requires_grad=requires_grad, weak=weak)
        self.inputs.append(node)
        return node

    def capture(self, handle: Tensor) -> Node:
        """The placeholder for a tensor from outside; later runs read the handle's value of then."""
        found = self.captures.get(id(handle))
        if found is not None:
            return found[1]
        outside = handle._resolve(self.parent)
        if outside.trace is not None and not outside.trace.open:
            raise TraceError(
                f"{outside!r} belongs to a recording that has ended; return it from the compiled "
                "function or assign it to a Variable instead of keeping it"
            )
        node = placeholder(
            outside.spec, self, requires_grad=outside.requires_grad, weak=outside.weak
        )
        self.captures[id(handle)] = (handle, node)
        return node

    def read(self, variable: Variable) -> Node:
        written = self.writes.get(variable)
        if written is not None:
            return written
        node = self.reads.get(variable)
        if node is None:
            node = placeholder(
                Spec(variable.shape, variable.dtype), self, requires_grad=variable.requires_grad
            )
            node.owner = variable.reference
            self.reads[variable] = node
            self.guard(lambda: variable.requires_grad)
        return node

    def write(self, variable: Variable, node: Node) -> None:
        self.read(variable)
        leaf = Node(LEAF, (node,), {}, node.spec, trace=self)
        leaf.requires_grad = variable.requires_grad
        leaf.owner = variable.reference
        self.writes[variable] = leaf

    def guard(self, probe: Callable[[], Any]) -> None:
        """Remember what `probe()` says now; another answer later means another program."""
        root = self
        while root.parent is not None:
            root = root.parent
        root.guards.append((probe, probe()))

    def check(self, ok: Node, error: NeuronaError) -> None:
        """A boolean scalar that must hold when the program runs, before any Variable is written."""
        self.checks.append((ok, error))


@contextmanager
def recording() -> Iterator[Trace]:
    """Record what the body does. The trace is closed at the end; its nodes stay readable."""
    outer = STATE.trace
    trace = Trace(outer)
    STATE.trace = trace
    try:
        yield trace
    finally:
        STATE.trace = outer
        trace.open = False
        trace.grads.clear()


@contextmanager
def eagerly() -> Iterator[None]:
    """Compute in the body even while recording (for constants made at trace time)."""
    outer = STATE.trace
    STATE.trace = None
    try:
        yield
    finally:
        STATE.trace = outer


@contextmanager
def nested() -> Iterator[None]:
    """Let the body, which runs within the `evaluate` of an op, apply ops of its own."""
    before = STATE.quietly
    STATE.quietly = _quiet()
    try:
        yield
    finally:
        STATE.quietly = before


@contextmanager
def set_grad_enabled(enabled: bool) -> Iterator[None]:
    """Whether the ops in the body are kept for differentiation."""
    before = STATE.grad
    STATE.grad = enabled
    try:
        yield
    finally:
        STATE.grad = before


def no_grad() -> Any:
    """A context in which nothing is kept for differentiation.

    >>> import neurona as ne
    >>> w = ne.Variable([1.0, 2.0])
    >>> with ne.no_grad():
    ...     (w * 2).requires_grad
    False
    """
    return set_grad_enabled(False)


_PACKAGE = __name__.partition(".")[0] + "."


def caller() -> tuple[str, int] | None:
    """File and line of the innermost frame outside the package."""
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if not name.startswith(_PACKAGE) or name.startswith(_PACKAGE + "models"):
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back  # type: ignore[assignment]
    return None
