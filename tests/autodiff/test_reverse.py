"""The reverse walk: backward, gradients, stop_gradient, freeing, deep graphs and memory."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona.autodiff import gradients, stop_gradient
from neurona.core.errors import ArgumentError, DTypeError, ShapeError
from neurona.core.node import Node, constant
from neurona.core.tensor import Tensor
from neurona.core.trace import recording
from neurona.ops.broadcast import sum
from neurona.ops.operand import operand
from neurona.ops.transcendental import exp

DEEP = 50_000


def variable(value: Any) -> ne.Variable:
    return ne.Variable(value, dtype=ne.float64)


def close(actual: Any, expected: Any) -> None:
    assert actual is not None
    np.testing.assert_allclose(np.asarray(actual), expected, rtol=1e-12, atol=1e-12)


# --- backward ---


def test_backward_adds_to_the_gradients_of_leaves() -> None:
    w, b = variable([1.0, 2.0]), variable(3.0)
    sum(w * w + b).backward()
    close(w.grad, [2, 4])
    close(b.grad, 2)
    sum(w * b).backward()
    close(w.grad, [5, 7])
    close(b.grad, 5)
    w.grad = None
    assert w.grad is None


def test_backward_reaches_tensors_that_ask_for_it() -> None:
    x = operand(np.array([1.0, 2.0])).requires_grad_()
    y = operand(np.array([1.0, 2.0]))
    sum(x * y).backward()
    close(x.grad, [1, 2])
    assert y.grad is None


def test_backward_with_a_given_cotangent() -> None:
    w = variable([1.0, 2.0])
    (w * w).backward(np.array([1.0, 10.0]))
    close(w.grad, [2, 40])


def test_frozen_variables_get_none() -> None:
    w, b = variable(2.0), variable(3.0)
    w.requires_grad = False
    (w * b).backward()
    assert w.grad is None
    close(b.grad, 2)


def test_gradient_is_of_the_value_that_was_read() -> None:
    w = variable(2.0)
    loss = w * w
    w.assign(100.0)
    loss.backward()
    close(w.grad, 4)


def test_backward_frees_and_says_so() -> None:
    w = variable(2.0)
    middle = w * w
    loss = middle * 3
    loss.backward(retain_graph=True)
    loss.backward()
    close(w.grad, 24)
    with pytest.raises(ArgumentError, match=r"freed by an earlier backward.*retain_graph"):
        loss.backward()
    with pytest.raises(ArgumentError, match="freed"):
        (middle * w).backward()
    with pytest.raises(ArgumentError, match="freed"):
        gradients(middle * w, [w])
    w.grad = None
    (stop_gradient(middle) * w).backward()
    close(w.grad, 4)


def test_backward_errors() -> None:
    w = variable([1.0, 2.0])
    with pytest.raises(ShapeError, match=r"shape \(2,\), not one element"):
        (w * w).backward()
    with pytest.raises(ShapeError, match=r"cotangent is float64 \(3,\), the output float64 \(2,\)"):
        (w * w).backward(np.ones(3))
    with pytest.raises(DTypeError, match="int64 tensor has no derivative"):
        operand(3).backward()
    with pytest.raises(ArgumentError, match="does not depend on anything"):
        operand(3.0).backward()
    with ne.no_grad(), pytest.raises(ArgumentError, match="does not depend"):
        sum(w).backward()


def test_a_use_in_two_places_gets_both_gradients() -> None:
    w = variable(3.0)
    (w * w + w).backward()
    close(w.grad, 7)


# --- gradients ---


def test_gradients_by_intermediate_results_and_by_what_lies_behind_them() -> None:
    w = variable(3.0)
    hidden = w * w
    loss = hidden * hidden * w
    by_hidden, by_w = gradients(loss, [hidden, w])
    close(by_hidden, 2 * 9 * 3)
    close(by_w, 5 * 81)
    assert w.grad is None


def test_gradients_of_several_outputs_and_again() -> None:
    x = variable([1.0, 2.0])
    (slope,) = gradients([sum(x * x), x * 3], [x], [None, np.array([1.0, 10.0])])
    close(slope, [2 + 3, 4 + 30])
    (slope,) = gradients(sum(x * x * x), [x])
    (curvature,) = gradients(sum(slope), [x])
    close(curvature, [6, 12])


def test_gradients_of_an_output_that_is_an_input() -> None:
    x = variable(2.0)
    y = x * 1
    close(gradients([y, y * x], [y])[0], 3)


def test_gradients_errors_and_zeros() -> None:
    x, y = variable(2.0), variable([1.0, 2.0])
    close(gradients(x * x, [x, y])[1], [0, 0])
    with pytest.raises(ArgumentError, match="does not require a gradient"):
        gradients(x * x, [operand(2.0)])
    with pytest.raises(DTypeError, match="bool output has no derivative"):
        gradients(x > 0, [x])
    with pytest.raises(ArgumentError, match="2 outputs and 1 cotangents"):
        gradients([x, x], [x], [1.0])


def test_stop_gradient_and_detach() -> None:
    x = variable(3.0)
    (x * stop_gradient(x) + x.detach()).backward()
    close(x.grad, 3)
    assert not stop_gradient(x).requires_grad


def test_backward_under_a_recording() -> None:
    w = variable(3.0)
    with recording():
        loss = w * w
        loss.backward()
        loss.backward()
        assert w.grad is not None
        assert w.grad._node.value is None
    assert w.grad is None


# --- depth and memory ---


def chain(y: Any, steps: int = DEEP) -> Any:
    for _ in range(steps // 2):
        y = y * 1.0001 + 0.0
    return y


def nodes_alive() -> int:
    return len([x for x in gc.get_objects() if type(x) is Node])


def test_deep_graph() -> None:
    w = variable(1.0)
    chain(w, 4).backward()
    w.grad = None
    gc.collect()
    before = nodes_alive()
    chain(w).backward()
    close(w.grad, 1.0001 ** (DEEP // 2))
    w.grad = None
    assert nodes_alive() <= before
    loss = chain(w)
    assert nodes_alive() >= DEEP
    del loss
    assert nodes_alive() <= before
    (slope,) = gradients(chain(w), [w])
    close(slope, 1.0001 ** (DEEP // 2))


def test_deep_graph_recorded() -> None:
    w = variable(1.0)
    gc.collect()
    before = nodes_alive()
    with recording():
        chain(w).backward()
        assert w.grad is not None
    gc.collect()
    assert nodes_alive() <= before


class Levels:
    """Memory now, in units of one value of the chain."""

    def __init__(self, value: Tensor) -> None:
        self.unit = value.nbytes
        gc.collect()
        self.base = tracemalloc.get_traced_memory()[0]

    def now(self) -> float:
        return (tracemalloc.get_traced_memory()[0] - self.base) / self.unit


@pytest.fixture
def levels() -> Any:
    w = variable(np.ones(10_000))
    sum(chain(w, 4)).backward()
    w.grad = None
    tracemalloc.start()
    gc.disable()  # what only the cycle collector finds counts as a leak
    try:
        yield w, Levels(w)
    finally:
        gc.enable()
        tracemalloc.stop()


def test_memory_returns_after_backward(levels: Any) -> None:
    w, memory = levels
    loss = sum(chain(w, 400))
    assert memory.now() > 190  # the values that the products need; sums may keep theirs
    loss.backward()
    assert memory.now() < 3
    w.grad = None
    assert memory.now() < 2


def test_memory_falls_during_backward(levels: Any) -> None:
    w, memory = levels
    loss = sum(chain(w, 400))
    held = memory.now()
    tracemalloc.reset_peak()
    loss.backward()
    peak = (tracemalloc.get_traced_memory()[1] - memory.base) / memory.unit
    assert peak < held + 10


def test_memory_returns_when_the_graph_is_dropped(levels: Any) -> None:
    w, memory = levels
    loss = sum(chain(w, 400))
    del loss
    assert memory.now() < 1


def test_memory_returns_when_nothing_needs_a_gradient(levels: Any) -> None:
    w, memory = levels
    with ne.no_grad():
        y = chain(w, 400)
    assert memory.now() < 3
    del y


def test_memory_returns_after_a_recording(levels: Any) -> None:
    w, memory = levels
    with recording() as trace:
        sum(chain(w, 4000)).backward()
    del trace
    gc.collect()
    assert memory.now() < 1


def test_many_nodes_are_dropped_without_a_deep_stack() -> None:
    first = constant(np.ones(()))
    first.requires_grad = True
    gone = weakref.ref(first)
    y = chain(Tensor(first), 200_000)
    del first, y
    assert gone() is None


def test_values_are_let_go_of_as_soon_as_nothing_needs_them() -> None:
    w = variable(np.ones(3))
    hidden = exp(w)
    node = weakref.ref(hidden._node)
    loss = sum(hidden)
    del hidden
    assert node() is not None
    loss.backward()
    assert node() is None
