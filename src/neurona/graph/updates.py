"""The operations of a define-then-run graph that change Variables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from neurona.autodiff.reverse import initial_cotangent, pull
from neurona.core import dtypes
from neurona.core.errors import ArgumentError, DTypeError, ShapeError
from neurona.core.tensor import Tensor
from neurona.core.trace import set_grad_enabled
from neurona.core.variable import Variable
from neurona.graph.build import GraphVariable
from neurona.graph.definition import Operation, default_graph
from neurona.ops.operand import cast, operand


class Optimizer(Protocol):
    """What `minimize` needs: those of `neurona.optim` have it."""

    @property
    def parameters(self) -> list[Variable]: ...

    def step(self) -> None: ...


def variables_initializer(
    variables: Iterable[Variable] | None = None, name: str = "init"
) -> Operation:
    """The operation that gives variables their initial value, again with every run of it.

    variables: default: all that the default graph has so far, optimisers' slots among them.
    """
    graph = default_graph("variables_initializer")
    chosen = list(graph.variables if variables is None else variables)
    for one in chosen:
        if one not in graph.variables:
            raise ArgumentError(
                f"variables_initializer: {one!r} is not a variable of this graph; only those "
                "made with graph.variable are initialised"
            )
    return Operation(graph, graph.unique(name), {v: graph.variables[v] for v in chosen})


def assign(variable: Variable, value: Any, name: str = "assign") -> Operation:
    """The operation that gives a Variable the value of a tensor of the default graph.

    Raises `ShapeError` or `DTypeError` when shape or dtype differ.

    >>> import neurona as ne
    >>> graph = ne.graph.Graph()
    >>> with graph.as_default():
    ...     count = ne.graph.variable(0, "count")
    ...     start, tick = ne.graph.variables_initializer(), ne.graph.assign(count, count + 1)
    >>> with ne.Session(graph) as session:
    ...     _ = [session.run(operation) for operation in (start, tick, tick)]
    ...     print(session.run(count))
    2
    """
    graph = default_graph("assign")
    graph.read(variable)
    new = operand(value)
    if new._node.weak and dtypes.weak_dtype(new.dtype, variable.dtype) == variable.dtype:
        new = cast(new, variable.dtype)
    if new.shape != variable.shape:
        raise ShapeError(f"assign: the value has shape {new.shape}, {variable!r} {variable.shape}")
    if new.dtype != variable.dtype:
        raise DTypeError(
            f"assign: the value is {new.dtype}, {variable!r} {variable.dtype}; cast it"
        )
    return Operation(graph, graph.unique(name), {variable: new._resolve(graph)})


def minimize(loss: Tensor, optimizer: Optimizer, name: str = "minimize") -> Operation:
    """The operation that does one step of `optimizer` down the gradient of `loss`.

    The gradients become operations of the default graph, named `minimize/…`. The optimiser's slots
    (velocities, moments) become variables of the graph, to be initialised with the others; its
    learning rate stays outside, so that a new one holds from the next run on. What layers assign on
    the way (running statistics) is assigned by the same operation.

    Raises `ArgumentError` if no parameter of the optimiser leads to the loss, `ShapeError` or
    `DTypeError` for a loss that is no float scalar.

    >>> import neurona as ne
    >>> from neurona import optim
    >>> graph = ne.graph.Graph()
    >>> with graph.as_default():
    ...     w = ne.graph.variable(4.0, "w")
    ...     descend = ne.graph.minimize(w * w, optim.SGD([w], learning_rate=0.25))
    ...     start = ne.graph.variables_initializer()
    >>> with ne.Session(graph) as session:
    ...     session.run(start)
    ...     [float(session.run([descend, w])[1]) for step in range(3)]
    [4.0, 2.0, 1.0]
    """
    graph = default_graph("minimize")
    parameters = optimizer.parameters
    before = set(map(id, [*parameters, *graph.writes]))
    with graph.scoped(name) as scope, set_grad_enabled(False):
        ends = [loss._resolve(graph)]
        targets = [parameter._resolve(graph) for parameter in parameters]
        seeds = [initial_cotangent(loss, None, "minimize")]
        found = pull(ends, seeds, targets, stop=False)
        if all(gradient is None for gradient in found):
            raise ArgumentError(
                f"minimize: {loss!r} depends on none of the {len(parameters)} parameters that the "
                "optimiser learns"
            )
        for parameter, gradient in zip(parameters, found, strict=True):
            parameter.grad = gradient
        optimizer.step()
        writes = graph.take_updates()
        if any(isinstance(parameter, GraphVariable) for parameter in parameters):
            for slot in [variable for variable in writes if id(variable) not in before]:
                graph.variables[slot] = graph.capture(Tensor(slot._resolve(None)))
    return Operation(graph, scope, writes)
