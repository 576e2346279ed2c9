"""Random graphs at several sizes: one program does for all what eager mode does for each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurona.compiler import compile
from neurona.core import dtypes
from neurona.core.errors import NeuronaError
from tests.compiler.graphs import Array, Builder, Graph, data
from tests.compiler.guards import guarded
from tests.compiler.test_random_graphs import agree, ranges, some
from tests.ops.record import tensor

SIZE = 6
"""The extent that changes; no other is like it."""
SIZES = (6, 11, 4, 1, 2, 0, 16, 33, 6, 130)


@st.composite
def sized_graphs(draw: Any, *, differentiate: bool = False) -> Graph:
    """Graphs of which some axes, and no others, have `SIZE` elements."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(("tidy", "normal", "normal")))
    width = draw(st.sampled_from((1, 3, 4, 17)))
    known = [(SIZE, width), (SIZE, width), (SIZE,), (width,), (SIZE, 1), (1, width), (),
             (2, SIZE, width), (SIZE, 5), (5, width), (width, width)]  # fmt: skip
    shape = st.sampled_from(known)
    common = (dtypes.float32,) * 3 + (dtypes.float64, dtypes.bfloat16)
    dtype = st.sampled_from(common if differentiate else (*common, dtypes.int32, dtypes.bool_))
    inputs = [data(rng, (SIZE, width), dtypes.float32, kind)]
    inputs += [data(rng, draw(shape), draw(dtype), kind) for _ in range(draw(st.integers(0, 2)))]
    fixed = st.sampled_from([s for s in known if SIZE not in s])
    count = draw(st.integers(1, 2)) if differentiate else draw(st.integers(0, 1))
    state = [data(rng, draw(fixed), dtypes.float32, kind) for _ in range(count)]
    graph = Graph(inputs, state, [], [])
    Builder(draw, graph, known, rng, differentiate).fill(state=False)
    return graph


def at_size(graph: Graph, n: int) -> Graph:
    """The graph with inputs of another size."""

    def resized(x: Array) -> Array:
        shape = tuple(n if extent == SIZE else extent for extent in x.shape)
        for axis, extent in enumerate(shape):
            if x.shape[axis] != extent:
                x = np.take(x, np.arange(extent) % SIZE, axis)
        return x

    return replace(graph, inputs=[resized(x) for x in graph.inputs])


def check(graph: Graph) -> None:
    variables = graph.variables()
    function = graph.function(variables)
    compiled = compile(function)
    for n in SIZES:
        here = at_size(graph, n)
        inputs = [tensor(x) for x in here.inputs]
        try:
            with np.errstate(all="ignore"):
                eager = function(*inputs)
            allowed, _ = ranges(here, variables)
        except (NeuronaError, ZeroDivisionError):
            # It has no meaning at this size: a reshape to a shape of the code, say, or a choice
            # whose branches, which are both recorded, give different shapes.
            continue
        for kind, results in (("eager", eager), ("compiled", compiled(*inputs))):
            for i, (result, bound) in enumerate(zip(results, allowed, strict=True)):
                agree(f"{kind} result {i} at size {n}", result.numpy(), bound)


@pytest.mark.timeout(0)
@some(25)
@given(sized_graphs())
def test_one_program_gives_what_eager_mode_gives_at_each_size(graph: Graph) -> None:
    with guarded():
        check(graph)


@pytest.mark.timeout(0)
@some(15)
@given(sized_graphs(differentiate=True))
def test_gradients_at_each_size(graph: Graph) -> None:
    with guarded():
        check(graph)
