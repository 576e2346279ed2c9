"""Whole random graphs, compiled and eager, against the ranges of all correct results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurona.compiler import compile
from neurona.compiler.run.pool import POOL
from neurona.core.op import Spec
from neurona.core.tensor import Tensor
from neurona.core.trace import recording
from neurona.core.variable import Variable
from tests.compiler import (  # noqa: F401  (the rules register themselves)
    bounds,
    branches,
    folds,
    moves,
)
from tests.compiler.graphs import Array, Graph, graphs
from tests.compiler.guards import guarded
from tests.compiler.ranges import Range, violations
from tests.ops.record import tensor


def ranges(graph: Graph, variables: list[Variable]) -> tuple[list[Range], list[Range]]:
    """The ranges of the graph's results and of the Variables' new values."""
    with recording() as trace:
        places = [trace.input(Spec(x.shape, x.dtype)) for x in graph.inputs]
        results = [x._resolve(trace) for x in graph.function(variables)(*map(Tensor, places))]
        news = [v._resolve(trace) for v in variables]
    given = dict(zip(places, graph.inputs, strict=True))
    given |= {node: variable.numpy() for variable, node in trace.reads.items()}
    given |= {node: handle.numpy() for handle, node in trace.captures.values()}
    found = bounds.ranges_of([*results, *news], given)
    return found[: len(results)], found[len(results) :]


def agree(what: str, value: Array, allowed: Range) -> None:
    assert value.dtype == allowed.dtype, f"{what}: {value.dtype}, not {allowed.dtype}"
    assert value.shape == allowed.low.shape, f"{what}: {value.shape}, not {allowed.low.shape}"
    wrong = violations(value, allowed)
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise AssertionError(
            f"{what}: {int(wrong.sum())} of {wrong.size} elements, first at {at}: {value[at]!r} is "
            f"not in [{allowed.low[at]!r}, {allowed.high[at]!r}], NaN {allowed.may[at]}"
        )


def check(graph: Graph, calls: int = 1) -> None:
    """Eager and compiled results lie in their ranges, call after call."""
    with guarded():
        compare(graph, calls)


def compare(graph: Graph, calls: int) -> None:
    ours, theirs = graph.variables(), graph.variables()
    compiled, eager = compile(graph.function(ours)), graph.function(theirs)
    inputs = [tensor(x) for x in graph.inputs]
    for call in range(calls):
        if call:
            # What a program keeps from run to run must not outlive the values it comes from.
            for mine in ours:
                mine.assign(np.flip(mine.numpy()))
        allowed, news = ranges(graph, ours)
        for mine, other in zip(ours, theirs, strict=True):
            other.assign(mine.numpy())
        for kind, function, variables in (("eager", eager, theirs), ("compiled", compiled, ours)):
            with np.errstate(all="ignore"):
                results = function(*inputs)
            for i, (result, bound) in enumerate(zip(results, allowed, strict=True)):
                agree(f"{kind} result {i} of call {call}", result.numpy(), bound)
            for variable, bound in zip(variables, news, strict=True):
                agree(f"{kind} {variable.name} after call {call}", variable.numpy(), bound)


@pytest.fixture(scope="module")
def three_threads() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        POOL.stop()
        patch.setenv("NEURONA_THREADS", "3")
        yield
        POOL.stop()


def results(compiled: Any, graph: Graph, *, helpers: int) -> list[Array]:
    """What the function gives with that many other threads."""
    shut, workers = POOL.shut, POOL.workers
    POOL.shut = helpers == 0
    if 0 < helpers < workers:
        POOL.workers = helpers
    try:
        return [result.numpy() for result in compiled(*[tensor(x) for x in graph.inputs])]
    finally:
        POOL.shut = shut
        if workers >= 0:
            POOL.workers = workers


def some(few: int) -> Any:
    """`few` examples in `make test`, 60 times as many under the profile `many`."""
    many = settings.default.max_examples >= 1000
    return settings(max_examples=few * (60 if many else 1))


@pytest.mark.timeout(0)
@some(150)
@given(graphs())
def test_a_graph_gives_what_it_gives_eagerly(graph: Graph) -> None:
    check(graph)


@pytest.mark.timeout(0)
@some(100)
@given(graphs(state=True))
def test_variables_get_what_they_get_eagerly(graph: Graph) -> None:
    check(graph, calls=2)


@pytest.mark.timeout(0)
@some(30)
@given(st.booleans().flatmap(lambda slopes: graphs(differentiate=slopes, large=True)))
def test_threads_do_not_change_a_bit(three_threads: None, graph: Graph) -> None:
    compiled = compile(graph.function(graph.variables()))
    alone = results(compiled, graph, helpers=0)
    for helpers in (2, 1, 2):
        for one, other in zip(results(compiled, graph, helpers=helpers), alone, strict=True):
            assert one.tobytes() == other.tobytes()


@pytest.mark.timeout(0)
@some(100)
@given(graphs(differentiate=True))
def test_gradients_are_those_of_eager_mode(graph: Graph) -> None:
    check(graph)
