"""The command, in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from neurona.cli import main

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in; the data folder is empty too."""
    monkeypatch.setenv("NEURONA_DATA", str(tmp_path / "no-data"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command in the empty folder, in this process; environment by keyword."""

    def neurona(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        argv = ["neurona", *map(str, arguments)]
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", argv)
            for name, value in environment.items():
                patch.setenv(name, value)
            capsys.readouterr()
            try:
                main()
                code: object = 0
            except SystemExit as end:
                code = end.code or 0
        said = capsys.readouterr()
        assert isinstance(code, int)
        return subprocess.CompletedProcess(argv, code, said.out, said.err)

    return neurona


def program(
    *arguments: str | Path, cwd: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """The command as another process."""
    text = "import sys; from neurona.cli import main; sys.argv[0] = 'neurona'; main()"
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", text, *map(str, arguments)],
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
        cwd=cwd,
        capture_output=True,
        encoding="utf-8",
        timeout=240,
        check=False,
    )


@pytest.fixture
def tree() -> Callable[[Path], list[str]]:
    """A function that lists all files and folders below one."""
    return lambda folder: sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A demo that ran in an empty folder: that folder, and what was printed."""
    work = tmp_path_factory.mktemp("demo")
    program = "from neurona.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, "demo"],
        cwd=work,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return work, done.stdout
