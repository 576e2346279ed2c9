"""`neurona runs` over folders in every state."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from neurona.cli.runs import runs
from neurona.train.run_lock import RunLock


def made(folder: Path, content: Any) -> Path:
    folder.mkdir()
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "run.json").write_text(text, encoding="utf-8")
    return folder


def test_one_bad_run_hides_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(tmp_path / "killed", {"status": "running", "created": "2026-01-01T00:00:00+00:00"})
    lock = RunLock(made(tmp_path / "at work", {"status": "running"}))
    made(tmp_path / "broken", "{")
    nothing = {"epoch": 0, "name": "validation_loss", "value": None}
    made(tmp_path / "diverged", {"status": "failed", "best": nothing, "created": "2026"})
    try:
        runs(tmp_path, None, None, False)
        lines = capsys.readouterr().out.splitlines()
        runs(tmp_path, None, None, True)
    finally:
        lock.release()
    told = {Path(one["run"]).name: one["status"] for one in json.loads(capsys.readouterr().out)}
    assert told == {
        "killed": "cut off",
        "at work": "running",
        "broken": "damaged",
        "diverged": "failed",
    }
    assert len(lines) == 5
    assert sum("cut off" in line for line in lines) == 1
