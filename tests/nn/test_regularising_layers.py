"""Dropout, normalisation, embedding, skip blocks, shapes: what the generic tests leave out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn
from neurona.core.errors import ArgumentError, DTypeError, IndexOutOfRangeError, ShapeError
from neurona.nn import functional as F
from tests.nn.replay import recorded

# --- dropout ---


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_mean(p: float) -> None:
    count = 200_000
    layer = nn.Dropout(p, generator=ne.random.Generator(5))
    output = layer(np.ones(count, np.float32)).numpy()
    np.testing.assert_allclose(np.unique(output), [0, 1 / (1 - p)], rtol=1e-6)
    share = (output == 0).mean()
    assert abs(share - p) < 5 * np.sqrt(p * (1 - p) / count)


def test_dropout_at_the_ends() -> None:
    x = ne.asarray([1.0, -2.0]).requires_grad_()
    np.testing.assert_array_equal(nn.Dropout(0.0)(x).numpy(), [1, -2])
    gone = nn.Dropout(1.0)(x)
    ne.sum(gone).backward()
    np.testing.assert_array_equal(gone.numpy(), [0, 0])
    np.testing.assert_array_equal(x.grad.numpy(), [0, 0])
    for p in (-0.1, 1.1, float("nan")):
        with pytest.raises(ArgumentError, match=r"Dropout: p is a probability in \[0, 1\]"):
            nn.Dropout(p)


def test_the_gradient_of_dropout_has_the_same_mask() -> None:
    x = ne.asarray(np.ones(1000, np.float32)).requires_grad_()
    output = nn.Dropout(0.5)(x)
    ne.sum(output).backward()
    np.testing.assert_array_equal(x.grad.numpy(), output.numpy())


@pytest.mark.parametrize("wrap", [lambda f: f, recorded, ne.compile])
def test_dropout_draws_anew_and_repeats_from_the_seed(wrap: Any) -> None:
    generator = ne.random.Generator(3)
    layer = nn.Dropout(0.5, generator=generator)
    run = wrap(lambda x: layer(x))
    x = np.ones(64, np.float32)
    first, second = np.asarray(run(x)), np.asarray(run(x))
    assert (first != second).any()
    generator.seed(3)
    np.testing.assert_array_equal(np.asarray(run(x)), first)
    generator.seed(3)
    np.testing.assert_array_equal(layer(x).numpy(), first)


def test_a_mask_of_one_generator_ignores_the_other() -> None:
    x = np.ones(64, np.float32)
    ne.random.seed(1)
    first = nn.Dropout()(x).numpy()
    ne.random.seed(1)
    nn.Dropout(generator=ne.random.Generator(9))(x)
    np.testing.assert_array_equal(nn.Dropout()(x).numpy(), first)


# --- batch norm ---


def test_batch_norm_follows_the_batches() -> None:
    layer = nn.BatchNorm1d(2, momentum=None).astype(ne.float64)
    batches = [np.sin(np.arange(8.0) + i).reshape(4, 2) for i in range(3)]
    for x in batches:
        layer(x)
    np.testing.assert_allclose(
        layer.running_mean.numpy(), np.mean([x.mean(0) for x in batches], axis=0), rtol=1e-14
    )
    np.testing.assert_allclose(
        layer.running_var.numpy(), np.mean([x.var(0, ddof=1) for x in batches], axis=0), rtol=1e-14
    )
    assert layer.num_batches_tracked.numpy() == 3
    layer.eval()(batches[0])
    assert layer.num_batches_tracked.numpy() == 3


@pytest.mark.parametrize("wrap", [recorded, ne.compile])
@pytest.mark.parametrize("momentum", [0.1, None])
def test_recorded_batch_norm_moves_its_statistics(wrap: Any, momentum: Any) -> None:
    eager, other = (nn.BatchNorm1d(3, momentum=momentum) for _ in range(2))
    run = wrap(lambda x: other(x))
    for i in range(3):
        x = np.sin(np.arange(15.0) + i).reshape(5, 3).astype(np.float32)
        np.testing.assert_allclose(np.asarray(run(x)), eager(x).numpy(), rtol=1e-5, atol=1e-6)
    for name, array in eager.state_dict().items():
        np.testing.assert_allclose(other.state_dict()[name], array, rtol=1e-6, err_msg=name)


def test_one_compiled_function_serves_both_modes() -> None:
    layer = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5))
    run = ne.compile(lambda x: layer(x))
    x = np.sin(np.arange(15.0)).reshape(5, 3).astype(np.float32)
    trained = np.asarray(run(x))
    layer.eval()
    evaluated = np.asarray(run(x))
    np.testing.assert_allclose(evaluated, layer(x).numpy(), rtol=1e-5, atol=1e-6)
    layer.train()
    assert (np.asarray(run(x)) == 0).any()
    assert (trained == 0).any()
    assert not (evaluated == 0).any()


@pytest.mark.parametrize("layer", [nn.BatchNorm1d(3, correction=1), nn.LayerNorm(3, correction=1)])
def test_the_variance_may_divide_by_n_minus_one(layer: Any) -> None:
    layer = layer.astype(ne.float64)
    x = np.sin(np.arange(15.0)).reshape(5, 3)
    axis = 0 if isinstance(layer, nn.BatchNorm1d) else 1
    variance = x.var(axis, ddof=1, keepdims=True)
    expected = (x - x.mean(axis, keepdims=True)) / np.sqrt(variance + 1e-5)
    np.testing.assert_allclose(layer(x).numpy(), expected, rtol=1e-12)


def test_batch_norm_refuses_what_has_no_variance() -> None:
    with pytest.raises(ShapeError, match=r"x \(1, 3\) has 1 value a channel.*or eval\(\)"):
        nn.BatchNorm1d(3)(np.ones((1, 3), np.float32))
    assert nn.BatchNorm1d(3).eval()(np.ones((1, 3), np.float32)).shape == (1, 3)
    with pytest.raises(ShapeError, match=r"x \(5, 4\) must be .* with 3 channels"):
        nn.BatchNorm1d(3)(np.ones((5, 4), np.float32))
    with pytest.raises(ShapeError, match=r"x \(5, 3, 2, 2\) must be"):
        nn.BatchNorm1d(3)(np.ones((5, 3, 2, 2), np.float32))
    with pytest.raises(DTypeError, match="x is float64, weight float32"):
        nn.BatchNorm1d(3)(np.ones((5, 3)))


def test_a_refused_batch_leaves_the_statistics_as_they_were() -> None:
    layer = nn.BatchNorm1d(3)
    before = layer.state_dict()
    with pytest.raises(ShapeError):
        layer(np.ones((1, 3), np.float32))
    for name, array in layer.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize("dtype", [ne.float16, ne.bfloat16], ids=str)
def test_half_floats_are_normalised_in_float32(dtype: Any) -> None:
    x = (1000 + np.sin(np.arange(64.0))).reshape(16, 4).astype(dtype)
    wide = x.astype(np.float32)
    for half, layer in (
        (nn.LayerNorm(4, elementwise_affine=False), nn.LayerNorm(4, elementwise_affine=False)),
        (nn.BatchNorm1d(4).astype(dtype), nn.BatchNorm1d(4)),
    ):
        np.testing.assert_array_equal(half(x).numpy(), layer(wide).numpy().astype(dtype))


# --- layer norm ---


def test_layer_norm_checks_its_shape() -> None:
    with pytest.raises(ShapeError, match=r"the last axes of x \(2, 3\) must be normalized_shape"):
        nn.LayerNorm(4)(np.ones((2, 3), np.float32))
    with pytest.raises(ShapeError, match="at least one axis"):
        nn.LayerNorm(())
    with pytest.raises(DTypeError, match="RMSNorm: x is float64, weight float32"):
        nn.RMSNorm(3)(np.ones((2, 3)))


# --- embedding ---


def test_embedding_starts_with_a_zero_padding_row_that_is_not_learnt() -> None:
    layer = nn.Embedding(6, 3, padding_idx=2)
    assert not layer.weight.numpy()[2].any()
    assert layer.weight.numpy()[[0, 1, 3, 4, 5]].all()
    ne.sum(layer(np.array([2, 1, 1]))).backward()
    np.testing.assert_array_equal(layer.weight.grad.numpy()[:, 0], [0, 2, 0, 0, 0, 0])


def test_embedding_checks_its_indices() -> None:
    layer = nn.Embedding(6, 3)
    with pytest.raises(IndexOutOfRangeError) as caught:
        layer(np.array([[0, 5], [6, 1]]))
    assert str(caught.value) == "Embedding: x[1, 0] is 6; the rows are 0…5"
    with pytest.raises(IndexOutOfRangeError, match=r"x\[0\] is -1"):
        layer(np.array([-1]))
    with pytest.raises(IndexOutOfRangeError, match=r"Embedding: x\[1\] is 6; the rows are 0…5"):
        ne.compile(lambda x: layer(x))(np.array([0, 6]))
    with pytest.raises(DTypeError, match="must be integer"):
        layer(np.ones(2, np.float32))
    with pytest.raises(ArgumentError, match="padding_idx 6 is out of range"):
        nn.Embedding(6, 3, padding_idx=6)
    with pytest.raises(ArgumentError, match=r"padding_idx 1\.5 is out of range"):
        nn.Embedding(6, 3, padding_idx=1.5)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"in \[0, 1\], not 'half'"):
        nn.LSTM(6, 3, dropout="half")  # type: ignore[arg-type]


# --- shapes, skips, linear ---


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(ShapeError, match="start_dim 2 comes after end_dim 0"):
        nn.Flatten(2, 0)(np.ones((2, 3, 4)))
    with pytest.raises(ShapeError, match=r"axis 1 of x \(2, 12\) has 12 elements, which do not"):
        nn.Unflatten(1, (5, -1))(np.ones((2, 12)))
    with pytest.raises(ShapeError, match=r"Flatten '0': axis 4"):
        nn.Sequential(nn.Flatten(4))(np.ones((2, 12)))


def test_skips_do_not_broadcast() -> None:
    with pytest.raises(ShapeError, match=r"the block gives shape \(5, 1\), the shortcut \(5, 4\)"):
        nn.Residual(nn.Linear(4, 1))(np.ones((5, 4), np.float32))
    with pytest.raises(ShapeError, match="give a shortcut that projects"):
        nn.Product(nn.Linear(4, 1))(np.ones((5, 4), np.float32))
    with pytest.raises(ShapeError, match="all axes but 0 must be equal"):
        nn.Concat(nn.Linear(4, 1), dim=0)(np.ones((5, 4), np.float32))


def test_the_gradient_passes_a_dead_block() -> None:
    x = ne.asarray(-np.ones(3, np.float32)).requires_grad_()
    ne.sum(nn.Residual(nn.ReLU())(x)).backward()
    np.testing.assert_array_equal(x.grad.numpy(), [1, 1, 1])


def test_linear_refuses_what_does_not_fit() -> None:
    for in_features in (0, -1, 2.0, True, "3"):
        with pytest.raises(ArgumentError, match="in_features must be a positive whole number"):
            nn.Linear(in_features, 2)
    with pytest.raises(DTypeError, match="float dtype, not int32"):
        nn.Linear(2, 2, dtype=ne.int32)
    with pytest.raises(DTypeError, match="Linear: x is int64; cast it to a float"):
        nn.Linear(2, 2)(np.ones((1, 2), np.int64))
    with pytest.raises(ShapeError, match=r"last axis of x \(\) must be in_features 2"):
        nn.Linear(2, 2)(np.float32(1))
    with pytest.raises(ShapeError, match=r"bias \(3,\) must be \(out_features,\) \(2,\)"):
        F.linear(np.ones(4), np.ones((2, 4)), np.ones(3))
    with pytest.raises(ShapeError, match=r"x1 \(5, 2\) and x2 \(4, 3\) must be"):
        nn.Bilinear(2, 3, 1)(np.ones((5, 2), np.float32), np.ones((4, 3), np.float32))


def test_an_empty_batch_passes() -> None:
    model = nn.Sequential(
        nn.Linear(3, 4), nn.ReLU(), nn.LayerNorm(4), nn.Dropout(), nn.Linear(4, 2)
    )
    assert model(np.ones((0, 3), np.float32)).shape == (0, 2)


def test_batch_norm_may_stand_before_or_after_the_activation() -> None:
    before = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU())
    after = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.BatchNorm1d(3))
    x = np.sin(np.arange(40.0)).reshape(10, 4).astype(np.float32)
    assert before(x).numpy().min() == 0
    np.testing.assert_allclose(after(x).numpy().mean(0), 0, atol=1e-6)
