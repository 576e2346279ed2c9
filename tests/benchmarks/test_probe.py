"""The two generated loops behind the floor."""

import llvmlite.binding as llvm
import pytest

from benchmarks import memory, probe


@pytest.mark.parametrize("width", [4, 8, 16])
@pytest.mark.parametrize("source", [probe._peak_source, probe._sweep_source])
def test_loops_are_valid_for_every_width(width: int, source) -> None:
    llvm.parse_assembly(source(width)).verify()


def test_rates_are_plausible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "MEASURE_SECONDS", 0.02)
    assert probe.vector_width() in (4, 8, 16)
    # From an old laptop's to the largest server's core.
    assert 1e9 < probe.measure_peak(1) < 1e12
    assert 1e9 < probe.measure_bandwidth(1, 100_000) < 2e12


def test_memory_peak_sees_an_allocation() -> None:
    memory.reset_peak()
    before = memory.peak()
    block = bytearray(b"x" * 64_000_000)
    assert memory.peak() >= before + len(block)
    assert memory.resident() > 0
