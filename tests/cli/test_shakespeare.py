"""The language models of the examples on the text of Shakespeare, a tenth of it held out."""

from __future__ import annotations

import json
import re
import runpy
import shlex
from pathlib import Path

import pytest

from neurona.train.experiment import load_parts, make_model, read_config
from neurona.train.experiment import run as train

from .conftest import Run

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
README = EXAMPLES.parent / "README.md"


@pytest.fixture
def piece(folder: Path, data_folder: Path) -> Path:
    """The beginning of the text, in the folder."""
    text = (data_folder / "tinyshakespeare.txt").read_text(encoding="utf-8")[:30_000]
    (folder / "piece.txt").write_text(text, encoding="utf-8")
    return folder / "piece.txt"


def test_the_commands_of_the_readme(run: Run, piece: Path) -> None:
    """With a smaller network, on a piece of the text; a slow test trains the one that is named."""
    commands = re.findall(r"^neurona (.*shakespeare-gpt.*)$", README.read_text("utf-8"), re.M)
    train, _, generate = (shlex.split(command, comments=True) for command in commands)
    for change in (
        "data.text=piece.txt",
        "network.kind.layers=1",
        "network.kind.features=16",
        "training.epochs=1",
        "training.steps_per_epoch=3",
    ):
        train += ["--set", change]
    for command in (train, generate):
        done = run(*command)
        assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ROMEO:")
    assert len(done.stdout) == len("ROMEO:") + 320 + 1


def test_the_lstm_on_a_piece(piece: Path) -> None:
    changes = [
        "data.text=piece.txt",
        "network.kind.layers=1",
        "network.kind.features=12",
        "training.epochs=1",
    ]
    file = read_config(EXAMPLES / "shakespeare-lstm.toml", changes)
    parts = load_parts(file.config)
    history = train(make_model(file.config, parts), file.config, parts, verbose=False).history
    assert history.values["loss"][0] < 4.3


def test_the_ngrams_on_a_piece(piece: Path) -> None:
    example = runpy.run_path(str(EXAMPLES / "shakespeare_ngrams.py"))
    losses = example["main"](piece, example["Config"](orders=(1, 2, 3), length=20))
    assert losses[3] < losses[2] < losses[1] < 3.5


@pytest.mark.slow
def test_ngrams_of_the_whole(data_folder: Path) -> None:
    example = runpy.run_path(str(EXAMPLES / "shakespeare_ngrams.py"))
    losses = example["main"](data_folder / "tinyshakespeare.txt")
    assert {n: round(loss, 2) for n, loss in losses.items() if n in (1, 3, 7)} == {
        1: 3.35,
        3: 2.04,
        7: 1.52,
    }


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("name", "most"), [("shakespeare-gpt", 1.90), ("shakespeare-lstm", 1.55)])
def test_the_whole_text(run: Run, folder: Path, data_folder: Path, name: str, most: float) -> None:
    done = run("train", name, "--data-dir", data_folder)
    assert done.returncode == 0, done.stderr
    about = json.loads((folder / "runs" / name / "run.json").read_text(encoding="utf-8"))
    assert about["best"]["value"] <= most
    said = json.loads(run("evaluate", f"runs/{name}", "--json").stdout)
    assert said["characters"] == 111_540
    assert said["loss"] == pytest.approx(about["best"]["value"], rel=1e-4)
    written = run("generate", f"runs/{name}", "--prompt", "ROMEO:", "--length", "200").stdout
    assert written.startswith("ROMEO:\n")
