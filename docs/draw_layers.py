"""Draws the pictures of `activations.md`, `layers.md` and `losses.md`.

python docs/draw_layers.py [FOLDER]     (by default the folder of this file)
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

import neurona as ne
from neurona import nn

matplotlib.use("Agg")
matplotlib.rcParams.update(
    {"svg.hashsalt": "neurona", "svg.fonttype": "none", "font.size": 9, "axes.titlesize": 9}
)
from matplotlib import pyplot as plt  # noqa: E402 (the backend must be chosen before)
from matplotlib.figure import Figure  # noqa: E402

F = nn.functional
BLUE, ORANGE = "tab:blue", "tab:orange"


def save(figure: Figure, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def derivative(function: Callable[[Any], Any], x: Any) -> Any:
    z = ne.asarray(x).requires_grad_()
    y = function(z)
    if not y.requires_grad:
        return np.zeros_like(x)
    ne.sum(y).backward()
    assert z.grad is not None
    return z.grad.numpy()


# --- activations ---

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "step": F.step,
    "sign": F.sign,
    "linear": lambda z: z * 1.0,
    "sigmoid": F.sigmoid,
    "tanh": F.tanh,
    "softsign (fast)": F.softsign,
    "hardtanh": F.hardtanh,
    "hardsigmoid": F.hardsigmoid,
    "ReLU": F.relu,
    "ReLU6": F.relu6,
    "leaky ReLU, 0.1": lambda z: F.leaky_relu(z, 0.1),
    "ELU": F.elu,
    "SELU": F.selu,
    "GELU": F.gelu,
    "SiLU": F.silu,
    "mish": F.mish,
    "softplus": F.softplus,
    "hardswish": F.hardswish,
    "log sigmoid": F.logsigmoid,
    "maxout(−z, z/2)": lambda z: F.maxout(ne.stack([-z, z / 2], axis=-1))[:, 0],
}


def draw_activations(path: Path) -> None:
    x = np.linspace(-4, 4, 802)
    figure, axes = plt.subplots(4, 5, figsize=(10, 7.2), sharex=True, layout="constrained")
    for axis, (name, function) in zip(axes.flat, ACTIVATIONS.items(), strict=True):
        axis.axhline(0, color="0.85", lw=0.8)
        axis.axvline(0, color="0.85", lw=0.8)
        axis.plot(x, function(ne.asarray(x)).numpy(), BLUE)
        axis.plot(x, derivative(function, x), ORANGE, ls="--", lw=1.2)
        axis.set(title=name, ylim=(-2.2, 3.2), xticks=(-4, 0, 4), yticks=(-1, 0, 1, 2))
    save(figure, path)


# --- losses ---


def draw_losses(path: Path) -> None:
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
    error = np.linspace(-3, 3, 601)
    nil = np.zeros_like(error)
    for name, function in {
        "squared": F.mse_loss,
        "½ squared": lambda *a, **k: F.mse_loss(*a, **k) / 2,
        "absolute": F.l1_loss,
        "Huber, δ = 1": F.huber_loss,
        "smooth L1, β = 0.5": lambda *a, **k: F.smooth_l1_loss(*a, beta=0.5, **k),
    }.items():
        left.plot(error, function(error, nil, reduction="none").numpy(), label=name)
    left.set(title="numbers", xlabel="error y − t", ylim=(0, 3))
    p = np.linspace(0.001, 0.999, 500)
    for name, target in (("target 1", 1.0), ("target 0", 0.0), ("target 0.7", 0.7)):
        loss = F.binary_cross_entropy(p, np.full_like(p, target), reduction="none")
        middle.plot(p, loss.numpy(), label=f"cross-entropy, {name}")
    middle.plot(p, (p - 1) ** 2, "0.5", ls="--", label="squared, target 1")
    middle.set(title="a probability", xlabel="p", ylim=(0, 4))
    z = np.linspace(-4, 4, 500)
    one = np.ones_like(z)
    right.plot(z, F.hinge_loss(z, one, reduction="none").numpy(), label="hinge")
    logistic = F.binary_cross_entropy_with_logits(z, one, reduction="none").numpy()
    right.plot(z, logistic, label="cross-entropy")
    right.plot(z, (z < 0).astype(float), "0.5", ls="--", label="wrong (0 or 1)")
    right.set(title="a score for the right class", xlabel="score", ylim=(0, 4))
    for axis in (left, middle, right):
        axis.legend(fontsize=7)
    save(figure, path)


# --- layers ---


def deviations(activation: str, fill: Callable[[Any], Any], depth: int) -> list[float]:
    """The standard deviation after each layer of a deep network."""
    ne.random.seed(1)
    x = ne.random.normal((256, 256))
    found = []
    for _ in range(depth):
        layer = nn.Linear(256, 256, bias=False)
        fill(layer.weight)
        x = getattr(F, activation)(layer(x))
        found.append(float(x.numpy().std()))
    return found


def first_gradient(depth: int, skip: bool) -> float:
    """The norm of the gradient of the first weights, by that of the last."""
    ne.random.seed(2)
    layers = [nn.Sequential(nn.Linear(64, 64), nn.Sigmoid()) for _ in range(depth)]
    model = nn.Sequential(*[nn.Residual(layer) if skip else layer for layer in layers])
    ne.sum(model(ne.random.normal((32, 64)))).backward()
    norms = []
    for layer in (layers[0], layers[-1]):
        gradient = next(layer.parameters()).grad
        assert gradient is not None
        norms.append(float(np.linalg.norm(gradient.numpy())))
    return norms[0] / norms[1]


def draw_layers(path: Path) -> None:
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(10.5, 3.2), layout="constrained")
    ne.random.seed(0)
    scale = np.array([0.3, 1.0, 3.0], np.float32)
    x = ne.random.normal((2000, 3)) * scale + 2 * scale
    for i, (name, values) in enumerate(
        (("input", x), ("batch norm", nn.BatchNorm1d(3)(x)), ("layer norm", nn.LayerNorm(3)(x)))
    ):
        parts = left.violinplot(values.numpy(), positions=np.arange(3) * 4 + i, widths=0.9)
        left.plot([], [], color=parts["cbars"].get_color()[0], label=name)
    left.set(title="three features, normalised", xticks=(1, 5, 9), xticklabels=("1", "2", "3"))
    left.set(xlabel="feature")
    left.legend(fontsize=7)
    depth = 12
    for name, activation, fill in (
        ("N(0, 0.01²), tanh", "tanh", nn.init.normal),
        ("Xavier, tanh", "tanh", nn.init.xavier_normal),
        ("Xavier, ReLU", "relu", nn.init.xavier_normal),
        ("He, ReLU", "relu", nn.init.kaiming_normal),
        ("LeCun, SELU", "selu", nn.init.lecun_normal),
    ):
        middle.semilogy(range(1, depth + 1), deviations(activation, fill, depth), label=name)
    middle.set(title="standard deviation after each layer", xlabel="layer", ylim=(1e-4, 3))
    middle.legend(fontsize=7)
    depths = [2, 4, 8, 16, 24]
    for name, skip in (("plain", False), ("residual", True)):
        values = [first_gradient(depth, skip) for depth in depths]
        right.semilogy(depths, values, marker="o", label=name)
    right.set(title="gradient of the first layer ÷ last (sigmoid)", xlabel="layers")
    right.legend(fontsize=7)
    save(figure, path)


def main(folder: Path) -> None:
    for name, draw in (
        ("activations", draw_activations),
        ("losses", draw_losses),
        ("layers", draw_layers),
    ):
        draw(folder / f"{name}.svg")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent)
