"""The README's example runs as printed and learns what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[1] / "README.md"


def test_example_learns(capsys: pytest.CaptureFixture[str]) -> None:
    (source,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(source, str(README), "exec"), {"__name__": "readme"})
    printed = capsys.readouterr().out
    assert "epoch 20" in printed
    assert float(re.findall(r"accuracy ([\d.]+)", printed)[0]) >= 0.95


def test_pages_it_names_are_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README.read_text(encoding="utf-8")):
        assert (README.parent / target).is_file(), f"README names {target}"
