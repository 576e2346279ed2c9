"""kill -9 at random moments: no checkpoint is lost, and the run ends as if nothing had happened."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from neurona import train
from neurona.train.run_folder import LAST, STATE, read_about
from tests.train.killed_run import digest

ROOT = Path(__file__).resolve().parents[2]


def start(folder: Path, *options: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.train.killed_run", str(folder), *options],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def undisturbed(folder: Path, *options: str, **environment: str) -> tuple[str, float]:
    """The digest of the weights, and how long it took."""
    began = time.perf_counter()
    process = start(folder, *options, **environment)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out.strip(), time.perf_counter() - began


def killed(folder: Path, *options: str, most: int, longest: float, rng: np.random.Generator) -> int:
    """Start the run, kill it, and start it again, until it ends or that is enough; the kills."""
    for kills in range(most):
        process = start(folder, *options)
        try:
            out, err = process.communicate(timeout=float(rng.uniform(0.05, longest)))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate(timeout=60)
            if look_at(folder) == "finished":  # killed when all was done
                return kills + 1
            continue
        assert process.returncode == 0, f"after {kills} kills: {err}"
        (folder / "digest").write_text(out.strip())
        return kills
    return most


def look_at(folder: Path) -> str:
    """What lies in the folder of a killed run can be read at any moment. Returns its status."""
    status = "not begun"
    if (folder / "run.json").exists():
        status = read_about(folder)["status"]
        assert status in ("running", "finished")
    if (folder / LAST / STATE.document).exists():
        description, arrays = STATE.read(folder / LAST)
        assert description["epochs_done"] >= 0
        assert all(np.isfinite(array).all() for name, array in arrays.items())
    if (folder / "model.json").exists():
        train.Model.load(folder)
    return status


def last_digest(folder: Path, *options: str) -> str:
    """The digest of a run that is let go on to its end, if it has not ended yet."""
    if look_at(folder) == "finished" and not (folder / "digest").exists():
        return digest(train.Model.load(folder))  # at the end the best weights are restored
    if not (folder / "digest").exists():
        out, _ = undisturbed(folder, *options)
        (folder / "digest").write_text(out)
    return (folder / "digest").read_text()


def lines(folder: Path) -> list[str]:
    """The metrics without times."""
    text = (folder / "metrics.jsonl").read_text().splitlines()
    return [one[: one.index('"seconds"')] + one[one.index('"learning_rate"') :] for one in text]


def compare(folder: Path, reference: Path) -> None:
    assert lines(folder) == lines(reference)
    for name in ("model.json", "weights.safetensors"):
        assert (folder / name).read_bytes() == (reference / name).read_bytes()
    assert not list(folder.rglob("*.part"))


def test_a_few_kills(tmp_path: Path) -> None:
    # Neither threads nor workers nor kills can be seen in what is learnt.
    options = ("--epochs", "2", "--workers")
    expected, took = undisturbed(tmp_path / "whole", *options, "1", NEURONA_THREADS="1")
    rng = np.random.default_rng()
    killed(tmp_path / "run", *options, "4", most=3, longest=took, rng=rng)
    assert last_digest(tmp_path / "run", *options, "4") == expected
    compare(tmp_path / "run", tmp_path / "whole")


@pytest.mark.slow
def test_threads_and_workers_do_not_matter(tmp_path: Path) -> None:
    """One and two threads of the programs; no, one and four workers, in threads and processes."""
    found = {
        undisturbed(tmp_path / f"run{i}", *options, NEURONA_THREADS=threads)[0]
        for i, (threads, *options) in enumerate(
            (
                ("1", "--workers", "1"),
                ("2", "--workers", "4"),
                ("2", "--workers", "0"),
                ("1", "--workers", "4", "--kind", "processes"),
            )
        )
    }
    assert len(found) == 1
    for i in range(1, 4):
        compare(tmp_path / f"run{i}", tmp_path / "run0")


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize(("kind", "kills"), [("threads", 150), ("processes", 50)])
def test_two_hundred_kills(tmp_path: Path, kind: str, kills: int) -> None:
    """Runs of four workers, one after the other, until so many were killed."""
    options = ("--workers", "4", "--kind", kind, "--epochs", "4")
    expected, took = undisturbed(tmp_path / "whole", *options)
    seed = int.from_bytes(os.urandom(4))
    rng, began, done, runs = np.random.default_rng(seed), time.perf_counter(), 0, 0
    while done < kills:
        folder = tmp_path / f"run{runs}"
        kills_of_run = killed(folder, *options, most=kills - done, longest=took, rng=rng)
        done += kills_of_run
        if kills_of_run < 5:  # the machine was busier when the time was taken
            took *= 0.8
        assert last_digest(folder, *options) == expected, f"seed {seed}, run {runs}"
        compare(folder, tmp_path / "whole")
        runs += 1
    seconds = time.perf_counter() - began
    print(f"\n{done} kills of {runs} runs with workers as {kind} in {seconds:.0f} s, seed {seed}")
