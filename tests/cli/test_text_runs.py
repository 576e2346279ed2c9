"""Language models from the command line: trained on a file, measured, kept with their tokeniser."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from neurona import data
from neurona.cli.generate import first
from neurona.text import CharacterTokenizer, WordTokenizer, load_tokenizer
from neurona.train.model import Model

from .conftest import Run

TEXT = "".join(f"{i} little songs of {i + 1} birds\n" for i in range(60))
CONFIG = """\
[data]
text = "song.txt"
length = 16
split = [0.8, 0.1, 0.1]

[network]
kind = { name = "RecurrentLanguageModel", cell = "GRU", features = 12, embedding = 0 }

[training]
epochs = 2
steps_per_epoch = 30
batch_size = 8
optimizer = { name = "Adam", learning_rate = 1e-2 }
"""


@pytest.fixture
def song(folder: Path) -> Path:
    (folder / "song.txt").write_text(TEXT, encoding="utf-8")
    (folder / "song.toml").write_text(CONFIG, encoding="utf-8")
    return folder


def test_a_language_model(run: Run, song: Path) -> None:
    done = run("train", "song.toml", "--out", "kept")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    ends = int(len(TEXT) * 0.8), int(len(TEXT) * 0.9)
    parts = TEXT[: ends[0]], TEXT[ends[0] : ends[1]], TEXT[ends[1] :]
    assert lines[0] == (
        f"song: {len(parts[0]):,} characters to learn from, {len(parts[1])} to watch, "
        f"{len(parts[2])} for the test, seed 0"
    )
    assert lines[1] == f"vocabulary: {len(set(TEXT))} tokens"
    assert lines[-1] == "next: neurona generate kept"
    tokenizer = load_tokenizer(song / "kept" / "tokenizer.json")
    assert tokenizer.decode(tokenizer.encode(TEXT)) == TEXT

    # The loss is the mean over all tokens of the part, whatever the windows.
    model = Model.load(song / "kept")
    assert model.classes == tuple(sorted(set(TEXT)))
    windows = data.TokenWindows(tokenizer.encode(parts[2]), 16)
    x, y = windows.read_batch(np.arange(len(windows)))
    likely = model.predict(x, probabilities=True)
    wanted = -np.log(np.take_along_axis(likely, np.maximum(y, 0)[..., None], -1)[..., 0])[y >= 0]
    (song / "test.txt").write_text(parts[2], encoding="utf-8")
    said = json.loads(run("evaluate", "kept", "test.txt", "--json").stdout)
    assert said["characters"] == len(parts[2])
    assert len(wanted) == len(parts[2]) - 1
    np.testing.assert_allclose(said["loss"], wanted.mean(), rtol=1e-5)
    assert said["nats_per_character"] == said["loss"] < 2.7

    about = json.loads((song / "kept" / "run.json").read_text())
    assert about["test"]["loss"] == pytest.approx(said["loss"], rel=1e-5)
    assert "notes" not in about
    found = json.loads((song / "kept" / "analysis.json").read_text())
    assert found["task"] == "tokens"
    assert found["baseline"]["class"] in TEXT
    assert found["mistakes"]["samples"][0]["text"] in TEXT
    page = (song / "kept" / "report.html").read_text(encoding="utf-8")
    assert "always answering" in page
    assert "␣" in page

    written = run("generate", "kept", "--prompt", "7 little", "--length", "30", "--seed", "3")
    assert written.returncode == 0, written.stderr
    assert written.stdout.startswith("7 little")
    assert len(written.stdout) == 8 + 30 + 1
    assert set(written.stdout) <= set(TEXT)
    for arguments, said in (
        (["--prompt", "ñ"], "the character 'ñ' at 0 is not among the"),
        (["--prompt", ""], "prompt 0 is empty"),
        (["--top-p", "2"], "top_p 2.0 must be in (0, 1]"),
    ):
        refused = run("generate", "kept", *arguments)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert said in refused.stderr
    (song / "kept" / "tokenizer.json").unlink()
    assert "is no language model" in run("generate", "kept").stderr


def test_a_text_begins_with_what_the_vocabulary_has() -> None:
    assert first(CharacterTokenizer.train("a\n")) == "\n"
    assert first(CharacterTokenizer.train("ba", special=["<end>"])) == "a"
    assert first(WordTokenizer.train("one\ntwo two")) == "two"
    assert first(WordTokenizer.train("")) == "<unk>"


def test_the_state_is_carried_on(run: Run, song: Path) -> None:
    changes = ["data.windows=consecutive", "training.epochs=1", "training.batch_size=4"]
    text = CONFIG.replace("steps_per_epoch = 30\n", "")
    (song / "song.toml").write_text(text, encoding="utf-8")
    options = [one for change in changes for one in ("--set", change)]
    done = run("train", "song.toml", *options, "--out", "kept")
    assert (done.returncode, done.stderr) == (0, "")
    about = json.loads((song / "kept" / "run.json").read_text())
    assert about["parameters"]["carry_state"] is True
    assert "notes" not in about

    # Measured in one stream, each token is said from all that stand before it.
    model = Model.load(song / "kept")
    tokenizer = load_tokenizer(song / "kept" / "tokenizer.json")
    part = TEXT[int(len(TEXT) * 0.9) :]
    (song / "test.txt").write_text(part, encoding="utf-8")
    (song / "kept" / "config.toml").write_text(
        (song / "kept" / "config.toml").read_text().replace("batch_size = 4", "batch_size = 1")
    )
    said = json.loads(run("evaluate", "kept", "test.txt", "--json").stdout)
    scores = model.network(tokenizer.encode(part)[None, :-1]).numpy()[0].astype(np.float64)
    logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    surprise = -np.take_along_axis(logs, tokenizer.encode(part)[1:, None], 1).mean()
    np.testing.assert_allclose(said["loss"], surprise, rtol=1e-5)
    np.testing.assert_allclose(said["perplexity"], np.exp(surprise), rtol=1e-5)

    gpt = 'network.kind={name="GPT",layers=1,heads=1,features=4}'
    done = run("train", "song.toml", *options, "--set", gpt)
    assert "GPT has a context of 16; choose 'random'" in done.stderr


def test_looking_at_a_text(run: Run, song: Path) -> None:
    said = run("data", "describe", "song.toml").stdout.splitlines()
    count = int(len(TEXT) * 0.8)
    assert said[0] == f"training: {count:,} characters, {count:,} tokens of {len(set(TEXT))}"
    assert said[1].startswith("  ' ' 1")
    assert [line.partition(":")[0] for line in said[2::2]] == ["validation", "test"]
    described = json.loads(run("data", "describe", "song.toml", "--json").stdout)
    assert described["test"]["characters"] == len(TEXT) - int(len(TEXT) * 0.9)
    said = run("data", "preview", "song.toml", "--count", "2").stdout.splitlines()
    assert said == TEXT.splitlines()[:2]
    assert "a sheet shows pictures" in run("data", "preview", "song.toml", "-o", "a.png").stderr
    assert "RecurrentLanguageModel" in run("graph", "song.toml").stdout


def test_mistakes(run: Run, song: Path) -> None:
    for change, said in (
        ("data.tokenizer=charakter", "unknown name 'charakter'; did you mean 'character'?"),
        ("data.tokenizer={name='word',sizes=3}", "word has no option 'sizes'; did you mean 'size'"),
        ("data.tokenizer={name='byte_pair',size=3}", "data.tokenizer: BytePairTokenizer.train: si"),
        ("data.length=5000", "data.length: TokenWindows: a text of"),
        ("data.standardize=true", "data.standardize: means nothing for a text"),
        ("data.split=[0.001,0.999]", "the validation part: CharacterTokenizer.encode: the"),
        ("data.text=ballad.txt", "data.text: 'ballad.txt' is not there"),
        ("training.steps_per_epoch=0", "training.steps_per_epoch: must be at least 1, found 0"),
        ("network.kind=LeNet5", "pictures (batch, channel, row, column) are needed"),
        ("network={layers=[{layer='Linear'}]}", "network.kind: a text needs a language model"),
    ):
        done = run("train", "song.toml", "--set", change)
        assert (done.returncode, done.stdout) == (2, ""), change
        assert said in done.stderr, done.stderr
    done = run(
        "train", "digits", "--set", 'network={kind={name="GPT",layers=1,heads=1,features=4}}'
    )
    assert "tokens (batch, time) of a text are needed" in done.stderr
    done = run("train", "digits", "--set", "training.steps_per_epoch=5")
    assert "belongs to random windows of a text" in done.stderr
    (song / "song.txt").write_bytes(b"caf\xe9" * 100)
    assert "byte 3 is no utf-8" in run("train", "song.toml").stderr
    (song / "song.txt").write_bytes(b"")
    assert "song.txt: is empty" in run("train", "song.toml").stderr
