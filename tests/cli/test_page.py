"""The commands of the page on the command line do and say what is printed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ..pages import blocks


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


def test_commands(tmp_path: Path, data_folder: Path) -> None:
    (config,) = blocks("command_line.md", "toml")
    (tmp_path / "first.toml").write_text(config, encoding="utf-8")
    (tmp_path / "wrong.toml").write_text(config.replace("Tanh", "Tahn"), encoding="utf-8")
    environment = os.environ | {"NEURONA_DATA": str(data_folder), "PYTHONIOENCODING": "utf-8"}
    assert len(commands()) == 8
    for command, said in commands():
        program, *arguments = command.split()
        assert program == "neurona"
        if "--download" in arguments:  # the data are there; the whole runs are among the slow tests
            arguments += ["--set", "training.epochs=1"]
        done = subprocess.run(
            [sys.executable, "-c", "from neurona.cli import main; main()", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            timeout=200,
            check=False,
        )
        assert done.returncode == (2 if said.startswith("neurona: ") else 0), done.stderr
        if said:
            assert done.stdout + done.stderr == said
