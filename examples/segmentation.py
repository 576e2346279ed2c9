"""Which pixel belongs to which digit: an FCN and a U-Net on canvases of several digits.

The digits are MNIST's where NEURONA_DATA names a folder with it, else those that come with
Neurona. Each network learns from canvases made on the fly and is measured on others, of digits that
it has never seen, with several seeds; a picture shows what the U-Net makes of them.

python examples/segmentation.py [PICTURE.png]
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import neurona as ne
from neurona import data, models, nn, optim, train
from neurona.core.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Config:
    """canvases: of an epoch; each epoch has others.

    background: the weight in the loss of the background's pixels, which are most of the canvas.
    """

    epochs: int = 10
    canvases: int = 1280
    test_canvases: int = 500
    size: tuple[int, int] = (48, 48)
    count: tuple[int, int] = (1, 3)
    side: tuple[int, int] = (16, 28)
    widths: tuple[int, ...] = (16, 32, 64, 128)
    batch_size: int = 16
    learning_rate: float = 0.005
    background: float = 0.2
    seeds: tuple[int, ...] = (0, 1, 2)


NETWORKS = {"FCN": models.FCN, "U-Net": models.UNet}


def digits() -> tuple[data.Dataset, data.Dataset]:
    """Digits to learn from and others to test on."""
    try:
        return data.mnist()
    except DataError:
        embedded = data.digits()
        training, test = data.split(embedded, (0.8, 0.2), stratify=embedded.targets)
        return training, test


def canvases_of(digits: data.Dataset, samples: int, config: Config) -> data.DigitCanvases:
    """Canvases with the class of each pixel."""
    return data.DigitCanvases(
        digits,
        samples,
        task="segmentation",
        size=config.size,
        count=config.count,
        side=config.side,
    )


def learn(kind: Any, canvases: data.DigitCanvases, seed: int, config: Config) -> train.Model:
    """A network trained on canvases, every epoch on new ones."""
    classes = len(canvases.classes)
    ne.random.seed(seed)
    network = kind(num_classes=classes, widths=config.widths)
    weight = np.array([config.background] + [1.0] * (classes - 1), np.float32)
    model = train.Model(network, classes=canvases.classes)
    model.compile(
        optim.Adam(network.parameters(), config.learning_rate),
        nn.CrossEntropyLoss(weight=weight),
        ["accuracy", "mean_iou"],
        schedule=optim.schedules.OneCycle(epochs=config.epochs),
    )
    loader = data.StreamLoader(canvases, batch_size=config.batch_size, seed=seed, workers=1)
    with loader:
        model.fit(loader, epochs=config.epochs, verbose=False)
    return model


def draw(model: train.Model, test: data.DigitCanvases, picture: Path) -> None:
    """Canvases, the true class of each pixel, and the predicted one."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

    images, classes = test.read_batch(np.arange(8))
    rows = images[:, 0], classes, model.predict(images).argmax(axis=1)
    colours = ListedColormap(["black", *colormaps["tab10"].colors])
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    for of_row, row, name in zip(
        figure.subplots(3, 8), rows, ("canvas", "true", "predicted"), strict=True
    ):
        of_row[0].set_ylabel(name)
        looks = {"cmap": "gray", "vmax": 1} if name == "canvas" else {"cmap": colours, "vmax": 10}
        for axes, one in zip(of_row, row, strict=True):
            axes.imshow(one, vmin=0, interpolation="nearest", **looks)
            axes.set(xticks=[], yticks=[])
    figure.savefig(picture, dpi=80)


def main(picture: str | None = None, config: Config | None = None) -> dict[str, list[float]]:
    """Print the mean IoU of each network and seed; returns them."""
    config = config or Config()
    of_training, unseen = digits()
    canvases = canvases_of(of_training, config.canvases, config)
    test = canvases_of(unseen, config.test_canvases, config)
    found: dict[str, list[float]] = {}
    for name, kind in NETWORKS.items():
        for seed in config.seeds:
            start = time.perf_counter()
            model = learn(kind, canvases, seed, config)
            seconds = time.perf_counter() - start
            loader = data.StreamLoader(test, batch_size=50, shuffle=False, seed=1000, workers=1)
            with loader:
                scores = model.evaluate(loader)
            print(
                f"{name:6} seed {seed}  mean IoU {scores['mean_iou']:.3f}  "
                f"pixel accuracy {scores['accuracy']:.4f}  in {seconds:.0f} s",
                flush=True,
            )
            found.setdefault(name, []).append(scores["mean_iou"])
            if picture is not None and seed == config.seeds[0]:
                draw(model, test, Path(picture))
        each = found[name]
        print(f"{name:6} mean IoU {np.mean(each):.3f} ± {np.std(each):.3f} on {test!r}")
    return found


if __name__ == "__main__":
    main(*sys.argv[1:2])
