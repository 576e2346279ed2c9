"""Where is which digit: a single-shot detector on canvases of several digits.

The digits are MNIST's where NEURONA_DATA names a folder with it, else those that come with
Neurona. The network learns from canvases made on the fly and is measured on others, of digits that
it has never seen, with several seeds; a picture shows what it finds.

python examples/detection.py [PICTURE.png]
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import neurona as ne
from neurona import data, models, optim, train
from neurona.core.errors import DataError
from neurona.models.detector import DetectionLoss
from neurona.nn import functional as F


@dataclass(frozen=True, kw_only=True)
class Config:
    """canvases: of an epoch; each epoch has others.

    box_weight: of the boxes' places against their classes in the loss.
    """

    epochs: int = 16
    canvases: int = 1280
    test_canvases: int = 500
    batch_size: int = 16
    learning_rate: float = 0.005
    box_weight: float = 1.0
    seeds: tuple[int, ...] = (0, 1, 2)


def digits() -> tuple[data.Dataset, data.Dataset]:
    """Digits to learn from and others to test on."""
    try:
        return data.mnist()
    except DataError:
        embedded = data.digits()
        training, test = data.split(embedded, (0.8, 0.2), stratify=embedded.targets)
        return training, test


def learn(canvases: data.DigitCanvases, seed: int, config: Config) -> models.SingleShotDetector:
    """A detector trained on canvases, every epoch on new ones."""
    ne.random.seed(seed)
    network = models.SingleShotDetector(num_classes=len(canvases.classes))
    model = train.Model(network, classes=canvases.classes)
    model.compile(
        optim.Adam(network.parameters(), config.learning_rate),
        DetectionLoss(network, box_weight=config.box_weight),
        schedule=optim.schedules.OneCycle(epochs=config.epochs),
        clip_norm=10.0,
    )
    loader = data.StreamLoader(canvases, batch_size=config.batch_size, seed=seed, workers=1)
    with loader:
        model.fit(loader, epochs=config.epochs, verbose=False)
    return network


def draw(images: Any, found: Any, picture: Path, least: float = 0.35) -> None:
    """Canvases with the boxes found, their digits and scores; of each place the surest only."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    figure = Figure(figsize=(11, 5.7), layout="constrained")
    for axes, image, boxes in zip(figure.subplots(2, 4).flat, images, found, strict=True):
        axes.imshow(image[0], cmap="gray")
        axes.set(xticks=[], yticks=[])
        boxes = boxes[boxes[:, 5] >= least]
        kept = F.nms(boxes[:, :4], boxes[:, 5], 0.5).numpy()
        for left, top, right, bottom, digit, score in boxes[kept].tolist():
            corner = left - 0.5, top - 0.5
            axes.add_patch(
                Rectangle(corner, right - left, bottom - top, fill=False, color="tab:orange")
            )
            axes.text(*corner, f"{digit:.0f}  {score:.2f}", color="tab:cyan", va="bottom", size=9)
    figure.savefig(picture, dpi=80)


def main(picture: str | None = None, config: Config | None = None) -> list[float]:
    """Print mAP at 0.5 and at 0.5…0.95 of each seed; returns the former."""
    config = config or Config()
    of_training, unseen = digits()
    canvases = data.DigitCanvases(of_training, config.canvases, task="detection")
    test = data.DigitCanvases(unseen, config.test_canvases, task="detection")
    images, objects = test.read_batch(np.arange(config.test_canvases))
    each = []
    for seed in config.seeds:
        start = time.perf_counter()
        network = learn(canvases, seed, config)
        seconds = time.perf_counter() - start
        found = network.detect(images)
        precision, strict = (
            train.measure(train.MeanAveragePrecision(iou), found, objects) for iou in (0.5, "coco")
        )
        print(
            f"seed {seed}  mAP at 0.5 {precision:.3f}  at 0.5 to 0.95 {strict:.3f}  "
            f"in {seconds:.0f} s",
            flush=True,
        )
        each.append(precision)
        if picture is not None and seed == config.seeds[0]:
            draw(images[:8], found[:8], Path(picture))
    print(f"mAP at 0.5 {np.mean(each):.3f} ± {np.std(each):.3f} on {test!r}")
    return each


if __name__ == "__main__":
    main(*sys.argv[1:2])
