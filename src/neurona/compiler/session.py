"""`Session`: runs what is defined in a graph, compiled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from neurona.compiler.access import Access
from neurona.compiler.explain import Explanation
from neurona.compiler.fetch import Plan
from neurona.core import dtypes
from neurona.core.dtypes import DType
from neurona.core.errors import ArgumentError, DTypeError, NeuronaError, ShapeError, TraceError
from neurona.core.locks import object_lock
from neurona.core.op import Array, Shape
from neurona.core.tensor import Tensor, to_array
from neurona.core.trace import STATE, eagerly
from neurona.core.tree import LEAF, Structure, flatten, unflatten
from neurona.core.variable import Variable
from neurona.graph.definition import Graph, Operation


class Bound:
    """A plan and where its variables' values are. first: it has not been run yet."""

    def __init__(self, plan: Plan, holder: Callable[[Variable], Variable]) -> None:
        self.plan = plan
        self.variables = [holder(variable) for variable in plan.variables]
        written = [holder(variable) for variable in plan.writes]
        steady = [holder(variable) for variable in plan.steady]
        self.access = Access(plan.program, self.variables, written, steady)
        self.first = True


class Session:
    """Runs the operations of a graph, and keeps the values of its variables.

    For each combination of fetches and fed tensors the operations that the fetches need, and no
    others, are compiled into one program; later runs of the same combination run that.

    Each session has values of its own for the variables made with `graph.variable`; they have none
    until the operation of `graph.variables_initializer` was run. Variables from outside of the
    graph are read and written where they are. As a context manager the session closes at the end.

    >>> import neurona as ne
    >>> graph = ne.graph.Graph()
    >>> with graph.as_default():
    ...     x = ne.graph.placeholder(ne.float32, name="x")
    ...     y = ne.graph.placeholder(ne.float32, name="y")
    ...     product = x * y
    ...     f = product + (x + y)
    >>> with ne.Session(graph) as session:
    ...     f_there, results = session.run([f, {"xy": product, "f": f}], {x: 2, y: 3})
    >>> float(f_there), results
    (11.0, {'f': np.float32(11.0), 'xy': np.float32(6.0)})
    """

    def __init__(self, graph: Graph) -> None:
        if not isinstance(graph, Graph):
            raise ArgumentError(f"Session: a Graph is needed, not a {type(graph).__name__}")
        self.graph = graph
        self._plans: dict[Any, Bound] = {}
        self._values: dict[Variable, Variable] = {}
        self._known: set[Variable] = set()
        self._lock = object_lock()
        self._open = True

    def run(self, fetches: Any, feed_dict: Mapping[Any, Any] | None = None) -> Any:
        """The values of `fetches`, in the same nesting; None for operations.

        fetches: tensors, variables and operations of the graph, in lists, tuples and dicts.
            Tensors are computed from the variables as they were before the run. Values are NumPy
            arrays, NumPy scalars where the shape is ().
        feed_dict: values by placeholder, or by any other tensor, which is not computed then.
            Python's numbers take the tensor's dtype; arrays must have it.

        Raises `ArgumentError` for a missing feed, a variable without a value, a fetch or feed that
        is not in the graph; `ShapeError` and `DTypeError` for a feed that does not fit. No variable
        is written then.
        """
        if STATE.trace is not None:
            return self._within(fetches, feed_dict)
        bound, arrays = self._bound(fetches, feed_dict)
        plan = bound.plan
        if bound.variables:
            with self._lock:
                results = self._run(bound, arrays)
        else:
            results = plan.program.run(arrays)
        values = [None if place is None else _value(results[place]) for place in plan.places]
        return values[0] if plan.structure is None else unflatten(plan.structure, values)

    def explain(self, fetches: Any, feed_dict: Mapping[Any, Any] | None = None) -> Explanation:
        """What `run` would do: the operations needed, the kernels made of them, their times.

        Nothing is run but measurements on copies.
        """
        bound, arrays = self._bound(fetches, feed_dict)
        values = [variable.buffer.array for variable in bound.variables]
        return Explanation(bound.plan.program, [*arrays, *values])

    def close(self) -> None:
        """Forget the variables' values and the programs."""
        self._open = False
        self._plans.clear()
        self._values.clear()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _within(self, fetches: Any, feed_dict: Mapping[Any, Any] | None) -> Any:
        if not isinstance(STATE.trace, Graph):
            raise TraceError("Session.run: a function is being compiled; run the session outside")
        with eagerly():
            return self.run(fetches, feed_dict)

    def _bound(
        self, fetches: Any, feed_dict: Mapping[Any, Any] | None
    ) -> tuple[Bound, list[Array]]:
        feeds = feed_dict or {}
        if isinstance(fetches, (Tensor, Operation)):
            leaves, structure = [fetches], LEAF
        else:
            leaves, structure = flatten(fetches)
        key = (structure, *map(_identity, leaves), None, *map(_identity, feeds))
        bound = self._plans.get(key)
        if bound is None:
            with self._lock:
                bound = self._plans[key] = self._make(leaves, structure, feeds)
        pairs = zip(bound.plan.feeds, feeds.values(), strict=True)
        return bound, [_feed(*place, value) for place, value in pairs]

    def _make(self, leaves: list[Any], structure: Structure, feeds: Mapping[Any, Any]) -> Bound:
        if not self._open:
            raise ArgumentError("Session.run: the session is closed; open a new one")
        with eagerly():
            return Bound(Plan(self.graph, leaves, structure, feeds), self._holder)

    def _holder(self, variable: Variable) -> Variable:
        """Where a variable's value is: in the session, or outside where it is."""
        if variable not in self.graph.variables:
            return variable
        if variable not in self._values:
            zeros = np.zeros(variable.shape, variable.dtype)
            self._values[variable] = Variable(zeros, variable.name, requires_grad=False)
        return self._values[variable]

    def _run(self, bound: Bound, arrays: list[Array]) -> list[Array]:
        if bound.first:
            self._require_values(bound.plan)
        results = bound.access.run(arrays)
        if bound.first:
            self._known.update(bound.plan.writes)
            bound.first = False
        return results

    def _require_values(self, plan: Plan) -> None:
        for variable in plan.reads:
            if variable in self.graph.variables and variable not in self._known:
                raise ArgumentError(
                    f"Session.run: variable {self.graph.title(self.graph.reads[variable])} has no "
                    "value in this session; run the operation that graph.variables_initializer "
                    "makes before"
                )


def _identity(leaf: Any) -> int:
    """The id of what a fetch or feed stands for; a plan keeps it alive."""
    return id(leaf._node) if type(leaf) is Tensor else id(leaf)


def _value(result: Array) -> Any:
    return result if result.ndim else result[()]


def _feed(title: str, shape: Shape, dtype: DType, value: Any) -> Array:
    """A fed value as the program takes it."""
    if isinstance(value, Tensor):
        array = value._concrete(f"Session.run: the value fed for {title}")
    elif isinstance(value, np.ndarray | np.generic):
        array = np.asarray(value)
    else:
        array = _from_python(title, dtype, value)
    if array.dtype != dtype:
        raise DTypeError(
            f"Session.run: {title} is {dtype} {shape}, the value fed {array.dtype} {array.shape}; "
            f"cast it to {dtype}"
        )
    if array.shape != shape:
        raise ShapeError(
            f"Session.run: {title} has shape {shape}, the value fed {array.shape}; they must be "
            "equal"
        )
    return array if array.flags.c_contiguous else np.ascontiguousarray(array)


def _from_python(title: str, dtype: DType, value: Any) -> Array:
    try:
        if dtypes.category(to_array(value).dtype) <= dtypes.category(dtype):
            return to_array(value, dtype)
    except (NeuronaError, OverflowError) as error:
        raise type(error)(f"Session.run: the value fed for {title}: {error}") from error
    return to_array(value)
