"""Worker processes: the same batches, and nothing left of them however they or their parent end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from neurona.core.errors import ArgumentError, DataError, WorkerError
from neurona.data import ArraySource, StreamLoader, digits

from .sources import Kinds, Slow, shifted

CHECKOUT = Path(__file__).resolve().parents[2]


def children() -> set[int]:
    """The worker processes of this one."""
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(status.read_text().rsplit(")", 1)[1].split()[1]) == os.getpid():
                line = (status.parent / "cmdline").read_bytes()
                if b"spawn_main" in line:
                    found.add(int(status.parent.name))
        except OSError:
            continue  # it has ended
    return found


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    if not Path("/proc/self/fd").exists():
        pytest.skip("looks at processes in /proc")
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # it stays until this process ends
    memory, files = set(os.listdir("/dev/shm")), open_files()
    yield
    assert children() == set()
    assert open_files() == files
    left = {name for name in os.listdir("/dev/shm") if name.startswith(("psm_", "sem."))}
    assert left <= memory


def test_the_same_batches_and_an_error_with_its_place() -> None:
    alone = StreamLoader(Kinds(50), batch_size=8, seed=2, workers=0)
    with StreamLoader(Kinds(50), batch_size=8, seed=2, workers=2, kind="processes") as loader:
        for epoch, start in ((0, 0), (3, 4), (1, 7)):
            expected = list(alone.epoch(epoch, start_batch=start))
            found = list(loader.epoch(epoch, start_batch=start))
            assert len(found) == len(expected) == 7 - start
            for mine, theirs in zip(found, expected, strict=True):
                assert [(a.dtype, a.shape) for a in mine] == [(a.dtype, a.shape) for a in theirs]
                for one, other in zip(mine, theirs, strict=True):
                    assert one.tobytes() == other.tobytes()
                    assert one.flags.writeable
        assert len(children()) == 2


def test_augmentation_depends_on_seed_epoch_and_sample_alone() -> None:
    source = ArraySource(*digits().take(np.arange(30)).arrays).map(shifted)
    options = {"batch_size": 10, "seed": 4}
    alone = StreamLoader(source, workers=0, **options)
    by_sample = dict(
        zip(alone.order(1).tolist(), np.concatenate([b[0] for b in alone.epoch(1)]), strict=True)
    )
    threads = StreamLoader(source, workers=3, **{**options, "batch_size": 7, "shuffle": False})
    in_order = np.concatenate([batch[0] for batch in threads.epoch(1)])
    assert all((by_sample[k] == in_order[k]).all() for k in range(30))
    other = np.concatenate([batch[0] for batch in threads.epoch(2)])
    assert (in_order != other).any(axis=(1, 2)).sum() > 15
    threads.close()
    loader = StreamLoader(source, workers=1, kind="processes", **options)
    for mine, theirs in zip(loader.epoch(1), alone.epoch(1), strict=True):
        np.testing.assert_array_equal(mine[0], theirs[0])
    loader.close()


def test_a_worker_that_raises_and_one_that_is_killed() -> None:
    options = {"batch_size": 5, "shuffle": False, "workers": 1, "kind": "processes"}
    loader = StreamLoader(Slow(40, wrong=17), **options)
    batches = loader.epoch(0)
    assert [next(batches)[1][0] for _ in range(3)] == [0, 5, 10]
    with pytest.raises(DataError, match="sample 17 cannot be read: ValueError: no such") as raised:
        next(batches)
    assert "in read\n" in "".join(raised.value.__notes__)
    assert children() == set()
    batches = StreamLoader(Kinds(40, fatal=12), **options).epoch(0)
    next(batches)
    next(batches)
    with pytest.raises(WorkerError, match=r"worker process \(pid \d+\) was killed \(SIGKILL\)"):
        next(batches)


def test_what_cannot_be_sent() -> None:
    source = Slow(4).map(lambda sample, generator: sample)
    with pytest.raises(ArgumentError, match=r"cannot be sent to a worker process: .*lambda"):
        next(StreamLoader(source, batch_size=2, kind="processes").epoch(0))


PROGRAM = """
import os, sys
from neurona.data import StreamLoader
from tests.data.sources import Slow

if __name__ == "__main__":
    loader = StreamLoader(Slow(10**6, 0.001), batch_size=50, workers=1, kind="processes")
    try:
        for batch in loader.epoch(0):
            print("serving", loader._busy.copy().pop()._processes[0]._process.pid, flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    for batch in loader.epoch(0):
        print("serving", loader._busy.copy().pop()._processes[0]._process.pid, flush=True)
"""


def test_interrupt_reaches_only_the_parent_and_its_death_the_workers(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    paths = os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "src")])
    with subprocess.Popen(
        [sys.executable, tmp_path / "program.py"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
        start_new_session=True,
    ) as program:
        try:
            assert program.stdout is not None
            assert program.stderr is not None
            first = int(program.stdout.readline().split()[1])
            os.killpg(program.pid, signal.SIGINT)
            while (line := program.stdout.readline()) == f"serving {first}\n":
                pass
            assert line == "interrupted\n"
            assert not alive(first)
            second = int(program.stdout.readline().split()[1])
            assert alive(second)
        finally:
            program.kill()
        assert second != first
        deadline = time.monotonic() + 60
        while alive(second) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not alive(second)
        assert program.stderr.read() == ""
