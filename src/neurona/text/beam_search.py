"""Beam search: the most probable sequences, not only the most probable next token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import neurona as ne
from neurona.core.arguments import is_real, whole
from neurona.core.errors import ArgumentError, ShapeError
from neurona.core.tensor import Tensor
from neurona.core.tree import tree_map
from neurona.text.checks import checked_model, checked_token
from neurona.text.prompts import (
    CHUNKS,
    begin,
    checked_batch,
    evaluating,
    padded_prompts,
    prepared,
    read_chunks,
)


@dataclass(frozen=True)
class Beam:
    """A sequence that a search has found.

    tokens: what follows the prompt, the end token included. log_probability: of these tokens, in
    nats. score: log_probability / lengthᵖ, p the length penalty.
    """

    tokens: tuple[int, ...]
    log_probability: float
    score: float


class BeamSearch:
    """The sequences y of highest log p(y | prompt) / |y|ᵖ among those that a beam reaches.

    Each step extends the `beams` most probable beginnings by every token and keeps as many. A
    beginning that ends is set aside; the search is over when none that goes on can still be better
    than all of those, or at the greatest length. It is exact where `beams` holds all beginnings.

    model: see `TokenGenerator`. end: the token that ends a sequence, None for sequences of one
        length. length_penalty: p; 0 favours short sequences, as probabilities do.
    compiled: False runs the same in eager mode.

    Raises `ArgumentError` for less than one beam, a length penalty that is negative or infinite, an
    end that is no token and a model without these functions.

    >>> from neurona.models import GPT
    >>> ne.random.seed(0)
    >>> network = GPT(vocabulary_size=10, context=8, layers=1, heads=2, features=8)
    >>> best, second = BeamSearch(network, beams=2, end=0).search([[1, 2, 3]], 5)[0]
    >>> best.score >= second.score
    True
    """

    def __init__(
        self,
        model: Any,
        *,
        beams: int = 4,
        end: int | None = None,
        length_penalty: float = 1.0,
        compiled: bool = True,
    ) -> None:
        if not is_real(length_penalty) or not 0 <= length_penalty < float("inf"):
            raise ArgumentError(
                f"BeamSearch: length_penalty {length_penalty!r} must be at least 0 and finite"
            )
        size = getattr(model, "vocabulary_size", None)
        self.model = checked_model("BeamSearch", model)
        self.beams = whole("BeamSearch", "beams", beams)
        self.end = None if end is None else checked_token("BeamSearch", "end", end, size)
        self.length_penalty = length_penalty
        self._read = prepared(compiled, lambda tokens, state: model.read(tokens, state)[1])
        self._extend = prepared(compiled, self._step)

    def search(
        self, prompts: Sequence[Sequence[int] | NDArray[np.int64]], length: int, state: Any = None
    ) -> list[list[Beam]]:
        """For each prompt the best sequences of up to `length` tokens, at most `beams`, best first.

        prompts: sequences of tokens, all of one length. state: what the model begins with, by
        default `model.begin(len(prompts))`; that of an encoder's sentences, say.

        Raises `ArgumentError` if prompt and sequence together are longer than the model's context,
        `ShapeError` for prompts of different lengths; see `TokenGenerator.generate` for the others.
        """
        tokens, lengths = padded_prompts(self.model, prompts, None)
        context = getattr(self.model, "context", None)
        if (lengths != lengths[0]).any():
            raise ShapeError(
                f"BeamSearch.search: prompts have {lengths.min()} to {lengths.max()} tokens; "
                "search those of one length together"
            )
        length = whole("BeamSearch.search", "length", length)
        if context is not None and lengths[0] + length - 1 > context:
            raise ArgumentError(
                f"BeamSearch.search: {lengths[0]} tokens and {length} more must fit into the "
                f"model's context {context}"
            )
        count = len(tokens)
        state = begin(self.model, count) if state is None else checked_batch(state, count)
        with evaluating(self.model), ne.no_grad():
            state, _ = read_chunks(self._read, tokens[:, :-1], state, (*CHUNKS, 1))
            return self._search(tokens[:, -1], length, state)

    def _search(self, last: NDArray[np.int64], length: int, state: Any) -> list[list[Beam]]:
        """last: (batch,), the last tokens of the prompts; the state has read those before."""
        count = len(last)
        copies = ne.asarray(np.repeat(np.arange(count), self.beams))
        state = tree_map(lambda leaf: ne.take(leaf, copies, axis=0), state)
        found = [_Found(self, token, length) for token in last]
        rows = np.arange(count * self.beams)
        for _ in range(length):
            # Beams of a prompt begin alike, and beams that are no more: −∞, so that none is chosen.
            tokens = np.zeros((count, self.beams), np.int64)
            scores = np.full((count, self.beams), -np.inf, np.float32)
            for i, one in enumerate(found):
                for j, (parent, sequence, score) in enumerate(one.live):
                    rows[i * self.beams + j] = i * self.beams + parent
                    tokens[i, j], scores[i, j] = sequence[-1], score
            *best, state = self._extend(
                ne.asarray(rows), ne.asarray(tokens.reshape(-1)), ne.asarray(scores), state
            )
            for one, *row in zip(found, *[part.numpy() for part in best], strict=True):
                one.extend(*row)
            if all(one.settled for one in found):
                break
        return [one.results() for one in found]

    def _step(
        self, rows: Tensor, last: Tensor, scores: Tensor, state: Any
    ) -> tuple[Tensor, Tensor, Tensor, Any]:
        """The 2·beams best extensions of each prompt's beams, so that as many remain if half end.

        rows: (batch·beams,), whose state each beam takes on. last: their tokens, to be read.
        scores: (batch, beams), log-probabilities. Gives log-probabilities, which beams they extend
        and by which token, each (batch, 2·beams), and the state.
        """
        count, beams = scores.shape
        state = tree_map(lambda leaf: ne.take(leaf, rows, axis=0), state)
        found, state = self.model.read(ne.expand_dims(last, axis=1), state)
        nexts = ne.log_softmax(found[:, -1], axis=1)  # (batch·beams, vocabulary)
        vocabulary = nexts.shape[1]
        nexts = ne.reshape(nexts, (count, beams, vocabulary))
        totals = ne.reshape(ne.expand_dims(scores, axis=2) + nexts, (count, beams * vocabulary))
        best, places = ne.top_k(totals, min(2 * beams, totals.shape[1]))
        return best, places // vocabulary, places % vocabulary, state


class _Found:
    """The beams of one prompt: those that go on and those that have ended."""

    def __init__(self, search: BeamSearch, last: int, length: int) -> None:
        self.search = search
        self.length = length
        self.live: list[tuple[int, tuple[int, ...], float]] = [(0, (int(last),), 0.0)]
        """Parent beam, the prompt's last token and those after it, log-probability; best first."""
        self.ended: list[Beam] = []

    def score(self, log_probability: float, length: int) -> float:
        penalty: float = length**self.search.length_penalty
        return log_probability / penalty

    def _set_aside(self, tokens: tuple[int, ...], log_probability: float) -> None:
        new = tokens[1:]
        self.ended.append(Beam(new, log_probability, self.score(log_probability, len(new))))
        self.ended.sort(key=lambda beam: (-beam.score, beam.tokens))
        del self.ended[self.search.beams :]

    def extend(
        self, best: NDArray[np.float32], parents: NDArray[np.int64], tokens: NDArray[np.int64]
    ) -> None:
        """Take over the best extensions, (2·beams,), best first."""
        live: list[tuple[int, tuple[int, ...], float]] = []
        for score, parent, token in zip(best.tolist(), parents, tokens.tolist(), strict=True):
            if score == -np.inf:
                break
            sequence = (*self.live[parent][1], token)
            if token == self.search.end:
                self._set_aside(sequence, score)
            elif len(live) < self.search.beams:
                live.append((int(parent), sequence, score))
        self.live = live

    @property
    def settled(self) -> bool:
        """Whether what goes on can no longer be better than any of the results."""
        if not self.live:
            return True
        if len(self.ended) < self.search.beams:
            return False
        # Log-probabilities only fall; the greatest length is the least penalty on them.
        return self.ended[-1].score >= self.score(self.live[0][2], self.length)

    def results(self) -> list[Beam]:
        """The best sequences, those that the greatest length has cut off among them."""
        if not self.settled:
            for _, tokens, score in self.live:
                self._set_aside(tokens, score)
        return self.ended
