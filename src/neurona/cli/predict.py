"""`neurona predict`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from neurona.core.errors import ArgumentError
from neurona.report.terminal import draw_row
from neurona.train.model import Model

OTHERS = 2
"""How many classes are named after the likeliest."""
GREY = 3
"""The axes of grey pictures: (sample, row, column)."""
AT_ONCE = 4
"""Pictures drawn side by side; at most so many are drawn at all."""


def predict(run: Path, images: list[Path]) -> None:
    """Print the class of each picture and the probabilities of the likeliest ones."""
    model = Model.load(run)
    if model.reader is None or not model.classes:
        raise ArgumentError(f"{run}: was not trained on files and classes, so it cannot tell any")
    names, inputs = model.reader.read(images)
    probabilities = model.predict(inputs, probabilities=True)
    if sys.stdout.isatty() and inputs.ndim == GREY and len(inputs) <= AT_ONCE:
        print(draw_row(list(inputs), [[Path(name).name] for name in names]))
    width = max(map(len, names))
    for name, shares in zip(names, probabilities, strict=True):
        order = np.argsort(-shares, kind="stable")
        told = [f"{model.classes[c]} ({100 * shares[c]:.1f} %)" for c in order[: 1 + OTHERS]]
        print(f"{name:{width}}  {told[0]}, then {', '.join(told[1:])}")
