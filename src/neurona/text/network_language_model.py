"""A network asked as every language model is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import neurona as ne
from neurona.core.errors import ArgumentError
from neurona.text.beam_search import Beam, BeamSearch
from neurona.text.checks import checked_model, checked_tokens
from neurona.text.choice import check_choice
from neurona.text.generation import TokenGenerator
from neurona.text.language_model import LanguageModel
from neurona.text.prompts import CHUNKS, begin, evaluating


class NetworkLanguageModel(LanguageModel):
    """p(token | all tokens before) = softmax(scores), from a network with `begin` and `read`.

    model: such as `models.GPT`, see `TokenGenerator`. start: tokens that stand in front of every
    sequence, so that the first has a probability too: a start or end token, a line end.

    Texts longer than the model's context: when it is full, the model begins anew with the last half
    of the tokens read.

    Raises `ArgumentError` for no start.

    >>> from neurona.models import GPT
    >>> ne.random.seed(0)
    >>> network = GPT(vocabulary_size=10, context=8, layers=1, heads=2, features=8)
    >>> model = NetworkLanguageModel(network, start=[0])
    >>> len(model.log_probabilities([4, 2, 6])), round(float(model.distribution([4, 2]).sum()), 5)
    (3, 1.0)
    """

    def __init__(self, model: Any, *, start: Sequence[int]) -> None:
        needed = ("begin", "read", "vocabulary_size")
        self.model = checked_model("NetworkLanguageModel", model, needed)
        self.vocabulary_size = model.vocabulary_size
        self.start = checked_tokens("NetworkLanguageModel", start, self.vocabulary_size)
        if not len(self.start):
            raise ArgumentError("NetworkLanguageModel: start needs at least one token")
        self._read = ne.compile(self._logs)
        self._generators: dict[float, TokenGenerator] = {}

    def log_probabilities(self, tokens: Any) -> NDArray[np.float64]:
        """log p(token | start and tokens before it) of each token, `(token,)`."""
        ids = checked_tokens("NetworkLanguageModel", tokens, self.vocabulary_size)
        if not len(ids):
            return np.zeros(0)
        whole = np.concatenate([self.start, ids])
        logs = self._after(whole[:-1])[len(self.start) - 1 :]
        picked: NDArray[np.float64] = logs[np.arange(len(ids)), ids].astype(np.float64)
        return picked

    def distribution(self, context: Any) -> NDArray[np.float64]:
        """p(token | start and context) of every token, `(vocabulary_size,)`."""
        ids = checked_tokens("NetworkLanguageModel", context, self.vocabulary_size)
        last = self._after(np.concatenate([self.start, ids]))[-1]
        p: NDArray[np.float64] = np.exp(last.astype(np.float64))
        return p

    def sample(
        self, prefix: Any, length: int, *, temperature: float = 1.0, seed: int = 0
    ) -> NDArray[np.int64]:
        """`length` tokens that follow `prefix`, drawn with p^(1/temperature), int64 `(token,)`."""
        check_choice(temperature)
        if temperature not in self._generators:
            self._generators[temperature] = TokenGenerator(self.model, temperature=temperature)
        (found,) = self._generators[temperature].generate([self._begun(prefix)], length, seed=seed)
        return found

    def complete(
        self, prefix: Any, length: int, *, number: int = 5, end: int | None = None
    ) -> list[Beam]:
        """The `number` most probable sequences of `length` tokens after `prefix`, by beam search.

        end: a token that ends a sequence earlier.
        """
        search = BeamSearch(self.model, beams=number, end=end, length_penalty=0)
        return search.search([self._begun(prefix)], length)[0]

    def _begun(self, prefix: Any) -> NDArray[np.int64]:
        ids = checked_tokens("NetworkLanguageModel", prefix, self.vocabulary_size)
        return np.concatenate([self.start, ids])

    def _logs(self, tokens: Any, state: Any) -> Any:
        scores, state = self.model.read(tokens, state)
        return ne.log_softmax(scores[0], axis=1), state

    def _after(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """log p of what follows each token, (token, vocabulary); read in pieces of two sizes."""
        context = getattr(self.model, "context", None) or len(tokens)
        found: list[NDArray[np.float32]] = []
        first = read = done = 0
        with evaluating(self.model), ne.no_grad():
            state = begin(self.model, 1)
            while done < len(tokens):
                if read - first == context:
                    first = read = read - context // 2
                    state = begin(self.model, 1)
                room = min(len(tokens), first + context) - read
                count = next(size for size in (*CHUNKS, 1) if room >= size)
                logs, state = self._read(ne.asarray(tokens[None, read : read + count]), state)
                read += count
                if read > done:
                    found.append(logs.numpy()[done - read :])
                    done = read
        return np.concatenate(found)
