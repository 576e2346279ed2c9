"""LeNet-5 on half of MNIST, with and without augmentation, and on all of it.

What a network makes of pictures it has never seen, epoch by epoch, the mean of several seeds and
their spread. Augmented digits are turned, moved, stretched and sheared a little, other ones in
every epoch.

python examples/augmentation.py [PICTURE.png]     MNIST is where NEURONA_DATA names it
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from neurona import data, models, optim, random, train
from neurona.data import augmentation


@dataclass(frozen=True)
class Config:
    """How each network is trained; seeds: of initial weights, order and augmentation."""

    epochs: int = 8
    batch_size: int = 128
    learning_rate: float = 3e-3
    samples: int = 30_000
    seeds: tuple[int, ...] = (0, 1, 2)
    data_dir: Path | None = None
    transforms: tuple[augmentation.Transform, ...] = field(
        default=(
            augmentation.Rotate(12),
            augmentation.Translate(0.08),
            augmentation.Stretch(0.12, 0.1),
            augmentation.Shear(10),
        )
    )


def test_errors(served: data.Batches, test: data.Dataset, config: Config, seed: int) -> list[float]:
    """Train a network; the share of the test digits that it gets wrong after each epoch."""
    random.seed(seed)
    network = models.LeNet5()
    model = train.Model(network, preprocessing=train.ChannelsFirst(train.Division(255)))
    schedule = optim.make_schedule({"name": "cosine", "epochs": config.epochs, "warm_up": 200})
    optimizer = optim.Adam(network.parameters(), config.learning_rate)
    loss = {"name": "cross_entropy", "label_smoothing": 0.1}
    model.compile(optimizer, loss, ["accuracy"], schedule=schedule)
    errors = []
    for _ in range(config.epochs):
        model.fit(served, verbose=False)
        errors.append(1 - model.evaluate(test)["accuracy"])
    return errors


def main(picture: str | None = None, config: Config | None = None) -> dict[str, Any]:
    """Print what becomes of each; draw the curves if a file is named. Returns (seed, epoch)."""
    config = config or Config()
    whole, test = data.mnist(config.data_dir)
    half = data.split(whole, (config.samples / len(whole), 1 - config.samples / len(whole)))[0]
    sets: dict[str, data.Source] = {
        f"{len(half):,} digits": data.augment(half, []),
        f"{len(half):,} digits, augmented": data.augment(half, config.transforms),
        f"{len(whole):,} digits": data.augment(whole, []),
    }
    found = {}
    for name, source in sets.items():
        runs = []
        for seed in config.seeds:
            options: Any = {"batch_size": config.batch_size, "seed": seed, "workers": 2}
            with data.StreamLoader(source, **options) as served:
                runs.append(test_errors(served, test, config, seed))
        found[name] = np.array(runs)
        last = 100 * found[name][:, -1]
        spread = f"{last.min():.2f}…{last.max():.2f}"
        print(f"{name:26} wrong in the test: {np.median(last):.2f} % ({spread})")
    if picture is not None:
        draw(found, Path(picture))
    return found


def draw(found: dict[str, Any], picture: Path) -> None:
    """A line a training set, the mean over seeds, in a band from the least to the largest."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    for name, errors in found.items():
        epochs, percent = np.arange(1, errors.shape[1] + 1), 100 * errors
        (line,) = axes.plot(epochs, percent.mean(axis=0), marker=".", label=name)
        axes.fill_between(
            epochs, percent.min(axis=0), percent.max(axis=0), color=line.get_color(), alpha=0.2
        )
    axes.set(xlabel="epoch", ylabel="wrong in the test part, %", yscale="log")
    ticks = [0.5, 0.7, 1, 1.5, 2, 3, 5]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(title="LeNet-5 learns from")
    figure.savefig(picture, dpi=80)


if __name__ == "__main__":
    main(*sys.argv[1:2])
