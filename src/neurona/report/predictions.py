"""A picture of predictions: each input, and the probability of each class beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurona.data.files import replacing

RIGHT, WRONG, OTHER = "#1b7837", "#b2182b", "#9aa5b1"


def save_predictions(
    path: Path,
    pictures: NDArray[Any],
    probabilities: NDArray[Any],
    labels: Sequence[int],
    classes: Sequence[str],
    *,
    title: str = "",
    columns: int = 4,
) -> None:
    """Write a PNG with pictures `(sample, row, column)` and their probabilities.

    - `probabilities`: (sample, class). `labels`: the true class of each. `classes`: their names.

    The bar of the true class is green; if the network said another, that one is red. The file
    appears whole or not at all.
    """
    # A figure of its own: pyplot would start a window system and keep every figure.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = -(-len(pictures) // columns)
    figure = Figure(figsize=(columns * 2.9, rows * 1.75 + 0.6), layout="constrained")
    FigureCanvasAgg(figure)
    if title:
        figure.suptitle(title, fontsize=11)
    grid = figure.add_gridspec(rows, columns * 2, width_ratios=[1, 1.2] * columns)
    for i, picture in enumerate(pictures):
        said, true = int(np.argmax(probabilities[i])), int(labels[i])
        row, column = divmod(i, columns)
        image = figure.add_subplot(grid[row, 2 * column])
        image.imshow(picture, cmap="gray_r", interpolation="nearest")
        image.set_xticks([])
        image.set_yticks([])
        note = "" if said == true else f", it is {classes[true]}"
        share = 100 * float(probabilities[i, said])
        image.set_title(
            f"{classes[said]} ({share:.0f} %){note}",
            fontsize=9,
            color=RIGHT if said == true else WRONG,
            loc="left",
        )
        bars = figure.add_subplot(grid[row, 2 * column + 1])
        colours = [OTHER] * len(classes)
        colours[said] = WRONG
        colours[true] = RIGHT
        bars.barh(range(len(classes)), probabilities[i], color=colours, height=0.8)
        bars.set_yticks(range(len(classes)), classes, fontsize=6)
        bars.set_xlim(0, 1)
        bars.set_xticks([0, 0.5, 1], ["0", "½", "1"], fontsize=6)
        bars.invert_yaxis()
        bars.tick_params(length=0)
        for side in ("top", "right", "bottom"):
            bars.spines[side].set_visible(False)
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=110)
