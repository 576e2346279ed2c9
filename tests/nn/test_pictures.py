"""The pictures of activations, layers and losses are those that `docs/draw_layers.py` draws."""

from __future__ import annotations

import runpy
from pathlib import Path

from ..pages import DOCS, text_of

PAGES = ("activations", "layers", "losses")


def test_pages_show_their_pictures(tmp_path: Path) -> None:
    main = runpy.run_path(str(DOCS / "draw_layers.py"))["main"]
    main(tmp_path)
    for page in PAGES:
        assert f"({page}.svg)" in text_of(f"{page}.md")
        drawn, kept = (folder / f"{page}.svg" for folder in (tmp_path, DOCS))
        assert drawn.stat().st_size > 10_000
        assert abs(kept.stat().st_size / drawn.stat().st_size - 1) < 0.2
