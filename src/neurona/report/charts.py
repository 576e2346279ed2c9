"""Curves and points as SVG that follows the page's colours.

matplotlib draws with placeholder colours, which become CSS variables. Charts hold numbers and fixed
words only: names that users choose stand in the HTML around them, where they are escaped.
"""

from __future__ import annotations

import hashlib
import io
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

INK, SOFT, GRID, FILL = "#010101", "#010102", "#010103", "#010104"
SERIES = tuple(f"#0102{i:02x}" for i in range(8))
VARIABLES = {INK: "--text", SOFT: "--muted", GRID: "--line", FILL: "--series-0"}
VARIABLES |= {colour: f"--series-{i}" for i, colour in enumerate(SERIES)}
MOST_POINTS = 240
"""Of longer curves every so manieth point is drawn; a chart is about 300 pixels wide."""
WIDTH, HEIGHT = 4.2, 2.5


@dataclass(frozen=True, slots=True)
class Line:
    """A curve: one y for each x. colour: number of a series. dashed: for the second of a pair."""

    x: Sequence[float]
    y: Sequence[float]
    colour: int = 0
    dashed: bool = False


def curves(
    lines: Sequence[Line],
    *,
    label: str,
    x_label: str = "epoch",
    mark: float | None = None,
    log: bool = False,
    share: bool = False,
) -> str:
    """An SVG with curves. label: what it shows, for readers who cannot see it.

    mark: an x to point out. log: a logarithmic y axis. share: y is a part of 1.
    """

    from matplotlib.ticker import LogLocator

    def draw(axes: Any) -> None:
        for line in lines:
            x, y = thin(line.x, line.y)
            few = len(x) <= 12
            axes.plot(x, y, color=SERIES[line.colour % len(SERIES)], linewidth=1.6,
                      linestyle="--" if line.dashed else "-", marker="o" if few else None,
                      markersize=3)  # fmt: skip
        if mark is not None:
            axes.axvline(mark, color=SOFT, linewidth=1, linestyle=":")
        if log:
            values = [v for line in lines for v in line.y if v > 0]
            # Powers of ten alone would leave a short axis without numbers.
            short = max(values) < 100 * min(values)
            axes.set_yscale("log", subs=[])
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if short else (1,)))
            axes.yaxis.set_major_formatter(lambda v, _: f"{v:.6g}")
            axes.yaxis.set_minor_formatter("")
        if share:
            axes.yaxis.set_major_formatter(lambda v, _: f"{100 * v:.4g} %")
        axes.set_xlabel(x_label)
        if x_label == "epoch":
            axes.xaxis.get_major_locator().set_params(integer=True)

    return _svg(draw, label)


def thin(x: Sequence[float], y: Sequence[float]) -> tuple[list[float], list[float]]:
    """The points to draw: finite ones, at most `MOST_POINTS`, the last among them."""
    points = [(a, b) for a, b in zip(x, y, strict=True) if math.isfinite(b)]
    step = -(-len(points) // MOST_POINTS) or 1
    kept = points[::-step][::-1]
    return [a for a, _ in kept], [b for _, b in kept]


def scatter(x: NDArray[Any], y: NDArray[Any], *, label: str) -> str:
    """Predicted against true values, with the line on which both are the same."""

    def draw(axes: Any) -> None:
        step = -(-len(x) // 500) or 1
        size = 4.5 if len(x) <= 100 else 2.5
        axes.plot(x[::step], y[::step], "o", color=SERIES[0], markersize=size, alpha=0.6, mew=0)
        low = float(min(x.min(), y.min()))
        high = float(max(x.max(), y.max()))
        axes.plot([low, high], [low, high], color=SOFT, linewidth=1, linestyle=":")
        axes.set_xlabel("true")
        axes.set_ylabel("predicted")

    return _svg(draw, label)


def bars(counts: Sequence[int], low: float, high: float, *, label: str, x_label: str) -> str:
    """A histogram of equal bins from low to high."""

    def draw(axes: Any) -> None:
        axes.stairs(counts, np.linspace(low, high, len(counts) + 1), fill=True, color=FILL)
        axes.axvline(0, color=SOFT, linewidth=1, linestyle=":")
        axes.set_xlabel(x_label)

    return _svg(draw, label)


def sparkline(counts: Sequence[int]) -> str:
    """A histogram as the path of a tiny SVG, 40 wide and 12 high; "" for no counts.

    >>> sparkline([1, 2])
    'M0 12V6H20V0H40V12Z'
    """
    top = max(counts, default=0)
    if not top:
        return ""
    width = 40 / len(counts)
    steps = "".join(
        f"V{round(12 - 12 * count / top, 2):g}H{round((i + 1) * width, 2):g}"
        for i, count in enumerate(counts)
    )
    return f"M0 12{steps}V12Z"


def _svg(draw: Callable[[Any], None], label: str) -> str:
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    options: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "neurona",
        "font.size": 9,
        "axes.edgecolor": SOFT,
        "axes.labelcolor": SOFT,
        "xtick.color": SOFT,
        "ytick.color": SOFT,
        "text.color": INK,
        "grid.color": GRID,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "path.simplify": True,
        "axes.formatter.useoffset": False,
        "axes.formatter.limits": (-4, 5),
        "axes.formatter.use_mathtext": False,
    }
    with matplotlib.rc_context(options):
        figure = Figure(figsize=(WIDTH, HEIGHT))
        FigureCanvasSVG(figure)
        axes = figure.add_axes((0.15, 0.18, 0.82, 0.76))
        axes.grid(visible=True, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.patch.set_visible(False)
        figure.patch.set_visible(False)
        draw(axes)
        content = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(content, format="svg", metadata=nothing)
    return _for_page(content.getvalue(), label)


def _for_page(svg: str, label: str) -> str:
    """The picture as a part of a page: no prologue, its own ids, the page's colours and font."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)
    box = re.search(r'viewBox="([^"]+)"', svg)
    view = box[1] if box else f"0 0 {72 * WIDTH} {72 * HEIGHT}"
    prefix = f"c{hashlib.sha256((label + svg).encode()).hexdigest()[:8]}"
    head = f'<svg viewBox="{view}" role="img" aria-label="{_attribute(label)}" class="chart">'
    svg = head + svg[svg.index(">") + 1 :]
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    svg = re.sub(r' id="([^"]+)"', lambda m: f' id="{prefix}-{m[1]}"' if m[1] in used else "", svg)
    svg = re.sub(r'href="#', f'href="#{prefix}-', svg)
    svg = re.sub(r"url\(#", f"url(#{prefix}-", svg)
    svg = re.sub(r"font: (\d+(?:\.\d+)?)px [^;\"]*", r"font-size: \1px", svg)
    svg = re.sub(r"; font-family: [^;\"]*", "", svg)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    svg = re.sub(r"\s*\n\s*", "\n", svg)
    return re.sub(r"<defs>\n</defs>\n", "", svg)


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
