"""The leaves of a define-then-run graph: placeholders, constants, variables."""

from __future__ import annotations

import weakref
from typing import Any, NoReturn

import numpy as np

from neurona.autodiff.marks import IDENTITY
from neurona.core import dtypes
from neurona.core.apply import apply
from neurona.core.buffer import Buffer
from neurona.core.errors import ArgumentError, DTypeError, TraceError
from neurona.core.node import Node
from neurona.core.op import INPUT, Spec
from neurona.core.tensor import Tensor, to_array
from neurona.core.trace import Trace
from neurona.core.variable import Variable
from neurona.graph.definition import Graph, default_graph
from neurona.ops.operand import as_shape, operand


def placeholder(dtype: Any, shape: Any = (), name: str = "Placeholder") -> Tensor:
    """A tensor of the default graph whose value comes with each run, in `feed_dict`.

    Raises `ArgumentError` for an extent of None: a graph knows its shapes.

    >>> import neurona as ne
    >>> graph = ne.graph.Graph()
    >>> with graph.as_default():
    ...     x = ne.graph.placeholder(ne.float32, (3,), name="x")
    ...     doubled = 2 * x
    >>> with ne.Session(graph) as session:
    ...     session.run(doubled, {x: [1, 2, 3]})
    array([2., 4., 6.], dtype=float32)
    """
    graph = default_graph("placeholder")
    extents = shape if isinstance(shape, (tuple, list)) else (shape,)
    if None in extents:
        raise ArgumentError(
            f"placeholder: shape {shape} leaves an extent open; a graph knows its shapes, so give "
            "the size of the batch, or define a graph for each size"
        )
    kind = dtypes.as_dtype(dtype)
    spec = Spec(as_shape(extents, "placeholder"), kind)
    node = graph.input(spec, requires_grad=dtypes.is_float(kind))
    graph.register(node, name)
    return Tensor(node)


def constant(value: Any, dtype: Any = None, name: str = "Const") -> Tensor:
    """A tensor of the default graph with this value: an array, nested numbers or an eager tensor.

    dtype: default: that of the value; float32 and int64 for Python's numbers.

    >>> graph = Graph()
    >>> with graph.as_default():
    ...     constant([[1, 2], [3, 4]])
    Tensor("Const:0", shape=(2, 2), dtype=int64)
    """
    graph = default_graph("constant")
    array = np.array(to_array(value, dtype))  # The user may write into theirs.
    node = graph.fixed(array, requires_grad=dtypes.is_float(array.dtype))
    graph.register(node, name)
    return Tensor(node)


def identity(x: Any, name: str) -> Tensor:
    """The same tensor as an operation called `name`.

    >>> import neurona as ne
    >>> graph = Graph()
    >>> with graph.as_default():
    ...     identity(ne.square(constant(3.0)), "loss")
    Tensor("loss:0", shape=(), dtype=float32)
    """
    with default_graph("identity").naming(name):
        return apply(IDENTITY, operand(x))


class GraphVariable(Variable):
    """What `variable` gives: a Variable with a value of its own in each session."""

    __slots__ = ("graph",)

    def __init__(self, graph: Graph, node: Node, name: str, requires_grad: bool) -> None:
        Tensor.__init__(self, node)
        self.graph = graph
        self.name = name
        self.version = 0
        self.reference = weakref.ref(self)
        self._leaf = node
        self._requires_grad = requires_grad

    def _resolve(self, trace: Trace | None) -> Node:
        if trace is None:
            return self._node
        root = trace
        while root.parent is not None:
            root = root.parent
        if root is not self.graph:
            raise TraceError(f"{self!r} belongs to another graph; use it inside its own")
        return trace.read(self)

    @property
    def buffer(self) -> Buffer:
        self._elsewhere()

    def own(self, *, afresh: bool = False) -> None:
        self._elsewhere()

    def _replace(self, array: Any) -> None:
        self._elsewhere()

    def numpy(self) -> Any:
        self._elsewhere()

    def __deepcopy__(self, memo: dict[int, Any]) -> Variable:
        self._elsewhere()

    def _elsewhere(self) -> NoReturn:
        raise TraceError(
            f"{self!r} has a value in each session, none here; fetch it with Session.run, change "
            "it by running what graph.assign makes"
        )


def variable(
    initial: Any, name: str = "Variable", dtype: Any = None, *, requires_grad: bool | None = None
) -> GraphVariable:
    """A Variable of the default graph: memory that a session keeps from run to run.

    initial: its first value: a tensor of the graph (of random numbers, say), an array, a number. A
        session computes it when it runs `variables_initializer`; until then there is none.
    dtype: of numbers and arrays. requires_grad: whether it is learnt; default: true for floats.

    >>> import neurona as ne
    >>> graph = ne.graph.Graph()
    >>> with graph.as_default():
    ...     w = ne.graph.variable([1.0, 2.0], "weights")
    ...     start = ne.graph.variables_initializer()
    >>> w
    GraphVariable("weights:0", shape=(2,), dtype=float32)
    >>> with ne.Session(graph) as session:
    ...     session.run(start)
    ...     session.run(w)
    array([1., 2.], dtype=float32)
    """
    graph = default_graph("variable")
    if not isinstance(initial, Tensor):
        initial = constant(initial, dtype, name=f"{name}/initial")
    elif dtype is not None and dtypes.as_dtype(dtype) != initial.dtype:
        raise DTypeError(f"variable: the initial value is {initial.dtype}, not {dtype}; cast it")
    first = initial._resolve(graph)
    floating = dtypes.is_float(first.dtype)
    learnt = floating if requires_grad is None else requires_grad
    if learnt and not floating:
        raise DTypeError(f"variable: a {first.dtype} one has no gradient; use a float dtype")
    node = Node(INPUT, (), {}, first.spec, requires_grad=learnt, trace=graph)
    made = GraphVariable(graph, node, graph.register(node, name), learnt)
    node.owner = made.reference
    graph.reads[made] = node
    graph.variables[made] = first
    return made
