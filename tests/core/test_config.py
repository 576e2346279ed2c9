"""Settings: defaults, the environment, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from neurona.core import config
from neurona.core.errors import ArgumentError


def test_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    for variable, read, leaf in (
        ("NEURONA_DATA", config.data_folder, "data"),
        ("NEURONA_CACHE", config.cache_folder, "objects"),
    ):
        for unset in (None, "", "  "):
            if unset is None:
                monkeypatch.delenv(variable, raising=False)
            else:
                monkeypatch.setenv(variable, unset)
            assert read() == tmp_path / ".cache" / "neurona" / leaf
        monkeypatch.setenv(variable, str(tmp_path / "mine"))
        assert read() == tmp_path / "mine"


def test_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEURONA_THREADS", " 3 ")
    assert config.threads() == 3
    monkeypatch.delenv("NEURONA_THREADS")
    assert config.threads() >= 1
    for wrong in ("0", "-1", "two", "1.5", "²"):
        monkeypatch.setenv("NEURONA_THREADS", wrong)
        with pytest.raises(ArgumentError, match=f"NEURONA_THREADS.*{wrong}"):
            config.threads()
