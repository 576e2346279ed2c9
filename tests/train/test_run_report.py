"""What a run leaves for its report, and that no failure there costs the run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurona import data, nn, optim, random, train
from neurona.core.errors import NonFiniteError
from neurona.train.analysis.samples import probe_of


@pytest.fixture(autouse=True)
def _untimed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers are not compiled one by one."""
    monkeypatch.setattr("neurona.train.analysis.timing.BUDGET", -1)


def model_and_data() -> tuple[train.Model, Any, Any]:
    random.seed(0)
    network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    model = train.Model(network)
    model.compile(optim.SGD(network.parameters(), learning_rate=0.1), "cross_entropy")
    rng = np.random.default_rng(0)
    return model, rng.normal(size=(32, 3)).astype(np.float32), rng.integers(0, 2, 32)


def about(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return found


def test_fit_leaves_a_report_of_the_saved_model(tmp_path: Path) -> None:
    model, x, y = model_and_data()
    run = tmp_path / "run"
    watch = train.WatchLayers(run / "layers.jsonl", x, y, most=1)
    model.fit(x, y, epochs=3, validation_data=(x[:20], y[:20]), callbacks=[watch], run=run,
              verbose=False)  # fmt: skip
    found = json.loads((run / "analysis.json").read_text())
    assert (found["part"], found["samples"]) == ("validation", 20)
    saved = train.Model.load(run)
    scores = saved.evaluate(x[:20], y[:20])
    assert found["mistakes"]["mean_loss"] == pytest.approx(scores["loss"], rel=1e-5)
    assert len((run / "layers.jsonl").read_text().splitlines()) == 3
    text = (run / "report.html").read_text()
    assert "finished" in text
    assert "Over the epochs" in text


def test_without_validation_the_training_part_is_looked_at(tmp_path: Path) -> None:
    model, x, y = model_and_data()
    model.fit(x, y, run=tmp_path / "run", verbose=False)
    found = json.loads((tmp_path / "run" / "analysis.json").read_text())
    assert (found["part"], found["samples"]) == ("training", 32)


def test_an_analysis_that_fails_costs_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("no\nway")

    monkeypatch.setattr("neurona.train.analysis.analyse_part", broken)
    model, x, y = model_and_data()
    before = model.fit(x, y, epochs=2, run=tmp_path / "run", verbose=False)
    assert len(before.epochs) == 2
    message = "the analysis of the run failed, the run itself is kept: RuntimeError: no way"
    assert capsys.readouterr().err == f"neurona: {message}\n"
    assert about(tmp_path / "run")["status"] == "finished"
    assert "RuntimeError: no way" in (tmp_path / "run" / "report.html").read_text()
    monkeypatch.setattr("neurona.report.html.write", broken)
    model.fit(x, y, run=tmp_path / "other", verbose=False)
    assert len(about(tmp_path / "other")["notes"]) == 2
    train.Model.load(tmp_path / "other")


def test_a_run_that_fails_says_so_in_its_report(tmp_path: Path) -> None:
    network = nn.Linear(1, 1)
    model = train.Model(network)
    model.compile(optim.SGD(network.parameters(), learning_rate=1e30), "mean_squared_error")
    x = np.ones((8, 1), np.float32)
    with pytest.raises(NonFiniteError):
        model.fit(x, -x, epochs=9, run=tmp_path / "run", verbose=False)
    text = (tmp_path / "run" / "report.html").read_text()
    assert "The run failed" in text
    assert "the loss is not finite" in text


def test_layers_that_cannot_be_watched_do_not_stop_the_run(tmp_path: Path) -> None:
    model, x, y = model_and_data()
    watch = train.WatchLayers(tmp_path / "layers.jsonl", x[:, :2], y, most=1)
    history = model.fit(x, y, epochs=2, callbacks=[watch], verbose=False)
    assert len(history.epochs) == 2
    assert watch.trouble is not None
    assert not (tmp_path / "layers.jsonl").exists()


def test_a_resumed_run_with_layers_watched_ends_as_the_undisturbed_one(tmp_path: Path) -> None:
    ends = []
    for name, epochs in (("whole", [3]), ("parts", [1, 3])):
        folder = tmp_path / name
        for resume, last in enumerate(epochs):
            model, x, y = model_and_data()
            watch = train.WatchLayers(folder / "layers.jsonl", x, y, most=1)
            model.fit(x, y, epochs=last, callbacks=[watch], run=folder, resume=bool(resume),
                      verbose=False)  # fmt: skip
        lines = (folder / "layers.jsonl").read_text().splitlines()
        ends.append((model.network.state_dict(), lines))
    assert all((ends[0][0][name] == ends[1][0][name]).all() for name in ends[0][0])
    assert ends[0][1] == ends[1][1]


def test_samples_to_watch_with() -> None:
    model, x, y = model_and_data()
    assert len(probe_of(model, model.part((x, y), "training", batch_size=4), 128)[0]) == 32
    assert len(probe_of(model, model.part((x, y), "training", batch_size=4), 10)[0]) == 10
    source = data.StreamLoader(data.ArraySource(x, y), batch_size=4, workers=0)
    inputs, targets = probe_of(model, model.part(source, "training"), 10)
    assert (inputs == x[np.arange(10) * 32 // 10]).all()
    assert (targets == y[np.arange(10) * 32 // 10]).all()
