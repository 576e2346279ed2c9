"""How often each sequence of up to n tokens stands in a text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurona.core.arguments import whole
from neurona.core.errors import ArgumentError
from neurona.text.checks import checked_tokens

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Level:
    """The different sequences of k tokens, k-grams, numbered in the order of their keys.

    keys: prefix · vocabulary_size + last token, where `prefix` is the number of the first k−1
        tokens among the (k−1)-grams (0 for k = 1); rising, so that those with one prefix lie
        together. counts: how often each stands in the text. suffix: the number of its last k−1
        tokens. starts: how often it stands at the beginning of a sequence. All (k-gram,), int64.
    """

    keys: Integers
    counts: Integers
    suffix: Integers
    starts: Integers


class NGramCounts:
    """The n-grams of a text, from single tokens to `order` in a row.

    texts: a sequence of tokens in 0…vocabulary_size−1, or a list of such; no n-gram reaches from
    one into the next.

    Raises `ArgumentError` for an order below 1 or no tokens at all, `DTypeError` for tokens that
    are not integers, `IndexOutOfRangeError` naming one that is not in the vocabulary.

    >>> counts = NGramCounts([0, 1, 0, 1, 2], vocabulary_size=3, order=2)
    >>> pairs = counts.levels[1]
    >>> [(divmod(int(key), 3), int(count)) for key, count in zip(pairs.keys, pairs.counts)]
    [((0, 1), 2), ((1, 0), 1), ((1, 2), 1)]
    """

    def __init__(self, texts: Any, *, vocabulary_size: int, order: int) -> None:
        self.vocabulary_size = whole("NGramCounts", "vocabulary_size", vocabulary_size)
        self.order = whole("NGramCounts", "order", order)
        sequences = [texts] if _is_sequence_of_tokens(texts) else texts
        parts = [checked_tokens("NGramCounts", part, vocabulary_size) for part in sequences]
        tokens = np.concatenate([np.zeros(0, np.int64), *parts])
        if not len(tokens):
            raise ArgumentError("NGramCounts: there are no tokens to count")
        # age: the place of a token in its sequence.
        age = np.concatenate([np.arange(len(part)) for part in parts])
        self.levels = list(self._levels(tokens, age))
        """For k from 1, as long as there are k-grams."""

    def _levels(self, tokens: Integers, age: Integers) -> Iterator[Level]:
        number = np.zeros(len(tokens), np.int64)  # of the (k−1)-gram that ends at each token
        prefix = number  # of the one that ends at the token before
        for k in range(1, self.order + 1):
            ends = np.flatnonzero(age >= k - 1)
            if not len(ends):
                return  # no sequence is as long
            keys, first, inverse, counts = np.unique(
                prefix[ends] * self.vocabulary_size + tokens[ends],
                return_index=True,
                return_inverse=True,
                return_counts=True,
            )
            starts = np.bincount(inverse[age[ends] == k - 1], minlength=len(keys))
            yield Level(keys, counts, number[ends[first]], starts)
            number = np.full(len(tokens), -1)
            number[ends] = inverse
            prefix = np.roll(number, 1)

    def __repr__(self) -> str:
        sizes = ", ".join(str(len(level.keys)) for level in self.levels)
        return f"NGramCounts(order={self.order}, different: {sizes})"


def find(keys: Integers, wanted: Integers) -> Integers:
    """Where `wanted` stand among the rising `keys`, −1 where they do not."""
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    found: Integers = np.where(keys[places] == wanted, places, -1)
    return found


def _is_sequence_of_tokens(texts: Any) -> bool:
    if isinstance(texts, np.ndarray):
        return texts.ndim == 1
    if not isinstance(texts, Sequence) or not len(texts):
        return True
    return not isinstance(texts[0], Sequence) and not getattr(texts[0], "ndim", 0)
