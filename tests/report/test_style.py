"""The colours of the pages have enough contrast (WCAG 2.2, level AA)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import neurona.report

STYLE = Path(neurona.report.__file__).parent / "templates" / "style.css"
TEXTS = ("text", "muted", "accent", "good", "note", "warning", "problem")

Colour = tuple[float, float, float]


def variables(dark: bool) -> dict[str, Colour]:
    """The colours of one scheme, 0…255; those of the light one hold where the dark has none."""
    blocks = re.findall(r":root \{(.*?)\}", STYLE.read_text(encoding="utf-8"), flags=re.DOTALL)
    found: dict[str, Colour] = {}
    for block in blocks[: 2 if dark else 1]:
        for name, value in re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block):
            found[name] = tuple(int(value[i : i + 2], 16) for i in (1, 3, 5))  # type: ignore[assignment]
        for name, *parts in re.findall(r"--([\w-]+): (\d+) (\d+) (\d+)", block):
            found[name] = tuple(map(float, parts))  # type: ignore[assignment]
    return found


def luminance(colour: Colour) -> float:
    parts = [c / 255 for c in colour]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: Colour, other: Colour) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def over(colour: Colour, opaque: float, ground: Colour) -> Colour:
    mixed = [opaque * c + (1 - opaque) * g for c, g in zip(colour, ground, strict=True)]
    return mixed[0], mixed[1], mixed[2]


@pytest.mark.parametrize("dark", [False, True])
def test_contrast(dark: bool) -> None:
    colours = variables(dark)
    assert len(colours) >= 20
    for name in TEXTS:
        for ground in ("page", "card"):
            assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
    for i in range(8):
        assert contrast(colours[f"series-{i}"], colours["card"]) >= 3, i
    # The strongest cells of a confusion matrix, and the bars behind probabilities.
    for name, opaque in (("heat-wrong", 0.52), ("heat-right", 0.4), ("tint", 0.3)):
        ground = over(colours[name], opaque, colours["card"])
        assert contrast(colours["text"], ground) >= 4.5, name
