"""The picture of the page on the command line is what `docs/draw_command_line.py` draws."""

from __future__ import annotations

import runpy
from pathlib import Path

from ..pages import DOCS


def test_the_picture_of_the_help(tmp_path: Path) -> None:
    runpy.run_path(str(DOCS / "draw_command_line.py"))["main"](tmp_path)
    drawn = (tmp_path / "command_line.svg").read_text(encoding="utf-8")
    assert drawn == (DOCS / "command_line.svg").read_text(encoding="utf-8")
    assert "http" not in drawn.replace("http://www.w3.org/2000/svg", "").replace(
        "https://www.textualize.io", ""
    )
