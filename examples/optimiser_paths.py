"""The paths of all optimisers in a ravine, past a local minimum, and off a saddle.

Each starts at the same point, takes the same number of steps, and has one learning rate a surface,
which is written above its picture. A table says how far each came.

python examples/optimiser_paths.py [PICTURE.png]
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import neurona as ne
from neurona import optim


@dataclass(frozen=True)
class Surface:
    """A function of (x, y), where descent starts, and what of the plane is drawn.

    rates: of descent by the gradient itself; of rules that divide by the gradient's size.
    """

    name: str
    height: Callable[[Any, Any], Any]
    start: tuple[float, float]
    steps: int
    rates: tuple[float, float]
    bounds: tuple[float, float, float, float]


SURFACES = (
    Surface(
        "ravine  x²/20 + 2y²",
        lambda x, y: 0.05 * x * x + 2 * y * y,
        start=(-10, 2),
        steps=60,
        rates=(0.1, 0.5),
        bounds=(-11, 5, -2.6, 2.6),
    ),
    Surface(
        "local minimum  x⁴ − 2x² + x + y²",
        lambda x, y: x * x * x * x - 2 * x * x + x + y * y,
        start=(2, 1),
        steps=100,
        rates=(0.02, 0.1),
        bounds=(-2, 2.2, -1.4, 1.4),
    ),
    Surface(
        "saddle  x²/2 − y²/2 + y⁴/20",
        lambda x, y: 0.5 * x * x - 0.5 * y * y + 0.05 * y * y * y * y,
        start=(-2, 0.01),
        steps=50,
        rates=(0.1, 0.1),
        bounds=(-2.4, 2.4, -3.4, 3.4),
    ),
)

# Name → the class, its options, whether it divides by the gradient's size, and what the rate of the
# surface is multiplied by: the sum of Adagrad only grows, the steps of Adadelta start near 0, and
# those of LARS are a thousandth of the parameter's length. With its β₂ of 0.999 RAdam would still
# be warming up at the last step.
Rule = tuple[type[optim.Optimizer], dict[str, Any], bool, float]
RULES: dict[str, Rule] = {
    "SGD": (optim.SGD, {}, False, 1),
    "momentum": (optim.SGD, {"momentum": 0.9}, False, 1),
    "Nesterov": (optim.Momentum, {"nesterov": True}, False, 1),
    "Adagrad": (optim.Adagrad, {}, True, 4),
    "Adadelta": (optim.Adadelta, {}, True, 80),
    "RMSProp": (optim.RMSProp, {}, True, 0.5),
    "Adam": (optim.Adam, {}, True, 1),
    "AdaMax": (optim.AdaMax, {}, True, 1),
    "NAdam": (optim.NAdam, {}, True, 1),
    "AdamW": (optim.AdamW, {"weight_decay": 0.1}, True, 1),
    "RAdam": (optim.RAdam, {"betas": (0.9, 0.9)}, True, 0.5),
    "Lion": (optim.Lion, {}, True, 0.3),
    "LARS": (optim.LARS, {}, True, 200),
    "LAMB": (optim.LAMB, {}, True, 1),
}


def rate_of(surface: Surface, rule: Rule) -> float:
    """The learning rate of an optimiser on a surface."""
    _, _, adaptive, factor = rule
    return float(f"{surface.rates[adaptive] * factor:.3g}")


def path(surface: Surface, rule: Rule) -> Any:
    """The places visited, (step, 2)."""
    kind, options, _, _ = rule
    place = ne.Variable(np.array(surface.start, np.float64))
    optimizer = kind([place], rate_of(surface, rule), **options)
    places = [place.numpy()]
    for _ in range(surface.steps):
        surface.height(place[0], place[1]).backward()
        optimizer.step()
        places.append(place.numpy())
    return np.array(places)


def paths() -> dict[tuple[str, str], Any]:
    """All of them, by surface and optimiser."""
    return {
        (surface.name, name): path(surface, rule)
        for surface in SURFACES
        for name, rule in RULES.items()
    }


def draw(found: dict[tuple[str, str], Any], picture: Path) -> None:
    """A row of small pictures a surface, one an optimiser; the start is a ring, the end a dot."""
    from matplotlib.figure import Figure
    from PIL import Image

    figure = Figure(figsize=(11, 11.4), layout="constrained")
    for surface, band in zip(SURFACES, figure.subfigures(3, 1), strict=True):
        band.suptitle(f"{surface.name}, {surface.steps} steps", fontsize=10)
        left, right, low, high = surface.bounds
        x, y = np.meshgrid(np.linspace(left, right, 100), np.linspace(low, high, 100))
        height = surface.height(x, y)
        levels = height.min() + (height.max() - height.min()) * np.linspace(0, 1, 16) ** 2
        for axes, (name, rule) in zip(band.subplots(2, 7).flat, RULES.items(), strict=True):
            route = found[surface.name, name]
            axes.contour(x, y, height, levels=levels, colors="0.85", linewidths=0.6)
            axes.plot(*route.T, color="tab:blue", marker=".", markersize=2.5, linewidth=0.8)
            axes.plot(*route[0], "o", color="tab:blue", fillstyle="none", markersize=5)
            axes.plot(*route[-1], "o", color="tab:red", markersize=4)
            axes.set(xlim=(left, right), ylim=(low, high), xticks=[], yticks=[])
            axes.set_title(f"{name}, γ = {rate_of(surface, rule):g}", fontsize=7.5)
    figure.savefig(picture, dpi=80)
    with Image.open(picture) as image:
        few_colours = image.convert("RGB").quantize(200)
    few_colours.save(picture, optimize=True)


def main(picture: str | None = None) -> dict[tuple[str, str], Any]:
    """Print where each ends; draw the paths if a file is named."""
    found = paths()
    for surface in SURFACES:
        print(f"{surface.name}: after {surface.steps} steps")
        for name, rule in RULES.items():
            x, y = found[surface.name, name][-1]
            height, rate = surface.height(x, y), rate_of(surface, rule)
            print(f"  {name:9} rate {rate:6g}   ({x:7.3f}, {y:7.3f})   height {height:8.4f}")
    if picture is not None:
        draw(found, Path(picture))
    return found


if __name__ == "__main__":
    main(*sys.argv[1:2])
