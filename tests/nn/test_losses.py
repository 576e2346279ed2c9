"""Losses: PyTorch's values, weights of samples, refusals, and the numbers of the notes."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn
from neurona.core.errors import ArgumentError, DTypeError, IndexOutOfRangeError, ShapeError
from neurona.nn import functional as F
from neurona.nn.loss import Loss
from tests.nn.golden import stored
from tests.nn.loss_cases import (
    IDS,
    LABELS,
    LOGARITHMS,
    LOSSES,
    SHARES,
    TOKENS,
    WEIGHT,
    LossCase,
    P,
    Q,
    T,
    X,
)
from tests.nn.replay import recorded

every_loss = pytest.mark.parametrize("case", LOSSES, ids=lambda case: case.name)


@every_loss
def test_values_and_gradients_are_those_of_pytorch(case: LossCase) -> None:
    expected = stored("losses", case.name)
    found = case.values()
    np.testing.assert_allclose(found["loss"], expected["loss"], rtol=1e-12)
    np.testing.assert_allclose(found["gradient"], expected["gradient"], rtol=1e-11, atol=1e-13)


@every_loss
def test_the_stored_values_are_still_those_of_pytorch(case: LossCase) -> None:
    pytest.importorskip("torch")
    expected, found = case.from_torch(), stored("losses", case.name)
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-11, atol=1e-14)


def step(case: LossCase) -> Any:
    variable = ne.Variable(case.input.astype(np.float32))
    target = case.target
    target = target.astype(np.float32) if target.dtype == np.float64 else target

    def descend(t: Any) -> Any:
        loss = case.ours(variable, t)
        total = ne.sum(loss)
        total.backward()
        variable.assign(variable - 0.1 * variable.grad)
        variable.grad = None
        return loss

    return descend, target, variable


@every_loss
def test_a_recorded_loss_is_the_eager_one(case: LossCase) -> None:
    eager, target, left = step(case)
    replayed, _, right = step(case)
    np.testing.assert_array_equal(recorded(replayed)(target), eager(target).numpy())
    np.testing.assert_array_equal(right.numpy(), left.numpy())


@every_loss
def test_a_compiled_loss_is_the_eager_one(case: LossCase) -> None:
    eager, target, left = step(case)
    compiled, _, right = step(case)
    expected = eager(target).numpy()
    np.testing.assert_allclose(ne.compile(compiled)(target).numpy(), expected, rtol=1e-5)
    np.testing.assert_allclose(right.numpy(), left.numpy(), rtol=1e-5, atol=1e-6)


MODULES = {
    nn.MSELoss: (F.mse_loss, X, T, [{}, {"reduction": "sum"}]),
    nn.QuadraticCost: (F.quadratic_cost, X, T, [{}, {"reduction": "none"}]),
    nn.L1Loss: (F.l1_loss, X, T, [{}, {"reduction": "sum"}]),
    nn.HuberLoss: (F.huber_loss, X, T, [{}, {"delta": 0.5, "reduction": "sum"}]),
    nn.SmoothL1Loss: (F.smooth_l1_loss, X, T, [{}, {"beta": 0.5}]),
    nn.CrossEntropyLoss: (
        F.cross_entropy,
        X,
        LABELS,
        [{}, {"weight": WEIGHT, "ignore_index": 1, "label_smoothing": 0.1, "reduction": "sum"}],
    ),
    nn.TokenCrossEntropyLoss: (
        F.token_cross_entropy,
        TOKENS,
        IDS,
        [{}, {"ignore_index": 1, "label_smoothing": 0.1, "reduction": "sum"}],
    ),
    nn.NLLLoss: (F.nll_loss, LOGARITHMS, LABELS, [{}, {"weight": WEIGHT, "ignore_index": 1}]),
    nn.BCELoss: (F.binary_cross_entropy, P, Q, [{}, {"reduction": "batchmean"}]),
    nn.BCEWithLogitsLoss: (
        F.binary_cross_entropy_with_logits,
        X,
        Q,
        [{}, {"pos_weight": WEIGHT, "reduction": "sum"}],
    ),
    nn.KLDivLoss: (F.kl_div, LOGARITHMS, SHARES, [{}, {"log_target": True}]),
    nn.HingeLoss: (F.hinge_loss, X, np.sign(T), [{}, {"margin": 0.5}]),
}


def test_modules_are_the_functions() -> None:
    found = {m for _, m in inspect.getmembers(nn, inspect.isclass) if issubclass(m, Loss)}
    assert found == MODULES.keys()
    for module, (function, x, target, several) in MODULES.items():
        for options in several:
            for weight in (None, np.array([1.0, 2.0, 0.0, 3.0])):
                found = module(**options)(x, target, weight)
                expected = function(x, target, sample_weight=weight, **options)
                np.testing.assert_array_equal(found.numpy(), expected.numpy())


def test_class_weights_of_modules_are_buffers() -> None:
    module = nn.CrossEntropyLoss(WEIGHT)
    assert list(module.state_dict()) == ["weight"]
    assert not list(module.parameters())


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_weights_of_samples(module: Any) -> None:
    function, x, target, _ = MODULES[module]
    weight = np.array([1.0, 2.0, 0.0, 3.0])
    each = function(x, target, reduction="none").numpy()
    spread = weight.reshape(-1, *[1] * (each.ndim - 1))
    for reduction, expected in (
        ("none", each * spread),
        ("sum", (each * spread).sum()),
        ("mean", (each * spread).sum() / np.broadcast_to(spread, each.shape).sum()),
    ):
        found = function(x, target, reduction=reduction, sample_weight=weight)
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)
    # A whole-number weight is the same as so many copies of the sample.
    copies = np.repeat(np.arange(4), weight.astype(int))
    found = function(x, target, sample_weight=weight).numpy()
    np.testing.assert_allclose(found, function(x[copies], target[copies]).numpy(), rtol=1e-12)


def test_weights_of_samples_and_of_classes_together() -> None:
    weight = np.array([1.0, 2.0, 0.0, 3.0])
    found = F.cross_entropy(X, LABELS, weight=WEIGHT, sample_weight=weight).numpy()
    each = F.cross_entropy(X, LABELS, reduction="none").numpy()
    both = weight * WEIGHT[LABELS]
    np.testing.assert_allclose(found, (each * both).sum() / both.sum(), rtol=1e-12)


ELEMENTWISE = (
    F.mse_loss,
    F.quadratic_cost,
    F.l1_loss,
    F.huber_loss,
    F.smooth_l1_loss,
    F.binary_cross_entropy,
    F.binary_cross_entropy_with_logits,
    F.kl_div,
    F.hinge_loss,
)


@pytest.mark.parametrize("loss", ELEMENTWISE, ids=lambda loss: loss.__name__)
def test_losses_do_not_broadcast(loss: Any) -> None:
    with pytest.raises(ShapeError) as caught:
        loss(np.full((4, 1), 0.5, np.float32), np.ones(4, np.float32))
    assert str(caught.value) == (
        f"{loss.__name__}: input has shape (4, 1), target (4,); losses do not broadcast, "
        "reshape one of them"
    )


@pytest.mark.parametrize("loss", ELEMENTWISE, ids=lambda loss: loss.__name__)
def test_losses_need_one_float_dtype(loss: Any) -> None:
    with pytest.raises(DTypeError, match="x is float32, target float64"):
        loss(np.full((4, 1), 0.5, np.float32), np.ones((4, 1)))
    with pytest.raises(DTypeError, match="cast it to a float"):
        loss(np.ones((4, 1), np.int64), np.ones((4, 1)))
    for target in (np.ones((4, 1), np.int64), np.ones((4, 1), np.bool_)):
        assert loss(np.full((4, 1), 0.5, np.float32), target).dtype == np.float32


def test_labels_are_checked() -> None:
    with pytest.raises(IndexOutOfRangeError) as caught:
        F.cross_entropy(X, np.array([0, 1, 3, 0]))
    assert str(caught.value) == "cross_entropy: target[2] is 3; the classes are 0…2"
    with pytest.raises(IndexOutOfRangeError, match=r"target\[0, 1, 0\] is -1; the classes are 0…2"):
        F.cross_entropy(np.zeros((1, 3, 2, 2)), np.array([[[0, 1], [-1, 0]]]))
    with pytest.raises(ShapeError, match=r"class numbers must have the shape \(4,\); cast a one-"):
        F.cross_entropy(X, np.eye(3, dtype=np.int64)[LABELS])
    with pytest.raises(ShapeError, match=r"input has shape \(4, 3\), target \(4, 1\)"):
        F.cross_entropy(X, LABELS[:, None])
    with pytest.raises(ShapeError, match=r"target \(4,\); losses do not broadcast"):
        F.cross_entropy(X, LABELS.astype(np.float64))
    with pytest.raises(DTypeError, match="target is float64"):
        F.nll_loss(X, LABELS.astype(np.float64))


def test_errors_name_the_loss_module_and_its_path() -> None:
    with pytest.raises(IndexOutOfRangeError, match=r"^CrossEntropyLoss: target\[0\] is 9"):
        nn.CrossEntropyLoss()(X, LABELS + 7)


def test_labels_are_checked_when_recorded() -> None:
    variable = ne.Variable(X)
    before = variable.numpy()

    def train(labels: Any) -> Any:
        value = F.cross_entropy(variable, labels)
        variable.assign(variable * 0)
        return value

    for wrap in (recorded, ne.compile):
        with pytest.raises(IndexOutOfRangeError, match=r"target\[2\] is 3; the classes are 0…2"):
            wrap(train)(np.array([0, 1, 3, 0]))
        np.testing.assert_array_equal(variable.numpy(), before)


def test_options_are_checked() -> None:
    with pytest.raises(ArgumentError, match="did you mean 'mean'"):
        F.mse_loss(X, T, reduction="maen")
    with pytest.raises(ArgumentError, match="reduction is one of"):
        F.cross_entropy(X, LABELS, reduction="batchmean")
    with pytest.raises(ArgumentError, match="label_smoothing is in"):
        F.cross_entropy(X, LABELS, label_smoothing=2.0)
    with pytest.raises(ArgumentError, match="delta must be positive"):
        F.huber_loss(X, T, delta=0.0)
    with pytest.raises(ArgumentError, match="beta must not be negative"):
        F.smooth_l1_loss(X, T, beta=-1.0)
    with pytest.raises(ShapeError, match=r"sample_weight has shape \(3,\), the samples \(4, 3\)"):
        F.mse_loss(X, T, sample_weight=np.ones(3))
    with pytest.raises(
        ShapeError, match=r"weight has shape \(4,\); it must be one a class, \(3,\)"
    ):
        F.cross_entropy(X, LABELS, weight=np.ones(4))
    with pytest.raises(ArgumentError, match=r"input\[1\] is 1.5; it must lie in \[0, 1\]"):
        F.binary_cross_entropy([0.5, 1.5], [0, 1])
    with pytest.raises(ArgumentError, match=r"target\[0\] is 0.0; it must be −1 or 1"):
        F.hinge_loss([0.5, 1.5], [0, 1])


def test_extremes_stay_finite() -> None:
    x = ne.asarray([1e4, -1e4, 0.0]).requires_grad_()
    loss = F.binary_cross_entropy_with_logits(x, [0, 1, 1], reduction="none")
    loss.backward(ne.ones((3,)))
    np.testing.assert_allclose(loss.numpy(), [1e4, 1e4, np.log(2)], rtol=1e-6)
    np.testing.assert_allclose(x.grad.numpy(), [1, -1, -0.5])
    p = ne.asarray([0.0, 1.0, 0.0, 1.0]).requires_grad_()
    loss = F.binary_cross_entropy(p, [0, 1, 1, 0], reduction="none")
    loss.backward(ne.ones((4,)))
    np.testing.assert_array_equal(loss.numpy(), [0, 0, 100, 100])
    assert np.isfinite(p.grad.numpy()).all()
    z = ne.asarray([[1e4, -1e4, 0.0]]).requires_grad_()
    loss = F.cross_entropy(z, [2])
    loss.backward()
    np.testing.assert_allclose(loss.numpy(), 1e4)
    np.testing.assert_array_equal(z.grad.numpy(), [[1, 0, -1]])
    masked = ne.asarray([[0.0, -np.inf, 0.0]]).requires_grad_()
    loss = F.cross_entropy(masked, [0])
    loss.backward()
    np.testing.assert_allclose(masked.grad.numpy(), [[-0.5, 0, 0.5]], rtol=1e-6)


def test_nan_flows() -> None:
    for loss in ELEMENTWISE:
        assert np.isnan(loss([np.nan, 0.5], [1, 1]).numpy()), loss


# --- numbers of the notes ---


def test_quadratic_cost_of_the_notes() -> None:
    output = [[0.9, 0.1, 0.1, 0.2, 0.1, 0.1, 0, 0, 0, 0]]
    zero = [[1.0] + [0.0] * 9]
    squares = F.mse_loss(output, zero, reduction="sum").item()
    np.testing.assert_allclose(squares, 0.09, rtol=1e-6)
    np.testing.assert_allclose(F.quadratic_cost(output, zero).item(), 0.045, rtol=1e-6)


def test_cross_entropy_of_the_xor_network() -> None:
    outputs = np.array([0.6011, 0.6201, 0.6433, 0.6568])
    loss = F.binary_cross_entropy(outputs, [0, 1, 1, 0], reduction="none").numpy()
    np.testing.assert_allclose(loss, [0.919, 0.478, 0.441, 1.069], atol=5e-4)


def test_softmax_with_cross_entropy_passes_target_minus_output_back() -> None:
    x = ne.asarray(X).requires_grad_()
    one_hot = np.eye(3)[LABELS]
    F.cross_entropy(x, one_hot, reduction="sum").backward()
    np.testing.assert_allclose(-x.grad.numpy(), one_hot - F.softmax(X, 1).numpy(), rtol=1e-12)
