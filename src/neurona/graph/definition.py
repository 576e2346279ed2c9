"""Define-then-run graphs: recordings that stay open and whose operations have names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import numpy as np

from neurona.core.apply import TAKE_RESULT
from neurona.core.buffer import Buffer
from neurona.core.errors import ArgumentError, TraceError, nearest
from neurona.core.node import Node
from neurona.core.op import CONSTANT, LITERAL, Array, Spec
from neurona.core.tensor import Tensor
from neurona.core.trace import STATE, Trace
from neurona.core.variable import Variable

DEVICES = ("cpu",)
"""Where operations can be placed."""

NAME = re.compile(r"[^\s:\"']+")


@dataclass(frozen=True, eq=False)
class Operation:
    """What a run does rather than returns: new values for Variables.

    writes: Variable → its new value. Its result, fetched from a session, is None.
    """

    graph: Graph
    name: str
    writes: dict[Variable, Node]

    def __repr__(self) -> str:
        return f'Operation("{self.name}")'


class Graph(Trace):
    """Operations that are defined now and run later, by a `Session`.

    While the graph is the default, functions and operators make operations of it instead of
    values. Each has a name of its own: its kind, numbered from the second on. Tensors from outside
    become constants; Variables from outside (layers, learning rates, random state) are read and
    written in place by each run, while those made with `variable` belong to the session.

    nodes: operation by name. variables: what belongs to a session, with its initial value.

    >>> import neurona as ne
    >>> graph = ne.graph.Graph()
    >>> with graph.as_default():
    ...     total = ne.graph.constant(2, ne.int32) + ne.graph.constant(3, ne.int32)
    >>> total
    Tensor("Add:0", shape=(), dtype=int32)
    >>> with ne.Session(graph) as session:
    ...     print(session.run(total))
    5
    """

    def __init__(self) -> None:
        super().__init__()
        self.nodes: dict[str, Node] = {}
        self.variables: dict[Variable, Node] = {}
        self._names: dict[int, str] = {}
        self._taken: set[str] = set()
        self._devices: dict[int, str] = {}
        self._device = DEVICES[0]
        self._scope = ""
        self._wanted: str | None = None
        self._results: dict[str, Node] = {}

    # --- where operations are made ---

    @contextmanager
    def as_default(self) -> Iterator[Graph]:
        """In the body, functions of tensors make operations of this graph.

        Raises `TraceError` while a function is being compiled.
        """
        outer = STATE.trace
        if outer is not None and not isinstance(outer, Graph):
            raise TraceError("as_default: a function is being recorded; define the graph outside")
        STATE.trace = self
        try:
            yield self
        finally:
            STATE.trace = outer

    @contextmanager
    def placed(self, device: str) -> Iterator[None]:
        """See `neurona.graph.device`."""
        if device not in DEVICES:
            known = " and ".join(map(repr, DEVICES))
            raise ArgumentError(f"device: {device!r} is not there; there is {known}")
        outer, self._device = self._device, device
        try:
            yield
        finally:
            self._device = outer

    @contextmanager
    def scoped(self, name: str) -> Iterator[str]:
        """See `neurona.graph.name_scope`."""
        outer = self._scope
        scope = self.unique(name)
        self._scope = f"{scope}/"
        try:
            yield scope
        finally:
            self._scope = outer

    # --- names and places ---

    def unique(self, name: str) -> str:
        """`name` in the present scope, with a number if it is taken; it is from now on."""
        if not NAME.fullmatch(name):
            raise ArgumentError(f"{name!r} is no name: spaces, colons and quotes are not allowed")
        wanted = full = self._scope + name
        number = 0
        while full in self._taken:
            number += 1
            full = f"{wanted}_{number}"
        self._taken.add(full)
        return full

    def enter(self, node: Node) -> None:
        if node.op is TAKE_RESULT:
            self._results[self.name(node)] = node
            return
        wanted, self._wanted = self._wanted, None
        self.register(node, wanted or plain(node.op.name.title().replace("_", "")))

    def register(self, node: Node, name: str) -> str:
        """Give an operation its name and place; returns the name."""
        name = self.unique(name)
        self.nodes[name] = node
        self._names[id(node)] = name
        self._devices[id(node)] = self._device
        if node.specs is None:
            self._results[f"{name}:0"] = node
        return name

    @contextmanager
    def naming(self, name: str | None) -> Iterator[None]:
        """The next operation is called `name`."""
        self._wanted = name
        try:
            yield
        finally:
            self._wanted = None

    def name(self, node: Node) -> str:
        """The name of a result: operation and number."""
        if node.op is TAKE_RESULT:
            return f"{self._names[id(node.inputs[0])]}:{node.attrs['index']}"
        name = self._names.get(id(node))
        return f"{name}:0" if name else f"{node!r}"

    def title(self, node: Node) -> str:
        return f'"{self.name(node)}"'

    def without_value(self, node: Node) -> str:
        return (
            f"the tensor {self.title(node)} of a graph has a value only in a run; fetch it with "
            "Session.run"
        )

    def tensor(self, name: str) -> Tensor:
        """The tensor with this name, "Add:0", or the result of the operation "Add".

        Raises `ArgumentError` for a name that the graph has not.
        """
        node = self._results.get(name if ":" in name else f"{name}:0")
        if node is None:
            hint = nearest(name, [*self._results, *self.nodes])
            raise ArgumentError(f"Graph.tensor: there is no tensor {name!r}{hint}")
        return Tensor(node)

    def device_of(self, tensor: Tensor) -> str:
        """Where the operation that makes `tensor` is placed."""
        node = self.node_of(tensor, "device_of: the tensor")
        return self._devices[id(node.inputs[0] if node.op is TAKE_RESULT else node)]

    def node_of(self, tensor: Tensor, who: str) -> Node:
        """The operation of this graph behind a tensor or Variable, as it is when a run begins.

        Raises `ArgumentError` if there is none.
        """
        node = self.reads.get(tensor) if isinstance(tensor, Variable) else tensor._node
        if node is None or node.trace is not self:
            raise ArgumentError(
                f"{who} {tensor!r} is not in this graph; make it inside "
                "`with graph.as_default():`, values with graph.constant or graph.placeholder"
            )
        return node

    def __str__(self) -> str:
        lines = []
        for name, node in self.nodes.items():
            inputs = ", ".join(
                repr(x.array.item())
                if id(x) not in self._names and x.value is not None
                else self.name(x).removesuffix(":0")
                for x in node.inputs
            )
            shape = ", ".join(map(str, node.shape))
            lines.append(
                f"{name} = {node.op.name}({inputs})  {node.dtype}[{shape}]  "
                f"{self._devices[id(node)]}"
            )
        return "\n".join(lines)

    # --- what comes from outside ---

    def capture(self, handle: Tensor) -> Node:
        """A tensor from outside is a constant of the graph."""
        outside = handle._resolve(None)
        found = self.captures.get(id(outside))
        if found is not None:
            return found[1]
        if outside.trace is not None:
            where = "another graph" if isinstance(outside.trace, Graph) else "a recording"
            raise TraceError(f"{handle!r} belongs to {where}; it cannot be used in this graph")
        node = self.fixed(outside.array, outside.requires_grad)
        self.captures[id(outside)] = (Tensor(outside), node)
        self.register(node, "Const")
        return node

    def fixed(self, array: Array, requires_grad: bool) -> Node:
        """A node with a known value; a scalar is compiled into the program."""
        value = Buffer(np.ascontiguousarray(array).reshape(array.shape))
        op = CONSTANT if array.shape else LITERAL
        node = Node(
            op,
            (),
            {},
            Spec(array.shape, array.dtype),
            value,
            requires_grad=requires_grad,
            trace=self,
        )
        return node

    def read(self, variable: Variable) -> Node:
        known = variable in self.reads
        node = super().read(variable)
        if not known:
            self.register(self.reads[variable], plain(variable.name or "Variable"))
        return node

    def streams(self) -> dict[Variable, Node]:
        """Counters of random numbers and their value after all draws of the graph."""
        return {v: node for v, node in self.writes.items() if self._is_stream(v)}

    def take_updates(self) -> dict[Variable, Node]:
        """The values assigned to other Variables since the last time; they are forgotten here."""
        updates = {v: node for v, node in self.writes.items() if not self._is_stream(v)}
        for variable in updates:
            del self.writes[variable]
        return updates

    @staticmethod
    def _is_stream(variable: Variable) -> bool:
        return variable.name == "random.counter"  # So a `Generator` calls its counter.


def plain(name: str) -> str:
    """`name` without what a name may not have."""
    return re.sub(r"[\s:\"']+", "_", name) or "_"


def default_graph(who: str) -> Graph:
    """The graph that operations are made in now. Raises `ArgumentError` if there is none."""
    graph = STATE.trace
    if not isinstance(graph, Graph):
        raise ArgumentError(
            f"{who}: there is no default graph; call it inside `with graph.as_default():`"
        )
    return graph


def device(name: str) -> AbstractContextManager[None]:
    """Operations made in the body are placed on this device; "cpu" is the only one so far.

    >>> import neurona as ne
    >>> graph = ne.graph.Graph()
    >>> with graph.as_default(), ne.graph.device("cpu"):
    ...     x = ne.graph.constant(1.0)
    >>> graph.device_of(x)
    'cpu'
    """
    return default_graph("device").placed(name)


def name_scope(name: str) -> AbstractContextManager[str]:
    """The names of operations made in the body begin with `name/`.

    A scope of that name that has been left is not entered again; the next one is `name_1/`.

    >>> import neurona as ne
    >>> graph = ne.graph.Graph()
    >>> with graph.as_default(), ne.graph.name_scope("layer"):
    ...     ne.graph.constant(1.0) * 2
    Tensor("layer/Multiply:0", shape=(), dtype=float32)
    """
    return default_graph("name_scope").scoped(name)
