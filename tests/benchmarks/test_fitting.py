"""The figures of fit, on a tiny network."""

from __future__ import annotations

from benchmarks import fitting


def test_fitting() -> None:
    network = fitting.Network((6, 5, 3), 4, 3)
    records = fitting.fitting(network, rounds=2, epochs=1, seed=0)
    assert [record["name"] for record in records] == [
        *(fitting.BARE, fitting.FIT, fitting.MEASURED),
    ]
    assert records[0]["ratio"] == 1.0
    assert all(record["ms"] > 0 and record["ratio"] > 0 for record in records)
    assert fitting.fitting_table("tiny", network, records).row_count == 3
