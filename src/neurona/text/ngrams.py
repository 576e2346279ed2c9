"""n-gram models: the next token from the last n−1."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurona.core.arguments import is_real, whole
from neurona.core.errors import ArgumentError
from neurona.text.beam_search import Beam
from neurona.text.checks import checked_token, checked_tokens
from neurona.text.language_model import LanguageModel
from neurona.text.ngram_counts import Integers, NGramCounts, find
from neurona.text.smoothing import KneserNey, Smoothing


class NGramModel(LanguageModel):
    """p(w | all tokens before) ≈ p(w | the last n−1), from the counts of a text.

    texts: a sequence of tokens in 0…vocabulary_size−1, or a list of such. order: n.
    smoothing: what becomes of n-grams that the text does not have: `KneserNey`, `Interpolation` or
        `AddK`.

    Probabilities sum to 1. At the beginning of a text, where fewer tokens stand before, the lower
    orders are asked. Raises what `NGramCounts` does.

    >>> from neurona.text import AddK
    >>> model = NGramModel([0, 1, 0, 1, 0, 2], vocabulary_size=3, order=2, smoothing=AddK(1))
    >>> model.distribution([0])
    array([0.16666667, 0.5       , 0.33333333])
    """

    def __init__(
        self,
        texts: Any,
        *,
        vocabulary_size: int,
        order: int = 3,
        smoothing: Smoothing | None = None,
    ) -> None:
        self.vocabulary_size = vocabulary_size
        self.order = order
        self.smoothing: Smoothing = KneserNey() if smoothing is None else smoothing
        if isinstance(self.smoothing, type) or not isinstance(self.smoothing, Smoothing):
            raise ArgumentError(
                f"NGramModel: smoothing {smoothing!r} is none; give KneserNey(), Interpolation() "
                "or AddK()"
            )
        counts = NGramCounts(texts, vocabulary_size=vocabulary_size, order=order)
        self._weights = self.smoothing.weights(counts)
        self._keys = [level.keys for level in counts.levels]

    def __repr__(self) -> str:
        sizes = ", ".join(str(len(keys)) for keys in self._keys)
        return f"NGramModel(order={self.order}, {self.smoothing}, different: {sizes})"

    def log_probabilities(self, tokens: Any) -> NDArray[np.float64]:
        """log p(token | the last n−1 before it) of each token, `(token,)`."""
        ids = checked_tokens("NGramModel", tokens, self.vocabulary_size)
        uniform = 1 / self.vocabulary_size
        found = np.full(len(ids), uniform)
        context: Integers = np.zeros(len(ids), np.int64)  # the number of the tokens before each
        for k, (keys, (alpha, gamma)) in enumerate(zip(self._keys, self._weights, strict=True)):
            known = np.where(context >= 0, context * self.vocabulary_size + ids, -1)
            number = find(keys, known)
            lower = uniform if self.smoothing.uniform else found
            higher = np.where(number >= 0, alpha[number], 0) + gamma[context] * lower
            found = np.where(context >= 0, higher, found)
            context = np.concatenate([[-1], number[:-1]])[: len(ids)]
            context[: k + 1] = -1  # no n-gram reaches over the beginning
        with np.errstate(divide="ignore"):  # an interpolation that gives single tokens all weight
            logs: NDArray[np.float64] = np.log(found)
        return logs

    def distribution(self, context: Any) -> NDArray[np.float64]:
        """p(token | context) of every token, `(vocabulary_size,)`. context: the tokens before."""
        ids = checked_tokens("NGramModel", context, self.vocabulary_size)
        ids = ids[max(0, len(ids) - self.order + 1) :]
        found = np.full(self.vocabulary_size, 1 / self.vocabulary_size)
        for k in range(min(len(self._keys), len(ids) + 1)):
            number = self._number(ids[len(ids) - k :])
            if number < 0:
                break  # longer ones are unknown too
            alpha, gamma = self._weights[k]
            keys = self._keys[k]
            ends = np.array([number, number + 1]) * self.vocabulary_size
            first, last = np.searchsorted(keys, ends)
            if self.smoothing.uniform:
                found[:] = 1 / self.vocabulary_size
            found *= gamma[number]
            found[keys[first:last] - ends[0]] += alpha[first:last]
        return found

    def _number(self, tokens: Integers) -> int:
        """The number of an n-gram, −1 if the text does not have it; 0 for no tokens."""
        number = 0
        for keys, token in zip(self._keys, tokens, strict=False):
            (number,) = find(keys, np.array([number * self.vocabulary_size + token]))
            if number < 0:
                return -1
        return int(number)

    def sample(
        self, prefix: Any, length: int, *, temperature: float = 1.0, seed: int = 0
    ) -> NDArray[np.int64]:
        """`length` tokens that follow `prefix`, drawn with p^(1/temperature), int64 `(token,)`.

        Raises `ArgumentError` for a temperature that is not positive or infinite.
        """
        if not is_real(temperature) or not 0 < temperature < float("inf"):
            raise ArgumentError(
                f"NGramModel.sample: temperature {temperature!r} must be positive and finite"
            )
        length = whole("NGramModel.sample", "length", length, 0)
        random = np.random.default_rng(whole("NGramModel.sample", "seed", seed, 0))
        tokens = checked_tokens("NGramModel", prefix, self.vocabulary_size).tolist()
        for _ in range(length):
            p = self.distribution(tokens[-self.order :])
            p = (p / p.max()) ** (1 / temperature)
            tokens.append(int(random.choice(self.vocabulary_size, p=p / p.sum())))
        return np.array(tokens[len(tokens) - length :], np.int64)

    def complete(
        self, prefix: Any, length: int, *, number: int = 5, end: int | None = None
    ) -> list[Beam]:
        """The `number` most probable sequences of `length` tokens after `prefix`, by beam search.

        end: a token that ends a sequence earlier.
        """
        length = whole("NGramModel.complete", "length", length)
        number = whole("NGramModel.complete", "number", number)
        if end is not None:
            checked_token("NGramModel.complete", "end", end, self.vocabulary_size)
        before = tuple(checked_tokens("NGramModel", prefix, self.vocabulary_size).tolist())
        live: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
        ended: list[tuple[float, tuple[int, ...]]] = []
        for _ in range(length):
            longer = []
            for score, tokens in live:
                p = self.distribution((before + tokens)[-self.order :])
                best = np.argsort(-p, kind="stable")[: 2 * number]
                longer += [(score + float(np.log(p[i])), (*tokens, int(i))) for i in best if p[i]]
            longer.sort(key=lambda one: (-one[0], one[1]))
            ended += [one for one in longer[: 2 * number] if one[1][-1] == end]
            live = [one for one in longer if one[1][-1] != end][:number]
        best_first = sorted(ended + live, key=lambda one: (-one[0], one[1]))[:number]
        return [Beam(tokens, score, score) for score, tokens in best_first]
