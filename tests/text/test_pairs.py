"""Pairs of sentences: reading, splitting without leakage, batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurona.core.errors import ArgumentError, DataError, DTypeError
from neurona.text import PairBatches, pair_groups, read_pairs, split_pairs, word_tokens
from neurona.text.pairs import IGNORED

PAIRS = [
    ("Go.", "Ve."),
    ("Go!", "Vaya."),
    ("Leave.", "¡vaya!"),
    ("Hi.", "Hola."),
    ("Hello.", "Hola"),
    ("Yes.", "Sí."),
    ("?", "¿?"),
    ("!", "¡!"),
]


def test_reading(tmp_path: Path) -> None:
    path = tmp_path / "pairs.txt"
    path.write_text("Go.\tVe.\n\nYes,  I do.\tSi\u0301\u202f.\tby someone\n", encoding="utf-8")
    assert read_pairs(path) == [("Go.", "Ve."), ("Yes, I do.", "Sí .")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"Go.\tVe.\nHi.\n", r"line 2 has no tab between two sentences: 'Hi.'"),
        (b"Go.\t \n", r"line 1: the second sentence is empty"),
        (b"\tVe.\n", r"line 1: the first sentence is empty"),
        (b"S\xed.\tYes.\n", r"is not UTF-8 text"),
        (b"\n", r"holds no pairs"),
    ],
)
def test_files_that_hold_no_pairs(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "pairs.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_pairs(path)
    with pytest.raises(DataError, match="no such file"):
        read_pairs(tmp_path / "none.txt")


def test_groups_follow_chains_of_sentences() -> None:
    assert pair_groups(PAIRS).tolist() == [0, 0, 0, 3, 3, 5, 6, 7]
    assert pair_groups([]).tolist() == []


def test_no_sentence_is_in_both_parts(data_folder: Path) -> None:
    """A part of the real pairs, of which many share a sentence."""
    pairs = read_pairs(data_folder / "spa-eng.txt")
    assert len(pairs) == 118_964
    some = pairs[1000:4000]
    training, unseen = split_pairs(some, 200, seed=1)
    assert len(unseen) == 200
    assert sorted(training + unseen) == sorted(some)
    for side in (0, 1):
        known = {tuple(word_tokens(pair[side])) for pair in training}
        assert not known & {tuple(word_tokens(pair[side])) for pair in unseen}
    assert split_pairs(some, 200, seed=1) == (training, unseen)
    assert split_pairs(some, 200, seed=2)[1] != unseen


@pytest.mark.parametrize("held_out", [0, 8, -1])
def test_neither_part_may_be_empty(held_out: int) -> None:
    with pytest.raises(ArgumentError, match=rf"must be in 1…7 of 8 pairs, found {held_out}"):
        split_pairs(PAIRS, held_out)


def sentences(lengths: list[int]) -> list[list[int]]:
    """Of sentence i all tokens are i + 1."""
    return [[i + 1] * length for i, length in enumerate(lengths)]


def test_batches() -> None:
    lengths = [1, 2, 3, 4, 5, 6, 7, 2, 3]
    sources, targets = sentences(lengths), sentences(lengths[::-1])
    batches = PairBatches(sources, targets, batch_size=2, ends=(50, 60), sizes=(4, 8), seed=3)
    assert len(batches) == 5
    served = list(batches.epoch(0))
    assert sorted(len(batch.source) for batch in served) == [1, 2, 2, 2, 2]
    seen = []
    for source, length, inputs, wanted in served:
        assert source.shape == inputs.shape == wanted.shape
        assert source.shape[1] in (4, 8)
        for row, count, given, said in zip(source, length, inputs, wanted, strict=True):
            i = int(row[0]) - 1
            seen.append(i)
            n = len(targets[i])
            assert count == lengths[i] + 1
            assert row.tolist() == sources[i] + [50] * (len(row) - lengths[i])
            assert given.tolist() == [60, *targets[i]] + [60] * (len(row) - n - 1)
            assert said.tolist() == [*targets[i], 60] + [IGNORED] * (len(row) - n - 1)
    assert sorted(seen) == list(range(9))


def test_what_is_left_of_a_size_goes_with_the_next() -> None:
    sources = sentences([1] * 3 + [5] * 4)
    batches = PairBatches(
        sources, sources, batch_size=2, ends=(0, 0), sizes=(3, 6, 9), drop_last=True
    )
    shapes = sorted(batch.source.shape for batch in batches.epoch(0))
    assert shapes == [(2, 3), (2, 6), (2, 6)]
    assert len(batches) == 3


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    sources = sentences([1, 2, 3] * 10)

    def served(seed: int, epoch: int) -> list[list[int]]:
        batches = PairBatches(sources, sources, batch_size=5, ends=(0, 0), sizes=(4, 5), seed=seed)
        return [batch.source[:, 0].tolist() for batch in batches.epoch(epoch)]

    assert served(0, 0) == served(0, 0)
    assert served(0, 0) != served(0, 1)
    assert served(0, 0) != served(1, 0)


def test_sentences_that_no_batch_can_hold() -> None:
    options = {"batch_size": 2, "ends": (0, 0)}
    with pytest.raises(DataError, match="pair 1: the target is empty"):
        PairBatches([[1], [2]], [[1], np.array([], np.int64)], sizes=[4], **options)
    with pytest.raises(DataError, match=r"pair 1 with 4 tokens .* longer than the largest size 4"):
        PairBatches([[1], [2]], [[1], [3] * 4], sizes=[2, 4], **options)
    with pytest.raises(ArgumentError, match="a target for each source, found 1 sources and 2"):
        PairBatches([[1]], [[1], [2]], sizes=[4], **options)
    with pytest.raises(ArgumentError, match=r"sizes must rise, found \[4, 2\]"):
        PairBatches([[1]], [[1]], sizes=[4, 2], **options)
    given: dict[str, Any] = {"sources": [[1]], "targets": [[1]], "sizes": [4], **options}
    for wrong, message in (
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1, found 0"),
        ({"sizes": 4}, "sizes are whole numbers that rise, not 4"),
        ({"sizes": [4.5]}, "a size must be a whole number"),
        ({"ends": 1}, "ends are two tokens"),
        ({"ends": (0, -1)}, "an end must be a whole number of at least 0, found -1"),
        ({"sources": None}, "lists of sequences"),
    ):
        with pytest.raises(ArgumentError, match=message):
            PairBatches(**{**given, **wrong})
    with pytest.raises(DTypeError, match=r"target 0: tokens are integers \(token,\), not float64"):
        PairBatches(**{**given, "targets": [[1.5]]})
    with pytest.raises(ArgumentError, match="epoch must be a whole number"):
        next(PairBatches(**given).epoch(-1))
