"""Sequences from a network that says what comes next, many tokens a native call."""

from __future__ import annotations

import functools
import itertools
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

import neurona as ne
from neurona.core.arguments import whole
from neurona.core.errors import ArgumentError
from neurona.core.tensor import Tensor
from neurona.ops.generator import Generator
from neurona.text.checks import checked_model, checked_token
from neurona.text.choice import check_choice, choose
from neurona.text.prompts import (
    begin,
    checked_batch,
    evaluating,
    padded_prompts,
    prepared,
    read_chunks,
)
from neurona.text.tokenizer import Tokenizer

ROUNDS = 64
"""So many tokens at most a call."""
PATIENCE = 0.02
"""Seconds that a stream waits for tokens, as far as a single token allows."""
COLDEST = 1e-30
"""The least temperature above 0: float32 holds scores divided by it."""


class TokenGenerator:
    """Draws the tokens that follow a prompt, one after another.

    p(next) ∝ exp(score / temperature), restricted to the `top_k` most probable tokens, then to the
    fewest of those whose probabilities sum to `top_p`.

    model: anything with `begin(batch) -> state` and `read(tokens, state) -> (scores, state)`,
        such as `models.GPT`: a tree of tensors with the axis batch first, integers (batch, time),
        scores (batch, time, vocabulary). It runs in evaluation mode.
    temperature: 0 takes the most probable token. stop: tokens after which a sequence ends.
    compiled: False runs the same in eager mode.

    A call of the native program reads a token, chooses the next and goes on so for up to 64 tokens;
    its programs depend on the number of prompts, but not on their lengths or on how much is drawn.

    **The context** (`model.context`, None for no limit): of a longer prompt the last `context`
    tokens are read. When as many have been read, the model begins anew with the last half of
    them, and goes on.

    Raises `ArgumentError` for values that name no distribution, a stop that is no token and a model
    without these functions.

    >>> from neurona.models import GPT
    >>> ne.random.seed(0)
    >>> network = GPT(vocabulary_size=10, context=8, layers=1, heads=2, features=8)
    >>> generator = TokenGenerator(network, temperature=0.8, top_k=3)
    >>> [len(tokens) for tokens in generator.generate([[1, 2, 3], [4]], 20, seed=1)]
    [20, 20]
    """

    def __init__(
        self,
        model: Any,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        stop: Sequence[int] = (),
        compiled: bool = True,
    ) -> None:
        check_choice(temperature, top_k, top_p)
        if isinstance(stop, str) or not isinstance(stop, Iterable):
            raise ArgumentError(f"TokenGenerator: stop is a list of tokens, not {stop!r}")
        size = getattr(model, "vocabulary_size", None)
        self.model = checked_model("TokenGenerator", model)
        self.temperature = temperature
        self.top_k = top_k
        self.top_p = top_p
        self.stop = tuple([checked_token("TokenGenerator", "stop", one, size) for one in stop])
        self.random = Generator()
        self._advance = prepared(compiled, self._rounds)
        self._read = prepared(compiled, lambda tokens, state: model.read(tokens, state)[1])

    def generate(
        self,
        prompts: Sequence[Sequence[int] | NDArray[np.int64]],
        length: int,
        *,
        seed: int = 0,
        state: Any = None,
    ) -> list[NDArray[np.int64]]:
        """Up to `length` new tokens for each prompt, int64 (time,), the stop token included.

        prompts: sequences of tokens of any length from 1 on. seed: of all draws; the same prompts
        give the same tokens. state: what the model begins with, by default `model.begin(batch)`.

        Raises `ArgumentError` for an empty prompt and for tokens out of range.
        """
        run = _Sequences(self, prompts, length, seed, state)
        while not run.finished:
            run.advance(ROUNDS)
        return [run.new(row) for row in range(len(prompts))]

    def stream(
        self,
        prompt: Sequence[int] | NDArray[np.int64],
        length: int,
        *,
        seed: int = 0,
        state: Any = None,
    ) -> Iterator[int]:
        """The tokens that `generate([prompt], …)` gives, as they come."""
        return self._tokens(_Sequences(self, [prompt], length, seed, state))

    def _tokens(self, run: _Sequences) -> Iterator[int]:
        rounds = 1
        given = 0
        while not run.finished:
            began = time.perf_counter()
            run.advance(rounds)
            rounds = min(2 * rounds, ROUNDS) if time.perf_counter() - began < PATIENCE / 2 else 1
            tokens = run.new(0)
            yield from map(int, tokens[given:])
            given = len(tokens)

    def write(
        self,
        tokenizer: Tokenizer,
        prompt: str,
        length: int,
        *,
        seed: int = 0,
        file: TextIO | None = None,
    ) -> str:
        """Print the prompt and what follows as it comes; returns what follows.

        file: where to, by default the terminal.
        """
        if not isinstance(tokenizer, Tokenizer):
            raise ArgumentError(
                f"TokenGenerator.write: a tokeniser is needed, not {type(tokenizer).__name__}"
            )
        out = sys.stdout if file is None else file
        before = tokenizer.encode(prompt)
        stream = self.stream(before, length, seed=seed)
        out.write(prompt)
        # The prompt again, since what stands between it and the next depends on both.
        all_pieces = tokenizer.pieces(itertools.chain(map(int, before), stream))
        pieces = []
        for piece in itertools.islice(all_pieces, len(before), None):
            pieces.append(piece)
            out.write(piece)
            out.flush()
        out.write("\n")
        return "".join(pieces)

    def _rounds(
        self,
        token: Tensor,
        state: Any,
        known: Tensor,
        ended: Tensor,
        rounds: Any,
        temperature: Any,
        top_p: Any,
    ) -> tuple[Tensor, Tensor, Any, Tensor]:
        """Read a token and choose the next, `rounds` times or until all have ended.

        token: (batch,), the first to be read. known: (batch, time), the tokens that follow, −1
        where they are to be chosen. Gives the number of rounds, `known` filled in, the state and
        which have ended.
        """
        places = ne.arange(known.shape[1])

        def unfinished(carry: Any) -> Any:
            i, _, _, _, ended = carry
            return (i < rounds) & ~ne.all(ended)

        def step(carry: Any) -> Any:
            i, token, state, known, ended = carry
            scores, state = self.model.read(ne.expand_dims(token, axis=1), state)
            chosen = choose(
                scores[:, -1],
                temperature=temperature,
                top_k=self.top_k,
                top_p=None if self.top_p is None else top_p,
                random=self.random if self.temperature else None,
            )
            there = ne.max(ne.where(places == i, known, -1), axis=1)
            stops = functools.reduce(
                lambda found, stop: found | (chosen == stop), self.stop, ne.zeros_like(ended)
            )
            ended = ended | ((there < 0) & stops)
            token = ne.where(there < 0, chosen, there)
            known = ne.where(places == i, ne.expand_dims(token, axis=1), known)
            return i + 1, token, state, known, ended

        i, _, state, known, ended = ne.while_loop(unfinished, step, (0, token, state, known, ended))
        return i, known, state, ended


class _Sequences:
    """Prompts and what has been drawn for them; all are read at the same pace."""

    def __init__(
        self, generator: TokenGenerator, prompts: Sequence[Any], length: int, seed: int, state: Any
    ) -> None:
        length = whole("generation", "length", length, 0)
        self.generator = generator
        model = generator.model
        self.context = getattr(model, "context", None)
        rows, self.prompts = padded_prompts(model, prompts, self.context)
        more = np.full((len(rows), length), -1, np.int64)
        self.tokens = np.concatenate([rows, more], axis=1)
        for row, prompt in enumerate(self.prompts):
            self.tokens[row, prompt + length :] = 0  # read by nobody, and not drawn either
        self.ends = self.prompts + length
        self.ended = np.zeros(len(rows), bool)
        self.random = {
            "seed": whole("generation", "seed", seed, 0),
            "counter": 0,
        }  # of its own: streams may be read in turns
        self.state: Any = None
        self.start = begin(model, len(rows)) if state is None else checked_batch(state, len(rows))
        self.read, self.first, self.drawn = 0, 0, int(self.prompts.min())
        self._begin(0, self.drawn - 1)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to be drawn."""
        return bool((self.ended | (self.ends <= self.drawn)).all())

    def new(self, row: int) -> NDArray[np.int64]:
        """What has been drawn for a prompt."""
        drawn = self.tokens[row, self.prompts[row] : min(self.ends[row], self.drawn)]
        stops = np.isin(drawn, self.generator.stop)
        return drawn[: int(stops.argmax()) + 1 if stops.any() else len(drawn)].copy()

    def advance(self, rounds: int) -> None:
        """Let the native program go on."""
        if self.context is not None and self.read - self.first == self.context:
            self._begin(self.read - self.context // 2, self.read)
        left = int(self.ends.max()) - 1 - self.read
        rounds = min(rounds, left)
        if self.context is not None:
            rounds = min(rounds, self.context - (self.read - self.first))
        generator, here = self.generator, self.read + 1
        known = np.full((len(self.tokens), ROUNDS), -1, np.int64)
        there = self.tokens[:, here : here + ROUNDS]
        known[:, : there.shape[1]] = there
        ended = self.ended | (self.ends <= here)
        generator.random.state = self.random
        with evaluating(generator.model), ne.no_grad():
            done, known_after, self.state, ended_after = generator._advance(
                ne.asarray(self.tokens[:, self.read]),
                self.state,
                ne.asarray(known),
                ne.asarray(ended),
                rounds,
                max(float(generator.temperature), COLDEST) if generator.temperature else 1.0,
                float(generator.top_p or 1.0),
            )
        self.random = generator.random.state
        count = int(done)
        self.tokens[:, here : here + count] = known_after.numpy()[:, :count]
        self.read += count
        self.drawn = max(self.drawn, self.read + 1)
        self.ended |= ended_after.numpy()

    def _begin(self, first: int, last: int) -> None:
        """Read tokens first … last−1 from the start, as far as chunks go; rounds do the others."""
        part = self.tokens[:, first:last]
        with evaluating(self.generator.model), ne.no_grad():
            self.state, count = read_chunks(self.generator._read, part, self.start)
        self.first, self.read = first, first + count
