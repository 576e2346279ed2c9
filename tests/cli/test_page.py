"""The commands of the page on the command line do and say what is printed."""

from __future__ import annotations

import shlex
import shutil
from itertools import islice
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


def test_commands(run: Run, folder: Path, data_folder: Path, demo_run: tuple[Path, str]) -> None:
    table, pictures, song, first = blocks("command_line.md", "toml")
    texts = {"adult": table, "pictures": pictures, "song": song, "first": first}
    texts["wrong"] = first.replace("Tanh", "Tahn")
    for name, text in texts.items():
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    with (data_folder / "adult" / "adult.data").open(encoding="utf-8") as file:
        rows = list(islice(file, 1500))  # enough to see that it works
    (folder / "adult.data").write_text("".join(rows), encoding="utf-8")
    (folder / "new.csv").write_text("".join(rows[:9]), encoding="utf-8")
    lines = (f"Once there were {count} birds.\n" for count in range(90))
    (folder / "song.txt").write_text("".join(lines), encoding="utf-8")
    (folder / "another.txt").write_text("Once there were 7 birds.\n" * 9, encoding="utf-8")
    shutil.copytree(demo_run[0] / "neurona-demo", folder / "neurona-demo")
    assert len(commands()) == 29
    for command, said in commands():
        name, *arguments = shlex.split(command)
        assert name == "neurona"
        if arguments == ["demo"]:  # that is `demo_run`
            continue
        if arguments[0] == "train" and "training.epoch=5" not in arguments:
            arguments += ["--set", "training.epochs=2"]
        if arguments[:2] == ["train", "song.toml"]:
            arguments += ["--set", "network.kind.features=8", "--set", "training.steps_per_epoch=3"]
        if arguments[0] == "resume":
            arguments[-1] = "training.epochs=3"
        done = run(*arguments)
        assert done.returncode == (2 if said.startswith("neurona: ") else 0), done.stderr
        if said:
            assert (done.stdout + done.stderr).startswith(said)
