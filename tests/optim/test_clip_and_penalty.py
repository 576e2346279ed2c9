"""Clipping of gradients, penalties on weights, bounds on norms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn, optim
from neurona.core.errors import ArgumentError
from tests.nn.replay import recorded

GRADIENTS = ([3.0, 0.0], [[0.0, -4.0]])


def with_gradients() -> list[ne.Variable]:
    parameters = [ne.Variable(np.ones_like(np.array(g, np.float32))) for g in GRADIENTS]
    set_gradients(parameters)
    return parameters


def set_gradients(parameters: list[ne.Variable]) -> None:
    loss = sum(
        (ne.sum(p * np.array(g, np.float32)) for p, g in zip(parameters, GRADIENTS, strict=True)),
        start=ne.asarray(0.0),
    )
    loss.backward()


def test_clipping_by_norm_scales_all_alike() -> None:
    parameters = with_gradients()
    assert optim.clip_gradient_norm(parameters, 2.5).item() == 5
    np.testing.assert_allclose(parameters[0].grad.numpy(), [1.5, 0])
    np.testing.assert_allclose(parameters[1].grad.numpy(), [[0, -2]])
    assert optim.clip_gradient_norm(parameters, 10).item() == 2.5
    np.testing.assert_allclose(parameters[0].grad.numpy(), [1.5, 0])


def test_clipping_by_norm_is_that_of_pytorch() -> None:
    torch = pytest.importorskip("torch")
    theirs = [torch.ones(np.array(g).shape, requires_grad=True) for g in GRADIENTS]
    for p, g in zip(theirs, GRADIENTS, strict=True):
        p.grad = torch.tensor(g)
    norm = torch.nn.utils.clip_grad_norm_(theirs, 2.5)
    parameters = with_gradients()
    np.testing.assert_allclose(optim.clip_gradient_norm(parameters, 2.5).numpy(), norm, rtol=1e-6)
    for ours, other in zip(parameters, theirs, strict=True):
        np.testing.assert_allclose(ours.grad.numpy(), other.grad.numpy(), rtol=1e-6)


def test_clipping_by_value() -> None:
    parameters = with_gradients()
    optim.clip_gradient_value(parameters, 1.0)
    np.testing.assert_array_equal(parameters[0].grad.numpy(), [1, 0])
    np.testing.assert_array_equal(parameters[1].grad.numpy(), [[0, -1]])


@pytest.mark.parametrize("wrap", [lambda step: step, ne.compile])
def test_scaling_brings_the_norm_up_too(wrap: Any) -> None:
    parameters = [ne.Variable(np.ones_like(np.array(g, np.float32))) for g in GRADIENTS]
    optimizer = optim.SGD(parameters, 1.0)

    def step(factor: Any) -> Any:
        loss = ne.asarray(0.0)
        for p, g in zip(parameters, GRADIENTS, strict=True):
            loss = loss + factor * ne.sum(p * np.array(g, np.float32))
        loss.backward()
        norm = optim.scale_gradient_norm(parameters, 10.0)
        optimizer.step()
        return norm

    run = wrap(step)
    for factor, norm, moved in ((0.5, 2.5, 6), (100.0, 500, 12), (0.0, 0, 12)):
        np.testing.assert_allclose(run(np.float32(factor)).numpy(), norm, rtol=1e-6)
        np.testing.assert_allclose(parameters[0].numpy(), [1 - moved, 1], rtol=1e-6)
    np.testing.assert_allclose(parameters[1].numpy(), [[1, 17]], rtol=1e-6)


@pytest.mark.parametrize("wrap", [recorded, ne.compile])
def test_clipping_within_a_recorded_step(wrap: Any) -> None:
    parameters = [ne.Variable(np.ones_like(np.array(g, np.float32))) for g in GRADIENTS]
    optimizer = optim.SGD(parameters, 1.0)

    def step() -> Any:
        set_gradients(parameters)
        norm = optim.clip_gradient_norm(parameters, 2.5)
        optim.clip_gradient_value(parameters, 1.75)
        optimizer.step()
        return norm

    np.testing.assert_allclose(wrap(step)(), 5)
    np.testing.assert_allclose(parameters[0].numpy(), [-0.5, 1])
    np.testing.assert_allclose(parameters[1].numpy(), [[1, 2.75]])


def test_clipping_says_what_is_wrong() -> None:
    with pytest.raises(ArgumentError, match=r"call it after loss\.backward"):
        optim.clip_gradient_norm([ne.Variable([1.0])], 1.0)
    with pytest.raises(ArgumentError, match="max_norm must be positive, not 0"):
        optim.clip_gradient_norm(with_gradients(), 0)
    with pytest.raises(ArgumentError, match="scale_gradient_norm: norm must be positive, not 0"):
        optim.scale_gradient_norm(with_gradients(), 0)
    with pytest.raises(ArgumentError, match="limit must be positive"):
        optim.clip_gradient_value(with_gradients(), -1.0)


def test_penalties_and_their_gradients() -> None:
    w = ne.Variable([[1.0, -2.0], [0.0, 3.0]])
    for penalty, value, gradient in (
        (optim.l1([w], 0.5), 3.0, 0.5 * np.sign(w.numpy())),
        (optim.l2([w], 0.5), 3.5, 0.5 * w.numpy()),
        (optim.elastic_net([w], 0.5, 0.25), 4.75, 0.5 * np.sign(w.numpy()) + 0.25 * w.numpy()),
    ):
        assert penalty.item() == value
        penalty.backward()
        np.testing.assert_array_equal(w.grad.numpy(), gradient)
        w.grad = None


def test_an_l2_penalty_is_weight_decay() -> None:
    a, b = ne.Variable([[2.0]]), ne.Variable([[2.0]])
    decayed = optim.SGD([a], 0.25, momentum=0.5, weight_decay=0.5)
    plain = optim.SGD([b], 0.25, momentum=0.5)
    for _ in range(4):
        ne.sum(a).backward()
        decayed.step()
        (ne.sum(b) + optim.l2([b], 0.5)).backward()
        plain.step()
    np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_only_weights_are_meant() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.PReLU(), nn.Embedding(5, 2))
    assert [w.shape for w in optim.weights(model)] == [(3, 4), (5, 2)]
    with pytest.raises(ArgumentError, match="there are no weights"):
        optim.l1(optim.weights(nn.ReLU()), 1.0)


def test_norms_of_units_are_limited() -> None:
    w = ne.Variable([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]])
    optim.limit_norms([w], 1.0)
    np.testing.assert_allclose(w.numpy(), [[0.6, 0.8], [0.3, 0.4], [0, 0]], rtol=1e-6)
    with pytest.raises(ArgumentError, match="max_norm must be positive"):
        optim.limit_norms([w], 0)
