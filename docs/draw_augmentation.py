"""Draws the pictures of `augmentation.md` that show what each transformation does.

python docs/draw_augmentation.py [FOLDER]     (by default the folder of this file)
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from neurona import data
from neurona.data import augmentation as aug

SIDE = 96
SEED = 3
PICTURES = 4
"""How many draws of a transformation are shown beside each other."""

# One line of the picture each, with how it is written in a configuration.
SHOWN: tuple[tuple[str, Any], ...] = (
    ('kind = "mirror"', aug.Mirror()),
    ('kind = "rotate"\ndegrees = 30', aug.Rotate(30)),
    ('kind = "rotate"\ndegrees = 30\nfill = "reflect"', aug.Rotate(30, fill="reflect")),
    ('kind = "translate"\nshare = 0.2', aug.Translate(0.2)),
    ('kind = "stretch"\nscale = 0.3\naspect = 0.3', aug.Stretch(0.3, 0.3)),
    ('kind = "shear"\ndegrees = 20', aug.Shear(20)),
    ('kind = "crop"\nsize = 96\npadding = 16', aug.Crop(SIDE, 16)),
    ('kind = "resized_crop"\nsize = 96\narea = [0.2, 1]', aug.ResizedCrop(SIDE, area=(0.2, 1))),
    ('kind = "brightness"\namount = 0.5', aug.Brightness(0.5)),
    ('kind = "contrast"\namount = 0.7', aug.Contrast(0.7)),
    ('kind = "saturation"\namount = 1.0', aug.Saturation(1.0)),
    ('kind = "hue"\ndegrees = 60', aug.Hue(60)),
    ('kind = "colour_noise"\nstd = 0.4', aug.ColourNoise(0.4)),
    ('kind = "noise"\nstd = 0.15', aug.Noise(0.15)),
    ('kind = "salt_and_pepper"\nshare = 0.1', aug.SaltAndPepper(0.1)),
    ('kind = "erase"', aug.Erase(p=1.0)),
    ('kind = "blur"\nsigma = 4', aug.Blur(4)),
    ('kind = "mixup"\nalpha = 1.0', aug.MixUp(1.0)),
    ('kind = "cutmix"', aug.CutMix()),
)


def house() -> NDArray[np.uint8]:
    """A house on a hill in the evening, `(96, 96, 3)`, drawn four times as large."""
    large = 4 * SIDE
    y = np.linspace(0, 1, large)[:, None, None]
    sky = (1 - y) * [60, 110, 190] + y * [250, 190, 130]
    image = Image.fromarray(np.broadcast_to(sky, (large, large, 3)).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    pen.ellipse((250, 70, 320, 140), fill=(255, 235, 150))
    pen.ellipse((-200, 260, 600, 800), fill=(80, 140, 60))
    pen.rectangle((90, 180, 230, 300), fill=(215, 205, 190))
    pen.polygon([(70, 185), (160, 105), (250, 185)], fill=(170, 60, 45))
    pen.rectangle((110, 215, 145, 250), fill=(70, 90, 120))
    pen.rectangle((180, 225, 212, 300), fill=(110, 70, 40))
    pen.rectangle((318, 215, 328, 290), fill=(95, 65, 40))
    pen.ellipse((285, 140, 360, 240), fill=(45, 100, 50))
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def boat() -> NDArray[np.uint8]:
    """A boat on the sea, for mixtures."""
    large = 4 * SIDE
    y = np.linspace(0, 1, large)[:, None, None]
    sky = (1 - y) * [120, 170, 220] + y * [225, 235, 240]
    image = Image.fromarray(np.broadcast_to(sky, (large, large, 3)).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 230, large, large), fill=(40, 90, 140))
    pen.polygon([(60, 250), (320, 250), (270, 320), (110, 320)], fill=(120, 60, 30))
    pen.polygon([(185, 40), (185, 235), (310, 235)], fill=(245, 245, 235))
    pen.polygon([(175, 70), (175, 235), (80, 235)], fill=(210, 60, 50))
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def draws(transform: Any) -> list[NDArray[Any]]:
    """The house in several epochs, as a source of two pictures gives it."""
    pictures = np.stack([house(), boat()])
    both = data.Dataset(inputs=pictures, targets=np.arange(2), classes=("house", "boat"))
    varied = data.augment(both, [transform])
    epochs = range(40)
    found = [varied.read(0, data.sample_generator(SEED, epoch, 0))[0] for epoch in epochs]
    # Of those that draw lots, such as mirrors, both outcomes; of mixtures none of a house alone.
    if isinstance(transform, aug.Mirror):
        return [found[0], *[one for one in found if (one != found[0]).any()][:1]]
    if isinstance(transform, aug.Mixing):
        found = [one for one in found if (one != pictures[0]).mean() > 0.2]
    return found[:PICTURES]


def main(folder: str | Path = Path(__file__).parent) -> None:
    """Write `augmentation.png`: two columns of lines, each a transformation and what it gives."""
    from matplotlib.figure import Figure

    rows = -(-(len(SHOWN) + 1) // 2)
    figure = Figure(figsize=(11, rows * 1.04), layout="constrained")
    panels = [("the picture", [house()]), *((text, draws(one)) for text, one in SHOWN)]
    for half, side in enumerate(figure.subfigures(1, 2)):
        grid = side.subplots(rows, PICTURES + 1, width_ratios=[1.25] + [1] * PICTURES)
        for row, axes in enumerate(grid):
            place = half * rows + row
            text, pictures = panels[place] if place < len(panels) else ("", [])
            for ax in axes:
                ax.axis("off")
            axes[0].text(0, 0.5, text, fontsize=7.5, va="center", family="monospace")
            for ax, picture in zip(axes[1:], pictures, strict=False):
                ax.imshow(picture)
    path = Path(folder) / "augmentation.png"
    figure.savefig(path, dpi=80)
    with Image.open(path) as image:
        few = image.convert("RGB").quantize(256)
    few.save(path, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:2])
