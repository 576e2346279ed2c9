"""LeNet-5 with rectifiers, tanh and the logistic function: how fast each learns.

Plain stochastic gradient descent with momentum and no regularisation. Each activation gets the
initial weights that are made for it (He's for rectifiers, Glorot's for the others) and the learning
rate out of a row that brings it furthest. The comparison is that of A. Krizhevsky et al., "ImageNet
classification with deep convolutional neural networks" (2012), figure 1, on a smaller network and
easier pictures.

python examples/activations_cnn.py [PICTURE.png]     MNIST is where NEURONA_DATA names it
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neurona import data, models, nn, optim, random, train
from neurona.core.errors import NonFiniteError


@dataclass(frozen=True)
class Config:
    """rates: the learning rates that are tried. target: the training error that is waited for."""

    activations: tuple[str, ...] = ("relu", "tanh", "sigmoid")
    rates: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3)
    momentum: float = 0.9
    epochs: int = 8
    batch_size: int = 128
    samples: int = 10_000
    seeds: tuple[int, ...] = (0, 1, 2)
    target: float = 0.02
    data_dir: Path | None = None


def training_errors(
    training: data.Dataset, activation: str, rate: float, config: Config, seed: int
) -> list[float]:
    """Train a network; the share of its training digits that it gets wrong after each epoch.

    As good as guessing from the epoch on in which it diverges.
    """
    random.seed(seed)
    network = models.LeNet5(activation=activation)
    for parameter in network.parameters():
        if parameter.ndim == 1:
            nn.init.zeros(parameter)
        elif activation == "relu":
            nn.init.kaiming_normal(parameter, nonlinearity="relu")
        else:
            nn.init.xavier_normal(parameter)
    model = train.Model(network, preprocessing=train.ChannelsFirst(train.Division(255)))
    optimizer = optim.SGD(network.parameters(), rate, momentum=config.momentum)
    model.compile(optimizer, "cross_entropy", ["accuracy"])
    errors: list[float] = []
    for _ in range(config.epochs):
        try:
            model.fit(training, batch_size=config.batch_size, seed=seed, verbose=False)
        except NonFiniteError:
            break
        errors.append(1 - model.evaluate(training)["accuracy"])
    return errors + [0.9] * (config.epochs - len(errors))


def main(picture: str | None = None, config: Config | None = None) -> dict[str, Any]:
    """Print how soon each is there; draw the curves if a file is named.

    Returns for each activation its learning rate and its errors (seed, epoch).
    """
    config = config or Config()
    whole, _ = data.mnist(config.data_dir)
    share = config.samples / len(whole)
    training = data.split(whole, (share, 1 - share), stratify=whole.targets)[0]
    found = {}
    for activation in config.activations:
        tried = {
            rate: training_errors(training, activation, rate, config, config.seeds[0])
            for rate in config.rates
        }
        best = min(tried, key=lambda rate: float(np.mean(tried[rate])))
        others = [
            training_errors(training, activation, best, config, seed) for seed in config.seeds[1:]
        ]
        found[activation] = (best, np.array([tried[best], *others]))
        needed = epochs_to(found[activation][1].mean(axis=0), config.target)
        when = f"after {needed:.1f} epochs" if needed else f"not within {config.epochs} epochs"
        print(f"{activation:8} learning rate {best:<5} {config.target:.0%} training error {when}")
    if picture is not None:
        draw(found, config, Path(picture))
    return found


def epochs_to(errors: Any, target: float) -> float | None:
    """When a curve comes below the target, between two epochs by a straight line; None if never."""
    before = np.array([0.9, *errors])
    below = np.flatnonzero(before <= target)
    if not below.size:
        return None
    last = int(below[0])
    return float(last - (target - before[last]) / (before[last - 1] - before[last]))


def draw(found: dict[str, Any], config: Config, picture: Path) -> None:
    """A line an activation, the mean over seeds, in a band from the least to the largest."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    for name, (rate, errors) in found.items():
        epochs, percent = np.arange(1, errors.shape[1] + 1), 100 * errors
        (line,) = axes.plot(
            epochs, percent.mean(axis=0), marker=".", label=f"{name}, learning rate {rate:g}"
        )
        low, high = percent.min(axis=0), percent.max(axis=0)
        axes.fill_between(epochs, low, high, color=line.get_color(), alpha=0.2)
    axes.axhline(100 * config.target, color="0.5", linewidth=0.8, linestyle="--")
    axes.set(xlabel="epoch", ylabel="wrong in the training part, %", yscale="log")
    ticks = [0.01, 0.1, 1, 10, 100]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(title="LeNet-5 with")
    figure.savefig(picture, dpi=80)


if __name__ == "__main__":
    main(*sys.argv[1:2])
