"""Comparisons call by call, run on a small group whose frameworks are written in NumPy."""

import json
import os
import statistics
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from benchmarks import call_report
from benchmarks.call_harness import CallOutcome, Workers, run_operation
from benchmarks.cli import app
from benchmarks.operation import Group, load_source
from benchmarks.peers import CALL_PEERS, NEURONA, Peer, Variant
from benchmarks.rounds import Settings

FAKE_GROUP = '''
"""Doubling, in builds that are right and in builds that are not."""
import os
import time

import numpy as np

from benchmarks.operation import Call, Expected, Group, Operation
from benchmarks.peers import Variant


def build(factor=2.0, wait=0.0, crash=False):
    def call(inputs, options):
        if options.get("unsupported"):
            raise NotImplementedError("no such variant")
        assert options["threads"] == 1

        def run(i):
            if crash:
                os._exit(3)
            time.sleep(wait)
            return np.float32(factor + i) * inputs[0]

        return Call(run=run)

    return call


def operation(name, **more):
    return Operation(
        name=name,
        description="2x",
        make_inputs=lambda rng: [rng.normal(size=100).astype("f4")],
        expect=lambda inputs: [Expected(3.0 * inputs[0], 1e-6 * np.abs(inputs[0]))],
        builds={
            "right": build(),
            "slow": build(wait=0.002),
            "wrong": build(factor=2.001),
            "crash": build(crash=True),
        },
        traffic=800,
        checked_calls=2,  # the second call multiplies by 3
        **more,
    )


SOURCE = Group(
    "fake_group",
    "doubling",
    (
        operation("plain", flops=100),
        operation("copied", beside_copy=True),
        operation(
            "variants", variants={"slow": (Variant("a", {}), Variant("b", {"unsupported": 1}))}
        ),
    ),
)
'''
SETTINGS = Settings(threads=1, rounds=3, round_seconds=0.005)


def fake(build: str, name: str | None = None, package: str = "numpy") -> Peer:
    return Peer(name or build, package=package, build=build)


PEERS = [
    fake("right", name="neurona"),
    fake("slow"),
    fake("wrong"),
    fake("crash"),
    fake("right", name="absent", package="no_such_package_at_all"),
    Peer("half there", "numpy", "right", also=("no_such_package_either",)),
    fake("unwritten"),
]


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Group:
    folder = tmp_path_factory.mktemp("fake")
    (folder / "fake_group.py").write_text(FAKE_GROUP, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
        patch.setenv("PYTHONPATH", path)
        yield load_source("fake_group")


@pytest.fixture(scope="module")
def outcomes(group: Group) -> dict[str, CallOutcome]:
    with Workers(SETTINGS) as workers:
        return {
            operation.name: run_operation(
                operation,
                PEERS,
                SETTINGS,
                workers,
                module="fake_group",
                title=f"fake_group/{operation.name}",
                latencies=operation.name == "variants",
            )
            for operation in group.operations
        }


def test_only_what_computes_the_expected_is_timed(outcomes: dict[str, CallOutcome]) -> None:
    for outcome in outcomes.values():
        assert [run.peer.name for run in outcome.runs] == ["neurona", "slow"]
        failed = {failure.name: failure.reason for failure in outcome.failed}
        assert failed.pop("slow (b)", None) == (
            "NotImplementedError: no such variant" if outcome is outcomes["variants"] else None
        )
        assert failed.pop("wrong").startswith("does not match NumPy in float64: result 0[")
        # Its worker is started anew for every operation.
        assert failed == {"crash": "the process ended with code 3"}
        assert {skip.name: skip.reason for skip in outcome.skipped} == {
            "absent": "no_such_package_at_all is not installed",
            "half there": "no_such_package_either is not installed",
            "unwritten": "the case is not written for it",
        }


def test_times_ratios_and_copies(outcomes: dict[str, CallOutcome]) -> None:
    plain, copied, variants = outcomes.values()
    neurona, slow = plain.runs
    assert len(slow.ms_all) == SETTINGS.rounds
    assert min(slow.ms_all) >= 2.0  # it sleeps that long
    pairs = zip(slow.ms_all, neurona.ms_all, strict=True)
    assert plain.ratio(slow) == statistics.median(theirs / mine for theirs, mine in pairs)
    assert plain.ratio(neurona) == 1.0
    assert plain.copy_ms() is None
    assert plain.fraction_of_copy(neurona) is None
    assert set(copied.copy_all) == {"ordinary", "non-temporal"}
    # 800 bytes at 0.1 to 1000 GB/s.
    assert all(8e-7 < ms < 8e-3 for ms in copied.copy_ms())
    assert 0 < copied.fraction_of_copy(copied.runs[1]) < 0.01
    late = variants.runs[1]
    assert all(2.0 <= ms <= p95 for ms, p95 in zip(late.ms_all, late.p95_all, strict=True))


def test_geometric_means(outcomes: dict[str, CallOutcome]) -> None:
    first, second = outcomes["plain"], outcomes["copied"]
    means = call_report.geometric_means([first, second])
    assert set(means) == {"slow"}
    low, high = sorted(outcome.ratio(outcome.runs[1]) for outcome in (first, second))
    assert means["slow"]["geometric_mean"] == pytest.approx((low * high) ** 0.5)
    assert means["slow"]["cases"] == 2
    assert means["slow"]["lowest"] == low
    assert means["slow"]["lowest_case"] in ("fake_group/plain", "fake_group/copied")


def test_records_have_the_fields_of_training_cases(outcomes: dict[str, CallOutcome]) -> None:
    for name, outcome in outcomes.items():
        record = json.loads(json.dumps(call_report.call_record(outcome), allow_nan=False))
        assert record["case"] == f"fake_group/{name}"
        assert [result["name"] for result in record["results"]] == ["neurona", "slow"]
        for result in record["results"]:
            for key in ("ms", "ratio", "warmup_s", "gbs"):
                assert result[key] > 0, key
            assert result["peak_mb"] >= 0
            assert len(result["ms_all"]) == SETTINGS.rounds
            assert ("p95_ms" in result) == (name == "variants")
        assert {failure["name"] for failure in record["failed"]} >= {"wrong", "crash"}
    plain = call_report.call_record(outcomes["plain"])["results"][1]
    assert plain["gflops"] == pytest.approx(100 / plain["ms"] / 1e6)
    peak = outcomes["plain"].peak_flops
    assert plain["fraction_of_peak"] == pytest.approx(1e9 * plain["gflops"] / peak)


def test_tables_name_everything(outcomes: dict[str, CallOutcome]) -> None:
    console = Console(width=150, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    several = list(outcomes.values())
    console.print(call_report.operations_table("fake", "doubling", several, PEERS))
    several[2].operation = several[0].operation  # a network's has FLOPs
    console.print(call_report.latency_table("fake", "doubling", several[2:], SETTINGS.rounds))
    console.file.close()
    text = console.export_text()
    for part in (
        "plain",
        "of peak",
        "of copy",
        "slow: geometric mean of 3 ratios",
        "fake_group/plain: wrong: not timed, does not match",
        "absent: skipped, no_such_package_at_all is not installed",
        "p95 ms",
        "slow (a)",
    ):
        assert part in text, part


def test_a_worker_that_lives_is_kept() -> None:
    with Workers(SETTINGS) as workers:
        first = workers.get("any")
        assert workers.get("any") is first
        first.close()
        assert not first.alive
        second = workers.get("any")
        assert second is not first
        assert second.alive
    assert not second.alive


@pytest.mark.parametrize(
    ("arguments", "cases"),
    [
        (
            ["ops", "elementwise/add-small", "matmul/square-64"],
            ["elementwise/add-small", "matmul/square-64"],
        ),
        (["infer", "mlp", "--batch", "1,2"], ["mlp", "mlp"]),
    ],
)
def test_the_commands_write_what_a_reader_expects(
    arguments: list[str], cases: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "figures.json"
    tiny = ["--threads", "1", "--rounds", "1", "--round-seconds", "0.005", "--json", str(path)]
    result = CliRunner().invoke(app, [*arguments, *tiny])
    assert result.exit_code == 0, result.output
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["machine"]["threads"] == 1
    assert [case["case"] for case in record["cases"]] == cases
    # None of these is written for torch.compile.
    peers = (NEURONA, CALL_PEERS["torch"], CALL_PEERS["onnxruntime"])
    present = [peer.name for peer in peers if not peer.missing()]
    for case in record["cases"]:
        assert [result["name"] for result in case["results"]] == present
        assert all(0 <= result["error"] <= 1 for result in case["results"])
        assert case["failed"] == []
    if arguments[0] == "infer":
        assert [case["batch"] for case in record["cases"]] == [1, 2]
    else:
        assert set(record["ratios"]) == {"elementwise", "matmul"}


def test_variants_are_named_where_there_are_several() -> None:
    plain, other = Variant("plain", {}), Variant("other", {})
    assert Peer("p", "numpy", "right", (plain,)).label(plain) == "p"
    assert Peer("p", "numpy", "right", (plain, other)).label(other) == "p (other)"
