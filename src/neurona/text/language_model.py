"""What every language model can be asked: probabilities of sequences, ranks, completions."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurona.core.errors import ArgumentError, DTypeError
from neurona.text.beam_search import Beam
from neurona.text.checks import checked_tokens


class LanguageModel(ABC):
    """p(token | tokens before it): `NGramModel`, `NetworkLanguageModel`.

    Tokens are integers in 0…vocabulary_size−1; probabilities are natural logarithms.
    """

    vocabulary_size: int

    @abstractmethod
    def log_probabilities(self, tokens: Any) -> NDArray[np.float64]:
        """log p(token | tokens before it) of each token, `(token,)`."""

    @abstractmethod
    def distribution(self, context: Any) -> NDArray[np.float64]:
        """p(token | context) of every token, `(vocabulary_size,)`. context: the tokens before."""

    @abstractmethod
    def sample(
        self, prefix: Any, length: int, *, temperature: float = 1.0, seed: int = 0
    ) -> NDArray[np.int64]:
        """`length` tokens that follow `prefix`, drawn with p^(1/temperature), int64 `(token,)`."""

    @abstractmethod
    def complete(
        self, prefix: Any, length: int, *, number: int = 5, end: int | None = None
    ) -> list[Beam]:
        """The `number` most probable sequences of `length` tokens after `prefix`, by beam search.

        end: a token that ends a sequence earlier.
        """

    def log_probability(self, tokens: Any, given: Any = ()) -> float:
        """log p(tokens | given), the sum over the tokens.

        given: tokens in front of them, (token,).
        """
        who, size = f"{type(self).__name__}.log_probability", self.vocabulary_size
        before = checked_tokens(f"{who}, given", given, size)
        whole = np.concatenate([before, checked_tokens(who, tokens, size)])
        return float(self.log_probabilities(whole)[len(before) :].sum())

    def perplexity(self, tokens: Any) -> float:
        """exp(−mean log p(token | tokens before it)): among how many tokens it is in doubt.

        Raises `ArgumentError` for no tokens.
        """
        each = self.log_probabilities(tokens)
        if not len(each):
            raise ArgumentError(f"{type(self).__name__}.perplexity: there are no tokens")
        return math.exp(-float(each.mean()))

    def rank(self, candidates: Sequence[Any], given: Any = ()) -> list[tuple[int, float]]:
        """Which of the sequences is the most probable: (place among them, log p), best first.

        Raises `DTypeError` unless they are sequences of integers.
        """
        if not isinstance(candidates, Sequence | np.ndarray):
            raise DTypeError(
                f"{type(self).__name__}.rank: candidates are a list of sequences of tokens, not "
                f"{type(candidates).__name__}"
            )
        scores = [self.log_probability(candidate, given) for candidate in candidates]
        order = sorted(range(len(scores)), key=lambda i: -scores[i])
        return [(i, scores[i]) for i in order]
