"""A regression on prices from a short file, in the prices' own units."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from neurona.train.model import Model

from ..houses import write_houses
from .conftest import Run, program


@pytest.fixture(scope="module")
def houses_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run in `runs/houses` of an empty folder, and what was said."""
    work = tmp_path_factory.mktemp("houses")
    write_houses(work)
    done = program("train", "houses.toml", "--set", "training.epochs=20", cwd=str(work))
    assert (done.returncode, done.stderr) == (0, "")
    return work, done.stdout


@pytest.fixture
def trained(houses_run: tuple[Path, str], folder: Path) -> str:
    """The same, as it was, in the folder of the test."""
    shutil.copytree(houses_run[0], folder, dirs_exist_ok=True)
    return houses_run[1]


def test_prices(run: Run, folder: Path, trained: str) -> None:
    test = re.search(
        r"^test: loss 0\.\S+  r2 0\.(\d+)  mean absolute error (\d\d,\d{3})$", trained, re.M
    )
    assert test is not None, trained
    assert int(test[1][:2]) >= 80
    assert f"mean absolute error  {test[2]}" in run("evaluate", "runs/houses").stdout
    report = (folder / "runs/houses/report.html").read_text(encoding="utf-8")
    assert "root mean squared error" in report

    (folder / "new.csv").write_text("town,age,area\nAmpel,10,100\nBirk,10,150\n", encoding="utf-8")
    model = Model.load(folder / "runs/houses")
    assert model.reader is not None
    prices = model.predict(model.reader.read([folder / "new.csv"])[1])[:, 0].tolist()
    # The formula says 268,500 and 476,075.
    assert prices == pytest.approx([268_500, 476_000], rel=0.15)
    done = run("predict", "runs/houses", "new.csv")
    assert done.stdout == "".join(f"new.csv:{i + 2}  {p:.0f}\n" for i, p in enumerate(prices))
    assert done.stderr == ""
    told = json.loads(run("predict", "runs/houses", "new.csv", "--json").stdout)
    assert [one["values"] for one in told] == [[price] for price in prices]


def test_a_run_goes_on_in_the_same_units_only(run: Run, trained: str) -> None:
    done = run("resume", "runs/houses")  # the same settings: there is just nothing left to do
    assert "the run is finished, with 20 epochs" in done.stderr
    done = run("resume", "runs/houses", "--set", "data.standardize_target=false")
    assert done.returncode == 2
    assert "target_scaling was" in done.stderr


def test_unknown_categories(run: Run, folder: Path, trained: str) -> None:
    rows = ["Diez,10,100", "Ampel,10,150", "Diez,20,90", "Echt,1,80"]
    (folder / "new.csv").write_text("\n".join(["town,age,area", *rows, ""]), encoding="utf-8")
    done = run("predict", "runs/houses", "new.csv")
    assert len(done.stdout.splitlines()) == 4
    assert done.stderr == (
        "neurona: not in the training part: town 'Diez' (2 rows), town 'Echt' (1 row)\n"
    )
    towns = [f"Town {number},1,80" for number in range(9)]
    (folder / "more.csv").write_text("\n".join(["town,age,area", *towns, ""]), encoding="utf-8")
    done = run("predict", "runs/houses", "new.csv", "more.csv", "--output", "prices.csv")
    assert done.stdout == "prices.csv: 13 rows\n"
    (line,) = done.stderr.splitlines()
    assert line.endswith("town 'Town 2' (1 row), 6 more")
