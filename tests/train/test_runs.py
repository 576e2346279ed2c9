"""Run folders: what they hold, and that a resumed run is the undisturbed one, bit for bit."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import neurona as ne
from neurona import data, nn, optim, random, train
from neurona.core.errors import ArgumentError, CheckpointError, NonFiniteError
from neurona.train.recorder import interval
from neurona.train.run_lock import RunLock, is_at_work

DIGITS = data.digits().take(np.arange(110))
WATCHED = data.digits().take(np.arange(110, 150))
TIMES = ("seconds", "samples_per_second", "waiting")
"""What differs between two runs that are the same."""


def make(seed: int = 0, hidden: int = 8, **options: Any) -> train.Model:
    """A model that has everything a resumed run must take up again."""
    random.seed(seed)
    network = nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, hidden),
        nn.BatchNorm1d(hidden),
        nn.Tanh(),
        nn.Dropout(0.2, generator=random.Generator(seed + 5)),
        nn.Dropout(0.1),
        nn.Linear(hidden, 10),
    )
    model = train.Model(network, preprocessing=train.Division(16), classes=DIGITS.classes)
    model.compile(
        optim.Adam(network.parameters(), 1e-2),
        metrics=["accuracy", "roc_auc"],
        schedule=optim.schedules.Cosine(epochs=9),
        **{"accumulate": 2, **options},
    )
    return model


class Until(train.Callback):
    """Ends the run after an update, as a loss of power would, and counts them."""

    def __init__(self, step: int = -1) -> None:
        self.step = step
        self.steps = 0

    def on_step_end(self, step: int, loss: ne.Tensor) -> None:
        self.steps += 1
        if step == self.step:
            self.model.stop_training = True

    def state(self) -> dict[str, Any]:
        return {"steps": self.steps, "as an array": np.arange(self.steps)}

    def load_state(self, state: Any) -> None:
        self.steps = state["steps"]
        assert len(state["as an array"]) == self.steps


def fit(model: train.Model, folder: Path, until: int = -1, **options: Any) -> train.History:
    callbacks = [Until(until), train.EarlyStopping(patience=50, restore_best=False)]
    given = {"epochs": 3, "batch_size": 16, "validation_data": WATCHED, "seed": 4, **options}
    data = given.pop("data", DIGITS)
    return model.fit(data, callbacks=callbacks, run=folder, report=False, verbose=False, **given)


def weights(model: train.Model) -> dict[str, NDArray[Any]]:
    return model.network.state_dict()


def assert_same(one: train.Model, other: train.Model) -> None:
    for name, array in weights(one).items():
        np.testing.assert_array_equal(array, weights(other)[name], err_msg=name)


def lines(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "metrics.jsonl").read_text(encoding="utf-8")
    found = [json.loads(line) for line in text.splitlines()]
    return [{k: v for k, v in line.items() if k not in TIMES} for line in found]


def about(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[train.Model, Path]:
    model, folder = make(), tmp_path_factory.mktemp("runs") / "undisturbed"
    fit(model, folder)
    return model, folder


def test_what_the_folder_holds(undisturbed: tuple[train.Model, Path]) -> None:
    folder = undisturbed[1]
    assert sorted(path.name for path in folder.iterdir()) == [
        *(".lock", "checkpoints", "metrics.jsonl", "model.json", "run.json"),
        "weights.safetensors",
    ]
    found = about(folder)
    assert (found["format"], found["status"], found["name"]) == (
        *("neurona-run", "finished", "undisturbed"),
    )
    assert found["seed"] == 4
    assert found["samples"] == 110
    assert found["environment"]["threads"] == 2
    assert found["parameters"]["optimizer"]["algorithm"] == "Adam"
    assert found["seconds"] > 0
    told = lines(folder)
    assert [line["epoch"] for line in told] == [0, 1, 2]
    assert [line["step"] for line in told] == [4, 8, 12]
    assert {"loss", "accuracy", "roc_auc", "validation_loss", "learning_rate"} <= told[0].keys()
    best = min(told, key=lambda line: float(line["validation_loss"]))
    assert found["best"] == {
        "epoch": best["epoch"],
        "name": "validation_loss",
        "value": best["validation_loss"],
    }
    again = train.Model.load(folder)
    assert again.evaluate(WATCHED, batch_size=16)["loss"] == best["validation_loss"]


def test_a_resumed_run_is_the_undisturbed_one(
    undisturbed: tuple[train.Model, Path], tmp_path: Path
) -> None:
    # Seven batches an epoch in groups of two: within an epoch, twice at its end, in the next.
    stops = [0, 3, 7, 10]
    expected, reference = undisturbed
    folder = tmp_path / "run"
    fit(make(), folder, stops[0])
    for stop in [*stops[1:], -1]:
        # Neither the weights nor the random state that a resumed run starts with matter.
        model = make(seed=stop + 17)
        history = fit(model, folder, stop, resume=True)
    assert_same(model, expected)
    assert lines(folder) == lines(reference)
    assert history.epochs == [0, 1, 2]
    assert about(folder)["best"] == about(reference)["best"]
    assert_same(train.Model.load(folder), train.Model.load(reference))


def test_a_run_that_was_cut_between_its_writes(
    undisturbed: tuple[train.Model, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every change of a file is a moment to die at; the run goes on from each."""
    expected, reference = undisturbed
    folder, left = tmp_path / "run", [0]

    class Killed(BaseException):
        pass

    def dying(original: Callable[..., Any]) -> Callable[..., Any]:
        def replace(*args: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return original(*args)

        return replace

    monkeypatch.setattr(Path, "replace", dying(Path.replace))
    resume = False
    for moment in (1, 5, 13, 500):
        left[0] = moment
        kept = (folder / "checkpoints" / "last" / "state.json").exists()
        model = make(seed=moment if kept else 0)
        try:
            fit(model, folder, resume=resume, checkpoint_every="2 steps")
            break
        except Killed:
            resume = (folder / "run.json").exists()
    assert moment == 500
    assert_same(model, expected)
    assert lines(folder) == lines(reference)


def test_more_epochs_and_finished_runs(tmp_path: Path) -> None:
    fit_line(tmp_path / "once", epochs=2)
    fit_line(tmp_path / "twice", epochs=1)
    with pytest.raises(CheckpointError, match="finished, with 1 epochs; ask for more"):
        fit_line(tmp_path / "twice", epochs=1, resume=True)
    fit_line(tmp_path / "twice", epochs=2, resume=True)
    assert lines(tmp_path / "twice") == lines(tmp_path / "once")
    with pytest.raises(CheckpointError, match="holds a run already; go on with it by resume=True"):
        fit_line(tmp_path / "twice")


def line(rate: float = 0.1, features: int = 2) -> train.Model:
    random.seed(3)
    network = nn.Linear(features, 1)
    model = train.Model(network)
    model.compile(optim.SGD(network.parameters(), rate), "mean_squared_error")
    return model


X = np.random.default_rng(0).normal(size=(12, 2)).astype(np.float32)
Y = X.sum(axis=1, keepdims=True)


def fit_line(folder: Path, model: train.Model | None = None, **options: Any) -> train.History:
    given: dict[str, Any] = {"x": X, "y": Y, "batch_size": 4, "epochs": 2, **options}
    model = line() if model is None else model
    return model.fit(**given, run=folder, report=False, verbose=False)


@pytest.fixture
def started(tmp_path: Path) -> Path:
    """A run that was stopped in its second epoch."""
    folder = tmp_path / "started"
    fit_line(folder, callbacks=[Until(4)], epochs=3)
    return folder


def resumptions() -> dict[str, tuple[str, dict[str, Any]]]:
    return {
        "network": (r"network.in_features was 2 and is 3", {"model": line(features=3)}),
        "rate": (r"learning_rate was 0.1 and is 0.2", {"model": line(rate=0.2)}),
        "samples": (r"training data.samples was 12 and is 11", {"x": X[1:], "y": Y[1:]}),
        "data": (r"training data.checksum was", {"x": X * 2}),
        "order": (r"training data.seed was 0 and is 1", {"seed": 1}),
        "batches": (r"training data.batch", {"batch_size": 6}),
        "validation": (r"validation data was None", {"validation_data": (X, Y)}),
        "callbacks": (r"callbacks was \['Until'\] and is \[\]", {"callbacks": []}),
    }


@pytest.mark.parametrize("name", resumptions())
def test_another_run_is_not_taken_for_it(started: Path, name: str) -> None:
    message, options = resumptions()[name]
    if "x" in options or "model" in options:
        x = options.get("x", X)
        features = options["model"].network.in_features if "model" in options else 2
        options["x"] = np.concatenate([x, x[:, :1]], axis=1) if features == 3 else x
    before = {path: path.read_bytes() for path in started.rglob("*.*") if path.is_file()}
    given = {"callbacks": [Until()], "epochs": 3, **options}
    with pytest.raises(CheckpointError, match=rf"started: the run cannot go on, .*{message}"):
        fit_line(started, resume=True, **given)
    after = {path: path.read_bytes() for path in started.rglob("*.*") if path.is_file()}
    del before[started / ".lock"], after[started / ".lock"]
    assert before == after
    assert fit_line(started, resume=True, callbacks=[Until()], epochs=3).epochs == [0, 1, 2]


def change_json(path: Path, **changes: Any) -> None:
    found = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**found, **changes}), encoding="utf-8")


def test_damaged_and_newer_runs(started: Path, tmp_path: Path) -> None:
    def resume(message: str) -> None:
        with pytest.raises(CheckpointError, match=message):
            fit_line(started, resume=True, callbacks=[Until()], epochs=3)

    with pytest.raises(CheckpointError, match=r"run\.json: no such file and no such folder"):
        fit_line(tmp_path / "nothing", resume=True)
    last = started / "checkpoints" / "last"
    change_json(last / "state.json", format_version=2, neurona="9.1")
    resume(r"state\.json: written in format 2, .*install the Neurona that wrote it, 9\.1")
    change_json(last / "state.json", format_version=1)
    content = (last / "state.safetensors").read_bytes()
    (last / "state.safetensors").write_bytes(content[:-1])
    resume(r"state\.safetensors: damaged")
    (last / "state.safetensors").write_bytes(content)
    size = (started / "metrics.jsonl").stat().st_size
    os.truncate(started / "metrics.jsonl", size - 1)
    resume(r"metrics\.jsonl: has \d+ bytes, at the checkpoint it had")
    change_json(started / "run.json", format_version=3)
    resume(r"run\.json: written in format 3")
    (started / "run.json").write_text("{")
    resume(r"run\.json: damaged, not JSON")


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(CheckpointError, match="is a file; choose a folder"):
        fit_line(tmp_path / "file")
    with pytest.raises(CheckpointError, match=r"file/inside: cannot be written: Not a directory"):
        fit_line(tmp_path / "file" / "inside")
    with pytest.raises(CheckpointError, match=r"holds other files \(file\); choose an empty"):
        fit_line(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    (tmp_path / "configured").mkdir()
    (tmp_path / "configured" / "config.toml").write_text("seed = 0\n")
    fit_line(tmp_path / "configured")
    with pytest.raises(ArgumentError, match="needs the folder of the run"):
        line().fit(X, Y, resume=True, verbose=False)
    with pytest.raises(ArgumentError, match="number of seconds, or text"):
        fit_line(tmp_path / "new", checkpoint_every="often")
    assert not (tmp_path / "new").exists()


def test_intervals() -> None:
    assert interval("1 step") == (float("inf"), 1)
    assert interval("2.5 seconds") == interval(2.5) == (2.5, None)
    for wrong in ("0 steps", "2.5 steps", -1, True, None):
        with pytest.raises(ArgumentError):
            interval(wrong)  # type: ignore[arg-type]


def test_a_folder_in_use(started: Path) -> None:
    holder = (
        "import sys, pathlib\n"
        "from neurona.train.run_lock import RunLock\n"
        "lock = RunLock(pathlib.Path(sys.argv[1]))\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(started)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        assert is_at_work(started)
        with pytest.raises(CheckpointError, match=rf"at work there \(process {other.pid}\)"):
            fit_line(started, resume=True)
        other.send_signal(signal.SIGKILL)
    assert not is_at_work(started)
    lock = RunLock(started)
    assert is_at_work(started)
    with pytest.raises(CheckpointError, match="another run of this process"):
        fit_line(started, resume=True, callbacks=[Until()], epochs=3)
    lock.release()
    fit_line(started, resume=True, callbacks=[Until()], epochs=3)


# --- errors and Ctrl-C on the way ---


def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    class Press(train.Callback):
        def on_step_end(self, step: int, loss: ne.Tensor) -> None:
            if step == 4 and self.model.epochs_done == 1 and not pressed:
                pressed.append(step)
                os.kill(os.getpid(), signal.SIGINT)

    pressed: list[int] = []
    whole, parts = line(), line()
    history = fit_line(tmp_path / "a", parts, callbacks=[Press()])
    assert history.interrupted
    assert about(tmp_path / "a")["status"] == "interrupted"
    loaded = train.Model.load(tmp_path / "a")
    assert_same(loaded, parts)
    again = line()
    assert not fit_line(tmp_path / "a", again, callbacks=[Press()], resume=True).interrupted
    fit_line(tmp_path / "b", whole, callbacks=[Press()])
    assert_same(whole, again)
    assert lines(tmp_path / "a") == lines(tmp_path / "b")


def test_what_was_learnt_before_an_error_is_kept(tmp_path: Path) -> None:
    class Fails(train.Callback):
        def on_step_end(self, step: int, loss: ne.Tensor) -> None:
            if step == 4 and fails:
                raise OSError("the disk of the callback is full")

    fails = [1]
    with pytest.raises(OSError, match="of the callback") as raised:
        fit_line(tmp_path / "run", callbacks=[Fails()], epochs=3)
    assert "what was learnt is kept in" in raised.value.__notes__[0]
    assert about(tmp_path / "run")["status"] == "failed"
    assert about(tmp_path / "run")["error"] == "the disk of the callback is full"
    fails.clear()
    again, whole = line(), line()
    fit_line(tmp_path / "run", again, callbacks=[Fails()], epochs=3, resume=True)
    fit_line(tmp_path / "whole", whole, callbacks=[Fails()], epochs=3)
    assert_same(again, whole)
    bad = line(rate=1e30)
    with pytest.raises(NonFiniteError):
        fit_line(tmp_path / "bad", bad, epochs=9)
    assert np.isfinite(weights(train.Model.load(tmp_path / "bad"))["weight"]).all()


FULL = """
import resource, sys
from pathlib import Path
import numpy as np
from neurona import nn, optim, random, train
from neurona.core.errors import CheckpointError

class Fill(train.Callback):
    def on_epoch_end(self, epoch, values):
        if epoch == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (300, resource.RLIM_INFINITY))

random.seed(0)
network = nn.Linear(2, 1)
model = train.Model(network)
model.compile(optim.SGD(network.parameters(), 0.1), "mean_squared_error")
x = np.ones((8, 2), np.float32)
try:
    model.fit(x, x[:, :1], epochs=99, run=sys.argv[1], callbacks=[Fill()], verbose=False,
              checkpoint_every="1 step", report=False)
except CheckpointError as error:
    print(error)
print(network.weight.numpy().sum() > 0)
"""


def test_a_full_disk(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "run")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    told = done.stdout.splitlines()
    assert len(told) == 2, told
    assert "cannot be written: File too large" in told[0]
    model = line()
    model.network.load_state_dict(weights(train.Model.load(tmp_path / "run")))
    names = sorted(path.name for path in (tmp_path / "run").rglob("*") if path.is_file())
    assert not [name for name in names if name.endswith((".part", ".new"))], names
    state = json.loads((tmp_path / "run" / "checkpoints" / "last" / "state.json").read_text())
    assert state["epochs_done"] >= 2
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


class Crash(train.Callback):
    """Ends the process, as far as a test can, after a run was stopped and before it was noted."""

    def __init__(self, *, lost: bool) -> None:
        self.lost = lost

    def on_train_end(self) -> None:
        if self.lost:
            raise RuntimeError("power is lost")


def test_a_stopped_run_that_was_cut_off_at_its_end_stays_stopped(tmp_path: Path) -> None:
    def stopped(name: str, *more: train.Callback, resume: bool = False) -> train.Model:
        model = make()
        # Nothing is an improvement of so much, so the run ends after its second epoch.
        stop = train.EarlyStopping("loss", patience=1, minimum_delta=1e9)
        model.fit(
            DIGITS, epochs=5, seed=4, callbacks=[stop, *more], run=tmp_path / name,
            resume=resume, report=False, verbose=False,
        )  # fmt: skip
        assert (stop.best_epoch, stop.stopped_epoch) == (0, 1)
        return model

    whole = stopped("whole")
    with pytest.raises(RuntimeError, match="power is lost"):
        stopped("cut off", Crash(lost=True))
    assert about(tmp_path / "cut off")["error"] == "power is lost"
    resumed = stopped("cut off", Crash(lost=False), resume=True)
    assert resumed.epochs_done == whole.epochs_done == 2
    assert_same(resumed, whole)
    found = about(tmp_path / "cut off")
    assert found["status"] == "stopped early"
    assert "error" not in found


def test_numbers_of_numpy_enter_the_files(tmp_path: Path) -> None:
    class Single(train.metrics.MeanAbsoluteError):
        def value(self, sums: Any) -> Any:
            return np.float32(super().value(sums))

    class Counts(train.Callback):
        def state(self) -> dict[str, Any]:
            return {"count": np.int64(3), "share": np.float32("nan")}

    network = nn.Linear(2, 1)
    model = train.Model(network)
    model.compile("SGD", "mean_squared_error", metrics=[Single()])
    x, y = np.ones((4, 2), np.float32), np.zeros((4, 1), np.float32)
    run = tmp_path / "run"
    model.fit(x, y, callbacks=[Counts()], run=run, report=False, verbose=False)
    assert isinstance(lines(run)[0]["mean_absolute_error"], float)


def test_what_counts_differently_and_what_is_learnt_are_noted(tmp_path: Path) -> None:
    model = make(frozen="1", accumulate=1)
    model.fit(DIGITS, class_weight={0: 3}, run=tmp_path / "run", report=False, verbose=False)
    noted = about(tmp_path / "run")["parameters"]
    assert noted["weighted"] is True
    assert noted["learnt numbers"] == 8 + 8 + 8 * 10 + 10


def test_a_resume_that_is_refused_changes_nothing(undisturbed: tuple[train.Model, Path]) -> None:
    model = make(seed=0)
    with pytest.raises(CheckpointError, match="the run is finished"):
        fit(model, undisturbed[1], resume=True)
    assert_same(model, make(seed=0))
    assert model.epochs_done == 0
