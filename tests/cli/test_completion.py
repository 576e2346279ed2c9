"""What the shell offers when the tab key is pressed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Run

OFFER = """
source <(neurona --show-completion bash)
COMP_WORDS=({words}) COMP_CWORD={place} COMPREPLY=()
$(complete -p neurona | sed 's/.*-F \\([^ ]*\\) .*/\\1/') neurona
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash(folder: Path) -> None:
    (folder / "my.toml").touch()
    for name in ("first", "second"):
        (folder / "runs" / name).mkdir(parents=True)
        (folder / "runs" / name / "model.json").touch()
    (folder / "runs" / "other").mkdir()
    command = folder.parent / "bin" / "neurona"
    command.parent.mkdir()
    command.write_text(
        f"#!{sys.executable}\nfrom neurona.cli import main\nmain()\n", encoding="utf-8"
    )
    command.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{command.parent}:{os.environ['PATH']}",
        "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1",
    }

    def offered(*words: str) -> list[str]:
        line = OFFER.format(words=" ".join(f"'{word}'" for word in words), place=len(words) - 1)
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return done.stdout.split()

    assert offered("neurona", "tr") == ["train"]
    assert offered("neurona", "train", "m") == ["mnist-mlp", "my.toml"]
    assert offered("neurona", "predict", "runs/") == ["runs/first", "runs/second", "runs/other/"]


def test_offers(run: Run, folder: Path) -> None:
    from neurona.cli import options

    (folder / "a.toml").touch()
    (folder / "b.csv").touch()
    (folder / "sub").mkdir()
    assert options.complete_config("") == [*options.example_names(), "a.toml", "sub/"]
    assert options.complete_data("b") == ["birth_life_2010", "b.csv"]
    assert options.complete_set("m") == ["mnist"]
    assert options.complete_described("su") == ["sub/"]
    assert options.complete_config("none/x") == []
