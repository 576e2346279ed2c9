"""The README's example runs as printed and learns what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[1] / "README.md"


def test_example_learns(capsys: pytest.CaptureFixture[str]) -> None:
    (source,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(source, str(README), "exec"), {"__name__": "readme"})
    printed = capsys.readouterr().out
    assert "epoch 20" in printed
    assert float(re.findall(r"accuracy ([\d.]+)", printed)[0]) >= 0.95


def test_its_configuration_trains(tmp_path: Path, data_folder: Path) -> None:
    """On the first of its rows, as the file is read whole by the command line's tests."""
    (config,) = re.findall(r"```toml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    rows = (data_folder / "adult" / "adult.data").read_text(encoding="utf-8").splitlines()[:2_000]
    (tmp_path / "people.toml").write_text(config, encoding="utf-8")
    (tmp_path / "adult").mkdir()
    (tmp_path / "adult" / "adult.data").write_text("\n".join(rows), encoding="utf-8")
    (tmp_path / "new.csv").write_text("\n".join(rows[:3]), encoding="utf-8")
    for arguments in (["train", "people.toml"], ["predict", "runs/people", "new.csv"]):
        command = [sys.executable, "-c", "from neurona.cli import main; main()", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3
    assert (tmp_path / "runs" / "people" / "report.html").is_file()


def test_pages_it_names_are_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README.read_text(encoding="utf-8")):
        assert (README.parent / target).is_file(), f"README names {target}"
