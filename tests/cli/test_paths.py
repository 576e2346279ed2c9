"""From a file to a trained network without Python: a table and a folder of pictures."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from neurona.train.model import Model

from ..pages import blocks
from .conftest import Run, program

ROWS = 1500
PATIENT = ("--set", "training.callbacks.early_stopping.patience=50")
FILES = [
    "analysis.json",
    "analysis.safetensors",
    "checkpoints",
    "config.toml",
    "layers.jsonl",
    "metrics.jsonl",
    "model.json",
    "report.html",
    "run.json",
    "weights.safetensors",
]


def configs() -> tuple[str, str]:
    """The two files of the page."""
    table, pictures, *_ = blocks("command_line.md", "toml")
    return table, pictures


@pytest.fixture(scope="session")
def table_run(
    tmp_path_factory: pytest.TempPathFactory, data_folder: Path
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A run on the first rows of Adult in `runs/adult` of an empty folder, and what was said."""
    folder = tmp_path_factory.mktemp("table")
    with (data_folder / "adult" / "adult.data").open(encoding="utf-8") as lines:
        (folder / "adult.data").write_text("".join(islice(lines, ROWS)), encoding="utf-8")
    (folder / "adult.toml").write_text(configs()[0], encoding="utf-8")
    done = program("train", "adult.toml", *PATIENT, "--set", "training.epochs=4", cwd=str(folder))
    assert done.returncode == 0, done.stderr
    return folder, done


@pytest.fixture
def table(
    table_run: tuple[Path, subprocess.CompletedProcess[str]],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """The folder of that run, as it was."""
    shutil.copytree(table_run[0], folder, dirs_exist_ok=True)
    return folder


def test_both_files_are_short() -> None:
    assert all(len(text.splitlines()) <= 25 for text in configs())


def test_a_table(table_run: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, done = table_run
    lines = done.stdout.splitlines()
    assert done.stderr == ""
    assert lines[0] == "adult: 1,200 samples to learn from, 150 to watch, 150 for the test, seed 0"
    assert lines[-2] == "kept in runs/adult, report in runs/adult/report.html"
    assert lines[-1] == "next: neurona predict runs/adult FILE"
    run = folder / "runs" / "adult"
    assert sorted(path.name for path in run.iterdir() if path.name[0] != ".") == FILES
    kept = tomllib.loads((run / "config.toml").read_text(encoding="utf-8"))
    assert kept["training"]["epochs"] == 4
    assert kept["data"]["file"] == str(folder / "adult.data")
    about = json.loads((run / "run.json").read_bytes())
    assert about["status"] == "finished"
    assert f"accuracy {about['test']['accuracy']:#.4g}" in done.stdout
    assert about["test"]["accuracy"] > 0.75
    assert "<html" in (run / "report.html").read_text(encoding="utf-8")


def test_evaluate(run: Run, table: Path) -> None:
    about = json.loads((table / "runs/adult/run.json").read_bytes())
    told = json.loads(run("evaluate", "runs/adult", "--json").stdout)
    assert told.pop("data") == "test"
    assert told.pop("samples") == 150
    assert told == pytest.approx(about["test"])
    said = run("evaluate", "runs/adult", "--part", "validation").stdout.splitlines()
    assert said[0] == "validation: 150 samples"
    assert said[2] == f"accuracy  {float(said[2].split()[-1]):#.4g}"
    rows = (table / "adult.data").read_text(encoding="utf-8").splitlines()[:40]
    (table / "more.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    told = json.loads(run("evaluate", "runs/adult", "more.csv", "more.csv", "--json").stdout)
    assert (told["data"], told["samples"]) == ("more.csv, more.csv", 80)
    (table / "bare.csv").write_text(rows[0].rpartition(",")[0] + "\n", encoding="utf-8")
    done = run("evaluate", "runs/adult", "bare.csv")
    assert done.stderr == "neurona: bare.csv: has no column 'income' to compare with\n"
    done = run("evaluate", "runs/adult", "--part", "tset")
    assert "the run has training, validation, test" in done.stderr


def test_predict(run: Run, table: Path) -> None:
    rows = (table / "adult.data").read_text(encoding="utf-8").splitlines()[:5]
    (table / "new.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    model = Model.load(table / "runs/adult")
    assert model.reader is not None
    shares = model.predict(model.reader.read([table / "new.csv"])[1], probabilities=True)
    lines = run("predict", "runs/adult", "new.csv").stdout.splitlines()
    assert len(lines) == 5
    first = model.classes[int(shares[0].argmax())]
    assert lines[0].startswith(f"new.csv:1  {first} ({100 * shares[0].max():.1f} %), then ")
    told = json.loads(run("predict", "runs/adult", "new.csv", "--json").stdout)
    assert [one["sample"] for one in told] == [f"new.csv:{line}" for line in range(1, 6)]
    np.testing.assert_allclose(
        [list(one["probabilities"].values()) for one in told], shares, rtol=1e-6
    )
    done = run("predict", "runs/adult", "new.csv", "--output", "answers.csv")
    assert done.stdout == "answers.csv: 5 rows\n"
    with (table / "answers.csv").open(encoding="utf-8", newline="") as file:
        answers = list(csv.DictReader(file))
    assert [one["class"] for one in answers] == [one["class"] for one in told]
    assert float(answers[3][">50K"]) == pytest.approx(shares[3, 1])


def test_runs_and_comparison(run: Run, table: Path) -> None:
    done = run("train", "adult.toml", "--set", "training.epochs=2", "--set", "seed=1")
    assert "kept in runs/adult-2" in done.stdout
    lines = run("runs").stdout.splitlines()
    assert lines[0].split() == ["run", "made", "status", "epochs", "seconds", "best", "test"]
    assert lines[1].startswith("runs/adult ")
    assert lines[2].startswith("runs/adult-2 ")
    told = json.loads(run("runs", "--json").stdout)
    assert [(one["run"], one["status"], one["epochs"]) for one in told] == [
        ("runs/adult", "finished", 4),
        ("runs/adult-2", "finished", 2),
    ]
    assert told[0]["best"]["name"] == "validation_loss"
    pair = ("--compare", "runs/adult", "runs/adult-2")
    told = json.loads(run("runs", *pair, "--json").stdout)
    assert told["training.epochs"] == {"runs/adult": 4, "runs/adult-2": 2}
    assert told["seed"] == {"runs/adult": None, "runs/adult-2": 1}
    assert "data.target" not in told
    said = run("runs", *pair).stdout
    assert any(line.split() == ["training.epochs", "4", "2"] for line in said.splitlines())
    assert run("runs", *pair, "-o", "both.html").stdout == "both.html\n"
    done = run("runs", "--compare", "runs/adult", "runs/none")
    assert done.stderr == "neurona: --compare: runs/none is no folder of a run\n"
    assert "no such folder" in run("runs", "nowhere").stderr


def test_report(run: Run, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table / "runs/adult/report.html"
    before = path.read_bytes()
    path.unlink()
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert run("report", "runs/adult", "--open").stdout == "runs/adult/report.html\n"
    assert len(path.read_bytes()) == pytest.approx(len(before), rel=0.1)
    assert opened == [path.as_uri()]
    done = run("report", "nowhere")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_more_epochs(run: Run, table: Path) -> None:
    done = run("resume", "runs/adult")
    assert done.returncode == 2
    assert "the run is finished, with 4 epochs" in done.stderr
    kept = (table / "runs/adult/config.toml").read_bytes()
    assert run("resume", "runs/adult", "--set", "training.l2=0.1").returncode == 2
    assert (table / "runs/adult/config.toml").read_bytes() == kept
    done = run("resume", "runs/adult", "--set", "training.epochs=6")
    assert done.returncode == 0, done.stderr
    assert len((table / "runs/adult/metrics.jsonl").read_text().splitlines()) == 6
    tables = tomllib.loads((table / "runs/adult/config.toml").read_text(encoding="utf-8"))
    assert tables["training"]["epochs"] == 6
    whole = run("train", "adult.toml", *PATIENT, "--set", "training.epochs=6", "--out", "whole")
    assert whole.returncode == 0, whole.stderr
    weights = [table / name / "weights.safetensors" for name in ("runs/adult", "whole")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_and_resumed(run: Run, table: Path, ending: signal.Signals) -> None:
    changes = ["--set", "training.epochs=400", "--set", "training.callbacks={}"]
    process = subprocess.Popen(
        [
            sys.executable,
            "-u",
            "-c",
            "from neurona.cli import main; main()",
            *("train", "adult.toml", "--out", "cut", *changes),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        encoding="utf-8",
    )
    assert process.stdout is not None
    while not process.stdout.readline().startswith("epoch"):
        pass
    time.sleep(0.05)
    process.send_signal(ending)
    said, errors = process.communicate(timeout=60)
    if ending is signal.SIGINT:
        assert process.returncode == 130, errors
        assert said.splitlines()[-1] == "go on: neurona resume cut"
        assert errors == ""
        assert json.loads((table / "cut/run.json").read_bytes())["status"] == "interrupted"
    else:
        assert process.returncode == -signal.SIGKILL
    epochs = len((table / "cut/metrics.jsonl").read_text().splitlines()) + 1
    assert epochs < 400
    done = run("resume", "cut", "--set", f"training.epochs={epochs}")
    assert done.returncode == 0, done.stderr
    whole = run(
        *("train", "adult.toml", "--out", "whole", "--set", "training.callbacks={}"),
        *("--set", f"training.epochs={epochs}"),
    )
    assert whole.returncode == 0, whole.stderr
    weights = [table / name / "weights.safetensors" for name in ("cut", "whole")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_a_folder_of_pictures(run: Run, folder: Path) -> None:
    run("data", "export", "digits", "pictures", "-n", "300")
    (folder / "pictures.toml").write_text(configs()[1], encoding="utf-8")
    done = program("train", "pictures.toml")
    assert done.returncode == 0, done.stderr
    said = run("predict", "runs/pictures", *sorted(Path("pictures/3").iterdir())[:4]).stdout
    assert sum(line.split()[1] == "3" for line in said.splitlines()) >= 3
    told = json.loads(run("evaluate", "runs/pictures", "pictures", "--json").stdout)
    assert told["accuracy"] > 0.9


MISTAKES: dict[str, tuple[list[str], str]] = {
    "an earlier run": (
        ["train", "adult.toml", "--out", "runs/adult"],
        "holds a run already; go on",
    ),
    "other files": (["train", "adult.toml", "--out", "full"], "full: holds other files and no run"),
    "no run": (["resume", "none"], "none: no such folder"),
    "no configuration": (["evaluate", "bare"], "bare: holds no config.toml"),
    "another network": (
        ["resume", "runs/adult", "--set", "network.layers[0].out_features=9"],
        "the run cannot go on",
    ),
    "no data": (["train", "adult.toml", "--set", "data.file=gone.csv"], "'gone.csv' is not there"),
    "a column": (["train", "adult.toml", "--set", "data.target=salary"], "no column 'salary'"),
    "a file": (["predict", "runs/adult", "gone.csv"], "gone.csv: no such file"),
    "fields": (["predict", "runs/adult", "adult.toml"], "expected a header with the columns"),
    "json": (["report", "damaged/one"], "run.json: damaged, not JSON"),
}


@pytest.fixture(scope="module")
def ruins(
    tmp_path_factory: pytest.TempPathFactory,
    table_run: tuple[Path, subprocess.CompletedProcess[str]],
) -> Path:
    """That folder with what the mistakes need."""
    folder = tmp_path_factory.mktemp("ruins") / "work"
    shutil.copytree(table_run[0], folder)
    (folder / "full").mkdir()
    (folder / "full" / "thesis.txt").touch()
    shutil.copytree(folder / "runs/adult", folder / "bare")
    (folder / "bare" / "config.toml").unlink()
    (folder / "damaged" / "one").mkdir(parents=True)
    (folder / "damaged" / "one" / "run.json").write_text("{", encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(
    run: Run, ruins: Path, monkeypatch: pytest.MonkeyPatch, name: str, tree: Callable[..., object]
) -> None:
    monkeypatch.chdir(ruins)
    arguments, message = MISTAKES[name]
    before = tree(ruins)
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "") or "cannot go on" in message
    assert message in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert tree(ruins) == before
