"""What fit prints."""

from __future__ import annotations

import io
import re
import sys

import numpy as np
import pytest

from neurona import nn, train
from neurona.train.progress import Bar, Lines, progress

LINE = re.compile(r"^epoch +\d+/\d+  loss \S+  accuracy \S+  [\d,]+ samples/s$")


def small_fit(epochs: int, verbose: bool = True) -> None:
    model = train.Model(nn.Linear(2, 3))
    model.compile("SGD", "cross_entropy", ["accuracy"])
    x = np.ones((6, 2), np.float32)
    model.fit(x, np.arange(6) % 3, epochs=epochs, verbose=verbose)


def test_plain_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    small_fit(3)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all(LINE.match(line) for line in lines), lines
    small_fit(1000)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 21
    assert lines[0].startswith("epoch    1/1000")
    assert lines[-1].startswith("epoch 1000/1000")


def test_silence_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    small_fit(3, verbose=False)
    said = capsys.readouterr()
    assert said.out == said.err == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_moving_line_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with progress(True, 3, 2, 1000) as shown:
        assert isinstance(shown, Bar)
        shown.drawn -= 1.0
        shown.advance(3, 500, lambda: (0.25, 0.5))
        task = shown.bar.tasks[0]
        assert task.completed == 500
        assert task.total == 2000
        assert task.fields["epoch"] == 1
        assert task.fields["loss"] == "0.25"
        shown.end_epoch(3, {"loss": 0.5}, 1234.0)
        shown.drawn -= 1.0
        shown.advance(4, 250, lambda: (0.125, 0.0))
        assert shown.bar.tasks[0].completed == 1250
        assert shown.bar.tasks[0].fields["epoch"] == 2
        shown.note("[kept] 5 %")
    text = terminal.getvalue()
    assert "epoch 1/2  loss 0.5000  1,234 samples/s" in text
    assert "[kept] 5 %" in text
    assert "left" in text


def test_lines_go_where_they_are_sent() -> None:
    stream = io.StringIO()
    Lines(0, 2, 10, stream=stream).end_epoch(0, {"loss": 1.0}, 5.0)
    assert stream.getvalue() == "epoch 1/2  loss 1.000  5 samples/s\n"
