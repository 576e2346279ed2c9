"""The figures of loaders, on tiny data."""

from __future__ import annotations

from benchmarks import loading


def test_arrays() -> None:
    records = loading.arrays(64, 8, rounds=2)
    assert [record["name"] for record in records][:2] == ["slices", "Loader in order"]
    assert all(record["us_per_batch"] > 0 for record in records)
    assert loading.array_table(records, 8).row_count == len(records)


def test_pictures() -> None:
    workers = [("threads", 0), ("threads", 2)]
    records = loading.pictures(16, 16, 4, workers, rounds=1, augmented=True)
    assert [(record["kind"], record["workers"]) for record in records] == workers
    for record in records:
        assert record["samples_per_second"] > 0
        assert record["busy_samples_per_second"] > 0
        assert 0 <= record["waiting"] <= 1
    assert loading.picture_table(records, 16).row_count == 2
