"""Where a command may save."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from neurona.cli.folders import OWN, check_folder, clear, config_kept, next_run
from neurona.core.errors import CheckpointError


def test_folders_to_save_in(folder: Path) -> None:
    check_folder(Path("new/deep"))
    assert list(folder.iterdir()) == []
    (folder / "empty").mkdir()
    check_folder(Path("empty"))
    (folder / "model").mkdir()
    (folder / "model" / "model.json").write_text("{}")
    with pytest.raises(CheckpointError, match="model: holds a run already; go on with it by"):
        check_folder(Path("model"))


def test_an_earlier_run_is_cleared_and_nothing_else(folder: Path) -> None:
    run = folder / "run"
    (run / "checkpoints" / "last").mkdir(parents=True)
    for name in (*OWN, "thesis.txt", "digit.png"):
        (run / name).touch()
    clear(run, "digit.png")
    assert [path.name for path in run.iterdir()] == ["thesis.txt"]
    clear(run, "thesis.txt")  # no run any more
    assert [path.name for path in run.iterdir()] == ["thesis.txt"]


def test_a_run_that_does_not_begin_leaves_no_folder(folder: Path) -> None:
    with config_kept(Path("a/b"), "seed = 1\n"):
        assert (folder / "a/b/config.toml").read_text() == "seed = 1\n"
    assert list(folder.iterdir()) == []


def test_folders_that_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "file").write_text("mine")
    with pytest.raises(CheckpointError, match="file: is a file"):
        check_folder(Path("file"))
    with pytest.raises(CheckpointError, match="cannot be written to"):
        check_folder(Path("file/run"))
    with pytest.raises(CheckpointError, match="holds other files and no run"):
        check_folder(folder)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(CheckpointError, match="work: cannot be written to; choose another folder"):
        check_folder(Path("new"))


def test_runs_are_numbered(folder: Path) -> None:
    names = []
    for _ in range(3):
        names.append(next_run("digits"))
        names[-1].mkdir(parents=True)
    assert [str(name) for name in names] == ["runs/digits", "runs/digits-2", "runs/digits-3"]
