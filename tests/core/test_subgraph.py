"""A function recorded on its own and applied again."""

from __future__ import annotations

import numpy as np
import pytest

import neurona as ne
from neurona.core.errors import TraceError
from neurona.core.subgraph import record, topological
from neurona.core.tensor import Tensor
from neurona.core.trace import STATE, recording


def f(tensors: list[Tensor]) -> list[Tensor]:
    a, b = tensors
    counter.assign(counter + 1)
    return [a * b + outside, ne.sin(a) * weight, b]


weight = ne.Variable(2.0, name="weight")
counter = ne.Variable(0.0)
outside = ne.asarray(10.0)


def test_record_finds_what_the_function_uses() -> None:
    recorded = record(f, [ne.asarray(3.0), ne.asarray(4.0)])
    assert recorded.results == 3
    assert {id(handle) for handle in recorded.captured} == {id(outside), id(counter), id(weight)}
    assert recorded.written == (counter,)
    assert float(counter) == 0
    assert len(recorded.body.inputs) == 5
    assert STATE.trace is None


def test_replay_computes_eagerly_and_records_under_a_trace() -> None:
    recorded = record(f, [ne.asarray(3.0), ne.asarray(4.0)])
    given = [ne.asarray(5.0), ne.asarray(6.0), *recorded.captured]
    first, second, third, count = recorded.body.replay(given)
    assert float(first) == 40
    np.testing.assert_allclose(float(second), 2 * np.sin(5), rtol=1e-6)
    assert float(third) == 6
    assert float(count) == 1
    with recording() as trace:
        results = recorded.body.replay(given)
        assert all(result._node.trace is trace for result in results)
        assert results[0]._node.value is None
    assert [n.op.name for n in topological([results[0]._node])].count("multiply") == 1


def test_replay_keeps_derivatives_as_recorded() -> None:
    def half(tensors: list[Tensor]) -> list[Tensor]:
        (x,) = tensors
        with ne.no_grad():
            cut = x * x
        return [x * cut]

    x = ne.Variable(3.0)
    recorded = record(half, [x])
    (y,) = recorded.body.replay([x])
    (slope,) = ne.gradients(y, [x])
    assert float(slope) == 9
    with ne.no_grad():
        assert not recorded.body.replay([x])[0].requires_grad


def test_backward_inside_is_refused() -> None:
    with pytest.raises(TraceError, match="recorded on its own"):
        record(lambda tensors: (tensors[0] * weight).backward() or [], [ne.asarray(1.0)])
    assert STATE.trace is None


def test_topological_order() -> None:
    with recording() as trace:
        x = Tensor(trace.input(ne.asarray(1.0)._node.spec))
        y = x * x
        z = y + x
    order = topological([z._node, y._node])
    assert order == [x._node, y._node, z._node]
