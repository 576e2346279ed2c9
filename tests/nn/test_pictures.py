"""The pictures of activations, convolution, layers and losses are those that `docs/` draws."""

from __future__ import annotations

import runpy
from pathlib import Path

from ..pages import DOCS, text_of

PAGES = {
    "draw_layers.py": ("activations", "layers", "losses"),
    "draw_convolution.py": ("convolution",),
    "draw_pooling.py": ("pooling",),
}


def test_pages_show_their_pictures(tmp_path: Path) -> None:
    for script in PAGES:
        runpy.run_path(str(DOCS / script))["main"](tmp_path)
    for page in [page for pages in PAGES.values() for page in pages]:
        assert f"({page}.svg)" in text_of(f"{page}.md")
        drawn, kept = (folder / f"{page}.svg" for folder in (tmp_path, DOCS))
        assert drawn.stat().st_size > 10_000
        assert abs(kept.stat().st_size / drawn.stat().st_size - 1) < 0.2
