"""Draws the picture of `convolution.md`.

python docs/draw_convolution.py [FOLDER]     (by default the folder of this file)
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from neurona import data, nn

matplotlib.use("Agg")
matplotlib.rcParams.update(
    {"svg.hashsalt": "neurona", "svg.fonttype": "none", "font.size": 9, "axes.titlesize": 9}
)
from matplotlib import pyplot as plt  # noqa: E402 (the backend must be chosen before)
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.patches import Rectangle  # noqa: E402

F = nn.functional
BLUE, ORANGE, GREEN, GREY = "tab:blue", "tab:orange", "tab:green", "0.8"
EDGES = {
    "upright": [[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]],
    "level": [[-1.0, -2.0, -1.0], [0.0, 0.0, 0.0], [1.0, 2.0, 1.0]],
}
"""Sobel's filters."""


def bare(axis: Axes, title: str) -> None:
    axis.set(title=title, aspect="equal")
    axis.axis("off")


def grid(axis: Axes, x: float, y: float, side: int, **style: Any) -> None:
    """side × side squares, rows downwards."""
    for row, column in np.ndindex(side, side):
        axis.add_patch(Rectangle((x + column, y - row - 1), 1, 1, lw=0.6, **style))


def window(axis: Axes, x: float, y: float, side: int, color: str) -> None:
    axis.add_patch(Rectangle((x, y - side), side, side, fill=False, ec=color, lw=2))


def draw_windows(axis: Axes) -> None:
    """5 × 5 with a ring of zeros, kernel 3, stride 2: 3 × 3."""
    bare(axis, "kernel 3, stride 2, padding 1:\n⌊(5 + 2·1 − 3)/2⌋ + 1 = 3")
    grid(axis, 0, 7, 7, fc="white", ec=GREY, ls=":")
    grid(axis, 1, 6, 5, fc="#dce9f5", ec="0.5")
    grid(axis, 9, 5, 3, fc="#fdebd9", ec="0.5")
    for (x, y), color in (((0, 7), ORANGE), ((2, 7), GREEN)):
        window(axis, x, y, 3, color)
        target = (9 + x / 2, 4)
        axis.add_patch(Rectangle(target, 1, 1, fc=color, ec="0.3", lw=0.6))
        axis.plot([x + 3, target[0]], [y - 1.5, 4.5], color=color, lw=0.8)
    axis.set(xlim=(-0.3, 12.5), ylim=(-0.3, 7.4))


def draw_filters(axes: Any) -> None:
    """A digit, and what two filters find in it."""
    image = np.asarray(data.digits().inputs[0], np.float32)
    shown = {"a digit": image / image.max()}
    for name, kernel in EDGES.items():
        shown[f"its {name} edges"] = F.conv2d(image[None], [[kernel]], padding=1).numpy()[0]
    for axis, (name, values) in zip(axes, shown.items(), strict=True):
        limit = np.abs(values).max()
        axis.imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit)
        axis.set(title=name, xticks=(), yticks=())


def draw_dilation(axis: Axes) -> None:
    bare(axis, "dilation 1 and 2: 3 and 5 wide,\n9 weights each")
    for x, side, gap in ((0, 3, 1), (5, 5, 2)):
        grid(axis, x, 5, side, fc="white", ec=GREY)
        for row, column in np.ndindex(3, 3):
            place = (x + column * gap, 4 - row * gap)
            axis.add_patch(Rectangle(place, 1, 1, fc=BLUE, ec="0.3", lw=0.6))
    axis.set(xlim=(-0.3, 10.3), ylim=(-0.3, 5.3))


def draw_groups(axis: Axes) -> None:
    bare(axis, "4 channels to 4: groups 1, 2, 4")
    for i, groups in enumerate((1, 2, 4)):
        x, width = 4.2 * i, 4 // groups
        for out, given in np.ndindex(4, 4):
            if out // width == given // width:
                axis.plot([x, x + 2], [given, out], color=BLUE, lw=0.8, zorder=1)
        for side in (0, 2):
            axis.scatter([x + side] * 4, range(4), s=28, color=(GREY, ORANGE)[side // 2], zorder=2)
        axis.text(x + 1, -1.1, f"{16 // groups} kernels", ha="center", fontsize=8)
    axis.set(xlim=(-0.6, 11), ylim=(-1.6, 3.6))


def draw_transposed(axis: Axes) -> None:
    """How many kernels lie over each place: even only where the stride divides the kernel."""
    for x, kernel in ((0, 2), (9, 3)):
        layer = np.ones((1, 1, kernel, kernel), np.float32)
        cover = F.conv_transpose2d(np.ones((1, 3, 3), np.float32), layer, stride=2).numpy()[0]
        side = len(cover)
        for row, column in np.ndindex(side, side):
            shade = plt.get_cmap("Blues")(0.15 + 0.2 * cover[row, column])
            place = (x + column, side - row - 1)
            axis.add_patch(Rectangle(place, 1, 1, fc=shade, ec="0.5", lw=0.6))
        window(axis, x, side, kernel, ORANGE)
        window(axis, x + 2, side, kernel, GREEN)
    bare(axis, "3 × 3 transposed, stride 2,\nkernels 2 (even) and 3 (a chessboard)")
    axis.set(xlim=(-0.3, 16.3), ylim=(-0.3, 7.4))


def main(folder: Path) -> None:
    figure = plt.figure(figsize=(10.5, 5), layout="constrained")
    layout = figure.add_gridspec(2, 12)
    draw_windows(figure.add_subplot(layout[0, 0:6]))
    draw_filters([figure.add_subplot(layout[0, 6 + 2 * i : 8 + 2 * i]) for i in range(3)])
    draw_dilation(figure.add_subplot(layout[1, 0:4]))
    draw_groups(figure.add_subplot(layout[1, 4:8]))
    draw_transposed(figure.add_subplot(layout[1, 8:12]))
    figure.savefig(folder / "convolution.svg", metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent)
