"""The harness itself, run on a small case whose frameworks are written in NumPy."""

import json
import os
import statistics
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.case import Case, load_case
from benchmarks.client import Worker, WorkerError, choose_cpus, worker_environment
from benchmarks.harness import Outcome, run_case
from benchmarks.machine import describe_machine
from benchmarks.peers import JAX, TORCH, TORCH_COMPILE, Peer, Variant
from benchmarks.rounds import Settings

FAKE_CASE = '''
"""Least squares, in builds that are right and in builds that are not."""
import os
import time

import numpy as np

from benchmarks.case import Case, Tolerance, Training


def build(rate=0.1, wait=0.0, spoil=np.inf, crash=False):
    def training(problem, options):
        print("a framework may print: it must not end up among the replies")
        if options.get("unsupported"):
            raise NotImplementedError("no such variant")
        weights = {name: value.copy() for name, value in problem.weights.items()}
        batches = problem.batches

        def step(i):
            if crash:
                os._exit(3)
            time.sleep(wait)
            x, y = batches[i % len(batches)]
            error = x @ weights["w"] - y
            weights["w"] -= np.float32(rate / len(x)) * (x.T @ error)
            return np.nan if i >= spoil else np.mean(error**2)

        return Training(step=step, state=lambda: dict(weights))

    return training


def make_batches(rng):
    truth = rng.normal(size=5)
    xs = [rng.normal(size=(20, 5)) for _ in range(10)]
    return [(x.astype("f4"), (x @ truth).astype("f4")) for x in xs]


CASE = Case(
    name="fake_case",
    description="least squares",
    batch=20,
    flops=2 * 2 * 20 * 5,
    traffic=8 * 5 + 4 * 20 * 6,
    tolerance=Tolerance(steps=20, loss=1e-4, change=1e-3),
    make_weights=lambda rng: {"w": rng.normal(size=5).astype("f4")},
    make_batches=make_batches,
    builds={
        "right": build(),
        "slow": build(wait=0.002),
        "wrong": build(rate=0.11),
        "late nan": build(spoil=20),  # the first step that is not checked
        "crash": build(crash=True),
    },
)
'''
SETTINGS = Settings(threads=1, rounds=3, round_seconds=0.005, peak_flops=1e9)


def fake(build: str, name: str | None = None, package: str = "numpy") -> Peer:
    return Peer(name or build, package=package, build=build)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("fake")
    (folder / "fake_case.py").write_text(FAKE_CASE, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
        patch.setenv("PYTHONPATH", path)
        yield load_case("fake_case")


@pytest.fixture(scope="module")
def outcome(case: Case) -> Outcome:
    peers = [
        Peer("neurona", "numpy", "right", keeps_code=True),
        Peer("two-speeds", "numpy", "slow", (Variant("a", {}), Variant("b", {"unsupported": 1}))),
        fake("wrong"),
        fake("late nan"),
        fake("crash"),
        fake("right", name="absent", package="no_such_package_at_all"),
        fake("unwritten"),
    ]
    return run_case(case, peers, SETTINGS, module="fake_case", references=[fake("right")])


def test_only_what_matches_the_reference_is_timed(outcome: Outcome) -> None:
    assert [run.peer.name for run in outcome.runs] == ["neurona", "two-speeds"]
    assert all(len(run.ms_all) == SETTINGS.rounds for run in outcome.runs)
    failed = {failure.name: failure.reason for failure in outcome.failed}
    assert set(failed) == {"two-speeds (b)", "wrong", "late nan", "crash"}
    assert failed["wrong"].startswith("does not match right: the loss at step")
    assert failed["late nan"].startswith("ArithmeticError: the loss is nan after")
    assert failed["crash"] == "the process ended with code 3"
    assert failed["two-speeds (b)"] == "NotImplementedError: no such variant"


def test_missing_and_unwritten_peers_are_skipped(outcome: Outcome) -> None:
    skipped = {skip.name: skip.reason for skip in outcome.skipped}
    assert skipped == {
        "absent": "no_such_package_at_all is not installed",
        "unwritten": "the case is not written for it",
    }


def test_times_and_ratios(outcome: Outcome) -> None:
    neurona, slow = outcome.runs
    assert slow.ms >= 2.0  # it sleeps that long
    assert outcome.ratio(neurona) == 1.0
    pairs = zip(slow.ms_all, neurona.ms_all, strict=True)
    assert outcome.ratio(slow) == statistics.median(theirs / mine for theirs, mine in pairs)
    assert outcome.ratio(slow, base="nobody") is None
    # 400 FLOP at the stated 1 GFLOP/s are 0.4 µs, the traffic comes on top.
    assert 4e-4 < outcome.floor_ms < 1e-2


def test_what_keeps_its_code_is_built_again_from_it(outcome: Outcome) -> None:
    neurona, slow = outcome.runs
    assert neurona.cached_s > 0
    assert slow.cached_s is None


def test_json_has_what_a_reader_expects(outcome: Outcome, tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    cases = [report.outcome_record(outcome)]
    report.write_json(path, {"machine": describe_machine(), "cases": cases})
    record = json.loads(path.read_text(encoding="utf-8"))
    assert set(record) == {"machine", "cases"}
    assert {"cpu", "cores", "packages", "date"} <= set(record["machine"])
    (entry,) = record["cases"]
    assert entry["case"] == "fake_case"
    assert entry["reference"] == "right"
    for result in entry["results"]:
        for key in ("ms", "gflops", "warmup_s", "peak_mb", "fraction_of_floor", "ratio"):
            assert isinstance(result[key], float), key
            assert result[key] > 0, key
        assert len(result["ms_all"]) == SETTINGS.rounds
        assert result["gflops"] == pytest.approx(400 / (result["ms"] * 1e-3) / 1e9)
    assert [result["name"] for result in entry["results"]] == ["neurona", "two-speeds"]
    assert {failure["name"] for failure in entry["failed"]} >= {"wrong", "crash"}
    assert list(tmp_path.iterdir()) == [path]


def test_table_names_every_framework(outcome: Outcome) -> None:
    from rich.console import Console

    console = Console(width=120, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    report.print_outcome(console, outcome, SETTINGS.rounds, verbose=True)
    console.file.close()
    text = console.export_text()
    for name in ("neurona", "two-speeds (a)", "wrong: not timed", "absent: skipped"):
        assert name in text
    assert "Traceback" in text


def test_without_a_reference_nothing_is_timed(case: Case) -> None:
    absent = fake("right", package="no_such_package_at_all")
    with pytest.raises(LookupError, match="checked against right, and none is installed"):
        run_case(case, [fake("right")], SETTINGS, module="fake_case", references=[absent])
    with pytest.raises(LookupError, match="has no reference: crash: the process ended"):
        run_case(case, [fake("right")], SETTINGS, module="fake_case", references=[fake("crash")])


def test_worker_survives_a_bad_request() -> None:
    with Worker("any", threads=1, cpus=choose_cpus(1)) as worker:
        with pytest.raises(WorkerError, match="must come after a build"):
            worker.ask("time", steps=1)
        with pytest.raises(WorkerError, match="KeyError"):
            worker.ask("no such command")
        folder = worker.folder
        assert folder.exists()
    assert not folder.exists()


def test_workers_get_the_threads_and_empty_caches(tmp_path: Path) -> None:
    cold = worker_environment(2, tmp_path)
    for name in ("OMP_NUM_THREADS", "NEURONA_THREADS", "NPROC"):
        assert cold[name] == "2"
    assert cold["NEURONA_CACHE"].startswith(str(tmp_path))
    assert cold["TORCHINDUCTOR_CACHE_DIR"].startswith(str(tmp_path))
    assert worker_environment(1, None).get("NEURONA_CACHE") == os.environ.get("NEURONA_CACHE")


def test_choose_cpus() -> None:
    assert choose_cpus(1) is None or len(choose_cpus(1)) == 1
    with pytest.raises(ValueError, match="10000 threads asked for"):
        choose_cpus(10_000)


def test_real_peers_run_in_their_workers() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("jax")
    module = "benchmarks.cases.tabular"
    outcome = run_case(load_case(module), [TORCH, JAX], SETTINGS, module=module)
    assert outcome.failed == []
    assert [run.peer for run in outcome.runs] == [TORCH, JAX]
    assert len(outcome.variants) == len(TORCH.variants) + len(JAX.variants)
    for run in outcome.runs:
        assert run.ms > 0
        assert run.built["version"].count(".") >= 2
        assert run.memory["process"] > run.memory["training"] > 0


@pytest.mark.slow
def test_torch_compile_runs_in_its_worker() -> None:
    pytest.importorskip("torch")
    module = "benchmarks.cases.tabular"
    outcome = run_case(load_case(module), [TORCH_COMPILE], SETTINGS, module=module)
    assert outcome.failed == []
    assert len(outcome.variants) == len(TORCH_COMPILE.variants)
