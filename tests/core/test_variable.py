"""Variable: state with a version, and gradients of the value that was read."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import neurona as ne
from neurona.core.errors import DTypeError, ShapeError


def test_assign_replaces_value_and_counts() -> None:
    w = ne.Variable([1.0, 2.0], name="w")
    assert w.version == 0
    w.assign(w * 2)
    w.assign([5, 6])
    assert (w.version, w.tolist(), w.dtype) == (2, [5, 6], ne.float32)
    w += 1
    w[0] = 0
    assert (w.version, w.tolist()) == (4, [0, 7])
    assert type(w) is ne.Variable


def test_wrong_values_are_refused_with_the_name() -> None:
    w = ne.Variable([1.0, 2.0], name="weight")
    with pytest.raises(ShapeError, match=r"'weight'.*\(3,\).*\(2,\)"):
        w.assign(ne.zeros(3))
    with pytest.raises(DTypeError, match=r"'weight'.*float64.*float32"):
        w.assign(ne.zeros(2, dtype=ne.float64))
    assert (w.version, w.tolist()) == (0, [1, 2])


def test_values_read_before_stay() -> None:
    w = ne.Variable([1.0])
    view, copied = ne.positive(w), w.numpy()
    w.assign([2.0])
    assert (view.tolist(), copied.tolist()) == ([1], [1])
    copied[0] = 7
    assert w.tolist() == [2]


def test_memory_given_is_not_kept() -> None:
    source = np.ones(2, np.float32)
    w = ne.Variable(source)
    source[0] = 5
    assert w.tolist() == [1, 1]


def test_gradient_is_that_of_the_value_read() -> None:
    w = ne.Variable([3.0])
    y = ne.sum(w * w)
    w.assign([100.0])
    y.backward()
    assert w.grad is not None
    assert w.grad.tolist() == [6]


def test_gradients_add_up_until_cleared() -> None:
    w = ne.Variable([1.0, 2.0])
    ne.sum(w).backward()
    ne.sum(w * 2).backward()
    assert w.grad is not None
    assert w.grad.tolist() == [3, 3]
    w.grad = None
    assert w.grad is None


def test_only_floats_have_gradients() -> None:
    assert not ne.Variable([1, 2]).requires_grad
    with pytest.raises(DTypeError, match="int64 has no gradient"):
        ne.Variable([1, 2], requires_grad=True)
    w = ne.Variable([1.0], requires_grad=False)
    assert not (w * 2).requires_grad
    w.requires_grad = True
    assert (w * 2).requires_grad


def test_a_deep_copy_is_a_variable_of_its_own() -> None:
    w = ne.Variable([1.0], name="w")
    other = copy.deepcopy(w)
    other.assign([2.0])
    assert (type(other), other.name, w.tolist()) == (ne.Variable, "w", [1])


def test_derivatives_end_at_a_value_assigned_while_recording() -> None:
    def steps(w: ne.Variable) -> ne.Tensor:
        for _ in range(3):
            loss = ne.sum((w - 0.5) ** 2)
            loss.backward()
            w.assign(w - 0.1 * w.grad)
            w.grad = None
        return loss

    eager, compiled = ne.Variable([1.0, 2.0]), ne.Variable([1.0, 2.0])
    wanted = steps(eager)
    assert ne.compile(lambda: steps(compiled))().item() == pytest.approx(wanted.item(), rel=1e-6)
    np.testing.assert_allclose(compiled.numpy(), eager.numpy(), rtol=1e-6)
