"""`neurona demo` in an empty folder: the main job on real input."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from neurona import data
from neurona.cli.options import EXAMPLES
from neurona.train.experiment import load_parts, make_model, read_config
from neurona.train.experiment import run as run_experiment
from neurona.train.model import Model

from .conftest import Run, program

FILES = [
    "analysis.json",
    "analysis.safetensors",
    "checkpoints",
    "config.toml",
    "digit.png",
    "layers.jsonl",
    "metrics.jsonl",
    "model.json",
    "predictions.png",
    "report.html",
    "run.json",
    "weights.safetensors",
]
TOLD = ["digit.png", "model.json", "predictions.png", "report.html", "weights.safetensors"]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_it_learns_in_time(demo_run: tuple[Path, str]) -> None:
    _, said = demo_run
    found = re.search(
        r"Trained after ([\d.]+) s. Of the (\d+) digits it has never\s*seen it reads (\d+)", said
    )
    assert found, said
    seconds, unseen, right = float(found[1]), int(found[2]), int(found[3])
    assert seconds < 20
    assert unseen == 359
    assert right / unseen >= 0.97


def test_it_saves_what_it_says(demo_run: tuple[Path, str]) -> None:
    work, said = demo_run
    assert [path.name for path in work.iterdir()] == ["neurona-demo"]
    assert files(work / "neurona-demo") == FILES
    assert all(name in said for name in TOLD)
    assert (work / "neurona-demo" / "predictions.png").stat().st_size > 20_000
    json.loads((work / "neurona-demo" / "model.json").read_text(encoding="utf-8"))


def test_what_it_says_is_true_of_what_it_saves(demo_run: tuple[Path, str]) -> None:
    work, said = demo_run
    whole = data.digits()
    _, test = data.split(whole, (0.8, 0.2), seed=0, stratify=whole.targets)
    model = Model.load(work / "neurona-demo")
    right = int((model.predict(test.inputs).argmax(axis=1) == test.targets).sum())
    assert f"it reads {right} right: {100 * right / 359:.1f} %" in said


def test_it_draws_digits_in_characters(demo_run: tuple[Path, str]) -> None:
    _, said = demo_run
    assert len([line for line in said.splitlines() if "██" in line]) >= 6
    assert re.search(
        r"^\d \(\d+ %\) +\d \(\d+ %\) +\d \(\d+ %\) +\d \(\d+ %\)$", said, re.MULTILINE
    )
    assert "right" in said
    assert "\x1b" not in said  # no colours, no moving line, where there is no terminal


def test_the_next_command_works(
    demo_run: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    work, said = demo_run
    monkeypatch.chdir(work)
    command = re.search(r"neurona (predict \S+ \S+)", said)
    assert command
    done = program(*command[1].split())
    assert done.returncode == 0
    assert re.match(r"^neurona-demo/digit.png  \d \(\d+\.\d %\), then \d \(", done.stdout)


def test_again_in_the_same_folder(
    run: Run, demo_run: tuple[Path, str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(demo_run[0] / "neurona-demo", folder / "a" / "b")
    short = (EXAMPLES / "digits.toml").read_text(encoding="utf-8").replace("= 60", "= 1")
    (folder / "digits.toml").write_text(short, encoding="utf-8")
    monkeypatch.setattr("neurona.cli.demo.EXAMPLES", folder)
    done = run("demo", "--out", "a/b")
    assert done.returncode == 0, done.stderr
    assert files(folder / "a" / "b") == FILES
    assert len((folder / "a" / "b" / "metrics.jsonl").read_text().splitlines()) == 1


def test_where_only_plain_characters_can_be_shown() -> None:
    done = program("data", "preview", "digits", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert "##" in done.stdout


def test_a_folder_of_other_things_is_left_alone(run: Run, folder: Path) -> None:
    (folder / "neurona-demo").mkdir()
    (folder / "neurona-demo" / "thesis.txt").write_text("mine")
    done = run("demo")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "neurona: neurona-demo: holds other files and no run; choose an empty folder with --out\n"
    )
    assert [path.name for path in (folder / "neurona-demo").iterdir()] == ["thesis.txt"]


@pytest.mark.slow
def test_its_accuracy_does_not_hang_on_a_seed() -> None:
    scores = []
    for seed in range(8):
        config = read_config(EXAMPLES / "digits.toml", [f"seed={seed}"]).config
        parts = load_parts(config)
        model = make_model(config, parts)
        scores.append(run_experiment(model, config, parts, verbose=False).scores["accuracy"])
    assert min(scores) >= 0.97, scores
    assert np.mean(scores) >= 0.98, scores
