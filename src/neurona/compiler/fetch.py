"""What a run of a graph's operations needs: of all that is defined, the part that fetches use."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from neurona.compiler.program import Program
from neurona.core.errors import ArgumentError
from neurona.core.node import Node, placeholder
from neurona.core.op import INPUT
from neurona.core.tensor import Tensor
from neurona.core.tree import LEAF, Structure
from neurona.core.variable import Variable
from neurona.graph.definition import Graph, Operation
from neurona.graph.order import rewrite, topological, with_inputs

FETCHED = "tensors, variables and operations of the graph, in lists, tuples and dicts"


class Plan:
    """The program for one combination of fetches and fed tensors.

    feeds: name, shape and dtype of each fed tensor; the program's first inputs.
    variables: those whose memory the program uses, its other inputs. reads, writes: those whose
        value matters and those that get a new one; steady: those that get none.
    places: for each fetch the number of its result, None for an operation.
    """

    def __init__(self, graph: Graph, leaves: list[Any], structure: Structure, feeds: Any) -> None:
        self.structure = None if structure == LEAF else structure
        results: list[Node] = []
        self.places: list[int | None] = []
        writes: dict[Variable, Node] = {}
        for leaf in leaves:
            self.places.append(len(results) if isinstance(leaf, Tensor) else None)
            if isinstance(leaf, Tensor):
                results.append(graph.node_of(leaf, "Session.run: the fetch"))
            elif isinstance(leaf, Operation):
                _add(writes, leaf, graph)
            else:
                raise ArgumentError(f"Session.run: {leaf!r} cannot be fetched; there are {FETCHED}")
        fed = [_fed(tensor, graph) for tensor in feeds]
        self.feeds = [(graph.title(node), node.shape, node.dtype) for node in fed]
        # Their ids are the key under which a session keeps this plan.
        self.pinned = (leaves, list(feeds), list(results), list(fed))
        self._compile(graph, results, writes, fed)

    def _compile(
        self, graph: Graph, results: list[Node], writes: dict[Variable, Node], fed: list[Node]
    ) -> None:
        owners = {node: variable for variable, node in graph.reads.items()}
        inputs = [
            node if node.op is INPUT and node not in owners else placeholder(node.spec, graph)
            for node in fed
        ]
        streams = {v: node for v, node in graph.streams().items() if v not in writes}
        groups = [results, writes.values(), streams.values(), [ok for ok, _ in graph.checks]]
        results, news, drawn, oks = _cut(groups, fed, inputs)
        writes = dict(zip(writes, news, strict=True))
        used = _leaves([*results, *news])
        for variable, new in zip(streams, drawn, strict=True):
            if graph.reads[variable] in used:
                writes[variable] = new
        _require_fed(graph, used - owners.keys() - set(inputs))
        self.writes = [v for v, new in writes.items() if new is not graph.reads[v]]
        self.reads = [v for v, node in graph.reads.items() if node in used]
        self.variables = [v for v in graph.reads if v in writes or graph.reads[v] in used]
        written = set(self.writes)
        self.steady = [v for v in self.variables if v not in written]
        # A condition holds wherever all that it looks at is looked at.
        checks = [
            (ok, error)
            for ok, (_, error) in zip(oks, graph.checks, strict=True)
            if _leaves([ok]) <= used
        ]
        self.program = Program(
            [*inputs, *[graph.reads[variable] for variable in self.variables]],
            results,
            [(graph.reads[variable], writes[variable]) for variable in self.writes],
            checks,
            [graph.reads[variable] for variable in self.steady],
        )


def _add(writes: dict[Variable, Node], operation: Operation, graph: Graph) -> None:
    if operation.graph is not graph:
        raise ArgumentError(f"Session.run: {operation!r} is not in this graph")
    for variable, new in operation.writes.items():
        if writes.setdefault(variable, new) is not new:
            raise ArgumentError(
                f"Session.run: {operation!r} and another operation fetched with it both assign "
                f"{variable.name!r}; run one after the other"
            )


def _cut(groups: Sequence[Iterable[Node]], fed: list[Node], inputs: list[Node]) -> list[list[Node]]:
    """The groups of nodes, computed from `inputs` in place of the fed nodes."""
    parts = [list(group) for group in groups]
    if fed != inputs:
        given = dict(zip(fed, inputs, strict=True))
        new = iter(
            rewrite(
                [node for part in parts for node in part],
                lambda node, inputs: given.get(node) or with_inputs(node, inputs),
            )
        )
        parts = [[next(new) for _ in part] for part in parts]
    return parts


def _leaves(ends: Sequence[Node]) -> set[Node]:
    return {node for node in topological(ends) if node.op is INPUT}


def _require_fed(graph: Graph, missing: set[Node]) -> None:
    if missing:
        named = sorted(f"{graph.title(node)} ({node.dtype} {node.shape})" for node in missing)
        raise ArgumentError(
            f"Session.run: the fetches need a value for the placeholder {' and '.join(named)}; "
            "give it in feed_dict"
        )


def _fed(key: Any, graph: Graph) -> Node:
    if not isinstance(key, Tensor):
        raise ArgumentError(
            f"Session.run: {key!r} cannot be fed; the keys of feed_dict are tensors of the graph"
        )
    return graph.node_of(key, "Session.run: the key of feed_dict")
