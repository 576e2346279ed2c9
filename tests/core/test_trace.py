"""Recording: nodes without values, captures, reads and writes, and what may not leave."""

from __future__ import annotations

import pytest

import neurona as ne
from neurona.core.errors import TraceError
from neurona.core.op import LITERAL, Spec
from neurona.core.tensor import Tensor
from neurona.core.trace import STATE, Trace, eagerly, recording


def argument(trace: Trace, *shape: int, weak: bool = False) -> Tensor:
    return Tensor(trace.input(Spec(shape, ne.float32), weak=weak))


def test_ops_are_recorded_not_computed() -> None:
    with recording() as trace:
        x = argument(trace, 2, 3)
        y = ne.sum(x * 2, axis=1)
    node = y._node
    assert (node.op.name, node.shape, node.value) == ("sum", (2,), None)
    assert [n.op.name for n in node.inputs] == ["multiply"]
    assert node.inputs[0].inputs[1].op is LITERAL
    assert node.source is not None
    assert node.source[0] == __file__
    assert STATE.trace is None


def test_asking_for_a_value_names_the_line_and_a_way_out() -> None:
    with recording() as trace:
        x = argument(trace)
        for ask in (bool, float, int, Tensor.item, Tensor.numpy, Tensor.tolist):
            with pytest.raises(TraceError, match=r"test_trace\.py:\d+.*where, cond, scan"):
                ask(x + 1)
        assert repr(x + 1) == "Tensor(add, shape=(), dtype=float32)"


def test_results_whose_shape_depends_on_data_are_refused() -> None:
    with recording() as trace:
        x = argument(trace, 3)
        for call in (lambda: x[x > 0], lambda: ne.nonzero(x), lambda: ne.unique_values(x)):
            with pytest.raises(TraceError):
                call()


def test_tensors_from_outside_become_inputs_once() -> None:
    outside = ne.asarray([1.0, 2.0])
    with recording() as trace:
        y = outside * outside + outside
    assert len(trace.captures) == 1
    ((handle, node),) = trace.captures.values()
    assert handle is outside
    assert node.value is None
    assert y._node.inputs[1] is node


def test_creation_records_a_rule_not_the_elements() -> None:
    with recording() as trace:
        made = [
            ne.zeros((1000, 1000)),
            ne.full((2,), 3),
            ne.arange(10),
            ne.linspace(0, 1, 5),
            ne.eye(3),
            ne.ones_like(argument(trace, 4)),
            ne.tril(argument(trace, 3, 3)),
        ]
    assert all(x._node.value is None for x in made)
    assert not trace.captures


def test_updates_rebind_handles_while_recording() -> None:
    with recording() as trace:
        x = argument(trace, 3)
        before = x._node
        x += 1
        x[0] = 2.0
        assert x.shape == (3,)
        assert x._node is not before


def test_variables_are_read_once_and_written_at_the_end() -> None:
    w = ne.Variable([1.0])
    with recording() as trace:
        first = w * 1
        w.assign(w + 1)
        second = w * 1
    assert list(trace.reads) == [w]
    assert list(trace.writes) == [w]
    assert first._node.inputs[0] is trace.reads[w]
    assert second._node.inputs[0] is trace.writes[w]
    assert (w.version, w.tolist()) == (0, [1])


def test_what_leaked_from_a_recording_is_refused_by_name() -> None:
    with recording() as trace:
        leaked = argument(trace, 2) * 2
    with pytest.raises(TraceError, match="recording that is not active"):
        leaked + 1
    with pytest.raises(TraceError, match="not known"):
        leaked.numpy()
    with recording(), pytest.raises(TraceError, match="recording that has ended"):
        leaked + 1


def test_python_numbers_stay_weak_through_arithmetic() -> None:
    half = ne.ones(2, dtype=ne.float16)
    with recording() as trace:
        rate = argument(trace, weak=True)
        assert (half * (rate * 2 + 1)).dtype == ne.float16
        assert (ne.arange(3) * rate).dtype == ne.float32
        assert (half * ne.astype(rate, ne.float32)).dtype == ne.float32
        assert (half * ne.exp(1.0)).dtype == ne.float32  # as in eager mode


def test_eagerly_computes_within_a_recording() -> None:
    with recording(), eagerly():
        assert (ne.asarray([1.0]) + 1).tolist() == [2]


def test_nested_recordings_capture_from_each_other() -> None:
    with recording() as outer:
        x = argument(outer, 2)
        with recording() as inner:
            y = x * 2
        assert y._node.trace is inner
        ((handle, _),) = inner.captures.values()
        assert handle is x
    assert not outer.captures


def test_a_failing_body_ends_its_recording() -> None:
    with pytest.raises(ZeroDivisionError), recording() as trace:
        1 / 0  # noqa: B018
    assert STATE.trace is None
    assert not trace.open


def test_no_grad() -> None:
    w = ne.Variable([1.0])
    with ne.no_grad():
        assert not (w * 2).requires_grad
    assert (w * 2).requires_grad
