"""`neurona predict`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from neurona.core.errors import ArgumentError
from neurona.data.images import prepare_digit, read_image
from neurona.report.terminal import draw_row
from neurona.train.model import Model

OTHERS = 2
"""How many classes are named after the likeliest."""
AT_ONCE = 4
"""Pictures drawn side by side; at most so many are drawn at all."""


def predict(run: Path, images: list[Path]) -> None:
    """Print the class of each picture and the probabilities of the likeliest ones."""
    model = Model.load(run)
    if model.image_layout is None or not model.classes:
        raise ArgumentError(f"{run}: was not trained on pictures, so it cannot read any")
    pictures = [prepare_digit(read_image(path, grey=True), model.image_layout) for path in images]
    probabilities = model.predict(np.stack(pictures), probabilities=True)
    if sys.stdout.isatty() and len(pictures) <= AT_ONCE:
        print(draw_row(pictures, [[path.name] for path in images]))
    width = max(len(str(path)) for path in images)
    for path, shares in zip(images, probabilities, strict=True):
        order = np.argsort(-shares, kind="stable")
        told = [f"{model.classes[c]} ({100 * shares[c]:.1f} %)" for c in order[: 1 + OTHERS]]
        print(f"{path!s:{width}}  {told[0]}, then {', '.join(told[1:])}")
