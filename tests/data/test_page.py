"""The page on data also runs where there is no data folder, the part about one aside."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..pages import run_page, text_of


def test_page_without_a_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = text_of("data.md")
    for start, end in (("### From a folder", "## Splitting"), ("### Census income", "## Targets")):
        before, found, rest = text.partition(start)
        assert found
        text = before + rest[rest.index(end) :]
    assert run_page("data.md", text) > 5
    assert (tmp_path / "data.png").stat().st_size > 10_000
