"""The pictures in `docs/differentiation.md` are those that its examples draw."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_pictures_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = DOCS / "differentiation.md"
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```pycon\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, page.name, str(page), 0)
    assert doctest.DocTestRunner().run(test).failed == 0
    named = set(re.findall(r"!\[.*?\]\((.*?)\)", text))
    assert named == {path.name for path in tmp_path.iterdir()}
    for name in named:
        drawn, kept = (folder / name for folder in (tmp_path, DOCS))
        assert kept.is_file()
        if name.endswith(".svg"):
            assert drawn.read_text(encoding="utf-8") == kept.read_text(encoding="utf-8")
