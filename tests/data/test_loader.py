"""Loader: every sample once, an order of seed and epoch alone, resuming, and what a batch costs."""

from __future__ import annotations

import timeit
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurona.core.errors import ArgumentError, DataError, ShapeError
from neurona.data import Batches, Loader


def served(loader: Loader, epoch: int, **options: Any) -> list[list[int]]:
    return [batch[0].tolist() for batch in loader.epoch(epoch, **options)]


@given(
    st.integers(1, 200), st.integers(1, 50), st.booleans(), st.booleans(), st.integers(0, 10**12)
)
def test_every_sample_once(
    length: int, batch_size: int, shuffle: bool, drop_last: bool, epoch: int
) -> None:
    drop_last = drop_last and batch_size <= length
    data = np.arange(length)
    loader = Loader(data, batch_size=batch_size, shuffle=shuffle, drop_last=drop_last)
    batches = served(loader, epoch)
    assert len(batches) == len(loader)
    assert all(len(batch) == batch_size for batch in batches[:-1])
    flat = [sample for batch in batches for sample in batch]
    kept = length - length % batch_size if drop_last else length
    assert len(flat) == len(set(flat)) == kept
    assert flat == loader.order(epoch)[:kept].tolist()
    if not shuffle:
        assert flat == list(range(kept))


@given(st.integers(1, 100), st.integers(1, 20), st.booleans(), st.data())
def test_resuming_in_an_epoch(
    length: int, batch_size: int, shuffle: bool, data: st.DataObject
) -> None:
    loader = Loader(np.arange(length), batch_size=batch_size, shuffle=shuffle, seed=3)
    start = data.draw(st.integers(0, len(loader)))
    assert served(loader, 5, start_batch=start) == served(loader, 5)[start:]


def test_order_depends_on_seed_and_epoch_only() -> None:
    data = np.arange(1000)
    loader = Loader(data, batch_size=32, seed=7)
    again = Loader(data.copy(), batch_size=100, seed=7)
    used = [served(again, epoch) for epoch in (4, 0, 9)]
    assert np.concatenate(used[0]).tolist() == np.concatenate(served(loader, 4)).tolist()
    orders = [loader.order(epoch) for epoch in range(5)]
    orders.append(Loader(data, batch_size=32, seed=8).order(0))
    for i, first in enumerate(orders):
        for second in orders[:i]:
            assert (first == second).sum() < 12  # 1 expected by chance


def test_two_epochs_at_once_do_not_disturb_each_other() -> None:
    loader = Loader(np.arange(40), batch_size=10)
    alone = [served(loader, 0), served(loader, 1)]
    pairs = list(zip(loader.epoch(0), loader.epoch(1), strict=True))
    assert [[pair[k][0].tolist() for pair in pairs] for k in (0, 1)] == alone


@pytest.mark.parametrize("shuffle", [False, True])
def test_arrays_stay_together(shuffle: bool) -> None:
    x = np.arange(60, dtype=np.float32).reshape(20, 3)
    y = np.arange(20)
    text = np.array([str(k) for k in y])
    for bx, by, bt in Loader(x, y, text, batch_size=6, shuffle=shuffle).epoch(2):
        assert (bx[:, 0] == 3 * by).all()
        assert bt.tolist() == [str(k) for k in by]


def test_easy_first() -> None:
    difficulty = np.repeat([2.0, 0.0, 1.0], 100)
    loader = Loader(np.arange(300), batch_size=50, difficulty=difficulty, seed=1)
    for epoch in range(3):
        flat = np.concatenate(served(loader, epoch))
        assert (np.diff(difficulty[flat]) >= 0).all()
        assert np.sort(flat).tolist() == list(range(300))
    assert served(loader, 0) != served(loader, 1)  # equally easy ones are shuffled
    still = Loader(np.arange(300), batch_size=300, difficulty=difficulty, shuffle=False)
    assert served(still, 0) == [[*range(100, 300), *range(100)]]


def test_dtypes_are_cast_once() -> None:
    x, y, t = np.arange(6.0), np.arange(6, dtype=np.uint8), np.zeros(6, dtype=np.float16)
    (batch,) = Loader(x, y, t, batch_size=6).epoch(0)
    assert [array.dtype.name for array in batch] == ["float32", "uint8", "float32"]
    (batch,) = Loader(x, y, t, batch_size=6, dtype=None).epoch(0)
    assert [array.dtype.name for array in batch] == ["float64", "uint8", "float16"]
    (batch,) = Loader(x, y, t, batch_size=6, dtype=np.float64).epoch(0)
    assert [array.dtype.name for array in batch] == ["float64", "uint8", "float64"]
    with pytest.raises(DataError, match="float64 holds values too large for float32"):
        Loader(np.array([1e300]), batch_size=1)


def test_batches_in_order_are_views_and_shuffled_ones_are_copies() -> None:
    x = np.arange(12, dtype=np.float32).reshape(6, 2)
    for (batch,) in Loader(x, batch_size=4, shuffle=False).epoch(0):
        assert np.shares_memory(batch, x)
    for (batch,) in Loader(x, batch_size=4).epoch(0):
        assert not np.shares_memory(batch, x)
        assert batch.flags.c_contiguous
        assert batch.flags.writeable


@pytest.mark.parametrize("shuffle", [False, True])
def test_non_contiguous_and_mapped_arrays(tmp_path: Path, shuffle: bool) -> None:
    whole = np.arange(40, dtype=np.float32).reshape(4, 10)
    mapped = np.memmap(tmp_path / "m", dtype=np.float32, mode="w+", shape=(10, 4))
    mapped[:] = whole.T
    loader = Loader(whole.T, mapped, np.asfortranarray(whole.T), batch_size=3, shuffle=shuffle)
    for epoch in range(2):
        order = loader.order(epoch)
        for k, batch in enumerate(loader.epoch(epoch)):
            for array in batch:
                assert array.flags.c_contiguous
                np.testing.assert_array_equal(array, whole.T[order[3 * k : 3 * k + 3]])


def test_a_batch_costs_a_slice_or_a_take() -> None:
    """Against bare NumPy loops over the same batches, in interleaved rounds."""
    x, y = np.zeros((20_000, 64), dtype=np.float32), np.zeros(20_000, dtype=np.int64)
    starts = range(0, 20_000, 32)
    in_order = Loader(x, y, batch_size=32, shuffle=False)
    shuffled = Loader(x, y, batch_size=32)
    order = shuffled.order(0)

    def drain(loader: Loader) -> None:
        for _ in loader.epoch(0):
            pass

    def slices() -> None:
        for start in starts:
            (x[start : start + 32], y[start : start + 32])

    def takes() -> None:
        for start in starts:
            chosen = order[start : start + 32]
            (x.take(chosen, 0, None, "clip"), y.take(chosen, 0, None, "clip"))

    works = {
        "slices": slices,
        "in order": lambda: drain(in_order),
        "takes": lambda: (shuffled.order(0), takes()),
        "shuffled": lambda: drain(shuffled),
    }
    best = dict.fromkeys(works, float("inf"))
    for _ in range(200):  # on a busy machine it may take a while to see both at their best
        for name, work in works.items():
            best[name] = min(best[name], timeit.timeit(work, number=1))
        if best["in order"] < best["slices"] and best["shuffled"] < 1.1 * best["takes"]:
            break
    else:
        pytest.fail(f"seconds an epoch: {best}")


def test_what_training_asks_of_a_loader() -> None:
    x, y, weights = np.arange(10.0), np.arange(10), np.ones(10)
    loader = Loader(x, y, weights, batch_size=4, seed=3)
    assert isinstance(loader, Batches)
    assert (loader.samples, loader.batch_size, loader.seed, len(loader)) == (10, 4, 3, 3)
    assert [array.tolist() for array in loader.peek()] == [[0, 1], [0, 1], [1, 1]]
    assert loader.peek()[0].dtype == np.float32
    assert [len(array) for array in Loader(x[:1], y[:1], batch_size=4).peek()] == [1, 1]
    list(loader.epoch(0))
    assert loader.waited == 0.0
    loader.close()
    loader.close()


def test_what_is_refused() -> None:
    x = np.zeros((10, 2))
    for arrays in ((), (x, np.zeros(9)), (np.float32(1),), (np.zeros((0, 2)),)):
        with pytest.raises(ShapeError, match="Loader"):
            Loader(*arrays, batch_size=2)
    with pytest.raises(ArgumentError, match="batch_size must be at least 1, found 0"):
        Loader(x, batch_size=0)
    with pytest.raises(ArgumentError, match="batch_size 11 with drop_last leaves no batch"):
        Loader(x, batch_size=11, drop_last=True)
    for seed in (-1, 2**64):
        with pytest.raises(ArgumentError, match=f"seed must be in .* found {seed}"):
            Loader(x, batch_size=2, seed=seed)
    with pytest.raises(ShapeError, match=r"shape \(10,\), found \(9,\)"):
        Loader(x, batch_size=2, difficulty=np.zeros(9))
    for bad in ([np.nan] * 10, ["easy"] * 10):
        with pytest.raises(ArgumentError, match="finite numbers"):
            Loader(x, batch_size=2, difficulty=bad)
    loader = Loader(x, batch_size=4)
    for start in (-1, 4):
        with pytest.raises(ArgumentError, match=rf"start_batch must be in 0…3, found {start}"):
            loader.epoch(0, start_batch=start)  # at once, not at the first batch
    for shuffle in (False, True):
        with pytest.raises(ArgumentError, match="epoch must not be negative"):
            Loader(x, batch_size=4, shuffle=shuffle).epoch(-1)
