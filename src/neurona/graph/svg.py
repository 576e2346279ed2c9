"""Boxes and arrows as SVG text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from xml.sax.saxutils import escape

from neurona.graph.layout import Edge, Point, lay_out

MARGIN = 16.0
PADDING = 11.0
LINE = 15.0
CHARACTER = 6.7
"""Mean width of a character at 12 pixels, on the wide side: fonts differ from reader to reader."""
BOLD = 1.08
WIDEST = 900.0
"""A picture that runs to the right and would be wider runs down instead."""

KINDS = ("input", "parameter", "constant", "operation", "result")

# The picture brings its own background, so that it reads on light and dark pages alike.
STYLE = """
.ne-page{fill:#ffffff;stroke:#e2e8f0}
.ne-text{font:12px ui-sans-serif,system-ui,"Segoe UI","DejaVu Sans",sans-serif;fill:#475569}
.ne-title{font-weight:600;fill:#0f172a}
.ne-slope{fill:#b91c1c}
.ne-edge{fill:none;stroke:#94a3b8;stroke-width:1.4}
.ne-head{fill:#94a3b8}
.ne-box{stroke-width:1.4}
.ne-input{fill:#dbeafe;stroke:#2563eb}
.ne-parameter{fill:#ffedd5;stroke:#ea580c}
.ne-constant{fill:#f1f5f9;stroke:#cbd5e1}
.ne-operation{fill:#f8fafc;stroke:#64748b}
.ne-result{fill:#dcfce7;stroke:#16a34a;stroke-width:2.2}
@media (prefers-color-scheme:dark){
.ne-page{fill:#0f172a;stroke:#334155}
.ne-text{fill:#cbd5e1}
.ne-title{fill:#f1f5f9}
.ne-slope{fill:#fca5a5}
.ne-edge{stroke:#64748b}
.ne-head{fill:#64748b}
.ne-input{fill:#1e3a8a;stroke:#60a5fa}
.ne-parameter{fill:#7c2d12;stroke:#fb923c}
.ne-constant{fill:#1e293b;stroke:#475569}
.ne-operation{fill:#1e293b;stroke:#94a3b8}
.ne-result{fill:#14532d;stroke:#4ade80}
}
""".replace("\n", "")


@dataclass(frozen=True)
class Box:
    """What a node shows: its kind, a title, lines below it (shape or value, gradient), a hint."""

    kind: str
    title: str
    detail: str = ""
    slope: str = ""
    hint: str = ""

    @property
    def lines(self) -> list[tuple[str, str]]:
        """(class, text) from top to bottom."""
        lines = [("ne-text ne-title", self.title)]
        lines += [("ne-text", self.detail)] if self.detail else []
        lines += [("ne-text ne-slope", self.slope)] if self.slope else []
        return lines

    @property
    def width(self) -> float:
        widths = [len(self.title) * BOLD, len(self.detail), len(self.slope)]
        return max(max(widths) * CHARACTER + 2 * PADDING, 44.0)

    @property
    def height(self) -> float:
        return len(self.lines) * LINE + PADDING


def picture(boxes: Sequence[Box], edges: Sequence[Edge], direction: str, label: str) -> str:
    """The SVG text of a graph. direction: "right", "down", or "auto" for what fits."""
    right = lay_out([(box.width, box.height) for box in boxes], edges)
    down = direction == "down" or (direction == "auto" and right.along > WIDEST)
    plan = lay_out([(box.height, box.width) for box in boxes], edges) if down else right

    width, height = (plan.across, plan.along) if down else (plan.along, plan.across)
    legend, legend_width = _legend(boxes, height + 2 * MARGIN)
    indent = MARGIN + max(legend_width - width, 0.0) / 2

    def place(point: Point) -> Point:
        x, y = point[::-1] if down else point
        return x + indent, y + MARGIN

    parts = [_arrow([place(point) for point in route], down=down) for route in plan.routes]
    parts += [_box(box, place(centre)) for box, centre in zip(boxes, plan.centres, strict=True)]
    width = max(width, legend_width) + 2 * MARGIN
    height += 2 * MARGIN + LINE + PADDING
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}" role="img">',
            f"<title>{escape(label)}</title>",
            f"<style>{STYLE}</style>",
            f'<rect class="ne-page" x="0.5" y="0.5" width="{width - 1:.0f}" '
            f'height="{height - 1:.0f}" rx="8"/>',
            *parts,
            *legend,
            "</svg>\n",
        ]
    )


def _box(box: Box, centre: Point) -> str:
    x, y = centre[0] - box.width / 2, centre[1] - box.height / 2
    round_ = {"input": min(box.height / 2, 19), "constant": box.height / 2, "parameter": 2}.get(
        box.kind, 7
    )
    text = "".join(
        f'<text class="{kind}" x="{centre[0]:.1f}" y="{y + PADDING / 2 + LINE * (i + 0.78):.1f}" '
        f'text-anchor="middle">{escape(line)}</text>'
        for i, (kind, line) in enumerate(box.lines)
    )
    return (
        f"<g><title>{escape(box.hint)}</title>"
        f'<rect class="ne-box ne-{box.kind}" x="{x:.1f}" y="{y:.1f}" width="{box.width:.1f}" '
        f'height="{box.height:.1f}" rx="{round_:.1f}"/>{text}</g>'
    )


def _arrow(route: list[Point], *, down: bool) -> str:
    """Curves between layers, straight through the lanes, a head at the end."""
    (x, y), tip = route[0], route[-1]
    end = (tip[0], tip[1] - 6) if down else (tip[0] - 6, tip[1])
    path = [f"M{x:.1f} {y:.1f}"]
    points = [*route[:-1], end]
    for k, ((ax, ay), (bx, by)) in enumerate(pairwise(points)):
        if k % 2:
            path.append(f"L{bx:.1f} {by:.1f}")
        elif down:
            bend = (by - ay) * 0.55
            path.append(f"C{ax:.1f} {ay + bend:.1f} {bx:.1f} {by - bend:.1f} {bx:.1f} {by:.1f}")
        else:
            bend = (bx - ax) * 0.55
            path.append(f"C{ax + bend:.1f} {ay:.1f} {bx - bend:.1f} {by:.1f} {bx:.1f} {by:.1f}")
    (tx, ty), half = tip, 3.6
    wings = (
        f"{tx - half:.1f},{ty - 7:.1f} {tx + half:.1f},{ty - 7:.1f}"
        if down
        else f"{tx - 7:.1f},{ty - half:.1f} {tx - 7:.1f},{ty + half:.1f}"
    )
    return (
        f'<path class="ne-edge" d="{"".join(path)}"/>'
        f'<polygon class="ne-head" points="{tx:.1f},{ty:.1f} {wings}"/>'
    )


def _legend(boxes: Sequence[Box], y: float) -> tuple[list[str], float]:
    """A line that says which kinds of boxes there are, and its width."""
    x, parts = MARGIN, []
    present = {box.kind for box in boxes}
    for kind in KINDS:
        if kind in present:
            radius = 6 if kind in ("input", "constant") else 2
            parts.append(
                f'<rect class="ne-box ne-{kind}" x="{x:.1f}" y="{y:.1f}" width="16" height="12" '
                f'rx="{radius}"/><text class="ne-text" x="{x + 22:.1f}" y="{y + 10:.1f}">{kind}'
                "</text>"
            )
            x += 34 + len(kind) * CHARACTER
    if any(box.slope for box in boxes):
        text = "∇ gradient of the result"
        parts.append(f'<text class="ne-text ne-slope" x="{x:.1f}" y="{y + 10:.1f}">{text}</text>')
        x += 12 + len(text) * CHARACTER
    return parts, x - MARGIN
