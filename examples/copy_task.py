"""What a recurrent network can remember: LSTM and Elman's network on a copy task.

A few symbols are shown, then come blanks, a sign, and the symbols are to be said again. The longer
the gap, the further back the gradient must reach: in Elman's network it shrinks or grows by a
factor a step, in an LSTM the sum in the cell carries it. Three experiments: how many symbols are
right after training with growing gaps; the norm of the gradient by the step that it has come back
to; training with gradients that explode, as they are and clipped.

python examples/copy_task.py [PICTURE.png]
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

import neurona as ne
from neurona import nn, optim
from neurona.nn import functional as F


@dataclass(frozen=True, kw_only=True)
class Config:
    """copied: how many symbols are to be remembered, of `symbols` kinds.

    forget_bias: what an LSTM's forget gate begins with, so that it keeps 95 % of the cell a step.
    growth: the factor of Elman's orthogonal matrix in the experiment with exploding gradients.
    """

    symbols: int = 4
    copied: int = 2
    gaps: tuple[int, ...] = (5, 10, 20, 40, 60)
    features: int = 32
    batch_size: int = 32
    steps: int = 3000
    learning_rate: float = 0.005
    forget_bias: float = 3.0
    seeds: tuple[int, ...] = (0, 1, 2)
    growth: float = 1.5
    clipping_gap: int = 20
    clipping_steps: int = 1000
    clip_norm: float = 1.0


class Copier(nn.Module):
    """One-hot symbols (time, batch) through a recurrent layer to scores (time, batch, symbols)."""

    def __init__(self, kind: str, config: Config) -> None:
        self.inputs = config.symbols + 2  # with the blank and the sign
        self.recurrent = {"LSTM": nn.LSTM, "Elman": nn.RNN}[kind](self.inputs, config.features)
        self.head = nn.Linear(config.features, config.symbols)
        if kind == "LSTM":
            bias = self.recurrent.bias_ih_l0.numpy()
            bias[config.features : 2 * config.features] = config.forget_bias
            self.recurrent.bias_ih_l0.assign(bias)

    def forward(self, x: Any) -> Any:
        y, _ = self.recurrent(ne.one_hot(x, self.inputs))  # (time, batch, features)
        return self.head(y)  # (time, batch, symbols)


def batch(generator: np.random.Generator, gap: int, config: Config) -> tuple[Any, Any]:
    """Inputs and targets (time, batch); where nothing is to be said the target is −100."""
    symbols, copied = config.symbols, config.copied
    shown = generator.integers(0, symbols, (copied, config.batch_size))
    x = np.full((2 * copied + gap, config.batch_size), symbols)
    y = np.full_like(x, -100)
    x[:copied], x[copied + gap], y[copied + gap :] = shown, symbols + 1, shown
    return x, y


def trained(
    network: Copier,
    optimizer: optim.Optimizer,
    gap: int,
    steps: int,
    clip_norm: float,
    seed: int,
    config: Config,
) -> tuple[list[float], list[float]]:
    """The loss and the gradient's norm of every step."""

    @ne.compile
    def step(x: Any, y: Any) -> Any:
        loss = F.token_cross_entropy(network(x), y)
        loss.backward()
        norm = optim.clip_gradient_norm(optimizer.parameters, clip_norm)
        optimizer.step()
        return loss, norm

    generator = np.random.default_rng(seed)
    found = [step(*batch(generator, gap, config)) for _ in range(steps)]
    return [loss.item() for loss, _ in found], [norm.item() for _, norm in found]


def accuracy(network: Copier, gap: int, config: Config) -> float:
    """The share of symbols that are right, of new sequences; guessing has 1/symbols."""
    generator = np.random.default_rng(1000)
    score = ne.compile(network.__call__)
    right = []
    for _ in range(20):
        x, y = batch(generator, gap, config)
        found = score(x).numpy().argmax(axis=-1)
        right.append(np.mean((found == y)[y >= 0]))
    return float(np.mean(right))


def remembered(config: Config) -> dict[str, Any]:
    """The accuracy of both networks after training, (gap, seed) each."""
    found = {}
    for kind in ("LSTM", "Elman"):
        rows = []
        for gap in config.gaps:
            row = []
            for seed in config.seeds:
                ne.random.seed(seed)
                network = Copier(kind, config)
                optimizer = optim.Adam(network.parameters(), config.learning_rate)
                trained(network, optimizer, gap, config.steps, config.clip_norm, seed, config)
                row.append(accuracy(network, gap, config))
            rows.append(row)
            each = " ".join(f"{one:.3f}" for one in row)
            print(f"{kind:5} gap {gap:2}: {np.mean(row):.3f} of the symbols right ({each})")
        found[kind] = np.array(rows)
    return found


def grown(network: Copier, factor: float, seed: int) -> Copier:
    """The network with an orthogonal matrix, times a factor, from state to state."""
    weight = network.recurrent.weight_hh_l0
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=weight.shape))
    weight.assign((factor * q).astype(np.float32))
    return network


def gradient_norms(network: Copier, gap: int, config: Config) -> Any:
    """‖∂loss/∂h_t‖ of every step t, (time,), by the cell step by step."""
    layer = network.recurrent
    kind = nn.LSTMCell if isinstance(layer, nn.LSTM) else nn.RNNCell
    cell = kind(layer.input_size, layer.hidden_size)
    weights = layer.state_dict()
    cell.load_state_dict({name.removesuffix("_l0"): array for name, array in weights.items()})
    x, y = batch(np.random.default_rng(0), gap, config)
    state: Any = None
    hidden = []
    for row in ne.one_hot(x, network.inputs):
        state = cell(row, state)
        hidden.append(state[0] if isinstance(state, tuple) else state)
    loss = F.token_cross_entropy(network.head(ne.stack(hidden)), y)
    return np.array([np.linalg.norm(slope.numpy()) for slope in ne.gradients(loss, hidden)])


def norms_by_step(config: Config) -> dict[str, Any]:
    """The gradients' norms of networks before training, with the longest gap."""
    ne.random.seed(config.seeds[0])
    networks = {
        f"LSTM, forget bias {config.forget_bias:g}": Copier("LSTM", config),
        "Elman, as it begins": Copier("Elman", config),
        "Elman, orthogonal": grown(Copier("Elman", config), 1.0, 0),
        f"Elman, {config.growth:g} · orthogonal": grown(Copier("Elman", config), config.growth, 0),
    }
    gap = config.gaps[-1]
    found = {name: gradient_norms(network, gap, config) for name, network in networks.items()}
    for name, norms in found.items():
        print(f"{name:24} ‖∂loss/∂h‖ {norms[-1]:.1e} at the end, {norms[0]:.1e} at the first step")
    return found


def clipped(config: Config) -> dict[str, Any]:
    """The losses of Elman's network with exploding gradients, (seed, step) each."""
    found = {}
    for name, limit in (("not clipped", np.inf), ("clipped", config.clip_norm)):
        losses = []
        for seed in config.seeds:
            ne.random.seed(seed)
            network = grown(Copier("Elman", config), config.growth, seed)
            optimizer = optim.SGD(network.parameters(), learning_rate=0.3)
            loss, norms = trained(
                network,
                optimizer,
                config.clipping_gap,
                config.clipping_steps,
                limit,
                seed,
                config,
            )
            losses.append(loss)
            end = np.mean(loss[-100:])
            print(
                f"{name:11} seed {seed}: loss {end:.3f} at the end, largest norm {max(norms):.1f}"
            )
        found[name] = np.array(losses)
    return found


def draw(picture: str, right: Any, norms: Any, losses: Any, config: Config) -> None:
    """The three experiments side by side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 3.8), layout="constrained")
    first, second, third = figure.subplots(1, 3)
    for kind, rows in right.items():
        first.plot(config.gaps, rows.mean(axis=1), marker="o", label=kind)
        first.fill_between(config.gaps, rows.min(axis=1), rows.max(axis=1), alpha=0.2)
    first.axhline(1 / config.symbols, color="grey", linestyle=":", label="guessing")
    first.set(xlabel="gap", ylabel="symbols right", ylim=(0, 1.03), title="Remembering")
    for name, values in norms.items():
        second.semilogy(values, label=name)
    second.set(xlabel="time step t", ylabel="‖∂loss/∂h$_t$‖", title="Gradients through time")
    for name, rows in losses.items():
        smooth = np.stack([np.convolve(row, np.full(20, 0.05), "valid") for row in rows])
        (line,) = third.plot(smooth.mean(axis=0), label=name)
        third.fill_between(
            range(smooth.shape[1]),
            smooth.min(axis=0),
            smooth.max(axis=0),
            alpha=0.2,
            color=line.get_color(),
        )
    third.set(xlabel="update", ylabel="loss", title="Exploding gradients in training")
    for axes in (first, second, third):
        axes.legend()
    figure.savefig(picture, dpi=80)


def main(picture: str | None = None, config: Config | None = None) -> tuple[Any, Any, Any]:
    """Run the three experiments; returns accuracies, norms and losses."""
    config = config or Config()
    norms = norms_by_step(config)
    losses = clipped(config)
    right = remembered(config)
    if picture is not None:
        draw(picture, right, norms, losses, config)
    return right, norms, losses


if __name__ == "__main__":
    main(*sys.argv[1:2])
