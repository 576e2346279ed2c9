"""Pictures of graphs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from neurona.autodiff.reverse import initial_cotangent, pull
from neurona.core import dtypes
from neurona.core.errors import ArgumentError
from neurona.core.node import Node, constant
from neurona.core.op import CONSTANT, Array
from neurona.core.subgraph import record
from neurona.core.tensor import Tensor
from neurona.core.trace import STATE, no_grad
from neurona.core.tree import flatten, paths, unflatten
from neurona.core.variable import Variable
from neurona.graph.describe import Graph, describe, drawn
from neurona.graph.svg import Box, picture
from neurona.ops.operand import operand


class Drawing:
    """A picture: notebooks show it, `save` writes it.

    svg: its text. boxes, edges: what it shows, edges as (from, to) positions in `boxes`.
    """

    def __init__(self, svg: str, boxes: list[Box], edges: list[tuple[int, int]]) -> None:
        self.svg = svg
        self.boxes = boxes
        self.edges = edges

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, path: str | Path) -> None:
        """Write the picture as an SVG file. Raises `ArgumentError` for another ending."""
        target = Path(path)
        if target.suffix != ".svg":
            raise ArgumentError(f"a drawing is saved as .svg, not {target.name!r}")
        target.write_text(self.svg, encoding="utf-8")

    def __repr__(self) -> str:
        return f"Drawing({len(self.boxes)} nodes, {len(self.edges)} edges)"


def draw(
    what: Any,
    /,
    *args: Any,
    gradients: bool = False,
    names: Mapping[str, Tensor] | None = None,
    direction: str = "auto",
    **kwargs: Any,
) -> Drawing:
    """A picture of the graph of a tensor, or of a function called with these arguments.

    It shows inputs, parameters, numbers and operations with shapes; scalars and short vectors with
    their values. A function is recorded and drawn whole. Of an eager tensor only that part of
    the graph is kept, and drawn, through which a derivative may flow.

    gradients: also show the derivative of the result, a float scalar, by every node through which
        it flows: its value, or its norm ‖∇‖ if it is large.
    names: what tensors and Variables are called in the picture; by default Variables have their own
        name and a function's arguments those of its signature.
    direction: "right", "down", or "auto": right if that is at most 900 pixels wide.

    >>> import neurona as ne
    >>> ne.graph.draw(lambda x, y: x * y + (x + y), 2.0, 3.0)
    Drawing(5 nodes, 6 edges)
    """
    if direction not in ("auto", "right", "down"):
        raise ArgumentError(f"draw: direction is 'auto', 'right' or 'down', not {direction!r}")
    wanted = {id(tensor): name for name, tensor in (names or {}).items()}
    if isinstance(what, Tensor):
        if args or kwargs:
            raise ArgumentError("draw: a tensor is drawn as it is; arguments go with a function")
        graph = _of_tensor(what, gradients)
        if names:
            graph.names |= {id(t._resolve(STATE.trace)): name for name, t in names.items()}
        label = "Graph of a tensor"
    elif callable(what):
        graph = _of_function(what, args, kwargs, gradients, wanted)
        label = f"Graph of {getattr(what, '__name__', type(what).__name__)}"
    else:
        raise ArgumentError(f"draw: a tensor or a function is needed, not {what!r}")
    boxes, edges = describe(graph)
    return Drawing(picture(boxes, edges, direction, label), boxes, edges)


# --- where the graph comes from ---


def _of_tensor(tensor: Tensor, gradients: bool) -> Graph:
    end = tensor._resolve(STATE.trace)
    nodes = drawn([end])
    slopes: dict[int, Array | None] = {}
    if gradients:
        tensor._concrete("draw")
        targets = [node for node in nodes if node.requires_grad and node.specs is None]
        with no_grad():
            seed = initial_cotangent(tensor, None, "draw")
            found = pull([end], [seed], targets, stop=False)
        slopes = {
            id(node): None if one is None else one._node.array
            for node, one in zip(targets, found, strict=True)
        }
    values = {
        id(node): node.array for node in nodes if node.value is not None and node.specs is None
    }
    names, parameters = {}, set()
    for node in nodes:
        if not node.inputs and node.requires_grad and node.op is CONSTANT:
            parameters.add(id(node))
            owner = node.owner() if node.owner is not None else None
            if isinstance(owner, Variable) and owner.name:
                names[id(node)] = owner.name
    return Graph([end], names, parameters, values, slopes)


def _of_function(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    gradients: bool,
    wanted: dict[int, str],
) -> Graph:
    leaves, structure = flatten((args, kwargs))
    places = [i for i, leaf in enumerate(leaves) if _is_input(leaf)]
    inputs = [_input(leaves[i], gradients) for i in places]
    nodes: list[Node] = []
    targets: list[Node] = []
    ends: list[Node] = []

    def run(tensors: list[Tensor]) -> list[Tensor]:
        filled = list(leaves)
        for i, tensor in zip(places, tensors, strict=True):
            filled[i] = tensor
        call_args, call_kwargs = unflatten(structure, filled)
        results = [
            x for x in flatten(function(*call_args, **call_kwargs))[0] if isinstance(x, Tensor)
        ]
        if not results:
            raise ArgumentError("draw: the function returns no tensor")
        ends.extend(result._resolve(STATE.trace) for result in results)
        nodes.extend(drawn(ends))
        if not gradients:
            return [Tensor(node) for node in nodes]
        if len(results) != 1:
            raise ArgumentError(
                f"draw: gradients=True needs one result, a scalar; there are {len(results)}"
            )
        with no_grad():
            seed = initial_cotangent(results[0], None, "draw")
            every = [node for node in nodes if node.requires_grad and node.specs is None]
            found = pull(ends, [seed], every, stop=False)
        targets.extend(node for node, one in zip(every, found, strict=True) if one is not None)
        return [*map(Tensor, nodes), *[one for one in found if one is not None]]

    recorded = record(run, inputs)
    with no_grad():
        results = recorded.body.replay([*inputs, *recorded.captured])
    known = [x._node for x in results]
    values = {
        id(node): value.array
        for node, value in zip(nodes, known, strict=False)
        if node.specs is None and value.value is not None
    }
    slopes: dict[int, Array | None] = {
        id(node): None for node in nodes if node.requires_grad and node.specs is None
    }
    slopes |= {
        id(node): value.array for node, value in zip(targets, known[len(nodes) :], strict=False)
    }
    given = recorded.body.inputs
    called = _argument_names(function, args, kwargs)
    names = {id(place): called[i] for place, i in zip(given, places, strict=False)}
    known_as = {id(leaf): name for leaf, name in zip(leaves, called, strict=True)}
    if hasattr(function, "named_parameters"):
        wanted = {id(variable): path for path, variable in function.named_parameters()} | wanted
    parameters = set()
    for place, handle in zip(given[len(inputs) :], recorded.captured, strict=True):
        if isinstance(handle, Variable) or handle.requires_grad:
            parameters.add(id(place))
        own = getattr(handle, "name", None)
        name = wanted.get(id(handle)) or own or known_as.get(id(handle))
        if name:
            names[id(place)] = name
    return Graph(ends, names, parameters, values, slopes if gradients else {})


def _is_input(leaf: Any) -> bool:
    if isinstance(leaf, (bool, Variable)):
        return False
    return isinstance(leaf, (Tensor, int, float, np.ndarray, np.generic))


def _input(leaf: Any, gradients: bool) -> Tensor:
    array = operand(np.asarray(leaf) if isinstance(leaf, np.generic) else leaf)._concrete("draw")
    node = constant(array)
    node.requires_grad = gradients and dtypes.is_float(node.dtype)
    return Tensor(node)


def _argument_names(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[str]:
    """What the signature calls the leaves of the arguments, with the path into nested ones."""
    try:
        target = getattr(function, "forward", function)
        bound = inspect.signature(target).bind(*args, **kwargs)
    except (TypeError, ValueError):
        firsts = [f"input {i}" for i in range(len(args))]
    else:
        firsts = []
        for name, value in bound.arguments.items():
            kind = bound.signature.parameters[name].kind
            if kind is inspect.Parameter.VAR_POSITIONAL:
                firsts += [f"{name}[{i}]" for i in range(len(value))]
            else:
                firsts.append(name)
    named = [*zip(firsts, args, strict=False), *sorted(kwargs.items())]
    return [f"{name}{path}" for name, value in named for path in paths(flatten(value)[1])]
