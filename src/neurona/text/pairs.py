"""Pairs of sentences, for translation: read, split without leakage, cut into padded batches."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence, Sized
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurona.core.arguments import whole
from neurona.core.errors import ArgumentError, DataError
from neurona.data.files import read_text
from neurona.data.order import permutation
from neurona.data.splits import split_indices
from neurona.text.checks import checked_token, checked_tokens
from neurona.text.tokens import word_tokens

Pair = tuple[str, str]
Ids = NDArray[np.int64]

IGNORED = -100
"""The target where there is none: `functional.token_cross_entropy` leaves it out."""
_BATCHES = 1 << 63
"""The streams of the batches' order, out of reach of those of the pairs'."""


def normalised(sentence: str) -> str:
    """`sentence` in Unicode's form C, a single space between words, and none around it.

    >>> normalised("  Sí,\\u202f\\tclaro. ")
    'Sí, claro.'
    """
    return re.sub(r"\s+", " ", unicodedata.normalize("NFC", sentence)).strip()


def read_pairs(path: str | PathLike[str]) -> list[Pair]:
    """The pairs of a text file, one a line, divided by a tab; what follows a second tab is left.

    The sentences are `normalised`. Raises `DataError` for a missing file, text that is not UTF-8, a
    line without a tab and an empty sentence, with the line's number.
    """
    path = Path(path)
    lines = read_text(path).splitlines()
    pairs = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        sentences = [normalised(part) for part in line.split("\t")[:2]]
        if len(sentences) < 2:
            raise DataError(f"{path}: line {number} has no tab between two sentences: {line!r}")
        for name, sentence in zip(("first", "second"), sentences, strict=True):
            if not sentence:
                raise DataError(f"{path}: line {number}: the {name} sentence is empty")
        pairs.append((sentences[0], sentences[1]))
    if not pairs:
        raise DataError(f"{path}: holds no pairs of sentences")
    return pairs


def pair_groups(pairs: Sequence[Pair]) -> Ids:
    """A number for each pair, `(pair,)`: pairs that are tied together have the same.

    Two pairs are tied when a first sentence of one is a first sentence of the other, or likewise
    the second, capitals and punctuation aside; and so on along chains of pairs.

    >>> pair_groups([("Go.", "Ve."), ("Go!", "Vaya."), ("Leave.", "Vaya"), ("Hi.", "Hola.")])
    array([0, 0, 0, 3])
    """
    parent = list(range(len(pairs)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first_with: dict[tuple[int, str], int] = {}
    for i, pair in enumerate(pairs):
        for side, sentence in enumerate(pair):
            # A sentence of signs alone has no words, and is told by its signs.
            words = word_tokens(sentence) or [sentence]
            a, b = root(i), root(first_with.setdefault((side, " ".join(words)), i))
            parent[max(a, b)] = min(a, b)
    return np.array([root(i) for i in range(len(pairs))], np.int64)


def split_pairs(
    pairs: Sequence[Pair], held_out: int, *, seed: int = 0
) -> tuple[list[Pair], list[Pair]]:
    """Pairs to learn from, and `held_out` others, which share no sentence with those.

    Whole groups of `pair_groups` are held out, chosen by `seed`; so there may be a few pairs more
    or less where groups are large. Both parts keep the order.
    Raises `ArgumentError` where either part would be empty.
    """
    if not 0 < held_out < len(pairs):
        raise ArgumentError(
            f"split_pairs: held_out must be in 1…{len(pairs) - 1} of {len(pairs)} pairs, "
            f"found {held_out}"
        )
    share = held_out / len(pairs)
    parts = split_indices(len(pairs), (1 - share, share), seed=seed, groups=pair_groups(pairs))
    training, unseen = [[pairs[i] for i in part.tolist()] for part in parts]
    return training, unseen


class PairBatch(NamedTuple):
    """Token ids of pairs, padded to one time.

    source: (batch, time), each sentence followed by its end; lengths: (batch,), of the sources
    with their end. inputs: (batch, time), the target's end token and its sentence: what the decoder
    reads. targets: (batch, time), the sentence and its end: what it is to say, then `IGNORED`.
    """

    source: Ids
    lengths: Ids
    inputs: Ids
    targets: Ids


class PairBatches:
    """Batches of pairs of about the same length, padded to one of a few sizes.

    One program is compiled for each size, so there should be few; and padding costs as much as
    words do, so not too few. A pair goes to the least size that holds both of its sentences with
    their ends. What is left over of a size, less than a batch, goes with the next larger one.

    - `sources`, `targets`: token ids of each sentence, integers `(token,)`.
    - `ends`: the tokens that end a source and a target. A target's stands in front of it too, and
      what follows the end is filled with it.
    - `sizes`: the times, ascending.
    - `drop_last`: without the last batch of an epoch where it is not full.

    Pairs and batches come in an order that depends on `seed` and the epoch alone.
    Raises `DataError` for an empty sentence and for one longer than the largest size, with the
    pair's number; `ArgumentError` for arguments out of range.

    >>> batches = PairBatches([[4, 5], [6]], [[7], [8, 9, 7]], batch_size=2, ends=(0, 1), sizes=[4])
    >>> [batch] = batches.epoch(0)
    >>> sorted(batch.source.tolist()), sorted(batch.inputs.tolist())
    ([[4, 5, 0, 0], [6, 0, 0, 0]], [[1, 7, 1, 1], [1, 8, 9, 7]])
    >>> sorted(batch.targets.tolist())
    [[7, 1, -100, -100], [8, 9, 7, 1]]
    """

    def __init__(
        self,
        sources: Sequence[Sequence[int] | Ids],
        targets: Sequence[Sequence[int] | Ids],
        *,
        batch_size: int,
        ends: tuple[int, int],
        sizes: Sequence[int],
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if not isinstance(sources, Sized) or not isinstance(targets, Sized):
            raise ArgumentError("PairBatches: sources and targets are lists of sequences of tokens")
        if len(sources) != len(targets) or not len(sources):
            raise ArgumentError(
                "PairBatches: needs a target for each source, found "
                f"{len(sources)} sources and {len(targets)} targets"
            )
        self.batch_size = whole("PairBatches", "batch_size", batch_size)
        if not isinstance(sizes, Iterable) or isinstance(sizes, str):
            raise ArgumentError(f"PairBatches: sizes are whole numbers that rise, not {sizes!r}")
        self.sizes = tuple([whole("PairBatches", "a size", size) for size in sizes])
        if not self.sizes or list(self.sizes) != sorted(set(self.sizes)):
            raise ArgumentError(f"PairBatches: sizes must rise, found {list(self.sizes)}")
        if not isinstance(ends, (tuple, list)) or len(ends) != 2:
            raise ArgumentError(f"PairBatches: ends are two tokens (source, target), not {ends!r}")
        self.ends = tuple([checked_token("PairBatches", "an end", end, None) for end in ends])
        self.sources = [
            checked_tokens(f"PairBatches: source {i}", ids, None) for i, ids in enumerate(sources)
        ]
        self.targets = [
            checked_tokens(f"PairBatches: target {i}", ids, None) for i, ids in enumerate(targets)
        ]
        self.seed = whole("PairBatches", "seed", seed, 0)
        self.drop_last = drop_last
        self._needed = self._lengths() + 1
        self._size_of = np.searchsorted(self.sizes, self._needed)

    def _lengths(self) -> Ids:
        """Of each pair the longer sentence's."""
        both = [[len(ids) for ids in side] for side in (self.sources, self.targets)]
        for name, side in zip(("source", "target"), both, strict=True):
            empty = side.index(0) if 0 in side else None
            if empty is not None:
                raise DataError(f"PairBatches: pair {empty}: the {name} is empty; leave it out")
        longest: Ids = np.array(both, np.int64).max(axis=0)
        if longest.max() >= self.sizes[-1]:
            pair = int(longest.argmax())
            raise DataError(
                f"PairBatches: pair {pair} with {longest[pair]} tokens and their end is longer "
                f"than the largest size {self.sizes[-1]}; leave it out, or give a larger size"
            )
        return longest

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        whole, rest = divmod(len(self.sources), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def epoch(self, epoch: int) -> Iterator[PairBatch]:
        """The batches of an epoch, those of all sizes in one random order."""
        epoch = whole("PairBatches.epoch", "epoch", epoch, 0)
        order = permutation(len(self.sources), seed=self.seed, stream=epoch)
        chosen: list[tuple[int, Ids]] = []
        rest = order[:0]
        for k, size in enumerate(self.sizes):
            rest = np.concatenate([rest, order[self._size_of[order] == k]])
            while len(rest) >= self.batch_size:
                chosen.append((size, rest[: self.batch_size]))
                rest = rest[self.batch_size :]
        if len(rest) and not self.drop_last:
            needed = int(self._needed[rest].max())
            chosen.append((next(size for size in self.sizes if size >= needed), rest))
        for i in permutation(len(chosen), seed=self.seed, stream=_BATCHES + epoch).tolist():
            yield self._batch(*chosen[i])

    def _batch(self, size: int, pairs: Ids) -> PairBatch:
        source_end, target_end = self.ends
        sources = [self.sources[i] for i in pairs.tolist()]
        targets = [self.targets[i] for i in pairs.tolist()]
        source, lengths = padded(sources, size, source_end)
        inputs, _ = padded([np.append(target_end, ids) for ids in targets], size, target_end)
        wanted = [np.append(ids, target_end) for ids in targets]
        return PairBatch(source, lengths, inputs, padded(wanted, size, IGNORED, end=False)[0])


def padded(sentences: Sequence[Ids], size: int, fill: int, *, end: bool = True) -> tuple[Ids, Ids]:
    """Token ids (batch, size), filled up with `fill`, and the sentences' lengths (batch,).

    The lengths count one `fill` after each sentence as its end, unless `end` is false. Of sentences
    (token, parts), with several ids a token, the ids are (batch, size, parts).

    >>> padded([np.array([4, 5]), np.array([6])], 3, 0)
    (array([[4, 5, 0],
           [6, 0, 0]]), array([3, 2]))
    """
    parts = np.shape(sentences[0])[1:] if len(sentences) else ()
    rows = np.full((len(sentences), size, *parts), fill, np.int64)
    for row, ids in zip(rows, sentences, strict=True):
        row[: len(ids)] = ids
    return rows, np.array([len(ids) + end for ids in sentences], np.int64)
