"""Runs that are cut off anywhere and resumed end as the undisturbed one, bit for bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import data, nn, optim, random, train

X = np.random.default_rng(0).normal(size=(43, 6)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64) + (X[:, 1] > 0.3)
WEIGHTS = np.linspace(0.5, 2, 43)
TIMES = ("seconds", "samples_per_second", "waiting")


class CutOffError(BaseException):
    """Stands for kill -9: nothing between here and the top may catch it."""


class Cut(train.Callback):
    """Ends the run in the middle of a step's callbacks."""

    def __init__(self, step: int | None) -> None:
        self.step = step

    def on_step_end(self, step: int, loss: ne.Tensor) -> None:
        if step == self.step:
            raise CutOffError


def plain() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))


def everything() -> nn.Module:
    return nn.Sequential(
        nn.Linear(6, 8),
        nn.BatchNorm1d(8),
        nn.Tanh(),
        nn.Dropout(0.3),
        nn.Linear(8, 8),
        nn.LayerNorm(8),
        nn.Dropout(0.2, generator=random.Generator(3)),
        nn.Linear(8, 3),
    )


@dataclass
class Case:
    """A way to train: what is not said is as usual."""

    network: Callable[[], nn.Module] = everything
    optimizer: Callable[[list[ne.Variable]], optim.Optimizer] = lambda p: optim.Adam(p, 0.01)
    compile: dict[str, Any] = field(default_factory=dict)
    loader: Callable[[], Any] | None = None
    fit: dict[str, Any] = field(default_factory=dict)
    callbacks: Callable[[], list[train.Callback]] = list
    every: Any = "1 steps"


def jitter(sample: Any, generator: np.random.Generator) -> Any:
    x, y = sample
    return x + generator.normal(0, 0.1, x.shape).astype(np.float32), y


def stream(workers: int, **options: Any) -> Callable[[], Any]:
    source = data.ArraySource(X, Y).map(jitter)
    return lambda: data.StreamLoader(source, batch_size=8, seed=5, workers=workers, **options)


CASES = {
    "adam": Case(),
    "momentum": Case(optimizer=lambda p: optim.SGD(p, 0.05, momentum=0.9, nesterov=True)),
    "schedule": Case(
        optimizer=lambda p: optim.AdamW(p, 0.01),
        compile={"schedule": optim.schedules.Cosine(epochs=3)},
    ),
    "plateau": Case(callbacks=lambda: [train.ReduceOnPlateau(patience=1, factor=0.5)]),
    "early": Case(callbacks=lambda: [train.EarlyStopping(patience=1)], fit={"epochs": 4}),
    "accumulated": Case(compile={"accumulate": 2}),
    "accumulated to an uneven end": Case(compile={"accumulate": 3}),
    "one group of two batches": Case(plain, compile={"accumulate": 2}, fit={"batch_size": 24}),
    "one group an epoch": Case(compile={"accumulate": 6}),
    "a group larger than the epoch": Case(compile={"accumulate": 9}),
    "one batch an epoch": Case(fit={"batch_size": 64}),
    "penalties": Case(compile={"clip_norm": 0.5, "l1": 1e-3, "l2": 1e-3, "max_norm": 1.0}),
    "frozen": Case(compile={"frozen": ["0", "1"]}),
    "gathered": Case(compile={"metrics": ["accuracy", "roc_auc", "f1"]}),
    "weighed": Case(fit={"sample_weight": WEIGHTS, "class_weight": {0: 3.0}}),
    "stream": Case(loader=stream(2)),
    "stream without workers": Case(loader=stream(0, drop_last=True)),
    "accumulated stream": Case(loader=stream(1), compile={"accumulate": 2}),
    "seldom kept": Case(compile={"accumulate": 2}, every="3 steps"),
    "float64": Case(lambda: everything().astype(np.float64)),
    "bfloat16": Case(lambda: plain().astype(ne.bfloat16)),
}


def fit(case: Case, folder: Path, cut: int | None, seed: int, **more: Any) -> train.Model:
    random.seed(seed)
    network = case.network()
    model = train.Model(network)
    optimizer = case.optimizer(list(network.parameters()))
    model.compile(optimizer, **{"metrics": ["accuracy"], **case.compile})
    given = {"epochs": 3, "validation_data": (X[:13], Y[:13]), **case.fit}
    where = {"run": folder, "report": False, "checkpoint_every": case.every, "verbose": False}
    callbacks = [Cut(cut), *case.callbacks()]
    if case.loader is not None:
        with case.loader() as loader:
            model.fit(loader, callbacks=callbacks, **given, **where, **more)
    else:
        options = {"batch_size": 8, "seed": 5}
        model.fit(X, Y, callbacks=callbacks, **{**options, **given}, **where, **more)
    return model


def kept(folder: Path) -> dict[str, Any]:
    """All that a run leaves behind, without the times it took."""
    state = json.loads((folder / "checkpoints/last/state.json").read_text(encoding="utf-8"))
    for name in ("seconds", "waited", "metrics_bytes", "seal"):
        state.pop(name)
    for name in ("seconds", "samples_per_second", "waiting"):
        state["history"].pop(name)
    text = (folder / "metrics.jsonl").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    return {
        "state": state,
        "metrics": [{k: v for k, v in line.items() if k not in TIMES} for line in lines],
        "best": json.loads((folder / "run.json").read_text(encoding="utf-8"))["best"],
        "model": json.loads((folder / "model.json").read_text(encoding="utf-8")),
    }


def resumed_as_undisturbed(case: Case, tmp_path: Path, cuts: list[int]) -> None:
    undisturbed = fit(case, tmp_path / "undisturbed", None, seed=1)
    seed = 1
    for number, cut in enumerate(cuts):
        with pytest.raises(CutOffError):
            fit(case, tmp_path / "run", cut, seed, resume=number > 0)
        seed = 100 + number  # neither initial weights nor generators of a resumed run matter
    resumed = fit(case, tmp_path / "run", None, seed, resume=True)
    for name, array in undisturbed.network.state_dict().items():
        np.testing.assert_array_equal(resumed.network.state_dict()[name], array, err_msg=name)
    assert kept(tmp_path / "run") == kept(tmp_path / "undisturbed")


def steps_of(case: Case) -> int:
    """The number of updates of a case, worked out from its options."""
    size = case.fit.get("batch_size", 8)
    batches = 5 if case.loader is not None and case.loader().drop_last else -(-43 // size)
    return int(3 * -(-batches // case.compile.get("accumulate", 1)))


QUICK = {"one group of two batches"}


@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in CASES]
)
def test_cut_within_epochs(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    last = steps_of(case)
    # In the first epoch, right after its end, in the second.
    cuts = sorted({1, last // 3, last // 2}) if last > 3 else [1]
    resumed_as_undisturbed(case, tmp_path, cuts)
