"""The commands of the page on the command line do and say what is printed."""

from __future__ import annotations

import shlex
from pathlib import Path

from ..pages import blocks
from .conftest import Run


def commands() -> list[tuple[str, str]]:
    """Each command of the page, and what it prints if the page says so."""
    found: list[tuple[str, str]] = []
    for block in blocks("command_line.md", "console"):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], ""))
            else:
                command, said = found[-1]
                found[-1] = (command, said + line + "\n")
    return found


def test_commands(run: Run, folder: Path, data_folder: Path) -> None:
    (config,) = blocks("command_line.md", "toml")
    (folder / "first.toml").write_text(config, encoding="utf-8")
    (folder / "wrong.toml").write_text(config.replace("Tanh", "Tahn"), encoding="utf-8")
    assert len(commands()) == 8
    for command, said in commands():
        name, *arguments = shlex.split(command)
        assert name == "neurona"
        if "--download" in arguments:  # the data are there; the whole runs are among the slow tests
            arguments += ["--set", "training.epochs=1", "--set", "data.split=[0.1,0.9]"]
        done = run(*arguments, NEURONA_DATA=str(data_folder))
        assert done.returncode == (2 if said.startswith("neurona: ") else 0), done.stderr
        if said:
            assert done.stdout + done.stderr == said
