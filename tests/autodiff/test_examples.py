"""The examples in the docstrings and in `docs/differentiation.md` run as printed."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import neurona.autodiff
import neurona.graph

DOCS = Path(__file__).resolve().parents[2] / "docs"
MODULES = [
    "neurona.core.tree",
    "neurona.core.check",
    *[f"neurona.autodiff.{one.name}" for one in pkgutil.iter_modules(neurona.autodiff.__path__)],
    *[f"neurona.graph.{one.name}" for one in pkgutil.iter_modules(neurona.graph.__path__)],
]


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = DOCS / "differentiation.md"
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```pycon\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, page.name, str(page), 0)
    assert len(test.examples) > 50
    assert doctest.DocTestRunner().run(test).failed == 0
    named = set(re.findall(r"!\[.*?\]\((.*?)\)", text))
    assert named == {path.name for path in tmp_path.iterdir()}
    for name in named:
        assert (DOCS / name).is_file()
        if name.endswith(".svg"):
            drawn, kept = (folder / name for folder in (tmp_path, DOCS))
            assert drawn.read_text(encoding="utf-8") == kept.read_text(encoding="utf-8")
