"""Batch norm of maps: both derivatives against PyTorch, nearness to float64, batch sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn
from neurona.nn import functional as F

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 8, 9), (3, 2, 1, 2, 2)])
@pytest.mark.parametrize("affine", [True, False])
def test_pytorch_agrees_to_the_second_derivative(shape: tuple[int, ...], affine: bool) -> None:
    torch = pytest.importorskip("torch")
    x, factor = RNG.normal(3, 2, shape), RNG.normal(size=shape)
    learnt = [RNG.normal(size=shape[1]) for _ in range(2)] if affine else []

    def loss(ours: bool, x: Any, *learnt: Any) -> Any:
        norm = F.batch_norm if ours else torch.nn.functional.batch_norm
        y = norm(x, None, None, *learnt, training=True)
        return ne.sum((y**3 + y) * factor) if ours else ((y**3 + y) * torch.tensor(factor)).sum()

    places = tuple(range(1 + len(learnt)))
    first = ne.grad(lambda *given: loss(True, *given), places)
    theirs = [torch.tensor(a, requires_grad=True) for a in (x, *learnt)]
    wanted = torch.autograd.grad(loss(False, *theirs), theirs, create_graph=True)
    for found, known in zip(first(x, *learnt), wanted, strict=True):
        np.testing.assert_allclose(found.numpy(), known.detach().numpy(), rtol=1e-9, atol=1e-9)
    twice = ne.grad(lambda *given: sum(ne.sum(g**2) for g in first(*given)), places)
    wanted = torch.autograd.grad(sum((g**2).sum() for g in wanted), theirs)
    for found, known in zip(twice(x, *learnt), wanted, strict=True):
        np.testing.assert_allclose(found.numpy(), known.numpy(), rtol=1e-7, atol=1e-6)


@pytest.mark.parametrize("wrap", [lambda f: f, ne.compile])
@pytest.mark.parametrize("mean", [0.0, 1000.0])
def test_the_statistics_of_maps_are_near_those_in_float64(wrap: Any, mean: float) -> None:
    """One reading of x loses no digits, however far from 0 the values lie."""
    x = RNG.normal(mean, 1.0, (16, 2, 40, 40)).astype(np.float32)
    layer = nn.BatchNorm2d(2, momentum=1.0)
    y = np.asarray(wrap(lambda x: layer(x))(x))
    wide = x.astype(np.float64)
    axes = (0, 2, 3)
    np.testing.assert_allclose(layer.running_mean.numpy(), wide.mean(axes), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(layer.running_var.numpy(), wide.var(axes, ddof=1), rtol=3e-6)
    exact = (wide - wide.mean(axes, keepdims=True)) / np.sqrt(wide.var(axes, keepdims=True) + 1e-5)
    np.testing.assert_allclose(y, exact, rtol=1e-5, atol=2e-7 * max(mean, 10))


def test_a_constant_map_becomes_zero() -> None:
    y = nn.BatchNorm2d(1)(np.full((2, 1, 8, 8), 1e4, np.float32)).numpy()
    np.testing.assert_allclose(y, 0, atol=1e-3)


def test_one_program_trains_on_all_batches() -> None:
    eager, other = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
    run = ne.compile(lambda x: ne.grad(lambda x: ne.sum(other(x) ** 3))(x))
    for batch in (4, 6, 3):
        x = RNG.normal(size=(batch, 3, 8, 8)).astype(np.float32)
        expected = ne.grad(lambda x: ne.sum(eager(x) ** 3))(x)
        np.testing.assert_allclose(run(x), expected.numpy(), rtol=1e-4, atol=1e-4)
    assert len({id(entry.program) for several in run.entries.values() for entry in several}) == 2
    for name, array in eager.state_dict().items():
        np.testing.assert_allclose(other.state_dict()[name], array, rtol=1e-5, err_msg=name)
