"""The commands that look at networks and at this machine."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from .conftest import Run

TABLE = """\
layer  kind        output   parameters   FLOP
0      Flatten     (2, 64)           0      0
1      Linear      (2, 20)       1,300  5,160
2      ReLU        (2, 20)           0     40
3      Linear      (2, 10)         210    820
       Sequential  (2, 10)       1,510  6,020
"""
CONFIG = """\
[data]
name = "digits"
divide_by = 16

[network]
layers = [
    { layer = "Flatten" }, { layer = "Linear", out_features = 20 }, { layer = "ReLU" },
    { layer = "Linear" },
]

[training]
epochs = 2
batch_size = 16
"""


@pytest.fixture
def small(folder: Path) -> Path:
    path = folder / "small.toml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


def test_graph(run: Run, small: Path, folder: Path) -> None:
    assert run("graph", "small.toml").stdout == TABLE
    wide = run("graph", "small.toml", "--set", "network.layers[1].out_features=7").stdout
    assert "1      Linear      (2, 7)" in wide
    done = run("graph", "small.toml", "-o", "net.svg")
    assert re.fullmatch(r"net.svg: \d+ nodes, \d+ edges\n", done.stdout)
    text = (folder / "net.svg").read_text(encoding="utf-8")
    ElementTree.fromstring(text)
    assert "matmul" in text
    done = run("graph", "small.toml", "-o", "net.png")
    assert (done.returncode, done.stderr) == (2, "neurona: net.png: a drawing is saved as .svg\n")


def test_explain(run: Run, small: Path) -> None:
    told = run("explain", "small.toml", "--step", "predict").stdout
    assert "float32[16, 64]" in told
    assert "random" not in told
    assert "of peak" in told
    record = json.loads(run("explain", "small.toml", "--step", "train", "--json").stdout)
    kernels = record["kernels"]
    assert len(kernels) > 3
    shown = run("explain", "small.toml", "--kernel", str(len(kernels) - 1)).stdout
    assert "define" in shown
    assert "ret" in shown
    done = run("explain", "small.toml", "--kernel", "900")
    assert done.stderr.startswith("neurona: --kernel 900: the program has ")
    done = run("explain", "small.toml", "--step", "trian")
    assert "did you mean 'train'?" in done.stderr


def test_info_as_json(run: Run) -> None:
    found = json.loads(run("info", "--json", NEURONA_THREADS="1").stdout)
    assert found["threads"] == 1
    assert set(found["packages"]) >= {"numpy", "llvmlite"}
    assert found["data"]["exists"] is False


def test_no_run(run: Run, folder: Path) -> None:
    (folder / "empty").mkdir()
    done = run("graph", "empty")
    assert (done.returncode, done.stderr) == (2, "neurona: empty: no run or saved model in it\n")
    done = run("explain", "emty")
    assert "'emty' is no file and no example" in done.stderr
