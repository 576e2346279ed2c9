"""`neurona data …`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neurona import data

from .conftest import Run

PEOPLE = """\
age,job,rich
31,cook,no
?,"baker, self-employed",yes
52,?,no
"""


@pytest.fixture
def people(folder: Path) -> Path:
    path = folder / "people.csv"
    path.write_text(PEOPLE, encoding="utf-8")
    return path


def test_list(run: Run, data_folder: Path) -> None:
    lines = run("data", "list").stdout.splitlines()
    assert lines[0].split() == ["name", "what", "where"]
    assert lines[1].startswith("digits ")
    assert lines[1].endswith("1,797 pictures 8×8, 10 classes  comes with Neurona")
    assert "not found; neurona data fetch mnist" in lines[2]
    there = json.loads(run("data", "list", "--data-dir", data_folder, "--json").stdout)
    assert {one["name"]: one["there"] for one in there}["birth_life_2010"] is True


def test_fetch(run: Run) -> None:
    assert run("data", "fetch", "digits").stdout == "digits: 1,797 samples with Neurona\n"
    done = run("data", "fetch", "digit")
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean 'digits'?" in done.stderr


def test_describe_a_set(run: Run) -> None:
    told = run("data", "describe", "digits").stdout
    assert told.startswith("all: 1,797 pictures 8×8, 10 classes\n  inputs uint8 0…16, mean 4.884")
    assert "digit: 0 178, 1 182" in told
    record = json.loads(run("data", "describe", "digits", "--json").stdout)["all"]
    assert (record["samples"], record["shape"], record["max"]) == (1797, [8, 8], 16)
    assert record["classes"]["9"] == 180


def test_describe_a_table_with_tabs(run: Run, folder: Path) -> None:
    (folder / "people.tsv").write_text("age\trich\n31\tno\n", encoding="utf-8")
    done = run("data", "describe", "people.tsv")
    assert done.stdout.startswith("all: 1 rows, 2 columns")
    assert done.stderr == 'neurona: people.tsv: read with delimiter = "\\t"\n'


def test_describe_a_table(run: Run, people: Path) -> None:
    lines = run("data", "describe", "people.csv").stdout.splitlines()
    assert lines[0] == "all: 3 rows, 3 columns"
    assert lines[2].split()[:4] == ["age", "numeric", "1", "2"]
    assert lines[3].split()[:4] == ["job", "categorical", "1", "2"]
    record = json.loads(run("data", "describe", "people.csv", "--json").stdout)["all"]
    assert record["columns"][0]["mean"] == 41.5


def test_describe_a_configuration(run: Run, folder: Path) -> None:
    told = run(
        "data", "describe", "nielsen", "--set", "data.name=digits", "--set", "data.split=[1]"
    )
    assert told.stdout.startswith("training: 1,797 pictures")
    done = run("data", "describe", "nothing")
    assert "'nothing' is no data set" in done.stderr


def test_preview(run: Run, people: Path, folder: Path) -> None:
    said = run("data", "preview", "digits", "-n", "3", COLUMNS="60").stdout.splitlines()
    assert said[-1].split() == ["0", "1", "2"]
    assert any("██" in line or "##" in line for line in said)
    assert run("data", "preview", "people.csv", "-n", "2").stdout.splitlines() == [
        "age  job                   rich",
        " 31  cook                  no",
        "  –  baker, self-employed  yes",
    ]
    done = run("data", "preview", "digits", "-n", "12", "--output", "sheet.png")
    assert done.stdout == "sheet.png: 12 pictures\n"
    with Image.open(folder / "sheet.png") as sheet:
        assert sheet.width > 8 * 90
        assert sheet.height > 2 * 90
    done = run("data", "preview", "people.csv", "--output", "sheet.png")
    assert "a sheet shows pictures; 'people.csv' has none" in done.stderr


def test_preview_of_augmented_pictures(run: Run, folder: Path) -> None:
    (folder / "varied.toml").write_text(
        'seed = 3\n[data]\nname = "digits"\ndivide_by = 16\naugment = [{ kind = "rotate" }]\n'
        '[network]\nlayers = [{ layer = "Flatten" }, { layer = "Linear" }]\n'
        "[training]\nepochs = 1\n"
    )
    said = run("data", "preview", "varied.toml", "-n", "1", COLUMNS="300").stdout.splitlines()
    assert said[-1].split() == ["0", *(word for n in range(7) for word in ("epoch", str(n)))]
    done = run("data", "preview", "varied.toml", "-n", "2", "--output", "sheet.png")
    assert done.stdout == "sheet.png: 2 pictures in 7 epochs\n"
    with Image.open(folder / "sheet.png") as sheet:
        assert sheet.size == (8 * 104, 2 * 120)
        first, second = np.asarray(sheet)[4:100, 4:100], np.asarray(sheet)[4:100, 108:204]
    assert (first != second).any()
    done = run("data", "preview", "varied.toml", "--output", "sheet.gif")
    assert "a sheet is saved as .png" in done.stderr


def test_export(run: Run, folder: Path) -> None:
    done = run("data", "export", "digits", "pictures", "--count", "50")
    assert done.stdout == "pictures: 50 pictures in 10 folders\n"
    files = sorted((folder / "pictures").rglob("*.png"))
    assert [len(list((folder / "pictures" / name).iterdir())) for name in "0123456789"] == [5] * 10
    assert [path.name for path in files[:2]] == ["0001.png", "0002.png"]
    digits = data.digits()
    zeros = (digits.inputs[digits.targets == 0] * 255.0 / 16).round().astype(np.uint8)
    for path in files[:5]:
        with Image.open(path) as picture:
            assert (zeros == np.asarray(picture)).all(axis=(1, 2)).any()
    done = run("data", "export", "digits", "pictures")
    assert done.stderr == "neurona: pictures: is there already; choose a new folder\n"
