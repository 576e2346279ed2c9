"""Draws the picture of `pooling.md`.

python docs/draw_pooling.py [FOLDER]     (by default the folder of this file)
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

import neurona as ne
from neurona import data, nn

matplotlib.use("Agg")
matplotlib.rcParams.update(
    {"svg.hashsalt": "neurona", "svg.fonttype": "none", "font.size": 9, "axes.titlesize": 9}
)
from matplotlib import pyplot as plt  # noqa: E402 (the backend must be chosen before)
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.patches import Rectangle  # noqa: E402

F = nn.functional
COLORS = ("#dce9f5", "#fdebd9", "#ddf0dd", "#f3dff0")
VALUES = np.array([[1, 3, 2, 4], [5, 6, 1, 2], [7, 2, 9, 0], [1, 4, 3, 8]], np.float32)


def table(axis: Axes, x: float, y: float, values: Any, colors: Any) -> None:
    """The values in squares, rows downwards from y."""
    for row, column in np.ndindex(*values.shape):
        place = (x + column, y - row - 1)
        axis.add_patch(Rectangle(place, 1, 1, fc=colors[row][column], ec="0.5", lw=0.6))
        text = f"{values[row, column]:g}"
        axis.text(place[0] + 0.5, place[1] + 0.5, text, ha="center", va="center", fontsize=8)


def draw_windows(axis: Axes) -> None:
    """Four windows, their maxima, their means, and where the maxima's gradient goes."""
    x = ne.asarray(VALUES[None]).requires_grad_()
    greatest = nn.MaxPool2d(2)(x)
    greatest.backward(ne.ones(greatest.shape))
    mean = nn.AvgPool2d(2)(VALUES[None])
    windows = [[COLORS[2 * (row // 2) + column // 2] for column in range(4)] for row in range(4)]
    chosen = [
        [windows[r][c] if x.grad.numpy()[0, r, c] else "white" for c in range(4)] for r in range(4)
    ]
    four = [COLORS[:2], COLORS[2:]]
    table(axis, 0, 4, VALUES, windows)
    table(axis, 5.5, 3, greatest.numpy()[0], four)
    table(axis, 9, 3, mean.numpy()[0], four)
    table(axis, 12.5, 4, x.grad.numpy()[0], chosen)
    for place, title in ((2, "x"), (6.5, "maxima"), (10, "means"), (14.5, "∂ Σ maxima/∂x")):
        axis.text(place, -0.6, title, ha="center")
    axis.set(xlim=(-0.3, 16.8), ylim=(-1, 4.3), aspect="equal")
    axis.set_title("2 × 2 windows, stride 2: a quarter of the values stays")
    axis.axis("off")


def draw_shifted(axes: Any) -> None:
    """Maxima hardly notice that a digit moved by a pixel."""
    image = np.asarray(data.digits().inputs[0], np.float32) / 16
    for axis, by in zip(axes, (0, 1), strict=True):
        moved = np.roll(image, by, axis=1)
        pooled = F.max_pool2d(moved[None], 3, 2, 1).numpy()[0]
        both = np.full((8, 13), np.nan, np.float32)
        both[:, :8], both[2:6, 9:] = moved, pooled
        axis.imshow(both, cmap="Blues", vmin=0, vmax=1)
        axis.set(
            title=("a digit and its 3 × 3 maxima", "moved by a pixel")[by], xticks=(), yticks=()
        )
        axis.axis("off")


def draw_norms(axes: Any) -> None:
    """Which values share a mean and a variance: batch × channels × places."""
    shared = {
        "batch norm": lambda n, c: c == 1,
        "layer norm": lambda n, c: n == 1,
        "instance norm": lambda n, c: (n, c) == (1, 1),
        "group norm": lambda n, c: n == 1 and c in (0, 1),
    }
    for axis, (name, chosen) in zip(axes, shared.items(), strict=True):
        for n, c in np.ndindex(4, 4):
            face = "tab:blue" if chosen(n, c) else "0.93"
            axis.add_patch(Rectangle((c, 3 - n), 0.92, 0.92, fc=face, ec="0.5", lw=0.6))
        axis.set(xlim=(-0.2, 4.2), ylim=(-0.2, 4.2), aspect="equal", title=name)
        axis.set(xticks=(), yticks=(), xlabel="channels", ylabel="batch")
        axis.spines[:].set_visible(False)


def main(folder: Path) -> None:
    figure = plt.figure(figsize=(10.5, 5), layout="constrained")
    layout = figure.add_gridspec(2, 12)
    draw_windows(figure.add_subplot(layout[0, 0:6]))
    draw_shifted([figure.add_subplot(layout[0, a:b]) for a, b in ((6, 9), (9, 12))])
    draw_norms([figure.add_subplot(layout[1, 3 * i : 3 * i + 3]) for i in range(4)])
    figure.savefig(folder / "pooling.svg", metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent)
