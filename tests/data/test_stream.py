"""StreamLoader: the same batches from any workers, resuming, waiting, and clean ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurona.core.errors import ArgumentError, DataError, ShapeError
from neurona.data import ArraySource, Batches, Loader, StreamLoader

from .sources import Slow


def served(loader: StreamLoader | Loader, epoch: int = 0, **options: Any) -> list[list[Any]]:
    return [[array.tolist() for array in batch] for batch in loader.epoch(epoch, **options)]


def own_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("neurona-data")]


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    assert own_threads() == []


@given(st.integers(1, 60), st.integers(1, 20), st.booleans(), st.integers(0, 9), st.integers(1, 5))
def test_any_number_of_workers(
    length: int, batch_size: int, shuffle: bool, epoch: int, prefetch: int
) -> None:
    options: dict[str, Any] = {"batch_size": batch_size, "shuffle": shuffle, "seed": 5}
    alone = StreamLoader(Slow(length), workers=0, **options)
    expected = served(alone, epoch)
    plain = Loader(np.arange(length), **options)
    assert [batch[1] for batch in expected] == [batch[0] for batch in served(plain, epoch)]
    for workers in (1, 4):
        source = Slow(length, seconds=0.0005)
        with StreamLoader(source, workers=workers, prefetch=prefetch, **options) as loader:
            assert len(loader) == len(expected)
            assert served(loader, epoch) == expected
            start = len(loader) // 2
            assert served(loader, epoch, start_batch=start) == expected[start:]


def test_what_training_asks_of_a_loader() -> None:
    source = Slow(10)
    loader = StreamLoader(source, batch_size=4, seed=3, drop_last=True)
    assert isinstance(loader, Batches)
    assert (loader.samples, loader.batch_size, loader.seed, len(loader)) == (10, 4, 3, 2)
    x, y = loader.peek()
    assert (x.dtype, x.shape, y.tolist()) == (np.float32, (2, 2), [0, 1])
    np.testing.assert_array_equal(x, loader.peek()[0])
    assert [len(a) for a in StreamLoader(Slow(1), batch_size=4).peek()] == [1, 1]


def test_dtypes_difficulty_and_weights() -> None:
    parts = np.arange(6.0), np.arange(6, dtype=np.uint8), np.ones(6)
    hard = np.array([2, 0, 1, 0, 2, 1])
    options: dict[str, Any] = {"batch_size": 2, "seed": 1, "difficulty": hard}
    with StreamLoader(ArraySource(*parts), **options) as loader:
        batches = list(loader.epoch(0))
        assert [a.dtype.name for a in batches[0]] == ["float32", "uint8", "float32"]
        assert served(loader, 1) == served(Loader(*parts, **options), 1)
        assert hard[np.concatenate([b[1] for b in batches])].tolist() == [0, 0, 1, 1, 2, 2]
    exact = StreamLoader(ArraySource(*parts), batch_size=2, dtype=None)
    assert exact.peek()[0].dtype == np.float64
    with pytest.raises(DataError, match="too large for float32"):
        StreamLoader(ArraySource(np.array([1e300])), batch_size=1).peek()


def test_no_more_is_read_than_prefetch_allows() -> None:
    source = Slow(100)
    with StreamLoader(source, batch_size=2, workers=2, prefetch=3, shuffle=False) as loader:
        batches = loader.epoch(0)
        for number in range(1, 4):
            next(batches)
            time.sleep(0.05)
            assert source.read_now == 2 * (number + 3)
        loader.close()


def test_waiting_is_measured() -> None:
    options: dict[str, Any] = {"batch_size": 3, "shuffle": False}
    loader = StreamLoader(Slow(12, seconds=0.03), workers=0, **options)
    list(loader.epoch(0))
    assert 0.12 <= loader.waited < 1
    with StreamLoader(Slow(12, seconds=0.03), workers=2, prefetch=4, **options) as ahead:
        for _ in ahead.epoch(0):
            if not ahead.waited:  # once: the consumer is slower than the workers
                time.sleep(0.2)
        assert 0.02 <= ahead.waited < 0.12
        next(ahead.epoch(1))
        assert ahead.waited < 0.05  # begins again


@pytest.mark.parametrize("step", [0, 1])
def test_the_next_epoch_is_begun_during_the_last_batches(step: int) -> None:
    """Once it is known which: the one after, or the same again."""
    options: dict[str, Any] = {"batch_size": 10, "seed": 1}
    alone = StreamLoader(Slow(40), workers=0, **options)
    expected = {epoch: served(alone, epoch) for epoch in range(5)}
    source = Slow(40, seconds=0.01)
    with StreamLoader(source, workers=2, prefetch=3, **options) as loader:
        for number in range(3):
            assert served(loader, number * step) == expected[number * step]
            time.sleep(0.2)  # a validation part is measured, say
            assert source.read_now == 40 * (number + 1) + (30 if number else 0)
        assert served(loader, 4) == expected[4]  # not the one that was begun
        assert source.read_now == 40 * 3 + 30 + 40
        assert served(loader, 3, start_batch=2) == expected[3][2:]
    assert served(loader, 0) == expected[0]
    loader.close()


def test_an_epoch_begun_ahead_is_there_at_once() -> None:
    with StreamLoader(Slow(12, seconds=0.05), batch_size=3, workers=2) as loader:
        for epoch in range(3):
            list(loader.epoch(epoch))
        time.sleep(0.4)
        list(loader.epoch(3))
        assert loader.waited < 0.05


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_an_error_comes_in_its_place_and_names_the_sample(workers: int) -> None:
    loader = StreamLoader(
        Slow(40, wrong=17), batch_size=5, shuffle=False, workers=workers, prefetch=6
    )
    batches = loader.epoch(0)
    assert [next(batches)[1][0] for _ in range(3)] == [0, 5, 10]
    with pytest.raises(DataError, match="sample 17 cannot be read: ValueError: no such reading"):
        next(batches)
    assert own_threads() == []
    with pytest.raises(StopIteration):
        next(batches)
    assert len(served(loader, 0, start_batch=4)) == 4
    loader.close()


def stop_with(error: type[BaseException], loader: StreamLoader) -> None:
    for _ in loader.epoch(0):
        raise error


def test_leaving_early_stops_the_workers() -> None:
    loader = StreamLoader(Slow(1000, seconds=0.002), batch_size=5, workers=3)
    for _ in loader.epoch(0):
        break
    assert own_threads() == []
    for error in (ZeroDivisionError, KeyboardInterrupt):
        with pytest.raises(error):
            stop_with(error, loader)
        assert own_threads() == []
    list(loader.epoch(0, start_batch=195))
    assert len(own_threads()) == 3  # ready for the next epoch
    loader.close()
    loader.close()


def test_closing_while_an_epoch_is_read() -> None:
    loader = StreamLoader(Slow(100, seconds=0.01), batch_size=5, workers=1, prefetch=8)
    batches = loader.epoch(0)
    next(batches)
    loader.close()
    with pytest.raises(ArgumentError, match="was closed while an epoch was being read"):
        list(batches)
    assert len(served(loader)) == 20
    loader.close()


def test_two_epochs_at_once() -> None:
    with StreamLoader(Slow(40), batch_size=10) as loader:
        alone = [served(loader, 0), served(loader, 1)]
        pairs = list(zip(loader.epoch(0), loader.epoch(1), strict=True))
        assert [[[a.tolist() for a in pair[k]] for pair in pairs] for k in (0, 1)] == alone


def test_what_is_refused() -> None:
    source = Slow(10)
    for options, text in (
        ({"workers": -1}, "workers must not be negative, found -1"),
        ({"prefetch": 0}, "prefetch must be at least 1, found 0"),
        ({"kind": "thread"}, "unknown kind 'thread'; did you mean 'threads'"),
        ({"batch_size": 0}, "StreamLoader: batch_size must be at least 1"),
        ({"seed": -1}, "StreamLoader: seed must be in"),
    ):
        with pytest.raises(ArgumentError, match=text):
            StreamLoader(source, **{"batch_size": 2, **options})  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"needs a data.Source, found ndarray; for arrays in"):
        StreamLoader(np.zeros(3), batch_size=1)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="there are no samples"):
        StreamLoader(source.take([]), batch_size=1)
    loader = StreamLoader(source, batch_size=4)
    with pytest.raises(ArgumentError, match="start_batch must be in 0…3, found 4"):
        loader.epoch(0, start_batch=4)
    with pytest.raises(DataError, match="gives Python objects"):
        StreamLoader(source.map(lambda s, g: (None,)), batch_size=4).peek()
