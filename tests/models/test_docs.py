"""The docstrings of `neurona.models` and the page on discriminants run as printed."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import neurona.models

from ..pages import run_page

MODULES = [
    f"neurona.models.{module.name}" for module in pkgutil.iter_modules(neurona.models.__path__)
]


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data_folder: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEURONA_DATA", str(data_folder))
    assert run_page("discriminants.md") > 20
    assert (tmp_path / "discriminants.png").stat().st_size > 20_000
