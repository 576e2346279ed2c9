"""The examples in the docstrings of `neurona.data` and in `docs/data.md` run as printed."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import neurona.core.errors
import neurona.data

PAGE = Path(__file__).resolve().parents[2] / "docs" / "data.md"
MODULES = ["neurona.core.errors"] + [
    f"neurona.data.{module.name}" for module in pkgutil.iter_modules(neurona.data.__path__)
]


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def run_page(text: str) -> int:
    """Run the fenced examples of a page, one after the other; return how many failed."""
    blocks = re.findall(r"^```pycon\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, PAGE.name, str(PAGE), 0)
    assert len(test.examples) > 5
    return doctest.DocTestRunner().run(test).failed


def test_page_without_a_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    before, found, rest = text.partition("### From a folder")
    assert found
    assert run_page(before + rest[rest.index("## Splitting") :]) == 0
    assert (tmp_path / "data.png").stat().st_size > 10_000


def test_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data_folder: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEURONA_DATA", str(data_folder))
    assert run_page(PAGE.read_text(encoding="utf-8")) == 0
