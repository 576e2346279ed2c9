"""Smoothing: from counts of n-grams to probabilities, those never seen included.

Each is a recursion over the length k of the n-gram, from the uniform p₀ = 1/V on:

    p_k(w | h) = α_k(hw) + γ_k(h) · p_{k−1}(w | h′)

h: the k−1 tokens before w; h′: h without its first. Where h has never been seen, p_k = p_{k−1}.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from neurona.core.arguments import is_real
from neurona.core.errors import ArgumentError
from neurona.text.ngram_counts import Integers, NGramCounts

Floats = NDArray[Any]


@runtime_checkable
class Smoothing(Protocol):
    """How counts become probabilities."""

    uniform: bool
    """Whether p₀ stands in place of p_{k−1}."""

    def weights(self, counts: NGramCounts) -> list[tuple[Floats, Floats]]:
        """For each k from 1: α (k-gram,) and γ, for each (k−1)-gram as the context."""


@dataclass(frozen=True)
class AddK:
    """p(w | h) = (c(hw) + k) / (c(h) + k·V): each n-gram counts as seen k times more.

    Laplace's rule with k = 1. Raises `ArgumentError` for k ≤ 0 or infinite.
    """

    k: float = 1.0
    uniform = True

    def __post_init__(self) -> None:
        if not is_real(self.k) or not 0 < self.k < float("inf"):
            raise ArgumentError(f"AddK: k {self.k!r} must be positive and finite")

    def weights(self, counts: NGramCounts) -> list[tuple[Floats, Floats]]:
        """For each k from 1: α (k-gram,) and γ, for each (k−1)-gram as the context."""
        found: list[tuple[Floats, Floats]] = []
        added = self.k * counts.vocabulary_size
        for prefix, total, level_counts in _contexts(counts, [v.counts for v in counts.levels]):
            found.append((level_counts / (total + added)[prefix], added / (total + added)))
        return found


@dataclass(frozen=True)
class Interpolation:
    """p_k(w | h) = λ_k · c(hw)/c(h) + (1 − λ_k) · p_{k−1}(w | h′) (Jelinek and Mercer, 1980).

    weights_by_order: λ_1 … λ_n, each in [0, 1]; a single number stands for all.

    Raises `ArgumentError` for weights outside, and for as many as there are no orders.
    """

    weights_by_order: float | Sequence[float] = 0.7
    uniform = False

    def weights(self, counts: NGramCounts) -> list[tuple[Floats, Floats]]:
        """For each k from 1: α (k-gram,) and γ, for each (k−1)-gram as the context."""
        given = self.weights_by_order
        several = isinstance(given, Sequence | np.ndarray) and not isinstance(given, str)
        each: list[Any] = list(given) if several else [given] * counts.order  # type: ignore[arg-type]
        right = all(is_real(weight) and 0 <= weight <= 1 for weight in each)
        if len(each) != counts.order or not right:
            raise ArgumentError(
                f"Interpolation: {counts.order} weights in [0, 1] are needed, found {given!r}"
            )
        raw = [level.counts for level in counts.levels]
        found = []
        for weight, (prefix, total, times) in zip(each, _contexts(counts, raw), strict=False):
            seen = total > 0
            alpha = weight * times / total[prefix]
            found.append((alpha, np.where(seen, 1 - weight, 1.0)))
        return found


@dataclass(frozen=True)
class KneserNey:
    """p_k(w | h) = (c(hw) − D(c(hw))) / c(h) + γ(h) · p_{k−1}(w | h′), interpolated Kneser–Ney.

    c: in the highest order how often the n-gram has been seen; in the lower ones how many different
    tokens have been seen in front of it, for those orders speak only where the higher ones are
    silent. An n-gram at the beginning of a sequence counts each time as behind another token.
    γ(h): what the discounts have taken from c(h).

    discount: D for all counts; or "modified": one each for counts of 1, 2 and 3 or more, from how
    many n-grams of the order have the counts 1 to 4 (Chen and Goodman, "An empirical study of
    smoothing techniques for language modeling", 1998); or "plain": n₁/(n₁ + 2n₂). Where a text is
    so small that one of the four is missing, "modified" is "plain", and without n₁ that is ½.

    Kneser and Ney, "Improved backing-off for m-gram language modeling" (1995).
    Raises `ArgumentError` for a discount outside of (0, 1].
    """

    discount: float | str = "modified"
    uniform = False

    def __post_init__(self) -> None:
        if isinstance(self.discount, str):
            right = self.discount in ("modified", "plain")
        else:
            right = is_real(self.discount) and 0 < self.discount <= 1
        if not right:
            raise ArgumentError(
                f"KneserNey: discount {self.discount!r} is neither in (0, 1] nor 'modified' or "
                "'plain'"
            )

    def weights(self, counts: NGramCounts) -> list[tuple[Floats, Floats]]:
        """For each k from 1: α (k-gram,) and γ, for each (k−1)-gram as the context."""
        found = []
        for prefix, total, times in _contexts(counts, self.counts(counts)):
            discounts = np.array([0.0, *self.discounts(times)])[np.minimum(times, 3)]
            taken = np.bincount(prefix, discounts, minlength=len(total))
            seen = np.maximum(total, 1)
            alpha = (times - discounts) / seen[prefix]
            found.append((alpha, np.where(total > 0, taken / seen, 1.0)))
        return found

    def counts(self, counts: NGramCounts) -> list[Integers]:
        """The c of each order, (k-gram,)."""
        lower = [
            np.bincount(above.suffix, minlength=len(level.keys)) + level.starts
            for level, above in zip(counts.levels, counts.levels[1:], strict=False)
        ]
        return [*lower, counts.levels[-1].counts]

    def discounts(self, times: Integers) -> tuple[float, float, float]:
        """What is taken from counts of 1, of 2, and of more."""
        if not isinstance(self.discount, str):
            return (self.discount,) * 3
        ones, twos, threes, fours = (int((times == count).sum()) for count in (1, 2, 3, 4))
        plain = ones / (ones + 2 * twos) if ones else 0.5
        if self.discount == "plain" or not (ones and twos and threes and fours):
            return plain, plain, plain
        first = 1 - 2 * plain * twos / ones
        second = 2 - 3 * plain * threes / twos
        third = 3 - 4 * plain * fours / threes
        # All are positive in any text of some size; a discount of nothing would leave nothing.
        return (first, second, third) if min(first, second, third) > 0 else (plain, plain, plain)


def _contexts(
    counts: NGramCounts, times: Sequence[Integers]
) -> list[tuple[Integers, Integers, Integers]]:
    """For each order: of each k-gram the number of its context, the sum of each context, counts."""
    found = []
    contexts = 1
    for level, count in zip(counts.levels, times, strict=True):
        prefix = level.keys // counts.vocabulary_size
        total = np.bincount(prefix, count, minlength=contexts).astype(np.int64)
        found.append((prefix, total, count))
        contexts = len(level.keys)
    return found
