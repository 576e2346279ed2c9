"""The examples in docstrings and in the pages of layers, losses and optimisers run as printed."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import runpy
from pathlib import Path

import pytest

import neurona.nn
import neurona.nn.functional
import neurona.optim

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = ("activations", "layers", "losses", "optimisers")
MODULES = [
    f"{package.__name__}.{module.name}"
    for package in (neurona.nn, neurona.nn.functional, neurona.optim)
    for module in pkgutil.iter_modules(package.__path__)
]


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("page", PAGES)
def test_page(page: str) -> None:
    path = DOCS / f"{page}.md"
    text = path.read_text(encoding="utf-8")
    blocks = re.findall(r"^```pycon\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, page, str(path), 0)
    assert len(test.examples) > 5
    assert doctest.DocTestRunner().run(test).failed == 0


def test_pages_show_their_pictures(tmp_path: Path) -> None:
    main = runpy.run_path(str(DOCS / "draw_layers.py"))["main"]
    main(tmp_path)
    for page in PAGES:
        assert f"({page}.svg)" in (DOCS / f"{page}.md").read_text(encoding="utf-8")
        drawn, kept = (folder / f"{page}.svg" for folder in (tmp_path, DOCS))
        assert drawn.stat().st_size > 10_000
        assert abs(kept.stat().st_size / drawn.stat().st_size - 1) < 0.2
