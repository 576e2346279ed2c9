"""Sources: samples by number, their own randomness, subsets, errors that name the sample."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurona.core.errors import ArgumentError, DataError, ShapeError
from neurona.data import ArraySource, Source, sample_generator, split
from neurona.data.order import permutation


class Readings(Source):
    """Samples of several parts, one of them wrong in a way of its choice."""

    classes = ("a", "b")

    def __init__(self, length: int = 6, wrong: Any = None) -> None:
        self.length, self.wrong = length, wrong
        self.targets = np.arange(length) % 2

    def __len__(self) -> int:
        return self.length

    def name(self, index: int) -> str:
        return f"reading {index}"

    def read(self, index: int, generator: np.random.Generator) -> Any:
        if index == 4 and self.wrong is not None:
            return self.wrong()
        return np.full((2, 3), index, dtype=np.float32), index % 2, generator.random()


def test_a_batch_is_stacked_and_random_by_sample() -> None:
    source = Readings()
    x, y, noise = source.read_batch(np.array([5, 0, 3]))
    assert (x.shape, x.dtype, x[:, 0, 0].tolist()) == ((3, 2, 3), np.float32, [5, 0, 3])
    assert (y.tolist(), y.dtype) == ([1, 0, 1], np.int64)
    assert noise.tolist() == [sample_generator(0, 0, k).random() for k in (5, 0, 3)]


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 2))
def test_a_samples_generator(seed: int, epoch: int, sample: int) -> None:
    words = sample_generator(seed, epoch, sample).bit_generator.random_raw(4).tolist()
    assert words == sample_generator(seed, epoch, sample).bit_generator.random_raw(4).tolist()
    others = [(seed ^ 1, epoch, sample), (seed, epoch ^ 1, sample), (seed, epoch, sample ^ 1)]
    for other in others:
        if other[2] < 2**64 - 1:
            assert words != sample_generator(*other).bit_generator.random_raw(4).tolist()


def test_samples_random_words_are_not_those_of_the_order() -> None:
    order = np.random.Philox(key=np.array([3, 5], np.uint64)).random_raw(4000)
    words = [sample_generator(3, 5, k).bit_generator.random_raw(40) for k in range(100)]
    assert not set(order.tolist()) & set(np.concatenate(words).tolist())
    assert len(permutation(4000, seed=3, stream=5)) == 4000


def test_take_and_map_keep_what_is_known() -> None:
    def twice(sample: Any, generator: np.random.Generator) -> Any:
        return 2 * sample[0], sample[1]

    source = Readings().map(twice).take([4, 1]).take(np.array([1, 0, 0]))
    assert (len(source), source.classes, source.name(0)) == (3, ("a", "b"), "reading 1")
    assert source.targets is not None
    assert source.targets.tolist() == [1, 0, 0]
    x, y = source.read_batch(np.arange(3))
    assert (x[:, 0, 0].tolist(), y.tolist()) == ([2, 8, 8], [1, 0, 0])
    assert repr(source) == "3 of 2 of Readings of 6 samples, mapped by twice"
    assert len(Readings().take([])) == 0
    for bad, text in (([6], "sample 6 is not in 0…5"), ([-1], "-1"), ([[1]], "shape (1, 1)")):
        with pytest.raises(ArgumentError, match=re.escape(text)):
            Readings().take(bad)


def test_split() -> None:
    source = Readings(20)
    parts = split(source, (0.5, 0.5), seed=2, stratify=source.targets)
    assert [len(part) for part in parts] == [10, 10]
    assert sorted(part.name(k) for part in parts for k in range(10)) == sorted(
        f"reading {k}" for k in range(20)
    )
    assert [part.targets.sum() for part in parts if part.targets is not None] == [5, 5]


def fail() -> Any:
    raise ZeroDivisionError("division by zero")


def missing_file() -> Any:
    raise DataError("b/4.png: damaged")


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        (fail, DataError, "reading 4 cannot be read: ZeroDivisionError: division by zero"),
        (missing_file, DataError, "^b/4.png: damaged$"),
        (lambda: np.zeros(3), DataError, "reading 4 cannot be read: TypeError: read must return a"),
        (
            lambda: (np.zeros((2, 3), np.float32), 0),
            ShapeError,
            r"reading 3 has \(2, 3\) float32, \(\) int64, \(\) float64; reading 4 has "
            r"\(2, 3\) float32, \(\) int64$",
        ),
        (lambda: (np.zeros((3, 2), np.float32), 0, 0.0), ShapeError, r"reading 4 has \(3, 2\)"),
        (lambda: (np.zeros((2, 3), np.uint8), 0, 0.0), ShapeError, r"reading 4 has \(2, 3\) uint8"),
    ],
)
def test_errors_name_the_sample(wrong: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        Readings(wrong=wrong).read_batch(np.array([3, 4]))
    assert len(Readings(wrong=wrong).read_batch(np.array([3, 5]))) == 3


def test_what_an_array_source_refuses() -> None:
    for parts in ((), (np.zeros(3), np.zeros(2)), (np.float32(1),)):
        with pytest.raises(ShapeError, match="arrays of one length"):
            ArraySource(*parts)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="Python objects"):
        ArraySource(np.array([None, 1]))
