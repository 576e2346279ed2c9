"""The same network in PyTorch and here, from the same weights: the same losses, step by step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import interop, nn, optim, random

STEPS = 20
OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "momentum": ("SGD", {"momentum": 0.9}),
    "Nesterov": ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    "Adam": ("Adam", {}),
    "AdamW": ("AdamW", {"weight_decay": 0.05}),
}


def mlp(nn: Any) -> Any:
    """The network in the words that PyTorch and Neurona share."""
    return nn.Sequential(
        nn.Linear(12, 16, bias=False),  # before batch norm its gradient is rounding alone
        nn.BatchNorm1d(16),
        nn.ReLU(),
        nn.Dropout(0.0),
        nn.Linear(16, 8),
        nn.Tanh(),
        nn.Linear(8, 3),
    )


@pytest.fixture(scope="module")
def batches() -> list[tuple[np.ndarray, np.ndarray]]:
    generator = np.random.default_rng(3)
    x = generator.normal(size=(STEPS, 10, 12)).astype(np.float32)
    return list(zip(x, (x[..., :3] + x[..., 3:6]).argmax(-1), strict=True))


def losses_here(
    network: nn.Module, kind: str, options: dict[str, Any], batches: Any
) -> list[float]:
    optimizer = getattr(optim, kind)(network.parameters(), learning_rate=0.01, **options)

    @ne.compile
    def step(x: ne.Tensor, y: ne.Tensor) -> ne.Tensor:
        loss = nn.functional.cross_entropy(network(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return [float(step(ne.asarray(x), ne.asarray(y))) for x, y in batches]


def losses_there(network: Any, kind: str, options: dict[str, Any], batches: Any) -> list[float]:
    import torch

    optimizer = getattr(torch.optim, kind)(network.parameters(), lr=0.01, **options)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(torch.tensor(x)), torch.tensor(y))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_from_a_checkpoint_of_pytorch(name: str, batches: Any, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    kind, options = OPTIMIZERS[name]
    torch.manual_seed(1)
    theirs, ours = mlp(torch.nn), mlp(nn)
    torch.save(theirs.state_dict(), tmp_path / "start.pt")
    ours.load_state_dict(interop.load_torch(tmp_path / "start.pt"))
    there = losses_there(theirs, kind, options, batches)
    here = losses_here(ours, kind, options, batches)
    np.testing.assert_allclose(here, there, rtol=1e-5)
    assert there[-1] < there[0]

    # What was learnt here goes on there.
    interop.save_torch(tmp_path / "learnt.pt", ours)
    learnt = torch.load(tmp_path / "learnt.pt", weights_only=True)
    for path, tensor in theirs.state_dict().items():
        np.testing.assert_allclose(learnt[path].numpy(), tensor.numpy(), rtol=1e-4, atol=1e-6)
    theirs.load_state_dict(learnt)
    x = batches[0][0]
    np.testing.assert_allclose(
        ours.eval()(ne.asarray(x)).numpy(),
        theirs.eval()(torch.tensor(x)).detach().numpy(),
        rtol=1e-5,
        atol=1e-6,
    )


def test_from_weights_of_neurona_by_safetensors(batches: Any, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    import torch
    from safetensors.torch import load_file, save_file

    random.seed(4)
    theirs, ours = mlp(torch.nn), mlp(nn)
    interop.save_safetensors(tmp_path / "start.safetensors", ours)
    theirs.load_state_dict(load_file(tmp_path / "start.safetensors"))
    there = losses_there(theirs, "Adam", {}, batches)
    np.testing.assert_allclose(losses_here(ours, "Adam", {}, batches), there, rtol=1e-5)

    # What was learnt there goes on here.
    save_file(theirs.state_dict(), tmp_path / "learnt.safetensors")
    ours.load_state_dict(interop.load_safetensors(tmp_path / "learnt.safetensors"))
    for path, tensor in theirs.state_dict().items():
        np.testing.assert_array_equal(ours.state_dict()[path], tensor.numpy())
