"""The docstrings of `neurona.train` and the page on training, its commands too, run as printed."""

from __future__ import annotations

import doctest
import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import neurona.train

from ..pages import blocks, run_page

MODULES = [
    f"neurona.train.{module.name}" for module in pkgutil.iter_modules(neurona.train.__path__)
]
MODULES += ["neurona.report.terminal", "neurona.core.errors"]


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_page("training.md") > 30
    assert (tmp_path / "training.png").stat().st_size > 10_000


def commands() -> list[tuple[str, str]]:
    """Each command of the page, and what it prints if the page says so."""
    found: list[tuple[str, str]] = []
    for block in blocks("training.md", "console"):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], ""))
            else:
                command, said = found[-1]
                found[-1] = (command, said + line + "\n")
    return found


def test_commands(tmp_path: Path, data_folder: Path) -> None:
    (config,) = blocks("training.md", "toml")
    (tmp_path / "first.toml").write_text(config, encoding="utf-8")
    (tmp_path / "wrong.toml").write_text(config.replace("Tanh", "Tahn"), encoding="utf-8")
    environment = os.environ | {"NEURONA_DATA": str(data_folder), "PYTHONIOENCODING": "utf-8"}
    assert len(commands()) == 7
    for command, said in commands():
        program, *arguments = command.split()
        assert program == "neurona"
        if "--download" in arguments:  # the data are there; the whole runs are among the slow tests
            arguments += ["--epochs", "1"]
        done = subprocess.run(
            [sys.executable, "-c", "from neurona.cli import main; main()", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            timeout=200,
            check=False,
        )
        assert done.returncode == (2 if "wrong" in command else 0), done.stderr
        if said:
            assert done.stdout + done.stderr == said
