"""The fenced examples of the pages in `docs/` run as printed, and draw the pages' pictures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .pages import DOCS, run_page, text_of

PAGES = sorted(path.name for path in DOCS.glob("*.md"))
NEED_DATA = {"data.md", "discriminants.md", "training.md"}


@pytest.mark.parametrize("page", PAGES)
def test_examples(
    page: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if page in NEED_DATA:
        monkeypatch.setenv("NEURONA_DATA", str(request.getfixturevalue("data_folder")))
    monkeypatch.chdir(tmp_path)
    examples = run_page(page)
    assert examples > 5 or page in ("README.md", "benchmarks.md", "command_line.md")
    for drawn in tmp_path.glob("*.svg"):
        kept = DOCS / drawn.name
        assert drawn.read_text(encoding="utf-8") == kept.read_text(encoding="utf-8"), drawn.name


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_is_there(page: str) -> None:
    for target in re.findall(r"\]\(([^)#]+\.(?:md|svg|png))\)", text_of(page)):
        assert target.startswith("http") or (DOCS / target).is_file(), f"{page} names {target}"
