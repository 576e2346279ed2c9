"""The two generated loops behind the floor."""

from functools import partial

import llvmlite.binding as llvm
import numpy as np
import pytest

from benchmarks import memory, probe


@pytest.mark.parametrize("width", [4, 8, 16])
@pytest.mark.parametrize(
    "source",
    [
        probe._peak_source,
        probe._sweep_source,
        partial(probe._copy_source, past_caches=False),
        partial(probe._copy_source, past_caches=True),
    ],
)
def test_loops_are_valid_for_every_width(width: int, source) -> None:
    llvm.parse_assembly(source(width)).verify()


def test_rates_are_plausible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "MEASURE_SECONDS", 0.02)
    assert probe.vector_width() in (4, 8, 16)
    # From an old laptop's to the largest server's core.
    assert 1e9 < probe.measure_peak(1) < 1e12
    assert 1e9 < probe.measure_bandwidth(1, 100_000) < 2e12


@pytest.mark.parametrize("threads", [1, 2])
def test_copies_copy(threads: int) -> None:
    loops = probe.CopyLoops(threads, 100_000)
    for arrays in loops._arrays:
        arrays[0][:] = 3
    rates = loops.rates(0.01)
    assert set(rates) == {"ordinary", "non-temporal"}
    assert all(1e8 < rate < 2e12 for rate in rates.values())
    copied = sum(int(np.sum(target == 3)) for _, target in loops._arrays)
    assert 8 * copied == pytest.approx(100_000, rel=0.01)


def test_memory_peak_sees_an_allocation() -> None:
    memory.reset_peak()
    before = memory.peak()
    block = bytearray(b"x" * 64_000_000)
    assert memory.peak() >= before + len(block)
    assert memory.resident() > 0
